"""Sleeves swapped, tuned, added and removed among real processes that trade all the while.

Everybody else's process must be left alone, and the simulator's own books must be ours at the end
of every step. What the toy sleeve wants is to be long whenever it is flat, so that its first wish
as an owner comes as early as can be.
"""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from scripts.rehearsal import PATIENCE_S, Rehearsal
from scripts.swap import owner_of
from shared.runtime import history
from shared.runtime.paths import journal_root
from shared.seats import SECOND
from shared.settings import REPO
from tests.test_cast_real import DAY, TSQ, books_agree, tags_are_unique, tsq

pytestmark = pytest.mark.slow

RESTLESS = "tests.sleeves_toys:Restless"
FALSE_FRIEND = "tests.sleeves_toys:FalseFriend"
SETTINGS = {
    "TSQ__SIMULATOR__SPEED": "3.0",
    "TSQ__SWAP__PROBATION_REAL_S": "8",
    "TSQ__SWAP__VETOES": "99",
}
PROBATION = 8 * 4  # pulses
EXTRA = f"""
[sleeves.extra]
implementation = "{RESTLESS}"
root = "MYM"
enabled = false
"""


def swap(cast: Rehearsal, sleeve: str, *words: str, code: int = 0) -> dict[str, Any]:
    """`tsq swap SLEEVE ...`; what it told last."""
    answer = tsq(cast, "swap", sleeve, *words, "--json", limit_s=2 * PATIENCE_S)
    assert answer.returncode == code, answer.stdout + answer.stderr
    found: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return found


def orders_of(cast: Rehearsal, sleeve: str) -> list[str]:
    tags = [order["customTag"] or "" for order in cast.truth()["orders"]]
    return [tag for tag in tags if tag.startswith(f"t1.{sleeve}.")]


def others(cast: Rehearsal, *sleeves: str) -> dict[str, int]:
    """Pids of everybody but these sleeves' processes."""
    names = {f"sleeve_{sleeve}{seat}" for sleeve in sleeves for seat in ("", ".b")}
    return {name: pid for name, pid in cast.pids().items() if name not in names}


def there_and_back(cast: Rehearsal) -> None:
    before = others(cast, "trend")
    first = cast.pids()["sleeve_trend"]
    assert swap(cast, "trend", "--to", RESTLESS) == {"owner": False}
    assert cast.pids() == {**before, "sleeve_trend": first}, "a trial changes nothing"
    found = swap(cast, "trend", "--to", RESTLESS, "--commit")
    assert found["owner"] == "sleeve_trend.b"
    print(f"commit to the newcomer's first approval: {found['first_approval_ms']} ms")  # noqa: T201
    assert cast.pids().keys() - before.keys() == {"sleeve_trend.b"}
    cast.wait(lambda: tsq(cast, "status").returncode == 0, PATIENCE_S, "who rests is not missed")
    books_agree(cast)
    assert swap(cast, "trend", "--back")["owner"] == "sleeve_trend"
    assert cast.pids()["sleeve_trend"] != first
    assert orders_of(cast, "trend"), "the newcomer traded"
    assert others(cast, "trend") == before


def watched_for_a_second(cast: Rehearsal) -> bool:
    owner = owner_of(cast.var, "trend")
    return owner is not None and owner.seat == SECOND and 5 <= PROBATION - owner.watched <= 16


def a_newcomer_is_sent_back(cast: Rehearsal, number: signal.Signals, why: str) -> None:
    before = others(cast, "trend")
    words = [*TSQ, "swap", "trend", "--to", RESTLESS, "--commit", "--json"]
    with subprocess.Popen(words, cwd=REPO, env=cast.environment, stdout=-1, text=True) as asked:
        cast.wait(lambda: watched_for_a_second(cast), PATIENCE_S, "the newcomer owns the sleeve")
        cast.kill("sleeve_trend.b", number)
        told = asked.communicate(timeout=PATIENCE_S)[0].splitlines()
    assert asked.returncode == 2, told
    sent_back(cast, json.loads(told[-1]), f"sleeve_trend.b {why}")
    assert others(cast, "trend") == before


def sent_back(cast: Rehearsal, found: dict[str, Any], why: str) -> None:
    assert found["owner"] == "sleeve_trend"
    assert found["cause"].startswith(f"rolled back: {why}"), found
    assert "sleeve_trend.b" not in cast.pids(), "it has left its seat"
    books_agree(cast)


def newcomers_that_fail_are_sent_back(cast: Rehearsal) -> None:
    a_newcomer_is_sent_back(cast, signal.SIGKILL, "")
    a_newcomer_is_sent_back(cast, signal.SIGSTOP, "is silent")
    before = others(cast, "trend")
    found = swap(cast, "trend", "--to", FALSE_FRIEND, "--commit", code=2)
    sent_back(cast, found, "the newcomer is paused: on_quote raised")
    assert others(cast, "trend") == before


def tuned_through_a_restart(cast: Rehearsal) -> None:
    before = others(cast, "trend")
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
    assert others(cast, "trend") == before


def removed_and_another_added(cast: Rehearsal) -> None:
    """`extra` is in nobody's configuration; it takes the product that `tail_hedge` leaves."""
    before = others(cast, "tail_hedge")
    assert swap(cast, "tail_hedge", "--remove")["rests"] == ["sleeve_tail_hedge"]
    assert cast.pids() == before
    cast.wait(
        lambda: tsq(cast, "status").returncode == 0,
        PATIENCE_S,
        "everybody runs, and who was removed is not missed",
    )
    assert swap(cast, "extra", "--to", RESTLESS, "--commit")["owner"] == "sleeve_extra.b"
    assert others(cast, "extra") == before
    cast.wait(lambda: orders_of(cast, "extra"), PATIENCE_S, "the added sleeve trades")
    books_agree(cast)
    assert swap(cast, "extra", "--to", RESTLESS) == {"owner": False}, "its other seat is as good"
    assert swap(cast, "extra", "--remove")["rests"] == ["sleeve_extra.b"]
    assert not any(".MYM." in contract for contract in cast.lots()), "what it held is closed"
    assert cast.pids() == before
    assert swap(cast, "tail_hedge", "--back")["owner"] == "sleeve_tail_hedge"
    assert others(cast, "tail_hedge") == before
    books_agree(cast)


def test_sleeves_come_and_go_and_every_other_process_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(EXTRA)
    cast = Rehearsal(tmp_path / "var", TSQ_SETTINGS=str(mine), **SETTINGS)
    cast.start()
    try:
        cast.ready()
        cast.wait(lambda: not cast.lots(), PATIENCE_S, "nothing is held")
        there_and_back(cast)
        newcomers_that_fail_are_sent_back(cast)
        tuned_through_a_restart(cast)
        removed_and_another_added(cast)
        tags_are_unique(cast)
        assert cast.stop() == 0
        recorded = history.session(journal_root(cast.var), DAY)
        answer = tsq(cast, "replay", "--day", DAY, "--json", limit_s=2 * PATIENCE_S)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        assert json.loads(answer.stdout)["decision_hash"] == recorded.decision_hash
    finally:
        cast.close()
