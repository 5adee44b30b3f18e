"""Contracts as the venue lists them: 51 products, each with its front month.

All are listed and searchable; those that are not quoted here (`simulator.feed.products`) answer an
order with `Invalid symbol`, as the venue does for a contract without a price. The front rolls some
days before the last trade (`shared/domain/expiries.py`, which says what is approximate). Contracts
of earlier months stay known, inactive, and keep their bars up to the roll: nothing new is opened in
them, but what is held or works there stays until the exchange's last day for them (`ended`), at the
prices of the front: a product has one market here. Later months are not listed. EMD, gone from the
venue's list since 2025, resolves by id and is never listed.
"""

from __future__ import annotations

from functools import lru_cache
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
from shared.domain.expiries import ROLL_DAYS, day_of, ends, last_trade
from shared.units import USD
from shared.venue.words import ContractModel

FOUND_MAX: Final = 20
KNOWN_YEARS_BACK: Final = 2
UNLISTED: Final = ("EMD",)
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


@lru_cache(maxsize=1_024)
def front(product: Product, day: str) -> str:
    """The contract that is active on a trading day (ISO date). Asked at every search and order."""
    year, today = int(day[:4]), day_of(day)
    for candidate in (year, year + 1):
        for code in product.front_months:
            month = MONTH_CODES.index(code) + 1
            if last_trade(product, candidate, month) - today > ROLL_DAYS[product.expiry]:
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


def ended(contract: str, day: str) -> bool:
    """Whether a contract's last trading day lies before `day`."""
    return ends(product_of(contract), *contract_month(contract)) < day_of(day)


def model(contract: str, day: str) -> ContractModel:
    product = product_of(contract)
    year, month = contract_month(contract)
    return ContractModel(
        id=contract,
        name=f"{product.root}{MONTH_CODES[month - 1]}{year % 10}",
        description=f"{product.name}: {_MONTHS[month - 1]} {year}",
        tick_size=product.tick_nanos / NANOS_PER_POINT,
        tick_value=product.tick_micros / USD,
        active_contract=product.root not in UNLISTED and contract == front(product, day),
        symbol_id=f"F.US.{product.symbol}",
    )


def display_name(contract: str) -> str:
    """The short name in position events: `MNQZ26`."""
    return f"{product_of(contract).root}{contract.rsplit('.', 1)[-1]}"


def available(day: str) -> list[ContractModel]:
    """The front of every product, ordered by id."""
    listed = (product for root, product in PRODUCTS.items() if root not in UNLISTED)
    return [model(contract, day) for contract in sorted(front(one, day) for one in listed)]


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
