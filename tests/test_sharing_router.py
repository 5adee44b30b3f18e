"""Several sleeves in one contract at the router: one stop for the net, every part in its book."""

from __future__ import annotations

import pytest

from shared.events import FlattenStage, OrderState, PositionUpdate, Scope, Side
from tests.governor_stage import MNQ
from tests.router_stage import flatten, stages
from tests.sharing_stage import A, B, enter, fills, shares, stops
from tests.support.router_bench import Bench, ready

bench = pytest.fixture(ready)


def test_one_stop_stands_for_the_net_position_at_the_tightest_price(bench: Bench) -> None:
    price = bench.venue.prices[MNQ]
    enter(bench, A, Side.BUY, 2, stop=40)
    assert stops(bench) == [(-1, 2, price - 40)]
    enter(bench, B, Side.BUY, 1, stop=20)
    assert stops(bench) == [(-1, 3, price - 20)]
    bench.exit(Side.SELL, 1, sleeve=B, shared=True)
    bench.run(1)
    assert stops(bench) == [(-1, 2, price - 40)]


def test_the_stop_follows_an_exit_that_turns_the_net_position(bench: Bench) -> None:
    price = bench.venue.prices[MNQ]
    enter(bench, A, Side.BUY, 2)
    enter(bench, B, Side.SELL, 1, stop=30)
    assert stops(bench) == [(-1, 1, price - 40)]
    bench.exit(Side.SELL, 2, sleeve=A, shared=True)
    bench.run(1)
    assert shares(bench) == {B: -1}
    assert stops(bench) == [(1, 1, price + 30)]
    told = [e for e in bench.said if isinstance(e, PositionUpdate)][-1]
    assert (told.position, told.protected) == (-1, 1)


def test_a_net_stop_that_fills_ends_every_book_at_its_price(bench: Bench) -> None:
    price = bench.venue.prices[MNQ]
    enter(bench, A, Side.BUY, 2)
    enter(bench, B, Side.SELL, 1)
    bench.said.clear()
    bench.venue.move(MNQ, price - 50)
    bench.run(1)
    told = fills(bench.said)
    assert [(owner, lots) for owner, lots, _ in told] == [(A, -2), (B, 1)]
    assert [bool(fee) for *_, fee in told] == [True, False], "only the trade's side pays"
    assert shares(bench) == {}
    assert stops(bench) == []


def test_an_exit_of_one_leaves_the_part_of_the_other(bench: Bench) -> None:
    enter(bench, A, Side.BUY, 2)
    enter(bench, B, Side.SELL, 2)
    assert (shares(bench), stops(bench)) == ({A: 2, B: -2}, [])
    bench.exit(Side.BUY, 2, sleeve=B, shared=True)
    bench.run(1)
    assert shares(bench) == {A: 2}
    assert [lots for _, lots, _ in stops(bench)] == [2]


@pytest.mark.parametrize("sizes", [(2, 1), (2, 2), (1, 3)])
def test_a_flatten_leaves_nothing_in_any_book(bench: Bench, sizes: tuple[int, int]) -> None:
    enter(bench, A, Side.BUY, sizes[0])
    enter(bench, B, Side.SELL, sizes[1])
    flatten(bench)
    bench.run(4)
    assert shares(bench) == {}
    assert stops(bench) == []
    assert stages(bench)[-1] == FlattenStage.FLAT.value


@pytest.mark.parametrize("other", [-1, -2, 1])
def test_a_flatten_of_one_sleeve_leaves_the_part_of_the_other(bench: Bench, other: int) -> None:
    enter(bench, A, Side.BUY, 2)
    enter(bench, B, Side.BUY if other > 0 else Side.SELL, abs(other))
    bench.exit(Side.SELL, 1, sleeve=A, shared=True)
    flatten(bench, Scope.SLEEVE, sleeve=A)
    bench.run(4)
    assert stages(bench)[-1] == FlattenStage.FLAT.value
    assert shares(bench) == {B: other}
    assert [-side * lots for side, lots, _ in stops(bench)] == [other]


def test_the_other_trades_on_while_one_is_flattened(bench: Bench) -> None:
    enter(bench, A, Side.BUY, 2)
    enter(bench, B, Side.SELL, 1)
    flatten(bench, Scope.SLEEVE, sleeve=A)
    mine = bench.exit(Side.SELL, 2, sleeve=A, shared=True)
    other = bench.exit(Side.BUY, 1, sleeve=B, shared=True)
    assert bench.updates(mine.intent_id)[-1].reason == "a flatten is under way"
    assert bench.updates(other.intent_id)[-1].state is OrderState.SENT
    bench.run(4)
    assert shares(bench) == {}


def test_a_part_is_not_closed_twice_beside_an_unknown_exit(bench: Bench) -> None:
    enter(bench, A, Side.BUY, 2)
    enter(bench, B, Side.SELL, 1)
    bench.exit(Side.SELL, 2, sleeve=A, shared=True)
    bench.arriving.append(bench.lost(bench.requests.pop(0)))
    flatten(bench, Scope.SLEEVE, sleeve=A)
    bench.run(3)
    assert shares(bench)[A] == 2, "the venue may have carried it out: it waits for the proof"
    bench.run(20)
    assert shares(bench) == {B: -1}


def test_a_restart_at_any_point_gives_the_same_books(bench: Bench) -> None:
    enter(bench, A, Side.BUY, 2, stop=33)
    enter(bench, B, Side.SELL, 1)
    bench.restart()
    bench.run(1)
    assert shares(bench) == {A: 2, B: -1}
    assert [price for _, _, price in stops(bench)] == [bench.venue.prices[MNQ] - 33]


def test_other_code_keeps_the_books_it_is_told_of(bench: Bench) -> None:
    enter(bench, A, Side.BUY, 2)
    enter(bench, B, Side.SELL, 1)
    bench.venue.move(MNQ, bench.venue.prices[MNQ] - 50)
    bench.run(1)
    enter(bench, B, Side.SELL, 1)
    bench.restart(changed=True)
    bench.run(2)
    assert shares(bench) == {B: -1}


def test_a_hand_that_sells_closes_whoever_is_long(bench: Bench) -> None:
    enter(bench, A, Side.BUY, 2)
    enter(bench, B, Side.SELL, 1)
    bench.venue.human(MNQ, -2)
    bench.run(1)
    assert shares(bench) == {B: -1}
