"""Saying things: numbered, journalled, and only then let out, in the order the core said them.

All a core says in answer to one event reaches the journal in one write. Then the port begins what
it was told to do, and only then others are told and people read of it: waking them may take the
processor away from us, and an order waits for neither. What others are told keeps its order.

One exception to the law: when the disk is full, a *reducing* act (a word class with
`reducing = True`) is done although its record cannot be written, and told to people; everything
else is left unsaid, and what others should have heard is kept for the life that can record it. And
one kind of word has no record at all (a class with `derived = True`): news
without effect, so plentiful that its record would dwarf all others, which the core says again
whenever it hears the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec
from loguru import logger

from shared.core import Core, Word
from shared.events import PUBLIC, TICKS, Armed, Event, Flatten, RiskState, SessionPhase
from shared.runtime import lanes, records, wire
from shared.runtime.bus import Bus
from shared.runtime.journal import JournalUnwritable
from shared.runtime.narrator import Narrator
from shared.runtime.ports import Port
from shared.runtime.recorder import Recorder

_HALTS: Final = (Flatten, Armed, RiskState)
"""Public kinds that wait for the disk; of RiskState only one with a new halt number."""

LOST_MAX: Final = 4_096  # a router that only reduces says some hundred in its worst hour
_encode: Final = msgspec.msgpack.Encoder().encode


class Mouth:
    def __init__(
        self,
        actor: str,
        core: Core,
        *,
        recorder: Recorder,
        port: Port | None,
        on_phase: Callable[[SessionPhase], None],
        later: Callable[[Callable[[], None]], object],
        idly: Callable[[Callable[[], None]], object],
    ) -> None:
        """`later` calls what it is given after the tasks that the port has begun by then, `idly`
        when others will have done what they were woken for.
        """
        self._actor = actor
        self._recorder = recorder
        self._port = port
        self._on_phase = on_phase
        self._later = later
        self._idly = idly
        self._held: list[bytes] = []  # frames that wait until acts have begun, in order
        self._news: list[Event] = []  # not yet told to people
        self._ticks = lanes.ticks_lane(actor)
        self._topics = {
            kind: kind.__name__ for kind in core.publishes if kind in PUBLIC and kind not in TICKS
        }
        self._words = frozenset(core.words)
        self._derived = frozenset(kind for kind in core.words if getattr(kind, "derived", False))
        self._reducing = frozenset(kind for kind in core.words if getattr(kind, "reducing", False))
        self._durable = frozenset(
            (*_HALTS, *(kind for kind in core.words if getattr(kind, "durable", False)))
        )
        self._halt_no = -1
        self._narrator = Narrator(core.publishes)
        self.bus: Bus | None = None
        self.epoch = 0
        self.seq: dict[str, int] = {}
        self.prevs: dict[str, dict[str, int]] = {}
        self.spoiled = ""  # why nothing more can be recorded in this life
        self.lost: list[tuple[int, str, Event]] = []  # for others, unsaid since then

    def say(self, now_ns: int, cause: str, events: Iterable[Event]) -> None:
        """Journal all the core said at once, then let it out. Raises JournalUnwritable."""
        if self.spoiled:
            self._say_unrecorded(now_ns, cause, events)
            return
        recorded: list[bytes] = []
        out: list[tuple[Event, bytes]] = []
        durable = False
        for event in events:
            kind = type(event)
            topic = self._topics.get(kind)
            if topic is not None:
                body = self._seal(self._actor, topic, (now_ns, cause, event))
                recorded.append(records.PREFIX[records.SAID] + body)
                out.append((event, wire.frame(kind, body)))
            elif kind in self._words:
                if kind not in self._derived:
                    acted = _encode((now_ns, event, cause))
                    recorded.append(records.PREFIX[records.EFFECT] + acted)
                out.append((event, b""))
            else:
                raise AssertionError(f"{self._actor} may not say {kind.__name__}")
            durable = durable or (kind in self._durable and self._must_last(event))
        if not out:
            return
        if recorded and not self.write(*recorded):
            self._unseal(frame for _, frame in out if frame)
            self._say_unrecorded(now_ns, cause, [event for event, _ in out])
            return
        if durable:
            self._recorder.sync()
        self._let_out(out)

    def _say_unrecorded(self, now_ns: int, cause: str, events: Iterable[Event]) -> None:
        """Do what reduces; what others should hear waits for a life that can record it."""
        done: list[tuple[Event, bytes]] = []
        for event in events:
            if type(event) in self._reducing:
                logger.critical("done without a record, the disk is full: {}", event)
                done.append((event, b""))
            elif type(event) in self._topics and len(self.lost) < LOST_MAX:
                self.lost.append((now_ns, cause, event))
        self._let_out(done)

    def settle(self) -> None:
        """Say what is held."""
        held, self._held = self._held, []
        if held:
            self._publish(held, urgent=False)

    def finish(self) -> None:
        """Say what is held, and tell people: nothing comes after."""
        self.settle()
        self._tell_people()

    def _tell_people(self) -> None:
        news, self._news = self._news, []
        for event in news:
            self._narrator.tell(event)

    def _seal(self, lane: str, topic: str, said: tuple[int, str, Event]) -> bytes:
        """The next envelope of a lane."""
        seq = self.seq.get(lane, 0) + 1
        prevs = self.prevs.setdefault(lane, {})
        body = wire.body((lane, self.epoch, seq, prevs.get(topic, 0), *said))
        self.seq[lane] = prevs[topic] = seq
        return body

    def _unseal(self, frames: Iterable[bytes]) -> None:
        """These were not recorded: the last numbers used are the ones before theirs."""
        for frame in reversed(list(frames)):
            envelope = wire.head(frame.partition(b"\0")[2])
            self.seq[self._actor] = envelope.seq - 1
            self.prevs[self._actor][wire.kind_of(envelope.event)] = envelope.prev

    def _let_out(self, out: list[tuple[Event, bytes]]) -> None:
        acts = [event for event, frame in out if not frame]
        for act in acts:
            assert self._port is not None, f"{self._actor} said {act} and has no port"
            assert isinstance(act, Word), "only words go to a port"
            self._port.handle(act)
        frames = [frame for _, frame in out if frame]
        urgent = any(type(event) in lanes.URGENT for event, _ in out)
        if acts or self._held:
            if frames and not self._held:
                self._later(self.settle)
            self._held += frames
        elif frames:
            self._publish(frames, urgent=urgent)
        for event, _ in out:
            if type(event) is SessionPhase:
                self._on_phase(event)
        if out and not self._news:
            self._idly(self._tell_people)
        self._news += [event for event, _ in out]

    def _publish(self, frames: list[bytes], *, urgent: bool) -> None:
        assert self.bus is not None, "whoever publishes has a bus"
        self.bus.publish(self._actor, *frames, urgent=urgent)

    def _must_last(self, event: Event) -> bool:
        if isinstance(event, RiskState):
            changed = event.halt_no != self._halt_no
            self._halt_no = event.halt_no
            return changed
        return True

    def relay(self, now_ns: int, ticks: Sequence[Event]) -> int:
        """Store ticks in one write and then publish them; returns the number of the first. Raises
        JournalUnwritable.
        """
        assert self.bus is not None, "whoever relays has a bus"
        lane, said = self._ticks, records.PREFIX[records.SAID]
        first = self.seq.get(lane, 0) + 1
        bodies: list[bytes] = []
        for tick in ticks:
            kind = type(tick)
            assert kind in wire.RANKS, f"{self._actor} relays no {kind.__name__}"
            topic = wire.tick_topic(kind.__name__, tick.contract)  # type: ignore[attr-defined]
            bodies.append(self._seal(lane, topic, (now_ns, "", tick)))
        self._recorder.write_ticks(*[said + body for body in bodies])
        self.bus.publish(lane, *wire.bundles(ticks, bodies), urgent=True)
        return first

    def write(self, *recorded: bytes) -> bool:
        """False when the disk takes no more and our core may have reducing acts left to do.

        Once false, always false in this life: a journal with a hole could not be followed.
        """
        if self.spoiled:
            return False
        try:
            self._recorder.write(*recorded)
        except JournalUnwritable as error:
            if not self._reducing:
                raise
            self.spoil(str(error))
            return False
        return True

    def spoil(self, why: str) -> None:
        """From here on nothing is recorded in this life."""
        self.spoiled = why
        logger.critical("{}; from here on {} only reduces", why, self._actor)
