"""Following a journal: the one mechanism behind recovery, replay and the proof of determinism.

A follower tells a core again what the journal says it was told and compares every word it says
with the recorded one, bit for bit. Events heard are not in our journal; they stream out of their
speakers' journals. Where the journal was written by other code or settings there is nothing to
compare: the core is told the same, its answers are dropped and the recorded words are given back
to it (`recall`), so it knows what was really done instead of what it would do now.

What was heard last and never answered on record is the exception: nobody decided it, so nothing is
dropped. What others said counts as unheard, and the next life hears it in their journals. What
nobody could tell again (a port's word, a tick of our own) is decided now and said by the next life.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw

from shared.core import Core
from shared.events import PUBLIC, Event, Started
from shared.runtime import lanes, records, wire
from shared.runtime.exits import Exit, Fatal
from shared.runtime.journal import Corrupt, Frame
from shared.runtime.records import Mark, Memory, Place, Start
from shared.runtime.source import Source
from shared.runtime.wire import Envelope

HASH_BYTES: Final = 16  # of the hash over an actor's decisions
_encode: Final = msgspec.msgpack.Encoder().encode
_DECODERS: Final = {kind.__name__: msgspec.msgpack.Decoder(kind) for kind in PUBLIC}


class Divergence(Fatal):
    """The same core, told the same, said something else than the journal records."""

    def __init__(self, where: str, expected: str, got: str) -> None:
        super().__init__(
            f"{where}: the journal records {expected}, but re-running it gives {got}", Exit.DIVERGED
        )
        self.where, self.expected, self.got = where, expected, got


class Unsaid(NamedTuple):
    """Something the core decided and the journal does not hold yet."""

    now_ns: int
    cause: str
    event: Event


class _Open(NamedTuple):
    """What was told last under other code, and the words on record that answer it.

    `spans` as in a HEARD record; for an input empty, and `event` is what was told.
    """

    now_ns: int
    lanes: tuple[str, ...]
    spans: list[int]
    event: Event | None
    words: list[tuple[str, Event]]  # with their causes

    def told(self) -> Iterator[tuple[str, int, int]]:
        """The lane, epoch and number of everything heard, in order."""
        for at in range(0, len(self.spans), 4):
            number, epoch, first, last = self.spans[at : at + 4]
            for seq in range(first, last + 1):
                yield self.lanes[number], epoch, seq


class Follower:
    """Tells a core its own journal again, record by record.

    `build` makes the core a Start record calls for; `same` says whether our code may be compared
    with what that start recorded.
    """

    def __init__(
        self,
        root: Path,
        *,
        build: Callable[[Start], Core],
        same: Callable[[str, str], bool],
    ) -> None:
        self._root = root
        self._build = build
        self._same = same
        self._core: Core | None = None
        self.actor = ""
        self.strict = True
        self.now_ns = 0
        self.epoch = 0
        self.lanes: tuple[str, ...] = ()
        self.seq: dict[str, int] = {}
        self.prevs: dict[str, dict[str, int]] = {}
        self.own: dict[str, Place] = {}
        self.unsaid: deque[Unsaid] = deque()
        self.marks: dict[str, Mark] = {}
        self.folds = True  # tell a core also what other code decided by; else skip those parts
        self.decisions = 0
        self.compared = 0
        self.told = 0
        self.digest = hashlib.blake2s(digest_size=HASH_BYTES)
        self.untold: Started | None = None  # a life that began and died before its core was told
        self._expects_memory = False
        self._open: _Open | None = None

    @property
    def core(self) -> Core:
        assert self._core is not None, "a journal begins with a start"
        return self._core

    def begin(self, actor: str, core: Core, memory: Memory | None) -> None:
        """Take over a core and, if there is one, its memory. Raises ValueError if it won't fit."""
        self.actor = actor
        self._core = core
        self._heard = lanes.heard_by(actor, core)
        self._publishes = {kind.__name__ for kind in core.publishes}
        self._words = records.input_decoder(core)
        self.unsaid.clear()
        self._open = None
        if memory is None:
            self.seq, self.prevs, self.own, self.marks = {}, {}, {}, {}
        else:
            core.restore(memory.core)
            self.now_ns, self.epoch = memory.now_ns, memory.epoch
            self.seq, self.prevs, self.own = memory.seq, memory.prevs, memory.own
            self.marks, self.lanes = memory.heard, memory.lanes
            for now_ns, cause, name, said in memory.unsaid:
                self.unsaid.append(Unsaid(now_ns, cause, self._decode(name, said)))
        self._source = Source(self._root, self.marks, self.strict)

    def follow(self, path: Path, found: Frame) -> None:
        """Take one record. Raises Divergence, MissingHistory, Corrupt."""
        kind, content = found.record[1], found.record[2:]
        where = f"{path}, offset {found.offset}"
        if kind == records.START:
            self._start(records.start_of(content))
        elif kind == records.SNAPSHOT:
            self._memory(records.memory_of(content))
        elif self._core is None or self._expects_memory:
            return
        elif kind in (records.HEARD, records.INPUT) and self.strict and self.unsaid:
            raise Divergence(where, "nothing more before this", str(self.unsaid[0].event))
        elif kind == records.HEARD:
            self._told_heard(records.heard_of(content))
        elif kind == records.INPUT:
            told = records.input_of(content)
            if wire.kind_of(told.event) == Started.__name__:
                self.untold = None
            self._told_input(told.now_ns, self._words.decode(told.event))
        elif kind == records.SAID:
            envelope = wire.head(content)
            self._said_on_bus(path, found.offset, envelope)
            self._compare(envelope.event, where, wire.kind_of(envelope.event), envelope.cause)
        elif kind == records.EFFECT:
            told = records.input_of(content)
            self._compare(told.event, where, wire.kind_of(told.event), told.cause)

    def finish(self) -> None:
        """The journal ends here: what its last record told and nobody answered is still open."""
        if self._open is not None:
            self._fold(self._open, last=True)
            self._open = None

    # -- beginnings --------------------------------------------------------------------------------

    def _start(self, start: Start) -> None:
        self.epoch, self.lanes = start.epoch, start.lanes
        self.now_ns = max(self.now_ns, start.now_ns)
        if not start.turned:
            before = self.untold or Started(epoch=0, fresh=False)
            self.untold = Started(
                epoch=start.epoch,
                fresh=start.fresh or before.fresh,
                changed=start.changed or before.changed,
            )
        if start.fresh or start.changed or self._core is None:
            core = self._build(start)
            self.strict = self._same(start.code, start.settings)
            self._expects_memory = not start.fresh
            self.begin(start.actor, core, None)
            self.lanes = start.lanes
            self.seq = {start.lane: start.seq}

    def _memory(self, memory: Memory) -> None:
        """Only a core that was built anew needs it; one we brought here ourselves knows more."""
        if self._expects_memory:
            self._expects_memory = False
            self.begin(self.actor, self.core, memory)

    # -- told and said -----------------------------------------------------------------------------

    def _told_heard(self, heard: records.Heard) -> None:
        if not self.strict:
            self._open_next(_Open(heard.now_ns, self.lanes, heard.spans, None, []))
            return
        spans = heard.spans
        for at in range(0, len(spans), 4):
            number, epoch, first, last = spans[at : at + 4]
            lane = self.lanes[number]
            for seq, event in self._take(lane, epoch, first, last):
                self._tell(heard.now_ns, event, f"{lane}:{epoch}:{seq}")

    def _told_input(self, now_ns: int, event: Event) -> None:
        if self.strict:
            self._tell(now_ns, event, "")
        else:
            self._open_next(_Open(now_ns, (), [], event, []))

    def _take(self, lane: str, epoch: int, first: int, last: int) -> Iterator[tuple[int, Event]]:
        """What was heard of the kinds that this core hears, with its numbers."""
        wanted = self._heard.get(lane, {})
        for envelope in self._source.take(lane, epoch, first, last):
            name = wire.kind_of(envelope.event)
            if lanes.is_ticks(lane):
                self.marks[lane].kinds[wire.tick_topic_of(envelope.event)] = envelope.seq
            if name in wanted:
                yield envelope.seq, _DECODERS[name].decode(envelope.event)

    def _tell(self, now_ns: int, event: Event, cause: str) -> None:
        self.unsaid += (Unsaid(now_ns, cause, said) for said in self._react(now_ns, event))

    def _react(self, now_ns: int, event: Event) -> list[Event]:
        """What the core says that belongs on record."""
        self.now_ns = max(self.now_ns, now_ns)
        self.told += 1
        said = self.core.on(now_ns, event)
        return [word for word in said if not getattr(type(word), "derived", False)]

    # -- under other code --------------------------------------------------------------------------

    def _open_next(self, told: _Open) -> None:
        """What was told before this has been answered, or nobody had anything to say to it."""
        if self._open is not None:
            self._fold(self._open, last=False)
        self._open = told if self.folds else None

    def _fold(self, told: _Open, *, last: bool) -> None:
        """Tell one record again and give the core the words that answered it on record."""
        if told.event is not None:
            self._fold_one(told.now_ns, "", told.event, [word for _, word in told.words], last=last)
            return
        words: dict[str, list[Event]] = {}
        for cause, word in told.words:
            words.setdefault(cause, []).append(word)
        answered = self._answered_to(told) if last else -1
        for at, (lane, epoch, seq) in enumerate(told.told()):
            ours = lane == lanes.ticks_lane(self.actor)
            if last and at > answered and not ours:
                continue
            cause, ends = f"{lane}:{epoch}:{seq}", last and at >= answered
            for _, event in self._take(lane, epoch, seq, seq):
                self._fold_one(told.now_ns, cause, event, words.pop(cause, []), last=ends)
        for left in words.values():
            self._recall(told.now_ns, left)

    def _answered_to(self, told: _Open) -> int:
        """Which of what was heard the last word on record answers: -1 for none; the last one where
        the record does not say.
        """
        if not told.words:
            return -1
        causes = [f"{lane}:{epoch}:{seq}" for lane, epoch, seq in told.told()]
        cause = told.words[-1][0]
        return causes.index(cause) if cause in causes else len(causes)

    def _fold_one(
        self, now_ns: int, cause: str, event: Event, recorded: list[Event], *, last: bool
    ) -> None:
        """A last one may have been cut short: if this code says the same as far as the record goes,
        the rest is still to be said; if it does not, the record is all there was.
        """
        said = self._react(now_ns, event)
        self._recall(now_ns, recorded)
        if last and said[: len(recorded)] == recorded:
            rest = said[len(recorded) :]
            self._recall(now_ns, rest)
            self.unsaid += (Unsaid(now_ns, cause, word) for word in rest)

    def _recall(self, now_ns: int, words: list[Event]) -> None:
        for word in words:
            self.core.recall(now_ns, word)

    def _decode(self, name: str, said: Raw) -> Event:
        """A word of this core, public or private."""
        decoder: Any = _DECODERS[name] if name in self._publishes else self._words
        event: Event = decoder.decode(said)
        return event

    def _compare_folded(self, name: str, recorded: Raw, cause: str) -> None:
        if not self.folds:
            return
        word = self._decode(name, recorded)
        if self.unsaid and self.unsaid[0].event == word:
            self.unsaid.popleft()
        elif self._open is not None:
            self._open.words.append((cause, word))
        else:
            self._recall(self.now_ns, [word])

    # -- said --------------------------------------------------------------------------------------

    def _said_on_bus(self, path: Path, offset: int, envelope: Envelope[Raw]) -> None:
        lane = envelope.source
        before = self.seq.get(lane, 0)
        if envelope.seq != before + 1:
            raise Corrupt(path, offset, f"{lane}:{envelope.seq} follows {lane}:{before}")
        self.seq[lane] = envelope.seq
        self.prevs.setdefault(lane, {})[wire.kind_of(envelope.event)] = envelope.seq

    def _compare(self, recorded: Raw, where: str, name: str, cause: str) -> None:
        self.decisions += 1
        self.digest.update(recorded)
        if not self.strict:
            self._compare_folded(name, recorded, cause)
            return
        way = "bus" if name in self._publishes else "port"
        if not self.unsaid:
            raise Divergence(where, f"{name} to the {way}", "nothing")
        said = self.unsaid.popleft()
        again = "bus" if type(said.event).__name__ in self._publishes else "port"
        if again != way or _encode(said.event) != bytes(recorded):
            expected = self._decode(name, recorded)
            raise Divergence(where, f"{expected} to the {way}", f"{said.event} to the {again}")
        self.compared += 1
