"""Patience with an author's code in a replay: what never came back then does not come back now.

A sleeve's process has its guard; a replay runs the same code in the process of a command. A handler
that takes longer than the guard allows is interrupted by an exception, which pauses the sleeve in
the replay as any other would. Nothing is compared there: the life that hung said nothing more. So
is an allocation beyond what the process had.
"""

from __future__ import annotations

import contextlib
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Final

from services.sleeves.host import SleeveHost
from shared.core import Core
from shared.sections import SleeveGuard

MEBIBYTE: Final = 1_048_576
LOOK_S: Final = 0.25


class Hangs(Exception):
    """Raised in the middle of the author's code."""


class Patience:
    def __init__(self, limits: SleeveGuard) -> None:
        self._limits = limits
        self._since = 0.0  # when the event at hand was told; 0: none is
        self._before = resource.getrlimit(resource.RLIMIT_DATA)[0]

    def with_(self, core: Core) -> Core:
        """The same core; if it runs an author's code, each event it is told is timed."""
        if isinstance(core, SleeveHost):
            plain, most = core.on, _held() + self._limits.memory_mb * MEBIBYTE

            def on(now_ns: int, event: Any) -> Any:
                if core.memory.fault:
                    return plain(now_ns, event)  # the author's code is not called any more
                self._since = time.monotonic()
                _limit(most)
                try:
                    return plain(now_ns, event)
                finally:
                    self._since = 0.0
                    _limit(self._before)

            core.on = on  # type: ignore[method-assign]
        return core

    @contextlib.contextmanager
    def guarding(self) -> Iterator[None]:
        """While cores `with_` it are told; main thread only."""
        before = signal.signal(signal.SIGALRM, self._look)
        signal.setitimer(signal.ITIMER_REAL, LOOK_S, LOOK_S)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def _look(self, _number: int, _frame: FrameType | None) -> None:
        if self._since and time.monotonic() - self._since > self._limits.stuck_real_s:
            self._since = 0.0
            raise Hangs(f"it took longer than {self._limits.stuck_real_s:g} s")


def _limit(most: int) -> None:
    """Bound the memory of this process from now on, where the kernel offers it."""
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def _held() -> int:
    """Bytes of data this process has now; 0 where the kernel does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    except (OSError, IndexError, ValueError):
        return 0
