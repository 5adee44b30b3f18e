"""Processes started badly on purpose: one by one on a bench without supervisord, or all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from scripts.rehearsal import PATIENCE_S, Rehearsal, free_port
from shared.runtime import paths
from shared.runtime.exits import Exit
from shared.runtime.heartbeats import read_heartbeats
from shared.runtime.replay import cat
from shared.settings import REPO


class Bench:
    """Single processes on one folder; every one that was started is ended by its pid."""

    def __init__(self, var: Path) -> None:
        self.var = var
        self.sim_port = free_port()
        self.children: list[subprocess.Popen[bytes]] = []
        self.logs: list[Path] = []
        self.folder = var.parent

    def start(self, *words: str, **settings: str) -> subprocess.Popen[bytes]:
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("TSQ_")},
            "TSQ_VAR": str(self.var),
            "TSQ__SIMULATOR__PORT": str(self.sim_port),
            **settings,
        }
        log = self.folder / f"{len(self.logs)}.log"
        with log.open("wb") as file:
            child = subprocess.Popen(
                [sys.executable, "-m", f"services.{words[0]}", *words[1:]],
                cwd=REPO,
                env=environment,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self.children.append(child)
        self.logs.append(log)
        return child

    def said(self, number: int = -1) -> str:
        return self.logs[number].read_text()

    def refused(self, *words: str, **settings: str) -> tuple[Exit, str]:
        """Start what must not start: its exit code and what it said."""
        code = self.start(*words, **settings).wait(PATIENCE_S)
        return Exit(code), self.said()

    def wait(self, question: Callable[[], Any], what: str, limit_s: float = PATIENCE_S) -> Any:
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            if answer := question():
                return answer
            time.sleep(0.05)
        raise AssertionError(f"not within {limit_s:g} s: {what}\n{self.said()[-3000:]}")

    def beats(self, actor: str, child: subprocess.Popen[bytes]) -> bool:
        assert child.poll() is None, self.said()
        return actor in read_heartbeats(self.var)

    def close(self) -> None:
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.wait()
        shutil.rmtree(paths.run_path(self.var), ignore_errors=True)


def bench_in(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "var")
    try:
        yield made
    finally:
        made.close()


def cast_in(tmp_path: Path) -> Iterator[Rehearsal]:
    made = Rehearsal(tmp_path / "var", TSQ__SIMULATOR__SPEED="3.0")
    try:
        yield made
    finally:
        made.close()


def said_by(var: Path, actor: str, kind: str) -> list[dict[str, Any]]:
    """Every event of a kind in an actor's journals."""
    files = sorted(paths.journal_root(var).glob(f"*/{actor}.journal"))
    events = [line.content["event"] for path in files for line in cat(path) if line.kind == "said"]
    return [event for event in events if event["t"] == kind]
