"""A guard over a process that runs somebody else's code: it may not hang, nor eat the computer.

A handler that never returns leaves no turn to the event loop, so the heartbeat stops and the others
see a dead process; but nobody would end it, and it would never be started again. So a thread counts
its own ticks since the loop last turned (a frozen computer counts none) and ends the process with
the traceback of what it hangs in. Code that never gives up the interpreter is ended by the
faulthandler's own timer, later. It begins before the sleeve's module is imported, with more
patience, for a memory of a day is read before the loop turns.

Memory is bounded by the kernel where it can: an allocation too many raises MemoryError in the
handler, which pauses the sleeve. Where the kernel does not, the thread ends the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import os
import resource
import sys
import threading
import time
from collections.abc import Callable
from typing import Final, NoReturn

from shared.core import Word
from shared.runtime.exits import Exit
from shared.runtime.ports import Host

TICK_S: Final = 0.25
BEGINNING: Final = 12  # times the patience, until the loop has turned once
LAST_RESORT: Final = 15  # times the patience, for what does not even let a thread run
LEAK: Final = 1.5  # times the memory allowed, as the kernel counts what is resident
MEGABYTE: Final = 1_048_576


class Guard:
    """A port without an outside: its turns of the event loop are the sign of life."""

    def __init__(
        self,
        name: str,
        stuck_real_s: float,
        memory_mb: int,
        *,
        lived_through: Callable[[], None] | None = None,
        ended: Callable[[str], None] | None = None,
    ) -> None:
        """`lived_through` is called once memory is back, `ended` with the reason before we end
        it all.
        """
        self._name = name
        self._lived_through, self._ended = lived_through, ended
        self._patience_s = stuck_real_s
        self._memory = memory_mb * MEGABYTE
        self._turns = 0

    def begin(self) -> None:
        """From now on the process is guarded."""
        with contextlib.suppress(OSError, ValueError):  # a computer that does not offer it
            hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
            resource.setrlimit(resource.RLIMIT_DATA, (self._memory, hard))
        threading.Thread(target=self._watch, name="guard", daemon=True).start()

    def _watch(self) -> None:
        seen, missed_s = -1, 0.0
        while True:
            with contextlib.suppress(RuntimeError):  # no memory is left for its thread
                faulthandler.dump_traceback_later(LAST_RESORT * self._patience_s, exit=True)
            time.sleep(TICK_S)
            if _resident() > LEAK * self._memory:
                self._end("holds more memory than it may", Exit.MEMORY)
            if self._turns != seen:
                seen, missed_s = self._turns, 0.0
                continue
            missed_s += TICK_S
            if missed_s >= self._patience_s * (1 if seen else BEGINNING):
                self._end(f"has not turned for {missed_s:g} s", Exit.STUCK)

    def _end(self, why: str, code: Exit) -> NoReturn:
        if self._ended is not None:
            self._ended(code.name)
        sys.stderr.write(f"{self._name} {why} and ends. {code.sentence}\n")
        faulthandler.dump_traceback(all_threads=True)
        sys.stderr.flush()
        os._exit(code)

    # -- a port --------------------------------------------------------------------------------

    def remembered(self) -> None:
        """The memory is there; if the disk ends this start now, the journal was not to blame."""
        if self._lived_through is not None:
            self._lived_through()

    async def run(self, host: Host) -> None:
        while True:
            self._turns += 1
            await asyncio.sleep(TICK_S)

    def handle(self, word: Word) -> None:
        raise AssertionError(f"a sleeve has no words for a port, and said {word}")

    async def stop(self) -> None:
        """It stays on guard until the process has ended."""


def _resident() -> int:
    """The most bytes the process ever held; kilobytes from Linux, bytes from macOS."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
