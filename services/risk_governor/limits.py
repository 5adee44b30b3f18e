"""The settings as integers, checked against the firm's own walls, and never looser within a day.

What was in force when a trading day began, or was tightened since, holds until 17:00 CT: a restart
with looser settings keeps the tighter value of each, and the governor says which. Tightening holds
at once. What is neither tighter nor looser (the size of the account, patience with a peer) is taken
as it is set.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Final

from msgspec import structs

from shared.domain.rules.account import Own, terms_of
from shared.domain.rules.caps import smaller_cap
from shared.domain.rules.day import share_of, smaller_limit
from shared.domain.rules.inside import contradiction, daily_limit
from shared.domain.rules.pack import RulePack
from shared.events import OrderType
from shared.sections import RiskGovernor
from shared.units import SECOND, USD, Lots, Micros, Nanos
from shared.venue.times import time_ns

Values = dict[str, int]
WHOLE: Final = 100
PRETRADE: Final = "pretrade."
CPI: Final = "CPI"
LESS: Final = (
    "order_size", "position", "account_position_tenths", "trade_risk", "open_risk", "daily_loss",
    "drawdown_kill", "trades_per_day", "quoted_per_day", "orders_per_window", "price_collar_ticks",
    "pretrade.account_orders_per_window", "pretrade.messages_free", "pretrade.births",
    "pretrade.messages_per_contract", "pretrade.fills_per_window", "pretrade.contracts_per_day",
    "pretrade.unknown_orders", "pretrade.spread_ticks", "pretrade.jump_bp", "pretrade.limit_bp",
    "pretrade.stress_loss", "pretrade.correlation_percent",
)  # fmt: skip
"""Limits of which less is tighter."""
LESS_OR_NONE: Final = (
    "session_cap", "daily_cap", "recovery_percent", "emergency_percent", "loss_streak",
    "sleeve_loss", "profit_stop", "allocation_share_percent",
)  # fmt: skip
"""The same, and 0 means that there is no such limit."""
MORE: Final = (
    "slippage_ticks", "exit_allowance_ticks", "thin_percent", "approach_percent", "cooldown_s",
    "news_before_s", "news_after_s", "pretrade.limit_zone_bp", "pretrade.disk_low_mb",
    "pretrade.disk_stop_mb", "pretrade.gap_percent",
)  # fmt: skip
"""Limits of which more is tighter."""
KEPT: Final = LESS + LESS_OR_NONE + MORE


def values_of(given: RiskGovernor) -> Values:
    """The limits that may only be tightened within a day, by the names of their settings."""
    return {name: attrgetter(name)(given) for name in KEPT}


def with_values(given: RiskGovernor, values: Values) -> RiskGovernor:
    """The settings with these limits in them."""
    own = {name: value for name, value in values.items() if not name.startswith(PRETRADE)}
    inner = {
        name.removeprefix(PRETRADE): value
        for name, value in values.items()
        if name.startswith(PRETRADE)
    }
    return structs.replace(given, **own, pretrade=structs.replace(given.pretrade, **inner))


def tighter(first: Values, second: Values) -> Values:
    """The tighter of each limit; one that is missing in `second` is as in `first`."""
    return {name: _tighter(name, value, second.get(name, value)) for name, value in first.items()}


def _tighter(name: str, one: int, other: int) -> int:
    if name in LESS_OR_NONE:
        return smaller_limit(one, other)
    return max(one, other) if name in MORE else min(one, other)


class Limits:
    """The settings as integers, checked against the firm's own walls. Raises ValueError.

    `held`: what was in force before, in this trading day; `kept` names what of the settings
    therefore has to wait.
    """

    def __init__(self, given: RiskGovernor, pack: RulePack, held: Values | None = None) -> None:
        reason = contradiction(given, pack)
        if reason:
            raise ValueError(reason)
        wanted = values_of(given)
        self.values = tighter(wanted, held or {})
        self.kept = ", ".join(
            f"{name} stays {value} until 17:00 CT (the settings say {wanted[name]})"
            for name, value in self.values.items()
            if value != wanted[name]
        )
        given = with_values(given, self.values)
        self.given = given
        self.pack = pack
        self.terms = terms_of(pack, given.daily_loss_limit, Own())
        self.maximum_loss, self.start = pack.maximum_loss, pack.start
        self.firm_daily = pack.day_limit(given.daily_loss_limit)
        self.session_cap = given.session_cap * USD
        self.daily_cap = given.daily_cap * USD
        self.daily_loss = daily_limit(given, pack)
        self.drawdown = given.drawdown_kill * USD
        self.running = given.drawdown_high == "running"
        self.profit_stop = given.profit_stop * USD
        self.sleeve_loss = given.sleeve_loss * USD
        self.trade_risk = given.trade_risk * USD
        self.open_risk = given.open_risk * USD
        self.quote_age_ns = int(given.quote_age_s * SECOND)
        self.window_ns = int(given.window_s * SECOND)
        self.approval_ns = int(given.approval_real_s * SECOND)
        self.unprotected_ns = int(given.unprotected_real_s * SECOND)
        self.blind_ns = int(given.blind_grace_s * SECOND)
        self.difference_ns = int(given.difference_grace_s * SECOND)
        asked = given.pretrade
        self.order_types = tuple(OrderType(name) for name in asked.order_types)
        self.repeat_ns = int(asked.repeat_s * SECOND)
        self.hold_ns = int(asked.hold_s * SECOND)
        self.skew_ns = int(asked.clock_skew_s * SECOND)
        self.jump_ns = int(asked.jump_s * SECOND)
        self.pause_ns = int(asked.jump_pause_s * SECOND)
        self.stress_loss = asked.stress_loss * USD
        self.cooldown_ns = given.cooldown_s * SECOND
        self.news = tuple(sorted(self._window(one.at, one.kind) for one in given.news))

    @property
    def effective(self) -> Micros:
        """The smallest daily limit enabled; the soft stop where there is no other."""
        return smaller_limit(self.firm_daily, self.daily_cap) or self.daily_loss

    def share(self, percent: int) -> Micros:
        """A share of the effective daily limit; 0 for none."""
        return share_of(self.effective, (percent, WHOLE))

    def position_of(self, root: str) -> Lots:
        """Contracts of one product: ours, or fewer where the firm restricts it now."""
        return smaller_cap(
            self.given.position, self.pack.product_contracts.get(root, self.given.position)
        )

    def _window(self, at: str, kind: str) -> tuple[Nanos, Nanos, Nanos, str]:
        """(instant, before, after, kind) of news and the time around it."""
        event = time_ns(at, "risk_governor.news.at")
        firm = (self.pack.news_before_ns, self.pack.news_after_ns) if kind == CPI else (0, 0)
        before = max(self.given.news_before_s * SECOND, firm[0])
        after = max(self.given.news_after_s * SECOND, firm[1])
        return event, before, after, kind
