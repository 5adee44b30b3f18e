"""Edges of time: a day that turns for one process before it turns for another, and a sleep."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable

import pytest

from shared.events import Bar, ClockJump, Event, Phase, SessionPhase
from shared.runtime import journal
from shared.runtime.exits import Exit
from shared.runtime.ports import Host
from shared.runtime.replay import replay, verify
from tests.support import toys
from tests.support.bench import Bench, Script, bench_in, poking, settle
from tests.support.hearing import Speaker, next_day
from tests.support.processes import DAY
from tests.support.toys import Done, Poke, bar

NEXT = "2026-11-19"
BARS = 6


class Hearer(toys.Toy):
    """Answers each bar with its number, and remembers a jump of the clock."""

    subscribes = {"feed": (Bar, SessionPhase)}
    words = (Poke, Done)
    jumps: list[ClockJump] = []

    def on(self, now_ns: int, event: Event) -> Iterable[Event]:
        if isinstance(event, ClockJump):
            type(self).jumps.append(event)
        if isinstance(event, Bar):
            self.state.count += 1
            return (Done(n=event.close),)
        return ()


bench = pytest.fixture(bench_in)


def phase() -> SessionPhase:
    return SessionPhase(trading_day=NEXT, phase=Phase.OPEN, flat_by_ns=0, reopens_ns=0)


class Story:
    """What the feed does at each step; the hearer may die before any of them."""

    def __init__(self, bench: Bench, turns_at: int) -> None:
        """`turns_at`: at which step the feed's own journal turns; the word itself is step 2."""
        self.bench = bench
        self.speaker = Speaker(bench.root)
        self.turns_at = turns_at
        self.step = 0
        self.done: list[Done] = []

    def go_on(self) -> None:
        if self.step == self.turns_at:
            next_day(self.speaker, NEXT)
        event: Event = phase() if self.step == 2 else bar(self.step)
        frame = self.speaker.say(event)
        self.step += 1
        assert self.bench.actor is not None
        self.bench.actor._take(frame)
        self.bench.actor._drained()

    def life(self, until: int, *, kill: bool) -> Script:
        async def script(host: Host) -> None:
            await settle()
            while self.step < until:
                self.go_on()
                await settle()
            if kill:
                host.fail("killed by the test.", Exit.CRASHED)
            else:
                signal.raise_signal(signal.SIGTERM)

        return script


@pytest.mark.parametrize("turns_at", [1, 2, 3, 5])
@pytest.mark.parametrize("dies_at", range(1, BARS))
def test_days_that_turn_out_of_step_lose_and_double_nothing(
    bench: Bench, turns_at: int, dies_at: int
) -> None:
    """The hearer turns by the word, its speaker's file before it, with it or after it; a death at
    any step in between is recovered from both.
    """
    story = Story(bench, turns_at)
    bench.live("t", Hearer, story.life(dies_at, kill=True))
    done = list(bench.port.handled)
    bench.live("t", Hearer, story.life(BARS, kill=False))
    done += bench.port.handled
    assert done == [Done(n=n) for n in range(BARS) if n != 2]
    assert journal.days(bench.root, "t") == [DAY, NEXT]
    report = replay(bench.var, "t", build=lambda *_: Hearer())
    assert report.equal, report
    assert report.compared == BARS - 1
    for day in (DAY, NEXT):
        path = journal.find(bench.root, day, "t")
        assert path is not None
        assert not verify(path).trouble
    assert bench.live("t", Hearer, poking()) is Exit.CLEAN
    assert bench.port.handled == []


def test_a_sleep_of_the_computer_is_told_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CLOCK_BOOTTIME ran on while CLOCK_MONOTONIC stood: the first pulse after it says so."""
    Hearer.jumps = []
    slept = [90_000_000_000]

    async def script(host: Host) -> None:
        assert bench.actor is not None
        monkeypatch.setattr(bench.actor._sleep, "slept_ns", lambda: slept.pop() if slept else 0)
        beat = bench.actor._beat
        while bench.actor._beat < beat + 2:  # noqa: ASYNC110 - pulses come by a timer
            await asyncio.sleep(0.05)
        signal.raise_signal(signal.SIGTERM)

    assert bench.live("t", Hearer, script) is Exit.CLEAN
    assert Hearer.jumps == [ClockJump(slept_ns=90_000_000_000)]
    assert replay(bench.var, "t", build=lambda *_: Hearer()).equal
