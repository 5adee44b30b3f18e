"""Our own orders against a book that does not know of them.

Rules. A limit order first takes what is displayed up to its price, then rests behind everything
displayed at its price (`ahead`). Prints at its price wear that queue down, then fill it; prints
beyond its price reach it at once; cancels are taken to come from behind us, so the queue shrinks
only to what is still displayed. When the other side's best price reaches ours we fill, as far as
its displayed size goes. What we took is gone until the venue shows a new size at that level
(`Eaten`). A stop waits for a print, or the far side of the market, at its price; it then takes the
book, each price made worse by the slippage. Between our own orders: better price first, then
earlier arrival. Of a pair (one cancels the other) what one fills the other loses in the same
instant.

The session's price limits hold for every fill. A market order or a stop that finds nothing left
within them rests at the limit, as the exchange turns it into a limit order there, and waits for
somebody to come back; a market that leans on a limit shows no size on its other side.

Pessimistic on purpose: no fill without a print or a crossing quote, all cancels behind us, a modify
of price or a larger size goes to the back, fifty lots before us at a level that is not shown, and
of the prints of one instant a single one is enough for a stop, which then takes the book that comes
after all of them.

Unrealistic on purpose: our orders move nobody's price and frighten nobody away, our two sides never
trade with each other, nor do two accounts; hidden size is nowhere, iceberg and implied orders
neither; between two updates the book stands still; a level is taken to be new when it shows another
size, which gives back what we took; and beyond the displayed levels one worse tick is endlessly
liquid. Above a handful of contracts do not believe it. Protection points of the exchange (a stop
that becomes a limit some ticks beyond its price) are left out, so a stop always fills within the
session's limits, at whatever price.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from msgspec import Struct

from services.simulator.market import LEVELS, Print, Update
from shared.units import Lots, Ticks

Fill = tuple[int, Ticks, Lots]  # order id, price, lots
QUEUE_UNSEEN: Final = 50  # taken to wait at a level that is not displayed


class Resting(Struct):
    """A limit order in the book. `left` lots, `ahead` strangers' lots before it."""

    order_id: int
    side: int
    price: Ticks
    left: Lots
    ahead: Lots


class Waiting(Struct):
    """A stop. `trail` > 0: the stop follows the last print at this distance. With a `limit` it
    becomes a limit order when its price is reached.
    """

    order_id: int
    side: int
    stop: Ticks
    left: Lots
    trail: int = 0
    limit: Ticks | None = None

    def follow(self, last: Ticks) -> None:
        """A trailing stop moves towards the last print, never away from it."""
        if self.trail:
            level = last + self.trail * self.side
            self.stop = min(self.stop, level) if self.side > 0 else max(self.stop, level)


class Eaten(Struct):
    """What we took from a level while it displayed `shown`."""

    shown: Lots
    lots: Lots


class BookState(Struct):
    """Our side of one product's book; dicts keep arrival order, which is our time priority."""

    resting: dict[int, Resting] = {}
    waiting: dict[int, Waiting] = {}
    pairs: dict[int, int] = {}  # order id -> the one it cancels, both ways
    eaten_bids: dict[Ticks, Eaten] = {}
    eaten_asks: dict[Ticks, Eaten] = {}
    bid: Ticks = 0
    ask: Ticks = 0
    bids: Sequence[Lots] = ()
    asks: Sequence[Lots] = ()
    last: Ticks = 0
    low: Ticks = 0  # price limits of the session; 0: none
    high: Ticks = 0


class Matching:
    """One product. Methods append fills to `fills` in the order they happen."""

    def __init__(self, state: BookState, slippage: Ticks) -> None:
        self.state = state
        self._slippage = slippage

    # -- the market speaks -------------------------------------------------------------------------

    def on_update(self, update: Update, fills: list[Fill]) -> None:
        """Prints hit the book as it was, then the book changes."""
        state = self.state
        busy = bool(state.resting or state.waiting)
        due: dict[int, None] = {}
        for told in update.prints:
            if busy:
                self._printed(told, fills)
            state.last = told[0]
            if state.waiting:
                self._follow(due)
        state.bid, state.ask = update.bid, update.ask
        state.bids, state.asks = update.bids, update.asks
        state.low, state.high = update.low, update.high
        if state.eaten_bids or state.eaten_asks:
            self._refresh()
        if busy:
            self._requeue(fills)
            self.trigger(fills, due)

    def _printed(self, told: Print, fills: list[Fill]) -> None:
        """An aggressor reaches our orders on the other side: better prices first, then the queue
        at the print's own price.
        """
        price, size, aggressor = told
        side = -aggressor
        hit = [
            order
            for order in self.state.resting.values()
            if order.side == side and (order.price - price) * side >= 0
        ]
        hit.sort(key=lambda order: -order.price * side)  # stable: arrival decides among equals
        strangers = 0  # already worn down at the print's price
        for order in hit:
            if order.price == price:
                worn = min(size, max(0, order.ahead - strangers))
                strangers += worn
                size -= worn
                order.ahead = max(0, order.ahead - strangers)
                if order.ahead:
                    continue
            lots = min(size, order.left)
            if lots:
                size -= lots
                self._fill(order, order.price, lots, fills)

    def _refresh(self) -> None:
        """A level that shows a new size has forgotten what we took of it."""
        for side, eaten in ((1, self.state.eaten_bids), (-1, self.state.eaten_asks)):
            for price in list(eaten):
                if self._shown(side, price) != eaten[price].shown:
                    del eaten[price]

    def _requeue(self, fills: list[Fill]) -> None:
        """Queues shrink to what is displayed; prices that the market has crossed fill."""
        state = self.state
        crossed = []
        for order in state.resting.values():
            if order.side > 0:
                reached = bool(state.ask) and state.ask <= order.price
            else:
                reached = bool(state.bid) and state.bid >= order.price
            if reached:
                crossed.append(order)
            else:
                shown = self._shown(order.side, order.price)
                if shown is not None and shown < order.ahead:
                    order.ahead = shown
        crossed.sort(key=lambda order: -order.price * order.side)
        for order in crossed:
            order.ahead = 0
            for _, lots in self._take(order.side, order.left, order.price):
                self._fill(order, order.price, lots, fills)

    def _follow(self, due: dict[int, None]) -> None:
        """Trails follow the last print; the stops it has reached are `due`, whatever comes next."""
        last = self.state.last
        for stop in self.state.waiting.values():
            stop.follow(last)
            if (last - stop.stop) * stop.side >= 0:
                due[stop.order_id] = None

    def trigger(self, fills: list[Fill], due: Collection[int] = ()) -> None:
        """Let every stop whose price is reached, or was a moment ago (`due`), take the book."""
        state = self.state
        for stop in list(state.waiting.values()):
            if state.last:
                stop.follow(state.last)
            armed = stop.order_id in state.waiting  # its pair may have filled a moment ago
            reached = stop.order_id in due or self.reached(stop.side, stop.stop)
            if armed and state.bid and reached:
                del state.waiting[stop.order_id]
                if stop.limit is not None:
                    self.limit(stop.order_id, stop.side, stop.left, stop.limit, fills=fills)
                    continue
                self.sweep(stop.order_id, stop.side, stop.left, fills=fills, worse=self._slippage)

    # -- we speak ----------------------------------------------------------------------------------

    def reached(self, side: int, stop: Ticks) -> bool:
        """Whether a stop at this price would go off now (1 buys)."""
        state = self.state
        if side > 0:
            return bool(state.last and state.last >= stop) or bool(state.bid and state.bid >= stop)
        return bool(state.last and state.last <= stop) or bool(state.ask and state.ask <= stop)

    def crosses(self, side: int, price: Ticks) -> bool:
        """Whether a limit order (1 buys) would find somebody displayed at its price or better."""
        state = self.state
        if side > 0:
            return any(state.asks) and state.ask <= price
        return any(state.bids) and state.bid >= price

    def sweep(
        self, order_id: int, side: int, lots: Lots, *, fills: list[Fill], worse: Ticks = 0
    ) -> None:
        """A market order: the displayed levels, then endless size one tick beyond them, but
        nothing beyond the session's limits: what is left over rests there.
        """
        state = self.state
        assert state.bid, "Invariant: a market order needs a market"
        for price, part in self._take(side, lots, None):
            self._weaken_pair(order_id, part)
            fills.append((order_id, self._limited(price + worse * side), part))
            lots -= part
        if not lots:
            self._unpair(order_id)
            return
        beyond = state.ask + len(state.asks) if side > 0 else state.bid - len(state.bids)
        if self._limited(beyond) == beyond:
            self._weaken_pair(order_id, lots)
            fills.append((order_id, self._limited(beyond + worse * side), lots))
            self._unpair(order_id)
        else:
            self._rest(order_id, side, lots, self._limited(beyond))

    def _limited(self, price: Ticks) -> Ticks:
        """The price, or the session's limit on its side of the market."""
        state = self.state
        if state.high and price > state.high:
            return state.high
        return max(price, state.low) if state.low else price

    def allows(self, price: Ticks) -> bool:
        """Whether the session's limits admit an order at this price."""
        return self._limited(price) == price

    def touch(self, side: int) -> Ticks:
        """The best price of a side (1 bids), for an order that joins it; within the limits."""
        return self._limited(self.state.bid if side > 0 else self.state.ask)

    def _rest(self, order_id: int, side: int, lots: Lots, price: Ticks) -> None:
        """Join the queue at a price, behind everything that is displayed there."""
        shown = self._shown(side, price)
        ahead = QUEUE_UNSEEN if shown is None else shown
        self.state.resting[order_id] = Resting(order_id, side, price, lots, ahead)

    def limit(
        self, order_id: int, side: int, lots: Lots, price: Ticks, *, fills: list[Fill]
    ) -> None:
        """A limit order: takes what crosses, rests with the remainder."""
        for taken, part in self._take(side, lots, price):
            self._weaken_pair(order_id, part)
            fills.append((order_id, taken, part))
            lots -= part
        if lots:
            self._rest(order_id, side, lots, price)
        else:
            self._unpair(order_id)

    def arm(self, waiting: Waiting) -> None:
        """A stop begins to wait; `trigger` lets it go if its price is already reached."""
        self.state.waiting[waiting.order_id] = waiting

    def cancel(self, order_id: int) -> bool:
        """Take an order out; whether it was there."""
        self._unpair(order_id)
        state = self.state
        found = state.resting.pop(order_id, None) or state.waiting.pop(order_id, None)
        return found is not None

    def pair(self, one: int, other: int) -> None:
        """From now on what one fills the other loses."""
        self.state.pairs[one] = other
        self.state.pairs[other] = one

    def _unpair(self, order_id: int) -> None:
        other = self.state.pairs.pop(order_id, None)
        if other is not None:
            del self.state.pairs[other]

    def _weaken_pair(self, order_id: int, lots: Lots) -> None:
        state = self.state
        other = state.pairs.get(order_id)
        if other is None:
            return
        rival = state.resting.get(other) or state.waiting.get(other)
        assert rival is not None, f"Invariant: {other}, the pair of {order_id}, is in the book"
        rival.left = max(0, rival.left - lots)
        if not rival.left:
            self.cancel(other)

    def shrink(self, order_id: int, left: Lots) -> None:
        """A smaller size keeps its place in the queue."""
        found = self.state.resting.get(order_id) or self.state.waiting.get(order_id)
        assert found is not None, f"Invariant: order {order_id} is in the book"
        assert 0 < left <= found.left, "Invariant: only a reduction keeps its place"
        found.left = left

    def grow(self, order_id: int, lots: Lots) -> None:
        """The venue itself adds to a bracket leg as its entry fills; the place is kept."""
        found = self.state.resting.get(order_id) or self.state.waiting.get(order_id)
        assert found is not None, f"Invariant: order {order_id} is in the book"
        found.left += lots

    # -- the book ----------------------------------------------------------------------------------

    def _shown(self, side: int, price: Ticks) -> Lots | None:
        """Displayed size (1 bids); 0 inside the spread, None beyond the last level."""
        state = self.state
        depth = state.bid - price if side > 0 else price - state.ask
        if depth < 0:
            return 0
        sizes = state.bids if side > 0 else state.asks
        return sizes[depth] if depth < len(sizes) else None

    def _take(self, side: int, lots: Lots, worst: Ticks | None) -> list[tuple[Ticks, Lots]]:
        """Eat the other side's levels, best first, no worse than `worst`."""
        state = self.state
        if not state.bid:
            return []
        best, sizes = (state.ask, state.asks) if side > 0 else (state.bid, state.bids)
        eaten = state.eaten_asks if side > 0 else state.eaten_bids
        taken: list[tuple[Ticks, Lots]] = []
        for depth in range(min(len(sizes), LEVELS)):
            price = best + depth * side
            if not lots or (worst is not None and (price - worst) * side > 0):
                break
            before = eaten.get(price)
            part = min(lots, sizes[depth] - (before.lots if before else 0))
            if part > 0:
                if before:
                    before.lots += part
                else:
                    eaten[price] = Eaten(sizes[depth], part)
                taken.append((price, part))
                lots -= part
        return taken

    def _fill(self, order: Resting, price: Ticks, lots: Lots, fills: list[Fill]) -> None:
        self._weaken_pair(order.order_id, lots)
        order.left -= lots
        assert order.left >= 0, "Invariant: no order fills beyond its size"
        if not order.left:
            self.cancel(order.order_id)
        fills.append((order.order_id, price, lots))
