"""Where what was heard is read again: the journals of those who said it.

A journal of a listener holds no words of others, only their numbers. So a re-run streams the words
out of the speakers' journals, each lane forwards only, and says what is missing instead of going on
without it: lost by damage, or removed with a day that is kept no longer.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from msgspec import Raw

from shared.runtime import journal, records, wire
from shared.runtime.cursor import Cursor
from shared.runtime.records import Mark, Place, Start
from shared.runtime.wire import Envelope


class MissingHistory(Exception):
    """An event that was heard is no longer in its speaker's journal."""


class RemovedHistory(MissingHistory):
    """It was said before the oldest day that is kept of its speaker began."""


class Source:
    """Streams events that were heard out of their speakers' journals, each lane forwards only."""

    def __init__(self, root: Path, marks: dict[str, Mark], strict: bool) -> None:
        self._root = root
        self._strict = strict
        self.marks = marks
        self._streams: dict[str, tuple[Cursor, Iterator[Envelope[Raw]]]] = {}
        self._ahead: dict[str, Envelope[Raw]] = {}

    def take(self, lane: str, epoch: int, first: int, last: int) -> Iterator[Envelope[Raw]]:
        """Events first..last of a life of the speaker. Raises MissingHistory, unless lenient."""
        for seq in range(first, last + 1):
            found = self._seek(lane, epoch, seq)
            if found is not None:
                yield found
            elif self._strict:
                why = RemovedHistory if self._removed(lane, (epoch, seq)) else MissingHistory
                raise why(f"{lane}:{epoch}:{seq} was heard and is not in its journal")

    def _removed(self, lane: str, wanted: tuple[int, int]) -> bool:
        oldest = next(iter(journal.days(self._root, lane)), None)
        start = _start_of(self._root, lane, oldest) if oldest is not None else None
        if oldest is None or start is None or wanted > (start.epoch, start.seq):
            return False
        damaged = self._root.glob(f"*/{lane}.journal.corrupt-*")
        return all(path.parent.name < oldest for path in damaged)  # else it may stand in there

    def _seek(self, lane: str, epoch: int, seq: int) -> Envelope[Raw] | None:
        if lane not in self._streams:
            self._streams[lane] = self._open(lane, epoch, seq)
        cursor, stream = self._streams[lane]
        mark = self.marks.setdefault(lane, Mark())
        while True:
            found = self._ahead.pop(lane, None) or next(stream, None)
            if found is None:
                return None
            if (found.epoch, found.seq) > (epoch, seq):
                self._ahead[lane] = found
                return None
            mark.place = cursor.place
            if (found.epoch, found.seq) == (epoch, seq):
                mark.epoch, mark.seq = epoch, seq
                return found

    def _open(self, lane: str, epoch: int, seq: int) -> tuple[Cursor, Iterator[Envelope[Raw]]]:
        mark = self.marks.get(lane)
        place = mark.place if mark and mark.place.day else _before(self._root, lane, (epoch, seq))
        cursor = Cursor(self._root, lane, place)
        return cursor, self._heads(cursor)

    def _heads(self, cursor: Cursor) -> Iterator[Envelope[Raw]]:
        for found in cursor.read():
            if found.record[1] == records.SAID:
                yield wire.head(found.record[2:])


def _before(root: Path, lane: str, wanted: tuple[int, int]) -> Place:
    """The top of the last day's file that begins before the wanted (epoch, seq)."""
    chosen = ""
    for day in journal.days(root, lane):
        start = _start_of(root, lane, day)
        if start is not None and (not chosen or (start.epoch, start.seq) < wanted):
            chosen = day
    return Place(chosen or "0000")


def _start_of(root: Path, lane: str, day: str) -> Start | None:
    """How a day's file begins; None where there is nothing in it."""
    path = journal.find(root, day, lane)
    first = next(journal.frames(path), None) if path else None
    return None if first is None else records.start_of(first.record[2:])
