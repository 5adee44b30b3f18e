"""`tsq journal` and `tsq replay`: what is told of a sound, a torn, a damaged, a differing one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scripts import journal as journal_verb
from scripts import replay as replay_verb
from scripts.console import Exit
from shared.runtime import paths, records
from shared.runtime.journal import Journal
from shared.runtime.replay import Difference, Report
from tests.cli.stage import Tsq

# -- journal -------------------------------------------------------------------------------------


def write_journal(
    var: Path, *texts: str, lane: str = "order_router", day: str = "2026-11-18"
) -> Path:
    path = paths.journal_path(var, day, lane)
    file = Journal(path, 1 << 16)
    for n, text in enumerate(texts):
        file.append(records.pack(records.INPUT, (n, {"t": "Pulse", "said": text})))
    file.close()
    return path


def test_a_journal_is_listed_read_and_verified(tsq: Tsq, var: Path) -> None:
    path = write_journal(var, "one", "two", "three")
    size = path.stat().st_size
    row = {"day": "2026-11-18", "lane": "order_router", "bytes": size}
    assert tsq("journal", "ls", "--json").json == {"journals": [row]}
    assert f"{size:,}" in tsq("journal", "ls").out
    rows = tsq("journal", "cat", "order_router", "--json").rows
    assert [row["content"][1]["said"] for row in rows] == ["one", "two", "three"]
    assert "one" in tsq("journal", "cat", "order_router", "--day", "2026-11-18").out
    assert "sound; 3 input" in tsq("journal", "verify").out
    assert tsq("journal", "verify", "order_router", "--json").rows[0]["trouble"] == ""


def test_a_journal_that_is_not_there_is_no_sound_journal(tsq: Tsq, var: Path) -> None:
    assert tsq("journal", "ls", "--json").json == {"journals": []}
    assert "nothing under" in tsq("journal", "ls").out
    assert tsq("journal", "verify").code == Exit.USAGE, "of nothing nothing is verified"
    write_journal(var, "one")
    for words in (
        ("cat", "nobody"),
        ("cat",),
        ("cat", "order_router", "--day", "2026-11-19"),
        ("tail", "nobody"),
        ("verify", "nobody"),
        ("verify", "--day", "2026-11-19"),
    ):
        answer = tsq("journal", *words)
        assert answer.code == Exit.USAGE, words
        assert "order_router" in answer.err, words


def test_a_torn_end_is_told_and_damage_in_the_middle_fails(tsq: Tsq, var: Path) -> None:
    path = write_journal(var, "one", "two", "three")
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    answer = tsq("journal", "verify")
    assert answer.code == Exit.OK
    assert "bytes of an unfinished frame" in answer.out
    path.write_bytes(whole.replace(b"one", b"xxx"))
    answer = tsq("journal", "verify", "order_router")
    assert answer.code == Exit.CHECK_FAILED
    assert "CORRUPT" in answer.out
    assert "a damaged frame" in answer.out
    for verb in ("cat", "tail"):
        assert tsq("journal", verb, "order_router").code == Exit.CHECK_FAILED


def test_tail_begins_with_the_last_and_goes_on_into_the_next_day(
    tsq: Tsq, var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_journal(var, "one", "two", "three")
    steps = iter(["2026-11-18", "2026-11-19", ""])

    def write(_s: float) -> None:
        step = next(steps, None)
        if step is None:
            raise KeyboardInterrupt
        if step:
            write_journal(var, f"of {step}", day=step)

    monkeypatch.setattr(journal_verb.time, "sleep", write)
    answer = tsq("journal", "tail", "order_router", "-n", "2", "--json")
    assert answer.code == Exit.OK
    said = [row["content"][1]["said"] for row in answer.rows]
    assert said == ["two", "three", "of 2026-11-18", "of 2026-11-19"]


# -- replay --------------------------------------------------------------------------------------


def a_report(**changes: Any) -> Report:
    told = {"actor": "order_router", "days": ("2026-11-18",), "starts": 1, "told": 9}
    told |= {"decisions": 5, "compared": 5, "skipped": 0, "unsaid": 0, "decision_hash": "beef"}
    return Report(**(told | changes))


def test_replay_of_nothing_is_not_a_passed_replay(tsq: Tsq, var: Path) -> None:
    assert tsq("replay").code == Exit.USAGE
    assert "nothing recorded" in tsq("replay").err
    answer = tsq("replay", "order_router", "--day", "2026-11-18")
    assert answer.code == Exit.USAGE
    assert "order_router" in answer.err
    assert tsq("replay", "nobody").code == Exit.USAGE


def test_replay_fails_when_one_decision_differs(tsq: Tsq, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_verb, "replay", lambda *_, **__: a_report(skipped=2))
    answer = tsq("replay", "order_router")
    assert answer.code == Exit.OK
    assert "equal" in answer.out
    assert "2 by other code" in answer.out
    difference = Difference(where="offset 7", expected="BUY 1", got="BUY 2")
    monkeypatch.setattr(replay_verb, "replay", lambda *_, **__: a_report(difference=difference))
    answer = tsq("replay")
    assert answer.code == Exit.CHECK_FAILED
    assert "DIFFERS" in answer.out
    assert "BUY 2" in answer.out
    assert not tsq("replay", "--json").json["reports"][0]["equal"]
