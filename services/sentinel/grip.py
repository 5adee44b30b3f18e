"""The one pair of hands: the router's lock, and the kill that comes before it.

The router is killed by the process id in its lock file, after /proc (or ps) has said that this
process is our router, and never by name. While the lock is ours supervisord's new copy of the
router cannot start.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import sys
from pathlib import Path
from typing import Final

from shared.runtime import lock

SEIZE_S: Final = 5.0
SEIZE_POLL_S: Final = 0.01


def is_router(pid: int) -> bool:
    """Whether the process `pid` is ours and was started as our order router (not a namesake)."""
    try:
        if Path(f"/proc/{pid}").stat().st_uid != os.getuid():
            return False
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return any(part.endswith(b"services.order_router") for part in line.split(b"\0"))


async def is_router_by_ps(pid: int) -> bool:
    """The same where there is no /proc (macOS)."""
    process = await asyncio.create_subprocess_exec(
        *("/bin/ps", "-ww", "-o", "uid=", "-o", "command=", "-p", str(pid)),
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await process.communicate()
    uid, _, line = told.decode(errors="replace").strip().partition(" ")
    mine = uid == str(os.getuid())
    return mine and any(part.endswith("services.order_router") for part in line.split())


class Grip:
    """Holds the lock of the file `path`, or does not."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    def held(self) -> bool:
        return self._handle is not None

    def why_not(self) -> str | None:
        """Asked as the bytes of a mutating request leave: None lets them go."""
        return None if self.held() else "the router's lock is not ours"

    async def take(self) -> tuple[int, str]:
        """Kill whoever holds the lock, as long as it is a router, until the lock is ours.

        Returns (pid killed or 0, why not). Several copies may die: supervisord starts the next.
        """
        if self.held():
            return 0, ""
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            return 0, f"it cannot be opened: {error.strerror}"
        killed, why = 0, ""
        deadline = asyncio.get_running_loop().time() + SEIZE_S
        while asyncio.get_running_loop().time() < deadline:
            if self._locked(handle):
                self._handle = handle
                return killed, ""
            pid = _holder(handle)
            if pid and await _is_our_router(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed = pid
            else:
                why = f"its holder {pid} is not known to be a router of ours"
            await asyncio.sleep(SEIZE_POLL_S)
        os.close(handle)
        return killed, why or f"still held {SEIZE_S:.0f} s after the kill"

    def release(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    @staticmethod
    def _locked(handle: int) -> bool:
        """Take the lock if it is free, and leave our process id in the file."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        with contextlib.suppress(OSError):
            lock.sign(handle)
        return True


def _holder(handle: int) -> int:
    """The pid written in the lock file, 0 where there is none to be read."""
    text = os.pread(handle, 32, 0).split()
    return int(text[0]) if text and text[0].isdigit() else 0


async def _is_our_router(pid: int) -> bool:
    return is_router(pid) if sys.platform == "linux" else await is_router_by_ps(pid)
