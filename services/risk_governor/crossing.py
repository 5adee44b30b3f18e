"""An entry of one sleeve and the exit of another, met inside a contract that they share.

With market orders only, two wishes meet if one of them waits; that one is the entry, never the
exit. An entry that was judged and would go, on the side on which another sleeve holds something, is
held back for `cross_wait_s`, because leaving that position takes exactly its other side. If an exit
comes that fits, both are approved in one word, at the middle of a fresh quote, and the router
answers both; nothing of them reaches the venue, and the net position does not change. Else the
entry is judged again when its wait ends, or as soon as nobody is left to wait for.

Every wish has one answer, so both must be answered by the crossing alone: the entry is as large as
the exit, or is content with less (`least`). An exit never shrinks: one too large goes to the venue.
The entry is judged at the crossing as if the other's position stayed, which is never the looser.

Two entries are not crossed: each would have to be judged with the other in the books.
"""

from __future__ import annotations

from services.risk_governor.answers import approve, number_of, tag_of
from services.risk_governor.checks import KIND_CHECKS, SIZE_CHECKS
from services.risk_governor.draft import Draft, first_refusal
from services.risk_governor.members import ENTRY
from services.risk_governor.state import Mind
from shared.domain.sharing import midpoint
from shared.events import Cross, OrderIntent
from shared.units import SECOND, Lots, Nanos, Ticks

MARGIN_NS: Nanos = SECOND // 2  # a wait ends so long before the wish does: two pulses


def holds_back(mind: Mind, now_ns: Nanos, intent: OrderIntent) -> bool:
    """Keep an entry that would be approved now, if waiting could serve it. Returns whether."""
    if intent.contract not in mind.state.shared:
        return False
    wait_ns = int(mind.settings.sharing_rules.cross_wait_s * SECOND)
    until_ns = min(now_ns + wait_ns, intent.expires_ns - MARGIN_NS)
    if not wait_ns or intent.purpose is not ENTRY or until_ns <= now_ns:
        return False
    if not _may_meet(mind, intent):
        return False
    mind.state.held_back[intent.intent_id] = (intent, until_ns)
    return True


def _may_meet(mind: Mind, intent: OrderIntent) -> bool:
    """Whether another sleeve's exit could be this entry's other half: it holds something on the
    same side and is not leaving already. Who would first turn a book of its own does not wait.
    """
    state, contract, side = mind.state, intent.contract, int(intent.side)
    shared, desk = state.shared.get(contract), state.ledger.desks.get(contract)
    if shared is None or desk is None or state.ledger.held(intent.sleeve, contract) * side < 0:
        return False
    return any(
        owner in shared.sleeves
        and owner != intent.sleeve
        and book.position.lots * side > 0
        and not mind.closing_lots(owner, contract, -side)
        for owner, book in desk.owners.items()
    )


def due(mind: Mind, now_ns: Nanos) -> list[OrderIntent]:
    """Take out whose wait is over, or has become vain."""
    held_back = mind.state.held_back
    over = [
        intent
        for intent, until_ns in held_back.values()
        if now_ns >= until_ns or not _may_meet(mind, intent)
    ]
    for intent in over:
        del held_back[intent.intent_id]
    return over


def taken(mind: Mind, sleeve: str, contract: str) -> list[OrderIntent]:
    """Take out what a sleeve has waiting in a contract."""
    held_back = mind.state.held_back
    theirs = [
        intent
        for intent, _ in held_back.values()
        if intent.sleeve == sleeve and intent.contract == contract
    ]
    for intent in theirs:
        del held_back[intent.intent_id]
    return theirs


def cross(mind: Mind, now_ns: Nanos, exit_: OrderIntent, size: Lots) -> bool:
    """Approve an exit of `size` with the first entry waiting that fits and passes every check now.
    Returns whether there was one.
    """
    if not mind.state.held_back or not mind.settings.sharing_rules.cross_wait_s:
        return False
    mark = mind.state.marks.get(exit_.contract)
    if mark is None or not (mark.usable() and mark.bid < mark.ask):
        return False
    for entry, _ in list(mind.state.held_back.values()):
        if not _fits(mind, entry, exit_, size) or now_ns > entry.expires_ns:
            continue
        draft = Draft(mind, now_ns, entry, (None, None))
        draft.resize(size)
        if first_refusal(mind, draft, (*KIND_CHECKS, *SIZE_CHECKS)) is not None:
            continue  # it is judged, and told why, when its wait ends
        del mind.state.held_back[entry.intent_id]
        price = midpoint(mark.bid, mark.ask, int(exit_.side))
        approve(mind, now_ns, entry, size, reducing=False, cross=_half(exit_, price))
        approve(mind, now_ns, exit_, size, reducing=True, cross=_half(entry, price))
        return True
    return False


def _fits(mind: Mind, entry: OrderIntent, exit_: OrderIntent, size: Lots) -> bool:
    """Whether two wishes meet, and both are answered whole by a crossing of `size`."""
    least = entry.least or (1 if entry.up_to else entry.size)
    opposite = entry.contract == exit_.contract and entry.side is not exit_.side
    held = mind.state.ledger.held(entry.sleeve, entry.contract)
    opens = held * entry.side >= 0 and entry.sleeve != exit_.sleeve
    return opposite and opens and least <= size <= entry.size


def _half(other: OrderIntent, price: Ticks) -> Cross:
    """What one half is told of the other."""
    return Cross(
        price=price,
        intent_id=other.intent_id,
        sleeve=other.sleeve,
        incarnation=other.incarnation,
        tag=tag_of(other, number_of(other)),
        stop_loss_ticks=other.stop_loss_ticks if other.purpose is ENTRY else None,
    )
