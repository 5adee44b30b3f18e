"""One copy of each actor: an exclusive `flock` on `<run>/<actor>.lock`, held while it lives.

A second process that binds the same ipc path steals it without an error, and old subscribers stay
with the first; so the lock is taken before any socket is bound or journal opened. The kernel frees
it however the process ends. The file holds the pid, so that the sentinel knows whom to stop before
it takes the router's lock itself.

While the sentinel has its hands on a lock, the actor it belongs to waits for it: whoever ended at
once would be started again after pauses that grow, and come back seconds after it could.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Final

from loguru import logger

from shared.runtime import paths
from shared.runtime.exits import Exit, Fatal

HANDS: Final = "sentinel"  # who may hold another's lock
PATIENCE_S: Final = 30.0  # above what a proof of flat takes; then supervisord's log shows it too
LOOK_S: Final = 0.05


class Lock:
    def __init__(self, run: Path, actor: str) -> None:
        """Raises Fatal(LOCKED) while another process holds it; the sentinel is waited for."""
        self.path = paths.lock_path(run, actor)
        self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not self._taken() and not self._handed_back(run, actor):
            pid = owner(run, actor) or "unknown"
            os.close(self._handle)
            raise Fatal(f"{actor} is already running (pid {pid})", Exit.LOCKED)
        sign(self._handle)

    def _taken(self) -> bool:
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _handed_back(self, run: Path, actor: str) -> bool:
        """Whether the sentinel held it and let it go in time. Asked to stop meanwhile we end."""
        pid = owner(run, actor)
        if not pid or actor == HANDS or pid != owner(run, HANDS):
            return False
        logger.warning(f"{actor} waits: the sentinel holds its lock until flat is proven")
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            time.sleep(LOOK_S)
            if self._taken():
                return True
        return False

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
