"""A recorded market: one-minute bars played as prints and quotes inside each bar.

A bar says where price was, not how it went. The way is made up from the seed (open, one extreme,
the other, close) and kept inside the bar: no print and, where the bar has room for a spread, no bid
or ask beyond its low and high. Prints sum to the bar's volume and rebuild exactly the bar they came
from. Minutes without a bar are quiet: the last quote stands. Displayed sizes are made up.

A recording is laid over the market clock by whole weeks, so that weekday and hour stay true (in the
other half of the year they are an hour off: daylight saving). If it holds the start, or begins less
than a day after it, it stays where it is. Bars that fall into closed hours are skipped. After its
last bar the product is not quoted.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from services.simulator.dice import Dice, seed_of
from services.simulator.market import (
    BEAT_NS,
    LEVELS,
    REFRESH_NS,
    Book,
    Hours,
    Print,
    Update,
    withdrawn,
)
from shared.units import DAY, MINUTE, Lots, Nanos, Ticks

PRINTS_MAX: Final = 48  # per minute; a bar's volume is spread over so many at most
FAR: Final = (1 << 63) - 1
TOUCH_SIZE: Final = 8  # typical displayed size

RecordedBar = tuple[Nanos, Ticks, Ticks, Ticks, Ticks, Lots]  # open_ns, o, h, l, c, volume


def ways(bar: RecordedBar) -> list[list[Ticks]]:
    """The two shortest ways through a bar (low first, high first), equal neighbours merged."""
    _, opened, high, low, close, _ = bar
    return [
        [price for i, price in enumerate(path) if not i or price != path[i - 1]]
        for path in ((opened, low, high, close), (opened, high, low, close))
    ]


def fewest_prints(bar: RecordedBar) -> int:
    """How many prints the bar's prices need; its volume cannot be smaller."""
    return min(len(way) for way in ways(bar))


def expand(bar: RecordedBar, seed: int) -> list[tuple[Nanos, Print]]:
    """The bar's prints with their instants, first at the bar's opening. Pure in (bar, seed)."""
    opened_ns, _, high, low, _, volume = bar
    dice = Dice(seed_of(seed, "bar", opened_ns))
    both = ways(bar)
    way = both[dice.bits() & 1]
    if len(way) > volume:
        way = min(both, key=len)
    count = max(len(way), min(volume, PRINTS_MAX))
    prices = _bridge(way, count, (low, high), dice)
    sizes = _shares(volume, count, dice)
    told: list[tuple[Nanos, Print]] = []
    before = prices[0]
    for index, price in enumerate(prices):
        side = 1 if price > before else -1 if price < before else 1 - 2 * (dice.bits() & 1)
        if low < high and price == (low if side > 0 else high):
            side = -side  # at the edge of the bar the spread must lie inside it
        jitter = dice.below(MINUTE // count) if index else 0
        told.append((opened_ns + index * MINUTE // count + jitter, (price, sizes[index], side)))
        before = price
    return told


def _bridge(way: list[Ticks], count: int, room: tuple[Ticks, Ticks], dice: Dice) -> list[Ticks]:
    """`count` prices that follow the way and wander a little, inside the room."""
    if len(way) == 1:
        return way * count
    legs = len(way) - 1
    spare = [0] * legs
    for _ in range(count - len(way)):
        spare[dice.below(legs)] += 1
    wander = 1 + (room[1] - room[0]) // 6
    prices = [way[0]]
    for leg, extra in enumerate(spare):
        begin, end = way[leg], way[leg + 1]
        for step in range(1, extra + 1):
            straight = begin + (end - begin) * step // (extra + 1)
            prices.append(max(room[0], min(room[1], straight + dice.between(-wander, wander))))
        prices.append(end)
    return prices


def _shares(volume: Lots, count: int, dice: Dice) -> list[Lots]:
    """`count` sizes of at least 1 that sum to `volume`."""
    rest = volume - count
    weights = [1 + dice.below(8) for _ in range(count)]
    total = sum(weights)
    sizes = [1 + rest * weight // total for weight in weights]
    sizes[dice.below(count)] += volume - sum(sizes)
    return sizes


def weeks_between(first_ns: Nanos, last_ns: Nanos, start_ns: Nanos) -> Nanos:
    """Whole weeks to add so that `start_ns` falls into the first week; 0 if it is inside already,
    or less than a day before.
    """
    if first_ns - DAY < start_ns <= last_ns:
        return 0
    week = 7 * DAY
    return (start_ns - first_ns) // week * week


def lay_over(bars: tuple[RecordedBar, ...], start_ns: Nanos) -> tuple[RecordedBar, ...]:
    """The recording moved by whole weeks so that it holds `start_ns` in its first week."""
    shift = weeks_between(bars[0][0], bars[-1][0], start_ns) if bars else 0
    return moved(bars, shift)


def moved(bars: tuple[RecordedBar, ...], shift: Nanos) -> tuple[RecordedBar, ...]:
    """The same bars at other instants."""
    return tuple((bar[0] + shift, *bar[1:]) for bar in bars) if shift else bars


class RecordedState(Struct):
    """Where we are: the minute, the bar that comes next, the event within the minute."""

    minute_ns: Nanos
    index: int
    place: int
    dice: Dice
    book: Book
    told_ns: Nanos = 0
    ended: bool = False


class Recorded:
    """The feed of one product."""

    def __init__(
        self,
        state: RecordedState,
        root: str,
        bars: tuple[RecordedBar, ...],
        *,
        hours: Hours,
        seed: int,
    ) -> None:
        self.state = state
        self.roots: tuple[str, ...] = (root,)
        self._bars = bars
        self._hours = hours
        self._seed = seed
        self._plan = self._planned()

    @classmethod
    def fresh(
        cls, root: str, bars: tuple[RecordedBar, ...], start_ns: Nanos, *, hours: Hours, seed: int
    ) -> Recorded:
        """Play from the minute that holds `start_ns`; earlier bars are history."""
        minute = start_ns - start_ns % MINUTE
        index = sum(1 for bar in bars if bar[0] < minute)
        last = bars[index - 1][4] if index else 0
        state = RecordedState(minute, index, 0, Dice(seed_of(seed, root)), Book(last=last))
        return cls(state, root, bars, hours=hours, seed=seed)

    def regime(self) -> str:
        return "recorded"

    def horizon(self) -> Nanos:
        state = self.state
        if state.ended:
            return FAR
        return self._plan[state.place][0] if state.place < len(self._plan) else state.minute_ns

    def advance(self, until_ns: Nanos, out: list[Update]) -> None:
        state = self.state
        while not state.ended and state.minute_ns <= until_ns:
            while state.place < len(self._plan) and self._plan[state.place][0] <= until_ns:
                at_ns, told = self._plan[state.place]
                state.place += 1
                if told or state.book.bid:
                    out.append(self._update(at_ns, told))
            if state.minute_ns + MINUTE > until_ns:
                return
            self._next_minute(out)

    def _next_minute(self, out: list[Update]) -> None:
        state, bars = self.state, self._bars
        if state.index < len(bars) and bars[state.index][0] == state.minute_ns:
            state.index += 1
        minute = self._hours.next_open(state.minute_ns + MINUTE)
        state.minute_ns = minute - minute % MINUTE
        while state.index < len(bars) and bars[state.index][0] < state.minute_ns:
            state.index += 1  # recorded while this calendar is closed
        state.place = 0
        if state.index >= len(bars):
            state.ended = True
            out.append(withdrawn(self.roots[0], minute, state.book))
        self._plan = self._planned()

    def _planned(self) -> list[tuple[Nanos, Print | None]]:
        """Prints and beats of the current minute in time order."""
        state = self.state
        start = state.minute_ns
        if state.ended or not self._hours.open(start):
            return []
        plan: list[tuple[Nanos, Print | None]] = []
        if state.index < len(self._bars) and self._bars[state.index][0] == start:
            plan += expand(self._bars[state.index], self._seed)
        plan += [(start + beat * BEAT_NS, None) for beat in range(1, MINUTE // BEAT_NS)]
        return sorted(plan, key=lambda event: event[0])

    def _update(self, at_ns: Nanos, told: Print | None) -> Update:
        state, book, dice = self.state, self.state.book, self.state.dice
        changed = {}
        if told:
            price, _, side = told
            book.last = price
            bid, ask = (price - 1, price) if side > 0 else (price, price + 1)
            if (bid, ask) != (book.bid, book.ask):
                draw = dice.bits()
                fresh = [
                    1 + (draw >> (place + 3)) % (2 * TOUCH_SIZE) for place in range(2 * LEVELS)
                ]
                changed = book.move(bid, ask, fresh)
        else:
            draw = dice.bits()
            depth, size = draw % LEVELS, 1 + (draw >> 8) % (2 * TOUCH_SIZE)
            side = 1 if draw >> 60 & 1 else -1
            (book.bids if side > 0 else book.asks)[depth] = size
            changed[side, book.bid - depth if side > 0 else book.ask + depth] = size
        full = at_ns - state.told_ns >= REFRESH_NS
        if full:
            state.told_ns = at_ns
        rows = book.rows() if full else [(*level, size) for level, size in changed.items()]
        prints = (told,) if told else ()
        sizes = tuple(book.bids), tuple(book.asks)
        return Update(self.roots[0], at_ns, prints, rows, True, book.bid, book.ask, *sizes, full)
