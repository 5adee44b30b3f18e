"""The venue's decimals as whole numbers: prices in ticks, dollars in micro-dollars, sizes.

Each function doubts one kind of number and raises ValueError naming field and value: booleans,
text, nulls, NaN, infinities, off-grid and absurd values stop here. Exact by way of the shortest
decimal that prints the float, which is what the venue meant when it wrote it.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from typing import Final

from shared import contracts
from shared.contracts import NANOS_PER_POINT, UnknownContract, product_of
from shared.events import Side
from shared.units import USD, Lots, Micros, Ticks
from shared.venue.codes import VenueSide

PRICE_MAX: Final = 10_000_000.0  # points; the dearest product listed trades below 100,000
MONEY_MAX: Final = 1e12
LOTS_MAX: Final = 1_000_000
KNOWN_MAX: Final = 4_096


def number(value: object, field: str, limit: float) -> float:
    """A finite JSON number within +-limit. Raises ValueError for anything else, booleans too."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{field} was {value!r:.60}, which is not a number")
    if not -limit <= value <= limit:
        raise ValueError(f"{field} was {value!r:.60}, beyond {limit:g} or not finite")
    return float(value)


def ticks_of(value: object, contract: str, field: str) -> Ticks:
    """A wire price as ticks. Raises ValueError (off-grid, not positive, absurd) naming `field`."""
    if type(value) is not float or not 0 < value <= PRICE_MAX:  # the sentence costs more than this
        value = number(value, f"{contract} {field}", PRICE_MAX)
    if value <= 0:
        raise ValueError(f"{contract} {field} was {value!r}; prices are above zero")
    try:
        return _ticks(value, contract)
    except UnknownContract:
        raise
    except ValueError as error:
        raise ValueError(f"{contract} {field}: {error}") from None


@lru_cache(KNOWN_MAX)
def _ticks(price: float, contract: str) -> Ticks:
    """Markets linger: the prices of the last minutes come again and again."""
    return contracts.ticks(price, product_of(contract))


def price_of(count: Ticks, contract: str) -> float:
    """Ticks as the price the venue reads."""
    return contracts.price(count, product_of(contract))


def nanos_of(value: object, field: str) -> int:
    """A decimal (average price, tick size) in units of 1e-9, rounded half to even."""
    return _scaled(number(value, field, PRICE_MAX), NANOS_PER_POINT)


def micros_of(value: object, field: str) -> Micros:
    """Dollars on the wire as micro-dollars: exact on the cent grid, else rounded half to even."""
    return _scaled(number(value, field, MONEY_MAX), USD)


def _scaled(value: float, unit: int) -> int:
    exact = Decimal(repr(value)) * unit
    return int(exact.to_integral_value(rounding=ROUND_HALF_EVEN))


def lots_of(value: object, field: str) -> Lots:
    """A size: a whole number from 0 to a million. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LOTS_MAX:
        raise ValueError(f"{field} was {value!r:.60}, which is no size")
    return value


def side_of(value: int, field: str = "side") -> Side:
    if value == VenueSide.BID:
        return Side.BUY
    if value == VenueSide.ASK:
        return Side.SELL
    raise ValueError(f"{field} was {value!r}; the venue knows 0 (bid) and 1 (ask)")


def venue_side(side: Side) -> VenueSide:
    return VenueSide.BID if side is Side.BUY else VenueSide.ASK


def is_known(contract: str) -> bool:
    """Whether the contract's product is in our table."""
    try:
        product_of(contract)
    except UnknownContract:
        return False
    return True
