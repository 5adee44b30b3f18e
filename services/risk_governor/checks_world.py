"""What forbids every order that may open risk: level, hours, venue, peers, feed, unknown equity."""

from __future__ import annotations

from services.risk_governor.draft import Draft, Refusal
from services.risk_governor.equity import account_on, walls
from services.risk_governor.members import ACTIVE, OPEN, READY, REDUCE_ONLY, UP
from services.risk_governor.state import FAR, GATEWAY, ROUTER, SENTINEL, Mind
from shared.domain.sessions import HOURS_BEFORE_17, TradingDay
from shared.events import VenueState, VetoRule
from shared.units import SECOND, Nanos


def level_is_active(mind: Mind, draft: Draft) -> Refusal | None:
    state = mind.state
    if state.level is REDUCE_ONLY:
        return VetoRule.REDUCE_ONLY, 0, state.halt_no, state.cause
    if state.level is not ACTIVE:
        return VetoRule.HALTED, 0, state.halt_no, state.cause
    if state.paused:
        return VetoRule.REDUCE_ONLY, 0, state.halt_no, "paused by the operator"
    if draft.contract in state.closing:
        return VetoRule.REDUCE_ONLY, 0, state.closing[draft.contract], "contract is being closed"
    return None


def session_is_open(mind: Mind, draft: Draft) -> Refusal | None:
    today, state = mind.today(draft.now_ns), mind.state
    if today is None:
        return VetoRule.SESSION, 0, 0, "time lies outside the calendar"
    open_now = today.opens_ns <= draft.now_ns < today.no_entries_ns
    if open_now and state.gate_phase is OPEN and state.gate_day == today.day:
        group = draft.kind.group
        past = draft.now_ns - entries_end(mind, group, today)
        return (VetoRule.SESSION, 0, past, f"{group} close early") if past >= 0 else None
    phase = mind.phase(draft.now_ns)
    if phase is not OPEN:
        past = draft.now_ns - today.no_entries_ns
        return VetoRule.SESSION, 0, past, f"{today.day} {phase.value}"
    if mind.state.gate_day != today.day:
        return VetoRule.SESSION, 0, 0, f"gateway has not announced {today.day}"
    return None


def entries_end(mind: Mind, group: str, today: TradingDay) -> Nanos:
    """When the last entry of the day may be; of some products before all others'."""
    if group not in HOURS_BEFORE_17:
        return today.no_entries_ns
    return today.flat_by_of(group) - mind.limits.session.no_entries_before_s * SECOND


def account_is_known(mind: Mind, draft: Draft) -> Refusal | None:
    state, today = mind.state, mind.today(draft.now_ns)
    if state.venue is not READY and state.venue is not VenueState.DISARMED:
        name = "not heard of" if state.venue is None else state.venue.value
        return VetoRule.NOT_RECONCILED, 0, 0, f"venue {name}"
    if not (state.can_trade and state.simulated):
        return VetoRule.NOT_RECONCILED, 0, 0, "account may not trade"
    if state.stranger:
        why = f"floor, high and books here are those of account {state.account_id}"
        return VetoRule.NOT_RECONCILED, 0, 0, f"{why}, not of {state.stranger}: start on a new var"
    if state.base is None or today is None or state.day != today.day:
        return VetoRule.NOT_RECONCILED, 0, 0, "trading day not begun: no reconciled balance yet"
    return None


def peers_are_alive(mind: Mind, draft: Draft) -> Refusal | None:
    silent, given = mind.state.silent, mind.limits.given
    if not silent:
        return None
    for peer, allowed_s in (
        (ROUTER, given.router_silence_real_s),
        (SENTINEL, given.sentinel_silence_real_s),
    ):
        if peer in silent:
            allowed = int(allowed_s * SECOND)
            return VetoRule.PEER_SILENT, allowed, allowed + mind.state.real_ns - silent[peer], peer
    return None


def disk_has_room(mind: Mind, draft: Draft) -> Refusal | None:
    """What cannot be written down is not begun."""
    limit, free = mind.limits.given.pretrade.disk_low_mb, mind.state.disk_mb
    if free is None:
        return VetoRule.DISK, limit, 0, "not told yet how much is free"
    return (VetoRule.DISK, limit, free, "") if free < limit else None


def feed_is_fresh(mind: Mind, draft: Draft) -> Refusal | None:
    limit, state = mind.limits.quote_age_ns, mind.state
    feed = state.feed
    if feed is not UP or GATEWAY in state.silent:
        return VetoRule.FEED, limit, FAR, f"feed {'not heard of' if feed is None else feed.value}"
    mark = draft.mark
    if not draft.own.bid:
        return VetoRule.FEED, limit, FAR, "no usable quote"
    age = abs(draft.now_ns - mark.recv_ns)  # a quote from the future is as wrong as an old one
    if age > limit:
        return VetoRule.FEED, limit, age, "quote is old"
    width = mark.ask - mark.bid
    if width < 0 or width > mind.limits.given.price_collar_ticks:
        return VetoRule.FEED, limit, age, f"absurd quote {mark.bid}/{mark.ask}"
    return None


def equity_is_known(mind: Mind, draft: Draft) -> Refusal | None:
    others, own, base = draft.others, draft.own, mind.state.base
    if base is None or others.net is None or own.net is None:
        return VetoRule.FEED, mind.limits.quote_age_ns, FAR, "a held contract has no usable quote"
    draft.account = account_on(mind, base, others.net + own.net, others.leaving + own.leaving)
    draft.walls = walls(mind, base)
    return None
