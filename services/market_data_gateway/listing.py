"""Which contract a root means today, decided from what the venue lists.

A text search for NQ also answers QG and QM, so only the exact symbol counts. A contract about to
expire is refused although the venue calls it active: its liquidity has gone and a position in it
could be settled against us. A tick size or value that differs from our own table is refused too,
because every dollar figure behind the gateway is computed from the table.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from services.market_data_gateway.words import Offer
from shared.contracts import PRODUCTS, Product, UnknownContract, contract_month, product_of
from shared.domain.expiries import days_left


class Choice(Struct, frozen=True):
    """The offer to trade, or why there is none."""

    offer: Offer | None
    refusal: str = ""


def choose(root: str, offers: Iterable[Offer], label: str, roll_days: int) -> Choice:
    """The nearest active contract month of `root` on trading day `label`."""
    product = PRODUCTS.get(root)
    if product is None:
        return Choice(None, f"{root} is no product of ours; there are {', '.join(PRODUCTS)}")
    listed = sorted(
        (offer for offer in offers if _is_of(offer, product)),
        key=lambda offer: contract_month(offer.contract),
    )
    if not listed:
        return Choice(None, f"the venue lists no contract of symbol F.US.{product.symbol}")
    refusals = []
    for offer in listed:
        refusal = _refusal(offer, product, label, roll_days)
        if not refusal:
            return Choice(offer)
        refusals.append(refusal)
    return Choice(None, "; ".join(refusals))


def _is_of(offer: Offer, product: Product) -> bool:
    if offer.symbol_id not in ("", f"F.US.{product.symbol}"):
        return False
    try:
        contract_month(offer.contract)
        return product_of(offer.contract) is product
    except UnknownContract:
        return False


def _refusal(offer: Offer, product: Product, label: str, roll_days: int) -> str:
    """Why this contract is not traded; empty when it may be."""
    left = days_left(label, offer.contract)
    if not offer.active:
        return f"{offer.contract} is not active"
    if left <= roll_days:
        return f"{offer.contract} expires in {left} days, the limit is {roll_days}"
    if (offer.tick_nanos, offer.tick_micros) != (product.tick_nanos, product.tick_micros):
        return (
            f"{offer.contract} has a tick of {offer.tick_nanos}e-9 points worth"
            f" {offer.tick_micros}e-6 dollars at the venue, but {product.tick_nanos} and"
            f" {product.tick_micros} in our table"
        )
    return ""
