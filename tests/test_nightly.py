"""What a night is made of, and what it says about itself. The parts have tests of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import nightly
from scripts.nightly import PAGE, TABLES, Part, Ran
from scripts.page import put

MARKED = "# Title\n<!-- night -->\nold\n<!-- /night -->\nend\n"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Part]:
    """Parts that were to be run; the second breaks."""
    ran: list[Part] = []

    def play(part: Part) -> Ran:
        ran.append(part)
        return Ran(part, 2 if len(ran) == 2 else 0, 90.0)

    monkeypatch.setattr(nightly, "play", play)
    return ran


def test_a_night_plays_every_part_although_one_breaks_and_tells_it(
    asked: list[Part], tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text(MARKED)
    assert nightly.main(["--report", str(page), "--from", "5"]) == 2
    assert [part.name for part in asked] == ["Worlds", "kill matrix", "trading days", "full disk"]
    worlds, matrix, days, _ = asked
    assert worlds.words[:5] == ("scripts.campaign", "--seeds", "10000", "--from", "5")
    assert matrix.words[:4] == ("scripts.chaos", "matrix", "--jobs", "2")
    assert days.words[1:3] == ("--days", "20")
    assert all(str(page) in part.words for part in asked)
    text = page.read_text()
    assert "| kill matrix | BROKE | 2 |" in text
    assert "| full disk | held | 2 |" in text
    assert "old" not in text
    assert text.endswith("end\n")


def test_nothing_leaves_a_part_out(asked: list[Part], tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(MARKED)
    words = ["--report", str(page), "--seeds", "0", "--casts", "0", "--no-disk", "--days", "1"]
    assert nightly.main(words) == 0
    assert [part.name for part in asked] == ["trading days"]


def test_nights_have_seeds_of_their_own(
    asked: list[Part], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text(MARKED)
    for day in (20_000, 20_001):
        monkeypatch.setattr(nightly.time, "time", lambda day=day: day * 86_400.0 + 7)
        words = ["--seeds", "10", "--casts", "0", "--no-disk", "--days", "0"]
        nightly.main([*words, "--report", str(page)])
    assert [part.words[4] for part in asked] == ["200000", "200010"]


def test_a_part_that_is_not_possible_here_breaks_nothing_and_one_that_dies_does() -> None:
    part = Part("x", ("scripts.x",))
    assert Ran(part, 77, 0.0).verdict == "not possible here"
    assert Ran(part, -9, 0.0).verdict == "did not finish (code -9)"
    assert "| x | held | 1 | `python -m scripts.x` |" in nightly.told([Ran(part, 0, 60.0)])


def test_a_part_is_run_to_its_end_and_its_code_kept() -> None:
    assert nightly.play(Part("none", ("scripts.nowhere",))).code == 1


def test_every_part_has_its_place_in_the_pages(tmp_path: Path) -> None:
    copy = tmp_path / "page.md"
    for document, marks in (
        (PAGE, ("night", "worlds", "matrix", "matrix table", "soak", "disk")),
        (TABLES, ("soak",)),
    ):
        copy.write_text(document.read_text())
        for mark in marks:
            put(copy, mark, "here")
            assert f"<!-- {mark} -->\nhere\n<!-- /{mark} -->" in copy.read_text()
