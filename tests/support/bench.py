"""Runs one actor inside the test: a script plays its port, and may end it in any way."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from shared.core import Word
from shared.runtime import journal, paths, records
from shared.runtime.actor import Actor
from shared.runtime.clock import WallClock
from shared.runtime.exits import Exit
from shared.runtime.journal import Frame
from shared.runtime.ports import Host
from shared.settings import Settings, load
from tests.support import toys
from tests.support.processes import DAY, MARKET_NS

SETTINGS = load(env={})
Script = Callable[[Host], Awaitable[None]]


class Ticking(WallClock):
    """Market time that moves a microsecond with each question."""

    def __init__(self) -> None:
        super().__init__()
        self._last = MARKET_NS

    def now_ns(self) -> int:
        self._last += 1_000
        return self._last


class ScriptPort:
    def __init__(self, script: Script) -> None:
        self.script = script
        self.handled: list[Word] = []
        self.stopped = False

    async def run(self, host: Host) -> None:
        await self.script(host)
        await asyncio.Event().wait()

    def handle(self, word: Word) -> None:
        self.handled.append(word)

    async def stop(self) -> None:
        self.stopped = True


class Bench:
    """A var folder and an actor's lives in it."""

    def __init__(self, var: Path) -> None:
        self.var = var
        self.run = paths.run_dir(var)
        self.root = paths.journal_root(var)
        self.port: ScriptPort = ScriptPort(nothing)
        self.actor: Actor | None = None

    def live(
        self,
        name: str,
        core: Callable[[], toys.Toy],
        script: Script,
        *,
        settings: Settings = SETTINGS,
        day: str = DAY,
    ) -> Exit:
        """One life; the script has to end it (`stop`, `kill`)."""
        self.port = ScriptPort(script)

        async def life() -> Exit:
            actor = Actor(
                name,
                settings,
                lambda _settings: (core(), self.port),
                var=self.var,
                run=self.run,
                day_of=lambda _now: day,
            )
            actor.clock = Ticking()
            self.actor = actor
            return await asyncio.wait_for(actor.run(), 20.0)

        return asyncio.run(life())

    def path(self, name: str, day: str = DAY) -> Path:
        return paths.journal_path(self.var, day, name)

    def frames(self, name: str, day: str = DAY) -> list[Frame]:
        path = journal.find(self.root, day, name)
        assert path is not None
        return list(journal.frames(path))

    def kinds(self, name: str, day: str = DAY) -> list[str]:
        return [records.NAMES[frame.record[1]] for frame in self.frames(name, day)]

    def starts(self, name: str, day: str = DAY) -> list[records.Start]:
        return [
            records.start_of(frame.record[2:])
            for frame in self.frames(name, day)
            if frame.record[1] == records.START
        ]


async def nothing(_host: Host) -> None:
    """A port with nothing to do."""


async def settle() -> None:
    """Let the actor work off what it was told."""
    for _ in range(20):
        await asyncio.sleep(0)


def poking(*numbers: int, kill: bool = False) -> Script:
    """Inject these, let them be worked off, then end: cleanly or as if killed."""

    async def script(host: Host) -> None:
        for n in numbers:
            host.inject(toys.Poke(n=n))
            await settle()
        if kill:
            host.fail("killed by the test.", Exit.CRASHED)
        else:
            signal.raise_signal(signal.SIGTERM)

    return script


def bench_in(tmp_path: Path) -> Iterator[Bench]:
    """The fixture of most tests: a bench that leaves no sockets behind."""
    made = Bench(tmp_path)
    yield made
    shutil.rmtree(made.run)
