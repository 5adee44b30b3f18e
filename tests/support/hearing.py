"""A speaker, who writes a journal and returns its frames, and a listener, who keeps all told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Raw

from shared.events import TICKS, Bar, Event, Gap, Heartbeat, Quote
from shared.runtime import records, wire
from shared.runtime.hearing import Hearing
from shared.runtime.journal import Journal
from shared.runtime.records import Mark, Start
from tests.support.processes import DAY

HEARD = {"feed": {"Bar": Bar}, "feed.ticks": {"Quote": Quote}}


class Speaker:
    """Writes a journal and returns the frames that would be on the wire."""

    def __init__(self, root: Path, lane: str = "feed", epoch: int = 100) -> None:
        self.root = root
        self.lane = lane
        self.epoch = epoch
        self.seq = 0
        self.prevs: dict[str, int] = {}
        self.schema = wire.FORMS
        self.day = DAY
        self.file = Journal(root / DAY / f"{lane}.journal", 1 << 20)
        self.begin()

    def begin(self, **changes: int) -> None:
        start = Start(
            actor="feed",
            lane=self.lane,
            epoch=self.epoch,
            day=self.day,
            now_ns=0,
            seq=self.seq,
            schema=self.schema,
            code="c",
            settings="s",
            values=Raw(b"\x80"),
        )
        self.file.append(records.pack(records.START, start))

    def restart(self) -> None:
        self.epoch += 1
        self.begin()

    def say(self, event: Event, *, record: bool = True) -> bytes:
        self.seq += 1
        kind = type(event).__name__
        ticks = type(event) in TICKS
        topic = wire.tick_topic(kind, event.contract) if ticks else kind  # type: ignore[attr-defined]
        body = wire.body(
            (self.lane, self.epoch, self.seq, self.prevs.get(topic, 0), self.seq, "", event)
        )
        self.prevs[topic] = self.seq
        if record:
            self.file.append(records.PREFIX[records.SAID] + body)
        return wire.bundle(topic, [body]) if ticks else wire.frame(type(event), body)

    def write_late(self, frame: bytes) -> None:
        self.file.append(records.PREFIX[records.SAID] + frame.partition(b"\0")[2])

    def beat(self, **changes: object) -> bytes:
        beat = Heartbeat(
            actor="feed",
            epoch=self.epoch,
            beat=1,
            schema=wire.FINGERPRINT,
            seq={self.lane: self.seq},
            places={self.lane: (self.day, 100, self.file.size)},
        )
        beat = msgspec.structs.replace(beat, **changes)
        return wire.frame(Heartbeat, wire.body((self.lane, self.epoch, 0, 0, 0, "", beat)))


class Listener:
    """A Hearing that keeps what it was told."""

    def __init__(self, root: Path, marks: dict[str, Mark] | None = None) -> None:
        self.told: list[tuple[int, int]] = []
        self.events: list[Event] = []
        self.gaps: list[Gap] = []
        self.hearing = Hearing(root, HEARD, marks or {}, flush=self.flush, gap=self.gaps.append)

    def flush(self) -> None:
        for _, epoch, seq, _, event in self.hearing.batch:
            self.told.append((epoch, seq))
            if event is not None:
                self.events.append(event)
        self.hearing.batch.clear()

    def take(self, *frames: bytes) -> None:
        self.hearing.take(frames)
        self.flush()


def next_day(speaker: Speaker, day: str) -> None:
    """As the owner does at the edge of a trading day."""
    speaker.file.append(records.pack(records.CONTINUED, day))
    speaker.file.close()
    speaker.day = day
    speaker.file = Journal(speaker.root / day / f"{speaker.lane}.journal", 1 << 20)
    speaker.begin()


def with_root(run: Callable[[Path], None]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder))
