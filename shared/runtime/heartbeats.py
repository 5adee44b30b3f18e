"""Heartbeat files read from outside: for commands and checks that are no part of the cast."""

from __future__ import annotations

from pathlib import Path

from shared.events import Heartbeat
from shared.runtime import paths, pulse

_SUFFIX = ".heartbeat"


def read_heartbeats(var: str | Path) -> dict[str, tuple[Heartbeat, float]]:
    """Per actor its last heartbeat and when it was written (seconds since 1970)."""
    run = paths.run_path(var)
    found: dict[str, tuple[Heartbeat, float]] = {}
    for path in sorted(run.glob(f"*{_SUFFIX}")):
        actor = path.name.removesuffix(_SUFFIX)
        beat = pulse.read_beat(run, actor)
        if beat is not None and not actor.startswith("."):
            try:
                found[actor] = (beat, path.stat().st_mtime)
            except OSError:
                continue
    return found
