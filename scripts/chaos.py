"""Accidents to real processes: SIGKILL, SIGSTOP, the venue's faults; then a calm and a count.

    python -m scripts.chaos --minutes 3 --seed 7
    python -m scripts.chaos matrix --jobs 3             # at every step of an order's life

A private copy of the cast trades the simulated market at three times its speed while a seed
decides who is killed, who is frozen for how long, and what the venue does wrong; supervisord alone
is left in peace. In the end the venue is asked, never the cast: positions, orders, fills, fees,
tags; and every journal is told to its core again. The seed fixes what is done, not the instant it
hits, so a failure is looked up in the journals it leaves, not replayed by the seed. Ends with 0, or
with 2 when a promise broke.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess  # nosec B404 - runs our own flatten command, fixed words
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from scripts.console import CommandError, ask_governor
from scripts.rehearsal import Rehearsal, TimedOut, alive
from services.cast import build, deciders, programs
from shared.runtime import journal, paths
from shared.runtime.replay import cat, replay
from shared.settings import REPO, load

SPEED = "3.0"
FREEZE_S = (0.5, 20.0)
PAUSE_S = (0.1, 3.0)
CALM_S = 120.0
BROKEN = 2
LIVE = (1, 6, 7, 8)  # the venue's numbers of orders that may still fill

COUNTED = (
    "LOSE_ANSWER", "LOSE_USER_EVENT", "DOUBLE_USER_EVENT", "REJECT_ORDER", "UNAUTHORISED",
    "TOO_MANY", "SERVER_ERROR", "ERROR_AFTER", "CUT_ANSWER", "GARBAGE_ANSWER",
    "REFUSE_HANDSHAKE", "HANG_HANDSHAKE",
)  # fmt: skip
TIMED = ("FREEZE_MARKET", "MUTE_HUBS", "HALF_OPEN_HUBS")
LASTING = ("DELAY_ANSWERS", "SLOW_ANSWERS")
AT_ONCE = ("DROP_HUBS", "CLOSE_HUBS")


class Chaos:
    """One story of accidents, told by `say`."""

    def __init__(self, cast: Rehearsal, seed: int, say: Callable[[str], None]) -> None:
        self.cast, self.dice, self.say = cast, Random(seed), say
        self.victims = list(programs(load(env=cast.environment)))
        self.frozen: dict[int, tuple[str, float]] = {}  # pid -> (name, when it goes on)
        self.done: Counter[str] = Counter()

    # -- accidents ------------------------------------------------------------------------------

    def storm(self, seconds: float) -> None:
        """Accidents until the time is over, then everybody goes on and no fault stands."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.dice.choices((self.kill, self.freeze, self.fault, self.resume), (5, 3, 4, 1))[0]()
            pause_until = time.monotonic() + self.dice.uniform(*PAUSE_S)
            while time.monotonic() < pause_until:
                self.thaw(time.monotonic())
                time.sleep(0.05)
        self.thaw(until + FREEZE_S[1] + PAUSE_S[1])
        for kind in (*COUNTED, *LASTING):  # the simulator may be between two lives, and remembers
            self.cast.wait(partial(self.cast.fault, kind, 0), CALM_S, f"the end of {kind}")

    def kill(self) -> None:
        self._signal(self.dice.choice(self.victims), signal.SIGKILL)

    def freeze(self) -> None:
        name, seconds = self.dice.choice(self.victims), self.dice.uniform(*FREEZE_S)
        if pid := self._signal(name, signal.SIGSTOP, f"for {seconds:.1f} s"):
            self.frozen[pid] = (name, time.monotonic() + seconds)

    def fault(self) -> None:
        kind = self.dice.choice((*COUNTED, *TIMED, *LASTING, *AT_ONCE))
        amount = self.dice.randint(1, 4) if kind in COUNTED else self.dice.randint(100, 6_000)
        self.done["faults"] += 1
        self.say(f"fault {kind} {amount}")
        self.cast.fault(kind, amount)

    def resume(self) -> None:
        """A person who ends a halt, so that the trading goes on."""
        with contextlib.suppress(CommandError):
            ask_governor(self.cast.var, "resume", {"who": "chaos", "cause": "go on"}, 1.0)

    def thaw(self, now: float) -> None:
        for pid, (name, at) in list(self.frozen.items()):
            if at <= now:
                del self.frozen[pid]
                if self.cast.is_ours(pid):
                    self.say(f"SIGCONT {name}")
                    os.kill(pid, signal.SIGCONT)

    def _signal(self, name: str, number: signal.Signals, more: str = "") -> int:
        """Signal a program, if it runs. Returns its pid, else 0."""
        pid = self.cast.pids().get(name, 0)
        if not pid or not alive(pid) or pid in self.frozen:
            return 0
        self.say(f"{number.name} {name} {more}")
        self.done[number.name] += 1
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        return pid

    # -- the count ------------------------------------------------------------------------------

    def settle(self) -> None:
        """Calm: everybody is up and the page shows what the venue has."""
        cast = self.cast
        everybody = len(self.victims)
        cast.wait(lambda: len(cast.pids()) == everybody, CALM_S, "every program runs")
        cast.wait(lambda: cast.known_lots() == cast.lots(), CALM_S, "page and venue agree")

    def flatten(self) -> None:
        self.say(flatten(self.cast, "chaos"))

    def count(self) -> str:
        """The venue's books against everybody else's. Returns what was counted."""
        cast = self.cast
        truth = cast.truth()
        held = {row["contract"]: row["lots"] for row in truth["positions"] if row["lots"]}
        assert held == {}, f"not flat: {held}"
        live = [order for order in truth["openOrders"] if order["status"] in LIVE]
        assert not live, f"orders still work: {live}"
        cast.wait(lambda: cast.known_lots() == {}, CALM_S, "the page shows flat")
        assert truth["tagsRefused"] == 0, "a tag was used twice"
        tags = [order["customTag"] for order in truth["orders"] if order["customTag"]]
        assert len(tags) == len(set(tags)), "two orders with one tag"
        cents = truth["startMicros"] + truth["profitMicros"] - truth["feesMicros"]
        assert cents == truth["balanceMicros"], "the simulator contradicts itself"
        trades, fees = fills_booked(cast.var)
        assert trades == truth["fills"], f"{trades} fills booked, {truth['fills']} made"
        assert fees == truth["feesMicros"], f"fees booked {fees}, paid {truth['feesMicros']}"
        self.done |= {"orders": len(truth["orders"]), "fills": trades}
        return f"{len(truth['orders'])} orders, {trades} fills, each booked once; flat"

    def replayed(self) -> str:
        """Every journal told to its core again."""
        compared = 0
        for actor in deciders(load(env=self.cast.environment)):
            found = replay(self.cast.var, actor, build=build)
            assert found.equal, f"{actor}: {found}"
            compared += found.compared
        self.done["decisions"] = compared
        return f"{compared} decisions, equal"

    def play(self, seconds: float) -> None:
        """The whole story. Raises AssertionError where a promise broke."""
        self.cast.start()
        self.cast.ready()
        self.storm(seconds)
        self.say("--- calm")
        self.settle()
        self.flatten()
        self.say(self.count())
        code = self.cast.stop()
        assert code == 0, f"supervisord ended with {code}"
        self.say(self.replayed())
        self.say(", ".join(f"{count} {what}" for what, count in sorted(self.done.items())))


def flatten(cast: Rehearsal, cause: str) -> str:
    """`tsq flatten`, waited for. Returns its last line; raises AssertionError without a proof."""
    words = [sys.executable, "-m", "scripts.cli", "flatten", "--cause", cause, "--wait", "90"]
    done = subprocess.run(  # nosec B603 - fixed words, no shell
        words,
        env=cast.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=REPO,
    )
    assert done.returncode == 0, f"flatten: {done.stdout}{done.stderr}"
    return done.stdout.strip().splitlines()[-1]


def said_by(var: Path, actor: str) -> Iterator[dict[str, Any]]:
    """Every envelope of an actor's main lane, from its journals."""
    root = paths.journal_root(var)
    for day in journal.days(root, actor):
        path = journal.find(root, day, actor)
        for line in cat(path) if path else ():
            if line.kind == "said":
                yield line.content


def fills_booked(var: Path) -> tuple[int, int]:
    """How many of the venue's trades the router's journal counts, and their fees."""
    parts: dict[int, int] = {}
    for said in said_by(var, "order_router"):
        event = said["event"]
        if event["t"] == "Fill":
            trade_id = event["trade_id"]
            assert trade_id in parts or not event.get("voided"), f"voided, never booked: {event}"
            assert trade_id not in parts or event.get("voided"), f"booked twice: {event}"
            parts[trade_id] = event["fee"]
            if event.get("voided"):
                del parts[trade_id]
    return len({abs(trade_id) for trade_id in parts}), sum(parts.values())


def main(words: Sequence[str] | None = None) -> int:
    asked = parsed(words)
    began = time.monotonic()

    def say(text: str) -> None:
        sys.stdout.write(f"{time.monotonic() - began:6.1f} s  {text}\n")
        sys.stdout.flush()

    if asked.what == "matrix":
        from scripts import matrix_deal  # it stands on this module

        return matrix_deal.main(asked)
    return storm(asked, say)


def parsed(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("chaos", description=__doc__.partition("\n")[0])
    parser.add_argument("what", nargs="?", choices=("storm", "matrix"), default="storm")
    parser.add_argument(
        "--minutes", type=float, help="of accidents (default 3; of a matrix: until it is whole)"
    )
    parser.add_argument("--seed", type=int, default=1, help="which accidents (default 1)")
    parser.add_argument("--keep", action="store_true", help="leave journals and logs behind")
    matrix = parser.add_argument_group("of a matrix")
    matrix.add_argument("--jobs", type=int, default=1, help="casts at once (default 1)")
    matrix.add_argument(
        "--results", type=Path, help="where squares are noted; those that held are not played again"
    )
    matrix.add_argument("--report", type=Path, help="document that gets the table")
    asked = parser.parse_args(words)
    if asked.jobs < 1 or (asked.minutes or 0) < 0:
        parser.error("--jobs is at least 1, --minutes is not below 0")
    return asked


def storm(asked: argparse.Namespace, say: Callable[[str], None]) -> int:
    """Accidents by a seed on one cast; the exit code."""
    folder = Path(tempfile.mkdtemp(prefix="tsq-chaos-"))
    cast = Rehearsal(folder / "var", TSQ__SIMULATOR__SPEED=SPEED)
    broken = ""
    try:
        Chaos(cast, asked.seed, say).play((asked.minutes or 3.0) * 60)
    except (TimedOut, AssertionError, subprocess.TimeoutExpired) as error:
        broken = f"{type(error).__name__}: {error}"
        say(f"BROKEN (seed {asked.seed}): {broken}")
    finally:
        cast.close()
        if asked.keep or broken:
            say(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return BROKEN if broken else 0


if __name__ == "__main__":
    sys.exit(main())
