"""`tsq journal diff LANE ...`: two days, actors or runs, decision by decision.

Numbers that only name a life (its epoch, in ids and tags) are replaced by their order of
appearance, and instants are left out, so that two runs which decided alike look alike. The first
decisions that differ are shown with their place in the order, then how many of each kind there are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from shared.runtime import history

_LIFE: Final = re.compile(r"(?<=[.:])(?:\d{9,11}|[0-9a-z]{6})(?=[.:])")
"""An epoch between marks: decimal in ids and causes, base 36 in tags."""
LIVES: Final = frozenset({"epoch", "incarnation"})
"""Fields that are an epoch themselves."""


class Side(Struct, frozen=True):
    """One of the two: a lane of a run on a day."""

    root: Path
    lane: str
    day: str

    def __str__(self) -> str:
        return f"{self.lane} {self.day} ({self.root.parent})"


class Different(Struct, frozen=True):
    """The decision numbered `number` from 1; None where one side has no more."""

    number: int
    ours: dict[str, Any] | None
    theirs: dict[str, Any] | None


class Comparison(Struct, frozen=True):
    """`equal`: decisions alike. `counts`: kind -> (ours, theirs), only where they differ."""

    equal: int
    different: int
    first: tuple[Different, ...]
    counts: dict[str, tuple[int, int]]


def decisions(side: Side) -> Iterator[dict[str, Any]]:
    """Every decision of a side, with its lives renamed. Raises Corrupt."""
    lives: dict[str, str] = {}

    def renamed(found: re.Match[str]) -> str:
        return lives.setdefault(found.group(), f"life{len(lives) + 1}")

    def seen(value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            kept = (key for key in value if not key.endswith("_ns"))
            return {key: seen(value[key], key) for key in kept}
        if isinstance(value, list):
            return [seen(inner) for inner in value]
        if name in LIVES:
            return lives.setdefault(str(value), f"life{len(lives) + 1}")
        return _LIFE.sub(renamed, value) if isinstance(value, str) else value

    for entry in history.entries(side.root, side.lane, side.day):
        decided: dict[str, Any] = seen(entry.event)
        yield decided


def compare(ours: Side, theirs: Side, show: int) -> Comparison:
    """Decision by decision; the first `show` that differ are kept. Raises Corrupt."""
    counted: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    equal = different = 0
    first: list[Different] = []
    pairs = zip_longest(decisions(ours), decisions(theirs))
    for number, (one, other) in enumerate(pairs, 1):
        for counter, decided in zip(counted, (one, other), strict=True):
            if decided is not None:
                counter[decided["t"]] += 1
        if one == other:
            equal += 1
            continue
        different += 1
        if len(first) < show:
            first.append(Different(number, one, other))
    mine, yours = counted
    kinds = sorted(kind for kind in mine.keys() | yours.keys() if mine[kind] != yours[kind])
    counts = {kind: (mine[kind], yours[kind]) for kind in kinds}
    return Comparison(equal, different, tuple(first), counts)


def text_of(found: Comparison, ours: Side, theirs: Side) -> str:
    lines = [f"- {ours}", f"+ {theirs}", f"{found.equal} decisions alike, {found.different} not"]
    for it in found.first:
        lines.append(f"decision {it.number}:")
        lines += [f"  - {shown(it.ours)}", f"  + {shown(it.theirs)}"]
    lines += [f"{kind}: {one} and {other}" for kind, (one, other) in found.counts.items()]
    return "\n".join(lines)


def shown(decided: dict[str, Any] | None) -> str:
    return "nothing more" if decided is None else msgspec.json.encode(decided).decode()
