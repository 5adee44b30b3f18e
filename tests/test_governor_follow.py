"""Keeping the books: exposures from approval to answer, fills once, differences named."""

from __future__ import annotations

import msgspec
import pytest

from services.risk_governor.core import Governor
from services.risk_governor.exposure import exposures
from shared.events import (
    AuthorityGranted,
    Fill,
    Flatten,
    OrderApproved,
    OrderState,
    OrderType,
    OrderUpdate,
    OrderVetoed,
    RiskLevel,
    RiskState,
    SleeveBook,
    VetoRule,
)
from shared.units import SECOND
from tests.governor_stage import (
    BUY,
    MES,
    MNQ,
    SELL,
    Stage,
    dollars,
    passed,
    refused,
    settings,
    wide,
)


def test_an_approval_counts_until_the_router_answers() -> None:
    stage = Stage(wide(position=1)).opened()
    first = passed(stage.ask("trend", BUY))
    stage.wait(60)  # far past its deadline
    stage.quote(MNQ)
    assert refused(stage.ask("trend", BUY)) is VetoRule.POSITION
    stage.update(first, OrderState.REFUSED)
    passed(stage.ask("trend", BUY))


def test_a_comparison_begun_before_the_deadline_passed_releases_nothing() -> None:
    stage = Stage(wide(position=1)).opened()
    first = passed(stage.ask("trend", BUY))
    stage.reconcile(live=())
    assert first.intent_id in stage.governor.mind.state.orders
    stage.wait(3)
    stage.reconcile(live=(), as_of_ns=stage.now - 3 * SECOND)
    assert first.intent_id in stage.governor.mind.state.orders
    stage.reconcile(live=())
    assert first.intent_id not in stage.governor.mind.state.orders
    stage.quote(MNQ)
    passed(stage.ask("trend", BUY))


def test_a_complete_comparison_releases_what_it_does_not_list() -> None:
    stage = Stage(wide(position=1)).opened()
    first = passed(stage.ask("trend", BUY))
    stage.update(first, OrderState.UNKNOWN)
    stage.reconcile(live=(first.intent_id,))
    assert refused(stage.ask("trend", BUY)) is VetoRule.POSITION
    stage.reconcile(live=())
    assert [book.working for book in stage.books()] == [()]
    passed(stage.ask("trend", BUY))


def test_an_order_filled_before_its_fill_is_booked_still_counts() -> None:
    stage = Stage(wide(position=1)).opened()
    first = passed(stage.ask("trend", BUY))
    stage.update(first, OrderState.FILLED, filled=1)
    assert refused(stage.ask("trend", BUY)) is VetoRule.POSITION
    stage.fill(first, 84_001)
    assert first.intent_id not in stage.governor.mind.state.orders
    stage.covered(MNQ)
    assert refused(stage.ask("trend", BUY)) is VetoRule.POSITION


def test_a_fill_before_its_order_is_known_is_counted_once() -> None:
    stage = Stage(wide()).opened()
    stage.trade_of(1, 84_001, tag="hand-1")
    stage.no += 1
    from shared.events import OrderType, Purpose

    stage.tell(
        OrderUpdate(
            no=stage.no, tag="hand-1", intent_id="", sleeve="", contract=MNQ, side=BUY, size=1,
            filled=1, state=OrderState.FILLED, purpose=Purpose.HUMAN, type=OrderType.MARKET,
        )
    )  # fmt: skip
    assert stage.governor.mind.state.orders == {}
    assert stage.held(MNQ) == 1


def test_a_cancelled_order_keeps_what_it_filled() -> None:
    stage = Stage(wide(position=3)).opened()
    first = passed(stage.ask("trend", BUY, 3))
    stage.fill(first, 84_001, 1)
    stage.update(first, OrderState.CANCELLED, filled=1)
    assert first.intent_id not in stage.governor.mind.state.orders
    stage.covered(MNQ)
    assert passed(stage.ask("trend", BUY, 2)).size == 2


def test_a_fill_told_twice_is_booked_once() -> None:
    stage = Stage(wide()).opened()
    first = passed(stage.ask("trend", BUY))
    stage.fill(first, 84_001)
    again = stage.story[-1][1]
    assert stage.tell(again) == []
    assert stage.held(MNQ) == 1


def test_a_voided_fill_is_taken_back() -> None:
    stage = Stage(wide()).opened()
    first = passed(stage.ask("trend", BUY))
    stage.fill(first, 84_001)
    told = stage.story[-1][1]
    stage.tell(msgspec.structs.replace(told, voided=True))
    assert stage.held(MNQ) == 0
    assert stage.state().session_net == 0
    assert [book.position for book in stage.books()] == [0]


def test_sleeves_hear_their_orders_fills_and_books_through_us() -> None:
    stage = Stage(wide()).opened()
    first = passed(stage.ask("trend", BUY, 2))
    said = stage.update(first, OrderState.WORKING)
    assert said[0] is stage.story[-1][1]
    (book,) = stage.books()
    assert [order.intent_id for order in book.working] == [first.intent_id]
    assert (book.working[0].state, book.router_no) == (OrderState.WORKING, stage.no)
    said = stage.fill(first, 84_001, 1)
    assert said[0] is stage.story[-1][1]
    (book,) = stage.books()
    assert (book.position, book.cost, book.fees) == (1, 84_001, dollars("0.61"))
    stage.fill(first, 84_003, 1)
    stage.update(first, OrderState.FILLED, filled=2)
    (book,) = stage.books()
    assert (book.position, book.cost, book.working) == (2, 168_004, ())
    stage.filled(stage.ask_exit("trend", SELL, 2), 84_010)
    (book,) = stage.books()
    assert (book.position, book.realised, book.fees) == (0, dollars(8), dollars("2.44"))


def test_what_a_hand_does_is_not_told_to_sleeves() -> None:
    stage = Stage(wide()).opened()
    said = stage.trade_of(1, 84_001)
    assert not [event for event in said if isinstance(event, Fill | SleeveBook)]


def test_a_newer_incarnation_takes_over_with_the_books() -> None:
    stage = Stage(wide()).opened()
    entry = stage.bought("trend")
    rests = passed(stage.ask("trend", BUY))
    stage.update(rests, OrderState.WORKING)
    (granted,) = stage.present("trend", 9)
    assert isinstance(granted, AuthorityGranted)
    (book,) = granted.books
    assert (granted.incarnation, book.position) == (9, 1)
    assert [order.intent_id for order in book.working] == [
        entry.intent_id + "-SL", rests.intent_id,
    ]  # fmt: skip
    assert stage.present("trend", 9) == []
    assert stage.present("trend", 8) == []
    passed(stage.ask_exit("trend", SELL, incarnation=9))


# -- differences -----------------------------------------------------------------------------------


def test_books_that_differ_stop_new_risk_until_explained() -> None:
    stage = Stage(wide()).opened()
    stage.reconcile(positions={MES: 1})
    assert stage.level() is RiskLevel.REDUCE_ONLY
    assert MES in stage.state().cause
    assert refused(stage.ask("trend", BUY)) is VetoRule.REDUCE_ONLY
    stage.reconcile()
    assert stage.level() is RiskLevel.ACTIVE


def test_a_position_update_that_differs_stops_new_risk_too() -> None:
    stage = Stage(wide()).opened()
    from shared.events import PositionUpdate

    stage.no += 1
    stage.tell(PositionUpdate(no=stage.no, contract=MNQ, position=1, cost=0, protected=0))
    assert stage.level() is RiskLevel.REDUCE_ONLY


def test_a_difference_nobody_explains_ends_flat_and_is_written_off() -> None:
    stage = Stage(wide()).opened()
    stage.bought("trend")
    stage.reconcile(positions={})
    said = stage.wait(59)
    assert not [event for event in said if isinstance(event, Flatten)]
    said = stage.wait(3)
    assert len([event for event in said if isinstance(event, Flatten)]) == 1
    stage.proven_flat()
    assert stage.level() is RiskLevel.REDUCE_ONLY
    stage.reconcile(positions={}, live=(), balance=49_900)
    assert stage.held(MNQ) == 0
    assert stage.level() is RiskLevel.ACTIVE
    assert stage.state().session_net == -dollars(100)  # the venue's balance holds what we missed


# -- memory ----------------------------------------------------------------------------------------


def a_day() -> Stage:
    """A story through most of what a governor remembers."""
    from services.risk_governor.words import FlattenRequested, Verb

    stage = Stage(wide(orders_per_window=30)).opened()
    entry = stage.bought("trend", 2)
    stage.leg(entry, "-TP", limit_price=84_100)
    rests = passed(stage.quote_order(BUY, 23_990))
    stage.update(rests, OrderState.WORKING)
    stage.ask("mean_reversion", BUY, contract=MES, stop_loss_ticks=None)
    stage.ask("mean_reversion", BUY, contract=MES)
    stage.quote(MNQ, 84_020)
    first = stage.ask_exit("trend", SELL)
    stage.ask_exit("trend", SELL, 2)
    stage.update(first, OrderState.CANCELLED)
    stage.trade_of(1, 84_000, side=SELL)
    stage.operator(Verb.PAUSE)
    stage.wait(1)
    stage.operator(Verb.START)
    stage.modify("trend", entry.intent_id + "-SL", stop_price=83_990)
    stage.reconcile()
    stage.quote(MNQ, 82_000)
    stage.tell(FlattenRequested(request_id="r", who="ann", cause="enough"))
    stage.wait(4)
    stage.close_all()
    stage.present("trend", 8)
    stage.ask("trend", BUY, incarnation=8)
    stage.operator(Verb.RESUME)
    return stage


def test_the_story_of_the_day_covers_every_answer() -> None:
    kinds = {type(event) for event in a_day().heard}
    assert {OrderApproved, OrderVetoed, Flatten, SleeveBook, RiskState, AuthorityGranted} <= kinds


def test_a_restart_at_every_step_leaves_no_trace() -> None:
    stage = a_day()
    whole = Governor(stage.settings)
    expected = [list(whole.on(now, event)) for now, event in stage.story]
    assert [event for said in expected for event in said] == stage.heard
    running = Governor(stage.settings)
    for cut, (now, event) in enumerate(stage.story):
        reborn = Governor(stage.settings)
        reborn.restore(running.snapshot())
        assert reborn.snapshot() == running.snapshot(), cut
        running = reborn
        assert list(running.on(now, event)) == expected[cut], (cut, event)
    assert running.snapshot() == whole.snapshot()


def test_a_snapshot_of_something_else_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        Governor(settings()).restore(msgspec.msgpack.encode({"halt_no": "x"}))


def test_recorded_words_are_taken_as_facts_under_other_code() -> None:
    stage = a_day()
    folded = Governor(stage.settings)
    for said in stage.heard:
        folded.recall(stage.now, said)
    state = folded.mind.state
    assert state.sleeves["trend"].incarnation == 8
    assert state.halt_no == stage.state().halt_no
    approved = {event.intent_id for event in stage.heard if isinstance(event, OrderApproved)}
    assert approved == set(state.orders)  # none is answered yet
    assert any(latch.rests is RiskLevel.HALTED for latch in state.latches.values())


def test_folding_inputs_and_words_together_counts_each_order_once() -> None:
    stage = a_day()
    folded = Governor(stage.settings)
    for now, event in stage.story:
        for said in folded.on(now, event):
            folded.recall(now, said)
    assert folded.snapshot() == stage.governor.snapshot()


def test_memory_stays_small_over_a_long_day() -> None:
    stage = Stage(wide()).opened()
    for _ in range(300):
        stage.quote(MNQ)
        order = stage.ask("trend", BUY)
        stage.filled(order, 84_001)
        stage.filled(stage.ask_exit("trend", SELL), 84_001)
    state = stage.governor.mind.state
    assert state.orders == {}
    assert len(state.sleeves["trend"].answers) <= 128
    stage.reconcile()
    assert state.early == {}
    assert len(stage.governor.snapshot()) < 200_000


def test_an_order_is_counted_anew_where_its_update_names_another_contract() -> None:
    stage = Stage(wide()).opened()
    order = passed(stage.ask("trend", BUY, type=OrderType.LIMIT, limit_price=83_990))
    stage.update(order, OrderState.UNKNOWN)
    mind = stage.governor.mind
    before = exposures(mind)[MNQ].unknown, len(exposures(mind)[MNQ].doubtful)
    stage.update(order, OrderState.WORKING, contract=MES)
    assert before == (1, 1)
    assert (exposures(mind)[MNQ].unknown, exposures(mind)[MNQ].doubtful) == (0, [])
