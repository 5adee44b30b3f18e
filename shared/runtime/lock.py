"""One copy of each actor: an exclusive `flock` on `<run>/<actor>.lock`, held while it lives.

A second process that binds the same ipc path steals it without an error, and old subscribers stay
with the first; so the lock is taken before any socket is bound or journal opened. The kernel frees
it however the process ends. The file holds the pid, so that the sentinel knows whom to stop before
it takes the router's lock itself.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from shared.runtime import paths
from shared.runtime.exits import Exit, Fatal


class Lock:
    def __init__(self, run: Path, actor: str) -> None:
        """Raises Fatal(LOCKED) while another process holds it."""
        self.path = paths.lock_path(run, actor)
        self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(self._handle, 32).decode(errors="replace").strip() or "unknown"
            os.close(self._handle)
            raise Fatal(f"{actor} is already running (pid {owner})", Exit.LOCKED) from None
        sign(self._handle)

    def release(self) -> None:
        os.close(self._handle)


def sign(handle: int) -> None:
    """Leave our process id. Over the one before, which needs no room on a disk that has none."""
    os.ftruncate(handle, os.pwrite(handle, f"{os.getpid()}\n".encode(), 0))


def owner(run: Path, actor: str) -> int:
    """The pid that last took the lock; 0 when nobody did."""
    try:
        return int(paths.lock_path(run, actor).read_text())
    except (OSError, ValueError):
        return 0
