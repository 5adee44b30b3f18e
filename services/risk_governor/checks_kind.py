"""What forbids an order of this kind, whatever its size: contract, stop, price, owner, counts."""

from __future__ import annotations

from services.risk_governor import sharing
from services.risk_governor.draft import Draft, Refusal
from services.risk_governor.exposure import pending_entries
from services.risk_governor.members import ENTRY, QUOTE
from services.risk_governor.state import Mind
from shared.contracts import show
from shared.domain.rules.sizing import price_distance, resting_price
from shared.domain.rules.streak import entries_fit
from shared.events import VetoRule


def contract_is_listed(mind: Mind, draft: Draft) -> Refusal | None:
    root = draft.kind.root
    if mind.state.listed.get(root) != draft.contract:
        return VetoRule.MALFORMED, 0, 0, f"{draft.contract} is not the listed contract of {root}"
    return None


def stop_is_given(mind: Mind, draft: Draft) -> Refusal | None:
    if draft.purpose is ENTRY and not draft.stop_given:
        return VetoRule.STOP_REQUIRED, 1, 0, "a directional entry carries a bracket stop"
    return None


def price_is_near(mind: Mind, draft: Draft) -> Refusal | None:
    mark, limit = draft.mark, mind.limits.given.price_collar_ticks
    for price in draft.prices:
        if price is not None:
            far = price_distance(price, mark.bid, mark.ask)
            if far > limit:
                return VetoRule.PRICE_COLLAR, limit, far, f"market {mark.bid}/{mark.ask}"
    return None


def quote_rests(mind: Mind, draft: Draft) -> Refusal | None:
    """What trades at once takes a price and quotes none: the rules of entries are there for it."""
    if draft.purpose is not QUOTE:
        return None
    price, mark, side = draft.limit_price, draft.mark, draft.side
    assert price is not None, "Invariant: a quote has a limit"
    best = resting_price(price, side, mark.bid, mark.ask)
    if best == price:
        return None
    bid, ask, rests = (show(at, draft.contract) for at in (mark.bid, mark.ask, best))
    one = "a bid rests up to" if side > 0 else "an offer rests down to"
    return VetoRule.QUOTE_CROSSES, best, price, f"{one} {rests}, market {bid}/{ask}"


def contract_is_free(mind: Mind, draft: Draft) -> Refusal | None:
    """It is its owner's until it is flat with nothing resting."""
    shared = mind.state.shared.get(draft.contract)
    if shared is not None:
        return sharing.join_refused(mind, draft, shared)
    owner = draft.own.owner or draft.own.worker
    if owner and owner != draft.sleeve:
        return VetoRule.CONTRACT_OWNED, 0, 0, owner
    return None


def day_has_trades_left(mind: Mind, draft: Draft) -> Refusal | None:
    """Trades that begun today, those on their way and this one. More of what is held is no new
    trade; what lies against it turns it around, for a mere exit is not asked."""
    if draft.purpose is not ENTRY:
        return None
    if mind.state.ledger.held(draft.sleeve, draft.contract) * draft.side > 0:
        return None
    limit, pending = mind.limits.given.trades_per_day, pending_entries(mind)
    if entries_fit(mind.state.trades_today, pending, limit):
        return None
    return VetoRule.TRADES_PER_DAY, limit, mind.state.trades_today + pending + 1, ""


def day_has_quotes_left(mind: Mind, draft: Draft) -> Refusal | None:
    """A maker's budget: contracts that quotes traded today, those working and this order's."""
    if draft.purpose is not QUOTE:
        return None
    limit, count = mind.limits.given.quoted_per_day, mind.state.quoted_today + draft.size
    if count + draft.working() > limit:  # else it fits whatever works, and nobody has to look
        orders = mind.state.orders.values()
        count += sum(order.leaves() for order in orders if order.purpose is QUOTE)
    return (VetoRule.QUOTED_PER_DAY, limit, count, "") if count > limit else None
