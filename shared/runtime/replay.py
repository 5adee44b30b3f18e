"""Replay: the journal of an actor, told to its core again, must give the same decisions.

Each beginning in the journal says by which code and settings it decided. What other code decided
cannot be judged by ours and is counted as skipped; from the next beginning of our own code (which
brings its memory along) the comparison goes on. The hash over all decisions names a day in one
word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from shared.core import Core
from shared.runtime import journal, lanes, paths, records, wire
from shared.runtime.journal import Corrupt
from shared.runtime.records import Start
from shared.runtime.rerun import Divergence, Follower
from shared.runtime.source import MissingHistory, RemovedHistory
from shared.settings import Settings, load


class Difference(Struct, frozen=True, kw_only=True):
    """Where a replay first left the recording."""

    where: str
    expected: str
    got: str


class Report(Struct, frozen=True, kw_only=True):
    """`told`: events and inputs the core was told; `decisions`: recorded; `compared`: proven equal;
    `skipped`: made by other code. `unsaid`: decided before a kill, never recorded as said.
    `leaning`: the oldest day kept, if it cannot be told again because something heard in it was
    said on the day before, which is removed.
    """

    actor: str
    days: tuple[str, ...]
    starts: int
    told: int
    decisions: int
    compared: int
    skipped: int
    unsaid: int
    decision_hash: str
    difference: Difference | None = None
    leaning: str = ""

    @property
    def equal(self) -> bool:
        return self.difference is None


def replay(
    var: str | Path,
    actor: str,
    day: str | None = None,
    *,
    build: Callable[[str, Settings], Core],
) -> Report:
    """Re-run `actor`'s journals (of one day, else all). Raises FileNotFoundError if it has none."""
    root = paths.journal_root(var)
    known = journal.days(root, actor)
    chosen = [name for name in known if day in (None, name)]
    if not chosen:
        raise FileNotFoundError(f"no journal of {actor} for {day or 'any day'} under {root}")
    try:
        return _Replay(root, actor, build).run(chosen)
    except RemovedHistory:
        rest = _Replay(root, actor, build).run(chosen[1:])
        return msgspec.structs.replace(rest, leaning=chosen[0])


class _Replay:
    def __init__(self, root: Path, actor: str, build: Callable[[str, Settings], Core]) -> None:
        self._root = root
        self._actor = actor
        self._build = build
        self._code = ""
        self._follower = Follower(root, build=self._core, same=lambda code, _: code == self._code)
        self._follower.folds = False
        self._starts = 0

    def _core(self, start: Start) -> Core:
        """The core a beginning calls for, from the settings it recorded."""
        try:
            settings = msgspec.msgpack.decode(start.values, type=Settings)
        except msgspec.ValidationError:  # a form of settings that is no more: other code's
            self._code = ""
            return self._build(start.actor, load(env={}))
        core = self._build(start.actor, settings)
        self._code = lanes.code_hash(core)
        return core

    def run(self, chosen: list[str]) -> Report:
        difference, name = None, ""
        try:
            for name in chosen:
                self._follow(name)
        except Divergence as error:
            difference = Difference(where=error.where, expected=error.expected, got=error.got)
        except (MissingHistory, Corrupt) as error:
            if isinstance(error, RemovedHistory) and name == chosen[0]:
                raise
            difference = Difference(where=str(error), expected="a whole journal", got="a hole")
        follower = self._follower
        return Report(
            actor=self._actor,
            days=tuple(chosen),
            starts=self._starts,
            told=follower.told,
            decisions=follower.decisions,
            compared=follower.compared,
            skipped=max(0, follower.decisions - follower.compared - (difference is not None)),
            unsaid=len(follower.unsaid),
            decision_hash=follower.digest.hexdigest(),
            difference=difference,
        )

    def _follow(self, day: str) -> None:
        path = journal.find(self._root, day, self._actor)
        assert path is not None, "the day was listed because it has a file"
        for found in journal.frames(path):
            if found.record[1] == records.START:
                self._starts += 1
            self._follower.follow(path, found)


# -- for people ------------------------------------------------------------------------------------


class Line(Struct, frozen=True, kw_only=True):
    """A record as `tsq journal cat` shows it; the next one begins at `end`."""

    offset: int
    end: int
    kind: str
    content: Any


def cat(path: Path, offset: int = 0) -> Iterator[Line]:
    """Every record of one journal file from `offset`, decoded. Raises Corrupt."""
    for found in journal.frames(path, offset):
        kind, content = found.record[1], found.record[2:]
        yield Line(
            offset=found.offset,
            end=found.end,
            kind=records.NAMES[kind],
            content=_readable(kind, content),
        )


def _readable(kind: int, content: bytes) -> Any:
    shown = msgspec.msgpack.decode(content)
    if kind == records.START:
        shown["schema"] = wire.FINGERPRINT if shown["schema"] == wire.FORMS else "other"
    if kind == records.SNAPSHOT:
        shown["core"] = f"{len(shown['core'])} bytes"
    if kind == records.SAID:
        return dict(zip(wire.Envelope.__struct_fields__, shown, strict=True))
    return shown


class Verdict(Struct, frozen=True, kw_only=True):
    """What `tsq journal verify` finds in one file. `torn`: bytes of an unfinished last frame."""

    path: str
    records: dict[str, int]
    first_seq: int
    last_seq: int
    torn: int
    trouble: str = ""


def verify(path: Path) -> Verdict:
    """Check sums, kinds and the numbering of one journal file."""
    counts = dict.fromkeys(records.NAMES, 0)
    first = last = end = 0
    trouble = ""
    size = journal.size(path)  # asked first: what is added while we read is no torn end
    try:
        for found in journal.frames(path):
            kind = records.kind_of(found.record)
            counts[records.NAMES[kind]] += 1
            end = found.end
            if kind == records.START and records.start_of(found.record[2:]).fresh:
                last = records.start_of(found.record[2:]).seq
            if kind == records.SAID:
                seq = wire.head(found.record[2:]).seq
                if last and seq != last + 1:
                    trouble = trouble or f"offset {found.offset}: event {seq} follows {last}"
                first, last = first or seq, seq
    except (Corrupt, ValueError) as error:
        trouble = str(error)
    return Verdict(
        path=str(path),
        records=counts,
        first_seq=first,
        last_seq=last,
        torn=0 if size.packed else max(0, size.bytes - end),
        trouble=trouble,
    )
