"""The table of latches, tried whole: every key against every event; nothing else clears anything.

The expectations are written out here by hand, apart from the table of the code, so that a row
changed there fails here.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from services.risk_governor.core import Governor
from services.risk_governor.latches import KINDS, By, clear, latch, recall, told
from services.risk_governor.words import DiskSpace, Outcome, Verb
from shared.events import (
    Flatten,
    FlattenStage,
    Phase,
    RiskLevel,
    RiskState,
    Scope,
    Started,
    VetoRule,
)
from shared.units import MINUTE, SECOND
from tests.governor_stage import BUY, MNQ, OPENING, SELL, Stage, passed, refused, wide

NEXT_DAY = 1_795_042_800 * SECOND  # 2026-11-18 17:00 CT

RESUME = {"drawdown", "profit_target", "operator", "recalled", "sleeve:trend"}
RECONCILE = {"restart", "clock", "difference"}
TIME = {"cooldown", "news"}
DAY = {
    "firm_daily_loss", "daily_loss", "daily_cap", "emergency_stop", "session_cap", "near_floor",
    "recovery", "profit_stop", "consistency", "payout", "volume", "allocation",
}  # fmt: skip
FEED = {"blind"}
SPACE = {"disk"}  # a pulse finds the space that was told
NEVER = {"floor"}
UNBOUND = {"recovery", "consistency", "payout", "volume", "allocation"}
HALTS = {
    "floor", "drawdown", "firm_daily_loss", "daily_loss", "daily_cap", "emergency_stop",
    "profit_target", "profit_stop", "operator", "session", "recalled",
}  # fmt: skip
FLATTENS = HALTS - {"operator", "recalled"} | {
    "session_cap", "near_floor", "blind", "disk", "sleeve:trend",
}  # fmt: skip
BY_ITSELF = {"session", "new_day"}  # the countdown holds and ends these; see test_governor_levels
KEYS = sorted((set(KINDS) - {"sleeve"}) | {"sleeve:trend"})


def held(key: str, *, flattening: bool = False) -> Stage:
    """A stage whose only latch is this one, with nothing held."""
    stage = Stage(wide()).opened()
    mind = stage.governor.mind
    until = stage.now + 10 * MINUTE if key in TIME else 0
    latch(mind, stage.now, key, "a cause", until_ns=until)
    if not flattening:
        mind.state.latches[key].flattening = False
    return stage


def resumed(stage: Stage) -> None:
    stage.operator(Verb.RESUME)


def started(stage: Stage) -> None:
    stage.operator(Verb.START)


def reconciled(stage: Stage) -> None:
    stage.reconcile()


def pulsed(stage: Stage) -> None:
    stage.wait(1)
    stage.quote(MNQ)


def restarted(stage: Stage) -> None:
    stage.tell(Started(epoch=OPENING // SECOND + 60, fresh=False))


def ten_minutes(stage: Stage) -> None:
    stage.at(stage.now + 11 * MINUTE)


def new_day(stage: Stage) -> None:
    """17:00 CT and the proof of it, without the end of the day itself."""
    stage.at(NEXT_DAY)
    stage.phase(Phase.OPEN, "2026-11-19")
    stage.reconcile()


EVENTS: dict[str, tuple[Callable[[Stage], None], set[str]]] = {
    "resume": (resumed, RESUME),
    "start": (started, set()),
    "reconcile": (reconciled, RECONCILE),
    "a second, with quotes and pulses": (pulsed, FEED | SPACE),
    "restart": (restarted, set()),
    "ten minutes": (ten_minutes, FEED | SPACE | TIME),
    "17:00 CT with proof": (new_day, FEED | SPACE | TIME | DAY | RECONCILE),
}


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("key", [key for key in KEYS if key not in BY_ITSELF])
def test_each_latch_is_ended_by_its_own_kind_of_event_only(key: str, event: str) -> None:
    happens, ends = EVENTS[event]
    stage = held(key)
    happens(stage)
    assert (key not in stage.governor.mind.state.latches) is (key in ends), (key, event)


@pytest.mark.parametrize("key", KEYS)
def test_each_latch_binds_and_flattens_as_written_here(key: str) -> None:
    stage = Stage(wide()).opened()
    mind = stage.governor.mind
    latch(mind, stage.now, key, "a cause", until_ns=stage.now + 10 * MINUTE)
    stage.operator(Verb.STATUS)
    scopes = [said.scope for said in stage.flattens()]
    scope = Scope.SLEEVE if key.startswith("sleeve:") else Scope.ACCOUNT
    assert scopes == ([scope] if key in FLATTENS else []), key
    mind.state.latches[key].flattening = False
    stage.operator(Verb.STATUS)
    veto = stage.ask("trend", BUY)
    if key in UNBOUND:
        passed(veto)
    elif key == "sleeve:trend":
        assert refused(veto) is VetoRule.SLEEVE_OFF
    else:
        assert refused(veto) is (VetoRule.HALTED if key in HALTS else VetoRule.REDUCE_ONLY), key


def test_a_new_day_without_proof_is_held_whatever_the_feed_says() -> None:
    stage = Stage(wide()).opened()
    stage.at(NEXT_DAY)
    stage.phase(Phase.OPEN, "2026-11-19")
    stage.wait(2)
    assert "new_day" in stage.governor.mind.state.latches


def test_a_new_day_makes_no_space() -> None:
    stage = Stage(wide()).opened()
    stage.tell(DiskSpace(free_mb=10))
    stage.close_all()
    new_day(stage)
    assert "disk" in stage.governor.mind.state.latches


def test_the_expectations_name_every_key_once() -> None:
    groups = (RESUME, RECONCILE, TIME, DAY, FEED, SPACE, NEVER, BY_ITSELF)
    assert sorted(key for group in groups for key in group) == KEYS


@pytest.mark.parametrize("by", list(By))
@pytest.mark.parametrize("key", KEYS)
def test_a_latch_whose_flatten_is_not_proven_is_cleared_by_nothing(key: str, by: By) -> None:
    stage = held(key, flattening=True)
    mind = stage.governor.mind
    mind.state.latches[key].flattening = True
    clear(mind, by)
    assert key in mind.state.latches


@pytest.mark.parametrize("key", KEYS)
def test_what_is_held_is_told_whole(key: str) -> None:
    stage = held(key)
    (one,) = [told for told in stage.state().latches if told.key == key]
    assert (one.cause, one.owner) == ("a cause", "risk_governor")
    assert one.clears
    assert one.since_ns > 0
    sleeve = key.partition(":")[2]
    assert (one.scope, one.sleeve) == (Scope.SLEEVE if sleeve else Scope.ACCOUNT, sleeve)


def test_a_change_of_any_latch_is_said_at_once_also_when_the_level_stays() -> None:
    stage = Stage(wide(daily_cap=400, recovery_percent=50)).opened()
    stage.reconcile(balance=49_790)
    (said,) = [event for event in stage.said if isinstance(event, RiskState)]
    assert (said.level, [one.key for one in said.latches]) == (RiskLevel.ACTIVE, ["recovery"])


def test_a_person_is_named_as_the_owner() -> None:
    stage = Stage(wide()).opened()
    stage.operator(Verb.HALT, who="bob")
    assert [one.owner for one in stage.state().latches] == ["bob"]
    stage.operator(Verb.RESUME)
    stage.operator(Verb.FLATTEN, who="eve")
    assert [one.owner for one in stage.state().latches] == ["eve"]


# -- sleeves ---------------------------------------------------------------------------------------


def lost(sleeve_loss: int = 150) -> Stage:
    """The trend sleeve holds one MNQ and has just lost its limit; mean reversion holds nothing."""
    stage = Stage(wide(sleeve_loss=sleeve_loss)).opened()
    stage.bought("trend")  # at 84,001; 1.22 of fees: 297 ticks are 149.72, 298 are 150.22
    stage.quote(MNQ, 84_001 - 2 * sleeve_loss + 3)
    assert stage.said == []
    stage.quote(MNQ, 84_001 - 2 * sleeve_loss + 2)
    return stage


def test_a_losing_sleeve_is_switched_off_and_the_others_go_on() -> None:
    stage = lost()
    (flatten,) = stage.flattens()
    assert (flatten.scope, flatten.sleeve) == (Scope.SLEEVE, "trend")
    assert stage.level() is RiskLevel.ACTIVE
    assert [one.key for one in stage.state().latches] == ["sleeve:trend"]
    passed(stage.ask("mean_reversion", BUY, contract="CON.F.US.MES.Z26"))
    assert stage.operator(Verb.RESUME).outcome is Outcome.REFUSED, "not proven flat"


def test_its_flatten_is_proven_by_its_own_name_and_cleared_by_a_person() -> None:
    stage = lost()
    stage.proven_flat(scope=Scope.SLEEVE, sleeve="tail_hedge")
    stage.proven_flat(scope=Scope.SLEEVE, sleeve="trend", stage=FlattenStage.PROVING)
    (one,) = stage.state().latches
    assert one.level is RiskLevel.FLATTENING
    stage.trade_of(1, 83_700, side=SELL, sleeve="trend")
    stage.proven_flat(scope=Scope.SLEEVE, sleeve="trend")
    (one,) = stage.state().latches
    assert one.level is RiskLevel.HALTED
    assert stage.operator(Verb.RESUME, sleeve="mean_reversion").outcome is Outcome.REFUSED
    stage.governor.mind.state.ledger.settle()
    assert stage.operator(Verb.RESUME, sleeve="trend").outcome is Outcome.DONE
    assert stage.state().latches == ()


def test_a_late_fill_of_a_sleeve_that_is_off_is_closed_too() -> None:
    stage = Stage(wide(sleeve_loss=150)).opened()
    stray = passed(stage.ask("trend", BUY))
    latch(stage.governor.mind, stage.now, "sleeve:trend", "crash loop")
    stage.pulse()
    stage.proven_flat(scope=Scope.SLEEVE, sleeve="trend")
    said = stage.fill(stray, 84_001)
    (flatten,) = [event for event in said if isinstance(event, Flatten)]
    assert (flatten.scope, flatten.sleeve) == (Scope.SLEEVE, "trend")


def test_a_fill_of_another_sleeve_does_not_wake_it() -> None:
    stage = Stage(wide()).opened()
    latch(stage.governor.mind, stage.now, "sleeve:trend", "crash loop")
    stage.pulse()
    stage.proven_flat(scope=Scope.SLEEVE, sleeve="trend")
    stage.bought("mean_reversion", contract="CON.F.US.MES.Z26")
    (one,) = stage.state().latches
    assert one.level is RiskLevel.HALTED


# -- restarts --------------------------------------------------------------------------------------


def test_a_restart_from_a_snapshot_keeps_every_latch_and_limit() -> None:
    stage = lost()
    other = Governor(stage.settings)
    other.restore(stage.governor.snapshot())
    assert other.snapshot() == stage.governor.snapshot()
    assert told(other.mind) == stage.state().latches


def test_other_code_finds_each_latch_again_in_the_recorded_words() -> None:
    stage = lost()
    stage.operator(Verb.HALT, who="bob")
    said = [event for event in stage.heard if isinstance(event, RiskState)][-1]
    fresh = Governor(stage.settings)
    fresh.recall(stage.now, said)
    assert told(fresh.mind) == said.latches
    recall(fresh.mind, said.latches)
    assert told(fresh.mind) == said.latches, "once is enough"
