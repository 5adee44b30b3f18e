"""What the sentinel closed while no router lived is not made by hand, also beside late exits."""

from __future__ import annotations

import pytest

from services.order_router import stand_in
from services.order_router import words as w
from services.order_router.memory import HUMAN, Book, Reading, State
from services.order_router.stand_in import NOTE
from shared.events import Fill, OrderType, OrderUpdate, Purpose, Scope, Side
from shared.venue.codes import VenueOrderStatus
from tests.router_stage import flatten, stages
from tests.support.router_bench import Bench
from tests.support.router_venue import M2K
from tests.test_router_interleavings import take

CLOSED = w.SentinelClosed(request_id="sentinel-1-40", beat=3, closed=((M2K, 2),))


def dead(bench: Bench) -> w.PlaceOrder:
    """Two are held, an exit of both has left, the router dies; the sentinel closes the position.
    Returns the exit's request, which the venue may still carry out.
    """
    bench.start().run(1)
    bench.quote(Side.BUY, 20_000, 2)
    bench.run(1)
    assert shares(bench) == {"market_maker": 2}
    bench.exit(Side.SELL, 2, contract=M2K, sleeve="market_maker")
    (leaving,) = take(bench.requests, w.PlaceOrder)
    bench.venue.close(w.CloseContract(close_id=1, contract=M2K))
    for row in bench.resting(M2K):
        bench.venue.cancel(w.CancelOrder(order_id=row.order_id))
    assert bench.venue.lots.get(M2K, 0) == 0
    return leaving


def shares(bench: Bench) -> dict[str, int]:
    return bench.router.desk.state.books[M2K].shares


def last(bench: Bench, number: int) -> list[Fill]:
    return bench.fills()[-number:]


def test_its_close_is_named_and_is_whose_the_position_was() -> None:
    bench = Bench()
    dead(bench)
    bench.restart()
    bench.tell(CLOSED)
    bench.run(15)
    (close,) = last(bench, 1)
    assert (close.sleeve, close.side, close.size) == ("market_maker", Side.SELL, 2)
    assert close.purpose is Purpose.FLATTEN
    told = [e for e in bench.said if isinstance(e, OrderUpdate) and e.tag == close.tag]
    assert {update.reason for update in told} == {NOTE}
    bench.check_agreed()


@pytest.mark.parametrize(
    ("told", "owner"), [(True, "market_maker"), (False, HUMAN)], ids=["told", "as before"]
)
def test_beside_a_late_exit_of_ours_the_turned_position_is_ours(told: bool, owner: str) -> None:
    bench = Bench()
    leaving = dead(bench)
    bench.venue.place(leaving)
    bench.restart()
    if told:
        bench.tell(CLOSED)
    bench.run(2)
    assert shares(bench) == {owner: -2}
    stops = [row for row in bench.resting(M2K) if row.type is OrderType.STOP]
    assert bool(stops) is told, "what is ours has its stop"
    flatten(bench, Scope.ACCOUNT)
    bench.run(15)
    assert shares(bench) == {}
    assert stages(bench)[-1] == "FLAT"
    bench.check_agreed()


def test_an_exit_carried_out_after_the_router_is_back_is_ours_too() -> None:
    bench = Bench()
    leaving = dead(bench)
    bench.restart()
    bench.tell(CLOSED)
    bench.run(3)
    assert shares(bench) == {}
    flatten(bench, Scope.ACCOUNT)
    bench.venue.place(leaving)
    bench.run(15)
    assert not any(fill.sleeve == HUMAN for fill in bench.fills())
    assert (bench.lots(M2K), stages(bench)[-1]) == (0, "FLAT")
    bench.check_agreed()


def test_each_close_explains_one_order_and_only_once() -> None:
    bench = Bench()
    dead(bench)
    bench.venue.human(M2K, -1)
    bench.restart()
    bench.tell(CLOSED)
    bench.run(2)
    assert shares(bench) == {HUMAN: -1}
    bench.venue.human(M2K, 1)
    bench.run(2)
    bench.restart()
    bench.tell(CLOSED)  # the file still stands
    bench.venue.human(M2K, -1)
    bench.run(15)
    assert shares(bench) == {HUMAN: -1}
    bench.check_agreed()


def test_a_close_that_came_to_nothing_explains_no_hand_once_all_agrees() -> None:
    bench = Bench().start().run(1)
    bench.tell(CLOSED)
    bench.run(12)
    bench.venue.human(M2K, -2)
    bench.run(2)
    assert shares(bench) == {HUMAN: -2}


def test_a_new_report_replaces_what_the_last_one_left() -> None:
    bench = Bench().start()
    bench.tell(CLOSED)
    bench.tell(w.SentinelClosed(request_id="sentinel-1-90", beat=3, closed=()))
    assert bench.router.desk.state.books[M2K].stood_in == []


def test_it_explains_the_side_it_closed_by() -> None:
    book = Book(contract=M2K, stood_in=[2, -1])
    assert [stand_in.explains(book, signed) for signed in (3, 1, -2, -2)] == [
        True, False, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("begin", "fields", "kept"),
    [(7, {}, []), (6, {}, [2]), (7, {"difference": "M2K: books +2, venue +0"}, [2])],
    ids=["agreed", "begun before", "differs"],
)
def test_it_is_kept_until_a_read_begun_since_agrees(
    begin: int, fields: dict[str, str], kept: list[int]
) -> None:
    desk = Bench().router.desk
    desk.state = State(step=7, **fields)  # type: ignore[arg-type]
    stand_in.on_closed(desk, CLOSED)
    reading = Reading(begin=begin, begin_real_ns=0, begin_ns=0, since_ns=0, periodic=False)
    stand_in.forget(desk, reading)
    assert desk.book(M2K).stood_in == kept
    assert bool(desk.state.stood_in_step) is bool(kept)


def test_a_resting_order_is_a_hands_whatever_the_sentinel_did() -> None:
    bench = Bench()
    dead(bench)
    row = bench.venue._new(
        contract=M2K,
        side=Side.SELL,
        size=2,
        type=OrderType.LIMIT,
        limit_price=20_900,
        status=VenueOrderStatus.OPEN,
    )
    bench.restart()
    bench.tell(CLOSED)
    bench.tell(w.OrderSeen(row=row))
    order = bench.router.desk.by_id(row.order_id)
    assert order is not None
    assert order.purpose is Purpose.HUMAN
    bench.run(2)
    assert bench.fills()[-1].purpose is Purpose.FLATTEN


def test_an_order_of_the_other_side_is_not_its() -> None:
    bench = Bench()
    dead(bench)
    bench.venue.human(M2K, 3)
    bench.restart()
    bench.tell(CLOSED)
    bench.run(2)
    assert shares(bench) == {HUMAN: 3}
