"""Nothing of ours runs unsupervised: a process dies with the one that started it.

When supervisord is killed its children live on as orphans, and a new supervisord starts second
copies beside them. On Linux the kernel sends us SIGTERM when our parent dies; elsewhere we look
four times a second. `tsq up` uses the same for supervisord itself.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import Final

from shared.runtime.exits import Exit, Fatal

_PR_SET_PDEATHSIG: Final = 1
_INIT: Final = 1


def die_with_parent() -> None:
    """Ask the kernel for SIGTERM when our parent dies (Linux; elsewhere nothing happens)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


class Parent:
    """The process that started us, as seen when we began."""

    def __init__(self) -> None:
        """Raises Fatal(PARENT_GONE) if it died before the kernel could be asked."""
        self.pid = os.getppid()
        die_with_parent()
        if self.is_gone() or _adopted(self.pid):
            raise Fatal("the supervisor died while this process began", Exit.PARENT_GONE)

    def is_gone(self) -> bool:
        return os.getppid() != self.pid


def _adopted(pid: int) -> bool:
    """Started by supervisord, yet a child of init: it died in the first instants of our life.

    In a container supervisord may itself be process 1.
    """
    if pid != _INIT or "SUPERVISOR_ENABLED" not in os.environ:
        return False
    try:
        return b"supervisord" not in Path("/proc/1/cmdline").read_bytes()
    except OSError:
        return True
