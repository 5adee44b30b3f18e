"""Bars of one second, one minute and five minutes out of one contract's trades, in one place.

As at the venue: prices of trades only, volume in contracts, aligned to UTC, open time as the name,
and a span without a trade has no bar (a quote is no price at which anything happened). One builder
serves live, replay and backtest, so a strategy never sees two kinds of bar.

A bar closes when time is `GRACE_NS` past its end. Time is the venue's, as carried by every quote
and trade, so that bars do not depend on how fast we received them; where the market is silent our
own clock closes them `PULSE_GRACE_NS` past the end, late enough for a computer somewhat fast. A
trade that arrives after its bar closed is counted into it and the bar is said again as REPAIRED
while the bar is among the last `KEPT`; older ones are only counted (`lost`). Within a bar the
order is venue time, then arrival, so trades that overtook each other do no harm.

A bar that opened before `complete_from_ns` misses trades we never heard; it is not said at all,
because history has it whole (`services/market_data_gateway` fetches it).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from shared.events import Bar, BarOrigin
from shared.units import MILLISECOND, SECOND, Lots, Nanos, Ticks

SPANS_S: Final = (1, 60, 300)
GRACE_NS: Final = 250 * MILLISECOND
PULSE_GRACE_NS: Final = 2 * SECOND
KEPT: Final = 8  # closed bars per span that a late trade can still correct

_NEVER: Final = 1 << 62
_NOTHING: Final[tuple[Bar, ...]] = ()


class Candle(Struct):
    """A bar in the making. `first_ns` and `last_ns`: venue times of its first and last trade."""

    open_ns: Nanos
    open: Ticks
    high: Ticks
    low: Ticks
    close: Ticks
    volume: Lots
    first_ns: Nanos
    last_ns: Nanos

    def add(self, price: Ticks, size: Lots, venue_ns: Nanos) -> None:
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.volume += size
        if venue_ns < self.first_ns:
            self.first_ns, self.open = venue_ns, price
        if venue_ns >= self.last_ns:
            self.last_ns, self.close = venue_ns, price


class Span(Struct):
    """The candles of one bar length, each list by opening time."""

    seconds: int
    making: list[Candle] = []
    closed: list[Candle] = []


class BarBuilder(Struct):
    """One contract's bars. All of it is state: a snapshot holds it whole."""

    contract: str
    spans: list[Span]
    time_ns: Nanos = 0  # the latest instant known from ticks and pulses
    due_ns: Nanos = _NEVER  # when the next candle closes; nothing happens before
    complete_from_ns: Nanos = 0
    lost: int = 0  # trades too late for any correction

    @classmethod
    def of(cls, contract: str, spans_s: tuple[int, ...] = SPANS_S) -> BarBuilder:
        return cls(contract=contract, spans=[Span(seconds=seconds) for seconds in spans_s])

    def trade(self, price: Ticks, size: Lots, venue_ns: Nanos) -> Sequence[Bar]:
        """Count a trade in. Returns the bars it closed or corrected, oldest first."""
        said = list(self.advance(venue_ns))
        missed = False
        for span in self.spans:
            length, making = span.seconds * SECOND, span.making
            newest = making[-1] if making else None
            if newest is not None and 0 <= venue_ns - newest.open_ns < length:
                newest.add(price, size, venue_ns)  # as nearly always
                continue
            open_ns = venue_ns - venue_ns % length
            if open_ns + length + GRACE_NS > self.time_ns:
                _into(making, open_ns, (price, size, venue_ns))
                self.due_ns = min(self.due_ns, open_ns + length + GRACE_NS)
                continue
            candle = self._late(span, open_ns, (price, size, venue_ns))
            if candle is None:
                missed = True
            elif candle.open_ns >= self.complete_from_ns:
                said.append(self._bar(span, candle, BarOrigin.REPAIRED))
        self.lost += missed
        return said

    def advance(self, venue_ns: Nanos) -> Sequence[Bar]:
        """The venue's clock was seen at `venue_ns`. Returns the bars that closed, oldest first."""
        if venue_ns > self.time_ns:
            self.time_ns = venue_ns
        return _NOTHING if self.time_ns < self.due_ns else self._close()

    def pulse(self, now_ns: Nanos) -> Sequence[Bar]:
        """Our own clock says `now_ns`; for markets too quiet to move the venue's."""
        return self.advance(now_ns - PULSE_GRACE_NS + GRACE_NS)

    def unsaid_from(self, span_s: int, otherwise_ns: Nanos) -> Nanos:
        """When the oldest bar still in the making opened; `otherwise_ns` if there is none."""
        opens = [s.making[0].open_ns for s in self.spans if s.seconds == span_s and s.making]
        return opens[0] if opens else otherwise_ns

    def hold(self) -> None:
        """The stream broke: from here no bar is complete, until `resume`."""
        self.complete_from_ns = _NEVER

    def resume(self, from_ns: Nanos) -> None:
        """The stream is whole again from `from_ns`; bars that opened before stay unsaid."""
        self.complete_from_ns = from_ns

    def _close(self) -> Sequence[Bar]:
        said: list[Bar] = []
        self.due_ns = _NEVER
        for span in self.spans:
            length = span.seconds * SECOND
            while span.making and span.making[0].open_ns + length + GRACE_NS <= self.time_ns:
                candle = span.making.pop(0)
                if candle.open_ns >= self.complete_from_ns:
                    said.append(self._bar(span, candle, BarOrigin.LIVE))
                span.closed.append(candle)
            del span.closed[:-KEPT]
            if span.making:
                self.due_ns = min(self.due_ns, span.making[0].open_ns + length + GRACE_NS)
        return said

    def _late(self, span: Span, open_ns: Nanos, trade: tuple[Ticks, Lots, Nanos]) -> Candle | None:
        """The closed candle of a late trade, corrected; None where it is not kept any more.

        A span without a trade has no candle yet: it gets one, unless it is older than all kept.
        """
        if not span.closed or open_ns < span.closed[0].open_ns:
            return None
        candle = _into(span.closed, open_ns, trade)
        del span.closed[:-KEPT]
        return candle

    def _bar(self, span: Span, candle: Candle, origin: BarOrigin) -> Bar:
        assert candle.low <= candle.open <= candle.high, candle
        assert candle.low <= candle.close <= candle.high, candle
        return Bar(
            contract=self.contract,
            span_s=span.seconds,
            open_ns=candle.open_ns,
            open=candle.open,
            high=candle.high,
            low=candle.low,
            close=candle.close,
            volume=candle.volume,
            origin=origin,
        )


def _into(candles: list[Candle], open_ns: Nanos, trade: tuple[Ticks, Lots, Nanos]) -> Candle:
    """Add a trade to the candle that opened at `open_ns`, making it where it belongs in order."""
    price, size, venue_ns = trade
    at = len(candles)
    while at and candles[at - 1].open_ns > open_ns:
        at -= 1
    if at and candles[at - 1].open_ns == open_ns:
        candle = candles[at - 1]
        candle.add(price, size, venue_ns)
        return candle
    candle = Candle(
        open_ns=open_ns,
        open=price,
        high=price,
        low=price,
        close=price,
        volume=size,
        first_ns=venue_ns,
        last_ns=venue_ns,
    )
    candles.insert(at, candle)
    return candle
