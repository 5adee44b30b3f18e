"""One actor's process in a World: its core and its tape, the journal of the virtual world.

A process dies between any two instructions, so it remembers what it heard before it acts and comes
back by hearing it again. That is done here for real at every kill, with the comparison word for
word, so each World is also a proof of determinism.
"""

from __future__ import annotations

from collections.abc import Callable

from shared.core import Core
from shared.events import Event
from shared.units import Nanos

SNAPSHOT_EVERY = 200  # inputs; the tape since then is what recovery re-runs


class Diverged(AssertionError):
    """A re-run of recorded inputs gave other words: the core is not deterministic."""


class Player:
    """One actor's process: its core, its memory of what it heard, its lanes."""

    def __init__(self, name: str, make: Callable[[], Core]) -> None:
        self.name, self.make = name, make
        self.core = make()
        self.epoch = 0
        self.up = True
        self.thaw_ns: Nanos = 0  # frozen until then
        self.back_ns: Nanos = 0  # since when it has been neither dead nor frozen
        self.unsaid: tuple[Event, ...] = ()  # decided in the last life, not on record
        self.heard: dict[str, int] = {}  # lane -> last sequence number heard
        self.silent: set[str] = set()
        self.beat_ns: dict[str, int] = {}
        self.base = self.core.snapshot()
        self.tape: list[tuple[Nanos, Event, tuple[Event, ...]]] = []

    def tell(self, now_ns: Nanos, event: Event) -> tuple[Event, ...]:
        """Let the core react and remember both sides."""
        said = tuple(self.core.on(now_ns, event))
        self.tape.append((now_ns, event, said))
        if len(self.tape) >= SNAPSHOT_EVERY:
            self.rest()
        return said

    def rest(self) -> None:
        """Take a snapshot and forget the tape before it."""
        self.base, self.tape = self.core.snapshot(), []

    def lose_record(self, said: tuple[Event, ...]) -> bool:
        """Die between hearing and recording: what was just `said` is on nobody's record. Returns
        whether that can be so (it cannot when a snapshot has been taken since).
        """
        if not said or not self.tape:
            return False
        now_ns, event, _ = self.tape[-1]
        self.tape[-1] = (now_ns, event, ())
        self.unsaid = said
        return True

    def recover(self, *, changed: bool = False) -> tuple[Event, ...]:
        """Be born again from snapshot and tape, word for word, or under changed code from what was
        recorded. Returns what was decided and is still to be said. Raises Diverged.
        """
        core, unsaid, self.unsaid = self.make(), self.unsaid, ()
        core.restore(self.base)
        for now_ns, event, said in self.tape:
            again = tuple(core.on(now_ns, event))
            if changed:
                for word in said:
                    if not getattr(type(word), "derived", False):
                        core.recall(now_ns, word)
            elif again != said and (said or again != unsaid):
                raise Diverged(f"{self.name}: after {event} said {again}, recorded {said}")
        before, self.core = self.core, core
        if changed:
            self.rest()
            return ()
        assert core.snapshot() == before.snapshot(), f"{self.name}: memory differs after a re-run"
        if unsaid:
            now_ns, event, _ = self.tape[-1]
            self.tape[-1] = (now_ns, event, unsaid)
        return unsaid
