"""Halts: what brings them, what they forbid, who may end them, and that nobody else can."""

from __future__ import annotations

import pytest
from msgspec import structs

from services.risk_governor.words import FlattenRequested, Outcome, Verb
from shared.events import (
    Armed,
    Flatten,
    FlattenStage,
    OrderState,
    OrderType,
    Phase,
    RiskLevel,
    Scope,
    Started,
    VetoRule,
)
from shared.units import MINUTE, SECOND
from tests.governor_stage import (
    BUY,
    HOUR,
    MNQ,
    MYM,
    OPENING,
    TODAY,
    Stage,
    passed,
    refused,
    settings,
    wide,
)

NO_ENTRIES = OPENING + 5 * HOUR + 25 * MINUTE  # 15:00 CT
FLATTEN = NO_ENTRIES + 5 * MINUTE
FLAT = NO_ENTRIES + 8 * MINUTE
RESET = NO_ENTRIES + 2 * HOUR
TOMORROW = "2026-11-19"


# -- the countdown ---------------------------------------------------------------------------------


def test_the_end_of_a_day_as_a_trader_sees_it() -> None:
    stage = Stage(wide()).opened()
    stage.at(NO_ENTRIES - 60 * SECOND)
    held = stage.bought("trend")
    resting = passed(
        stage.ask("tail_hedge", BUY, contract=MYM, type=OrderType.STOP, stop_price=44_050)
    )
    stage.update(resting, OrderState.WORKING)

    said = stage.at(NO_ENTRIES)  # 15:00: no entries, what rests is withdrawn, the position stays
    assert stage.cancelled(said) == [resting.intent_id]
    assert refused(stage.ask("mean_reversion", BUY)) is VetoRule.SESSION
    assert stage.level() is RiskLevel.ACTIVE

    said = stage.at(FLATTEN)  # 15:05: everything goes
    (flatten,) = [event for event in said if isinstance(event, Flatten)]
    assert (flatten.scope, flatten.halt_no) == (Scope.ACCOUNT, stage.state().halt_no)
    assert stage.level() is RiskLevel.FLATTENING
    assert "ALARM" not in stage.state().cause

    stage.at(FLAT)  # 15:08: not proven flat, a person must look
    assert "ALARM" in stage.state().cause
    assert stage.state().phase is Phase.FLAT

    stage.update(resting, OrderState.CANCELLED)
    stage.close_all()
    assert stage.level() is RiskLevel.HALTED
    assert stage.held(held.contract) == 0
    stage.at(FLAT + 10 * MINUTE)
    assert stage.level() is RiskLevel.HALTED

    stage.at(RESET)  # 17:00: a new day, but only with proof
    stage.phase(Phase.OPEN, TOMORROW)
    assert refused(stage.ask("trend", BUY)) is VetoRule.HALTED
    stage.reconcile()
    stage.pulse()
    assert stage.level() is RiskLevel.ACTIVE
    assert (stage.state().trading_day, stage.state().trades_today) == (TOMORROW, 0)
    passed(stage.ask("trend", BUY))


@pytest.mark.parametrize(("before", "rule"), [(SECOND, None), (0, VetoRule.SESSION)])
def test_the_last_entry_is_judged_by_the_clock_and_not_by_a_pulse(
    before: int, rule: VetoRule | None
) -> None:
    stage = Stage(wide()).opened()
    stage.at(NO_ENTRIES - 2 * SECOND)
    stage.now = NO_ENTRIES - before - 1_000_000  # telling takes a millisecond
    reply = stage.ask("trend", BUY)
    if rule is None:
        passed(reply)
    else:
        assert refused(reply) is rule
        assert reply.actual == 0


def test_an_early_close_moves_the_whole_countdown() -> None:
    """Friday after Thanksgiving 2026: close 12:15, flat by 12:00 CT = 18:00Z."""
    flat_by = 1_795_802_400 * SECOND
    stage = Stage(wide(), now_ns=flat_by - 3 * HOUR)
    _open_on(stage, "2026-11-27")
    stage.at(flat_by - 601 * SECOND)
    passed(stage.ask("trend", BUY))
    stage.at(flat_by - 600 * SECOND)
    assert refused(stage.ask("trend", BUY)) is VetoRule.SESSION
    said = stage.at(flat_by - 300 * SECOND)
    assert [type(event) for event in said].count(Flatten) == 1


def _open_on(stage: Stage, day: str) -> None:
    real = stage.phase
    stage.phase = lambda phase, label=day: real(phase, label)  # type: ignore[method-assign]
    stage.opened()
    stage.phase = real  # type: ignore[method-assign]


def test_the_stricter_of_two_clocks_holds() -> None:
    stage = Stage(wide()).opened()
    stage.phase(Phase.FLATTEN)  # the gateway's calendar is ahead of ours
    assert refused(stage.ask("trend", BUY)) is VetoRule.SESSION
    stage.pulse()
    assert stage.level() is RiskLevel.FLATTENING
    stage = Stage(wide()).opened()
    stage.at(NO_ENTRIES)  # ours is ahead of the gateway's
    assert stage.state().phase is Phase.NO_ENTRIES


def test_a_position_held_over_17_00_is_flattened_in_the_new_day() -> None:
    stage = Stage(wide()).opened()
    stage.bought("trend")
    said = stage.at(RESET + MINUTE)
    assert [event.scope for event in said if isinstance(event, Flatten)] == [Scope.ACCOUNT]
    assert "held over" in stage.state().cause
    assert stage.state().trading_day == TODAY


def test_the_reset_needs_flat_nothing_working_and_a_comparison_of_the_new_day() -> None:
    stage = Stage(wide()).opened()
    stage.at(FLATTEN)
    stage.proven_flat()
    stage.at(RESET)
    stage.reconcile(as_of_ns=RESET - SECOND)  # begun before the day turned
    assert stage.state().trading_day == TODAY
    stage.reconcile(difference="positions differ")
    assert stage.state().trading_day == TODAY
    stage.reconcile(balance=50_500)
    assert stage.state().trading_day == TOMORROW
    assert stage.state().session_net == 0


def test_the_floor_rises_with_the_days_end_and_never_falls() -> None:
    stage = Stage(wide()).opened()
    stage.at(FLATTEN)
    stage.proven_flat()
    stage.at(RESET)
    stage.reconcile(balance=50_500)
    assert (stage.state().floor, stage.state().kill_level) == (48_500_000_000, 48_900_000_000)
    later = RESET + 24 * HOUR
    stage.at(later - HOUR)
    stage.proven_flat()
    stage.at(later)
    stage.reconcile(balance=50_100)
    assert stage.state().trading_day == "2026-11-20"
    assert stage.state().floor == 48_500_000_000


def test_outside_the_calendar_nothing_opens() -> None:
    stage = Stage().opened()
    stage.at(OPENING + 3 * 365 * 24 * HOUR)
    assert refused(stage.ask("trend", BUY)) is VetoRule.SESSION
    assert stage.state().phase is Phase.CLOSED


# -- flatten and proof -----------------------------------------------------------------------------


def test_halt_numbers_grow_with_every_change_of_level() -> None:
    stage = Stage(wide()).opened()
    numbers = [stage.state().halt_no]
    stage.operator(Verb.HALT)
    numbers.append(stage.state().halt_no)
    stage.operator(Verb.FLATTEN)
    numbers.append(stage.state().halt_no)
    stage.proven_flat()
    numbers.append(stage.state().halt_no)
    stage.operator(Verb.RESUME)
    numbers.append(stage.state().halt_no)
    first = numbers[0]
    assert numbers == [first, first + 1, first + 2, first + 3, first + 4]


def test_proof_of_an_older_flatten_or_of_a_part_proves_nothing() -> None:
    stage = Stage(wide()).opened()
    stage.operator(Verb.FLATTEN)
    stage.proven_flat(halt_no=stage.state().halt_no - 1)
    stage.proven_flat(scope=Scope.CONTRACT, contract=MNQ)
    stage.proven_flat(stage=FlattenStage.PROVING)
    assert stage.level() is RiskLevel.FLATTENING
    stage.proven_flat()
    assert stage.level() is RiskLevel.HALTED


def test_a_late_fill_after_the_proof_is_flattened_too() -> None:
    stage = Stage(wide()).opened()
    stray = passed(stage.ask("trend", BUY))
    stage.operator(Verb.FLATTEN)
    stage.proven_flat()
    before = stage.state().halt_no
    stage.fill(stray, 84_001)
    assert stage.level() is RiskLevel.FLATTENING
    (flatten,) = stage.flattens()
    assert flatten.halt_no == stage.state().halt_no > before


def test_a_second_reason_joins_the_flatten_under_way() -> None:
    stage = Stage(wide()).opened()
    stage.bought("trend")
    stage.operator(Verb.FLATTEN)
    assert len(stage.flattens()) == 1
    stage.quote(MNQ, 82_000)
    assert stage.flattens() == []
    assert "daily loss" in stage.state().cause
    stage.close_all()
    assert stage.level() is RiskLevel.HALTED
    assert stage.operator(Verb.RESUME).outcome is Outcome.DONE
    assert stage.level() is RiskLevel.HALTED  # the lost day holds
    assert stage.operator(Verb.RESUME).outcome is Outcome.REFUSED


def test_a_request_file_halts_and_is_proven_by_its_own_id() -> None:
    stage = Stage(wide()).opened()
    stage.tell(FlattenRequested(request_id="r1", who="ann", cause="fire"))
    assert len(stage.flattens()) == 1
    stage.tell(FlattenRequested(request_id="r1", who="ann", cause="fire"))
    assert stage.flattens() == []
    answer = stage.operator(Verb.FLATTEN, request_id="r1")
    assert answer.outcome is Outcome.DONE
    assert stage.flattens() == []
    stage.proven_flat(halt_no=0, request_id="r1")
    assert stage.level() is RiskLevel.HALTED
    stage.tell(FlattenRequested(request_id="r2", who="ann", cause="again"))
    assert stage.level() is RiskLevel.FLATTENING
    assert len(stage.flattens()) == 1


def test_a_request_served_without_us_halts_all_the_same() -> None:
    stage = Stage(wide()).opened()
    stage.tell(Started(epoch=2, fresh=False))
    stage.tell(FlattenRequested(request_id="r1", who="sentinel", cause="served", done=True))
    assert stage.level() is RiskLevel.FLATTENING
    assert len(stage.flattens()) == 1
    stage.proven_flat(halt_no=0, request_id="r1")
    assert stage.level() is RiskLevel.HALTED
    assert stage.operator(Verb.RESUME).outcome is Outcome.DONE
    stage.tell(Started(epoch=3, fresh=False))
    stage.tell(FlattenRequested(request_id="r1", who="sentinel", cause="served", done=True))
    assert stage.level() is RiskLevel.ACTIVE, "obeyed once"


def test_what_an_earlier_memory_left_behind_halts_nobody() -> None:
    stage = Stage(wide()).opened()
    stage.tell(Started(epoch=2, fresh=True))
    served = FlattenRequested(request_id="old", who="order_router", cause="served", done=True)
    stage.tell(structs.replace(served, before=True))
    assert stage.level() is not RiskLevel.FLATTENING
    assert stage.flattens() == []
    stage.tell(structs.replace(served, request_id="new"))
    assert len(stage.flattens()) == 1


def test_what_was_served_faster_than_we_look_halts_a_newborn_governor_too() -> None:
    """A flatten seconds after the first start was over within a look and taken for an earlier
    one's: nothing was halted, and every approval refused. Found by the kill matrix.
    """
    stage = Stage(wide()).opened()
    stage.tell(Started(epoch=2, fresh=True))
    stage.tell(FlattenRequested(request_id="r", who="order_router", cause="served", done=True))
    assert stage.level() is RiskLevel.FLATTENING
    assert len(stage.flattens()) == 1


# -- people ----------------------------------------------------------------------------------------


def test_halt_withdraws_entries_keeps_positions_and_resume_needs_a_cause() -> None:
    stage = Stage(wide()).opened()
    stage.bought("trend")
    rests = passed(stage.quote_order(BUY, 23_990))
    stage.update(rests, OrderState.WORKING)
    stage.operator(Verb.HALT)
    assert stage.level() is RiskLevel.HALTED
    assert stage.flattens() == []
    assert stage.cancelled() == [rests.intent_id]
    veto = stage.ask("trend", BUY)
    assert refused(veto) is VetoRule.HALTED
    assert veto.actual == stage.state().halt_no
    assert stage.operator(Verb.RESUME, cause="").outcome is Outcome.REFUSED
    assert stage.operator(Verb.RESUME, who="").outcome is Outcome.REFUSED
    assert stage.operator(Verb.RESUME).outcome is Outcome.DONE
    assert stage.level() is RiskLevel.ACTIVE


def test_start_ends_a_pause_and_never_a_halt() -> None:
    stage = Stage().opened()
    stage.operator(Verb.PAUSE)
    stage.operator(Verb.HALT)
    stage.operator(Verb.START)
    assert stage.level() is RiskLevel.HALTED
    assert not stage.state().paused


def test_nobody_loosens_a_lost_day_before_17_00() -> None:
    stage = Stage(wide()).opened()
    stage.bought("trend")
    stage.quote(MNQ, 82_000)
    stage.close_all()
    answer = stage.operator(Verb.RESUME)
    assert answer.outcome is Outcome.REFUSED
    assert "17:00 CT" in answer.reason
    stage.operator(Verb.START)
    assert stage.level() is RiskLevel.HALTED
    stage.at(FLATTEN)
    stage.at(RESET)
    stage.phase(Phase.OPEN, TOMORROW)
    stage.proven_flat()
    stage.reconcile()
    stage.pulse()
    assert stage.level() is RiskLevel.ACTIVE


def test_a_killed_drawdown_is_cleared_by_hand_once_equity_is_above_it() -> None:
    stage = Stage(wide(daily_loss=999)).opened(49_000)
    stage.bought("trend")
    stage.quote(MNQ, 84_001 - 1_198)
    assert stage.operator(Verb.RESUME).outcome is Outcome.REFUSED  # not proven flat
    stage.close_all()
    assert stage.operator(Verb.RESUME).outcome is Outcome.REFUSED  # still below
    stage.governor.mind.state.base = 49_100_000_000
    assert stage.operator(Verb.RESUME).outcome is Outcome.DONE
    assert stage.level() is RiskLevel.ACTIVE


def test_a_resumed_drawdown_is_watched_again() -> None:
    stage = Stage(wide(daily_loss=999)).opened(49_000)
    stage.bought("trend")
    stage.quote(MNQ, 84_001 - 1_198)
    stage.close_all()
    stage.governor.mind.state.base = 49_100_000_000
    stage.operator(Verb.RESUME)
    stage.quote(MNQ, 84_000)
    stage.bought("trend")
    stage.quote(MNQ, 84_001 - 220)
    assert stage.level() is RiskLevel.FLATTENING


def test_a_breached_floor_is_nobodys_to_clear() -> None:
    stage = Stage(wide(daily_loss=999)).opened(49_000)
    stage.bought("trend")
    stage.quote(MNQ, 84_001 - 2_100)
    stage.close_all()
    stage.governor.mind.state.base = 50_000_000_000
    assert stage.operator(Verb.RESUME).outcome is Outcome.DONE  # ends the drawdown's part only
    assert stage.level() is RiskLevel.HALTED
    assert "new account" in stage.state().clears


def test_status_answers_without_a_name() -> None:
    stage = Stage().opened()
    answer = stage.operator(Verb.STATUS, who="", cause="")
    assert (answer.outcome, answer.state.level) == (Outcome.DONE, RiskLevel.ACTIVE)


def test_arming_names_the_account_and_ends_at_17_00() -> None:
    import msgspec

    given = settings()
    demo = msgspec.structs.replace(
        given, venue=msgspec.structs.replace(given.venue, environment="DEMO", account="50KTC-1")
    )
    stage = Stage(demo).opened()
    assert stage.operator(Verb.ARM, account="OTHER").outcome is Outcome.REFUSED
    assert not any(isinstance(event, Armed) for event in stage.said)
    assert stage.operator(Verb.ARM, account="50KTC-1").outcome is Outcome.DONE
    (armed,) = [event for event in stage.said if isinstance(event, Armed)]
    assert (armed.account, armed.until_ns, armed.by) == ("50KTC-1", RESET, "ann")
    stage.operator(Verb.DISARM)
    (armed,) = [event for event in stage.said if isinstance(event, Armed)]
    assert armed.until_ns == 0
    stage.account(simulated=False)
    assert stage.operator(Verb.ARM, account="50KTC-1").outcome is Outcome.REFUSED


def test_the_simulator_needs_no_arming() -> None:
    stage = Stage().opened()
    assert stage.operator(Verb.ARM, account="SIM-50K-1").outcome is Outcome.REFUSED
