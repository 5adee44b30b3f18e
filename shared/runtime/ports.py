"""Where a core meets the outside world: what a port must offer and what its host offers the port.

A port owns sockets, files and deadlines of one room; it decides nothing. It turns what happens
outside into `Word`s (`host.inject`) and carries out the `Word`s its core says (`handle`), which the
host has journalled before. The same two protocols are met by the process runtime and by the World.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

from shared.core import Word
from shared.events import Event


class Host(Protocol):
    """What a port sees of whoever hosts it. Call only from the event loop's own thread."""

    name: str
    run_dir: Path
    var_dir: Path

    def now_ns(self) -> int:
        """Market time; never decreases."""

    def inject(self, word: Word) -> None:
        """Something happened outside: journalled, then told to the core."""

    def relay(self, *ticks: Event) -> None:
        """Market ticks (Quote, Trade, Depth): stored once, published, told to the own core. What
        came together is handed over together, for it is stored in one write.
        """

    def note(self, text: str) -> None:
        """A short word on our condition for the heartbeat (`hub down`); shown, never acted on."""

    def fail(self, why: str, code: int) -> None:
        """End the process, loudly, with an exit code from `shared/runtime/exits.py`."""


class Port(Protocol):
    async def run(self, host: Host) -> None:
        """Live until cancelled. Raising ends the process; trouble of theirs is a Word instead."""

    def handle(self, word: Word) -> None:
        """Carry out what the core said. Must not block."""

    async def stop(self) -> None:
        """Last words after the core heard `Stopping` (flatten, close sockets); bounded."""


@runtime_checkable
class Remembering(Protocol):
    """A port that wants to know when its core's memory is back."""

    def remembered(self) -> None:
        """The journal was lived through; of the life that begins nothing is recorded yet."""
