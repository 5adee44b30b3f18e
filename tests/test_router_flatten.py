"""The flatten saga: latched, whole, never stopped by a kill; and what a wish to stop begins."""

from __future__ import annotations

import pytest

from services.order_router import words as w
from shared.events import (
    FlattenProgress,
    FlattenStage,
    OrderState,
    Purpose,
    RiskLevel,
    RiskState,
    Scope,
    Side,
    Stopping,
)
from shared.units import SECOND
from tests.router_stage import closes, flatten, stages
from tests.support.router_bench import Bench, ready, settings
from tests.support.router_venue import M2K, MNQ

S = OrderState

bench = pytest.fixture(ready)


def test_a_book_full_of_everything_is_flat_without_a_single_pulse(bench: Bench) -> None:
    bench.enter(size=2)
    bench.quote(Side.BUY, 20_000)
    bench.quote(Side.SELL, 20_010)
    bench.run(1)
    flatten(bench)
    bench.deliver()  # answers only: no time passes
    assert stages(bench)[-1] == "FLAT"
    assert bench.resting(MNQ) == bench.resting(M2K) == []
    bench.check_agreed()


def test_protection_goes_last(bench: Bench) -> None:
    bench.enter()
    bench.quote(Side.BUY, 19_990)
    bench.run(1)
    flatten(bench)
    order = []
    while bench.requests or bench.arriving:
        while bench.arriving:
            bench.tell(bench.arriving.pop(0))
        if bench.requests:
            request = bench.requests.pop(0)
            if isinstance(request, w.CancelOrder):
                row = bench.venue.orders[request.order_id]
                order.append("leg" if row.parent_id else "quote")
            elif isinstance(request, w.CloseContract):
                order.append("close")
            bench.arriving.append(bench.serve(request))
    assert order[0] == "quote"
    assert order.index("close") < order.index("leg")


def test_entries_are_refused_while_it_lasts_and_after_by_an_old_number(bench: Bench) -> None:
    bench.enter()
    bench.run(0.5)
    flatten(bench)
    refused = bench.enter()
    assert "flatten is under way" in bench.updates(refused.intent_id)[-1].reason
    bench.run(1)
    old = bench.enter(halt_no=bench.halt_no - 1)
    assert bench.state(old.intent_id) is S.REFUSED
    assert bench.state(bench.enter().intent_id) is S.SENT


def test_a_flatten_by_file_voids_every_number_known_so_far(bench: Bench) -> None:
    bench.enter()
    bench.run(0.5)
    bench.tell(w.FlattenRequested(request_id="r7", cause="stop it", who="me"))
    bench.tell(w.FlattenRequested(request_id="r7", cause="stop it", who="me"))
    bench.run(0.5)
    assert [p.stage for p in bench.progress][-1] == "FLAT"
    assert bench.progress[-1].done
    assert {p.request_id for p in bench.progress} == {"r7"}
    beats = [p.beat for p in bench.progress]
    assert beats == sorted(set(beats))
    refused = bench.enter()
    assert "flatten by hand" in bench.updates(refused.intent_id)[-1].reason
    bench.halt_no += 1
    bench.tell(RiskState(halt_no=bench.halt_no, level=RiskLevel.ACTIVE, cause="", since_ns=0))
    assert bench.state(bench.enter().intent_id) is S.SENT


def test_progress_beats_at_least_once_a_second(bench: Bench) -> None:
    bench.enter()
    bench.run(0.5)
    bench.venue.slow_close = True
    bench.tell(w.FlattenRequested(request_id="r8", cause="c", who="me"))
    bench.run(5)
    assert len(bench.progress) >= 5
    assert not bench.progress[-1].done


def test_two_flattens_at_once_close_once(bench: Bench) -> None:
    bench.enter()
    bench.run(0.5)
    flatten(bench)
    bench.tell(w.FlattenRequested(request_id="r9", cause="c", who="me"))
    flatten(bench, Scope.CONTRACT, contract=MNQ)
    flatten(bench, Scope.SLEEVE, sleeve="trend")
    bench.run(1)
    assert len(closes(bench)) == 1
    assert not bench.router.desk.state.sagas
    bench.check_agreed()


def test_one_sleeve_leaves_the_others_alone(bench: Bench) -> None:
    bench.enter()
    bench.quote(Side.BUY, 20_000)
    resting = bench.quote(Side.SELL, 20_030)
    bench.run(1)
    flatten(bench, Scope.SLEEVE, sleeve="trend")
    bench.run(1)
    assert bench.lots(MNQ) == 0
    assert bench.lots(M2K) == 1
    assert bench.state(resting.intent_id) is S.WORKING
    last = [event for event in bench.said if isinstance(event, FlattenProgress)][-1]
    assert (last.scope, last.sleeve, last.stage.value) == (Scope.SLEEVE, "trend", "FLAT")
    bench.check_agreed()


def test_what_is_made_by_hand_is_in_the_accounts_scope_only(bench: Bench) -> None:
    bench.venue.human(M2K, 2)
    bench.run(1)
    flatten(bench, Scope.SLEEVE, sleeve="market_maker")
    bench.run(1)
    assert bench.lots(M2K) == 2
    flatten(bench)
    bench.run(1)
    assert bench.lots(M2K) == 0
    bench.check_agreed()


def test_asked_to_stop_it_flattens_what_is_ours_and_says_when_it_is_proven(bench: Bench) -> None:
    bench.enter()
    bench.quote(Side.BUY, 19_990)
    bench.run(1)
    bench.tell(Stopping(reason="SIGTERM"))
    assert not any(p.done for p in bench.progress)
    bench.run(1)
    assert bench.progress[-1].done
    assert bench.progress[-1].stage == "FLAT"
    assert bench.lots() == 0
    refused = bench.enter()
    assert bench.state(refused.intent_id) is S.REFUSED
    assert bench.router.may_stop()


def test_asked_to_stop_it_leaves_what_was_made_by_hand(bench: Bench) -> None:
    bench.venue.human(M2K, 1)
    bench.run(1)
    bench.tell(Stopping(reason="SIGTERM"))
    bench.run(1)
    assert bench.progress[-1].done
    assert bench.lots(M2K) == 1


def test_with_nothing_to_flatten_it_may_leave_at_once() -> None:
    bench = Bench().start()
    bench.tell(Stopping(reason="SIGTERM"))
    assert bench.progress[-1].done


def test_the_setting_flatten_on_stop_decides() -> None:
    bench = Bench(settings(order_router__flatten_on_stop="false")).start().run(1)
    bench.enter()
    bench.run(1)
    bench.tell(Stopping(reason="SIGTERM"))
    assert bench.progress[-1].done
    assert bench.progress[-1].stage == "LEFT"
    bench.run(1)
    assert bench.lots() == 1
    assert not bench.router.may_stop()


def test_a_flatten_of_a_flat_account_is_proven_all_the_same(bench: Bench) -> None:
    flatten(bench)
    bench.deliver()
    last = [e for e in bench.said if isinstance(e, FlattenProgress)][-1]
    assert last.stage is FlattenStage.FLAT
    assert (last.halt_no, last.scope) == (bench.halt_no, Scope.ACCOUNT)
    assert not closes(bench)


def test_a_deadline_of_real_time_is_not_market_time(bench: Bench) -> None:
    approval = bench.approve(Purpose.ENTRY, Side.BUY)
    bench.now_ns += 3_600 * SECOND  # the market ran on; the wall did not
    bench.tell(approval)
    assert bench.state(approval.intent_id) is S.SENT
