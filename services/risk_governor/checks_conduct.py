"""What forbids an order for how its sleeve behaves: repetitions, pace, messages, holding times."""

from __future__ import annotations

from bisect import bisect_right

from services.risk_governor.conduct import print_of
from services.risk_governor.draft import Draft, Refusal
from services.risk_governor.latches import switched_off
from services.risk_governor.members import ENTRY, QUOTE
from services.risk_governor.state import Mind
from shared.domain.rules.conduct import holds_too_briefly, messages_allowed
from shared.events import VetoRule
from shared.units import Nanos


def sleeve_is_on(mind: Mind, draft: Draft) -> Refusal | None:
    held = switched_off(mind, draft.sleeve) if mind.state.latches else None
    return None if held is None else (VetoRule.SLEEVE_OFF, 0, 0, held.cause)


def order_is_new(mind: Mind, draft: Draft) -> Refusal | None:
    """One entry per sleeve, contract and side in the window, whatever its intent's number."""
    if draft.purpose is not ENTRY:
        return None
    limit = mind.limits.repeat_ns
    last = draft.conduct.entries_ns.get(print_of(draft.contract, draft.side))
    if last is None or draft.now_ns - last >= limit:
        return None
    return VetoRule.REPEATED, limit, draft.now_ns - last, "the same entry again"


def rate_is_bearable(mind: Mind, draft: Draft) -> Refusal | None:
    """Approvals of this sleeve in the window, this one counted."""
    limits, recent = mind.limits, mind.state.sleeves[draft.sleeve].approved_ns
    limit, count = limits.given.orders_per_window, younger(recent, draft.now_ns - limits.window_ns)
    return (VetoRule.ORDER_RATE, limit, count, "") if count > limit else None


def account_rate_is_bearable(mind: Mind, draft: Draft) -> Refusal | None:
    """Approvals of all sleeves in the window; the router keeps its own reserve for exits."""
    limits = mind.limits
    limit = limits.given.pretrade.account_orders_per_window
    count = younger(mind.state.approved_ns, draft.now_ns - limits.window_ns)
    return (VetoRule.ACCOUNT_RATE, limit, count, "") if count > limit else None


def younger(recent: list[Nanos], since_ns: Nanos) -> int:
    """How many instants are younger, one more counted. Nothing is dropped: who looks early changes
    nothing."""
    return len(recent) - bisect_right(recent, since_ns) + 1


def messages_are_meant(mind: Mind, draft: Draft) -> Refusal | None:
    """Orders, changes and cancels of the day against contracts traded: who only asks is stopped."""
    given, conduct = mind.limits.given.pretrade, draft.conduct
    limit = messages_allowed(
        given.messages_free, given.messages_per_contract, conduct.traded
    )  # fmt: skip
    count = conduct.asked + 1
    return (VetoRule.MESSAGES, limit, count, "") if count > limit else None


def holding_is_long_enough(mind: Mind, draft: Draft) -> Refusal | None:
    """Quotes end when positions are held for seconds in bulk, as the firm forbids."""
    if draft.purpose is not QUOTE:
        return None
    limits, conduct = mind.limits, draft.conduct
    judged = limits.given.pretrade.hold_trips
    if not holds_too_briefly(conduct.held_ns, conduct.trips, limits.hold_ns, judged):
        return None
    mean = conduct.held_ns // conduct.trips
    return VetoRule.HOLDING, limits.hold_ns, mean, f"{conduct.trips} positions today"
