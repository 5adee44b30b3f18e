"""Coming back: a process remembers by its last snapshot and the journal behind it.

Under the same code and settings the tail is re-run and compared, which proves at every restart
that the core is deterministic. Under others it is folded in and nothing is decided twice. What the
core had decided when it died and not yet said is handed back, to be said first; what it had heard
and not answered is as unheard. Only a memory that nobody can read makes a fresh start, and that is
told to the core and to people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import msgspec
from loguru import logger
from msgspec import Struct

from shared.core import Core
from shared.events import Started
from shared.runtime import journal, paths, records, wire
from shared.runtime.cursor import Cursor
from shared.runtime.journal import Frame
from shared.runtime.records import Mark, Memory, Place
from shared.runtime.rerun import Follower, Unsaid
from shared.runtime.source import MissingHistory


class Recovered(Struct, kw_only=True):
    """Where a process stands before it begins. `day`: the journal to go on with, "" for none.

    `own`: where our own journals stood at the last snapshot.
    """

    core: Core
    now_ns: int = 0
    epoch: int = 0
    seq: dict[str, int] = {}
    prevs: dict[str, dict[str, int]] = {}
    own: dict[str, Place] = {}
    heard: dict[str, Mark] = {}
    unsaid: list[Unsaid] = []
    day: str = ""
    turn_to: str = ""
    fresh: bool = False
    changed: bool = False
    rerun: int = 0


class Recovery:
    def __init__(
        self, var: Path, actor: str, build: Callable[[], Core], *, code: str, settings: str
    ) -> None:
        self._var = var
        self._root = paths.journal_root(var)
        self._actor = actor
        self._build = build
        self._pins = (code, settings)

    def run(self) -> Recovered:
        """Raises Divergence, and Corrupt with the file that is damaged."""
        day = self._latest_day()
        aside = self._last_set_aside()
        if aside > day:
            logger.error("the journal of {} was set aside as damaged; beginning fresh", aside)
        if aside > day or not day:
            return Recovered(core=self._build(), fresh=True, changed=bool(aside))
        attempts: tuple[Callable[[], Recovered], ...] = (
            lambda: self._attempt(day, snapshot=True, strict=True),
            lambda: self._attempt(day, snapshot=False, strict=True),
            lambda: self._attempt(day, snapshot=True, strict=False),
            lambda: self._attempt(day, snapshot=False, strict=False),
        )
        for attempt in attempts:
            try:
                return attempt()
            except (MissingHistory, ValueError, msgspec.MsgspecError) as error:
                logger.warning("recovery of {}: {}", day, error)
        logger.error("no memory of {} can be read by this code; beginning fresh", day)
        return self._blank(day)

    def _last_set_aside(self) -> str:
        """The last day whose journal was damaged; going on from an older one would forget it."""
        found = self._root.glob(f"*/{self._actor}.journal.corrupt-*")
        return max((path.parent.name for path in found), default="")

    def _blank(self, day: str) -> Recovered:
        """Nothing is remembered except which numbers were used."""
        found = Recovered(core=self._build(), day=day, fresh=True, changed=True)
        for recorded in journal.frames(self._path(day)):
            kind, content = recorded.record[1], recorded.record[2:]
            if kind == records.START:
                start = records.start_of(content)
                found.epoch, found.seq[start.lane] = start.epoch, start.seq
            elif kind == records.SAID:
                head = wire.head(content)
                found.seq[head.source] = head.seq
                found.prevs.setdefault(head.source, {})[wire.kind_of(head.event)] = head.seq
            elif kind == records.INPUT:
                found.now_ns = records.input_of(content).now_ns
        return found

    # -- which file --------------------------------------------------------------------------------

    def _path(self, day: str) -> Path:
        return paths.journal_path(self._var, day, self._actor)

    def _latest_day(self) -> str:
        """The last day with a usable beginning; a file torn at its birth is removed."""
        for day in reversed(journal.days(self._root, self._actor)):
            path = self._path(day)
            if not path.exists():
                return day
            opening = list(islice(journal.frames(path), 2))
            if opening and records.start_of(opening[0].record[2:]).fresh:
                return day
            if len(opening) == 2 and opening[1].record[1] == records.SNAPSHOT:
                return day
            logger.warning("{} was torn at its birth; going back a day", path)
            path.unlink()
            paths.snapshot_path(self._var, day, self._actor).unlink(missing_ok=True)
        return ""

    # -- one way to come back ----------------------------------------------------------------------

    def _attempt(self, day: str, *, snapshot: bool, strict: bool) -> Recovered:
        memory = self._snapshot(day) if snapshot else None
        if snapshot and memory is None:
            raise MissingHistory("there is no snapshot that can be read; reading the whole day")
        follower = Follower(
            self._root,
            build=lambda _start: self._build(),
            same=lambda code, settings: strict and (code, settings) == self._pins,
        )
        offset = 0
        if memory is not None:
            follower.strict = strict and (memory.code, memory.settings) == self._pins
            follower.begin(self._actor, self._build(), memory)
            offset = memory.own[self._actor].offset
        try:
            turn_to = self._walk(follower, day, offset)
        except (AssertionError, ArithmeticError, LookupError, TypeError) as error:
            if follower.strict:
                raise
            raise MissingHistory(f"folding failed: {error!r}") from error
        return self._result(follower, day, turn_to)

    def _walk(self, follower: Follower, day: str, offset: int) -> str:
        path = journal.find(self._root, day, self._actor)
        assert path is not None, "a day was chosen because it has a file"
        turn_to = ""
        for found in journal.frames(path, offset):
            follower.follow(path, found)
            if found.record[1] == records.CONTINUED:
                turn_to = records.day_of(found.record[2:])
        follower.finish()
        return turn_to

    def _result(self, follower: Follower, day: str, turn_to: str) -> Recovered:
        self._own_ticks(follower)
        untold = follower.untold or Started(epoch=0, fresh=False)
        return Recovered(
            core=follower.core,
            now_ns=follower.now_ns,
            epoch=follower.epoch,
            seq=follower.seq,
            prevs=follower.prevs,
            own=follower.own,
            heard=follower.marks,
            unsaid=list(follower.unsaid),
            day=day,
            turn_to=turn_to,
            fresh=untold.fresh,
            changed=not follower.strict or untold.changed,
            rerun=follower.told,
        )

    def _own_ticks(self, follower: Follower) -> None:
        """Which numbers our tick lane has used since the snapshot."""
        lane = self._actor + paths.TICKS_SUFFIX
        if not journal.days(self._root, lane):
            return
        seq, prevs = follower.seq.get(lane, 0), follower.prevs.setdefault(lane, {})
        for found in Cursor(self._root, lane, follower.own.get(lane, Place())).read():
            if found.record[1] == records.START:
                seq = max(seq, records.start_of(found.record[2:]).seq)
            elif found.record[1] == records.SAID:
                head = wire.head(found.record[2:])
                seq, prevs[wire.tick_topic_of(head.event)] = head.seq, head.seq
        follower.seq[lane] = seq

    def _snapshot(self, day: str) -> Memory | None:
        """The day's snapshot if it is whole and of this very file."""
        path = paths.snapshot_path(self._var, day, self._actor)
        first = next(_frames_of(path), None)
        file = self._path(day)
        if first is None or not file.exists():
            return None
        memory = records.memory_of(first.record[2:])
        place = memory.own.get(self._actor, Place())
        if (place.day, place.birth) != (
            day,
            journal.birth(file),
        ) or place.offset > file.stat().st_size:
            logger.warning("{} does not fit its journal", path)
            return None
        return memory


def _frames_of(path: Path) -> Iterator[Frame]:
    if path.exists():
        yield from journal.frames(path)
