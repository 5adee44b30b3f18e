"""A crossing: an exit and an entry of two sleeves that share a contract trade with each other.

The governor approves both in one word, and both are answered in one step: two orders that are SENT
and FILLED, two Fills of a trade of our own. So whatever dies at whatever moment, there are both or
neither. The venue hears nothing, for nothing changes there: the position and what it has cost are
as before, and no fee is due. Only the parts change hands, and with them where the one stop stands.
"""

from __future__ import annotations

from msgspec.structs import replace

from services.order_router.desk import Desk
from services.order_router.exits import exits_before
from services.order_router.memory import Book, Order
from services.order_router.outbox import order_of
from services.order_router.trades import NEVER_TOLD, advance, made_up, move_stop, say_made_up
from shared.domain.sharing import part_id
from shared.events import OrderApproved, Purpose, Side
from shared.units import Lots, Ticks


def entry_of(exit_: OrderApproved) -> OrderApproved | None:
    """The other half, as its own word approves it; None for that word, which waits for the exit's:
    the governor says them together.
    """
    cross = exit_.cross
    if cross is None or exit_.purpose is not Purpose.EXIT:
        return None
    return replace(
        exit_,
        intent_id=cross.intent_id,
        sleeve=cross.sleeve,
        incarnation=cross.incarnation,
        tag=cross.tag,
        side=Side.SELL if exit_.side is Side.BUY else Side.BUY,
        purpose=Purpose.ENTRY,
        stop_loss_ticks=cross.stop_loss_ticks,
        cross=None,
    )


def obstacle(desk: Desk, exit_: OrderApproved) -> str:
    """Why the exit's owner has not so much to hand over; empty when it has."""
    book, owner = desk.book(exit_.contract), exit_.sleeve
    if not book.shared:
        return "the contract is not shared"
    held = book.shares.get(owner, 0)
    if held * exit_.side >= 0 or abs(held) < exit_.size or desk.coming(exit_.contract, owner):
        return f"{owner} holds {held:+d}"
    waits = f"{exit_.contract} {owner}" in desk.state.exits
    return "an exit is in flight" if waits or exits_before(desk, exit_) else ""


def cross(desk: Desk, exit_: OrderApproved, entry: OrderApproved) -> None:
    """Both orders, both fills, both ends; the exit first."""
    assert exit_.cross is not None, "Invariant: a crossing has a price"
    book, price = desk.book(exit_.contract), exit_.cross.price
    orders = [desk.add(order_of(desk, half, half.size)) for half in (exit_, entry)]
    for order in orders:
        desk.tell(order)
    _hand_over(desk, book, orders, price)
    for order in orders:
        advance(desk, order, order.size)
    book.owner, book.moved_by = entry.sleeve, Purpose.ENTRY
    book.told = NEVER_TOLD  # what protects it is said again, for whoever looked between the two
    desk.touch(book.contract)


def _hand_over(desk: Desk, book: Book, orders: list[Order], price: Ticks) -> None:
    _, row = made_up(desk, book.contract, orders[0].size, price)
    for index, order in enumerate(orders):
        signed: Lots = order.side * order.size
        part = (order.sleeve, signed, 0)
        move_stop(desk, order, row, part)
        book.shares[order.sleeve] = book.shares.get(order.sleeve, 0) + signed
        if not book.shares[order.sleeve]:
            del book.shares[order.sleeve]
        say_made_up(desk, order, row, trade_id=part_id(row.trade_id, index), part=part)
    assert sum(book.shares.values()) == book.lots, "Invariant: the shares are the position"
