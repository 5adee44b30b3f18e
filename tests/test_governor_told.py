"""What the governor tells the world of itself: its lines, the firm's counts, and an alarm, once."""

from __future__ import annotations

import pytest
from loguru import logger

from services.risk_governor.equity import account, headroom, lines, room_to
from services.risk_governor.latches import RECOVERY, SESSION
from services.risk_governor.port import GovernorPort
from services.risk_governor.words import Alarm
from shared.core import Word
from shared.domain.rules.consistency import share_percent
from shared.events import Event, RiskLevel, RiskState, Started
from shared.units import SECOND, USD
from tests.governor_stage import HOUR, MNQ, OPENING, Stage, settings, wide

EXPRESS = "topstep-50k-express-{}@2026-09"
FLAT = OPENING + 5 * HOUR + 33 * 60 * SECOND  # 15:08 CT
FLATTEN = FLAT - 180 * SECOND


class Desk:
    """A host that only notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def told_alarms(said: list[Event]) -> list[str]:
    return [event.text for event in said if isinstance(event, Alarm)]


# -- lines -------------------------------------------------------------------------------------


def test_every_line_is_told_with_what_is_left_to_it() -> None:
    stage = Stage(settings()).opened()
    stage.bought("trend")
    stage.quote(MNQ, stage.prices[MNQ] - 8)
    state, mind = stage.state(), stage.governor.mind
    now = account(mind)
    assert now is not None
    assert now.session_net < 0
    assert {one.rule: (one.at, one.room, one.gain) for one in state.layers} == {
        line.key: (line.at, room_to(line, now), line.gain) for line in lines(mind)
    }
    assert min(
        one.room for one in state.layers if not one.gain and one.rule != RECOVERY
    ) == headroom(mind, now) == state.headroom  # fmt: skip


def test_no_line_is_told_while_equity_is_not_known() -> None:
    state = Stage(settings()).state()
    assert (state.layers, state.firm, state.next_rule) == ((), None, "")


def test_a_line_that_is_not_enabled_is_not_told() -> None:
    rules = {one.rule for one in Stage(wide()).opened().state().layers}
    assert not rules & {"session_cap", "daily_cap", "recovery", "emergency_stop", "profit_stop"}
    assert {"floor", "drawdown", "near_floor", "daily_loss", "profit_target"} <= rules


# -- the firm's counts -------------------------------------------------------------------------


def test_a_combine_tells_what_passes_it() -> None:
    firm = Stage(settings()).opened().state().firm
    assert firm is not None
    assert (firm.needed, firm.pays, firm.best_percent_below) == (3_000 * USD, False, 55)
    assert (firm.profit, firm.best_percent, firm.winning_days_needed) == (0, 0, 0)


@pytest.mark.parametrize(("kind", "below"), [("standard", 0), ("consistency", 40)])
def test_an_express_account_tells_its_way_to_a_payout(kind: str, below: int) -> None:
    stage = Stage(settings(rules=EXPRESS.format(kind), floor_at_least=-2_000)).opened(0)
    state = stage.state()
    firm = state.firm
    assert firm is not None
    assert (state.equity, state.floor) == (0, -2_000 * USD)
    assert (firm.pays, firm.best_percent_below, firm.needed) == (True, below, 0)
    assert firm.floor_after == 0, "a payout lifts the floor to its lock"
    assert (firm.winning_days, firm.payable) == (0, 0)
    tally = stage.governor.mind.state.tally
    tally.best, tally.basis = 401 * USD, -1_000 * USD
    found = stage.state().firm
    assert found is not None
    assert (found.profit, found.best_day, found.best_percent) == (1_000 * USD, 401 * USD, 41)


@pytest.mark.parametrize(
    ("best", "total", "share"),
    [(0, 0, 0), (100, 0, 0), (100, -5, 0), (-3, 100, 0), (400, 1_000, 40), (401, 1_000, 41),
     (1_000, 400, 250)],
)  # fmt: skip
def test_a_share_is_rounded_so_that_it_never_looks_met(best: int, total: int, share: int) -> None:
    assert share_percent(best, total) == share


# -- the alarm ---------------------------------------------------------------------------------


def late(stage: Stage) -> list[Event]:
    """A position that is not proven flat by 15:08; what was said then."""
    stage.opened()
    stage.at(FLATTEN - 600 * SECOND)
    stage.bought("trend")
    stage.at(FLATTEN)
    assert told_alarms(stage.at(FLAT - SECOND)) == []
    return stage.at(FLAT)


def session(state: RiskState) -> tuple[bool, str]:
    return next((one.alarm, one.cause) for one in state.latches if one.key == SESSION)


def test_not_flat_in_time_is_an_alarm_once_and_ends_with_the_proof() -> None:
    stage = Stage(wide())
    (text,) = told_alarms(late(stage))
    assert text.startswith("ALARM: not proven flat in time; end of 2026-11-18")
    assert session(stage.state()) == (True, text)
    assert told_alarms(stage.at(FLAT + SECOND)) == [], "once is enough for a log"
    before = len(stage.heard)
    stage.close_all()
    assert told_alarms(stage.heard[before:]) == [""]
    assert session(stage.state()) == (False, "flat, but late: end of 2026-11-18")
    assert stage.level() is RiskLevel.HALTED


def test_an_alarm_outlives_a_restart() -> None:
    stage = Stage(wide())
    late(stage)
    kept = stage.governor.snapshot()
    stage.governor = type(stage.governor)(stage.settings)
    stage.governor.restore(kept)
    assert session(stage.state())[0]
    text = session(stage.state())[1]
    assert told_alarms(stage.tell(Started(epoch=stage.now // SECOND, fresh=False))) == [text]
    assert told_alarms(stage.at(FLAT + 2 * SECOND)) == [], "once in a life"


def test_an_alarm_is_remembered_under_other_code_too() -> None:
    stage = Stage(wide())
    late(stage)
    said = stage.state()
    stage.governor = type(stage.governor)(stage.settings)
    stage.governor.recall(FLAT, said)
    assert session(stage.state())[0]


def test_the_port_is_as_loud_as_a_log_can_be_and_shows_it_in_the_heartbeat() -> None:
    port, desk, lines = GovernorPort(settings()), Desk(), list[str]()
    port._host = desk  # type: ignore[assignment]
    handler = logger.add(lambda line: lines.append(str(line)), format="{level} {message}")
    try:
        for word in (Alarm(text="ALARM: not flat"), Alarm(text="")):
            assert isinstance(word, Word)
            port.handle(word)
    finally:
        logger.remove(handler)
    assert lines == ["CRITICAL ALARM: not flat\n", "WARNING the alarm is over\n"]
    assert desk.notes == ["ALARM: not flat", ""]
