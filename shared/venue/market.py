"""Market hub events: sparse quotes merged, depth levels folded into a book, prints translated.

The venue sends a full quote once per subscription and afterwards only what changed, so a quote is
a state kept per contract. What is missing has not changed; it is never zero. A quote with one side,
or crossed, is held back: it is half of an update whose other half is on its way, or an error,
and nobody should trade on either. `reset` on every new connection: what was missed is unknown.

Depth records replace the size of their level. Records that name the best level also say that
nothing better exists, and a level that crosses the other side removes what it crosses: the newer
record is right.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol, TypeVar

import msgspec
from msgspec import Struct

from shared.events import Depth, Quote, Side, Trade
from shared.units import Lots, Nanos, Ticks
from shared.venue.codes import DepthKind, TapeSide
from shared.venue.numbers import lots_of, ticks_of
from shared.venue.times import time_ns
from shared.venue.words import DepthPayload, QuotePayload, TapePayload

LEVELS_MAX: Final = 500  # a side; the worst beyond it are forgotten
PRICES_MAX: Final = 2_000  # read and remembered per contract
ROWS_MAX: Final = 5_000  # elements of one event; snapshots seen had a few hundred
_SIGN: Final[dict[int, int]] = {
    int(DepthKind.BID): 1,
    int(DepthKind.BEST_BID): 1,
    int(DepthKind.NEW_BEST_BID): 1,
    int(DepthKind.ASK): -1,
    int(DepthKind.BEST_ASK): -1,
    int(DepthKind.NEW_BEST_ASK): -1,
}
_BEST: Final = frozenset(
    map(
        int,
        (
            DepthKind.BEST_BID,
            DepthKind.BEST_ASK,
            DepthKind.NEW_BEST_BID,
            DepthKind.NEW_BEST_ASK,
        ),
    )
)
_RESET: Final = int(DepthKind.RESET)

P = TypeVar("P", QuotePayload, TapePayload, DepthPayload)


def contract_and_rows(args: object, target: str) -> tuple[str, list[dict[str, Any]]]:
    """(contract, objects) of a market event: one object or an array; nulls dropped.

    Raises ValueError when the shape is neither.
    """
    if not isinstance(args, (list, tuple)) or len(args) < 2 or not isinstance(args[0], str):
        raise ValueError(f"{target} arguments were {args!r:.80}")
    found = args[1] if isinstance(args[1], list) else [args[1]]
    if len(found) > ROWS_MAX:
        raise ValueError(f"{target} of {args[0]} had {len(found)} rows; at most {ROWS_MAX}")
    kept = [row for row in found if row is not None]
    if not all(isinstance(row, dict) for row in kept):
        raise ValueError(f"{target} of {args[0]} held {args[1]!r:.80}")
    return args[0], kept


def _converted(row: dict[str, Any], kind: type[P], contract: str) -> P:
    try:
        return msgspec.convert(row, kind)
    except msgspec.ValidationError as error:
        raise ValueError(f"{contract} {kind.__name__}: {error}") from None


class Move(Protocol):
    """What a market told at one instant, in whole numbers: who makes his own market (the World's)
    need not write it as text to have it read again. Sides are 1 (bids, a buying aggressor), -1.
    """

    @property
    def contract(self) -> str: ...
    @property
    def at_ns(self) -> Nanos: ...
    @property
    def prints(self) -> Sequence[tuple[Ticks, Lots, int]]: ...
    @property
    def rows(self) -> Sequence[tuple[int, Ticks, Lots]]: ...
    @property
    def full(self) -> bool: ...
    @property
    def bid(self) -> Ticks: ...
    @property
    def ask(self) -> Ticks: ...


class _Touch(Struct):
    """Merged best prices of one contract; None where a side is unknown or empty."""

    bid: Ticks | None = None
    ask: Ticks | None = None


class QuoteMerger:
    """Full quotes from sparse ones, per contract. `held`: quotes not shown (one side, crossed)."""

    def __init__(self) -> None:
        self._touches: dict[str, _Touch] = {}
        self.held = 0

    def reset(self) -> None:
        """A new connection: the next quote of each contract is full, older sides are void."""
        self._touches.clear()

    def merge(self, args: object, recv_ns: Nanos, book: DepthBook | None = None) -> Quote | None:
        """Fold a GatewayQuote event in; the whole quote, or None while it cannot be shown.

        Raises ValueError for what cannot be read; both sides are then unknown until told again.
        """
        contract, found = contract_and_rows(args, "GatewayQuote")
        quote: Quote | None = None
        for row in found:
            try:
                payload = _converted(row, QuotePayload, contract)
            except ValueError:
                self._touches.pop(contract, None)
                raise
            quote = self.fold(contract, payload, recv_ns, book)
        return quote

    def fold(
        self, contract: str, payload: QuotePayload, recv_ns: Nanos, book: DepthBook | None = None
    ) -> Quote | None:
        """The same for one decoded row; sizes are those of `book`."""
        try:
            return self._fold(contract, payload, recv_ns, book)
        except ValueError:
            self._touches.pop(contract, None)
            raise

    def _fold(
        self, contract: str, payload: QuotePayload, recv_ns: Nanos, book: DepthBook | None
    ) -> Quote | None:
        touch = self._touches.setdefault(contract, _Touch())
        if payload.best_bid is not None:
            touch.bid = (
                ticks_of(payload.best_bid, contract, "bestBid") if payload.best_bid else None
            )
        if payload.best_ask is not None:
            touch.ask = (
                ticks_of(payload.best_ask, contract, "bestAsk") if payload.best_ask else None
            )
        said = payload.timestamp or payload.last_updated
        venue_ns = time_ns(said, f"{contract} quote timestamp") if said else recv_ns
        return self._shown(contract, touch, (venue_ns, recv_ns), book)

    def fold_ticks(
        self,
        contract: str,
        bid: Ticks | None,
        ask: Ticks | None,
        *,
        times_ns: tuple[Nanos, Nanos],
        book: DepthBook | None,
    ) -> Quote | None:
        """The same in ticks; a side that is None has not changed. `times_ns`: the venue's, ours."""
        touch = self._touches.get(contract) or self._touches.setdefault(contract, _Touch())
        if bid is not None:
            touch.bid = bid
        if ask is not None:
            touch.ask = ask
        return self._shown(contract, touch, times_ns, book)

    def _shown(
        self,
        contract: str,
        touch: _Touch,
        times_ns: tuple[Nanos, Nanos],
        book: DepthBook | None,
    ) -> Quote | None:
        if touch.bid is None or touch.ask is None or touch.bid >= touch.ask:
            self.held += 1
            return None
        return Quote(
            contract=contract,
            bid=touch.bid,
            ask=touch.ask,
            venue_ns=times_ns[0],
            recv_ns=times_ns[1],
            bid_size=book.size_at(Side.BUY, touch.bid) if book else 0,
            ask_size=book.size_at(Side.SELL, touch.ask) if book else 0,
        )


def trades(args: object, recv_ns: Nanos) -> list[Trade]:
    """The prints of a GatewayTrade event, in its order; prints of size 0 are dropped."""
    contract, found = contract_and_rows(args, "GatewayTrade")
    return prints(contract, [_converted(row, TapePayload, contract) for row in found], recv_ns)


def prints(contract: str, payloads: Iterable[TapePayload], recv_ns: Nanos) -> list[Trade]:
    """The same for decoded rows."""
    told: list[Trade] = []
    for payload in payloads:
        size = lots_of(payload.volume, f"{contract} trade volume")
        if size:
            told.append(
                Trade(
                    contract=contract,
                    price=ticks_of(payload.price, contract, "trade price"),
                    size=size,
                    venue_ns=time_ns(payload.timestamp, f"{contract} trade timestamp"),
                    recv_ns=recv_ns,
                    aggressor=_aggressor(payload.type),
                )
            )
    return told


def _aggressor(value: int | None) -> Side | None:
    if value == TapeSide.BUY:
        return Side.BUY
    return Side.SELL if value == TapeSide.SELL else None


class _Side:
    """One side of a book (`sign` 1: the bids), at most `LEVELS_MAX` of it.

    Sizes change at nearly every event and prices seldom do: their order is kept while none comes or
    goes.
    """

    __slots__ = ("_order", "levels", "sign")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.levels: dict[Ticks, Lots] = {}
        self._order: list[Ticks] = []  # best first; empty: not known

    def best(self) -> Ticks:
        """Of a side with levels."""
        if self._order:
            return self._order[0]
        return max(self.levels) if self.sign > 0 else min(self.levels)

    def put(self, price: Ticks, size: Lots) -> None:
        if price not in self.levels:
            self._order = []
        self.levels[price] = size
        if len(self.levels) > LEVELS_MAX:
            self.pop(min(self.levels) if self.sign > 0 else max(self.levels))

    def pop(self, price: Ticks) -> None:
        if self.levels.pop(price, None) is not None:
            self._order = []

    def drop(self, prices: Iterable[Ticks]) -> None:
        for price in prices:
            self.pop(price)

    def top(self, count: int) -> tuple[tuple[Ticks, Lots], ...]:
        levels = self.levels
        order = self._order
        if not order:
            order = self._order = sorted(levels, reverse=self.sign > 0)
        return tuple([(price, levels[price]) for price in order[:count]])


class DepthBook:
    """The levels of one contract, folded from GatewayDepth events. Bounded; ticks to size."""

    def __init__(self, contract: str) -> None:
        self.contract = contract
        self._volume = f"{contract} depth volume"  # for complaints
        self.venue_ns: Nanos = 0
        self._bids = _Side(1)
        self._asks = _Side(-1)
        self._prices: dict[float, Ticks] = {}  # those read before: they come again and again

    def reset(self) -> None:
        self._bids.drop(list(self._bids.levels))
        self._asks.drop(list(self._asks.levels))

    def fold(self, args: object) -> bool:
        """Fold an event in; whether a level changed. Raises ValueError; the book is then empty."""
        contract, found = contract_and_rows(args, "GatewayDepth")
        try:
            payloads = [_converted(row, DepthPayload, contract) for row in found]
        except ValueError:
            self.reset()
            raise
        return self.fold_rows(payloads)

    def fold_rows(self, payloads: Iterable[DepthPayload]) -> bool:
        """The same for decoded rows."""
        changed, told, known = False, None, _SIGN
        try:
            for payload in payloads:
                if payload.timestamp != told:  # one event, one time: read it once
                    told = payload.timestamp
                    self.venue_ns = time_ns(told, f"{self.contract} depth timestamp")
                sign = known.get(payload.type)
                if sign is not None:
                    self._one(payload, sign)
                    changed = True
                elif payload.type == _RESET:
                    self.reset()
                    changed = True
        except ValueError:
            self.reset()
            raise
        return changed

    def fold_move(self, move: Move, venue_ns: Nanos) -> None:
        """The same for levels in ticks; those at `bid` and `ask` are the best."""
        self.venue_ns = venue_ns
        if move.full:
            self.reset()
        bid, ask = move.bid, move.ask
        for side, price, size in move.rows:
            own, best = (self._bids, bid) if side > 0 else (self._asks, ask)
            if size and price in own.levels and (price != best or price == own.best()):
                own.levels[price] = size  # as nearly always: no price comes or goes
            else:
                self._set(side, price, size, best=price == best)

    def _one(self, payload: DepthPayload, sign: int) -> None:
        """A level of the bids (`sign` 1) or asks. Prints, highs and lows are other events' news."""
        price = self._prices.get(payload.price) or self._price(payload.price)
        size = lots_of(payload.volume, self._volume)
        self._set(sign, price, size, best=payload.type in _BEST)

    def _set(self, sign: int, price: Ticks, size: Lots, *, best: bool) -> None:
        own, other = (self._bids, self._asks) if sign == 1 else (self._asks, self._bids)
        if not size:
            own.pop(price)
            return
        if other.levels and (other.best() - price) * sign <= 0:
            other.drop([level for level in other.levels if (level - price) * sign <= 0])
        if best and own.levels and (own.best() - price) * sign > 0:
            own.drop([level for level in own.levels if (level - price) * sign > 0])
        own.put(price, size)

    def _price(self, told: float) -> Ticks:
        """Raises ValueError for what is no price."""
        price = ticks_of(told, self.contract, "depth price")
        if len(self._prices) >= PRICES_MAX:
            self._prices.clear()
        self._prices[told] = price
        return price

    def size_at(self, side: Side, price: Ticks) -> Lots:
        """Size resting at a price; 0 when the book does not know it."""
        return (self._bids if side is Side.BUY else self._asks).levels.get(price, 0)

    def top(self, levels: int, recv_ns: Nanos) -> Depth:
        """The best `levels` of each side as an event."""
        return Depth(
            contract=self.contract,
            bids=self._bids.top(levels),
            asks=self._asks.top(levels),
            venue_ns=self.venue_ns,
            recv_ns=recv_ns,
        )
