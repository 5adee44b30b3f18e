"""A market's steps in whole numbers are what the hub's decimals and texts say of them.

The World takes most steps of its market straight to ticks (`TickFilter.take_move`); what a process
gets goes through the port's rendering, JSON and the reading of it. Both ways must find the same.
"""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services import stage_gateway
from services.market_data_gateway.ticks import Reject, TickFilter
from services.simulator.core import Simulator
from services.simulator.dice import Dice
from services.simulator.market import LEVELS, Book, Changes
from services.simulator.tape import Teller
from services.simulator.words import Moved, QuotePush, SetWeather, Step
from services.stage import cast_world
from shared.events import Event
from shared.lab.accidents import Accidents
from shared.settings import load
from shared.units import MILLISECOND, SECOND
from shared.venue.times import time_ns
from shared.venue.words import to_hub
from tests.sim_stage import settings_with

SETTINGS = load(env={})
PRODUCTS = ("MES", "MNQ", "ZC", "6E", "CL")


Found = tuple[list[Event], list[Reject]]


def by_wire(made: TickFilter, teller: Teller, move: Moved, recv_ns: int) -> Found:
    """What the gateway's process finds: JSON, read again."""
    found: Found = ([], [])
    for push in teller.pushes(move):
        payload = push.payload
        bodies = [payload] if isinstance(push, QuotePush) else list(payload)
        args = json.loads(json.dumps([push.contract, [to_hub(body) for body in bodies]]))
        ticks, rejects = made.take(push.target, args, recv_ns)
        found[0].extend(ticks)
        found[1].extend(rejects)
    return found


def by_numbers(made: TickFilter, move: Moved, recv_ns: int) -> Found:
    touch = None
    if move.day is not None:
        touch = (None if move.empty_bids else move.bid, None if move.empty_asks else move.ask)
    return made.take_move(move, touch, recv_ns)


@settings(max_examples=40)
@given(
    st.integers(1, 10_000),
    st.lists(
        st.tuples(
            st.sampled_from(("", "", "gap", "flash", "limit", "trend", "spike")),
            st.integers(1, 12),
            st.sampled_from((50, 500, 2_000)),
            st.booleans(),
        ),
        min_size=1,
        max_size=6,
    ),
)
def test_both_ways_find_the_same_ticks(seed: int, story: list[tuple[str, int, int, bool]]) -> None:
    """Through weather, leaps in time, lost steps and new connections."""
    feed = msgspec.structs.replace(SETTINGS.simulator.feed, products=PRODUCTS)
    core = Simulator(settings_with(seed=seed, feed=feed))
    wire, whole = (TickFilter(SETTINGS.market_data_gateway) for _ in range(2))
    teller, now, count = Teller(), core.market_ns, 0
    for regime, steps, pause_ms, breaks in story:
        if regime:
            core.on(now, SetWeather(call_id=1, regime=regime))
        if breaks:
            wire.reset()
            whole.reset()
        now += pause_ms * MILLISECOND
        for step in range(steps):
            now += 50 * MILLISECOND
            for word in core.on(now, Step()):
                assert isinstance(word, Moved)
                if not count:
                    for made in (wire, whole):
                        made.allow(core._fronts.values())
                count += 1
                if not (breaks and step % 5 == 0):
                    assert by_numbers(whole, word, now) == by_wire(wire, teller, word, now)
    assert count


def test_a_strangers_contract_is_refused_both_ways() -> None:
    move = Moved(contract="CON.F.US.MES.Z26", at_ns=SECOND, bid=1, ask=2, prints=((2, 1, 1),))
    found, rejects = TickFilter(SETTINGS.market_data_gateway).take_move(move, None, SECOND)
    assert not found
    assert [type(reject) for reject in rejects] == [Reject]


def test_a_world_is_the_same_whichever_way_its_ticks_go(monkeypatch: pytest.MonkeyPatch) -> None:
    def fingerprint(wire_every: int) -> tuple[str, int]:
        monkeypatch.setattr(stage_gateway, "WIRE_EVERY", wire_every)
        start_ns = time_ns(SETTINGS.simulator.start, "start")
        world = cast_world(SETTINGS, start_ns, seed=5, accidents=Accidents.swarm(5))
        world.run(start_ns + 6 * SECOND)
        return world.fingerprint(), world.ticks

    by_wire, by_numbers = fingerprint(1), fingerprint(1 << 30)
    assert by_wire == by_numbers
    assert by_wire[1] > 300


@given(st.integers(0, (1 << 64) - 1), st.integers(0, 20))
def test_a_hand_of_dice_is_as_many_throws(state: int, count: int) -> None:
    one, many = Dice(state), Dice(state)
    assert many.draw(count) == tuple(one.bits() for _ in range(count))
    assert many == one


def moved_naively(book: Book, bid: int, ask: int, fresh: list[int]) -> Changes:
    """Every level looked up by its price."""
    before = {(1, book.bid - depth): size for depth, size in enumerate(book.bids)}
    before |= {(-1, book.ask + depth): size for depth, size in enumerate(book.asks)}
    levels = [(1, bid - depth) for depth in range(LEVELS)]
    levels += [(-1, ask + depth) for depth in range(LEVELS)]
    supply = iter(fresh)
    after = {level: before[level] if level in before else next(supply) for level in levels}
    gone: Changes = {level: 0 for level in before if level not in after}
    book.bid, book.ask = bid, ask
    book.bids = [after[level] for level in levels[:LEVELS]]
    book.asks = [after[level] for level in levels[LEVELS:]]
    return gone | {level: size for level, size in after.items() if level not in before}


@given(
    st.lists(st.tuples(st.integers(-14, 14), st.integers(1, 4)), min_size=1, max_size=12),
    st.booleans(),
)
def test_a_book_moves_like_its_naive_twin(moves: list[tuple[int, int]], leaps: bool) -> None:
    fast, naive = Book(), Book()
    bid, fresh = 1_000, list(range(100, 100 + 2 * LEVELS))
    for at, (step, spread) in enumerate(moves):
        if leaps and at == len(moves) // 2:  # nobody quotes for a moment
            for book in (fast, naive):
                book.bid = book.ask = 0
                book.bids, book.asks = [], []
        bid += step
        told = fast.move(bid, bid + spread, iter(fresh))
        assert [*told.items()] == [*moved_naively(naive, bid, bid + spread, fresh).items()]
        assert fast == naive
        fresh = [size + 1 for size in fresh]
