"""One actor's process in a World: its core and its tape, the journal of the virtual world.

A process dies between any two instructions, so it remembers what it heard before it acts and comes
back by hearing it again. That is done here for real at every kill, with the comparison word for
word, and for every eighth stretch of an undisturbed life, so each World is also a proof of
determinism.

A disk that is full is modelled as the runtime meets it: whoever cannot write ends, except an actor
with `reducing` words, which goes on without a record and may only reduce; one that `forgets` begins
without a record too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from shared.core import Choosy, Core
from shared.events import TICKS, Event, PeerBack, PeerSilent, Started
from shared.units import SECOND, Nanos

SNAPSHOT_EVERY = 400  # inputs; the tape since then is what recovery re-runs
SNAPSHOT_ACTING = 40  # the same for whoever acts: some of its memories hold an act under way
SILENT = -1  # in place of the epoch of a peer that has not been seen for too long
PROVE_EVERY = 8  # stretches between two snapshots

Kinds = frozenset[type[Event]]


class Diverged(AssertionError):
    """A re-run of recorded inputs gave other words: the core is not deterministic."""


class Player:
    """One actor's process: its core, its memory of what it heard, its lanes."""

    def __init__(self, name: str, make: Callable[[], Core]) -> None:
        self.name, self.make = name, make
        self._host(make())
        self.takes: dict[str, Kinds] = {
            lane: frozenset(kinds) for lane, kinds in self.core.subscribes.items()
        }
        self.publishes: Kinds = frozenset(self.core.publishes)
        self.only_reduces = any(getattr(kind, "reducing", False) for kind in self.core.words)
        self.forgets = bool(getattr(self.core, "forgets", False))
        self.every = SNAPSHOT_ACTING if self.only_reduces else SNAPSHOT_EVERY
        self.epoch = 0
        self.up = True
        self.held = False  # somebody has its lock: it may not start
        self.thaw_ns: Nanos = 0  # frozen until then
        self.back_ns: Nanos = 0  # since when it has been neither dead nor frozen
        self.full_ns: Nanos = 0  # no record of it can be written until then
        self.spoiled = False  # it lives on without a record
        self.lost: list[Event] = []  # said to nobody while it lived without a record
        self.unsaid: tuple[Event, ...] = ()  # decided in the last life, not on record
        self.untold = False  # that its code changed: it died before it was told
        self.heard: dict[str, int] = {}  # lane -> last sequence number heard
        self.before: tuple[str, int] = ("", 0)  # the lane just heard, and its mark before
        self.ticks: dict[str, dict[type[Event], int]] = defaultdict(dict)  # of each kind of tick
        self.pipes: dict[str, Nanos] = {}  # lane -> when what was sent before has come out
        self.joined_ns: dict[str, Nanos] = {}  # lane -> since when its frames reach us
        self.beat_ns: dict[str, int] = {}
        self.clock_ns: Nanos = 0  # what its clock told last: it never goes back
        self.lives: dict[str, int] = {}  # watched peer -> epoch last seen, or SILENT
        self.base = self.core.snapshot()
        self.base_heard: dict[str, int] = {}
        self.tape: list[tuple[Nanos, Event, tuple[Event, ...]]] = []
        self.inputs = 0  # since the snapshot, with those that were not told
        self.stretches = 0
        self.whole = True  # whether tape and memory tell the same story

    def tell(self, now_ns: Nanos, event: Event) -> tuple[Event, ...]:
        """Let the core react and remember both sides."""
        said = self.react(now_ns, event)
        if not self.spoiled:
            self.inputs += 1
            if self.inputs >= self.every:
                self.stretches += 1
                if self.stretches % PROVE_EVERY == 0:
                    self.prove()
                self.rest()
        return said

    def react(self, now_ns: Nanos, event: Event) -> tuple[Event, ...]:
        """The same where neither snapshot nor proof is due; who calls it counts the input."""
        said = tuple(self.core.on(now_ns, event))
        if not self.spoiled:
            self.tape.append((now_ns, event, said))
        return said

    def rest(self) -> None:
        """Take a snapshot and forget the tape before it."""
        self.base, self.tape, self.inputs = self.core.snapshot(), [], 0

    def _host(self, core: Core) -> None:
        self.core = core
        self.minding = core.minds if isinstance(core, Choosy) else None
        self.heeding = core.heeds if isinstance(core, Choosy) else None

    def hear(self, lane: str, seq: int) -> None:
        """The next of a main lane is told: exactly the next. Raises AssertionError."""
        last = self.heard.get(lane, 0)
        assert seq == last + 1, f"{self.name} heard {lane} {seq} after {last}"
        self.before = (lane, last)
        self.heard[lane] = seq

    # -- what a death leaves -----------------------------------------------------------------------

    def watch(self, peer: str, seen: int, now_ns: Nanos, patience_s: float) -> Event | None:
        """A look at a watched peer: `seen` is the epoch it lives in, or SILENT. The first sign of
        anybody and each new life is told, and a silence that outlasts our patience.
        """
        last = self.lives[peer]
        if seen != SILENT:
            self.beat_ns[peer], self.lives[peer] = now_ns, seen
            return None if seen == last else PeerBack(actor=peer, epoch=seen)
        if last == SILENT or now_ns - self.beat_ns[peer] <= patience_s * SECOND:
            return None
        self.lives[peer] = SILENT
        return PeerSilent(actor=peer)

    def lose_record(self, said: tuple[Event, ...]) -> bool:
        """Die between hearing and recording: what was just `said` is on nobody's record. Returns
        whether that can be so (it cannot when a snapshot has been taken since).
        """
        if not said or not self.tape or self.spoiled:
            return False
        now_ns, event, _ = self.tape[-1]
        self.tape[-1] = (now_ns, event, ())
        self.unsaid = said
        return True

    def tear(self, event: Event) -> bool:
        """Die while the record of `event` is written: it was never heard. Returns whether that can
        be so.
        """
        if self.spoiled or not self.tape or self.tape[-1][1] is not event:
            return False
        self.tape.pop()
        self.inputs -= 1
        self.untold = isinstance(event, Started) and event.changed
        self.unhear()
        self.whole = False
        return True

    def unhear(self) -> None:
        """What was just heard will be heard again."""
        lane, last = self.before
        if lane:
            self.heard[lane] = last

    def spoil(self) -> None:
        """From what was just heard on, nothing is on record."""
        self.spoiled, self.whole = True, False
        self.base_heard = dict(self.heard)
        lane, last = self.before
        if lane:
            self.base_heard[lane] = last

    def begin_unrecorded(self, unsaid: tuple[Event, ...]) -> None:
        """A life begins without a record; what it says first is still to be said by the next."""
        self.before = ("", 0)
        self.spoil()
        if unsaid and self.tape:
            now_ns, event, _ = self.tape[-1]
            self.tape[-1], self.unsaid = (now_ns, event, ()), unsaid

    def record_again(self) -> None:
        """The disk is back: all that is known, and what nobody heard, goes on record."""
        self.spoiled, self.whole = False, True
        self.unsaid, self.lost = tuple(self.lost), []
        self.rest()

    # -- being born again --------------------------------------------------------------------------

    def prove(self) -> None:
        """Run the tape again without dying. Raises Diverged."""
        if not self.spoiled and self.whole:
            self._rerun()

    def recover(self, *, changed: bool = False) -> tuple[Event, ...]:
        """Be born again from snapshot and tape, word for word, or under changed code from what was
        recorded. Returns what was decided and is still to be said (other code is thought to say the
        same). Raises Diverged.
        """
        if self.spoiled:
            self.spoiled, self.heard, self.lost = False, self.base_heard, []
        unsaid, self.unsaid = self.unsaid, ()
        if changed and unsaid and self.tape and self._unanswer():
            unsaid = ()
        self._host(self._rerun(unsaid, changed=changed))
        self.whole, self.before = True, ("", 0)
        if changed:
            self.rest()
        elif unsaid and self.tape:
            now_ns, event, _ = self.tape[-1]
            self.tape[-1] = (now_ns, event, unsaid)
        return unsaid

    def _unanswer(self) -> bool:
        """Under other code an event whose answer is not on record counts as unheard, if it was said
        by others: they say it again, or of a tick that it was missed. Returns whether it was.
        """
        lane, _ = self.before
        kind = type(self.tape[-1][1])
        ticks = [name for name, heard in self.ticks.items() if kind in heard]
        if kind in TICKS and not any(name.startswith(self.name) for name in ticks):
            for name in ticks:
                self.ticks[name][kind] -= 1
        elif not lane:
            return False
        self.unhear()
        self.tape.pop()
        self.inputs -= 1
        return True

    def _rerun(self, unsaid: tuple[Event, ...] = (), *, changed: bool = False) -> Core:
        core = self.make()
        core.restore(self.base)
        for now_ns, event, said in self.tape:
            again = tuple(core.on(now_ns, event))
            if changed:
                last = event is self.tape[-1][1] and not said
                for word in unsaid if last else said:
                    if not getattr(type(word), "derived", False):
                        core.recall(now_ns, word)
            elif again != said and (said or again != unsaid):
                raise Diverged(f"{self.name}: after {event} said {again}, recorded {said}")
        if self.whole and not changed:
            same = core.snapshot() == self.core.snapshot()
            assert same, f"{self.name}: memory differs after a re-run"
        return core
