"""What the exchange remembers: accounts, books, requests on their way."""

from __future__ import annotations

from typing import Final

from msgspec import Struct, field

from services.simulator.accounts import AccountState, Ids, Order
from services.simulator.dice import Dice
from services.simulator.matching import BookState, Matching, Waiting
from services.simulator.words import Faults
from shared.units import Lots, Nanos, Ticks
from shared.venue.codes import OrderKind

ARRIVALS_MAX: Final = 10_000  # requests on their way; the venue's rate limit is far below
UNAVAILABLE: Final = (
    "Trading is currently unavailable. The instrument is not in an active trading status."
)


class Arrival(Struct, kw_only=True):
    """A request that reaches the engine at `at_ns`. `call_id` 0: nobody waits for an answer."""

    at_ns: Nanos
    order_id: int
    what: str  # ENTER, CHANGE, CANCEL
    call_id: int = 0
    size: Lots | None = None
    limit: Ticks | None = None
    stop: Ticks | None = None
    trail: int | None = None


class ExchangeState(Struct, kw_only=True):
    """`accounts` in the order they were opened; the first is the one that tests look at."""

    accounts: dict[int, AccountState]
    ids: Ids = field(default_factory=Ids)
    books: dict[str, BookState]
    arrivals: list[Arrival] = []
    dice: Dice
    faults: Faults


def waiting(order: Order) -> Waiting:
    """A stop as the book keeps it."""
    assert order.stop is not None, "Invariant: a stop has its price"
    trail = abs(order.trail or 0) if order.kind == OrderKind.TRAILING_STOP else 0
    limit = order.limit if order.kind == OrderKind.STOP_LIMIT else None
    return Waiting(order.id, order.side, order.stop, order.left, trail, limit)


def would_trade(order: Order, book: Matching) -> bool:
    """Whether an order that arrives now would meet the displayed book."""
    if order.kind in (OrderKind.JOIN_BID, OrderKind.JOIN_ASK):
        return False
    if order.stop is not None:
        return book.reached(order.side, order.stop)
    return order.limit is None or book.crosses(order.side, order.limit)
