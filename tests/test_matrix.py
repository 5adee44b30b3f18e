"""A dozen squares of the kill matrix on one cast; `python -m scripts.chaos matrix` plays all."""

from __future__ import annotations

import signal
from pathlib import Path

import msgspec
import pytest

from scripts import chaos, matrix, matrix_deal
from scripts.matrix import DRILL, EVERYBODY, SETTINGS, STEPS, Cell, Matrix, NotReached
from scripts.matrix_deal import Ended, Square, Table
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
    assert len(cells) == len(set(cells)) == len(STEPS) * (12 * 2 + 1)
    assert {cell.number for cell in cells} == {signal.SIGKILL, signal.SIGSTOP}


def square(at: int, number: str = "SIGKILL", **became: object) -> Square:
    step, victim, _ = DEALT[at]
    return Square(step, victim, number, **became)  # type: ignore[arg-type]


def test_the_table_shows_what_was_played_and_what_was_not() -> None:
    played = [
        square(2, seconds=1.25),
        square(2, "SIGSTOP", seconds=7.0),
        square(10, "SIGSTOP", seconds=2.0),
        square(0, missed="it did not come"),
        square(1, broken="TimedOut: x"),
        Ended(3, orders=1_200, fills=70, decisions=9),
        Ended(1, orders=30, fills=2, decisions=1),
    ]
    table = Table(played)
    lines = list(table.lines())
    assert lines[0].count("|") == len(STEPS) + 2
    (router,) = (line for line in lines if line.startswith("| order_router"))
    assert "| 1.2 / 7.0 |" in router
    assert router.count("| - / - ") == len(STEPS) - 1
    (all_of_them,) = (line for line in lines if line.startswith(f"| {EVERYBODY}"))
    assert "| - / 2.0 |" in all_of_them
    (governor,) = (line for line in lines if line.startswith("| risk_governor"))
    assert "| BROKEN / - |" in governor
    told = table.summary()
    assert "3 of 300 squares held, 1 broke, 1 were not reached; 2 casts, 1,230 orders" in told
    assert "Slowest to be well: 7.0 s (SENT journalled order_router SIGSTOP)" in told
    assert "- BROKEN: approved risk_governor SIGKILL: TimedOut: x" in told
    assert "- not reached: intent said sleeve_trend SIGKILL: it did not come" in told


def test_what_held_is_not_dealt_again_and_the_last_word_about_a_square_counts() -> None:
    table = Table([square(0, seconds=1.0), square(1, broken="x"), square(2, missed="y")])
    names = {matrix_deal.key_of(cell) for cell in table.left(again=True)}
    assert len(names) == 299
    assert len(table.left(again=False)) == 298, "what broke is tried again by another run only"
    table = Table([square(1, broken="x"), square(1, seconds=2.0)])
    assert table.broken() == []
    assert Table([Ended(3, broken="3 fills booked, 4 made")]).broken() == [
        "the end of a cast: 3 fills booked, 4 made"
    ]


class FakeMatrix:
    """Plays without a cast; `fates` by victim."""

    def __init__(self, fates: dict[str, Exception], end: Exception | None = None) -> None:
        self.fates, self.ended_by, self.chaos = fates, end, chaos.Chaos.__new__(chaos.Chaos)
        self.chaos.done = chaos.Counter(orders=4, fills=2, decisions=8)
        self.told: list[str] = []
        self.say = self.told.append

    def begin(self) -> None: ...

    def play(self, cell: Cell) -> float:
        if cell.victim in self.fates:
            raise self.fates[cell.victim]
        return 1.0

    def end(self) -> None:
        if self.ended_by:
            raise self.ended_by


def hand_of(fake: FakeMatrix) -> tuple[bool, list[Square | Ended]]:
    noted: list[Square | Ended] = []
    sound = matrix_deal._play(fake, dealt()[:3], 1e18, noted.append)  # type: ignore[arg-type]
    return sound, noted


def test_each_square_is_noted_as_it_is_played() -> None:
    governor = "risk_governor"
    assert hand_of(FakeMatrix({})) == (
        True,
        [*(square(at, seconds=1.0) for at in range(3)), Ended(3, 4, 2, 8)],
    )
    sound, noted = hand_of(FakeMatrix({governor: NotReached("no")}))
    assert sound
    assert noted[1:] == [square(1, missed="no"), square(2, seconds=1.0), Ended(2, 4, 2, 8)]
    sound, noted = hand_of(FakeMatrix({governor: TimedOut("never")}))
    assert not sound, "the rest of the hand is dealt to others"
    assert noted[1:] == [square(1, broken="TimedOut: never")]
    sound, noted = hand_of(FakeMatrix({}, AssertionError("booked twice")))
    assert not sound
    assert noted[-1] == Ended(3, broken="AssertionError: booked twice")


def test_a_whole_matrix_is_not_played_again_and_goes_into_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results, page = tmp_path / "results", tmp_path / "page.md"
    rows = [Square(*matrix_deal.key_of(cell), seconds=1.0) for cell in matrix.cells()]
    results.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    page.write_text(
        "# Title\n<!-- matrix -->\nold\n<!-- /matrix -->\nend\n"
        "<!-- matrix table -->\nold\n<!-- /matrix table -->\n"
    )
    words = ["matrix", "--results", str(results), "--report", str(page)]
    assert chaos.main(words) == 0
    counts, _, table = page.read_text().partition("end")
    assert "300 of 300 squares held, 0 broke" in counts
    assert "| killed / frozen at |" in table
    assert "old" not in counts + table
    assert "| killed / frozen at |" in capsys.readouterr().out
    with results.open("ab") as file:
        file.write(msgspec.json.encode(Ended(1, broken="x")) + b"\n")
    assert chaos.main(words) == chaos.BROKEN
