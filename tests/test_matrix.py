"""A dozen squares of the kill matrix on one cast; `python -m scripts.chaos matrix` plays all."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from scripts import chaos, matrix
from scripts.matrix import DRILL, EVERYBODY, SETTINGS, STEPS, Cell, Matrix, Table
from scripts.rehearsal import Rehearsal, TimedOut

DEALT = (
    ("intent said", "sleeve_trend", "SIGKILL"),
    ("approved", "risk_governor", "SIGKILL"),
    ("SENT journalled", "order_router", "SIGKILL"),
    ("request under way", "order_router", "SIGKILL"),
    ("accepted", "simulator", "SIGKILL"),
    ("filled", "market_data_gateway", "SIGKILL"),
    ("stop placed", "order_router", "SIGKILL"),
    ("exit under way", "order_router", "SIGKILL"),
    ("flatten begun", "order_router", "SIGKILL"),
    ("flatten proving", "risk_governor", "SIGKILL"),
    ("stop placed", EVERYBODY, "SIGSTOP"),
    ("filled", SETTINGS, "SIGKILL"),
)


def dealt() -> list[Cell]:
    known = {(cell.step.name, cell.victim, cell.number.name): cell for cell in matrix.cells()}
    return [known[names] for names in DEALT]


@pytest.mark.slow
def test_a_dozen_squares_break_no_promise(tmp_path: Path) -> None:
    cast, story = Rehearsal(tmp_path / "var", **DRILL), list[str]()
    one = Matrix(cast, story.append)
    try:
        one.begin()
        for cell in dealt():
            assert one.play(cell) > 0.0, cell
        one.end()
    except (AssertionError, TimedOut) as error:
        raise AssertionError(f"{error}; {story}") from error
    finally:
        one.ears.close()
        cast.close()
    assert any("each booked once; flat" in line for line in story), story


def test_every_process_meets_every_step_killed_and_frozen() -> None:
    cells = matrix.cells()
    assert len(cells) == len(set(cells)) == len(STEPS) * (11 * 2 + 2)
    assert {cell.number for cell in cells} == {signal.SIGKILL, signal.SIGSTOP}


def test_the_table_shows_what_was_played_and_what_was_not() -> None:
    table, cell = Table(), dealt()[2]
    table.note(cell, 1.25)
    table.note(cell._replace(number=signal.SIGSTOP), 7.0)
    table.note(dealt()[10], 2.0)
    lines = list(table.lines())
    assert lines[0].count("|") == len(STEPS) + 2
    (router,) = (line for line in lines if line.startswith("| order_router"))
    assert "| 1.2 / 7.0 |" in router
    assert router.count("| - / - ") == len(STEPS) - 1
    (all_of_them,) = (line for line in lines if line.startswith(f"| {EVERYBODY}"))
    assert "| - / 2.0 |" in all_of_them


def test_a_broken_square_is_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = Table()
    monkeypatch.setattr(matrix, "run", lambda *_: table)
    assert chaos.main(["matrix", "--minutes", "1"]) == 0
    table.broken.append("TimedOut: x")
    assert chaos.main(["matrix", "--minutes", "1"]) == chaos.BROKEN
    assert "| killed / frozen at |" in capsys.readouterr().out
