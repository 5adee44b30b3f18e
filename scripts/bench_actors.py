"""Actors that do nothing but pass on, run as real processes: what is measured is the runtime.

The source relays quotes as fast as it can once everybody listens; a hearer counts them and leaves
a note when it has them all.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess  # nosec B404 - starts this very module
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import msgspec
from msgspec import Struct

from shared.core import Word
from shared.events import Event, Quote
from shared.runtime import clock, paths
from shared.runtime.heartbeats import read_heartbeats
from shared.runtime.launch import launch
from shared.runtime.ports import Host

HEARERS: Final = 6
SOURCE: Final = "bench_source"
CONTRACT: Final = "CON.F.US.MNQ.Z26"
MARKET_NS: Final = 1_795_016_100_000_000_000  # 2026-11-18 09:35 in Chicago
LEASE_NS: Final = 3_600_000_000_000
PIECE: Final = 64  # quotes relayed before the loop has its turn, as from one hub message


def quote(n: int) -> Quote:
    return Quote(contract=CONTRACT, bid=n, ask=n + 1, venue_ns=n, recv_ns=n)


class Count(Struct):
    """A core's memory here."""

    heard: int = 0


class Heard(Word, frozen=True, kw_only=True):
    """All of it has come."""


class Bencher:
    """What a core must offer, and nothing decided."""

    subscribes: Mapping[str, tuple[type[Event], ...]] = {}
    publishes: ClassVar[tuple[type[Event], ...]] = ()
    words: ClassVar[tuple[type[Word], ...]] = ()
    watches: Mapping[str, float] = {}

    def __init__(self) -> None:
        self.state = Count()

    def on(self, now_ns: int, event: Event) -> Iterable[Event]:
        return ()

    def recall(self, now_ns: int, said: Event) -> None:
        """Nothing of what was said is remembered."""

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(self.state)

    def restore(self, snapshot: bytes) -> None:
        self.state = msgspec.msgpack.decode(snapshot, type=Count)


class Source(Bencher):
    publishes = (Quote,)


class Hearer(Bencher):
    subscribes = {SOURCE: (Quote,)}
    words = (Heard,)

    def __init__(self, messages: int) -> None:
        super().__init__()
        self.messages = messages

    def on(self, now_ns: int, event: Event) -> Iterable[Event]:
        if isinstance(event, Quote):
            self.state.heard += 1
            if self.state.heard == self.messages:
                return (Heard(),)
        return ()


class SourcePort:
    """Relays once every hearer beats."""

    def __init__(self, messages: int, folder: Path) -> None:
        self.messages = messages
        self.folder = folder

    async def run(self, host: Host) -> None:
        while len(read_heartbeats(host.var_dir)) < HEARERS + 1:  # noqa: ASYNC110 - files
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.5)  # connections
        (self.folder / "source.began").write_text(str(time.monotonic_ns()))
        for first in range(1, self.messages + 1, PIECE):
            last = min(first + PIECE, self.messages + 1)
            host.relay(*map(quote, range(first, last)))
            await asyncio.sleep(0)
        await asyncio.Event().wait()

    def handle(self, word: Word) -> None:
        raise AssertionError(f"the source says nothing, and said {word}")

    async def stop(self) -> None:
        """Nothing to say."""


class NotePort:
    """Writes down when all was heard."""

    def __init__(self, note: Path) -> None:
        self.note = note

    async def run(self, host: Host) -> None:
        await asyncio.Event().wait()

    def handle(self, word: Word) -> None:
        paths.replace(self.note, str(time.monotonic_ns()).encode())

    async def stop(self) -> None:
        """Nothing to say."""


class Stage:
    """A folder of its own with a market clock, and bench actors in it; leaves nothing behind."""

    def __init__(self, **environment: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tsq-bench-"))
        self.run = paths.run_dir(self.folder)
        kept = {k: v for k, v in os.environ.items() if not k.startswith("TSQ_")}
        self.environment = {**kept, "TSQ_VAR": str(self.folder), **environment}
        self.processes: list[subprocess.Popen[bytes]] = []
        mono = time.monotonic_ns()
        reading = clock.Reading(
            generation=1,
            market_ns=MARKET_NS,
            mono_ns=mono,
            speed=1.0,
            lease_mono_ns=mono + LEASE_NS,
            boot_id=clock.boot_id(),
        )
        paths.replace(paths.clock_path(self.run), msgspec.json.encode(reading))

    def start(self, name: str) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes.append(
                subprocess.Popen(  # nosec B603 - our own module
                    [sys.executable, "-m", "scripts.bench_actors", name],
                    env=self.environment,
                    stdout=log,
                    stderr=log,
                )
            )

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        shutil.rmtree(self.run, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def make(name: str) -> tuple[Any, Any]:
    """Core and port of a bench actor."""
    folder, messages = Path(os.environ["TSQ_VAR"]), int(os.environ["BENCH_MESSAGES"])
    if name == SOURCE:
        return Source(), SourcePort(messages, folder)
    return Hearer(messages), NotePort(folder / f"{name}.heard")


if __name__ == "__main__":
    who = sys.argv.pop(1)
    launch(who, lambda _settings: make(who))
