"""A swap among real processes, there and back, and a tune: everybody else's process left alone.

What the toy sleeve wants is to be long whenever it is flat, so that its first wish as an owner
comes as early as can be.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.rehearsal import PATIENCE_S, Rehearsal
from shared.runtime import history
from shared.runtime.paths import journal_root
from tests.test_cast_real import DAY, books_agree, tags_are_unique, tsq

pytestmark = pytest.mark.slow

NEWCOMER = "tests.sleeves_toys:Restless"
SETTINGS = {
    "TSQ__SIMULATOR__SPEED": "3.0",
    "TSQ__SWAP__PROBATION_REAL_S": "5",
    "TSQ__SWAP__VETOES": "99",
}


def swap(cast: Rehearsal, *words: str) -> dict[str, object]:
    """`tsq swap trend ...`; what it told last."""
    answer = tsq(cast, "swap", "trend", *words, "--json", limit_s=2 * PATIENCE_S)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    found: dict[str, object] = json.loads(answer.stdout.splitlines()[-1])
    return found


def tuned_through_a_restart(cast: Rehearsal) -> None:
    assert tsq(cast, "tune", "trend", "channel_bars=30").returncode == 4, "structural"
    assert tsq(cast, "tune", "trend", "stop_ticks=3").returncode == 4, "out of its range"
    answer = tsq(cast, "tune", "trend", "stop_ticks=30")
    assert (answer.returncode, answer.stderr) == (0, ""), answer.stdout
    cast.kill_and_wait("sleeve_trend")
    cast.ready()
    cast.wait(
        lambda: "tuned trend: stop_ticks = 30" in tsq(cast, "status").stdout,
        PATIENCE_S,
        "a life after the tune says what it was tuned to",
    )


def test_a_swap_there_and_back_leaves_every_other_process_alone(tmp_path: Path) -> None:
    cast = Rehearsal(tmp_path / "var", **SETTINGS)
    cast.start()
    try:
        cast.ready()
        cast.wait(lambda: not cast.lots(), PATIENCE_S, "nothing is held")
        before = cast.pids()
        first = before.pop("sleeve_trend")
        assert swap(cast, "--to", NEWCOMER) == {"owner": False}
        assert cast.pids() == {**before, "sleeve_trend": first}, "a trial changes nothing"
        found = swap(cast, "--to", NEWCOMER, "--commit")
        assert found["owner"] == "sleeve_trend.b"
        print(f"commit to the newcomer's first approval: {found['first_approval_ms']} ms")  # noqa: T201
        after = cast.pids()
        assert after.pop("sleeve_trend.b")
        assert after == before
        assert tsq(cast, "status").returncode == 0, "who rests is not missed"
        books_agree(cast)
        assert swap(cast, "--back")["owner"] == "sleeve_trend"
        after = cast.pids()
        assert after.pop("sleeve_trend") != first
        assert after == before
        books_agree(cast)
        tuned_through_a_restart(cast)
        tags_are_unique(cast)
        tags = [order["customTag"] or "" for order in cast.truth()["orders"]]
        assert any(tag.startswith("t1.trend.") for tag in tags), "the newcomer traded"
        assert cast.stop() == 0
        recorded = history.session(journal_root(cast.var), DAY)
        answer = tsq(cast, "replay", "--day", DAY, "--json", limit_s=2 * PATIENCE_S)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        assert json.loads(answer.stdout)["decision_hash"] == recorded.decision_hash
    finally:
        cast.close()
