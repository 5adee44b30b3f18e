"""The router told as stories: what it is told, what the venue does, what it says. Fair weather."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from services.order_router import words as w
from shared.events import (
    AccountUpdate,
    OrderState,
    OrderType,
    PeerBack,
    PeerSilent,
    PositionUpdate,
    Purpose,
    RiskLevel,
    RiskState,
    Side,
    VenueState,
)
from shared.units import SECOND
from tests.router_stage import cancel, modify, net_stops, states, words
from tests.support.router_bench import Bench, ready, settings
from tests.support.router_venue import M2K, MNQ, account_row

S = OrderState

bench = pytest.fixture(ready)


# -- connecting ----------------------------------------------------------------------------------


def test_it_becomes_ready_only_after_a_read_that_agrees(bench: Bench) -> None:
    seen = [e.state for e in bench.said if hasattr(e, "quota_left")]
    assert seen[0] is VenueState.CONNECTING
    assert VenueState.RECONCILING in seen
    assert seen[-1] is VenueState.READY
    assert bench.reconciled().difference == ""


def test_the_account_is_found_by_name_never_the_first() -> None:
    bench = Bench().start()
    bench.tell(w.AccountsSeen(accounts=(account_row(name="OTHER", account_id=1),)))
    status = bench.status()
    assert status.state is VenueState.DOWN
    assert "'SIM-50K-1' is not there" in status.reason
    assert "OTHER" in status.reason
    approval = bench.enter()
    assert bench.state(approval.intent_id) is S.REFUSED


def test_an_account_that_is_not_simulated_is_refused() -> None:
    bench = Bench().start()
    bench.tell(w.AccountsSeen(accounts=(account_row(simulated=False),)))
    assert bench.status().state is VenueState.DOWN
    assert "not simulated" in bench.status().reason
    assert not words(bench, w.ReadBooks)[1:], "nothing is asked of it any more"


def test_an_account_update_is_told_when_it_changes(bench: Bench) -> None:
    before = sum(isinstance(e, AccountUpdate) for e in bench.said)
    bench.tell(w.AccountSeen(row=account_row()))
    assert sum(isinstance(e, AccountUpdate) for e in bench.said) == before
    bench.tell(w.AccountSeen(row=account_row(balance=1)))
    assert sum(isinstance(e, AccountUpdate) for e in bench.said) == before + 1


# -- the one answer ------------------------------------------------------------------------------


def test_an_approved_entry_is_sent_once_fills_and_is_protected(bench: Bench) -> None:
    approval = bench.enter()
    bench.run(0.5)
    assert states(bench, approval.intent_id) == [S.SENT, S.WORKING, S.FILLED]
    stop = bench.updates(f"{approval.intent_id}-SL")[-1]
    assert (stop.state, stop.stop_price) == (S.WORKING, 80_000 - 40)
    assert stop.parent_intent_id == approval.intent_id
    assert bench.updates(f"{approval.intent_id}-TP")[-1].limit_price == 80_080
    last = [e for e in bench.said if isinstance(e, PositionUpdate)][-1]
    assert (last.position, last.protected, last.unprotected_since_ns) == (1, 1, 0)
    bench.check_agreed()


def test_the_answer_comes_before_the_request(bench: Bench) -> None:
    said = bench.tell(bench.approve(Purpose.ENTRY, Side.BUY, stop_loss_ticks=40))
    kinds = [type(word).__name__ for word in said]
    assert kinds.index("OrderUpdate") < kinds.index("PlaceOrder")


def test_a_repeated_approval_gets_no_second_answer(bench: Bench) -> None:
    approval = bench.enter()
    assert bench.tell(approval) == []
    bench.run(0.5)
    assert len(bench.venue.tag_attempts) == 1


def test_a_refused_id_can_never_be_sent(bench: Bench) -> None:
    late = bench.approve(Purpose.ENTRY, Side.BUY, deadline_real_ns=bench.real_ns - 1)
    bench.tell(late)
    assert "deadline" in bench.updates(late.intent_id)[-1].reason
    bench.tell(replace(late, deadline_real_ns=bench.real_ns + SECOND))
    bench.run(0.5)
    assert states(bench, late.intent_id) == [S.REFUSED]
    assert not bench.venue.orders


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"halt_no": 0}, "halt number 0 is void"),
        ({"purpose": Purpose.NET_STOP}, "router's own"),
        ({"size": 0}, "size was 0"),
        ({"tag": ""}, "tag was ''"),
        ({"tag": "t" * 61}, "60 characters"),
        ({"contract": "CON.F.US.QQQ.Z26"}, "QQQ"),
    ],
)
def test_what_no_longer_stands_is_refused(bench: Bench, change: Any, reason: str) -> None:
    approval = replace(bench.approve(Purpose.ENTRY, Side.BUY), **change)
    bench.tell(approval)
    update = bench.updates(approval.intent_id)[-1]
    assert update.state is S.REFUSED
    assert reason in update.reason
    assert not bench.requests


def test_a_tag_is_used_once(bench: Bench) -> None:
    first = bench.enter()
    second = replace(bench.approve(Purpose.ENTRY, Side.BUY), tag=first.tag)
    bench.tell(second)
    assert "used before" in bench.updates(second.intent_id)[-1].reason


def test_a_port_that_held_the_order_back_proves_that_it_never_left(bench: Bench) -> None:
    approval = bench.enter()
    bench.requests.clear()
    bench.tell(w.PlaceAnswer(tag=approval.tag, outcome=w.Outcome.NOT_SENT, text="deadline"))
    assert states(bench, approval.intent_id) == [S.SENT, S.ABSENT]
    bench.check_agreed()


def test_a_rejection_carries_the_venues_own_text(bench: Bench) -> None:
    text = "Brackets cannot be used with Position Brackets. You must enable Auto OCO Brackets."
    bench.venue.refuse.append(text)
    approval = bench.enter()
    bench.run(0.5)
    assert bench.state(approval.intent_id) is S.REJECTED
    assert text in [update.reason for update in bench.updates(approval.intent_id)]
    bench.check_agreed()


# -- the governor --------------------------------------------------------------------------------


def test_when_the_governor_is_silent_what_can_open_goes_and_protection_stays(
    bench: Bench,
) -> None:
    bench.enter()
    bench.run(0.5)
    quote = bench.quote(Side.BUY, 19_990)
    bench.run(0.5)
    bench.tell(PeerSilent(actor="risk_governor"))
    bench.run(0.5)
    assert bench.state(quote.intent_id) is S.CANCELLED
    assert len(bench.resting(MNQ)) == 2, "stop and target of the position"
    refused = bench.enter()
    assert "silent" in bench.updates(refused.intent_id)[-1].reason
    bench.tell(PeerBack(actor="risk_governor", epoch=5))
    accepted = bench.quote(Side.BUY, 19_990)
    assert bench.state(accepted.intent_id) is S.SENT
    bench.run(0.5)
    bench.check_agreed()


def test_an_order_whose_answer_comes_after_the_silence_began_goes_too(bench: Bench) -> None:
    quote = bench.quote(Side.BUY, 19_990)
    bench.tell(PeerSilent(actor="risk_governor"))
    bench.run(1)
    assert bench.state(quote.intent_id) is S.CANCELLED


def test_an_exit_is_accepted_while_the_governor_is_silent(bench: Bench) -> None:
    bench.enter()
    bench.run(0.5)
    bench.tell(PeerSilent(actor="risk_governor"))
    bench.exit(Side.SELL)
    bench.run(0.5)
    assert bench.lots() == 0


def test_a_cancel_asked_before_the_id_is_known_is_sent_when_it_is(bench: Bench) -> None:
    quote = bench.quote(Side.BUY, 19_990)
    cancel(bench, quote.intent_id, M2K)
    assert not words(bench, w.CancelOrder)
    bench.run(0.5)
    assert bench.state(quote.intent_id) is S.CANCELLED
    bench.check_agreed()


def test_a_sleeve_trails_its_stop(bench: Bench) -> None:
    approval = bench.enter()
    bench.run(0.5)
    modify(bench, f"{approval.intent_id}-SL", stop_price=79_990)
    bench.run(0.5)
    assert bench.updates(f"{approval.intent_id}-SL")[-1].stop_price == 79_990
    bench.venue.move(MNQ, 79_990)
    bench.run(1)
    assert bench.lots() == 0
    bench.check_agreed()


def test_an_old_event_after_a_change_does_not_bring_the_old_price_back(bench: Bench) -> None:
    approval = bench.enter()
    bench.run(0.5)
    stop = next(o for o in bench.resting() if o.type is OrderType.STOP)
    modify(bench, f"{approval.intent_id}-SL", stop_price=79_990)
    bench.run(0.5)
    bench.tell(w.OrderSeen(row=stop))
    assert bench.router.desk.by_id(stop.order_id).stop_price == 79_990  # type: ignore[union-attr]


@pytest.mark.parametrize("change", [{"halt_no": 0}, {"deadline_real_ns": 1}])
def test_a_change_that_no_longer_stands_is_told_and_not_sent(bench: Bench, change: Any) -> None:
    approval = bench.enter()
    bench.run(0.5)
    modify(bench, f"{approval.intent_id}-SL", stop_price=79_990, **change)
    assert "change refused" in bench.updates(f"{approval.intent_id}-SL")[-1].reason
    assert not words(bench, w.ModifyOrder)


def test_the_newest_halt_number_reaches_the_port(bench: Bench) -> None:
    said = bench.tell(RiskState(halt_no=9, level=RiskLevel.HALTED, cause="x", since_ns=0))
    assert w.KnowHalt(halt_no=9) in said


# -- other hands ---------------------------------------------------------------------------------


def test_what_is_made_by_hand_is_known_as_such(bench: Bench) -> None:
    bench.venue.human(M2K, 2)
    bench.run(0.5)
    fill = bench.fills()[-1]
    assert (fill.sleeve, fill.purpose, fill.size) == ("", Purpose.HUMAN, 2)
    assert net_stops(bench) == [], "no orders of ours for a position made by hand"
    bench.check_agreed()


def test_a_position_closed_by_hand_is_told_to_its_sleeve_and_its_legs_go(bench: Bench) -> None:
    bench.enter()
    bench.run(0.5)
    bench.venue.human(MNQ, -1)
    bench.run(2)
    fill = bench.fills()[-1]
    assert (fill.sleeve, fill.purpose) == ("trend", Purpose.HUMAN)
    assert bench.resting() == []
    bench.check_agreed()


def test_a_trade_by_hand_beyond_the_sleeves_part_is_split(bench: Bench) -> None:
    bench.enter()
    bench.run(0.5)
    bench.venue.human(MNQ, -3)
    bench.run(1)
    first, second = bench.fills()[-2:]
    assert (first.sleeve, first.size) == ("trend", 1)
    assert (second.sleeve, second.size) == ("", 2)
    assert second.trade_id == -first.trade_id
    assert first.fee + second.fee == 3 * 610_000
    bench.check_agreed()


def test_a_voided_trade_is_taken_back(bench: Bench) -> None:
    bench.venue.human(M2K, 1)
    bench.run(0.5)
    fill = bench.fills()[-1]
    bench.venue.void(fill.trade_id)
    bench.run(0.5)
    assert bench.fills()[-1] == replace(fill, no=bench.fills()[-1].no, voided=True)
    assert bench.lots(M2K) == 0
    bench.check_agreed()


# -- arming --------------------------------------------------------------------------------------


def test_off_the_simulator_it_decides_and_sends_nothing_until_armed() -> None:
    from shared.events import Armed

    bench = Bench(settings(venue__environment="DEMO")).start().run(1)
    assert bench.status().state is VenueState.DISARMED
    refused = bench.enter()
    assert "DISARMED" in bench.updates(refused.intent_id)[-1].reason
    bench.tell(Armed(account="ANOTHER", until_ns=bench.now_ns + 60 * SECOND, by="me"))
    assert bench.status().state is VenueState.DISARMED
    bench.tell(Armed(account="SIM-50K-1", until_ns=bench.now_ns + 2 * SECOND, by="me"))
    assert bench.status().state is VenueState.READY
    assert bench.state(bench.enter().intent_id) is S.SENT
    bench.run(3)
    assert bench.status().state is VenueState.DISARMED


def test_status_is_told_about_once_a_second(bench: Bench) -> None:
    before = sum(hasattr(e, "quota_left") for e in bench.said)
    bench.run(10)
    told = sum(hasattr(e, "quota_left") for e in bench.said) - before
    assert 9 <= told <= 11
