"""Matching as a state machine beside a naive twin: any orders, any market, price limits included.

The twin keeps every lot as an item of a list and every rule as one plain loop. After every step the
two agree on fills, on what rests and on what waits; nothing fills twice, beyond its size, outside
the limits or against liquidity already taken; and cash and position of all fills are conserved.
"""

from __future__ import annotations

from collections.abc import Collection

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.simulator.market import LEVELS, Update
from services.simulator.matching import QUEUE_UNSEEN, BookState, Fill, Matching, Waiting
from shared.domain.positions import Position
from tests.test_sim_matching import Naive, totals

BAND = (94, 107)
sides = st.sampled_from([1, -1])
prices = st.integers(BAND[0], BAND[1])
lots = st.integers(1, 5)
sizes = st.lists(st.integers(0, 6), min_size=LEVELS, max_size=LEVELS)
tapes = st.lists(st.tuples(prices, st.integers(1, 9), sides), max_size=3)


class Twin(Naive):
    """Adds market orders, stops, trails, pairs and limits to the twin of limit orders."""

    def __init__(self, low: int, high: int, slippage: int) -> None:
        super().__init__()
        self.low, self.high, self.slippage = low, high, slippage
        self.bid = self.ask = self.last = 0
        self.stops: dict[int, list[int]] = {}  # id -> side, stop, lots, trail
        self.pairs: dict[int, int] = {}

    def clamp(self, price: int) -> int:
        return max(self.low, min(price, self.high)) if self.high else price

    def shown(self, side: int, price: int) -> int | None:
        best = self.bid if side > 0 else self.ask
        if (price - best) * side > 0:
            return 0
        return (self.bids if side > 0 else self.asks).get(price)

    def take(self, side: int, wanted: int, worst: int | None) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        other = self.asks if side > 0 else self.bids
        for price in sorted(other, reverse=side < 0):
            for _ in range(other[price]):
                ate = self.eaten.setdefault((-side, price), [other[price], 0])
                reachable = worst is None or (price - worst) * side <= 0
                if wanted and reachable and ate[1] < ate[0]:
                    ate[1] += 1
                    wanted -= 1
                    found.append((price, 1))
        return found

    def sweep(self, order_id: int, side: int, wanted: int, worse: int = 0) -> None:
        for price, _ in self.take(side, wanted, None):
            self.fill(order_id, self.clamp(price + worse * side))
            wanted -= 1
        levels = len(self.asks) if side > 0 else len(self.bids)
        beyond = self.ask + levels if side > 0 else self.bid - levels
        for _ in range(wanted):
            if self.clamp(beyond) == beyond:
                self.fill(order_id, self.clamp(beyond + worse * side))
            else:
                self.rest(order_id, side, 1, self.clamp(beyond))

    def rest(self, order_id: int, side: int, count: int, price: int) -> None:
        queue = self.queues.setdefault((side, price), [])
        shown = self.shown(side, price)
        strangers = QUEUE_UNSEEN if shown is None else shown
        if order_id not in queue:
            queue.extend(["s"] * (strangers - queue.count("s")))
        queue.extend([order_id] * count)

    def limit(self, order_id: int, side: int, count: int, price: int) -> None:
        for at, _ in self.take(side, count, price):
            self.fill(order_id, at)
            count -= 1
        if count:
            self.rest(order_id, side, count, price)

    def fill(self, order_id: object, price: int) -> None:
        """Of a pair, what one fills the other loses before anything else happens."""
        super().fill(order_id, price)
        other = self.pairs.get(order_id)  # type: ignore[call-overload]
        if other is not None:
            self.lose_one(other)

    def lose_one(self, order_id: int) -> None:
        if order_id in self.stops:
            self.stops[order_id][2] -= 1
            if not self.stops[order_id][2]:
                del self.stops[order_id]
            return
        for queue in self.queues.values():
            if order_id in queue:
                queue.reverse()
                queue.remove(order_id)
                queue.reverse()
                return

    def update(self, told: Update) -> None:
        due = set()
        for price, size, aggressor in told.prints:
            self.printed(price, size, aggressor)
            self.last = price
            self.trail()
            due |= {one for one in self.stops if self.passed(one, [price])}
        self.bid, self.ask = told.bid, told.ask
        self.rebook(told.bid, told.ask, tuple(told.bids), tuple(told.asks))
        self.trigger(due)

    def passed(self, order_id: int, prices: list[int]) -> bool:
        side, stop = self.stops[order_id][:2]
        return any(price and (price - stop) * side >= 0 for price in prices)

    def trail(self) -> None:
        for stop in self.stops.values():
            if stop[3] and self.last:
                follow = self.last + stop[3] * stop[0]
                stop[1] = min(stop[1], follow) if stop[0] > 0 else max(stop[1], follow)

    def trigger(self, due: Collection[int] = ()) -> None:
        self.trail()
        for order_id in list(self.stops):
            if order_id not in self.stops:
                continue
            side, _, count, _ = self.stops[order_id]
            near = self.bid if side > 0 else self.ask
            reached = order_id in due or self.passed(order_id, [self.last, near])
            if self.bid and reached:
                del self.stops[order_id]
                self.sweep(order_id, side, count, self.slippage)

    def cancel(self, order_id: int) -> None:
        super().cancel(order_id)
        self.stops.pop(order_id, None)
        other = self.pairs.pop(order_id, None)
        if other is not None:
            self.pairs.pop(other, None)

    def shrink(self, order_id: int, left: int) -> None:
        while self.left().get(order_id, 0) + self.stops.get(order_id, [0, 0, 0])[2] > left:
            self.lose_one(order_id)


class MatchingMachine(RuleBasedStateMachine):
    """Drives both; `owed` is what each order may still fill."""

    @initialize(banded=st.booleans(), slippage=st.integers(0, 2))
    def begin(self, banded: bool, slippage: int) -> None:
        self.low, self.high = BAND if banded else (0, 0)
        self.fast = Matching(BookState(), slippage)
        self.twin = Twin(self.low, self.high, slippage)
        self.fills: list[Fill] = []
        self.sides: dict[int, int] = {}
        self.owed: dict[int, int] = {}
        self.seen = 0
        self.position = Position()
        self.cash = self.lots = 0
        self.move(99, 1, [], [3] * LEVELS, [3] * LEVELS)

    @rule(
        bid=st.integers(BAND[0] - 1, BAND[1]),
        spread=st.integers(1, 3),
        tape=tapes,
        bids=sizes,
        asks=sizes,
    )
    def move(
        self,
        bid: int,
        spread: int,
        tape: list[tuple[int, int, int]],
        bids: list[int],
        asks: list[int],
    ) -> None:
        """Best sizes are at least one; beyond a limit there is nothing."""
        ask = bid + spread
        bids, asks = [bids[0] or 1, *bids[1:]], [asks[0] or 1, *asks[1:]]
        if self.high:
            bids, asks = bids[: max(0, bid - self.low + 1)], asks[: max(0, self.high - ask + 1)]
            if not bids and not asks:
                return
        told = Update(
            "MES", 0, tape, (), True, bid, ask, tuple(bids), tuple(asks), False, self.low, self.high
        )
        self.fast.on_update(told, self.fills)
        self.twin.update(told)

    def fresh(self, side: int, count: int) -> int:
        order_id = len(self.sides) + 1
        self.sides[order_id], self.owed[order_id] = side, count
        return order_id

    @rule(side=sides, count=lots, price=prices)
    def limit(self, side: int, count: int, price: int) -> None:
        order_id = self.fresh(side, count)
        self.fast.limit(order_id, side, count, price, fills=self.fills)
        self.twin.limit(order_id, side, count, price)

    @rule(side=sides, count=st.integers(1, 70))
    def market(self, side: int, count: int) -> None:
        order_id = self.fresh(side, count)
        self.fast.sweep(order_id, side, count, fills=self.fills)
        self.twin.sweep(order_id, side, count)

    @rule(side=sides, count=lots, away=st.integers(0, 6), trail=st.sampled_from([0, 0, 2, 5]))
    def stop(self, side: int, count: int, away: int, trail: int) -> None:
        order_id = self.fresh(side, count)
        level = (self.twin.last or self.twin.bid) + away * side
        self.fast.arm(Waiting(order_id, side, level, count, trail))
        self.fast.trigger(self.fills)
        self.twin.stops[order_id] = [side, level, count, trail]
        self.twin.trigger()

    @rule(side=sides, count=lots, near=st.integers(1, 4), far=st.integers(2, 5))
    def bracket(self, side: int, count: int, near: int, far: int) -> None:
        """A target and a stop of one size, on one side, of which one cancels the other."""
        middle = self.twin.last or self.twin.bid
        target, stop = self.fresh(side, count), self.fresh(side, count)
        self.fast.pair(target, stop)
        self.twin.pairs |= {target: stop, stop: target}
        price = max(BAND[0], min(middle - near * side, BAND[1]))
        self.fast.arm(Waiting(stop, side, middle + far * side, count))
        self.twin.stops[stop] = [side, middle + far * side, count, 0]
        self.fast.limit(target, side, count, price, fills=self.fills)
        self.twin.limit(target, side, count, price)
        self.fast.trigger(self.fills)
        self.twin.trigger()

    @precondition(lambda self: self.sides)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        order_id = data.draw(st.sampled_from(sorted(self.sides)))
        self.fast.cancel(order_id)
        self.twin.cancel(order_id)
        self.owed[order_id] = 0

    @precondition(lambda self: self.working())
    @rule(data=st.data())
    def shrink(self, data: st.DataObject) -> None:
        working = self.working()
        order_id = data.draw(st.sampled_from(sorted(working)))
        left = data.draw(st.integers(1, working[order_id]))
        self.fast.shrink(order_id, left)
        self.twin.shrink(order_id, left)
        self.owed[order_id] = left

    def working(self) -> dict[int, int]:
        state = self.fast.state
        every = [*state.resting.values(), *state.waiting.values()]
        return {one.order_id: one.left for one in every}

    @invariant()
    def agree(self) -> None:
        if not hasattr(self, "fast"):
            return
        state = self.fast.state
        assert totals(self.fills) == totals(self.twin.fills)
        assert {one.order_id: one.left for one in state.resting.values()} == self.twin.left()
        waiting = {
            one.order_id: [one.side, one.stop, one.left, one.trail]
            for one in state.waiting.values()
        }
        assert waiting == self.twin.stops

    @invariant()
    def conserve(self) -> None:
        if not hasattr(self, "fast"):
            return
        for order_id, price, count in self.fills[self.seen :]:
            side = self.sides[order_id]
            self.owed[order_id] -= count
            assert self.owed[order_id] >= 0, "nothing fills beyond its size, or after its cancel"
            if self.high:
                assert self.low <= price <= self.high
            self.position.apply(side * count, price)
            self.cash -= side * count * price
            self.lots += side * count
        self.seen = len(self.fills)
        assert self.position.lots == self.lots
        worth = self.position.realised + self.position.unrealised(self.twin.bid)
        assert worth == self.cash + self.lots * self.twin.bid

    @invariant()
    def consume_once(self) -> None:
        """What was taken of a level is never more than it displays."""
        if not hasattr(self, "fast"):
            return
        state = self.fast.state
        for eaten in (state.eaten_bids, state.eaten_asks):
            assert all(0 < one.lots <= one.shown for one in eaten.values())


MatchingMachine.TestCase.settings = settings(stateful_step_count=30)
TestMatchingAndItsTwin = MatchingMachine.TestCase
