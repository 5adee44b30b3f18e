"""A recorded market told tick by tick: prints, best quotes and whole books as they were recorded.

Instants are kept to the nanosecond. What a recording does not have is made up from the seed and
says nothing: between two events the quote is confirmed every quarter of a second; without books,
sizes below the touch; without quotes, a spread of one tick around the last print (the aggressor
tells the side; where the file does not say, the quote does, else the last move). Levels further
than ten ticks from the touch are cut off. What falls into closed hours is skipped.

It is laid over the market clock by whole weeks, as bars are (`market_recorded.py`).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from services.simulator.dice import Dice, seed_of
from services.simulator.market import (
    BEAT_NS,
    LEVELS,
    REFRESH_NS,
    Book,
    Changes,
    Hours,
    Print,
    Update,
    withdrawn,
)
from services.simulator.market_recorded import FAR, TOUCH_SIZE, RecordedBar, weeks_between
from shared.units import MINUTE, Lots, Nanos, Ticks

PRINT, QUOTE, BOOK = range(3)
_WIDTH: Final = {PRINT: 3, QUOTE: 4, BOOK: 2 + 2 * LEVELS}


class Tape:
    """Recorded events in time order, in flat arrays: millions of them fit into memory.

    A print is price, size, aggressor (1 buys, -1 sells, 0 not known); a quote bid, ask and their
    sizes; a book bid, ask and the sizes at the `LEVELS` ticks outwards of each. A side with size 0
    at the touch is empty.
    """

    def __init__(self) -> None:
        self.at = array("q")
        self._kind = bytearray()
        self._where = array("l")
        self._content = {PRINT: array("q"), QUOTE: array("q"), BOOK: array("q")}

    def __len__(self) -> int:
        return len(self.at)

    def add(self, at_ns: Nanos, kind: int, content: tuple[int, ...]) -> None:
        assert len(content) == _WIDTH[kind], "Invariant: events of a kind have one width"
        column = self._content[kind]
        self.at.append(at_ns)
        self._kind.append(kind)
        self._where.append(len(column))
        column.extend(content)

    def event(self, index: int) -> tuple[int, tuple[int, ...]]:
        """Kind and content."""
        kind, begin = self._kind[index], self._where[index]
        return kind, tuple(self._content[kind][begin : begin + _WIDTH[kind]])

    def has_quotes(self) -> bool:
        return bool(self._content[QUOTE] or self._content[BOOK])

    def prints(self) -> Iterator[tuple[Nanos, Ticks, Lots]]:
        for index, kind in enumerate(self._kind):
            if kind == PRINT:
                price, size, _ = self.event(index)[1]
                yield self.at[index], price, size


def merged(tapes: list[Tape]) -> Tape:
    """One tape; of events of the same instant those of the earlier tape come first."""
    if len(tapes) == 1:
        return tapes[0]
    order = sorted(
        (at_ns, number, index)
        for number, tape in enumerate(tapes)
        for index, at_ns in enumerate(tape.at)
    )
    whole = Tape()
    for at_ns, number, index in order:
        whole.add(at_ns, *tapes[number].event(index))
    return whole


def bars_of(tape: Tape) -> tuple[RecordedBar, ...]:
    """The tape's prints as one-minute bars, for the history."""
    bars: list[RecordedBar] = []
    for at_ns, price, size in tape.prints():
        minute = at_ns - at_ns % MINUTE
        if bars and bars[-1][0] == minute:
            _, opened, high, low, _, volume = bars[-1]
            bars[-1] = (minute, opened, max(high, price), min(low, price), price, volume + size)
        else:
            bars.append((minute, price, price, price, price, size))
    return tuple(bars)


def shift_of(tape: Tape, start_ns: Nanos) -> Nanos:
    """By how much the tape is moved so that it holds the start; whole weeks."""
    return weeks_between(tape.at[0], tape.at[-1], start_ns)


class TicksState(Struct):
    """Where we are: the event that comes next, the beat that does."""

    index: int
    beat_ns: Nanos
    dice: Dice
    book: Book
    aggressor: int = 1
    told_ns: Nanos = 0
    ended: bool = False


class RecordedTicks:
    """The feed of one product."""

    def __init__(
        self, state: TicksState, root: str, tape: Tape, *, hours: Hours, shift: Nanos
    ) -> None:
        self.state = state
        self.roots: tuple[str, ...] = (root,)
        self._tape = tape
        self._hours = hours
        self._shift = shift
        self._quoted = tape.has_quotes()

    @classmethod
    def fresh(
        cls, root: str, tape: Tape, start_ns: Nanos, *, hours: Hours, seed: int
    ) -> RecordedTicks:
        """Play from `start_ns`; earlier events are history, the last of each kind still stands."""
        shift = shift_of(tape, start_ns)
        state = TicksState(0, start_ns + BEAT_NS, Dice(seed_of(seed, root)), Book())
        feed = cls(state, root, tape, hours=hours, shift=shift)
        while state.index < len(tape) and tape.at[state.index] + shift < start_ns:
            feed._apply()
        return feed

    def regime(self) -> str:
        return "recorded"

    def _next(self) -> Nanos:
        """When the next event comes; FAR after the last."""
        index = self.state.index
        return self._tape.at[index] + self._shift if index < len(self._tape) else FAR

    def horizon(self) -> Nanos:
        return FAR if self.state.ended else min(self._next(), self.state.beat_ns)

    def advance(self, until_ns: Nanos, out: list[Update]) -> None:
        state = self.state
        while not state.ended:
            event_ns = self._next()
            at_ns = min(event_ns, state.beat_ns)
            if at_ns > until_ns:
                return
            if event_ns == FAR:
                state.ended = True
                out.append(withdrawn(self.roots[0], at_ns, state.book))
                return
            opening = self._hours.next_open(at_ns)
            if opening != at_ns:  # closed: nothing is told, and what was recorded is skipped
                state.beat_ns = opening + BEAT_NS
                while self._next() < opening:
                    state.index += 1
                continue
            state.beat_ns = at_ns + BEAT_NS
            if event_ns <= at_ns:
                out.append(self._told(at_ns, *self._apply()))
            elif state.book.bid:
                out.append(self._told(at_ns, (), {}))

    def _apply(self) -> tuple[tuple[Print, ...], Changes]:
        """Take the next event in: what is printed, which levels change."""
        state, book = self.state, self.state.book
        kind, content = self._tape.event(state.index)
        state.index += 1
        if kind == PRINT:
            return self._printed(*content)
        if kind == QUOTE:
            bid, ask, bid_size, ask_size = content
            changed = self._centred(bid, ask)
            for side, sizes, size in ((1, book.bids, bid_size), (-1, book.asks, ask_size)):
                if not size:  # an empty side has nothing further out either
                    for depth in range(LEVELS):
                        sizes[depth] = 0
                        changed[side, bid - depth if side > 0 else ask + depth] = 0
                elif sizes[0] != size:
                    sizes[0] = size
                    changed[side, bid if side > 0 else ask] = size
            return (), changed
        bid, ask = content[:2]
        before = {(side, price): size for side, price, size in book.rows()} if book.bid else {}
        book.bid, book.ask = bid, ask
        book.bids, book.asks = list(content[2 : 2 + LEVELS]), list(content[2 + LEVELS :])
        now = {(side, price): size for side, price, size in book.rows()}
        gone = {level: 0 for level, size in before.items() if size and level not in now}
        return (), gone | {
            level: size for level, size in now.items() if size != before.get(level, 0)
        }

    def _printed(
        self, price: Ticks, size: Lots, aggressor: int
    ) -> tuple[tuple[Print, ...], Changes]:
        state, book = self.state, self.state.book
        if not aggressor:
            if book.bid and price >= book.ask:
                aggressor = 1
            elif book.bid and price <= book.bid:
                aggressor = -1
            elif price != book.last and book.last:
                aggressor = 1 if price > book.last else -1
            else:
                aggressor = state.aggressor
        state.aggressor = aggressor
        book.last = price
        changed: Changes = {}
        if not self._quoted:
            changed = self._centred(*((price - 1, price) if aggressor > 0 else (price, price + 1)))
        return ((price, size, aggressor),), changed

    def _centred(self, bid: Ticks, ask: Ticks) -> Changes:
        """Move the book to new best prices; levels that come into view get sizes from the dice."""
        state = self.state
        if (bid, ask) == (state.book.bid, state.book.ask) and all(state.book.bids):
            return {}
        draw = state.dice.bits()
        fresh = [1 + (draw >> (place + 3)) % (2 * TOUCH_SIZE) for place in range(2 * LEVELS)]
        return state.book.move(bid, ask, fresh)

    def _told(self, at_ns: Nanos, prints: tuple[Print, ...], changed: Changes) -> Update:
        state, book = self.state, self.state.book
        full = bool(book.bid) and at_ns - state.told_ns >= REFRESH_NS
        if full:
            state.told_ns = at_ns
        rows = book.rows() if full else [(*level, size) for level, size in changed.items()]
        return Update(
            self.roots[0],
            at_ns,
            prints,
            rows,
            bool(book.bid),
            book.bid,
            book.ask,
            _shown(book.bids),
            _shown(book.asks),
            full,
        )


def _shown(sizes: list[Lots]) -> tuple[Lots, ...]:
    """The sizes of a side; nothing where its touch is empty."""
    return tuple(sizes) if sizes and sizes[0] else ()
