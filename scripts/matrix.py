"""The kill matrix: every process, killed and frozen, at every step of an order's life.

    python -m scripts.chaos matrix --jobs 3               all of it, a quarter of an hour
    python -m scripts.chaos matrix --minutes 10 --seed 3  as many squares as fit, dealt by a seed

Real processes under a real supervisord trade the simulated market; one sleeve is the drill, so that
every step comes by within seconds. We listen on the bus; at the step we signal the victim at once.
Then the cast has to come back by itself, and the venue's own account of everything decides: page
and venue agree, each position has its stop, no tag was used twice. Every cast ends with a flatten,
a count of every fill, and a replay of every journal. `matrix_deal.py` deals the squares to casts
that play side by side, and writes the table.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import zmq

from scripts.chaos import LIVE, Chaos
from scripts.console import CommandError, ask_governor
from scripts.rehearsal import Rehearsal, alive
from services.cast import programs
from shared.events import (
    Event,
    Fill,
    FlattenProgress,
    FlattenStage,
    OrderApproved,
    OrderIntent,
    OrderState,
    OrderUpdate,
    Purpose,
)
from shared.runtime import flatten_files, paths, wire
from shared.settings import load

KINDS: Final = (OrderIntent, OrderApproved, OrderUpdate, Fill, FlattenProgress)
SPEAKERS: Final = ("sleeve_trend", "risk_governor", "order_router")
FROZEN_S: Final = {
    "risk_governor": 9.5, "market_data_gateway": 4.0, "sentinel": 4.0, "simulator": 4.5,
    "metrics_exporter": 2.0, "supervisord": 2.0,
}  # fmt: skip
"""Seconds of a freeze, each longer than the patience of those who watch the victim."""
FROZEN_ELSE_S: Final = 6.0  # the router (the sentinel waits 5 s), sleeves, everybody
STEP_S: Final = 120.0  # a partial fill is the market's to give
BACK_S: Final = 120.0
STOP_ORDER: Final = 4  # the venue's number of a stop
SLOW_MS: Final = 900
SUPERVISOR: Final = "supervisord"
SETTINGS: Final = "everybody, then other settings"
EVERYBODY: Final = "everybody but the venue"
WHOLE: Final = (SUPERVISOR, SETTINGS, EVERYBODY)
LOOK_S: Final = 1.0  # after a thaw, in which those who missed it would be found out

DRILL: Final = {
    "TSQ__SIMULATOR__SPEED": "3.0",
    "TSQ__SLEEVES__TREND__IMPLEMENTATION": "scripts.drill:Drill",
    "TSQ__SLEEVES__TREND__PARAMS": "{}",
    "TSQ__RISK_GOVERNOR__TRADES_PER_DAY": "10000",
    "TSQ__RISK_GOVERNOR__LOSS_STREAK": "0",
    "TSQ__RISK_GOVERNOR__ORDERS_PER_WINDOW": "1000",
    "TSQ__RISK_GOVERNOR__OPEN_RISK": "500",
    "TSQ__RISK_GOVERNOR__SLEEVE_LOSS": "0",
    "TSQ__RISK_GOVERNOR__PRETRADE__BIRTHS": "10000",
    "TSQ__RISK_GOVERNOR__PRETRADE__REPEAT_S": "0",
    "TSQ__RISK_GOVERNOR__PRETRADE__MESSAGES_FREE": "100000",
    "TSQ__RISK_GOVERNOR__PRETRADE__CONTRACTS_PER_DAY": "100000",
    "TSQ__RISK_GOVERNOR__PRETRADE__FILLS_PER_WINDOW": "1000",
    "TSQ__RISK_GOVERNOR__PRETRADE__CORRELATION_PERCENT": "100",
    "TSQ__RISK_GOVERNOR__PRETRADE__STRESS_LOSS": "100000",
}
"""Limits that a drill, which is killed all the time, would reach by being one."""


class Step(NamedTuple):
    """A step of an order's life. `source` says the event that marks it."""

    name: str
    source: str
    marks: Callable[[Any], bool]
    slow: bool = False  # the venue's answers are held back, and the hit comes in between
    flatten: bool = False  # a flatten is asked for once there is a position


def _entry(kind: type[Event]) -> Callable[[Any], bool]:
    return lambda event: isinstance(event, kind) and getattr(event, "purpose", 0) is Purpose.ENTRY


def _update(purpose: Purpose, state: OrderState) -> Callable[[Any], bool]:
    return lambda event: (
        isinstance(event, OrderUpdate) and (event.purpose, event.state) == (purpose, state)
    )


def _stage(*stages: FlattenStage) -> Callable[[Any], bool]:
    return lambda event: isinstance(event, FlattenProgress) and event.stage in stages


ROUTER, GOVERNOR = "order_router", "risk_governor"
STEPS: Final = (
    Step("intent said", "sleeve_trend", _entry(OrderIntent)),
    Step("approved", GOVERNOR, _entry(OrderApproved)),
    Step("SENT journalled", ROUTER, _update(Purpose.ENTRY, OrderState.SENT)),
    Step("request under way", ROUTER, _update(Purpose.ENTRY, OrderState.SENT), slow=True),
    Step("accepted", ROUTER, _update(Purpose.ENTRY, OrderState.WORKING)),
    Step("partial fill", ROUTER, _update(Purpose.ENTRY, OrderState.PARTIAL)),
    Step("filled", ROUTER, _entry(Fill)),
    Step("stop placed", ROUTER, _update(Purpose.STOP_LOSS, OrderState.WORKING)),
    Step("exit under way", ROUTER, _update(Purpose.EXIT, OrderState.SENT)),
    Step(
        "flatten begun", ROUTER, _stage(FlattenStage.CANCELLING, FlattenStage.CLOSING), flatten=True
    ),
    Step("flatten proving", ROUTER, _stage(FlattenStage.PROVING), flatten=True),
    Step("flatten proven", ROUTER, _stage(FlattenStage.FLAT), flatten=True),
)


class Cell(NamedTuple):
    """One square of the matrix."""

    step: Step
    victim: str
    number: signal.Signals

    def __str__(self) -> str:
        return f"{self.number.name} {self.victim} at {self.step.name!r}"


class NotReached(Exception):
    """The market did not bring the step about; nothing is said about the square."""


class Ears:
    """Hears on the bus what the drill, the governor and the router say."""

    def __init__(self, var: Path) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.RECONNECT_IVL, 10)
        self._socket.subscribe(b"")  # main lanes are heard whole
        for speaker in SPEAKERS:
            self._socket.connect(f"ipc://{paths.socket_path(paths.run_path(var), speaker)}")
        self._openers = {wire.TOPICS[kind]: wire.opener(kind) for kind in KINDS}

    def close(self) -> None:
        self._context.destroy(linger=0)

    def forget(self) -> None:
        """Drop what was said so far."""
        with contextlib.suppress(zmq.Again):
            while True:
                self._socket.recv(zmq.NOBLOCK)

    def until(self, source: str, marks: Callable[[Any], bool], limit_s: float) -> Event:
        """The next event of `source` that `marks` is true of. Raises NotReached."""
        deadline = time.monotonic() + limit_s
        while (left_s := deadline - time.monotonic()) > 0:
            if not self._socket.poll(int(left_s * 1000)):
                break
            topic, _, body = self._socket.recv().partition(b"\0")
            if topic not in self._openers:
                continue
            said = self._openers[topic].decode(body)
            if said.source == source and marks(said.event):
                event: Event = said.event
                return event
        raise NotReached(f"the step did not come within {limit_s:g} s")


class Matrix:
    """Plays cells on one cast; `say` is told the story."""

    def __init__(self, cast: Rehearsal, say: Callable[[str], None]) -> None:
        self.cast, self.say = cast, say
        self.chaos = Chaos(cast, 0, say)
        self.ears = Ears(cast.var)
        self.lives = 0

    def begin(self) -> None:
        self.cast.start()
        self.cast.ready(BACK_S)

    def end(self) -> None:
        """Flat, counted, stopped, replayed. Raises AssertionError where a promise broke."""
        self.free()
        self.chaos.settle()
        self.chaos.flatten()
        self.say(self.chaos.count())
        assert self.cast.stop() == 0, "supervisord did not end well"
        self.say(self.chaos.replayed())

    def play(self, cell: Cell) -> float:
        """One cell. Returns the seconds from the hit (or the thaw) until all is well again. Raises
        TimedOut or AssertionError.
        """
        self.free()
        victim = "order_router" if cell.victim in WHOLE else cell.victim
        life = self.cast.epoch(victim)
        self._reach(cell.step)
        thaw = self._hit(cell)
        since = time.monotonic()
        if thaw is not None:
            time.sleep(FROZEN_S.get(cell.victim, FROZEN_ELSE_S))
            thaw()
            since = time.monotonic()
            time.sleep(LOOK_S)
        else:
            self.cast.wait(lambda: self.cast.epoch(victim) > life, BACK_S, f"{victim} lives again")
        quick = partial(self.cast.fault, "SLOW_ANSWERS", 0)  # of a simulator that may be coming up
        self.cast.wait(quick, BACK_S, "the end of the slow answers")
        self._well()
        if cell.step.flatten:
            self.cast.wait(self._halted, BACK_S, "what a person flattened is halted")
        return time.monotonic() - since

    def free(self) -> None:
        """Trading goes on: whatever was halted is resumed."""

        def active() -> bool:
            with contextlib.suppress(CommandError):
                ask_governor(self.cast.var, "resume", {"who": "matrix", "cause": "next"}, 2.0)
            return bool(self._level() == "ACTIVE" and (self.cast.api("/readyz") or {}).get("ready"))

        self.cast.wait(active, BACK_S, "trading goes on")

    def _level(self) -> str:
        """Of risk, as the page shows it; empty while it shows none."""
        return str((self.cast.api("/api/risk") or {}).get("risk", {}).get("level", ""))

    def _halted(self) -> bool:
        return self._level() == "HALTED"

    # -- the hit --------------------------------------------------------------------------------

    def _reach(self, step: Step) -> None:
        self.ears.forget()
        if step.slow:
            self.cast.fault("SLOW_ANSWERS", SLOW_MS)
        if step.flatten:
            self._until(ROUTER, _entry(Fill))
            request = flatten_files.Request(f"matrix-{time.monotonic_ns()}", "drill", "matrix")
            flatten_files.leave(paths.run_path(self.cast.var), request)
        self._until(step.source, step.marks)
        if step.slow:
            time.sleep(SLOW_MS / 3000)

    def _until(self, source: str, marks: Callable[[Any], bool]) -> None:
        """As `Ears.until`; but a cast of which no order leaves is no market's doing."""
        before = len(self.cast.truth()["orders"])
        try:
            self.ears.until(source, marks, STEP_S)
        except NotReached:
            sent = len(self.cast.truth()["orders"]) - before
            assert sent or self._level() != "ACTIVE", (
                f"trading is on, and no order left in {STEP_S:g} s"
            )
            raise

    def _hit(self, cell: Cell) -> Callable[[], None] | None:
        """Signal the victim. Returns what thaws it, if it is frozen."""
        cast = self.cast
        if cell.victim in (SUPERVISOR, SETTINGS):
            assert cast.supervisord is not None, "started in `begin`"
            if cell.number is signal.SIGKILL:
                self._begin_anew(other=cell.victim == SETTINGS)
                return None
            pids = [cast.supervisord.pid]
        else:
            found = cast.pids()
            spared = ("simulator",)
            pids = (
                [pid for name, pid in found.items() if name not in spared]
                if cell.victim == EVERYBODY
                else [found[cell.victim]]
            )
        self._signal(pids, cell.number)
        if cell.number is signal.SIGKILL:
            return None
        return lambda: self._signal(pids, signal.SIGCONT)

    def _signal(self, pids: Sequence[int], number: signal.Signals) -> None:
        for pid in pids:
            ours = self.cast.supervisord is not None and pid == self.cast.supervisord.pid
            if ours or self.cast.is_ours(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

    def _begin_anew(self, *, other: bool) -> None:
        """SIGKILL supervisord, see that everybody ends with it, and start it again."""
        cast, pids = self.cast, self.cast.pids()
        assert cast.supervisord is not None, "started in `begin`"
        cast.supervisord.kill()
        cast.supervisord.wait()
        cast.wait(lambda: not any(alive(pid) for pid in pids.values()), 60.0, "nobody outlives it")
        if other:
            self.lives += 1
            cast.environment["TSQ__ORDER_ROUTER__RECONCILE_EVERY_REAL_S"] = str(5 + self.lives)
        cast.start()

    # -- the judgement --------------------------------------------------------------------------

    def _well(self) -> None:
        cast, everybody = self.cast, len(self.chaos.victims)
        cast.wait(lambda: len(_running(cast)) == everybody, BACK_S, "every program runs")
        cast.ready(BACK_S)
        cast.wait(lambda: cast.known_lots() == cast.lots(), BACK_S, "page and venue agree")
        cast.wait(self.covered, 30.0, "each position has its stop")
        truth = cast.truth()
        tags = [order["customTag"] for order in truth["orders"] if order["customTag"]]
        assert len(tags) == len(set(tags)), "two orders with one tag"
        assert truth["tagsRefused"] == 0, "a tag was used twice"

    def covered(self) -> bool:
        truth = self.cast.truth()
        stops: dict[str, int] = {}
        for order in truth["openOrders"]:
            if order["type"] == STOP_ORDER and order["status"] in LIVE:
                left = order["size"] - order["fillVolume"]
                stops[order["contractId"]] = stops.get(order["contractId"], 0) + left
        return all(abs(row["lots"]) <= stops.get(row["contract"], 0) for row in truth["positions"])


def _running(cast: Rehearsal) -> list[str]:
    with contextlib.suppress(OSError, AssertionError):
        return [name for name, pid in cast.pids().items() if alive(pid)]
    return []


def cells() -> list[Cell]:
    """The whole matrix, step by step."""
    single = [*programs(load(env=DRILL)), SUPERVISOR]
    found = [
        Cell(step, victim, number)
        for step in STEPS
        for victim in single
        for number in (signal.SIGKILL, signal.SIGSTOP)
    ]
    for number in (signal.SIGKILL, signal.SIGSTOP):
        found += [Cell(step, EVERYBODY, number) for step in STEPS]
    return found + [Cell(step, SETTINGS, signal.SIGKILL) for step in STEPS]
