"""Leaving a position: by the take-profit, by an order, by the venue; never beyond flat."""

from __future__ import annotations

import pytest

from services.order_router import words as w
from services.order_router.core import Router
from shared.events import OrderState, OrderType, Side
from tests.router_stage import cancel, words
from tests.support.router_bench import Bench, ready
from tests.support.router_venue import M2K, MNQ

S = OrderState

bench = pytest.fixture(ready)


def test_a_full_exit_goes_through_the_take_profit_so_it_cannot_flip(bench: Bench) -> None:
    entry = bench.enter()
    bench.run(0.5)
    leave = bench.exit(Side.SELL)
    bench.run(0.5)
    assert bench.state(leave.intent_id) is S.FILLED
    assert leave.tag not in bench.venue.tags, "no order of its own at the venue"
    assert bench.state(f"{entry.intent_id}-SL") is S.CANCELLED
    assert bench.lots() == 0
    bench.check_agreed()


def test_the_stop_may_win_against_the_exit_and_nothing_flips(bench: Bench) -> None:
    bench.enter()
    bench.run(0.5)
    leave = bench.exit(Side.SELL)
    bench.venue.move(MNQ, 79_900)  # the stop fills before the change arrives
    bench.run(3)
    assert bench.lots() == 0
    assert bench.state(leave.intent_id) is S.FILLED
    bench.check_agreed()


def test_a_leg_that_cannot_be_changed_means_close_contract(bench: Bench) -> None:
    bench.enter()
    bench.run(0.5)
    bench.venue.refuse_changes = 1
    leave = bench.exit(Side.SELL)
    bench.run(2)
    assert bench.state(leave.intent_id) is S.FILLED
    assert len(words(bench, w.CloseContract)) == 1
    assert bench.lots() == 0
    bench.check_agreed()


def test_an_exit_with_a_price_rests_in_the_take_profit_and_can_be_cancelled(
    bench: Bench,
) -> None:
    entry = bench.enter()
    bench.run(0.5)
    leave = bench.exit(Side.SELL, type=OrderType.LIMIT, limit_price=80_020)
    bench.run(0.5)
    assert bench.state(leave.intent_id) is S.WORKING
    assert bench.updates(f"{entry.intent_id}-TP")[-1].limit_price == 80_020
    cancel(bench, leave.intent_id)
    bench.run(0.5)
    assert bench.state(leave.intent_id) is S.CANCELLED
    assert bench.updates(f"{entry.intent_id}-TP")[-1].limit_price == 80_080
    bench.check_agreed()


def test_a_partial_exit_is_an_order_and_the_legs_are_cut_to_size(bench: Bench) -> None:
    bench.enter(size=3)
    bench.run(0.5)
    leave = bench.exit(Side.SELL, 1)
    bench.run(2)
    assert bench.state(leave.intent_id) is S.FILLED
    assert bench.lots() == 2
    assert sorted((o.type.value, o.size) for o in bench.resting()) == [("LIMIT", 2), ("STOP", 2)]
    bench.check_agreed()


def test_what_never_got_an_answer_does_not_keep_a_flatten_from_its_end(bench: Bench) -> None:
    """On a full disk an entry stays at home and nobody says so; the router must not wait for ever,
    since it ends (and comes back with a record) only once it may. Found by a World with full disks.
    """
    entry = bench.enter()
    bench.requests.clear()
    bench.run(1)
    assert bench.state(entry.intent_id) is S.SENT
    bench.run(60)
    assert bench.state(entry.intent_id) is S.ABSENT
    assert bench.router.may_stop()


def test_what_a_full_disk_must_not_hold_back_can_open_nothing() -> None:
    reducing = {kind for kind in Router.words if getattr(kind, "reducing", False)}
    assert {w.ReadBooks, w.CloseContract, w.CancelOrder, w.PlaceReducing} <= reducing
    assert not reducing & {w.PlaceOrder, w.ModifyOrder}


def test_a_stop_that_cannot_be_cut_goes_only_when_another_stands(bench: Bench) -> None:
    """The venue refuses sizes of open legs: the position is covered at every moment all the same.
    Found by a World whose sleeves leave in parts.
    """
    bench.enter(size=3)
    bench.run(0.5)
    bench.venue.refuse_changes = 10
    bench.exit(Side.SELL, 1)
    for _ in range(60):
        bench.run(0.05)
        stops = sum(o.size for o in bench.resting() if o.type.value == "STOP")
        assert stops >= bench.lots(), "uncovered"
    assert bench.lots() == 2
    assert [o.size for o in bench.resting() if o.type.value == "STOP"] == [2]
    bench.venue.refuse_changes = 0
    bench.check_agreed()


def test_an_exit_is_never_larger_than_the_position(bench: Bench) -> None:
    bench.quote(Side.BUY, 20_000, 1)
    bench.run(0.5)
    leave = bench.exit(Side.SELL, 3, contract=M2K, sleeve="market_maker")
    assert bench.updates(leave.intent_id)[0].size == 1
    bench.run(1)
    assert bench.lots(M2K) == 0
    bench.check_agreed()


def test_an_exit_from_nothing_is_refused(bench: Bench) -> None:
    leave = bench.exit(Side.SELL)
    assert "nothing to close" in bench.updates(leave.intent_id)[-1].reason


def test_the_latest_exit_replaces_the_one_before(bench: Bench) -> None:
    bench.quote(Side.BUY, 20_000, 1)
    bench.run(0.5)
    fields = {"contract": M2K, "sleeve": "market_maker"}
    first = bench.exit(Side.SELL, type=OrderType.LIMIT, limit_price=20_050, **fields)
    bench.run(0.5)
    second = bench.exit(Side.SELL, type=OrderType.LIMIT, limit_price=20_020, **fields)
    third = bench.exit(Side.SELL, type=OrderType.LIMIT, limit_price=20_010, **fields)
    assert bench.state(second.intent_id) is S.REFUSED
    bench.run(0.5)
    assert bench.state(first.intent_id) is S.CANCELLED
    assert bench.state(third.intent_id) is S.WORKING
    bench.check_agreed()


def test_beside_an_unknown_exit_only_the_venue_may_close(bench: Bench) -> None:
    bench.quote(Side.BUY, 20_000, 1)
    bench.run(0.5)
    fields = {"contract": M2K, "sleeve": "market_maker"}
    first = bench.exit(Side.SELL, **fields)
    bench.requests.clear()
    bench.tell(w.PlaceAnswer(tag=first.tag, outcome=w.Outcome.UNKNOWN, text="timeout"))
    assert bench.state(first.intent_id) is S.UNKNOWN
    second = bench.exit(Side.SELL, **fields)
    bench.deliver()
    assert second.tag not in bench.venue.tags
    assert len(words(bench, w.CloseContract)) == 1
    bench.run(25)
    assert bench.lots(M2K) == 0
    assert bench.state(second.intent_id) is S.FILLED
    assert bench.state(first.intent_id) is S.ABSENT
    bench.check_agreed()


def test_a_stop_that_filled_is_not_replaced_before_its_trade_arrives(bench: Bench) -> None:
    bench.quote(Side.BUY, 20_000, 1)
    bench.run(0.5)
    bench.venue.move(M2K, 19_950)
    while bench.arriving:
        bench.tell(bench.arriving.pop(0))
        assert not any(isinstance(r, w.PlaceOrder) for r in bench.requests)
    bench.run(1)
    assert bench.lots(M2K) == 0
    bench.check_agreed()


def test_an_exit_between_a_stop_and_its_trade_is_refused(bench: Bench) -> None:
    bench.quote(Side.BUY, 20_000, 1)
    bench.run(0.5)
    bench.venue.move(M2K, 19_950)
    bench.tell(bench.arriving.pop(0))
    leave = bench.exit(Side.SELL, contract=M2K, sleeve="market_maker")
    assert bench.state(leave.intent_id) is S.REFUSED
    bench.run(1)
    assert bench.lots(M2K) == 0


def test_an_exit_left_over_when_the_stop_won_is_cancelled(bench: Bench) -> None:
    bench.quote(Side.BUY, 20_000, 1)
    bench.run(0.5)
    fields = {"contract": M2K, "sleeve": "market_maker"}
    leave = bench.exit(Side.SELL, type=OrderType.LIMIT, limit_price=20_050, **fields)
    bench.run(0.5)
    bench.venue.move(M2K, 19_950)
    bench.run(1)
    assert bench.state(leave.intent_id) is S.CANCELLED
    assert bench.lots(M2K) == 0
    bench.check_agreed()
