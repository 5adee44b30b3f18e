"""Which way each setting of risk is tighter, so that a day can only become stricter.

Every key of `[risk_governor]`, `[risk_governor.pretrade]`, `[session]` and every fact of the rule
pack stands in one of two tables: `TIGHTER`, with the function that finds the stricter of two
values, or `NEITHER`, with the reason why there is no such thing. A test demands it of keys to come
(`tests/test_governor_directions.py`). Values are plain (numbers, texts, lists, dicts), so that a
snapshot and a journal carry them as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from shared.domain.rules.day import smaller_limit

Values = dict[str, Any]
Tighter = Callable[[Any, Any], Any]
PRETRADE: Final = "pretrade."
SESSION: Final = "session."
PACK: Final = "rules."


def ranked(*words: str) -> Tighter:
    """Words from the loosest to the tightest."""
    return lambda one, other: max(one, other, key=words.index)


def every(one: list[Any], other: list[Any]) -> list[Any]:
    """What either names: windows, hours, sleeves that are bounded."""
    return [*one, *(item for item in other if item not in one)]


def common(one: list[Any], other: list[Any]) -> list[Any]:
    """What both allow."""
    return [item for item in one if item in other]


def each_larger(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    """By key the larger, of an allowance that is as usual where it is not named."""
    return {name: max(one.get(name, 0), other.get(name, 0)) for name in [*one, *other]}


def each_smaller(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    """By key the smaller, of a cap that does not bind where it is not named."""
    return {
        name: min(one.get(name, other.get(name, 0)), other.get(name, one.get(name, 0)))
        for name in [*one, *other]
    }


def larger_where_both(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    """By key the larger, of what does not trade where it is not named."""
    return {name: max(one[name], other[name]) for name in one if name in other}


def pairwise_smaller(one: list[int], other: list[int]) -> list[int]:
    """A ladder of caps, step by step."""
    return [min(pair) for pair in zip(one, other, strict=False)]


LESS: Final = (
    "order_size", "position", "account_position_tenths", "trade_risk", "open_risk", "daily_loss",
    "drawdown_kill", "trades_per_day", "quoted_per_day", "orders_per_window", "price_collar_ticks",
    "pretrade.account_orders_per_window", "pretrade.messages_free", "pretrade.births",
    "pretrade.messages_per_contract", "pretrade.fills_per_window", "pretrade.contracts_per_day",
    "pretrade.unknown_orders", "pretrade.spread_ticks", "pretrade.jump_bp", "pretrade.limit_bp",
    "pretrade.stress_loss", "pretrade.correlation_percent",
    "quote_age_s", "approval_real_s", "unprotected_real_s", "blind_grace_s", "difference_grace_s",
    "beyond_firm_daily_loss", "pretrade.hold_trips", "pretrade.kelly_trades",
    "pretrade.clock_skew_s", "router_silence_real_s", "sentinel_silence_real_s",
    "sleeve_silence_real_s",
    "rules.api_allowed", "rules.maximum_loss", "rules.daily_loss", "rules.position_tenths",
    "rules.news_micros", "rules.contracts_notify", "rules.contracts_veto",
)  # fmt: skip
"""Of which less is tighter (and no tighter than yes)."""
LESS_OR_NONE: Final = (
    "session_cap", "daily_cap", "recovery_percent", "emergency_percent", "loss_streak",
    "sleeve_loss", "profit_stop", "allocation_share_percent",
)  # fmt: skip
"""The same, and 0 means that there is no such limit."""
MORE: Final = (
    "slippage_ticks", "exit_allowance_ticks", "thin_percent", "approach_percent", "cooldown_s",
    "news_before_s", "news_after_s", "pretrade.limit_zone_bp", "pretrade.disk_low_mb",
    "pretrade.disk_stop_mb", "pretrade.gap_percent",
    "window_s", "daily_loss_limit", "floor_at_least", "bank_target",
    "pretrade.repeat_s", "pretrade.fills_window_s", "pretrade.hold_s", "pretrade.jump_s",
    "pretrade.births_window_real_s", "pretrade.jump_pause_s", "pretrade.correlation_days",
    "session.no_entries_before_s", "session.flatten_before_s", "session.flat_before_s",
    "rules.floor_ends", "rules.scaled", "rules.news_before_ns", "rules.news_after_ns",
    "rules.zone_bp",
)  # fmt: skip
"""Of which more is tighter (and yes tighter than no)."""

TIGHTER: Final[dict[str, Tighter]] = {
    **dict.fromkeys(LESS, min),
    **dict.fromkeys(LESS_OR_NONE, smaller_limit),
    **dict.fromkeys(MORE, max),
    "drawdown_high": ranked("end_of_day", "running"),
    "consistency": ranked("notify", "stop"),
    "news": every,
    "thin_hours_ct": every,
    "exit_allowance_products": each_larger,
    "pretrade.kelly": every,
    "pretrade.order_types": common,
    "pretrade.stress_bp": larger_where_both,
    "pretrade.margin_bp": larger_where_both,
    "rules.product_contracts": each_smaller,
    "rules.scaling_minis": pairwise_smaller,
    "rules.news_roots": every,
}
"""Path -> the stricter of two values."""

_ACCOUNT: Final = "says which kind of account it is; what differs in numbers is held one by one"
_PAYOUT: Final = "guidance for a payout, which the product never asks for"
_TARGET: Final = "a gain to reach; neither more nor less of it risks anything"

NEITHER: Final[dict[str, str]] = {
    "rules": "the pack's name; its facts are held one by one",
    "pretrade": "a section; its keys are held one by one",
    "allocation_days": "how much of the past is evidence; slices change at 17:00 CT only",
    "net_stop_ticks": (
        "the router places the stop so far away, and we count the risk of that: a farther one"
        " passes fewer contracts under the same limits"
    ),
    "pretrade.accounts_dir": "a place, not an amount; an unknown one refuses by itself",
    "rules.name": _ACCOUNT,
    "rules.stage": _ACCOUNT,
    "rules.path": _ACCOUNT,
    "rules.size": _ACCOUNT,
    "rules.start": _ACCOUNT,
    "rules.scaling_steps": "balances that belong to the caps, which are held",
    "rules.profit_target": _TARGET,
    "rules.consistent": _TARGET,
    "rules.consistency_percent": _TARGET,
    "rules.paid": _PAYOUT,
    "rules.winning_day": _PAYOUT,
    "rules.winning_days": _PAYOUT,
    "rules.traded_days": _PAYOUT,
    "rules.payout_percent": _PAYOUT,
    "rules.payout_least": _PAYOUT,
    "rules.payout_profit": _PAYOUT,
    "rules.payout_cap": _PAYOUT,
    "rules.payout_cap_daily_loss": _PAYOUT,
    "rules.split_percent": _PAYOUT,
    "rules.transfer_fee": _PAYOUT,
    "rules.idle_days": "days without a trade, which no day can loosen",
}
"""Path -> why it is taken as it is set, also within a day."""


def tighter(first: Values, second: Values) -> Values:
    """The tighter of each value; one that only one of them knows is taken from it."""
    return {
        name: TIGHTER[name](first.get(name, second.get(name)), second.get(name, first.get(name)))
        for name in [*first, *(name for name in second if name not in first)]
        if name in TIGHTER
    }
