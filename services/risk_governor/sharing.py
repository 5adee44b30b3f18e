"""Several sleeves in one contract (`[sharing]`), each with a book of its own.

A contract becomes shared while it is free, and stays so until it is free again, whatever the
settings say by then: what was entered under one regime ends under it. In it sleeves ask for market
orders only. So nothing of theirs ever rests at the venue beside the one net stop, and no two orders
of ours can meet there; a target is a sleeve's own exit.

An exit closes its owner's part, also where the account's net position grows by it. That needs no
judgement of its own, because what opens is judged by sides: what all hold long together, and what
all hold short, as if the other side were gone (`exposure.SharedExposure`). An exit makes its own
side smaller and leaves the other as it was judged.
"""

from __future__ import annotations

from services.risk_governor.draft import Draft, Refusal
from services.risk_governor.state import ROUTER_OWN, Mind, Order, Shared, product
from shared.domain.sharing import stop_after
from shared.events import Fill, OrderIntent, OrderType, VetoRule

ENDS = "sharing ends here: nothing is opened until it is flat"


def refresh(mind: Mind, contract: str) -> None:
    """Begin or end the sharing of a contract where the settings say so and it is free."""
    state = mind.state
    named, shared = mind.sharing.get(product(contract).root, ()), state.shared.get(contract)
    if shared is None and not named:
        return
    if shared is not None and named and shared.sleeves == named:
        return
    if is_free(mind, contract):
        state.shared = {name: one for name, one in state.shared.items() if not is_free(mind, name)}
        if named:
            state.shared[contract] = Shared(named)
        mind.forget(contract)
    elif shared is not None:
        shared.sleeves = tuple(name for name in shared.sleeves if name in named)


def recall(mind: Mind, contract: str) -> None:
    """Our own recorded word: the contract was shared."""
    if contract not in mind.state.shared:
        mind.state.shared[contract] = Shared(mind.sharing.get(product(contract).root, ()))
        mind.forget(contract)


def is_free(mind: Mind, contract: str) -> bool:
    """Flat in every book, with nothing that may still fill."""
    desk = mind.state.ledger.desks.get(contract)
    if desk is not None and any(book.position.lots for book in desk.owners.values()):
        return False
    return not any(o.contract == contract and o.leaves() for o in mind.state.orders.values())


def form_refused(mind: Mind, intent: OrderIntent) -> Refusal | None:
    """Orders of sleeves never rest in a shared contract."""
    refresh(mind, intent.contract)
    if intent.contract not in mind.state.shared or intent.type is OrderType.MARKET:
        return None
    return VetoRule.ORDER_TYPE, 0, 0, f"{intent.type.value} in a shared contract"


def join_refused(mind: Mind, draft: Draft, shared: Shared) -> Refusal | None:
    """Only those that share it may open, and only among themselves."""
    if draft.sleeve not in shared.sleeves:
        others = ", ".join(shared.sleeves)
        return VetoRule.CONTRACT_OWNED, 0, 0, f"shared by {others}" if others else ENDS
    desk = mind.state.ledger.desks.get(draft.contract)
    for owner, book in desk.owners.items() if desk is not None else ():
        if book.position.lots and owner not in shared.sleeves:
            return VetoRule.CONTRACT_OWNED, 0, 0, owner
    for order in mind.live(draft.contract):
        if order.sleeve not in (*shared.sleeves, ROUTER_OWN):
            return VetoRule.CONTRACT_OWNED, 0, 0, order.sleeve or "human"
    return None


def place_of(mind: Mind, intent: OrderIntent) -> str:
    """Where an exit waits for the one before it: one place per contract, or per sleeve in one that
    is shared."""
    if intent.contract in mind.state.shared:
        return f"{intent.contract} {intent.sleeve}"
    return intent.contract


def places(mind: Mind, place: str) -> list[str]:
    """The places of a contract, or the one that is named."""
    if place not in mind.state.shared:
        return [place]
    return [key for key in mind.state.waiting if key.startswith(place + " ")]


def note_stop(mind: Mind, fill: Fill, order: Order | None) -> None:
    """Before a fill is booked: where its owner's stop stands from then on."""
    shared = mind.state.shared.get(fill.contract)
    if shared is None or not fill.sleeve:
        return
    signed = -fill.side * fill.size if fill.voided else fill.side * fill.size
    given = None if order is None else order.stop_loss_ticks
    stop = stop_after(
        shared.stops.get(fill.sleeve), mind.state.ledger.held(fill.sleeve, fill.contract), signed,
        price=fill.price, distance=given or mind.limits.given.net_stop_ticks,
    )  # fmt: skip
    if stop is None:
        shared.stops.pop(fill.sleeve, None)
    else:
        shared.stops[fill.sleeve] = stop
