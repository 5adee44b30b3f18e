"""What the sentinel closed while no router lived, so that it is not taken for made by hand.

Its closes are the venue's own orders and bear no tag. Made by hand they would be nobody's to
protect where they meet a late exit of ours: the account would be short by a hand that never was.
So the sentinel leaves on record what it closed, and each of its closes explains one order without
a tag, until a read agrees with the books and no trade waits to be explained. Whose position it
was, his the close is.
"""

from __future__ import annotations

from typing import Final

from services.order_router.desk import Desk
from services.order_router.memory import Book, Reading
from services.order_router.words import SentinelClosed
from shared.units import Lots

NOTE: Final = "closed by the sentinel"


def on_closed(desk: Desk, word: SentinelClosed) -> None:
    """Hear of its closes, once: a life before may have explained them already."""
    state, told = desk.state, (word.request_id, word.beat, word.closed)
    if state.stood_in == told:
        return
    state.stood_in, state.stood_in_step = told, state.step
    for book in state.books.values():
        book.stood_in = []
    for contract, lots in word.closed:
        desk.book(contract).stood_in.append(lots)


def explains(book: Book, signed: Lots) -> bool:
    """Whether a close of the sentinel's is behind a market order without a tag; used up by it."""
    for at, lots in enumerate(book.stood_in):
        if lots * signed < 0:
            del book.stood_in[at]
            return True
    return False


def forget(desk: Desk, reading: Reading) -> None:
    """After a read that agrees: what the sentinel did is in the books."""
    state = desk.state
    if not state.stood_in_step or reading.begin < state.stood_in_step:
        return
    if state.difference or state.waiting or state.owed:
        return
    state.stood_in_step = 0
    for book in state.books.values():
        book.stood_in = []
