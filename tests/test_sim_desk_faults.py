"""Requests under faults, delays and slippage: what is carried out, what is told, and when."""

from __future__ import annotations

import pytest

from services.simulator.words import FaultKind, UserPush
from shared.venue import words as venue
from tests.sim_stage import ACCOUNT, MES, MNQ, UNAVAILABLE, Bench, calm

bench = pytest.fixture(calm)


def test_lost_answer_is_a_carried_out_order(bench: Bench) -> None:
    bench.fault(FaultKind.LOSE_ANSWER)
    assert bench.place(custom_tag="lost") is None
    bench.run(0.5)
    assert bench.truth().positions[0].lots == 1
    assert bench.place().success, "only one was ordered"


def test_rejections_on_request(bench: Bench) -> None:
    bench.fault(FaultKind.REJECT_ORDER, 2)
    assert bench.place().error_message == UNAVAILABLE
    assert bench.place().error_message == UNAVAILABLE
    assert bench.place().success


def test_user_events_lost_and_doubled(bench: Bench) -> None:
    bench.fault(FaultKind.LOSE_USER_EVENT, 2)
    bench.place()
    bench.run(0.5)
    assert [push.target for push in bench.pushes()] == [
        "GatewayUserTrade",
        "GatewayUserPosition",
        "GatewayUserAccount",
    ]
    bench.fault(FaultKind.DOUBLE_USER_EVENT, 1)
    bench.place()
    bench.run(0.5)
    told = bench.pushes()
    assert len(told) == 6
    assert told[0] == told[1]


def test_frozen_market_is_silent_while_it_goes_on(bench: Bench) -> None:
    bench.fault(FaultKind.FREEZE_MARKET, 3_000)
    bench.market.clear()
    bench.run(2.5)
    assert not bench.market
    assert bench.place().success
    bench.run(0.4)
    assert bench.truth().fills == 1
    bench.run(1)
    assert bench.market


def test_answers_wait_as_ordered(bench: Bench) -> None:
    from services.simulator.words import Answer

    bench.fault(FaultKind.DELAY_ANSWERS, 700)
    bench.ask(venue.AccountSearch())
    assert [word.delay_ns for word in bench.said if isinstance(word, Answer)][-1] == 700_000_000
    bench.fault(FaultKind.DELAY_ANSWERS, 0)
    bench.ask(venue.AccountSearch())
    assert [word.delay_ns for word in bench.said if isinstance(word, Answer)][-1] == 0
    assert bench.truth().faults.delay_ms == 0


def test_absurd_amounts_are_cut(bench: Bench) -> None:
    bench.fault(FaultKind.LOSE_ANSWER, -5)
    assert bench.truth().faults.lose_answers == 0
    bench.fault(FaultKind.LOSE_ANSWER, 10**18)
    assert bench.truth().faults.lose_answers == 10_000_000


def test_latency_passes_before_the_engine_acts() -> None:
    bench = Bench(regime="calm", latency_ms=200)
    bench.run(1)
    assert bench.place(MNQ).success
    bench.run(0.18)
    assert bench.truth().fills == 0
    bench.run(0.1)
    assert bench.truth().fills == 1


def test_requests_reach_the_engine_in_the_order_they_came() -> None:
    """Jitter may stretch the way, never let one overtake another."""
    bench = Bench(regime="calm", latency_ms=200)
    bench.run(1)
    from services.simulator.words import Call

    for number in range(1, 41):
        asked = venue.PlaceOrder(account_id=ACCOUNT, contract_id=MES, type=2, side=0, size=1)
        bench.tell(Call(call_id=number, request=asked))
    instants = [one.at_ns for one in bench.core._machines.exchange.state.arrivals]
    assert instants == sorted(instants)
    assert len(set(instants)) > 1, "there is jitter"
    bench.run(0.5)
    assert [deal.order_id for deal in bench.truth().trades] == sorted(
        deal.order_id for deal in bench.truth().trades
    )


def test_slippage_setting_worsens_stops() -> None:
    prices = []
    for slippage in (0, 3):
        bench = Bench(regime="trend", stop_slippage_ticks=slippage, seed=5)
        bench.run(1)
        side = 0 if bench.core._machines.markets.synthetic.state.weather.sign > 0 else 1
        away = 1 if side == 0 else -1
        stop = bench.place(
            MNQ, type=4, side=side, stop_price=bench.book("MNQ").last * 0.25 + away * 2
        ).order_id
        bench.run_until(lambda bench=bench, stop=stop: bench.order(stop).status == 2)
        prices.append((bench.order(stop).filled_price, away))
    assert prices[1][0] == prices[0][0] + prices[0][1] * 0.75


def test_pushes_name_the_account(bench: Bench) -> None:
    bench.place()
    bench.run(0.5)
    assert {push.account_id for push in bench.said if isinstance(push, UserPush)} == {ACCOUNT}
