"""Market updates as the market hub tells them, and the day's statistics that quotes carry.

Prints go out one by one (a widely used client reads only part of a longer array), depth as the
levels that changed, now and then the whole book after a reset. Best levels are told with their own
record type, which also says that nothing better exists. A side that is empty (locked at a price
limit) has no price in the quote: what the venue does then is not known, and a listener to sparse
quotes keeps the old one; the depth says it right.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from services.simulator.market import Update
from services.simulator.render import Stamp
from services.simulator.words import DepthPush, QuotePush, TapePush
from shared.contracts import NANOS_PER_POINT, product_of
from shared.core import Word
from shared.units import Lots, Ticks
from shared.venue.codes import DepthKind, TapeSide
from shared.venue.words import DepthPayload, QuotePayload, TapePayload

BEST_BID: Final = DepthKind.BEST_BID.value
BEST_ASK: Final = DepthKind.BEST_ASK.value
BID: Final = DepthKind.BID.value
ASK: Final = DepthKind.ASK.value


class DayStats(Struct):
    """One product's trading day so far; `previous` is the last price of the day before."""

    day: str = ""
    previous: Ticks = 0
    open: Ticks = 0
    high: Ticks = 0
    low: Ticks = 0
    last: Ticks = 0
    volume: Lots = 0

    def turn(self, day: str) -> None:
        self.day = day
        self.previous = self.last or self.previous
        self.open = self.high = self.low = 0
        self.volume = 0

    def add(self, price: Ticks, size: Lots) -> None:
        if not self.volume:
            self.open = self.high = self.low = price
        elif price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.last = price
        self.volume += size


class Teller:
    """Turns updates of one contract into words."""

    def __init__(self, contract: str, stamp: Stamp) -> None:
        product = product_of(contract)
        self._contract = contract
        self._symbol = f"F.US.{product.symbol}"
        self._tick = product.tick_nanos
        self._stamp = stamp

    def _price(self, count: Ticks) -> float:
        return count * self._tick / NANOS_PER_POINT

    def tell(self, update: Update, stats: DayStats, said: list[Word]) -> None:
        when = self._stamp.text(update.at_ns)
        contract, symbol = self._contract, self._symbol
        for price, size, aggressor in update.prints:
            payload = TapePayload(
                symbol_id=symbol,
                price=self._price(price),
                timestamp=when,
                type=TapeSide.BUY.value if aggressor > 0 else TapeSide.SELL.value,
                volume=size,
                contract_id=contract,
            )
            said.append(TapePush(contract=contract, payload=(payload,)))
        if update.rows:
            said.append(self._depth(update, when))
        if update.quote:
            said.append(self._quote(update, stats, when))

    def _depth(self, update: Update, when: str) -> DepthPush:
        contract, tick, bid, ask = self._contract, self._tick, update.bid, update.ask
        rows = [
            DepthPayload(
                contract_id=contract,
                timestamp=when,
                type=(BEST_BID if price == bid else BID)
                if side > 0
                else (BEST_ASK if price == ask else ASK),
                price=price * tick / NANOS_PER_POINT,
                volume=size,
            )
            for side, price, size in update.rows
        ]
        if update.full:
            rows.insert(
                0,
                DepthPayload(
                    contract_id=self._contract,
                    timestamp=when,
                    type=DepthKind.RESET.value,
                    price=0.0,
                    volume=0,
                ),
            )
        return DepthPush(contract=self._contract, payload=tuple(rows))

    def _quote(self, update: Update, stats: DayStats, when: str) -> QuotePush:
        traded = stats.volume > 0
        last = stats.last if traded else stats.previous
        change = last - stats.previous
        payload = QuotePayload(
            symbol=self._symbol,
            last_price=self._price(last) if last else None,
            best_bid=self._price(update.bid) if update.bids else None,
            best_ask=self._price(update.ask) if update.asks else None,
            change=self._price(change),
            change_percent=round(100 * change / stats.previous, 4) if stats.previous else None,
            open=self._price(stats.open) if traded else None,
            high=self._price(stats.high) if traded else None,
            low=self._price(stats.low) if traded else None,
            volume=stats.volume,
            last_updated=when,
            timestamp=when,
            contract=self._contract,
        )
        return QuotePush(contract=self._contract, payload=payload)
