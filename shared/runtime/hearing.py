"""Listening to others without losing, doubling or reordering anything.

A main lane is strict: the next event is the one numbered one higher, or it is not taken. Anything
else (a lost frame, a heartbeat that knows of more, a new life of the speaker) means: leave the wire
alone, read the speaker's journal in order, then go on. A record not yet visible is looked for
again shortly. One turn of the loop reads a bounded piece: heartbeats, timers and other speakers go
on between, and whoever stays behind for too long is ended by its host. In a tick lane each kind of
each product carries the number of its predecessor; a miss is told as a `Gap` and never caught up,
because an old tick is worse than none.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import msgspec
from loguru import logger

from shared.events import TICKS, Event, Gap, Heartbeat
from shared.runtime import journal, records, wire
from shared.runtime.cursor import Cursor
from shared.runtime.ears import Ear, Item
from shared.runtime.exits import Exit, Fatal
from shared.runtime.journal import Corrupt
from shared.runtime.lanes import Kinds
from shared.runtime.records import Mark, Place
from shared.runtime.wire import Envelope

FLUSH_AT: Final = 1_024
TURN_EVENTS: Final = 2_048  # of one speaker's journal, read before others have their turn
TURN_BYTES: Final = 2 << 20  # the same, where little of it is events
_TELL_EVERY: Final = 1_000
_TOPIC_BYTES: Final = 64
_PRODUCTS_MAX: Final = 1_024  # topics of ticks; the venue lists about 50 products
_TIME: Final = itemgetter(3)


class Hearing:
    """Turns frames into `batch`, a list of items in the order they are to be told."""

    def __init__(
        self,
        root: Path,
        heard: dict[str, Kinds],
        marks: dict[str, Mark],
        *,
        flush: Callable[[], None],
        gap: Callable[[Gap], None],
    ) -> None:
        """`flush` takes the batch away; `gap` is told of lost ticks, after a flush."""
        self._root = root
        self._flush = flush
        self._gap = gap
        self.ears = {
            lane: Ear(lane, number, kinds, marks.get(lane, Mark()))
            for number, (lane, kinds) in enumerate(heard.items())
        }
        wanted = {kind for kinds in heard.values() for kind in kinds.values()} | {Heartbeat}
        self._routes: dict[bytes, tuple[str, Callable[[bytes], Envelope[Any]]]] = {
            topic: (kind.__name__, wire.opener(kind).decode if kind in wanted else wire.head)
            for kind, topic in wire.TOPICS.items()
            if kind not in TICKS
        }
        self._bundles: dict[bytes, dict[type[Event], str]] = {}  # topic -> kind -> how it counts
        self._beat = wire.opener(Heartbeat).decode
        self.batch: list[Item] = []
        self.beats: dict[str, Heartbeat] = {}  # the latest of each speaker
        self.dropped: Counter[str] = Counter()

    def marks(self) -> dict[str, Mark]:
        return {lane: ear.mark for lane, ear in self.ears.items()}

    # -- the wire ----------------------------------------------------------------------------------

    def take(self, frames: Iterable[bytes]) -> None:
        """Frames from the bus. Nothing in them can raise: what is not ours is counted, dropped."""
        routes, bundles = self._routes, self._bundles
        for frame in frames:
            cut = frame.find(b"\0", 0, _TOPIC_BYTES)
            topic = frame[: max(0, cut)]
            counted = bundles.get(topic) or self._counted(topic)
            route = routes.get(topic)
            try:
                if counted is not None:
                    self._take_ticks(counted, frame, cut + 1)
                elif route is not None:
                    self._take_one(route[0], route[1](frame[cut + 1 :]), frame)
                else:
                    self._drop("unknown topic", frame)
            except (ValueError, RecursionError) as error:
                self._drop(f"malformed {topic.decode(errors='replace')}: {error}", frame)

    def _counted(self, topic: bytes) -> dict[type[Event], str] | None:
        """How the kinds in a bundle of that topic are counted; None if it is none of a bundle."""
        name, dot, symbol = topic.partition(b".")
        if not dot or len(self._bundles) >= _PRODUCTS_MAX:
            return None
        if not any(name == wire.TOPICS[kind] for kind in TICKS):
            return None
        contract = symbol.decode(errors="replace")
        found = {kind: wire.tick_topic(kind.__name__, contract) for kind in TICKS}
        self._bundles[topic] = found
        return found

    def _take_ticks(self, counted: dict[type[Event], str], frame: bytes, start: int) -> None:
        """A bundle. Raises ValueError, RecursionError for bytes that are none."""
        ears, append = self.ears, self.batch.append
        for envelope in wire.ticks_in(frame[start:]):
            ear = ears.get(envelope.source)
            if ear is None or not ear.ticks or ear.deaf:
                self._drop("not understood" if ear and ear.deaf else "unknown speaker", frame)
                continue
            event = envelope.event
            kind = type(event)
            if kind not in ear.wanted:
                continue
            name, mark, seq = counted[kind], ear.mark, envelope.seq
            last = mark.kinds.get(name)
            if last is None or last != envelope.prev or seq <= last or envelope.epoch != mark.epoch:
                self._take_tick(ear, name, envelope)
                continue
            mark.kinds[name] = seq
            if seq > mark.seq:
                mark.seq = seq
            ear.time_ns = time_ns = envelope.time_ns
            append((ear, mark.epoch, seq, time_ns, event))

    def _take_one(self, name: str, envelope: Envelope[Any], frame: bytes) -> None:
        ear = self.ears.get(envelope.source)
        if name == "Heartbeat":
            self._heard_beat(envelope)
        elif ear is None or ear.ticks:
            self._drop("unknown speaker", frame)
        elif ear.deaf:
            self._drop("not understood", frame)
        else:
            self._take_main(ear, name, envelope)

    def _take_main(self, ear: Ear, name: str, envelope: Envelope[Any]) -> None:
        mark, epoch, seq = ear.mark, envelope.epoch, envelope.seq
        if epoch == mark.epoch:
            if seq == mark.seq + 1:
                mark.seq = seq
                event = envelope.event if name in ear.kinds else None
                self.batch.append((ear, epoch, seq, envelope.time_ns, event))
                return
            if seq <= mark.seq:
                return
        elif epoch < mark.epoch:
            return
        self.catch_up(ear, (epoch, seq))

    def _take_tick(self, ear: Ear, name: str, envelope: Envelope[Any]) -> None:
        """One that does not simply follow the last of its topic: the first, an old one, a miss."""
        mark, epoch, seq = ear.mark, envelope.epoch, envelope.seq
        last = mark.kinds.get(name, 0)
        if epoch != mark.epoch or envelope.prev != last or seq <= last:
            if epoch < mark.epoch or (epoch == mark.epoch and seq <= last):
                return
            self._tell_gap(ear, last if epoch == mark.epoch else mark.epoch, envelope)
        mark.epoch = epoch
        mark.kinds[name] = seq
        if seq > mark.seq:
            mark.seq = seq
        ear.time_ns = envelope.time_ns
        self.batch.append((ear, epoch, seq, envelope.time_ns, envelope.event))

    def _tell_gap(self, ear: Ear, before: int, envelope: Envelope[Any]) -> None:
        """Ticks were missed, unless there was nothing `before` or this is the first tick ever."""
        if before and ear.mark.kinds:
            self._flush()
            self._gap(
                Gap(
                    contract="",
                    start_ns=ear.time_ns or envelope.time_ns,
                    end_ns=envelope.time_ns,
                    reason=f"{ear.lane} up to {envelope.seq} was not heard",
                )
            )

    def own_tick(self, item: Item) -> None:
        """A tick we relayed ourselves: nothing can be lost on that way."""
        mark = item[0].mark
        mark.epoch, mark.seq = item[1], item[2]
        self.batch.append(item)

    # -- heartbeats --------------------------------------------------------------------------------

    def _heard_beat(self, envelope: Envelope[Heartbeat]) -> None:
        beat = envelope.event
        ear = self.ears.get(beat.actor)
        if ear is None:
            return
        if beat.schema != ear.schema:
            self._compare_forms(ear, beat)
        if ear.deaf:
            return
        last = beat.seq.get(ear.lane, 0)
        if (beat.epoch, last) > (ear.mark.epoch, ear.mark.seq):
            self.catch_up(ear, (beat.epoch, last))
        for lane, place in beat.places.items():
            other = self.ears.get(lane)
            if other is not None:
                other.find_place((beat.epoch, beat.seq.get(lane, 0)), Place(*place))

    def note_alive(self, frame: bytes) -> None:
        """Before its turn in the queue: a heartbeat proves life the moment it is here."""
        try:
            beat = self._beat(frame[len(wire.HEARTBEAT) :]).event
        except (ValueError, RecursionError):
            return
        ear = self.ears.get(beat.actor)
        if ear is not None and not ear.deaf:
            self.beats[beat.actor] = beat

    def _compare_forms(self, ear: Ear, beat: Heartbeat) -> None:
        """Its schema is another than ours: does it matter for what we hear? Its journal knows."""
        cursor = Cursor(self._root, ear.lane, Place(ear.mark.place.day))
        for found in cursor.read(journal.EVENTS):
            if found.record[1] == records.START:
                start = records.start_of(found.record[2:])
                if start.epoch == beat.epoch:
                    self._understand(ear, start)
                    ear.schema = beat.schema
                    return

    def _understand(self, ear: Ear, start: records.Start) -> None:
        for name in ear.kinds:
            if why := wire.misunderstanding(name, start.schema):
                ear.deaf = f"{start.actor} (epoch {start.epoch}): {why}"
                return

    # -- journals ----------------------------------------------------------------------------------

    def catch_up(self, ear: Ear, target: tuple[int, int] = (0, 0)) -> None:
        """Read on in the speaker's journal; `target` is what we know it to hold.

        While there is more than one turn takes, a frame only raises the target.
        """
        ear.target = max(target, ear.target)
        if not ear.more:
            self._read_on(ear)

    def _read_on(self, ear: Ear) -> None:
        self._consume(self._read(ear))
        ear.behind = not ear.deaf and (ear.mark.epoch, ear.mark.seq) < ear.target
        ear.more = ear.more and ear.behind

    def catch_up_all(self) -> Iterator[None]:
        """At the start: all main lanes up to their present ends, merged by the time at which things
        were said. Yields between pieces, for the host's other duties.
        """
        ears = [ear for ear in self.ears.values() if not ear.ticks]
        reading = [self._read(ear, journal.end(self._root, ear.lane)) for ear in ears]
        merged = heapq.merge(*reading, key=_TIME)
        while self._consume(islice(merged, TURN_EVENTS)):
            self._flush()  # whoever ends here must not remember what its core was not told
            yield

    def _consume(self, items: Iterable[Item]) -> int:
        """A mark moves when an item is taken, not when it is read: merging reads ahead."""
        count = 0
        for item in items:
            count += 1
            mark = item[0].mark
            mark.epoch, mark.seq = item[1], item[2]
            self.batch.append(item)
            if len(self.batch) >= FLUSH_AT:
                self._flush()
        return count

    def look_again(self) -> None:
        """Go on with what one turn did not take, and try once more for what was not visible."""
        for ear in self.ears.values():
            if ear.behind:
                self._read_on(ear)

    def missing(self) -> bool:
        return any(ear.behind for ear in self.ears.values())

    def unread(self) -> bool:
        """Whether what is missing lies there to be read."""
        return any(ear.more for ear in self.ears.values())

    def waiting(self) -> int:
        """How many events we know to be said and have not taken."""
        behind = [ear for ear in self.ears.values() if ear.behind]
        return sum(max(0, ear.target[1] - ear.mark.seq) for ear in behind)

    def lost(self) -> list[str]:
        """Lanes that go on beyond what is left: the day that we heard last has been removed."""
        heard = [ear for ear in self.ears.values() if not ear.ticks]
        return [ear.lane for ear in heard if self._is_lost(ear)]

    def deafness(self) -> str:
        """Why some speaker cannot be understood; empty when all can."""
        return next((ear.deaf for ear in self.ears.values() if ear.deaf), "")

    def _read(self, ear: Ear, until: Place | None = None) -> Iterator[Item]:
        """What its journal holds beyond the mark: one turn's worth, or all up to `until`. The mark
        is settled at the end.
        """
        mark, ear.more = ear.mark, False
        at, lost = (mark.epoch, mark.seq), self._is_lost(ear)
        cursor = Cursor(self._root, ear.lane, mark.place)
        events = size = 0
        kinds = journal.ALL if until is None else journal.EVENTS
        for found in cursor.read(kinds):
            kind = found.record[1]
            size += found.end - found.offset
            if kind == records.START:
                start = records.start_of(found.record[2:])
                self._understand(ear, start)
                if ear.deaf:
                    return
                if start.epoch > at[0] or lost:
                    at, lost = (start.epoch, start.seq), False
            elif kind == records.SAID:
                head = wire.head(found.record[2:])
                now = (head.epoch, head.seq)
                if now > at:
                    if now != (at[0], at[1] + 1):
                        path = self._root / cursor.place.day / f"{ear.lane}.journal"
                        raise Corrupt(path, found.offset, f"event {now} follows {at}")
                    at = now
                    events += 1
                    yield self._recorded(ear, head)
            if until is None:
                ear.more = events >= TURN_EVENTS or size >= TURN_BYTES
            if ear.more or (until is not None and cursor.place.is_at(until)):
                break
        mark.epoch, mark.seq = at
        mark.place = cursor.place

    def _is_lost(self, ear: Ear) -> bool:
        """Whether the file that we heard last is no more, packed or plain."""
        day = ear.mark.place.day
        return bool(day) and journal.find(self._root, day, ear.lane) is None

    def _recorded(self, ear: Ear, head: Envelope[Any]) -> Item:
        kind = ear.kinds.get(wire.kind_of(head.event))
        event = None
        if kind is not None:
            try:
                event = msgspec.msgpack.decode(head.event, type=kind)
            except (ValueError, RecursionError) as error:
                why = f"{ear.lane}:{head.epoch}:{head.seq} in its journal: {error}"
                raise Fatal(why, Exit.SCHEMA) from None
        return ear, head.epoch, head.seq, head.time_ns, event

    # -- the rest ----------------------------------------------------------------------------------

    def _drop(self, why: str, frame: bytes) -> None:
        """Count it; tell the first and then every thousandth of its sort."""
        sort = why.partition(":")[0]
        self.dropped[sort] += 1
        if self.dropped[sort] % _TELL_EVERY == 1:
            seen = self.dropped[sort]
            logger.warning("dropped a frame: {} ({} so far, {!r})", why, seen, frame[:40])
