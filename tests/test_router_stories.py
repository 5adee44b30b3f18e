"""The router told as stories: what it is told, what the venue does, what it says. Fair weather."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from services.order_router import words as w
from services.order_router.core import Router
from shared.events import (
    AccountUpdate,
    CancelApproved,
    ClockJump,
    FlattenProgress,
    FlattenStage,
    ModifyApproved,
    OrderState,
    OrderType,
    OrderUpdate,
    PeerBack,
    PeerSilent,
    PositionUpdate,
    Purpose,
    RiskLevel,
    RiskState,
    Side,
    Started,
    VenueState,
)
from shared.units import SECOND
from shared.venue.codes import VenueOrderStatus as Status
from tests.support.router_venue import M2K, MNQ, QUARTER, Bench, account_row, settings

S = OrderState


@pytest.fixture
def bench() -> Bench:
    return Bench().start().run(1)


def states(bench: Bench, intent_id: str) -> list[OrderState]:
    found = [update.state for update in bench.updates(intent_id)]
    return [state for i, state in enumerate(found) if i == 0 or found[i - 1] is not state]


def cancel(bench: Bench, target: str, contract: str = MNQ) -> None:
    bench.n += 1
    bench.tell(
        CancelApproved(
            intent_id=f"trend.77.{bench.n}",
            target=target,
            sleeve="trend",
            contract=contract,
            reason="asked for",
        )
    )


def modify(bench: Bench, target: str, **prices: Any) -> None:
    bench.n += 1
    bench.tell(
        ModifyApproved(
            intent_id=f"trend.77.{bench.n}",
            target=target,
            sleeve="trend",
            contract=MNQ,
            halt_no=prices.pop("halt_no", bench.halt_no),
            deadline_real_ns=prices.pop("deadline_real_ns", bench.real_ns + 2 * SECOND),
            **prices,
        )
    )


def words(bench: Bench, kind: type) -> list[Any]:
    return [word for _, _, said in bench.tape for word in said if isinstance(word, kind)]


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


# -- protection ----------------------------------------------------------------------------------


def net_stops(bench: Bench) -> list[tuple[int, int | None]]:
    return [(o.size, o.stop_price) for o in bench.resting(M2K) if o.type is OrderType.STOP]


def test_one_stop_stands_under_quotes_and_follows_the_position(bench: Bench) -> None:
    bench.quote(Side.BUY, 20_000, 1)
    bench.run(0.5)
    assert net_stops(bench) == [(1, 19_960)]
    bench.venue.move(M2K, 19_990)
    bench.quote(Side.BUY, 19_990, 1)
    bench.run(0.5)
    assert net_stops(bench) == [(2, 19_955)]
    bench.venue.move(M2K, 20_010)
    bench.quote(Side.SELL, 20_010, 2)
    bench.run(1)
    assert bench.lots(M2K) == 0
    assert net_stops(bench) == []
    bench.check_agreed()


def test_the_stop_turns_with_the_position(bench: Bench) -> None:
    bench.quote(Side.BUY, 20_000, 1)
    bench.run(0.5)
    bench.quote(Side.SELL, 20_000, 2)
    bench.run(1)
    assert bench.lots(M2K) == -1
    assert net_stops(bench) == [(1, 20_040)]
    bench.check_agreed()


def test_a_stop_that_cannot_be_changed_is_replaced(bench: Bench) -> None:
    bench.quote(Side.BUY, 20_000, 1)
    bench.run(0.5)
    bench.venue.refuse_changes = 1
    bench.quote(Side.BUY, 20_000, 1)
    bench.run(2)
    assert net_stops(bench) == [(2, 19_960)]
    bench.check_agreed()


def test_a_stop_the_venue_refuses_closes_the_contract(bench: Bench) -> None:
    bench.venue.refuse = ["", "Invalid price. Price is outside allowed range."]
    bench.quote(Side.BUY, 20_000, 1)
    bench.run(2)
    assert bench.lots(M2K) == 0
    assert bench.venue.lots[M2K] == 0
    closes = [e for e in bench.said if isinstance(e, FlattenProgress)]
    assert "the stop was refused" in closes[0].cause
    bench.check_agreed()


def test_legs_that_do_not_come_are_replaced_and_the_gap_is_measured(bench: Bench) -> None:
    bench.venue.brackets_work = False
    bench.enter()
    bench.run(0.25)
    naked = [e for e in bench.said if isinstance(e, PositionUpdate)][-1]
    assert naked.unprotected_since_ns
    bench.run(2)
    last = [e for e in bench.said if isinstance(e, PositionUpdate)][-1]
    assert (last.protected, last.unprotected_since_ns) == (1, 0)
    assert any(o.type is OrderType.STOP for o in bench.resting())


def test_a_position_naked_for_too_long_is_closed(bench: Bench) -> None:
    bench.venue.brackets_work = False
    bench.enter()
    bench.deliver()
    for _ in range(20):  # every request about it vanishes
        bench.pulse()
        bench.requests = [r for r in bench.requests if not isinstance(r, w.PlaceReducing)]
        bench.deliver()
    assert bench.venue.lots[MNQ] == 0
    assert any(isinstance(e, FlattenProgress) and "unprotected" in e.cause for e in bench.said)


def test_quotes_go_when_the_hub_goes_because_their_fills_could_not_be_protected(
    bench: Bench,
) -> None:
    quote = bench.quote(Side.BUY, 19_990)
    bench.run(0.5)
    bench.tell(w.Link(up=False, reason="hub dropped"))
    bench.run(1.5)
    assert bench.state(quote.intent_id) is S.CANCELLED, "found by reading"
    assert bench.status().state is VenueState.DOWN
    bench.tell(w.Link(up=True))
    bench.run(1)
    assert bench.status().state is VenueState.READY


def test_after_a_clock_jump_everything_is_doubted(bench: Bench) -> None:
    quote = bench.quote(Side.BUY, 19_990)
    bench.run(0.5)
    said = bench.tell(ClockJump(slept_ns=3_600 * SECOND))
    assert any(isinstance(word, w.Reconnect) for word in said)
    refused = bench.quote(Side.BUY, 19_980)
    assert bench.state(refused.intent_id) is S.REFUSED
    bench.run(1)
    assert bench.state(quote.intent_id) is S.CANCELLED
    assert bench.status().state is VenueState.READY


# -- exits ---------------------------------------------------------------------------------------


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


# -- the core as a core --------------------------------------------------------------------------


def test_what_it_says_is_declared(bench: Bench) -> None:
    bench.enter()
    bench.quote(Side.BUY, 20_000)
    bench.run(2)
    for _, _, said in bench.tape:
        for word in said:
            assert isinstance(word, Router.publishes) or type(word) in Router.words


def test_a_snapshot_cannot_be_told_from_the_core_it_was_taken_of(bench: Bench) -> None:
    bench.enter()
    bench.run(0.5)
    twin = Router(bench.config)
    twin.restore(bench.router.snapshot())
    assert twin.snapshot() == bench.router.snapshot()
    bench.restart()
    bench.run(1)
    bench.check_agreed()


def test_memory_is_bounded(bench: Bench) -> None:
    bench.run(1)
    for n in range(700):
        quote = bench.quote(Side.BUY if n % 2 else Side.SELL, 20_000)
        bench.deliver()
        if n % 10 == 0:
            bench.pulse()
            bench.deliver()
        assert bench.updates(quote.intent_id)
        bench.said.clear()
        bench.tape.clear()
    state = bench.router.desk.state
    assert len(state.done) <= 512
    assert len(state.by_id) <= 612
    assert len(state.by_intent) <= 612


def test_late_fill_after_a_cancel_counts(bench: Bench) -> None:
    quote = bench.quote(Side.BUY, 19_990)
    bench.run(0.5)
    order_id = bench.venue.tags[quote.tag]
    cancel(bench, quote.intent_id, M2K)
    bench.venue.fill(order_id, 1)
    bench.run(2)
    assert bench.state(quote.intent_id) is S.FILLED
    assert bench.lots(M2K) == 1
    assert net_stops(bench), "and is protected"
    bench.check_agreed()


def test_a_trade_before_its_order_is_known_waits_for_it(bench: Bench) -> None:
    quote = bench.quote(Side.BUY, 20_000)
    bench.arriving.append(bench.serve(bench.requests.pop(0)))
    trades = [x for x in bench.arriving if isinstance(x, w.TradeSeen)]
    others = [x for x in bench.arriving if not isinstance(x, w.TradeSeen)]
    bench.tell(trades[0])
    assert bench.fills() == []
    for word in others:
        bench.tell(word)
    assert [fill.intent_id for fill in bench.fills()] == [quote.intent_id]
    bench.arriving.clear()
    bench.run(1)
    bench.check_agreed()


def test_what_only_other_code_decided_is_refused_again_when_that_life_is_told_again() -> None:
    """The life begins with a snapshot; whoever tells it again has that one alone."""
    bench = Bench().start().run(1)
    life, again = Router(bench.config), Router(bench.config)
    life.restore(bench.router.snapshot())
    approval = bench.approve(Purpose.ENTRY, Side.BUY)
    assert any(isinstance(word, w.PlaceOrder) for word in life.on(bench.now_ns, approval))
    life.recall(bench.now_ns, bench.status())  # all that is on record as the answer
    again.restore(life.snapshot())
    started = Started(epoch=1_700_000_002, fresh=False, changed=True)
    said = list(life.on(bench.now_ns, started))
    refused = [e for e in said if isinstance(e, OrderUpdate) and e.state is S.REFUSED]
    assert [update.intent_id for update in refused] == [approval.intent_id]
    assert list(again.on(bench.now_ns, started)) == said
    assert again.snapshot() == life.snapshot()


def test_partial_fills_add_up(bench: Bench) -> None:
    quote = bench.quote(Side.BUY, 19_990, 3)
    bench.run(0.5)
    order_id = bench.venue.tags[quote.tag]
    bench.venue.fill(order_id, 1)
    bench.run(0.5)
    assert bench.state(quote.intent_id) is S.PARTIAL
    assert net_stops(bench) == [(1, 19_950)]
    bench.venue.fill(order_id, 2)
    bench.run(1)
    assert bench.state(quote.intent_id) is S.FILLED
    assert net_stops(bench) == [(3, 19_950)]
    bench.check_agreed()


def test_progress_of_time_alone_says_little(bench: Bench) -> None:
    bench.run(5)
    quiet = [said for _, _, said in bench.tape[-4:]]
    assert sum(len(said) for said in quiet) <= 4
    assert QUARTER * 4 == SECOND


def test_legs_suspended_are_not_mistaken_for_missing(bench: Bench) -> None:
    entry = bench.enter(type=OrderType.STOP, stop_price=80_100)
    bench.run(25)
    assert bench.state(f"{entry.intent_id}-SL") is S.SUSPENDED
    assert {o.status for o in bench.resting()} == {Status.OPEN, Status.SUSPENDED}
    bench.check_agreed()


def test_stuck_is_said_when_it_takes_long(bench: Bench) -> None:
    bench.venue.human(MNQ, 1)
    bench.run(0.5)
    bench.venue.refuse_closes = 10_000
    bench.venue.refuse = ["paused"] * 1_000
    bench.tell(w.FlattenRequested(request_id="r1", cause="test", who="me"))
    bench.run(40)
    stages = {e.stage for e in bench.said if isinstance(e, FlattenProgress)}
    assert FlattenStage.STUCK in stages
