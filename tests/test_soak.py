"""The arithmetic and the verdict of a soak; the soak itself is run by hand and told in docs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scripts import soak
from scripts.console import Exit
from scripts.rehearsal import Rehearsal
from scripts.soak import MIB, Sample, Soak
from shared.settings import load
from tests.governor_stage import Stage

ROUTER = "order_router"


@pytest.fixture
def rehearsed(tmp_path: Path) -> Soak:
    """A soak whose cast is never started."""
    made = Soak(soak.parsed(["--minutes", "10"]), Rehearsal(tmp_path / "var"))
    (made.cast.var / "log").mkdir(parents=True)
    (made.cast.var / "log" / "supervisord.log").write_text("INFO stopped: order_router (x)\n")
    return made


def line(per_hour: float, *, files: int = 20, start: float = 50.0) -> list[Sample]:
    """Ten minutes of one process, a look every ten seconds."""
    return [
        Sample(at, 1, int((start + per_hour * at / 3600) * MIB), files, at / 50)
        for at in range(0, 601, 10)
    ]


def test_a_slope_is_that_of_the_line() -> None:
    assert soak.slope(line(36.0)) == pytest.approx(36.0, rel=1e-3)
    assert soak.slope(line(-6.0)) == pytest.approx(-6.0, rel=1e-2)
    assert soak.slope(line(5.0)[:1]) == 0.0
    assert soak.slope([]) == 0.0


def test_one_look_at_ourselves() -> None:
    seen = soak.sample(7.0, os.getpid())
    assert seen.at_s == 7.0
    assert 5 * MIB < seen.rss < 4_000 * MIB
    assert seen.files == pytest.approx(len(os.listdir("/proc/self/fd")), abs=2)
    assert seen.cpu_s > 0
    with pytest.raises(OSError, match="No such file"):
        soak.sample(0.0, 2**22 + 1)


def test_what_grows_is_named_and_what_does_not_is_flat(rehearsed: Soak) -> None:
    rehearsed.samples[ROUTER] = line(6.0)
    row = rehearsed.row(ROUTER, 600.0, {ROUTER: 3.0})
    assert (row.flat, row.restarts, row.journal_per_hour) == (True, 0, 3.0)
    assert row.cpu_percent == pytest.approx(2.0)
    assert row.slope == pytest.approx(row.slope_late, rel=0.1)
    assert rehearsed.failures == []
    rehearsed.samples[ROUTER] = line(60.0)
    assert not rehearsed.row(ROUTER, 600.0, {}).flat
    assert rehearsed.failures[0].startswith("order_router grew from 5")


def test_the_first_two_minutes_are_no_growth(rehearsed: Soak) -> None:
    rehearsed.samples[ROUTER] = [
        Sample(one.at_s, 1, int((20 + min(one.at_s, 110)) * MIB), 20, 0.0) for one in line(0.0)
    ]
    assert rehearsed.row(ROUTER, 600.0, {}).flat


def test_files_left_open_and_ends_without_being_asked_are_failures(rehearsed: Soak) -> None:
    rehearsed.samples[ROUTER] = line(0.0)[:40] + line(0.0, files=40)[40:]
    log = rehearsed.cast.var / "log" / "supervisord.log"
    log.write_text(log.read_text() + "WARN exited: order_router (exit status 16; not expected)\n")
    assert rehearsed.row(ROUTER, 600.0, {}).restarts == 1
    assert rehearsed.failures == [
        "order_router has 40 files open, 20 before",
        "order_router ended 1 times by itself",
    ]


def test_a_process_that_was_never_seen_is_a_failure(rehearsed: Soak) -> None:
    assert not rehearsed.row(ROUTER, 600.0, {}).flat
    assert rehearsed.failures == ["order_router was never seen"]


def test_every_check_is_asked_whatever_the_ones_before_gave(rehearsed: Soak) -> None:
    def no() -> None:
        raise AssertionError("because")

    rehearsed.check("first", no)
    rehearsed.check("second", lambda: None)
    assert rehearsed.facts == {"first": "NO", "second": "yes"}
    assert rehearsed.failures == ["first: NO, because"]


def test_what_is_lifted_starts_and_leaves_only_what_no_day_is_to_reach() -> None:
    given = load(env=soak.LIFTED)
    stage = Stage(given).opened(150_000)
    rules = {layer.rule for layer in stage.state().layers if not layer.gain}
    assert rules == {"floor", "drawdown", "near_floor", "daily_loss"}
    assert given.simulator.accounts[0].rules() == given.risk_governor.rules


def test_a_soak_that_came_to_rest_has_shown_nothing(rehearsed: Soak) -> None:
    rehearsed.cast.truth = lambda: {"fills": 40}  # type: ignore[method-assign]
    rehearsed.fills_half = 39
    rehearsed.traded_on()
    rehearsed.fills_half = 40
    with pytest.raises(AssertionError, match="no fill in the second half, 40 before"):
        rehearsed.traded_on()


def test_a_folder_in_use_is_not_touched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "kept").mkdir()
    assert soak.main(["--var", str(tmp_path / "kept")]) == Exit.USAGE
    assert "exists already" in capsys.readouterr().err
