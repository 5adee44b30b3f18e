"""A halted market: nothing trades in it, also not what was on its way when the halt began."""

from __future__ import annotations

from typing import Any

import pytest

from services.simulator.words import Answer, Call, FaultKind
from shared.venue import words as venue
from shared.venue.codes import OrderKind
from tests.sim_stage import ACCOUNT, MES, Bench

UNAVAILABLE = "Trading is currently unavailable. The instrument is not in an active trading status."
HALT_S = 5
BRACKET = venue.BracketModel


@pytest.fixture
def bench() -> Bench:
    made = Bench(regime="calm", latency_ms=200)
    made.run(1)
    return made


def last(bench: Bench) -> float:
    return float(bench.book().last * 0.25)


def send(bench: Bench, request: venue.Request) -> int:
    """Put a request on its way; its call id."""
    bench.calls += 1
    bench.tell(Call(call_id=bench.calls, request=request))
    return bench.calls


def answer(bench: Bench, call_id: int) -> Any:
    (found,) = [one for one in bench.said if isinstance(one, Answer) and one.call_id == call_id]
    return found.response


def halt_under(bench: Bench, **wish: Any) -> int:
    """An order of which the way into the book ends in a halt; its id."""
    placed = bench.place(**wish)
    assert placed.success, placed
    bench.fault(FaultKind.HALT_MARKET, HALT_S * 1000)
    bench.run(1)
    return int(placed.order_id)


def test_a_market_order_under_way_is_cancelled(bench: Bench) -> None:
    placed = halt_under(bench, sl=-8, tp=8)
    assert bench.order(placed).status == 3
    assert [bench.order(leg).status for leg in (placed + 1, placed + 2)] == [3, 3]
    bench.run(HALT_S)
    assert bench.truth().fills == 0


@pytest.mark.parametrize(
    ("kind", "away"), [(OrderKind.LIMIT, 3), (OrderKind.LIMIT, 0.5)], ids=["far through", "through"]
)
def test_a_limit_that_crosses_is_cancelled(bench: Bench, kind: OrderKind, away: float) -> None:
    placed = halt_under(bench, type=kind.value, limit_price=last(bench) + away)
    assert bench.order(placed).status == 3
    assert bench.truth().fills == 0


def test_what_would_wait_waits_and_may_fill_after_the_halt(bench: Bench) -> None:
    placed = [
        bench.place(type=OrderKind.JOIN_BID.value).order_id,
        bench.place(type=OrderKind.STOP.value, stop_price=last(bench) + 1).order_id,
    ]
    placed.append(halt_under(bench, type=OrderKind.LIMIT.value, limit_price=last(bench) - 1))
    bench.run(HALT_S - 1.5)
    assert [bench.order(one).status for one in placed] == [1, 1, 1]
    assert bench.truth().fills == 0
    bench.run_until(lambda: bench.truth().fills > 0)


def test_a_modify_under_way_is_refused_and_a_cancel_is_carried_out(bench: Bench) -> None:
    price = last(bench) - 5
    placed = bench.place(type=OrderKind.LIMIT.value, limit_price=price).order_id
    bench.run(0.5)
    change = send(
        bench, venue.ModifyOrder(account_id=ACCOUNT, order_id=placed, limit_price=price + 20)
    )
    end = send(bench, venue.CancelOrder(account_id=ACCOUNT, order_id=placed))
    bench.fault(FaultKind.HALT_MARKET, HALT_S * 1000)
    bench.run(1)
    refused = answer(bench, change)
    assert (refused.error_code, refused.error_message) == (3, UNAVAILABLE)
    assert answer(bench, end).success
    assert (bench.order(placed).status, bench.order(placed).limit_price) == (3, price)


def test_a_close_under_way_leaves_the_position(bench: Bench) -> None:
    bench.place()
    bench.run(0.5)
    close = venue.PositionClose(account_id=ACCOUNT, contract_id=MES)
    assert bench.ask(close).success
    bench.fault(FaultKind.HALT_MARKET, HALT_S * 1000)
    bench.run(1)
    assert [row.lots for row in bench.truth().positions] == [1]
    assert bench.ask(close).error_code == 5
    bench.run(HALT_S)
    assert bench.ask(close).success
    bench.run(0.5)
    assert [row.lots for row in bench.truth().positions] == [0]


def test_the_firm_waits_for_the_end_of_the_halt() -> None:
    """15:10 CT falls into it: one closing order, when the market is back."""
    bench = Bench(regime="calm", start="2026-11-18T15:09:56-06:00")
    bench.run(1)
    bench.place()
    bench.run(0.5)
    bench.fault(FaultKind.HALT_MARKET, 8_000)
    bench.run(7)
    truth = bench.truth()
    assert [row.lots for row in truth.positions] == [1]
    assert len(truth.orders) + len(truth.open_orders) == 1, "it does not try in vain"
    bench.run(2)
    truth = bench.truth()
    assert [row.lots for row in truth.positions] == [0]
    assert [order.status for order in truth.orders] == [2, 2]
