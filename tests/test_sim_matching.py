"""Matching: the rules one by one, then against a naive twin that keeps strangers as lots."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.simulator.market import LEVELS, Update
from services.simulator.matching import QUEUE_UNSEEN, BookState, Fill, Matching, Waiting

BUY, SELL = 1, -1


def update(
    bid: int = 100,
    ask: int = 101,
    *,
    prints: tuple[tuple[int, int, int], ...] = (),
    bids: tuple[int, ...] = (5,) * LEVELS,
    asks: tuple[int, ...] = (5,) * LEVELS,
) -> Update:
    return Update("MES", 0, prints, (), True, bid, ask, bids, asks)


@pytest.fixture
def book() -> Matching:
    made = Matching(BookState(last=100), slippage=1)
    made.on_update(update(), [])
    return made


def test_market_order_walks_the_book_and_beyond(book: Matching) -> None:
    fills: list[Fill] = []
    book.sweep(1, BUY, 12, fills=fills)
    assert fills == [(1, 101, 5), (1, 102, 5), (1, 103, 2)]
    fills.clear()
    book.sweep(2, BUY, 100, fills=fills)
    assert fills[0] == (2, 103, 3), "what was taken before is gone"
    assert sum(lots for _, _, lots in fills) == 100
    assert fills[-1] == (2, 101 + LEVELS, 100 - 3 - 5 * (LEVELS - 3)), "one worse tick, endless"


def test_liquidity_is_eaten_once_until_the_level_shows_a_new_size(book: Matching) -> None:
    fills: list[Fill] = []
    book.sweep(1, SELL, 5, fills=fills)
    book.on_update(update(), fills)
    book.sweep(2, SELL, 1, fills=fills)
    assert fills[-1] == (2, 99, 1), "the touch still shows the 5 that we took"
    book.on_update(update(bids=(6, 5, 5, 5, 5, 5, 5, 5, 5, 5)), fills)
    book.sweep(3, SELL, 1, fills=fills)
    assert fills[-1] == (3, 100, 1)


def test_limit_takes_what_crosses_and_rests_with_the_remainder(book: Matching) -> None:
    fills: list[Fill] = []
    book.limit(1, BUY, 8, 101, fills=fills)
    assert fills == [(1, 101, 5)]
    assert book.state.resting[1].left == 3
    assert book.state.resting[1].ahead == 0, "nobody is displayed at a price inside the spread"


def test_queue_is_worn_down_by_prints_then_fills(book: Matching) -> None:
    fills: list[Fill] = []
    book.limit(1, BUY, 2, 100, fills=fills)
    book.on_update(update(prints=((100, 4, SELL),)), fills)
    assert fills == []
    assert book.state.resting[1].ahead == 1
    book.on_update(update(prints=((100, 2, SELL),)), fills)
    assert fills == [(1, 100, 1)], "one stranger, then one of ours"
    book.on_update(update(prints=((100, 9, BUY),)), fills)
    assert len(fills) == 1, "a buyer at the bid's price does not hit bids"


def test_cancels_are_behind_us_until_they_cannot_be(book: Matching) -> None:
    fills: list[Fill] = []
    book.limit(1, BUY, 1, 100, fills=fills)
    book.on_update(update(bids=(9, 5, 5, 5, 5, 5, 5, 5, 5, 5)), fills)
    assert book.state.resting[1].ahead == 5, "newcomers are behind us"
    book.on_update(update(bids=(2, 5, 5, 5, 5, 5, 5, 5, 5, 5)), fills)
    assert book.state.resting[1].ahead == 2
    assert fills == []


def test_a_print_beyond_our_price_reaches_us_at_our_price(book: Matching) -> None:
    fills: list[Fill] = []
    book.limit(1, BUY, 1, 100, fills=fills)
    book.on_update(update(99, 100, prints=((99, 3, SELL),)), fills)
    assert fills == [(1, 100, 1)]


def test_the_other_side_reaching_our_price_fills_as_far_as_it_shows(book: Matching) -> None:
    fills: list[Fill] = []
    book.limit(1, SELL, 7, 103, fills=fills)
    book.on_update(update(103, 104, bids=(3, 5, 5, 5, 5, 5, 5, 5, 5, 5)), fills)
    assert fills == [(1, 103, 3)]
    book.on_update(update(104, 105, bids=(4, 3, 5, 5, 5, 5, 5, 5, 5, 5)), fills)
    assert fills == [(1, 103, 3), (1, 103, 4)]
    assert not book.state.resting


def test_price_then_time_between_our_own(book: Matching) -> None:
    fills: list[Fill] = []
    book.limit(1, BUY, 1, 99, fills=fills)
    book.limit(2, BUY, 1, 100, fills=fills)
    book.limit(3, BUY, 1, 100, fills=fills)
    book.on_update(update(prints=((99, 30, SELL),), bids=(5,) * LEVELS), fills)
    assert [order_id for order_id, _, _ in fills] == [2, 3, 1]


def test_better_price_first_when_the_other_side_is_thin(book: Matching) -> None:
    fills: list[Fill] = []
    book.limit(1, SELL, 2, 104, fills=fills)
    book.limit(2, SELL, 2, 103, fills=fills)
    book.on_update(update(105, 106, bids=(3, 0, 0, 5, 5, 5, 5, 5, 5, 5)), fills)
    assert fills == [(2, 103, 2), (1, 104, 1)]


def test_level_out_of_sight_has_a_long_queue(book: Matching) -> None:
    book.limit(1, BUY, 1, 100 - LEVELS, fills=[])
    assert book.state.resting[1].ahead == QUEUE_UNSEEN
    book.on_update(update(95, 96), [])
    assert book.state.resting[1].ahead == 5


def test_stop_goes_off_at_its_price_and_slips(book: Matching) -> None:
    fills: list[Fill] = []
    book.arm(Waiting(1, SELL, 98, 1))
    book.on_update(update(99, 100, prints=((99, 5, SELL),)), fills)
    assert fills == []
    book.on_update(update(97, 98, prints=((98, 1, SELL),)), fills)
    assert fills == [(1, 96, 1)], "the bid, one tick worse"
    assert not book.state.waiting


def test_stop_goes_off_when_the_whole_market_has_passed_it(book: Matching) -> None:
    fills: list[Fill] = []
    book.arm(Waiting(1, BUY, 105, 1))
    book.on_update(update(105, 106), fills)
    assert fills == [(1, 107, 1)]


def test_one_print_of_several_is_enough_for_a_stop(book: Matching) -> None:
    """It then takes the book that comes after all of them, which is better here, and slips."""
    fills: list[Fill] = []
    book.arm(Waiting(1, SELL, 98, 1))
    book.on_update(update(99, 100, prints=((98, 1, SELL), (100, 1, BUY))), fills)
    assert fills == [(1, 98, 1)]


def test_a_trail_follows_every_print_of_an_instant(book: Matching) -> None:
    fills: list[Fill] = []
    book.arm(Waiting(1, SELL, 96, 1, 4))
    book.on_update(update(101, 102, prints=((107, 1, BUY), (102, 1, SELL))), fills)
    assert fills == [(1, 100, 1)], "107 - 4 was passed on the way down"


def test_trailing_stop_follows_and_never_goes_back(book: Matching) -> None:
    fills: list[Fill] = []
    book.arm(Waiting(1, SELL, 96, 1, 4))
    book.on_update(update(109, 110, prints=((110, 1, BUY),)), fills)
    assert book.state.waiting[1].stop == 106
    book.on_update(update(107, 108, prints=((107, 1, SELL),)), fills)
    assert book.state.waiting[1].stop == 106
    book.on_update(update(105, 106, prints=((106, 1, SELL),)), fills)
    assert fills == [(1, 104, 1)]


def test_of_a_pair_what_one_fills_the_other_loses_at_once(book: Matching) -> None:
    fills: list[Fill] = []
    book.limit(1, SELL, 3, 104, fills=fills)
    book.arm(Waiting(2, SELL, 97, 3))
    book.pair(1, 2)
    book.on_update(update(103, 104, prints=((104, 6, BUY),)), fills)
    assert fills == [(1, 104, 1)]
    assert book.state.waiting[2].left == 2
    book.on_update(update(96, 97, prints=((96, 9, SELL),)), fills)
    assert fills[1:] == [(2, 95, 2)]
    assert not book.state.resting
    assert not book.state.waiting
    assert not book.state.pairs


def test_both_legs_reached_by_one_update_fill_once(book: Matching) -> None:
    """A print takes the target, and the book that follows lies beyond the stop."""
    fills: list[Fill] = []
    book.limit(1, SELL, 1, 101, fills=fills)
    book.arm(Waiting(2, SELL, 97, 1))
    book.pair(1, 2)
    book.on_update(update(90, 91, prints=((101, 9, BUY), (91, 1, SELL))), fills)
    assert fills == [(1, 101, 1)]


def test_shrinking_keeps_the_place_and_cancelling_leaves_nothing(book: Matching) -> None:
    book.limit(1, BUY, 3, 100, fills=[])
    book.on_update(update(prints=((100, 3, SELL),)), [])
    book.shrink(1, 1)
    assert (book.state.resting[1].left, book.state.resting[1].ahead) == (1, 2)
    assert book.cancel(1)
    assert not book.cancel(1)
    with pytest.raises(AssertionError):
        book.shrink(1, 1)


def test_no_market_no_fill() -> None:
    book = Matching(BookState(), slippage=0)
    fills: list[Fill] = []
    book.limit(1, BUY, 1, 100, fills=fills)
    book.arm(Waiting(2, BUY, 90, 1))
    book.on_update(Update("MES", 0, (), (), False, 0, 0, (), ()), fills)
    assert fills == []
    with pytest.raises(AssertionError):
        book.sweep(3, BUY, 1, fills=fills)


# -- the naive twin --------------------------------------------------------------------------------


class Naive:
    """Every lot of a queue is an item of a list: "s" for a stranger, an order id for ours."""

    def __init__(self) -> None:
        self.queues: dict[tuple[int, int], list[object]] = {}  # (side, price) -> lots in order
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.eaten: dict[tuple[int, int], list[int]] = {}
        self.fills: list[Fill] = []

    def shown(self, side: int, price: int) -> int | None:
        mine, best = (self.bids, max) if side > 0 else (self.asks, min)
        if not mine:
            return 0
        if (price - best(mine)) * side > 0:
            return 0
        return mine.get(price)

    def take(self, side: int, lots: int, worst: int | None) -> list[tuple[int, int]]:
        other = self.asks if side > 0 else self.bids
        taken = []
        for price in sorted(other, reverse=side < 0):
            for _ in range(other[price]):
                ate = self.eaten.setdefault((-side, price), [other[price], 0])
                if lots and (worst is None or (price - worst) * side <= 0) and ate[1] < ate[0]:
                    ate[1] += 1
                    lots -= 1
                    taken.append((price, 1))
        return taken

    def fill(self, order_id: object, price: int) -> None:
        """One lot of ours."""
        self.fills.append((order_id, price, 1))  # type: ignore[arg-type]

    def limit(self, order_id: int, side: int, lots: int, price: int) -> None:
        for at, _ in self.take(side, lots, price):
            self.fill(order_id, at)
            lots -= 1
        if not lots:
            return
        queue = self.queues.setdefault((side, price), [])
        shown = self.shown(side, price)
        strangers = QUEUE_UNSEEN if shown is None else shown
        queue.extend(["s"] * (strangers - queue.count("s")))
        queue.extend([order_id] * lots)

    def printed(self, price: int, size: int, aggressor: int) -> None:
        side = -aggressor
        reached = [key for key in self.queues if key[0] == side and (key[1] - price) * side >= 0]
        for key in sorted(reached, key=lambda key: -key[1] * side):
            queue = self.queues[key]
            if key[1] != price:
                while size and any(item != "s" for item in queue):
                    ours = next(item for item in queue if item != "s")
                    queue.remove(ours)
                    self.fill(ours, key[1])
                    size -= 1
                continue
            while size and queue:
                item = queue.pop(0)
                size -= 1
                if item != "s":
                    self.fill(item, price)

    def rebook(self, bid: int, ask: int, bids: tuple[int, ...], asks: tuple[int, ...]) -> None:
        self.bids = {bid - depth: size for depth, size in enumerate(bids)}
        self.asks = {ask + depth: size for depth, size in enumerate(asks)}
        for side, price in list(self.eaten):
            if self.shown(side, price) != self.eaten[side, price][0]:
                del self.eaten[side, price]
        crossed = [
            key
            for key in self.queues
            if (key[0] > 0 and ask <= key[1]) or (key[0] < 0 and bid >= key[1])
        ]
        for key in sorted(self.queues, key=lambda key: -key[1] * key[0]):
            queue, shown = self.queues[key], self.shown(*key)
            if key in crossed:
                queue[:] = [item for item in queue if item != "s"]
                for _ in self.take(key[0], len(queue), key[1]):
                    self.fill(queue.pop(0), key[1])
            elif shown is not None:
                while queue.count("s") > shown:  # cancels from behind
                    queue.reverse()
                    queue.remove("s")
                    queue.reverse()

    def cancel(self, order_id: int) -> None:
        for queue in self.queues.values():
            queue[:] = [item for item in queue if item != order_id]

    def left(self) -> dict[int, int]:
        items = [item for queue in self.queues.values() for item in queue if item != "s"]
        return {item: items.count(item) for item in items}  # type: ignore[misc]


sizes = st.lists(st.integers(1, 6), min_size=LEVELS, max_size=LEVELS).map(tuple)
prints = st.lists(
    st.tuples(st.integers(96, 105), st.integers(1, 9), st.sampled_from([BUY, SELL])), max_size=2
)
commands = st.one_of(
    st.tuples(
        st.just("limit"), st.sampled_from([BUY, SELL]), st.integers(1, 4), st.integers(94, 107)
    ),
    st.tuples(st.just("cancel"), st.integers(1, 12)),
    st.tuples(
        st.just("update"), st.integers(96, 104), st.integers(1, 2), prints, st.tuples(sizes, sizes)
    ),
)


def totals(fills: list[Fill]) -> dict[tuple[int, int], int]:
    """Lots per (order, price): the twin fills lot by lot."""
    summed: dict[tuple[int, int], int] = {}
    for order_id, price, lots in fills:
        summed[order_id, price] = summed.get((order_id, price), 0) + lots
    return summed


@settings(max_examples=4 * settings.default.max_examples)
@given(st.lists(commands, max_size=40))
def test_matching_agrees_with_its_naive_twin(story: list[tuple]) -> None:  # type: ignore[type-arg]
    fast, naive = Matching(BookState(), slippage=0), Naive()
    fills: list[Fill] = []
    number = 0
    for command in [("update", 100, 1, [], ((3,) * LEVELS, (3,) * LEVELS)), *story]:
        if command[0] == "limit":
            number += 1
            _, side, lots, price = command
            fast.limit(number, side, lots, price, fills=fills)
            naive.limit(number, side, lots, price)
        elif command[0] == "cancel":
            fast.cancel(command[1])
            naive.cancel(command[1])
        else:
            _, bid, spread, told, (bids, asks) = command
            for one in told:
                naive.printed(*one)
            naive.rebook(bid, bid + spread, bids, asks)
            fast.on_update(Update("MES", 0, told, (), True, bid, bid + spread, bids, asks), fills)
        assert totals(fills) == totals(naive.fills)
        assert {one.order_id: one.left for one in fast.state.resting.values()} == naive.left()
