"""`tsq journal grep WORD`: everything that happened because of something, across all actors.

A word is an intent id, a tag, a contract, a kind of event, or any other text that stands whole in
one. What matches is shown with all that it was caused by and all that it caused, in the order of
time: quote, intent, approval, order, fill.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from shared.runtime import history
from shared.runtime.history import Entry
from shared.runtime.paths import TICKS_SUFFIX


class Story:
    """All entries of a day that belong to a word."""

    def __init__(self, root: Path, day: str, word: str) -> None:
        """`word` is compared with whole values, so that `trend.1.1` is not `trend.1.10`."""
        self._root = root
        self._day = day
        self._word = word
        self._by_id: dict[str, Entry] = {}
        self._caused: dict[str, list[str]] = {}

    def told(self, *, causes: bool = True) -> list[Entry]:
        """Matches, and with `causes` what they came from and led to. Raises Corrupt."""
        matches: list[Entry] = []
        for lane in history.lanes(self._root):
            if lane.endswith(TICKS_SUFFIX):
                continue
            for entry in history.entries(self._root, lane, self._day):
                if entry.id:
                    self._by_id[entry.id] = entry
                    self._caused.setdefault(entry.cause, []).append(entry.id)
                if self._matches(entry):
                    matches.append(entry)
        if causes:
            related = {name for it in matches if it.id for name in self._related(it.id)}
            related -= {it.id for it in matches}
            matches += [self._by_id[name] for name in sorted(related)]
        return sorted(matches, key=lambda it: (it.time_ns, it.lane, it.id))

    def _matches(self, entry: Entry) -> bool:
        return self._word in (entry.kind, entry.id) or _holds(entry.event, self._word)

    def _related(self, name: str) -> Iterable[str]:
        """Causes upwards as far as they are recorded, consequences downwards."""
        above = self._by_id[name].cause
        while above in self._by_id:
            yield above
            above = self._by_id[above].cause
        waiting, seen = [name], {name}
        while waiting:
            for below in self._caused.get(waiting.pop(), ()):
                if below not in seen:
                    seen.add(below)
                    waiting.append(below)
                    yield below


def _holds(value: Any, word: str) -> bool:
    """Whether some value in it is the word, or names it between marks (`t1.trend.x.1` in a tag)."""
    if isinstance(value, dict):
        return any(_holds(inner, word) for inner in value.values())
    if isinstance(value, list):
        return any(_holds(inner, word) for inner in value)
    if isinstance(value, str):
        return word == value or bool(re.search(rf"(?<![\w.]){re.escape(word)}(?![\w.])", value))
    return isinstance(value, int) and str(value) == word
