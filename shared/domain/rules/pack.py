"""A rule pack: what the firm demands of one kind of account, as whole numbers, with its evidence.

Each fact comes from a file with its source, when it was read there, and how sure it is. A fact that
is missing or marked `unknown` is never permissive: it takes the strictest value its rule knows (a
cap of nothing, a payout nobody qualifies for), and where there is none, above all for the floor,
the pack is refused. `uncertain` is a value we keep on the safe side of what was read.

Pure: `shared/rulebook.py` reads the files. Money in micro-dollars, except `size`, which is a name.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from shared.units import DAY, SECOND, Lots, Micros, micros

NEVER: Final = 1 << 50  # micro-dollars or counts that no account reaches
Stage = Literal["practice", "combine", "express"]
Confidence = Literal["confirmed", "derived", "uncertain", "secondary", "unknown"]


class PackError(ValueError):
    """A pack cannot be used; the message names the pack, the fact, and what is wrong with it."""


class Fact(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A value with its evidence. `source` names an entry of the pack's sources; `read`: when."""

    value: Any = None
    source: str
    read: str
    confidence: Confidence


class RulePack(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The firm's numbers for one kind of account."""

    name: str
    stage: Stage
    path: Literal["", "standard", "consistency"]  # of an express account
    size: int  # dollars; the account's name at the firm, also where it starts at 0
    api_allowed: bool
    start: Micros
    maximum_loss: Micros  # the floor starts so far below the start
    floor_ends: bool  # touching the floor ends the account
    daily_loss: Micros  # the limit, on accounts that have one
    position_tenths: Lots  # cap over all products, tenths of a mini
    product_contracts: dict[str, Lots]  # product -> contracts, where the firm restricts it now
    scaled: bool  # the cap follows the balance
    scaling_steps: tuple[Micros, ...]
    scaling_minis: tuple[Lots, ...]
    profit_target: Micros  # 0: none
    consistent: bool  # the best day's share is limited
    consistency_percent: int
    paid: bool  # there are payouts
    winning_day: Micros
    winning_days: int
    traded_days: int
    payout_percent: int
    payout_least: Micros
    payout_profit: Micros  # net since the last payout, from the second on
    payout_cap: Micros
    payout_cap_daily_loss: Micros  # with the daily loss limit taken at the checkout
    split_percent: int
    transfer_fee: Micros
    idle_days: int  # without a trade the account may be closed
    news_before_ns: int  # around the releases of `news_roots`
    news_after_ns: int
    news_roots: tuple[str, ...]  # products that may not be opened then
    news_micros: Lots  # all micros together then
    zone_bp: int  # basis points to the price limit within which nothing may be held
    contracts_notify: Lots  # contracts a day that draw attention
    contracts_veto: Lots

    def __post_init__(self) -> None:
        if len(self.scaling_minis) != len(self.scaling_steps) + 1:
            raise ValueError("scaling_minis needs one entry more than scaling_steps")
        if list(self.scaling_steps) != sorted(self.scaling_steps):
            raise ValueError("scaling_steps must rise")
        if self.maximum_loss <= 0 or self.daily_loss <= 0:
            raise ValueError("maximum_loss and daily_loss must be above 0")
        if not 0 < self.consistency_percent < 100:
            raise ValueError("consistency_percent lies between 0 and 100")

    def day_limit(self, enabled: bool) -> Micros:
        """The day's loss that locks an account with or without the limit; 0 where there is none."""
        return self.daily_loss if enabled and self.floor_ends else 0

    def most_paid(self, daily_loss: bool) -> Micros:
        """The cap of one payout."""
        return self.payout_cap_daily_loss if daily_loss else self.payout_cap


MONEY: Final = frozenset(
    {
        "start", "maximum_loss", "daily_loss", "scaling_steps", "profit_target", "winning_day",
        "payout_least", "payout_profit", "payout_cap", "payout_cap_daily_loss", "transfer_fee",
    }
)  # fmt: skip
"""Facts that the files state in dollars: a whole number, or text with cents."""

SECONDS: Final = {"news_before_ns": "news_before_s", "news_after_ns": "news_after_s"}
"""Fields that the files state in seconds, under another name."""

STRICTEST: Final[dict[str, Any]] = {
    "api_allowed": False,
    "floor_ends": True,
    "position_tenths": 0,
    "scaled": True,
    "scaling_minis": (0, 0, 0, 0, 0),
    "consistent": True,
    "consistency_percent": 1,
    "paid": False,
    "winning_day": NEVER,
    "winning_days": NEVER,
    "traded_days": NEVER,
    "payout_percent": 0,
    "payout_least": NEVER,
    "payout_profit": NEVER,
    "payout_cap": 0,
    "payout_cap_daily_loss": 0,
    "split_percent": 0,
    "idle_days": 1,
    "news_before_ns": DAY,
    "news_after_ns": DAY,
    "news_micros": 0,
    "zone_bp": 10_000,
    "contracts_notify": 0,
    "contracts_veto": 0,
}
"""What holds where nobody knows. A field that is not here has no strictest value: refused."""

FIELDS: Final = tuple(field for field in RulePack.__struct_fields__ if field != "name")


def key_of(field: str) -> str:
    """The name of a field in the files."""
    return SECONDS.get(field, field)


def assemble(name: str, facts: dict[str, Fact]) -> RulePack:
    """The pack that facts make. Raises PackError."""
    unknown = set(facts) - {key_of(field) for field in FIELDS}
    if unknown:
        raise PackError(f"pack {name}: no rule knows {', '.join(sorted(unknown))}")
    values: dict[str, Any] = {"name": name}
    for field in FIELDS:
        fact = facts.get(key_of(field))
        if fact is not None and fact.confidence != "unknown":
            values[field] = _value(name, field, fact.value)
        elif field in STRICTEST:
            values[field] = STRICTEST[field]
        else:
            raise PackError(
                f"pack {name}: {key_of(field)} is not known, and nothing may be assumed of it"
            )
    try:
        return msgspec.convert(values, RulePack, strict=True)
    except ValueError as error:
        raise PackError(f"pack {name}: {error}") from None


def _value(name: str, field: str, value: Any) -> Any:
    """A value of a file in the field's own unit. Raises PackError."""
    try:
        if field in SECONDS:
            return _whole(value) * SECOND
        if field not in MONEY:
            return value
        if isinstance(value, list):
            return [micros(one) for one in value]
        return micros(value)
    except (TypeError, ValueError) as error:
        raise PackError(f"pack {name}: {key_of(field)}: {error}") from None


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"a whole number was expected, not {value!r}")
    return value
