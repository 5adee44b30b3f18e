"""What a core is: a deterministic function of events with a memory.

A core never asks for the time, rolls dice, opens a file or logs. Whoever hosts it (the runtime in a
process, the World in a test or a backtest) tells it what happened and takes away what it says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, Protocol, runtime_checkable

from shared.events import Event


class Word(Event, frozen=True, kw_only=True):
    """A private event between a core and the port of its own room: journalled, never published."""


class Core(Protocol):
    """The mind of one actor.

    `subscribes`: which kinds of which speaker reach `on` (speaker -> kinds); every private word of
    the room and the runtime's own events (`Started`, `Pulse`, ...) reach it without being listed.
    `publishes`: the kinds it may say on the bus. Whatever else it returns is a `Word` for its port.
    `watches`: speakers whose silence (real seconds) is told as `PeerSilent` and whose return as
    `PeerBack`; asked once its memory is back.

    A class may also offer `tick_roots`: the products whose ticks are to reach it, instead of all
    the gateway has; and `acts_on_ticks`: False if no wish of it is ever the answer to a tick, which
    may then come a few milliseconds later.
    """

    subscribes: Mapping[str, tuple[type[Event], ...]]
    publishes: ClassVar[tuple[type[Event], ...]]
    words: ClassVar[tuple[type[Word], ...]]

    @property
    def watches(self) -> Mapping[str, float]: ...

    def on(self, now_ns: int, event: Event) -> Iterable[Event]:
        """React. `now_ns` is market time; equal calls in equal order give equal answers, on every
        machine.
        """

    def recall(self, now_ns: int, said: Event) -> None:
        """Fold one of our own recorded words back in, deciding nothing (recovery under changed
        code).
        """

    def snapshot(self) -> bytes:
        """All memory as bytes; `restore` of them gives a core that cannot be told from this one."""

    def restore(self, snapshot: bytes) -> None:
        """Take over a snapshot. Raises ValueError (msgspec.ValidationError) if it does not fit."""


@runtime_checkable
class Choosy(Protocol):
    """A core that can say what it would hear without doing or remembering anything, so that a host
    in a hurry may leave it out.
    """

    def minds(self, now_ns: int) -> str | None:
        """The one contract whose quotes, trades and depth matter at `now_ns`: all others change
        nothing until something else is told. None: any tick may matter.
        """

    def heeds(self, now_ns: int, event: Event) -> bool:
        """Whether an event of a main lane may matter at `now_ns`."""
