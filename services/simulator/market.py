"""What a market is here: books that change, prints, and nobody who knows of our orders.

A feed (`market_synthetic.py`, `market_recorded.py`) is a deterministic stream of `Update`s: prints
first (they hit the book as it was), then the book after them. Our own orders do not move it: the
path of prices is a function of seed or recording alone, so two runs that trade differently see the
same market. What that costs in realism is confessed in `matching.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, Protocol

from msgspec import Struct

from services.simulator.market_characters import trades_at
from shared.domain.sessions import Calendar, TradingDay
from shared.units import DAY, SECOND, Lots, Nanos, Ticks

LEVELS: Final = 10
BEAT_NS: Final = SECOND // 4  # a quiet open market confirms its quote this often
REFRESH_NS: Final = 5 * SECOND  # the whole book is told this often, for who came late

Print = tuple[Ticks, Lots, int]  # price, size, aggressor (1 buys, -1 sells)
Changes = dict[tuple[int, Ticks], Lots]  # (side of the book, price) -> size now
Row = tuple[int, Ticks, Lots]  # side of the book (1 bids, -1 asks), price, size now (0: gone)


class Book(Struct):
    """The displayed book: best prices and `LEVELS` sizes a side at every tick outwards. Mutable.

    `bid` 0 means that nothing is quoted. `last` is the latest print.
    """

    bid: Ticks = 0
    ask: Ticks = 0
    bids: list[Lots] = []
    asks: list[Lots] = []
    last: Ticks = 0

    def size_at(self, side: int, price: Ticks) -> Lots | None:
        """What is displayed at a price on one side (1 bids); None where the book is not shown."""
        depth = self.bid - price if side > 0 else price - self.ask
        if depth < 0:
            return 0
        sizes = self.bids if side > 0 else self.asks
        return sizes[depth] if depth < len(sizes) else None

    def rows(self) -> list[Row]:
        """Every level, bids first, best first."""
        bids = [(1, self.bid - depth, size) for depth, size in enumerate(self.bids)]
        return bids + [(-1, self.ask + depth, size) for depth, size in enumerate(self.asks)]

    def move(self, bid: Ticks, ask: Ticks, fresh: Iterable[Lots]) -> Changes:
        """Re-centre on new best prices, keeping what is still in view; new levels take their sizes
        from `fresh` (at most 2 x LEVELS of them), in order. Returns the levels that changed: what
        is gone, bids first, then what is new.
        """
        changed: Changes = {}
        up = bid - self.bid if self.bids else LEVELS
        down = self.ask - ask if self.asks else LEVELS
        for depth in _leaving(up) if self.bids else ():
            changed[1, self.bid - depth] = 0
        for depth in _leaving(down) if self.asks else ():
            changed[-1, self.ask + depth] = 0
        supply = iter(fresh)
        self.bids, coming = _shifted(self.bids, up, supply)
        for depth in coming:
            changed[1, bid - depth] = self.bids[depth]
        self.asks, coming = _shifted(self.asks, down, supply)
        for depth in coming:
            changed[-1, ask + depth] = self.asks[depth]
        self.bid, self.ask = bid, ask
        return changed


def _leaving(shift: int) -> range:
    """The depths whose levels fall out of view when the best price moves so far ahead."""
    return range(max(0, LEVELS - shift), LEVELS) if shift >= 0 else range(min(-shift, LEVELS))


def _shifted(sizes: list[Lots], shift: int, supply: Iterator[Lots]) -> tuple[list[Lots], range]:
    """A side whose best price moved so far ahead, and the depths that are new there."""
    if shift >= 0:
        new = min(shift, LEVELS)
        return [*islice(supply, new), *sizes[: LEVELS - new]], range(new)
    kept = sizes[-shift:]
    return [*kept, *islice(supply, LEVELS - len(kept))], range(len(kept), LEVELS)


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


class Update(Struct, gc=False):
    """One step of one product's market. `rows` are the changed levels, `full` says all of them.

    A side without sizes is empty (locked at a price limit); its best price then only says where it
    would be. `low`, `high`: the session's price limits, 0 where there are none. `silent`: it
    happens, and nobody is told.
    """

    root: str
    at_ns: Nanos
    prints: Sequence[Print]
    rows: Sequence[Row]
    quote: bool  # best prices, last price or volume changed, or the beat is due
    bid: Ticks
    ask: Ticks
    bids: Sequence[Lots]
    asks: Sequence[Lots]
    full: bool = False
    low: Ticks = 0
    high: Ticks = 0
    silent: bool = False


class Feed(Protocol):
    """A stream of updates for some products."""

    roots: tuple[str, ...]

    def advance(self, until_ns: Nanos, out: list[Update]) -> None:
        """Append everything up to and including `until_ns`, in time order."""

    def horizon(self) -> Nanos:
        """The earliest instant of an update still to come."""

    def regime(self) -> str:
        """The weather, for people."""


def withdrawn(root: str, at_ns: Nanos, book: Book) -> Update:
    """Nobody quotes any more: empties the book and says so."""
    gone = [(side, price, 0) for side, price, _ in book.rows()] if book.bid else []
    book.bid = book.ask = 0
    book.bids, book.asks = [], []
    return Update(root, at_ns, (), gone, False, 0, 0, (), ())


class Hours:
    """The calendar with the current day at hand: one comparison per question in the common case."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._day: TradingDay | None = None

    def day(self, now_ns: Nanos) -> TradingDay:
        day = self._day
        if day is None or not day.begins_ns <= now_ns < day.ends_ns:
            day = self._day = self._calendar.at(now_ns)
        return day

    def open(self, now_ns: Nanos) -> bool:
        day = self.day(now_ns)
        return day.opens_ns <= now_ns < day.closes_ns

    def trades(self, group: str, now_ns: Nanos) -> bool:
        """Whether a group of products trades now: grains and meats keep shorter hours."""
        day = self.day(now_ns)
        return day.opens_ns <= now_ns < day.closes_ns and trades_at(group, now_ns - day.opens_ns)

    def days_since(self, label: str, now_ns: Nanos) -> int:
        """Calendar days from the beginning of a trading day to that of the one that holds now."""
        passed = self.day(now_ns).begins_ns - self._calendar.named(label).begins_ns
        return (passed + DAY // 2) // DAY  # an hour more or less where the clocks change

    def next_open(self, now_ns: Nanos) -> Nanos:
        """`now_ns` itself while the market is open, else the next opening."""
        day = self.day(now_ns)
        if day.opens_ns <= now_ns < day.closes_ns:
            return now_ns
        return day.next_open(now_ns)
