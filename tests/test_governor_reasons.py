"""Whatever the governor does unasked says why: a rule of the book, its limit, what was found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts import cli
from scripts.console import Exit
from scripts.risk_actions import deeds
from services.risk_governor import latches
from services.risk_governor.equity import account
from shared.domain.rules.book import BOOK
from shared.domain.rules.book_actions import ACTIONS
from shared.domain.rules.explain import deed, numbers
from shared.events import (
    AuthorityGranted,
    CancelApproved,
    Event,
    Flatten,
    Grounds,
    OrderApproved,
    OrderVetoed,
    RiskLevel,
    RiskState,
    Scope,
    VetoRule,
)
from shared.units import USD
from tests.governor_account import Account
from tests.governor_deeds import SCENES, loses, replaced, sleeve_loss, smaller, unprotected
from tests.governor_stage import BUY, M2K, MNQ, OPENING, Stage, dollars, passed, wide
from tests.test_risk_verb import write

MY_OWN = "risk_governor."


def grounds_in(event: Event) -> list[tuple[str, Grounds | None]]:
    """What of an event was done unasked: a name, and the grounds given."""
    if isinstance(event, Flatten):
        return [(f"flatten {event.sleeve or event.contract or 'account'}", event.grounds)]
    if isinstance(event, CancelApproved) and event.intent_id.startswith(MY_OWN):
        return [("cancel", event.grounds)]
    if isinstance(event, OrderApproved) and event.bound:
        return [("smaller", event.grounds)]
    if isinstance(event, AuthorityGranted) and event.cause.startswith("rolled back"):
        return [("back", event.grounds)]
    if isinstance(event, RiskState):
        return [(f"latch {one.key}", one.grounds) for one in event.latches]
    return []


@pytest.mark.parametrize("name", SCENES)
def test_what_is_done_unasked_carries_rule_limit_and_actual(name: str) -> None:
    scene = SCENES[name]
    found = [it for event in scene.play().heard for it in grounds_in(event)]
    assert found
    for what, grounds in found:
        assert grounds is not None, f"{what} without grounds"
        entry = BOOK[grounds.rule]
        assert bool(entry.unit) or not (grounds.limit or grounds.actual), grounds
        text = deed(grounds.rule, grounds.limit, grounds.actual, largest=grounds.largest)
        assert text.startswith(entry.name)
        assert entry.clears in text
    wanted = (scene.rule, scene.limit, scene.actual)
    told = [(it.rule, it.limit, it.actual) for what, it in found if it and what == scene.deed]
    assert wanted in told, told


def test_the_scenes_show_every_latch_and_every_deed() -> None:
    shown = {scene.rule for scene in SCENES.values()}
    assert set(latches.KINDS) <= shown
    assert {entry.rule for entry in ACTIONS} <= shown


def test_a_line_tells_what_was_known() -> None:
    stage = Stage(wide(session_cap=200)).opened()
    stage.bought("trend")
    stage.quote(MNQ, 84_001 - 400)
    (flatten,) = stage.flattens()
    now = account(stage.governor.mind)
    assert now is not None
    assert flatten.grounds is not None
    assert flatten.grounds.actual == now.session_net - now.allowance
    assert flatten.grounds.inputs == {
        "equity_usd": now.equity, "session_net_usd": now.session_net,
        "exit_allowance_usd": now.allowance, "floor_usd": 48_000 * USD,
    }  # fmt: skip


def test_what_the_day_ends_says_until_when() -> None:
    stage = loses(210, session_cap=200)
    today = stage.governor.mind.today(stage.now)
    assert today is not None
    (one,) = stage.state().latches
    assert (one.key, one.until_ns) == ("session_cap", today.next_open(stage.now))


def test_a_target_met_to_the_cent_is_met() -> None:
    """1,600 of yesterday and 1,400 of today, 0.61 for leaving paid: 3,000, and no cent short."""
    stage = Account().opened().days("1600")
    stage.trade_of(1, 84_000, fee=-dollars("1400.61"))
    assert stage.state().equity == dollars(53_000)
    assert stage.level() is RiskLevel.FLATTENING
    assert "more on another day" not in stage.cause("profit_target")


def test_the_window_of_a_rate_is_as_long_as_it_says() -> None:
    stage = Stage(wide(orders_per_window=1, window_s=10.0)).opened()
    passed(stage.ask("trend", BUY))
    stage.wait(8)
    stage.quote(MNQ)
    veto = stage.ask("trend", BUY)
    assert isinstance(veto, OrderVetoed)
    assert veto.rule is VetoRule.ORDER_RATE
    stage.wait(3)
    stage.quote(MNQ)
    passed(stage.ask("trend", BUY))


@pytest.mark.parametrize(("apart", "off"), [(8, True), (11, False)])
def test_the_window_of_fills_is_as_long_as_it_says(apart: int, off: bool) -> None:
    stage = Stage(wide(fills_per_window=1, fills_window_s=10.0)).opened()
    for _ in range(2):
        stage.quote(M2K)
        stage.filled(stage.quote_order(BUY, 24_000), 24_000)
        stage.covered(M2K)
        stage.wait(apart)
    assert any(isinstance(event, Flatten) for event in stage.heard) is off


@pytest.mark.parametrize(("later_s", "paused"), [(2.5, True), (4.0, False)])
def test_the_window_of_a_jump_is_as_long_as_it_says(later_s: float, paused: bool) -> None:
    """Two moves of 24 basis points: a jump of 40 when both lie within five seconds."""
    stage = Stage(wide(jump_bp=40, jump_s=5.0, jump_pause_s=10.0)).opened()
    stage.pulse()
    stage.wait(2)
    stage.quote(MNQ, 84_200)
    stage.wait(later_s)
    stage.quote(MNQ, 84_400)
    stage.pulse()
    stage.quote(MNQ)
    said = stage.ask("trend", BUY)
    assert isinstance(said, OrderVetoed) is paused
    assert not paused or said.rule is VetoRule.JUMP


def test_a_contract_proven_flat_and_held_bare_again_has_its_time_anew() -> None:
    stage = unprotected()
    stage.proven_flat(scope=Scope.CONTRACT, contract=MNQ)
    assert not [event for event in stage.wait(2.5) if isinstance(event, Flatten)]
    assert [event for event in stage.wait(1) if isinstance(event, Flatten)]


def test_grounds_survive_a_restart_under_other_code() -> None:
    stage = loses(210, session_cap=200)
    again = Stage(wide())
    again.governor.recall(again.now, stage.state())
    told = {one.key: one.grounds for one in again.state().latches}
    assert told == {one.key: one.grounds for one in stage.state().latches}


def test_a_latch_of_an_older_memory_says_that_its_numbers_are_gone() -> None:
    stage = Stage(wide()).opened()
    latches.latch(stage.governor.mind, stage.now, "drawdown", "as an older code told it")
    stage.governor.mind.state.latches["drawdown"].grounds = None
    stage.pulse()
    (flatten,) = [it for it in stage.heard if isinstance(it, Flatten)]
    assert flatten.grounds == Grounds(rule="recalled")


@pytest.mark.parametrize(
    ("rule", "limit", "actual", "text"),
    [
        ("session_cap", -200 * USD, -203 * USD,
         "Session cap: -203.00 dollars, it acts at -200.00 dollars."),
        ("allocation", 500 * USD, 0, "Smaller slice: 0.00 dollars, after 500.00 dollars."),
        ("payout", 750 * USD, 750 * USD, "Payout guidance: 750.00 dollars."),
        ("operator", 0, 0, "Halt by a person."),
        ("one_exit", 1, 2, "One exit at a time: 2 at once, of which 1 may be in flight."),
        ("NOT_AN_EXIT", 0, 1,
         "Nothing left to close: an exit of 1 was in flight, and 0 is left to close."),
        ("a rule of tomorrow", 1, 2, "a rule of tomorrow: 2, it acts at 1."),
    ],
)  # fmt: skip
def test_numbers_are_said_in_words(rule: str, limit: int, actual: int, text: str) -> None:
    assert numbers(rule, limit, actual) == text
    assert deed(rule, limit, actual).startswith(text)


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """A sleeve switched off and a contract closed, as the governor's journal keeps them."""
    stage = sleeve_loss()
    stage.close_all()
    kinds = (RiskState, Flatten, CancelApproved, OrderApproved, OrderVetoed, AuthorityGranted)
    said = [*stage.heard, *unprotected().heard, *replaced().heard]
    kept = [(OPENING + n, event) for n, event in enumerate(said) if isinstance(event, kinds)]
    write(tmp_path, "risk_governor", kept)
    return tmp_path


def test_actions_are_listed_and_each_has_its_why(
    told: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["risk", "actions", "--json", "--var", str(told)]) == Exit.OK
    rows = json.loads(capsys.readouterr().out)
    assert {row["rule"] for row in rows} >= {"sleeve", "unprotected", "one_exit"}
    for row in rows:
        assert cli.main(["risk", "why", row["ref"], "--json", "--var", str(told)]) == Exit.OK
        found = json.loads(capsys.readouterr().out)
        assert found["sentence"] in found["text"]
        assert found["rule"] == row["rule"]
    assert cli.main(["risk", "why", "sleeve:trend", "--var", str(told)]) == Exit.OK
    out = capsys.readouterr().out
    assert "-151.22 dollars, it acts at -150.00 dollars" in out
    assert "It ends with: a person" in out
    assert "_usd" not in out
    assert cli.main(["risk", "actions", "--var", str(told)]) == Exit.OK
    assert "flatten." in capsys.readouterr().out


def test_a_size_that_was_cut_is_explained_with_its_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = [(OPENING, it) for it in smaller().heard if isinstance(it, OrderApproved)]
    write(tmp_path, "risk_governor", said)
    assert cli.main(["risk", "why", "trend.7.1", "--var", str(tmp_path)]) == Exit.OK
    assert "5 contracts, allowed is at most 3 contracts" in capsys.readouterr().out


def test_a_journal_without_grounds_has_no_deeds() -> None:
    old = {"t": "Flatten", "halt_no": 1, "scope": "ACCOUNT", "cause": "x", "time_ns": 1}
    assert list(deeds([old])) == []
