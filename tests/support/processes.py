"""Starts toy actors as real processes in a folder of their own, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from shared.events import PUBLIC, Event, Heartbeat
from shared.runtime import clock, journal, paths, pulse, records, wire
from shared.settings import REPO

PATIENCE_S = 120.0
DAY = "2026-11-18"
MARKET_NS = 1_795_016_100_000_000_000  # 2026-11-18 09:35 in Chicago
_DECODERS = {kind.__name__: msgspec.msgpack.Decoder(kind) for kind in PUBLIC}


class Cast:
    """A var folder with a market clock that runs for an hour, and processes in it."""

    def __init__(self, var: Path, **environment: str) -> None:
        self.var = var
        self.run = paths.run_dir(var)
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("TSQ_", "TOY_"))},
            "TSQ_VAR": str(var),
            "TSQ__RUNTIME__SNAPSHOT_EVERY_REAL_S": "0.5",
            **environment,
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.keep_clock(3600)

    def keep_clock(self, lease_s: float, speed: float = 1.0) -> None:
        mono = time.monotonic_ns()
        reading = clock.Reading(
            generation=1,
            market_ns=MARKET_NS,
            mono_ns=mono,
            speed=speed,
            lease_mono_ns=mono + int(lease_s * 1e9),
            boot_id=clock.boot_id(),
        )
        paths.replace(paths.clock_path(self.run), msgspec.json.encode(reading))

    def __enter__(self) -> Cast:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name in list(self.processes):
            self.kill(name)
        shutil.rmtree(self.run, ignore_errors=True)

    # -- processes ---------------------------------------------------------------------------------

    def start(self, name: str, *, module: str = "tests.support.toys", **environment: str) -> None:
        paths.heartbeat_path(self.run, name).unlink(missing_ok=True)
        with (self.var / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", module, name],
                cwd=REPO,
                env={**self.environment, **environment},
                stdout=log,
                stderr=log,
            )

    def signal(self, name: str, number: int) -> None:
        self.processes[name].send_signal(number)

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def stop(self, name: str) -> int:
        """SIGTERM and the exit code."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(PATIENCE_S)

    def code(self, name: str) -> int:
        """Wait for it to end by itself."""
        return self.processes.pop(name).wait(PATIENCE_S)

    def log(self, name: str) -> str:
        return (self.var / f"{name}.log").read_text()

    # -- looking -----------------------------------------------------------------------------------

    def wait(self, condition: Callable[[], Any], what: str) -> Any:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                if found := condition():
                    return found
            time.sleep(0.02)
        logs = {name: self.log(name)[-2000:] for name in self.processes}
        raise AssertionError(f"waited in vain for {what}: {logs}")

    def beating(self, name: str) -> Heartbeat | None:
        beat = pulse.read_beat(self.run, name)
        return beat if beat and name in self.processes else None

    def journal(self, name: str, day: str = DAY) -> Path:
        return paths.journal_path(self.var, day, name)

    def frames(self, name: str) -> Iterator[journal.Frame]:
        root = paths.journal_root(self.var)
        for day in journal.days(root, name):
            path = journal.find(root, day, name)
            assert path is not None
            yield from journal.frames(path)

    def said(self, name: str) -> list[Event]:
        """All public events in its journals, whose numbering is checked on the way."""
        found = []
        for frame in self.frames(name):
            if frame.record[1] == records.SAID:
                head = wire.head(frame.record[2:])
                assert head.seq == len(found) + 1, "numbers have no holes and no twins"
                found.append(_DECODERS[wire.kind_of(head.event)].decode(head.event))
        return found

    def count(self, name: str) -> int:
        return len(self.said(name))

    def starts(self, name: str) -> list[records.Start]:
        return [
            records.start_of(frame.record[2:])
            for frame in self.frames(name)
            if frame.record[1] == records.START
        ]

    def diary(self, name: str) -> list[str]:
        path = self.var / f"{name}.diary"
        return path.read_text().splitlines() if path.exists() else []
