"""From market hub events to ticks worth relaying; everything else is named and dropped.

Pure, so that the World and a backtest from recorded frames use the very same filter. What is not a
number, off its grid, crossed, of a stranger's contract, or from a clock more than `AHEAD_NS` ahead
of ours never gets through: a computer that is ten seconds wrong has no business trading and is told
so.

A price far from the last accepted one (`price_jump_limit_ticks`) is held back until the market
repeats it: `CONFIRM` times, or still there `CONFIRM_NS` later. So one absurd print moves nothing,
and a true leap costs a few quotes. Trades and depth are measured against the accepted quotes. The
trades of those few quotes are missing in the bars; that is the price of the doubt.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec import Struct

from shared.events import Depth, Event, Quote, Side, Trade
from shared.sections import MarketDataGateway
from shared.units import DAY, MILLISECOND, SECOND, Nanos, Ticks
from shared.venue import market, words

AHEAD_NS: Final = 10 * SECOND
BEHIND_NS: Final = 7 * DAY  # a snapshot may show the last trade before a long weekend
CONFIRM: Final = 3
CONFIRM_NS: Final = 500 * MILLISECOND

MOMENT_MAX: Final = 64  # ticks; more that come at once are no moment but what a stall held back

TARGET_OF: Final[dict[type[Event], str]] = {
    Quote: words.QUOTE,
    Trade: words.TAPE,
    Depth: words.DEPTH,
}
TARGETS: Final = tuple(TARGET_OF.values())


class Reject(Struct, frozen=True):
    """What was dropped, and why."""

    target: str
    contract: str
    why: str


class Level(Struct):
    """Where a contract trades, as far as believed; twice the price, so that a mid is whole."""

    twice: int = 0  # 0: nothing believed yet
    held_twice: int = 0
    held_since_ns: Nanos = 0
    held: int = 0  # how often a far price was repeated

    def is_near(self, twice: int, limit: Ticks) -> bool:
        return not self.twice or abs(twice - self.twice) <= 2 * limit

    def admit(self, twice: int, limit: Ticks, recv_ns: Nanos) -> bool:
        """Is this price to be believed? A far one is, once it has been repeated."""
        if self.is_near(twice, limit):
            self.twice, self.held = twice, 0
            return True
        if not self.held or abs(twice - self.held_twice) > 2 * limit:
            self.held, self.held_since_ns = 0, recv_ns
        self.held += 1
        self.held_twice = twice
        if self.held <= CONFIRM and recv_ns - self.held_since_ns < CONFIRM_NS:
            return False
        self.twice, self.held = twice, 0
        return True


class TickFilter:
    """One connection's events in, ticks and rejects out."""

    def __init__(self, settings: MarketDataGateway) -> None:
        self._limit = settings.price_jump_limit_ticks
        self._depth_levels = settings.depth_levels
        self._merger = market.QuoteMerger()
        self._books: dict[str, market.DepthBook] = {}
        self._levels: dict[str, Level] = {}

    def allow(self, contracts: Iterable[str]) -> None:
        """Only these contracts are ours; whatever is known of others is forgotten."""
        wanted = tuple(contracts)
        self._books = {
            contract: self._books.get(contract) or market.DepthBook(contract) for contract in wanted
        }
        self._levels = {contract: self._levels.get(contract) or Level() for contract in wanted}

    def reset(self) -> None:
        """A new connection: merged state is void, the price level stays as a yardstick."""
        self._merger.reset()
        for book in self._books.values():
            book.reset()

    def take(self, target: str, args: object, recv_ns: Nanos) -> tuple[list[Event], list[Reject]]:
        """The ticks of a hub event (target, argument list), received at `recv_ns`. Never raises
        for anything the venue could send.
        """
        contract = args[0] if isinstance(args, (list, tuple)) and args else None
        if not isinstance(contract, str) or contract not in self._books:
            return [], [Reject(target, "", f"not one of our contracts: {contract!r:.60}")]
        try:
            found = self._read(target, contract, args, recv_ns)
        except (ValueError, TypeError, OverflowError) as error:
            return [], [Reject(target, contract, f"{error}"[:200])]
        return self._believed(found)

    def take_decoded(
        self, target: str, contract: str, rows: Sequence[Any], recv_ns: Nanos
    ) -> tuple[list[Event], list[Reject]]:
        """The same for rows that are the venue's structs already (the World's, a recording's)."""
        book = self._books.get(contract)
        if book is None:
            return [], [Reject(target, "", f"not one of our contracts: {contract!r:.60}")]
        try:
            found: list[Quote] | list[Trade] | list[Depth]
            if target == words.QUOTE:
                quotes = [self._merger.fold(contract, row, recv_ns, book) for row in rows]
                found = [quote for quote in quotes[-1:] if quote is not None]
            elif target == words.TAPE:
                found = market.prints(contract, rows, recv_ns)
            else:
                changed = book.fold_rows(rows)
                found = [book.top(self._depth_levels, recv_ns)] if changed else []
        except ValueError as error:
            return [], [Reject(target, contract, f"{error}"[:200])]
        return self._believed(found)

    def take_move(
        self, move: market.Move, touch: tuple[Ticks | None, Ticks | None] | None, recv_ns: Nanos
    ) -> tuple[list[Event], list[Reject]]:
        """The same for one step of a market in whole numbers: what the events that tell it would
        give, one after the other. `touch`: the best prices, where a quote is told.
        """
        contract = move.contract
        book = self._books.get(contract)
        if book is None:
            return [], [Reject("", "", f"not one of our contracts: {contract!r:.60}")]
        venue_ns = move.at_ns - move.at_ns % MILLISECOND  # as exact as the hub's texts
        found: list[Quote | Trade | Depth] = []
        for price, size, aggressor in move.prints:
            trade = Trade(
                contract=contract,
                price=price,
                size=size,
                venue_ns=venue_ns,
                recv_ns=recv_ns,
                aggressor=Side.BUY if aggressor > 0 else Side.SELL,
            )
            found.append(trade)
        if move.rows:
            book.fold_move(move, venue_ns)
            found.append(book.top(self._depth_levels, recv_ns))
        if touch is not None:
            times_ns = (venue_ns, recv_ns)
            quote = self._merger.fold_ticks(contract, *touch, times_ns=times_ns, book=book)
            if quote is not None:
                found.append(quote)
        return self._believed(found)

    def _believed(self, found: Sequence[Quote | Trade | Depth]) -> tuple[list[Event], list[Reject]]:
        rejects: list[Reject] = []
        ticks: list[Event] = []
        for tick in found:
            why = self._doubt(tick)
            if why:
                rejects.append(Reject(TARGET_OF[type(tick)], tick.contract, why))
            else:
                ticks.append(tick)
        return ticks, rejects

    def _read(
        self, target: str, contract: str, args: object, recv_ns: Nanos
    ) -> list[Quote] | list[Trade] | list[Depth]:
        book = self._books[contract]
        if target == words.QUOTE:
            quote = self._merger.merge(args, recv_ns, book)
            return [quote] if quote is not None else []
        if target == words.TAPE:
            return market.trades(args, recv_ns)
        if target == words.DEPTH:
            return [book.top(self._depth_levels, recv_ns)] if book.fold(args) else []
        raise ValueError(f"{target!r:.40} is no market event")

    def _doubt(self, tick: Quote | Trade | Depth) -> str:
        """Why a readable tick is not believed; empty if it is."""
        ahead_ns = tick.venue_ns - tick.recv_ns
        if not -BEHIND_NS <= ahead_ns <= AHEAD_NS:
            return f"venue time is {ahead_ns // MILLISECOND} ms ahead of ours"
        level = self._levels[tick.contract]
        if isinstance(tick, Depth):
            return self._doubt_depth(tick, level)
        if isinstance(tick, Quote):
            if tick.ask - tick.bid > self._limit:
                return f"spread of {tick.ask - tick.bid} ticks"
            if not level.admit(tick.bid + tick.ask, self._limit, tick.recv_ns):
                return f"jump from {level.twice // 2} to {tick.bid}/{tick.ask} ticks"
            return ""
        near = level.is_near(2 * tick.price, self._limit)
        return "" if near else f"trade at {tick.price} ticks, market at {level.twice // 2}"

    def _doubt_depth(self, depth: Depth, level: Level) -> str:
        believed, far = level.twice, 2 * self._limit
        if not believed:
            return ""
        for side in (depth.bids, depth.asks):
            if side and not -far <= 2 * side[0][0] - believed <= far:
                return f"depth at {side[0][0]} ticks, market at {believed // 2}"
        return ""


def side_by_side(ticks: list[Event]) -> list[Event]:
    """The ticks of a moment contract by contract, each one's in their order. The hub tells the
    quotes of all and then the depth of all; so whoever hears one product is woken by one frame
    instead of two, and has what it acts on in the first.
    """
    if len(ticks) > MOMENT_MAX:
        return ticks
    parts: dict[str, list[Event]] = {}
    for tick in ticks:
        parts.setdefault(tick.contract, []).append(tick)  # type: ignore[attr-defined]
    return [tick for part in parts.values() for tick in part]
