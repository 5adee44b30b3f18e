"""`tsq doctor --rehearse`: what its judge believes, and that it changes nothing off the simulator.

The whole rehearsal plays on a real cast in `test_cast_real.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest

from scripts import cli, rehearse_sentinel
from scripts.console import Exit
from scripts.findings import Finding, Grade
from scripts.rehearsal import TimedOut
from scripts.rehearse_sentinel import Scene, beside, by_reading, judge, on_simulator
from shared.events import Heartbeat
from shared.runtime import paths, pulse
from shared.settings import load
from shared.venue import answers
from shared.venue import words as wire
from tests.venue_stage import serving

MNQ, MES = "CON.F.US.MNQ.Z26", "CON.F.US.MES.Z26"
SCENE = Scene(77, {MNQ: 2})
NOTHING = ("input", "Books", {"orders": [], "positions": []})
HELD = ("input", "Books", {"orders": [], "positions": [[MNQ, 2]]})
SEIZED = ("input", "Seized", {"killed": 77})
FLAT = ("effect", "Report", {"stage": "FLAT"})
RELEASE = ("effect", "Release", {"flat": True})
Line = tuple[str, str, dict[str, Any]]


def close(no: int, contract: str = MNQ, outcome: str = "DONE") -> list[Line]:
    return [
        ("effect", "Close", {"no": no, "contract": contract}),
        ("input", "Answered", {"no": no, "outcome": outcome}),
    ]


GOOD = [HELD, SEIZED, HELD, *close(5), NOTHING, NOTHING, FLAT, RELEASE]


def grades(story: list[Line], scene: Scene = SCENE) -> list[bool]:
    """Of lock, closes and proof: whether each holds."""
    return [finding.grade is Grade.OK for finding in judge(story, scene)]


def test_a_good_story_proves_all_three() -> None:
    assert [finding.name for finding in judge(GOOD, SCENE)] == [
        "lock taken", "flattened", "proven flat",
    ]  # fmt: skip
    assert grades(GOOD) == [True, True, True]


@pytest.mark.parametrize(
    ("story", "holds", "says"),
    [
        ([], [False, True, False], "never held the router's lock"),
        ([HELD, *close(5), *GOOD[1:]], [False, True, True], "1 requests left before"),
        ([HELD, ("input", "Seized", {"killed": 3}), *GOOD[2:]], [False, True, True],
         "ended process 3"),
        ([*GOOD[:3], *close(5), *close(6), *GOOD[5:]], [True, False, True], "more than once"),
        ([SEIZED, HELD, *close(5), NOTHING, FLAT, RELEASE], [True, True, False], "after 1 reads"),
        ([SEIZED, NOTHING, HELD, *close(5), NOTHING, FLAT, RELEASE], [True, True, False],
         "after 1 reads"),
        ([SEIZED, NOTHING, *close(5), NOTHING, FLAT, RELEASE], [True, True, False],
         "after 1 reads"),
        ([SEIZED, HELD, *close(5), NOTHING, NOTHING, RELEASE], [True, True, False],
         "never said FLAT"),
        ([SEIZED, HELD, *close(5), NOTHING, NOTHING, FLAT], [True, True, False],
         "never said FLAT"),
    ],
)  # fmt: skip
def test_a_story_with_a_hole_proves_nothing(
    story: list[Line], holds: list[bool], says: str
) -> None:
    assert grades(story) == holds
    assert says in " ".join(one.text for one in judge(story, SCENE) if one.grade is not Grade.OK)


def test_a_close_refused_and_tried_again_is_one_close_and_a_stop_closes_too() -> None:
    story = [SEIZED, HELD, *close(5, outcome="REFUSED"), *close(6), *GOOD[5:]]
    assert grades(story, Scene(77, {MNQ: 2, MES: 1})) == [True, True, True]
    assert MES in judge(story, Scene(77, {MNQ: 2, MES: 1}))[1].text


# -- the command -------------------------------------------------------------------------------


class Deaf:
    """A private cast that never comes up."""

    made: list[Deaf] = []

    def __init__(self, var: Path, **settings: str) -> None:
        self.var, self.closed = var, False
        Deaf.made.append(self)

    def start(self) -> None:
        self.var.mkdir()

    def ready(self) -> None:
        raise TimedOut("not within 1 s: the cast is ready")

    def close(self) -> None:
        self.closed = True


def test_a_rehearsal_that_cannot_play_has_failed_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rehearse_sentinel, "Rehearsal", Deaf)
    (finding,) = on_simulator(argparse.Namespace(json=True))
    assert (finding.grade, finding.text) == (Grade.FAILED, "not within 1 s: the cast is ready")
    (cast,) = Deaf.made
    assert cast.closed
    assert not cast.var.parent.exists()


@pytest.mark.parametrize(
    ("grade", "code"),
    [(Grade.OK, Exit.OK), (Grade.WARNING, Exit.OK), (Grade.FAILED, Exit.CHECK_FAILED),
     (Grade.VENUE, Exit.VENUE)],
)  # fmt: skip
def test_the_exit_code_is_the_worst_finding(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    grade: Grade, code: Exit,
) -> None:  # fmt: skip
    found = [Finding("lock taken", Grade.OK, "yes"), Finding("handed back", grade, "told")]
    monkeypatch.setattr(rehearse_sentinel, "on_simulator", lambda _args: found)
    assert cli.main(["doctor", "--rehearse", "--var", str(tmp_path)]) == code
    assert "handed back" in capsys.readouterr().out


# -- off the simulator -------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "grade", "says"),
    [("SIM-50K-1", Grade.OK, "by its own login: no position, 0 live orders"),
     ("OTHER", Grade.VENUE, "knows no account 'SIM-50K-1'")],
)  # fmt: skip
def test_off_the_simulator_it_reads_and_sends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, grade: Grade, says: str
) -> None:
    account = wire.AccountModel(id=9, name=name, balance=1.0, can_trade=True, simulated=True)
    monkeypatch.setenv("TOPSTEPX_USERNAME", "me")
    monkeypatch.setenv("TOPSTEPX_API_KEY", "any-word")

    async def story() -> None:
        async with serving(tmp_path) as (host, url):
            host.answers[wire.AccountSearch] = answers.AccountsResponse(
                success=True, accounts=(account,)
            )
            env = {"TSQ__VENUE__ENVIRONMENT": "DEMO", "TSQ__VENUE__REST_URL": url}
            found = await by_reading(load(env=env))
            assert (found[0].grade, says in found[0].text) == (grade, True), found
            asked = {type(request).__name__ for request in host.calls}
            assert asked <= {"AccountSearch", "OrderQuery", "PositionSearchOpen"}, asked

    asyncio.run(story())


def test_without_a_login_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TOPSTEPX_USERNAME", "TOPSTEPX_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    (finding,) = asyncio.run(by_reading(load(env={"TSQ__VENUE__ENVIRONMENT": "DEMO"})))
    assert (finding.name, finding.grade) == ("login", Grade.FAILED)


def test_a_running_cast_is_looked_at_from_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearse_sentinel, "programs", lambda _var: [])
    assert [one.grade for one in beside(tmp_path)] == [Grade.WARNING]
    monkeypatch.setattr(rehearse_sentinel, "programs", lambda _var: ["order_router"])
    assert [one.grade for one in beside(tmp_path)] == [Grade.FAILED, Grade.FAILED]
    run = paths.run_dir(tmp_path)
    now = time.time()  # which stands still, however slow the computer is
    monkeypatch.setattr(time, "time", lambda: now)
    pulse.write_beat(run, Heartbeat(actor="sentinel", epoch=1, beat=1, schema="", seq={}))
    paths.lock_path(run, "order_router").write_text(f"{os.getpid()}\n")
    found = beside(tmp_path)
    assert [one.grade for one in found] == [Grade.OK, Grade.FAILED]
    assert f"its holder {os.getpid()} is not known to be our router" in found[1].text
    monkeypatch.setattr(rehearse_sentinel, "is_router", lambda pid: pid == os.getpid())
    assert [one.grade for one in beside(tmp_path)] == [Grade.OK, Grade.OK]
    old = now - 60
    os.utime(paths.heartbeat_path(run, "sentinel"), (old, old))
    assert [one.grade for one in beside(tmp_path)] == [Grade.FAILED, Grade.OK]
    for file in run.iterdir():
        file.unlink()
    run.rmdir()
