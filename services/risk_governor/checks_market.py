"""What forbids an order for what the market does: clocks, spreads, jumps, price limits, own orders.

The settlement is the price at which the trading day was taken over: the exchange's own is not told.
"""

from __future__ import annotations

from services.risk_governor.draft import Draft, Refusal
from services.risk_governor.state import Mind
from shared.domain.rules.windows import WHOLE, in_limit_zone, jumped
from shared.events import Grounds, VetoRule
from shared.units import Nanos, Ticks


def clocks_agree(mind: Mind, draft: Draft) -> Refusal | None:
    """A quote that left the venue long ago, or will leave it, is not the market now."""
    mark, limit = draft.mark, mind.limits.skew_ns
    skew = abs(mark.recv_ns - mark.venue_ns)
    return (VetoRule.CLOCK_SKEW, limit, skew, "") if skew > limit else None


def spread_is_usual(mind: Mind, draft: Draft) -> Refusal | None:
    mark, limit = draft.mark, mind.limits.given.pretrade.spread_ticks
    width = mark.ask - mark.bid
    return (VetoRule.SPREAD, limit, width, "") if width > limit else None


def market_is_calm(mind: Mind, draft: Draft) -> Refusal | None:
    left = draft.mark.pause_ns - draft.now_ns
    return (VetoRule.JUMP, 0, left, "the price jumped") if left > 0 else None


def limit_is_far(mind: Mind, draft: Draft) -> Refusal | None:
    """Neither the market nor the order's own prices may lie near the exchange's price limit."""
    mark, given = draft.mark, mind.limits.given.pretrade
    band, zone = given.limit_bp, given.limit_zone_bp
    settle, low, high = mark.settle or mark.bid, mark.bid, mark.ask
    for price in draft.prices:
        if price is None:
            continue
        if price < low:
            low = price
        elif price > high:
            high = price
    away = band - zone  # what lies plainly inside needs no second look
    if settle * (WHOLE - away) < low * WHOLE <= high * WHOLE < settle * (WHOLE + away):
        return None
    for price in (low, high):
        if in_limit_zone(price, settle, band, zone):
            away = abs(price - settle) * WHOLE // settle
            return VetoRule.PRICE_LIMIT, band - zone, away, f"settled at {settle}"
    return None


def order_meets_no_own(mind: Mind, draft: Draft) -> Refusal | None:
    """No order of ours reaches a resting one of ours, nor opens one month against another."""
    side = draft.side
    if draft.others.same:
        for contract, one in draft.found.items():
            lots = one.short if side > 0 else one.long
            if lots and one.kind is draft.kind and contract != draft.contract:
                return VetoRule.SELF_MATCH, 0, lots, f"{contract} is on the other side"
    against = draft.own.offers if side > 0 else draft.own.bids
    if not against:
        return None
    reach = reached_by(mind, draft)
    for price, intent_id in against:
        if (price - reach) * side <= 0:
            return VetoRule.SELF_MATCH, price, reach, intent_id
    return None


def reached_by(mind: Mind, draft: Draft) -> Ticks:
    """The farthest price an order may trade at: its own, or the market's with slippage."""
    mark, (limit, stop) = draft.mark, draft.prices
    if limit is not None:
        return limit
    price = stop or (mark.ask if draft.side > 0 else mark.bid)
    return price + draft.side * mind.limits.given.slippage_ticks


def watch_market(mind: Mind, now_ns: Nanos) -> None:
    """At every pulse: a jump pauses a contract; a new day takes over its settlement."""
    limits = mind.limits
    jump_ns, pause_ns = limits.jump_ns, limits.pause_ns
    for mark in mind.state.marks.values():
        if not mark.usable():
            continue
        if mark.day != mind.state.day:
            mark.day, mark.settle = mind.state.day, mark.bid
            mind.forget("")
        if jumped(mark.bid, mark.was, limits.given.pretrade.jump_bp):
            mark.pause_ns = now_ns + pause_ns
            mark.was, mark.was_ns = mark.bid, now_ns
        elif now_ns - mark.was_ns >= jump_ns:
            mark.was, mark.was_ns = mark.bid, now_ns


def zone_of(mind: Mind, contract: str) -> Grounds | None:
    """How far a contract trades from its settlement, where that is so near to the exchange's price
    limit that nothing may be held; else None."""
    mark, given = mind.state.marks.get(contract), mind.limits.given.pretrade
    if mark is None or not mark.usable() or not mark.settle:
        return None
    for price in (mark.bid, mark.ask):
        if in_limit_zone(price, mark.settle, given.limit_bp, given.limit_zone_bp):
            limit = given.limit_bp - given.limit_zone_bp
            away = abs(price - mark.settle) * WHOLE // mark.settle
            return Grounds(rule=VetoRule.PRICE_LIMIT.value, limit=limit, actual=away)
    return None


def type_is_allowed(mind: Mind, draft: Draft) -> Refusal | None:
    if draft.type in mind.limits.order_types:
        return None
    return VetoRule.ORDER_TYPE, 0, 0, draft.type.value


def outcomes_are_known(mind: Mind, draft: Draft) -> Refusal | None:
    """Each unknown order counts at its worst; many of them mean that nobody knows the venue."""
    limit = mind.limits.given.pretrade.unknown_orders
    count = draft.others.unknown + draft.own.unknown
    return (VetoRule.UNKNOWN_ORDERS, limit, count, "") if count > limit else None


def contract_is_covered(mind: Mind, draft: Draft) -> Refusal | None:
    """Nothing is added to what lacks its stop at the venue."""
    if draft.contract not in mind.state.naked_real_ns:
        return None
    held = draft.own.position
    return (VetoRule.UNPROTECTED, 0, abs(held), "what is held lacks its stop") if held else None
