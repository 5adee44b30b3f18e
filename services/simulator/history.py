"""Bars: those that were traded here, and those from before the simulation began.

A bar once served never changes. Traded bars are built from prints and served as closed only when
market time has passed their end. Older ones are a pure function of seed and minute (or the
recording): layered noise on a lattice, calm weather throughout, ending exactly at the price the
live market starts from. So they can be asked for in any order, cost no memory, and warm-up of 120
bars costs 120 evaluations. One-second bars of the past are played from their minute.

Limits: the last `SECONDS_KEPT` traded seconds and `MINUTES_KEPT` traded minutes of a product (ten
sessions), and `PAST_DAYS` calendar days before the start; beyond them the venue "has no data".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

from msgspec import Struct, field

from services.simulator.dice import mix, seed_of
from services.simulator.market import Hours, Print
from services.simulator.market_characters import FAMILIES, character
from services.simulator.market_recorded import RecordedBar, expand
from shared.units import DAY, HOUR, MINUTE, SECOND, Lots, Nanos, Ticks

SECONDS_KEPT: Final = 3_600
MINUTES_KEPT: Final = 13_800
PAST_DAYS: Final = 30
BARS_CACHED: Final = 20_000  # clients ask for the same days again and again
PAST_SECONDS: Final = 2 * HOUR  # one-second bars from before the start reach back so far

RawBar = RecordedBar  # open_ns, open, high, low, close, volume
BLOCK: Final = 64  # minutes reckoned at once
LAYERS: Final = ((1, 2), (7, 5), (45, 10), (360, 40), (1_900, 90))  # minutes, ticks


class Forming(Struct):
    """The bar being traded; `open_ns` -1 before the first print."""

    open_ns: Nanos = -1
    open: Ticks = 0
    high: Ticks = 0
    low: Ticks = 0
    close: Ticks = 0
    volume: Lots = 0

    def add(self, price: Ticks, size: Lots) -> None:
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.close = price
        self.volume += size

    def bar(self) -> RawBar:
        return (self.open_ns, self.open, self.high, self.low, self.close, self.volume)


class Series(Struct):
    """Traded bars of one product, oldest first, and the two that are forming."""

    seconds: list[RawBar] = []
    minutes: list[RawBar] = []
    second: Forming = field(default_factory=Forming)
    minute: Forming = field(default_factory=Forming)

    def add(self, at_ns: Nanos, told: Print) -> None:
        """Fold a print in."""
        price, size, _ = told
        if 0 <= at_ns - self.second.open_ns < SECOND:  # the same minute, then
            self.second.add(price, size)
            self.minute.add(price, size)
            return
        for span, forming, kept, limit in (
            (SECOND, self.second, self.seconds, SECONDS_KEPT),
            (MINUTE, self.minute, self.minutes, MINUTES_KEPT),
        ):
            if forming.open_ns <= at_ns < forming.open_ns + span:
                forming.add(price, size)
                continue
            if forming.open_ns >= 0:
                assert at_ns > forming.open_ns, "Invariant: prints come in time order"
                kept.append(forming.bar())
                if len(kept) > limit + limit // 8:
                    del kept[:-limit]
            forming.open_ns = at_ns - at_ns % span
            forming.open = forming.high = forming.low = forming.close = price
            forming.volume = size

    def backwards(self, span: Nanos) -> Iterator[RawBar]:
        """Newest first, the forming one included."""
        forming, kept = (
            (self.second, self.seconds) if span == SECOND else (self.minute, self.minutes)
        )
        if forming.open_ns >= 0:
            yield forming.bar()
        yield from reversed(kept)


def _knot(layer: int, place: int) -> int:
    """The height at a knot of a layer, which is named by its seed: -1024 to 1024."""
    return mix(layer ^ place) % 2_049 - 1_024


@lru_cache(maxsize=BARS_CACHED // BLOCK)
def _heights(seed: int, family: str, block: int) -> tuple[int, ...]:
    """The sum of all layers at the minutes of a block; who asks for one asks for its neighbours."""
    totals = [0] * BLOCK
    for number, (period, height) in enumerate(LAYERS):
        layer = seed_of(seed, family, number)
        knot, along = divmod(block * BLOCK, period)
        after, at = _knot(layer, knot), 0
        while at < BLOCK:
            before, after = after, _knot(layer, knot + 1)
            slope = height * (after - before)
            start = height * before * period
            for step in range(along, min(period, along + BLOCK - at)):
                totals[at] += (start + slope * step) // period
                at += 1
            knot, along = knot + 1, 0
    return tuple(totals)


@lru_cache(maxsize=BARS_CACHED // BLOCK)
def _closes(seed: int, root: str, block: int) -> tuple[Ticks, ...]:
    """Prices at the ends of the minutes of a block."""
    nature = character(root)
    family = FAMILIES.get(root, root)  # one past for all who share a price
    totals = _heights(seed, family, block)
    return tuple([nature.home + total * nature.noise // (230 * 1_024) for total in totals])


def synthetic_close(seed: int, root: str, minute: int) -> Ticks:
    """Price at the end of a minute (counted since 1970) before the start."""
    return _closes(seed, root, minute // BLOCK)[minute % BLOCK]


@lru_cache(maxsize=BARS_CACHED // BLOCK)
def synthetic_minutes(seed: int, root: str, block: int) -> tuple[RawBar, ...]:
    """The bars of a block in calm weather: each from the last close to its own, with wicks."""
    first = block * BLOCK
    opened = synthetic_close(seed, root, first - 1)
    name, wick = root + " wick", character(root).noise // 90 + 1
    bars: list[RawBar] = []
    for minute, closed in enumerate(_closes(seed, root, block), first):
        draw = mix(seed_of(seed, name, minute))
        high = (opened if opened > closed else closed) + 1 + draw % wick
        low = (opened if opened < closed else closed) - 1 - (draw >> 16) % wick
        volume = 40 + (draw >> 32) % 400 + 12 * (high - low)
        bars.append((minute * MINUTE, opened, high, low, closed, volume))
        opened = closed
    return tuple(bars)


def synthetic_minute(seed: int, root: str, minute: int) -> RawBar:
    """The bar of a minute (counted since 1970) before the start."""
    return synthetic_minutes(seed, root, minute // BLOCK)[minute % BLOCK]


class Past:
    """Bars from before the start of one product; nothing of it changes or is kept."""

    def __init__(
        self,
        before_ns: Nanos,
        hours: Hours,
        *,
        seed: int,
        root: str,
        recording: tuple[RawBar, ...] | None = None,
    ) -> None:
        self._before = before_ns - before_ns % MINUTE
        self._hours = hours
        self._seed = seed
        self._root = root
        self._recording = recording

    def last(self) -> Ticks:
        """The price the live market starts from."""
        if self._recording is not None:
            return next((bar[4] for bar in self.minutes()), 0)
        return synthetic_close(self._seed, self._root, self._before // MINUTE - 1)

    def minutes(self) -> Iterator[RawBar]:
        """Newest first."""
        if self._recording is not None:
            yield from (bar for bar in reversed(self._recording) if bar[0] < self._before)
            return
        seed, root = self._seed, self._root
        oldest = (self._before - PAST_DAYS * DAY) // MINUTE
        day = self._hours.day(self._before - MINUTE)
        block = -1
        bars: tuple[RawBar, ...] = ()  # of that block
        for minute in range(self._before // MINUTE - 1, oldest - 1, -1):
            at_ns = minute * MINUTE
            if not day.begins_ns <= at_ns < day.ends_ns:
                day = self._hours.day(at_ns)
            if day.opens_ns <= at_ns < day.closes_ns:
                if minute // BLOCK != block:
                    block = minute // BLOCK
                    bars = synthetic_minutes(seed, root, block)
                yield bars[minute % BLOCK]

    def seconds(self) -> Iterator[RawBar]:
        """Newest first, played from their minutes."""
        for bar in self.minutes():
            if bar[0] < self._before - PAST_SECONDS:
                return
            played = Series()
            for at_ns, told in expand(bar, self._seed):
                played.add(at_ns, told)
            yield from played.backwards(SECOND)


def grouped(
    bars: Iterator[RawBar], bucket: Callable[[Nanos], Nanos]
) -> Iterator[tuple[Nanos, RawBar]]:
    """Bars (newest first) joined into larger ones by the opening `bucket` gives; newest first."""
    key = -1
    whole: RawBar | None = None
    for bar in bars:
        place = bucket(bar[0])
        if whole is not None and place == key:
            _, _, high, low, close, volume = whole
            whole = (place, bar[1], max(high, bar[2]), min(low, bar[3]), close, volume + bar[5])
            continue
        if whole is not None:
            yield key, whole
        key, whole = place, (place, *bar[1:])
    if whole is not None:
        yield key, whole
