"""Steps of a market as the market hub tells them: decimals, texts, records.

Prints go out one by one (a widely used client reads only part of a longer array), depth as the
levels that changed, now and then the whole book after a reset. Best levels are told with their own
record type, which also says that nothing better exists. A side that is empty (locked at a price
limit) has no price in the quote: what the venue does then is not known, and a listener to sparse
quotes keeps the old one; the depth says it right.

It is the port that writes them, for those who listen: the core says what happened in whole numbers.
"""

from __future__ import annotations

from typing import Final

from services.simulator.market import DayStats
from services.simulator.render import Stamp
from services.simulator.words import DepthPush, MarketPush, Moved, QuotePush, TapePush
from shared.contracts import Product, price, product_of
from shared.venue.codes import DepthKind, TapeSide
from shared.venue.words import DepthPayload, QuotePayload, TapePayload

BEST_BID: Final = DepthKind.BEST_BID.value
BEST_ASK: Final = DepthKind.BEST_ASK.value
BID: Final = DepthKind.BID.value
ASK: Final = DepthKind.ASK.value
RESET: Final = DepthKind.RESET.value


class Teller:
    """Turns steps of markets into pushes, in the order they are told."""

    def __init__(self) -> None:
        self._stamp = Stamp()

    def pushes(self, moved: Moved) -> list[MarketPush]:
        when = self._stamp.text(moved.at_ns)
        product = product_of(moved.contract)
        made: list[MarketPush] = []
        for ticks, size, aggressor in moved.prints:
            payload = TapePayload(
                symbol_id=f"F.US.{product.symbol}",
                price=price(ticks, product),
                timestamp=when,
                type=TapeSide.BUY.value if aggressor > 0 else TapeSide.SELL.value,
                volume=size,
                contract_id=moved.contract,
            )
            made.append(TapePush(contract=moved.contract, payload=(payload,)))
        if moved.rows:
            made.append(DepthPush(contract=moved.contract, payload=_levels(moved, product, when)))
        if moved.day is not None:
            quote = _quote(moved, moved.day, product, when)
            made.append(QuotePush(contract=moved.contract, payload=quote))
        return made


def _levels(moved: Moved, product: Product, when: str) -> tuple[DepthPayload, ...]:
    contract, bid, ask = moved.contract, moved.bid, moved.ask
    rows = [
        DepthPayload(
            contract_id=contract,
            timestamp=when,
            type=(BEST_BID if ticks == bid else BID)
            if side > 0
            else (BEST_ASK if ticks == ask else ASK),
            price=price(ticks, product),
            volume=size,
        )
        for side, ticks, size in moved.rows
    ]
    if moved.full:
        cleared = DepthPayload(
            contract_id=contract, timestamp=when, type=RESET, price=0.0, volume=0
        )
        rows.insert(0, cleared)
    return tuple(rows)


def _quote(moved: Moved, day: DayStats, product: Product, when: str) -> QuotePayload:
    traded = day.volume > 0
    last = day.last if traded else day.previous
    change = last - day.previous
    return QuotePayload(
        symbol=f"F.US.{product.symbol}",
        last_price=price(last, product) if last else None,
        best_bid=None if moved.empty_bids else price(moved.bid, product),
        best_ask=None if moved.empty_asks else price(moved.ask, product),
        change=price(change, product),
        change_percent=round(100 * change / day.previous, 4) if day.previous else None,
        open=price(day.open, product) if traded else None,
        high=price(day.high, product) if traded else None,
        low=price(day.low, product) if traded else None,
        volume=day.volume,
        last_updated=when,
        timestamp=when,
        contract=moved.contract,
    )
