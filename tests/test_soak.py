"""The arithmetic and the verdict of a soak; the soak itself is run by hand and told in docs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from scripts import soak, soak_days, soak_look
from scripts.console import Exit
from scripts.rehearsal import Rehearsal
from scripts.soak import Soak
from scripts.soak_days import DaySoak, Evening
from scripts.soak_look import MIB, Sample
from shared.runtime import paths
from shared.settings import load
from shared.units import HOUR
from shared.venue.times import time_ns
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
    assert soak_look.slope(line(36.0)) == pytest.approx(36.0, rel=1e-3)
    assert soak_look.slope(line(-6.0)) == pytest.approx(-6.0, rel=1e-2)
    assert soak_look.slope(line(5.0)[:1]) == 0.0
    assert soak_look.slope([]) == 0.0


def test_one_look_at_ourselves() -> None:
    seen = soak_look.sample(7.0, os.getpid())
    assert seen.at_s == 7.0
    assert 5 * MIB < seen.rss < 4_000 * MIB
    assert seen.files == pytest.approx(len(os.listdir("/proc/self/fd")), abs=2)
    assert seen.cpu_s > 0
    with pytest.raises(OSError, match="No such file"):
        soak_look.sample(0.0, 2**22 + 1)


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


def test_the_errors_of_a_log_count_but_the_flattens_that_were_asked_for(rehearsed: Soak) -> None:
    log = rehearsed.cast.var / "log" / "order_router.log"
    log.write_text('{"level":"CRITICAL"}\n{"level":"ERROR"}\n{"level":"WARNING"}\n')
    rehearsed.count_words()
    rehearsed.asked_for = 1
    rehearsed.count_words()
    rehearsed.asked_for = 2
    rehearsed.count_words()
    assert rehearsed.failures == ["the logs hold 2 errors", "the logs hold 1 errors"]


# -- whole days ------------------------------------------------------------------------------------


@pytest.fixture
def days(tmp_path: Path) -> DaySoak:
    made = soak.made(soak.parsed(["--days", "20", "--speed", "6"]), tmp_path / "var")
    assert isinstance(made, DaySoak)
    return made


def evening(day: str, **more: Any) -> Evening:
    given = dict.fromkeys(("files", "journal_files", "inbox", "fills"), 1) | {"journal_mib": 10.0}
    return Evening(**(given | {"day": day, "rss": {ROUTER: 50.0}, "inbox_of": ROUTER} | more))


def test_twenty_days_hold_two_early_closes_and_the_roll(days: DaySoak) -> None:
    labels = [day.day for day in days.days]
    assert len(labels) == 21, "and the turn after the last"
    short = [day.day for day in days.days if day.closes_ns - day.opens_ns < 23 * HOUR]
    assert short == ["2026-11-26", "2026-11-27"], "Thanksgiving, and the day after"
    assert labels[-1] == "2026-12-17", "after the roll, which comes five days before the expiry"
    keep = days.settings.runtime.keep_days
    assert keep == soak_days.KEEP_DAYS < 20


def test_windows_follow_each_other_and_cross_every_edge(days: DaySoak) -> None:
    before = 0
    for day in days.days:
        turn, opening, end = soak_days.windows(day)
        assert before < turn.begin_ns < day.opens_ns < turn.end_ns < opening.begin_ns
        assert opening.end_ns < end.begin_ns < day.no_entries_ns
        assert day.flatten_ns < day.flat_ns < end.end_ns <= day.flat_by_ns
        before = end.end_ns
    given = days.settings.simulator.start
    assert time_ns(given, "start") == soak_days.windows(days.days[0])[0].begin_ns


def test_a_day_without_a_fill_is_a_failure(days: DaySoak) -> None:
    days.evenings = [evening("2026-11-19", fills=3), evening("2026-11-20", fills=5)]
    days.each_day_traded()
    days.evenings.append(evening("2026-11-23", fills=5))
    with pytest.raises(AssertionError, match="no fill on 2026-11-23"):
        days.each_day_traded()


def test_journals_that_stay_or_grow_are_a_failure(days: DaySoak) -> None:
    root = paths.journal_root(days.cast.var)
    for at in range(1, 8):
        (root / f"2026-11-0{at}").mkdir(parents=True)
        (root / f"2026-11-0{at}" / f"{ROUTER}.journal").touch()
    with pytest.raises(AssertionError, match="order_router keeps 7 days"):
        days.retention_holds()
    (root / "2026-11-01" / f"{ROUTER}.journal").unlink()
    with pytest.raises(AssertionError, match="has 6 days unpacked"):
        days.retention_holds()
    for at in range(2, 5):
        file = root / f"2026-11-0{at}" / f"{ROUTER}.journal"
        file.rename(file.with_name(file.name + ".gz"))
    days.retention_holds()
    days.evenings = [evening(str(at), journal_mib=10.0 + at // 15 * 5) for at in range(20)]
    with pytest.raises(AssertionError, match=r"15\.0 MiB of journals, 10\.0 before"):
        days.retention_holds()


def test_days_are_summed_up_in_a_sentence(days: DaySoak) -> None:
    days.evenings = [evening("a", inbox=7), evening("b", inbox=3, journal_mib=12.5)]
    days.facts = {"fills": 1_200, "decisions_compared": 9}
    rows = [soak_look.Row(ROUTER, 50.0, 51.0, 0, 0, 1, 1, 0, 0, 0, flat=True)]
    told = days.summary(rows)
    assert told.startswith("2 trading days (journals 12.5 MiB in 1 files in the end, deepest inbox")
    assert "7 of order_router" in told
    assert "50 MiB after the warm-up and 51 MiB at the end; 1,200 fills, 9 decisions" in told
    minutes = Soak(soak.parsed(["--minutes", "10"]), days.cast)
    assert minutes.summary(rows).startswith("10 minutes of 1 processes in one life")


def test_every_day_kept_is_replayed_but_the_oldest(days: DaySoak) -> None:
    for at in range(1, 4):
        folder = paths.journal_root(days.cast.var) / f"2026-11-0{at}"
        folder.mkdir(parents=True)
        (folder / f"{ROUTER}.journal").touch()
    assert days.days_to_replay(ROUTER) == ["2026-11-02", "2026-11-03"]


def test_an_evening_is_a_line(days: DaySoak) -> None:
    days.evenings = [evening("2026-11-19", inbox=77)]
    told = days.more()
    assert told[-1].split() == ["2026-11-19", "50.0", "1", "10.0", "1", "1", "77", ROUTER]


def test_a_folder_in_use_is_not_touched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "kept").mkdir()
    assert soak.main(["--var", str(tmp_path / "kept")]) == Exit.USAGE
    assert "exists already" in capsys.readouterr().err
