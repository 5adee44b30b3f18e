"""The whole cast as real processes under a real supervisord, on the simulator, with accidents.

One rehearsal per test, each with its own folder and ports. What must hold is asked of the
simulator's own books (`/sim/truth`), never of the process under test alone.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scripts.findings import Grade
from scripts.rehearsal import PATIENCE_S, Rehearsal, alive
from scripts.rehearse_sentinel import Scene, judge, story_of
from scripts.supervise import configuration
from services.cast import deciders
from shared.runtime import history
from shared.runtime.paths import journal_root
from shared.settings import REPO, load

pytestmark = pytest.mark.slow

DAY = "2026-11-18"  # on which the simulator's market begins
FAST = {"TSQ__SIMULATOR__SPEED": "3.0"}
TSQ = [sys.executable, "-m", "scripts.cli"]


@pytest.fixture
def cast(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Rehearsal]:
    rehearsal = Rehearsal(tmp_path / "var", **FAST, **getattr(request, "param", {}))
    rehearsal.start()
    try:
        yield rehearsal
    finally:
        rehearsal.close()


def tsq(
    cast: Rehearsal, *words: str, limit_s: float = PATIENCE_S
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*TSQ, *words],
        cwd=REPO,
        env=cast.environment,
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )


def sleeves_that_filled(cast: Rehearsal) -> set[str]:
    tags = (order["customTag"] or "" for order in cast.truth()["orders"] if order["fillVolume"])
    return {tag.split(".")[1] for tag in tags if tag.startswith("t1.") and "router" not in tag}


def books_agree(cast: Rehearsal) -> None:
    """Truth moves while it is read: equality at some instant within the limit is what is asked."""
    cast.ready()
    cast.wait(lambda: cast.known_lots() == cast.lots(), PATIENCE_S, "page and venue agree")


def tags_are_unique(cast: Rehearsal) -> None:
    truth = cast.truth()
    assert truth["tagsRefused"] == 0, "a tag was used twice"
    used = [order["customTag"] for order in truth["orders"] if order["customTag"]]
    assert len(used) == len(set(used))


def journals_replay(cast: Rehearsal) -> None:
    """Every actor's recorded day gives the same decisions again, whatever order sets come in, and
    the hash that is told at a session's end is the one a replay finds.
    """
    recorded = history.session(journal_root(cast.var), DAY)
    for order_of_sets in ("1", "2"):
        cast.environment["PYTHONHASHSEED"] = order_of_sets
        answer = tsq(cast, "replay", "--day", DAY, "--json", limit_s=300.0)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        found = json.loads(answer.stdout)
        assert found["decision_hash"] == recorded.decision_hash
        assert {it["actor"] for it in found["reports"] if it["compared"] > 0} == set(
            deciders(load(env=cast.environment))
        )
    del cast.environment["PYTHONHASHSEED"]


def alive_pids(pids: dict[str, int]) -> dict[str, int]:
    return {name: pid for name, pid in pids.items() if alive(pid)}


def test_everything_trades_and_every_process_may_die(cast: Rehearsal) -> None:
    cast.ready()
    cast.wait(lambda: len(sleeves_that_filled(cast)) >= 3, PATIENCE_S, "fills from three sleeves")
    for name in cast.pids():
        cast.kill_and_wait(name)
        cast.ready()
        books_agree(cast)
    tags_are_unique(cast)
    assert tsq(cast, "flatten", "--json").returncode == 0
    assert cast.lots() == {}
    books_agree(cast)
    assert cast.stop() == 0
    journals_replay(cast)


def in_position(cast: Rehearsal) -> dict[str, int]:
    return cast.wait(cast.lots, PATIENCE_S, "a position")


@pytest.mark.parametrize("dead", ["nobody", "risk_governor"])
def test_operator_flatten_ends_flat_by_the_venues_own_books(cast: Rehearsal, dead: str) -> None:
    cast.ready()
    in_position(cast)
    if dead != "nobody":
        cast.hold(dead)
    in_position(cast)
    answer = tsq(cast, "flatten", "--json")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert cast.lots() == {}
    orders = cast.truth()["openOrders"]
    time.sleep(2.0)
    assert cast.lots() == {}, "something opened again after the proof"
    assert not [o for o in orders if o["status"] in (1, 6, 8)], "an order still works"
    if dead != "nobody":
        cast.release(dead)
    cast.wait(
        lambda: level(cast) == "HALTED", PATIENCE_S, "the governor halts, also when it comes late"
    )


def level(cast: Rehearsal) -> str:
    found: str = (cast.api("/api/risk") or {}).get("risk", {}).get("level", "")
    return found


def frozen_in_position(cast: Rehearsal) -> tuple[int, dict[str, Any]]:
    """Freeze the router while there is something to close. Returns its pid and the truth then."""
    while True:
        in_position(cast)
        pid = cast.kill("order_router", signal.SIGSTOP)
        truth = cast.truth()
        if any(row["lots"] for row in truth["positions"]):
            return pid, truth
        os.kill(pid, signal.SIGCONT)


def traded_since(cast: Rehearsal, then: dict[str, Any]) -> set[str]:
    """Contracts of which an order that was at work then has traded since, with nobody's help."""
    filled = {order["id"]: order["fillVolume"] for order in then["openOrders"]}
    return {
        order["contractId"]
        for order in cast.truth()["orders"]
        if order["fillVolume"] > filled.get(order["id"], order["fillVolume"])
    }


def sentinel_closes(cast: Rehearsal) -> list[dict[str, Any]]:
    return [
        order
        for order in cast.truth()["orders"]
        if order["type"] == 2 and not order["customTag"] and order["fillVolume"]
    ]


def test_sentinel_flattens_once_when_the_router_freezes(cast: Rehearsal) -> None:
    cast.ready()
    frozen, then = frozen_in_position(cast)
    lots = {row["contract"]: row["lots"] for row in then["positions"] if row["lots"]}

    def ended() -> bool:
        acted = sentinel_closes(cast)
        if not alive(frozen):
            return True
        assert not acted, "the sentinel must end the router before it acts"
        return False

    cast.wait(ended, PATIENCE_S, "the sentinel ended the router")
    cast.wait(lambda: not cast.lots(), PATIENCE_S, "the sentinel flattened")
    cast.wait(lambda: cast.pids().get("order_router", frozen) != frozen, PATIENCE_S, "a new router")
    cast.ready()
    closes = sentinel_closes(cast)
    assert set(lots) <= {order["contractId"] for order in closes} | traded_since(cast, then)
    per_contract: dict[str, int] = {}
    for order in closes:
        per_contract[order["contractId"]] = per_contract.get(order["contractId"], 0) + 1
    assert max(per_contract.values(), default=0) <= 1, f"closed more than once: {per_contract}"
    proofs = judge(story_of(cast.var), Scene(frozen, lots))  # as `tsq doctor --rehearse` judges
    assert {proof.grade for proof in proofs} == {Grade.OK}, proofs


@pytest.mark.parametrize(
    "cast", [{"TSQ__SENTINEL__GOVERNOR_PATIENCE_REAL_S": "600"}], indirect=True, ids=["alone"]
)
def test_without_a_governor_nothing_new_leaves_and_entries_are_cancelled(cast: Rehearsal) -> None:
    """Asked of the router alone: a sentinel that closes what is held sends orders too."""
    cast.ready()
    cast.wait(lambda: open_entries(cast), PATIENCE_S, "a working entry or quote")
    cast.hold("risk_governor")
    cast.wait(lambda: not open_entries(cast), PATIENCE_S, "entries are cancelled")
    before = {order["id"] for order in cast.truth()["orders"]}
    time.sleep(4.0)
    fresh = [o for o in cast.truth()["orders"] if o["id"] not in before]
    assert not [o for o in fresh if not is_protection(o)], f"left without a governor: {fresh}"
    cast.release("risk_governor")
    cast.ready()


def is_protection(order: dict[str, Any]) -> bool:
    tag = order["customTag"] or ""
    return tag.startswith("t1.router.") or tag.endswith(("-SL", "-TP"))


def open_entries(cast: Rehearsal) -> list[dict[str, Any]]:
    return [
        order
        for order in cast.truth()["openOrders"]
        if order["status"] in (1, 6) and not is_protection(order)
    ]


@contextmanager
def tsq_up(
    cast: Rehearsal, *options: str, end: signal.Signals = signal.SIGINT
) -> Iterator[subprocess.Popen[str]]:
    """`tsq up` in the foreground, as a person has it; ended with Ctrl-C, by the loss of its
    terminal (a log-off), or by whoever ends programs.
    """
    words = [*TSQ, "up", "--var", str(cast.var), *options]
    process = subprocess.Popen(
        words, cwd=REPO, env=cast.environment, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
        cast.pids()
        process.send_signal(end)
        out, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, out
        assert "stopped" in out.splitlines(), out
        for name in ("dashboard", "order_router", "risk_governor", "simulator"):
            assert name in out, out
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_up_ctrl_c_up_finds_equal_books(tmp_path: Path) -> None:
    cast = Rehearsal(tmp_path / "var", **FAST)
    try:
        with tsq_up(cast):
            cast.ready()
            cast.wait(lambda: len(sleeves_that_filled(cast)) >= 1, PATIENCE_S, "a fill")
        with tsq_up(cast, end=signal.SIGHUP):
            cast.ready()
            books_agree(cast)
            first = cast.truth()
            assert first["fills"] > 0, "the session was resumed, not begun anew"
            balance = first["startMicros"] + first["profitMicros"] - first["feesMicros"]
            assert balance == first["balanceMicros"]
            cast.wait(
                lambda: abs(page_balance(cast) - cast.truth()["balanceMicros"] / 1e6) < 0.005,
                PATIENCE_S,
                "page and venue agree on the balance",
            )
        with tsq_up(cast, "--fresh", end=signal.SIGTERM):
            cast.ready()
            assert tags(first)
            assert not tags(first) & tags(cast.truth()), "begun anew"
        assert (tmp_path / "var.previous" / "journal").is_dir(), "the old session is kept beside"
    finally:
        cast.close()


def page_balance(cast: Rehearsal) -> float:
    """Dollars, as the page has them; not a number while it is silent."""
    return float((cast.api("/api/status") or {}).get("balance", "nan"))


def tags(truth: dict[str, Any]) -> set[str]:
    return {order["customTag"] for order in truth["orders"] if order["customTag"]}


def test_restarting_one_sleeve_leaves_every_other_pid_alone(cast: Rehearsal) -> None:
    cast.ready()
    before = cast.pids()
    conf = str(configuration(cast.var))
    ctl = [sys.executable, "-m", "supervisor.supervisorctl", "-c", conf]
    subprocess.run(
        [*ctl, "restart", "sleeve_trend"], check=True, timeout=PATIENCE_S, capture_output=True
    )
    after = cast.pids()
    assert after.pop("sleeve_trend") != before.pop("sleeve_trend")
    assert after == before
    tail = subprocess.run(
        [*ctl, "tail", "risk_governor"],
        check=True,
        timeout=PATIENCE_S,
        capture_output=True,
        text=True,
    )
    assert "risk_governor" in tail.stdout


def test_nothing_outlives_a_killed_supervisord(cast: Rehearsal) -> None:
    cast.ready()
    pids = cast.pids()
    assert len(pids) == 10
    assert cast.supervisord is not None
    os.kill(cast.supervisord.pid, signal.SIGKILL)
    cast.supervisord.wait()
    cast.wait(lambda: not alive_pids(pids), PATIENCE_S, "every process ended with its supervisor")
