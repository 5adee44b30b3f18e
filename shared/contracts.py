"""Products and contracts: tick sizes, tick values, fees, months, and the venue's way of naming
them.

A contract is known by the venue's id (`CON.F.US.MNQ.Z26`) in every event, so the router, the
sentinel and a human reading the journal need no table to know what was meant. The *product* behind
it (MNQ) is looked up here. The venue's own answer is compared with this table when a contract is
listed; a difference in tick size or value stops the newcomer, because every dollar figure hangs on
it.

Sources: `CON.F.US.<symbol>.<month><yy>` and tick facts as listed by the venue in August 2026; fees
per side as published for TopstepX in September 2026. Expiry: third Friday of the contract month for
the equity-index products, the only ones traded until other calendars are typed in.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from msgspec import Struct

from shared.units import Micros, Ticks, micros

NANOS_PER_POINT: Final = 1_000_000_000  # a price of 1.0 in units of 1e-9, exact for every CME tick
MONTH_CODES: Final = "FGHJKMNQUVXZ"


class Product(Struct, frozen=True, kw_only=True):
    """One futures product. `tick_nanos`: tick size in 1e-9 points; `tick_micros`: its worth per
    contract.
    """

    root: str
    symbol: str  # the venue's code inside a contract id: EP for ES
    name: str
    tick_nanos: int
    tick_micros: Micros
    fee_side_micros: Micros  # per contract and side, all fees
    months: str
    mini_tenths: int  # weight against the firm's position cap, in tenths of a mini


def _product(row: str, name: str) -> Product:
    root, symbol, tick, value, fee, months, weight = row.split()
    return Product(
        root=root,
        symbol=symbol,
        name=name,
        tick_nanos=int(Decimal(tick) * NANOS_PER_POINT),
        tick_micros=micros(value),
        fee_side_micros=micros(fee),
        months=months,
        mini_tenths=int(weight),
    )


PRODUCTS: Final[dict[str, Product]] = {
    product.root: product
    for product in (
        _product("ES EP 0.25 12.5 1.89 HMUZ 10", "E-Mini S&P 500"),
        _product("MES MES 0.25 1.25 0.61 HMUZ 1", "Micro E-mini S&P 500"),
        _product("NQ ENQ 0.25 5 1.89 HMUZ 10", "E-mini NASDAQ-100"),
        _product("MNQ MNQ 0.25 0.5 0.61 HMUZ 1", "Micro E-mini Nasdaq-100"),
        _product("RTY RTY 0.1 5 1.89 HMUZ 10", "E-mini Russell 2000"),
        _product("M2K M2K 0.1 0.5 0.61 HMUZ 1", "Micro E-mini Russell 2000"),
        _product("YM YM 1 5 1.89 HMUZ 10", "E-mini Dow ($5)"),
        _product("MYM MYM 1 0.5 0.61 HMUZ 1", "Micro E-mini Dow Jones"),
    )
}
_BY_SYMBOL: Final = {product.symbol: product for product in PRODUCTS.values()}


class UnknownContract(ValueError):
    """A contract id whose product is not in the table; nothing may trade it."""


def product_of(contract: str) -> Product:
    """The product behind a venue contract id. Raises UnknownContract."""
    parts = contract.split(".")
    if len(parts) != 5 or parts[:3] != ["CON", "F", "US"] or parts[3] not in _BY_SYMBOL:
        raise UnknownContract(f"contract was {contract!r}; known symbols: {sorted(_BY_SYMBOL)}")
    return _BY_SYMBOL[parts[3]]


def contract_id(product: Product, year: int, month: int) -> str:
    """The venue's id of a contract month: `CON.F.US.MNQ.Z26`."""
    return f"CON.F.US.{product.symbol}.{MONTH_CODES[month - 1]}{year % 100:02d}"


def contract_month(contract: str) -> tuple[int, int]:
    """(year, month) named by a contract id. Raises UnknownContract for any other shape."""
    tail = contract.rsplit(".", 1)[-1]
    if len(tail) != 3 or tail[0] not in MONTH_CODES or not tail[1:].isdigit():
        raise UnknownContract(f"contract was {contract!r}; its last part names no month")
    return 2000 + int(tail[1:]), MONTH_CODES.index(tail[0]) + 1


def ticks(price: float, product: Product) -> Ticks:
    """A decimal price from the venue as ticks. Raises ValueError when it is not finite or off the
    grid.
    """
    if price != price or price in (float("inf"), float("-inf")):
        raise ValueError(f"{product.root} price was {price!r}")
    nanos = round(price * NANOS_PER_POINT)
    count, rest = divmod(nanos, product.tick_nanos)
    off = min(rest, product.tick_nanos - rest)
    if (
        off * 1_000 > product.tick_nanos
    ):  # a thousandth of a tick is float noise, more is a wrong price
        raise ValueError(f"{product.root} price was {price!r}, not a multiple of its tick size")
    return count + (rest > product.tick_nanos // 2)


def price(count: Ticks, product: Product) -> float:
    """Ticks as the decimal price the venue writes."""
    return count * product.tick_nanos / NANOS_PER_POINT


def show(count: Ticks, contract: str) -> str:
    """A price for people, with as many decimals as the tick size has."""
    product = product_of(contract)
    exact = (Decimal(count) * product.tick_nanos / NANOS_PER_POINT).normalize()
    decimals = -int(Decimal(product.tick_nanos).scaleb(-9).normalize().as_tuple().exponent)
    return f"{exact:.{max(0, decimals)}f}"
