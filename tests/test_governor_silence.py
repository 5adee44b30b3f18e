"""Restarts, clocks that jump and whoever falls silent: what is withdrawn, flattened, or kept."""

from __future__ import annotations

from services.risk_governor.words import Verb
from shared.events import (
    ClockJump,
    FeedState,
    FeedStatus,
    Flatten,
    OrderState,
    OrderType,
    PeerBack,
    PeerSilent,
    Pulse,
    RiskLevel,
    RiskState,
    Scope,
    Started,
    VetoRule,
)
from shared.units import SECOND
from tests.governor_stage import BUY, M2K, MNQ, OPENING, SELL, Stage, passed, refused, wide


def test_other_code_reduces_only_until_reconciled() -> None:
    stage = Stage().opened()
    stage.tell(Started(epoch=OPENING // SECOND + 60, fresh=False, changed=True))
    assert stage.level() is RiskLevel.REDUCE_ONLY
    stage.reconcile(as_of_ns=stage.now - SECOND)
    assert stage.level() is RiskLevel.REDUCE_ONLY
    stage.reconcile()
    assert stage.level() is RiskLevel.ACTIVE


def test_a_plain_restart_keeps_the_level() -> None:
    stage = Stage().opened()
    stage.tell(Started(epoch=OPENING // SECOND + 60, fresh=False))
    assert stage.level() is RiskLevel.ACTIVE
    stage.operator(Verb.HALT)
    stage.tell(Started(epoch=OPENING // SECOND + 90, fresh=False))
    assert stage.level() is RiskLevel.HALTED


def test_a_clock_that_jumped_voids_approvals_until_reconciled() -> None:
    stage = Stage().opened()
    before = stage.state().halt_no
    stage.tell(ClockJump(slept_ns=60 * SECOND))
    assert stage.state().halt_no > before
    assert refused(stage.ask("trend", BUY)) is VetoRule.REDUCE_ONLY
    stage.reconcile()
    assert refused(stage.ask("trend", BUY)) is VetoRule.FEED  # what was quoted before is not fresh
    stage.quote(MNQ)
    passed(stage.ask("trend", BUY))


def test_a_silent_sleeve_loses_its_entries_and_keeps_its_stop() -> None:
    stage = Stage(wide()).opened()
    entry = stage.bought("trend")
    quoting = passed(stage.quote_order(BUY, 23_990))
    rests = passed(stage.ask("trend", BUY, type=OrderType.LIMIT, limit_price=83_980))
    stage.update(rests, OrderState.WORKING)
    stage.tell(PeerSilent(actor="sleeve_trend"))
    assert stage.cancelled() == [rests.intent_id]
    assert entry.intent_id + "-SL" in stage.governor.mind.state.orders
    assert stage.cancelled(stage.wait(1)) == []  # asked once
    assert stage.cancelled(stage.wait(6)) == [rests.intent_id]  # and again when it had no effect
    assert quoting.intent_id in stage.governor.mind.state.orders
    stage.tell(PeerBack(actor="sleeve_trend", epoch=1))
    assert stage.cancelled(stage.wait(6)) == []


def test_a_feed_that_is_down_withdraws_quotes_and_after_a_grace_flattens() -> None:
    """V80: vetoed at once, no flatten at 5 s, one after 10 s; on return limits come first."""
    stage = Stage(wide()).opened()
    stage.bought("trend")
    rests = passed(stage.quote_order(BUY, 23_990))
    stage.update(rests, OrderState.WORKING)
    stage.tell(FeedStatus(state=FeedState.FROZEN, since_ns=stage.now))
    assert stage.cancelled() == [rests.intent_id]
    said = stage.wait(9.5)
    assert not [event for event in said if isinstance(event, Flatten)]
    said = stage.wait(1)
    assert len([event for event in said if isinstance(event, Flatten)]) == 1
    stage.update(rests, OrderState.CANCELLED)
    stage.close_all()
    assert stage.level() is RiskLevel.REDUCE_ONLY
    assert stage.state().clears == "feed"
    stage.tell(FeedStatus(state=FeedState.UP, since_ns=stage.now))
    stage.pulse()
    assert stage.level() is RiskLevel.ACTIVE


def test_a_feed_back_in_time_is_no_reason_to_flatten() -> None:
    stage = Stage(wide()).opened()
    stage.bought("trend")
    for _ in range(3):
        stage.tell(FeedStatus(state=FeedState.DOWN, since_ns=stage.now))
        stage.wait(6)
        stage.tell(FeedStatus(state=FeedState.UP, since_ns=stage.now))
        stage.wait(1)
    assert stage.level() is RiskLevel.ACTIVE


def test_a_dead_gateway_is_a_dead_feed_and_a_quiet_market_is_not() -> None:
    stage = Stage(wide()).opened()
    stage.bought("trend")
    stage.wait(60)
    assert stage.level() is RiskLevel.ACTIVE
    stage.tell(PeerSilent(actor="market_data_gateway"))
    stage.wait(11)
    assert stage.level() is RiskLevel.FLATTENING


def test_the_gap_mark_is_judged_before_anything_else() -> None:
    stage = Stage(wide()).opened()
    stage.bought("trend")
    stage.tell(FeedStatus(state=FeedState.FROZEN, since_ns=stage.now))
    stage.wait(5)
    stage.quote(MNQ, 82_000)
    assert "daily loss" in stage.state().cause
    stage.tell(FeedStatus(state=FeedState.UP, since_ns=stage.now))
    assert refused(stage.ask("mean_reversion", BUY)) is VetoRule.HALTED


def test_an_unprotected_position_is_closed_in_its_contract() -> None:
    stage = Stage(wide()).opened()
    stage.filled(stage.ask("trend", BUY), 84_001)
    stage.covered(MNQ, protected=0)
    assert not [event for event in stage.wait(2.75) if isinstance(event, Flatten)]
    (flatten,) = [event for event in stage.wait(1) if isinstance(event, Flatten)]
    assert (flatten.scope, flatten.contract) == (Scope.CONTRACT, MNQ)
    assert stage.level() is RiskLevel.ACTIVE
    assert refused(stage.ask("trend", BUY)) is VetoRule.REDUCE_ONLY
    assert not [event for event in stage.wait(5) if isinstance(event, Flatten)]
    stage.trade_of(1, 84_000, side=SELL, sleeve="trend")
    stage.covered(MNQ)
    stage.quote(MNQ)
    passed(stage.ask("trend", BUY))


def test_a_position_nobody_reports_on_counts_as_unprotected() -> None:
    stage = Stage(wide()).opened()
    stage.filled(stage.ask("trend", BUY), 84_001)
    assert [event.contract for event in stage.wait(4) if isinstance(event, Flatten)] == [MNQ]


def test_a_stop_in_time_keeps_the_position() -> None:
    stage = Stage(wide()).opened()
    stage.filled(stage.ask("trend", BUY), 84_001)
    stage.wait(2)
    stage.covered(MNQ)
    assert not [event for event in stage.wait(10) if isinstance(event, Flatten)]


def test_a_restarted_computer_measures_anew() -> None:
    """CLOCK_MONOTONIC begins again with the computer: nothing looks hours old or in the future."""
    stage = Stage(wide()).opened()
    stage.filled(stage.ask("trend", BUY), 84_001)
    waiting = passed(stage.quote_order(BUY, 23_990))
    stage.tell(Started(epoch=OPENING // SECOND + 60, fresh=False))
    said = stage.tell(Pulse(real_ns=5 * SECOND))
    assert not [event for event in said if isinstance(event, Flatten)]
    order = stage.governor.mind.state.orders[waiting.intent_id]
    assert order.deadline_real_ns == 7 * SECOND
    said = stage.tell(Pulse(real_ns=9 * SECOND))
    assert [event.contract for event in said if isinstance(event, Flatten)] == [MNQ]


def test_the_state_is_said_every_second_and_at_every_change() -> None:
    stage = Stage().opened()
    stage.pulse(SECOND)
    said = [event for event in stage.wait(4) if isinstance(event, RiskState)]
    assert len(said) == 4
    stage.operator(Verb.PAUSE)
    assert [event.paused for event in stage.said if isinstance(event, RiskState)] == [True]


def test_quotes_and_pauses() -> None:
    stage = Stage(wide()).opened()
    rests = passed(stage.quote_order(SELL, 24_010))
    stage.operator(Verb.PAUSE)
    assert stage.cancelled() == [rests.intent_id]
    assert rests.contract == M2K
