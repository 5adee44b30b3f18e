"""How the last lives of a sleeve's process ended, so that the next one does not end the same way.

A journal is re-run at every start, so code that hung on an event would hang on it again, at every
start, for ever. What the guard ends is therefore written down, and so is every start that did not
live through its own journal. The next life takes the past over without asking the author's code
(`Skip`), as a new life that knows the market and its book and begins with an empty state. One that
is ended three times within five minutes is left switched off: its process lives, says why, and the
governor, who counts births, has closed what it held. A start that only found no room on the disk
is none of these: its journal was lived through.

The file lies beside the sockets: it is of this boot, and of one code; other code is given a chance.
Edge, not core: it is read before the core exists and written while the process dies.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from services.sleeves.mind import Skip
from shared.runtime import paths

WINDOW_S: Final = 300
ENDS: Final = 3  # within the window: the next life stays off
UNBORN: Final = 2  # starts in a row that did not live through the journal: the next does not ask it
UNBORN_OFF: Final = 4
ROWS_MAX: Final = 16
BEGUN: Final = "begun"
LIVED: Final = "lived"


class Row(Struct, frozen=True):
    """A start, not lived through yet (`BEGUN`) or so (`LIVED`), or why the guard ended a life."""

    at_s: int
    how: str
    code: str


class Lives:
    """One seat's record. What cannot be read or written is as if it were empty."""

    def __init__(self, run: Path, actor: str, code: str) -> None:
        self._path, self._code = run / f"{actor}.lives", code

    def skip(self) -> Skip | None:
        """How the life that begins now has to take its past over; None: as always."""
        rows, now_s, unborn = self._rows(), int(time.time()), 0
        while rows and rows[-1].how == BEGUN:
            unborn += 1
            rows.pop()
        ends = [row for row in _ends(rows) if 0 <= now_s - row.at_s < WINDOW_S]
        if ends and rows[-1] is ends[-1]:
            why = f"its code was ended ({ends[-1].how}; {len(ends)} within {WINDOW_S} s)"
            return Skip(now_s - 1, why, len(ends) >= ENDS)
        if unborn >= UNBORN:
            why = f"{unborn} starts did not live through the journal"
            return Skip(now_s - 1, why, unborn >= UNBORN_OFF)
        return None

    def begin(self) -> None:
        self._write([*self._rows(), self._row(BEGUN)])

    def born(self) -> None:
        """The journal was lived through."""
        self._write([*_ends(self._rows()), self._row(LIVED)])

    def ended(self, how: str) -> None:
        """The guard ends this life, for good."""
        self._write([*_ends(self._rows()), self._row(how)])

    def _row(self, how: str) -> Row:
        return Row(int(time.time()), how, self._code)

    def _rows(self) -> list[Row]:
        try:
            found = msgspec.json.decode(self._path.read_bytes(), type=list[Row])
        except (OSError, ValueError, RecursionError):
            return []
        return [row for row in found if row.code == self._code]

    def _write(self, rows: list[Row]) -> None:
        with contextlib.suppress(OSError):
            paths.replace(self._path, msgspec.json.encode(rows[-ROWS_MAX:]))


def _ends(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row.how not in (BEGUN, LIVED)]
