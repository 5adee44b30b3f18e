"""Contracts as the venue lists them: the eight equity-index products, by month, with a front.

The micros have a market here (and the recorded root its own); the big four are listed and
searchable but not quoted, so an order for them is answered `Invalid symbol`, as the venue does for
a contract without a price. The front month rolls `ROLL_DAYS` before expiry (the Thursday before
expiry week). Contracts of earlier months stay known, inactive, and keep their bars up to the roll;
later months are not listed.
"""

from __future__ import annotations

from typing import Final

from shared.contracts import (
    MONTH_CODES,
    NANOS_PER_POINT,
    PRODUCTS,
    Product,
    UnknownContract,
    contract_id,
    contract_month,
    product_of,
)
from shared.domain.sessions import days_to_expiry
from shared.units import USD
from shared.venue.words import ContractModel

ROLL_DAYS: Final = 8
FOUND_MAX: Final = 20
KNOWN_YEARS_BACK: Final = 2
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def front(product: Product, day: str) -> str:
    """The contract that is active on a trading day (ISO date)."""
    year = int(day[:4])
    for candidate in (year, year + 1):
        for code in product.months:
            month = MONTH_CODES.index(code) + 1
            if days_to_expiry(day, candidate, month) > ROLL_DAYS:
                return contract_id(product, candidate, month)
    raise AssertionError(f"Invariant: {product.root} has a month after {day}")


def known(contract: str, day: str) -> Product | None:
    """The product of a contract the venue can resolve on `day`: the front or an earlier month."""
    try:
        product = product_of(contract)
        year, month = contract_month(contract)
    except UnknownContract:
        return None
    if MONTH_CODES[month - 1] not in product.months or year < int(day[:4]) - KNOWN_YEARS_BACK:
        return None
    return product if (year, month) <= contract_month(front(product, day)) else None


def model(contract: str, day: str) -> ContractModel:
    product = product_of(contract)
    year, month = contract_month(contract)
    return ContractModel(
        id=contract,
        name=f"{product.root}{MONTH_CODES[month - 1]}{year % 10}",
        description=f"{product.name}: {_MONTHS[month - 1]} {year}",
        tick_size=product.tick_nanos / NANOS_PER_POINT,
        tick_value=product.tick_micros / USD,
        active_contract=contract == front(product, day),
        symbol_id=f"F.US.{product.symbol}",
    )


def display_name(contract: str) -> str:
    """The short name in position events: `MNQZ26`."""
    return f"{product_of(contract).root}{contract.rsplit('.', 1)[-1]}"


def available(day: str) -> list[ContractModel]:
    """The front of every product, ordered by id."""
    return [model(contract, day) for contract in sorted(front(p, day) for p in PRODUCTS.values())]


def search(text: str, day: str) -> list[ContractModel]:
    """Fronts whose id, name or symbol hold the text, case-insensitive; exact roots first."""
    wanted = text.strip().upper()
    found = [
        row
        for row in available(day)
        if any(wanted in part.upper() for part in (row.id, row.name, row.symbol_id or ""))
    ]
    found.sort(key=lambda row: wanted != product_of(row.id).root)
    return found[:FOUND_MAX]
