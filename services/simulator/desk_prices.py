"""What the desk asks of every price, and the venue's own texts for what it refuses.

Prices on the wire are decimals; 0 means absent. A price must lie on the product's grid, near the
last print and within the session's limits. Whether a stop stands on the wrong side of the market is
asked by who knows the order.
"""

from __future__ import annotations

from typing import Final

from services.simulator.exchange import Exchange
from services.simulator.market import Hours
from services.simulator.matching import Matching
from shared.contracts import Product, product_of
from shared.contracts import ticks as in_ticks
from shared.units import Nanos, Ticks

OUT_OF_RANGE: Final = "Invalid price. Price is outside allowed range."
NO_QUOTE: Final = "Invalid symbol"
NO_TRAIL: Final = "Trail Distance not set."
BAD_SIZE: Final = "Invalid order size specified"
BAND_PERCENT: Final = 7  # the exchange's first price limit of the day


class Refused(Exception):
    """The venue's complaint; caught where it is answered."""


def aligned(price: float | None, product: Product, what: str) -> Ticks | None:
    """A wire price in ticks; 0 means absent. Raises Refused off the grid or below zero."""
    if price is None or price == 0:
        return None
    try:
        count = in_ticks(price, product)
    except (ValueError, OverflowError):
        raise Refused(f"Invalid {what} price. Price is not aligned to tick size.") from None
    if count <= 0:
        raise Refused(OUT_OF_RANGE)
    return count


def in_reach(count: Ticks, book: Matching) -> bool:
    """Whether the venue takes an order at a price: near the last one, within the day's limits."""
    last = book.state.last
    return abs(count - last) * 100 <= last * BAND_PERCENT and book.allows(count)


def quoted(exchange: Exchange, contract: str) -> Matching:
    """The contract's book. Raises Refused where nothing is quoted."""
    book = exchange.books.get(product_of(contract).root)
    if book is None or not book.state.bid:
        raise Refused(NO_QUOTE)
    return book


def trail_distance(price: float | None, book: Matching, product: Product) -> int:
    """A trail's distance in whole ticks from the last print, of any length. Raises Refused."""
    if not price:
        raise Refused(NO_TRAIL)
    level = aligned(price, product, "trail")
    if not book.state.last or level is None:
        raise Refused("Cannot trail without a last price")
    return abs(book.state.last - level)


def trades_now(exchange: Exchange, hours: Hours, now_ns: Nanos, contract: str) -> bool:
    """Whether a contract trades: its group's hours, and no halt."""
    return not exchange.halted(now_ns) and hours.trades(product_of(contract).group, now_ns)
