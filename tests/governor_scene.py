"""The scene on which tests of the governor play: contracts, prices, an instant, and limits.

Wednesday 2026-11-18, 09:35 Chicago; the limits are the defaults, or `wide` ones out of the way.
"""

from __future__ import annotations

from typing import Any

import msgspec

from shared.events import (
    Side,
)
from shared.sections import PreTrade
from shared.settings import Settings, load
from shared.units import SECOND, Micros, micros

MNQ = "CON.F.US.MNQ.Z26"
MES = "CON.F.US.MES.Z26"
M2K = "CON.F.US.M2K.Z26"
MYM = "CON.F.US.MYM.Z26"
ES = "CON.F.US.EP.Z26"
NQ = "CON.F.US.ENQ.Z26"
ROOTS = {"MNQ": MNQ, "MES": MES, "M2K": M2K, "MYM": MYM, "ES": ES, "NQ": NQ}
PRICES = {MNQ: 84_000, MES: 24_000, M2K: 24_000, MYM: 44_000, ES: 24_000, NQ: 84_000}
OPENING = 1795016100 * SECOND  # 2026-11-18T15:35:00Z, 09:35 CT
HOUR = 3_600 * SECOND
TODAY = "2026-11-18"
PRETRADE = PreTrade.__struct_fields__
GROUPS = tuple(load(env={}).risk_governor.pretrade.margin_bp)
BUY, SELL = Side.BUY, Side.SELL


def settings(**risk: Any) -> Settings:
    """The defaults with other limits, those of `[risk_governor.pretrade]` by their names too."""
    plain = load(env={})
    asked = {name: risk.pop(name) for name in PRETRADE if name in risk}
    risk["pretrade"] = msgspec.structs.replace(plain.risk_governor.pretrade, **asked)
    return msgspec.structs.replace(
        plain, risk_governor=msgspec.structs.replace(plain.risk_governor, **risk)
    )


def wide(**risk: Any) -> Settings:
    """Limits out of the way, for tests of one rule alone."""
    far = {
        "order_size": 100, "position": 100, "account_position_tenths": 50, "trade_risk": 100_000,
        "open_risk": 100_000, "orders_per_window": 1_000, "trades_per_day": 1_000,
        "session_cap": 0, "daily_cap": 0, "recovery_percent": 0, "emergency_percent": 0,
        "loss_streak": 0, "sleeve_loss": 0, "allocation_share_percent": 0,
        "repeat_s": 0.0, "account_orders_per_window": 1_000, "messages_free": 10_000,
        "fills_per_window": 1_000, "contracts_per_day": 10_000, "hold_s": 0.0,
        "births": 100, "unknown_orders": 100, "spread_ticks": 100, "jump_bp": 9_000,
        "limit_bp": 9_000, "stress_loss": 1_000_000, "gap_percent": 0,
        "correlation_percent": 100, "margin_bp": dict.fromkeys(GROUPS, 1),
    }  # fmt: skip
    return settings(**{**far, **risk})


def dollars(amount: int | str) -> Micros:
    return micros(amount)
