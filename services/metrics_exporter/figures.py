"""From the integers of the house to the figures people read: dollars, prices, names, ages."""

from __future__ import annotations

from shared.contracts import (
    MONTH_CODES,
    Product,
    UnknownContract,
    contract_month,
    price,
    product_of,
)
from shared.units import SECOND, USD, Micros, Nanos, Ticks


def money(amount: Micros | None) -> float | None:
    return None if amount is None else round(amount / USD, 2)


def unix(instant: Nanos) -> float:
    """Seconds since 1970 to the millisecond: a JavaScript number holds it exactly."""
    return round(instant / SECOND, 3)


def known_product(contract: str) -> Product | None:
    try:
        return product_of(contract)
    except UnknownContract:
        return None


def short_name(contract: str) -> str:
    """MNQZ6 for CON.F.US.MNQ.Z26; the id itself where the product is not known."""
    product = known_product(contract)
    if product is None:
        return contract
    year, month = contract_month(contract)
    return f"{product.root}{MONTH_CODES[month - 1]}{year % 10}"


def decimal_price(count: Ticks | float | None, contract: str) -> float | None:
    product = known_product(contract)
    if count is None or product is None:
        return None
    return round(count * product.tick_nanos / 1e9, 4) if count % 1 else price(int(count), product)


def price_digits(contract: str) -> int:
    """Decimals of the contract's tick size: 2 for 0.25; 2 where the product is not known."""
    product = known_product(contract)
    text = "0.25" if product is None else f"{product.tick_nanos / 1e9:.9f}".rstrip("0")
    return len(text.partition(".")[2])


def since(seconds: float | None) -> str:
    """An age for people: `4 s`, `3 min`, `2 h`; `never` for None."""
    if seconds is None:
        return "never"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
