"""A flatten of one sleeve where others share its contract: its own part goes, and nothing else.

The venue-sized close would take the others along, so the part is closed by a market order of the
router's, as large as the sleeve's book. Only the books say how large that is; so there is never a
second one while an order or a trade of the sleeve is unaccounted for, also of unknown outcome. What
is left of the net position is protected meanwhile as ever: this flatten does not hold the contract.
"""

from __future__ import annotations

from collections.abc import Iterable

from services.order_router.desk import Desk
from services.order_router.fold import closing_side
from services.order_router.memory import Book, Saga
from services.order_router.outbox import send_own
from services.order_router.trades import end_shares
from shared.events import Purpose, Scope

AGAIN_S = 0.5  # real seconds after one was sent and came to nothing
CLOSING = frozenset({Purpose.EXIT, Purpose.FLATTEN})


def is_part(saga: Saga, book: Book) -> bool:
    """Whether only a sleeve's part of the contract is to be closed."""
    return saga.scope is Scope.SLEEVE and book.shared


def end_parts(desk: Desk, saga: Saga, contracts: Iterable[str]) -> None:
    """The venue holds nothing any more: nor does any book, but where only one was to be closed."""
    for contract in contracts:
        if saga.scope is not Scope.SLEEVE and not desk.coming(contract):
            end_shares(desk, desk.book(contract), human=saga.human)


def push_part(desk: Desk, saga: Saga, book: Book, *, may: bool) -> None:
    """Send the close of a sleeve's part, if it `may` be now and nothing of it is under way."""
    saga.mark, saga.proofs = desk.state.step, 0  # a proof begins after the part has gone
    if not may or _is_under_way(desk, saga, book) or _was_just_tried(desk, saga, book):
        return
    lots = book.shares[saga.sleeve]
    side, size = closing_side(lots), abs(lots)
    send_own(desk, book, Purpose.FLATTEN, side=side, size=size, sleeve=saga.sleeve)


def _is_under_way(desk: Desk, saga: Saga, book: Book) -> bool:
    if desk.coming(book.contract):
        return True
    live = (o for o in desk.live(book.contract) if o.sleeve == saga.sleeve)
    return any(order.purpose in CLOSING for order in live)


def _was_just_tried(desk: Desk, saga: Saga, book: Book) -> bool:
    for order in reversed(desk.state.done.values()):
        mine = order.contract == book.contract and order.sleeve == saga.sleeve
        if mine and order.purpose is Purpose.FLATTEN:
            return not desk.real_after(order.sent_real_ns, AGAIN_S)
    return False
