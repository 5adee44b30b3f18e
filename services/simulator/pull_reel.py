"""The film of a pull replay: one-minute bars between two instants, made up or recorded, and how
they are cut into bars of a timeframe. Pure in its inputs, so a session need not store its bars.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final, Protocol

from services.simulator.history import RawBar, synthetic_minute
from services.simulator.market import Hours
from shared.contracts import PRODUCTS, Product, UnknownContract, product_of
from shared.domain.sessions import Calendar, OutsideCalendar
from shared.units import MINUTE, Nanos
from shared.venue.times import time_ns

MINUTES_MAX: Final = 7_200  # of trading; five days
WARM_UP_MINUTES: Final = 10_000  # before the start, for History/retrieveBars
_TIMEFRAME: Final = re.compile(r"(\d{1,4})\s*(m|min|minute|minutes|h|hour|hours)?", re.ASCII)
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
TIMEFRAME_MAX: Final = 1_440


class BadWish(ValueError):
    """What was asked cannot be replayed; the message is for its caller."""


def minutes_of(timeframe: str) -> int:
    """`5m`, `5`, `1h` as minutes. Raises BadWish."""
    found = _TIMEFRAME.fullmatch(timeframe.strip().lower())
    count = int(found[1]) * (60 if (found[2] or "m").startswith("h") else 1) if found else 0
    if not 1 <= count <= TIMEFRAME_MAX:
        raise BadWish(f"timeframe was {timeframe!r:.40}; it is 1m, 5m, 1h, ... up to a day")
    return count


def product_named(text: str) -> Product:
    """A product by root, symbol id or contract id. Raises BadWish."""
    wanted = text.strip().upper()
    try:
        return PRODUCTS.get(wanted) or product_of(
            wanted if wanted.startswith("CON.") else f"CON.{wanted}.Z26"
        )
    except UnknownContract:
        raise BadWish(f"instrumentSymbol was {text!r:.40}; try {', '.join(PRODUCTS)}") from None


def span_of(days: Calendar, start: str, end: str) -> tuple[Nanos, Nanos]:
    """(start, end) of a wish, on whole minutes. Raises BadWish."""
    try:
        if _DAY.fullmatch(start):
            start_ns = days.named(start).opens_ns
        else:
            start_ns = -(-time_ns(start, "startDate") // MINUTE) * MINUTE
        if not end:
            end_ns = days.at(start_ns).closes_ns
        elif _DAY.fullmatch(end):
            end_ns = days.named(end).closes_ns
        else:
            end_ns = time_ns(end, "endDate") // MINUTE * MINUTE
        days.at(end_ns)
    except OutsideCalendar as error:
        raise BadWish(str(error)) from None
    except ValueError as error:
        raise BadWish(str(error)) from None
    if end_ns <= start_ns:
        raise BadWish(f"endDate {end!r:.40} is not after startDate {start!r:.40}")
    return start_ns, end_ns


class Reel(Protocol):
    """One-minute bars by number, oldest first."""

    def __len__(self) -> int: ...

    def bar(self, number: int) -> RawBar: ...

    def opens(self, number: int) -> Nanos:
        """When a bar begins; cheaper than the bar."""

    def before(self) -> Iterator[RawBar]:
        """Bars from before the start, newest first."""


class MadeUp:
    """The simulator's own past at any date: calm weather from the seed. Raises BadWish."""

    def __init__(self, seed: int, root: str, span: tuple[Nanos, Nanos], hours: Hours) -> None:
        self._seed = seed
        self._root = root
        self._hours = hours
        self._start = span[0] // MINUTE
        self._minutes: list[int] = []
        for minute in range(self._start, span[1] // MINUTE):
            if hours.open(minute * MINUTE):
                self._minutes.append(minute)
                if len(self._minutes) > MINUTES_MAX:
                    raise BadWish(f"more than {MINUTES_MAX} minutes of trading; choose fewer days")

    def __len__(self) -> int:
        return len(self._minutes)

    def opens(self, number: int) -> Nanos:
        return self._minutes[number] * MINUTE

    def bar(self, number: int) -> RawBar:
        return synthetic_minute(self._seed, self._root, self._minutes[number])

    def before(self) -> Iterator[RawBar]:
        for minute in range(self._start - 1, self._start - 1 - WARM_UP_MINUTES, -1):
            try:
                is_open = self._hours.open(minute * MINUTE)
            except OutsideCalendar:
                return
            if is_open:
                yield synthetic_minute(self._seed, self._root, minute)


class Taped:
    """A recording's bars between two instants. Raises BadWish."""

    def __init__(self, bars: tuple[RawBar, ...], span: tuple[Nanos, Nanos]) -> None:
        self._all = bars
        self._first = bisect_left(bars, span[0], key=lambda bar: bar[0])
        self._count = bisect_left(bars, span[1], key=lambda bar: bar[0]) - self._first
        if self._count > MINUTES_MAX:
            raise BadWish(f"more than {MINUTES_MAX} minutes of trading; choose fewer days")

    def __len__(self) -> int:
        return self._count

    def opens(self, number: int) -> Nanos:
        return self.bar(number)[0]

    def bar(self, number: int) -> RawBar:
        return self._all[self._first + number]

    def before(self) -> Iterator[RawBar]:
        for place in range(self._first - 1, max(-1, self._first - 1 - WARM_UP_MINUTES), -1):
            yield self._all[place]


def cuts(reel: Reel, minutes: int) -> list[int]:
    """After how many one-minute bars each bar of the timeframe is complete; aligned to UTC."""
    ends: list[int] = []
    span = minutes * MINUTE
    before = -1
    for number in range(len(reel)):
        place = reel.opens(number) // span
        if place != before and number:
            ends.append(number)
        before = place
    if len(reel):
        ends.append(len(reel))
    return ends


def joined(bars: list[RawBar], minutes: int) -> RawBar:
    """One bar of a timeframe from its one-minute bars."""
    opened = bars[0][0]
    return (
        opened - opened % (minutes * MINUTE),
        bars[0][1],
        max(bar[2] for bar in bars),
        min(bar[3] for bar in bars),
        bars[-1][4],
        sum(bar[5] for bar in bars),
    )
