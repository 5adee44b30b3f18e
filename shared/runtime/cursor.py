"""Walks one lane over its days: file after file, as far as they go, packed meanwhile or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from shared.runtime import journal, records


class Cursor:
    """Reads one lane's journals in order from a place, over day boundaries, as far as they go."""

    def __init__(self, root: Path, lane: str, place: records.Place) -> None:
        self.root = root
        self.lane = lane
        self.place = place

    def read(self, wanted: frozenset[int] = journal.ALL) -> Iterator[journal.Frame]:
        """All records from the place to the present end; the place moves along. Raises Corrupt."""
        while True:
            path = self._file()
            if path is None:
                return
            turned = ""
            for found in self._frames(path, wanted):
                if found.record[1] == records.CONTINUED:
                    turned = records.day_of(found.record[2:])
                else:
                    self.place = records.Place(self.place.day, self.place.birth, found.end)
                yield found
            going_on = [day for day in journal.days(self.root, self.lane) if day >= turned]
            if not turned or not going_on:
                return
            self.place = records.Place(going_on[0])  # a later one where that was set aside

    def _frames(self, path: Path, wanted: frozenset[int]) -> Iterator[journal.Frame]:
        """A damaged frame is looked at twice: the first look may have met a write half done."""
        try:
            yield from journal.frames(path, self.place.offset, wanted)
        except journal.Corrupt:
            yield from journal.frames(path, self.place.offset, wanted)

    def _file(self) -> Path | None:
        """The file of the place; a file begun anew, or one that has gone, is read from its top."""
        known = journal.days(self.root, self.lane)
        later = [day for day in known if day >= self.place.day]
        if not later:
            return None
        day = later[0] if self.place.day else later[-1]
        path = journal.find(self.root, day, self.lane)
        born = journal.birth(path) if path else 0
        if not born:
            return None
        if day != self.place.day or born != self.place.birth:
            self.place = records.Place(day, born)
        return path
