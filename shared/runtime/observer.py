"""A host for those who only watch: everything of every speaker, no journal, nothing to say.

What an observer knows it can learn again from the journals of the day, so it keeps none of its own.
But a full day takes long to read: now and then it writes down what it knows together with how far
it has heard each speaker, and a next life goes on from there. Without such a memory, or with one of
other code or another boot, or of settings that change what is remembered, it starts from the top of
each speaker's present file.
Heartbeats are passed on too, also those of processes that have no bus (from their files).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import msgspec
from loguru import logger

from shared.events import TICKS, Event, Heartbeat, Stopping
from shared.runtime import journal, lanes, paths, pulse, records
from shared.runtime.bus import Bus
from shared.runtime.clock import boot_id
from shared.runtime.exits import Exit, Fatal
from shared.runtime.hearing import Hearing
from shared.runtime.host import ProcessHost
from shared.runtime.journal import Corrupt
from shared.runtime.lanes import Kinds
from shared.runtime.lock import Lock
from shared.runtime.ports import Port
from shared.runtime.records import Mark, Memory
from shared.settings import Settings


class Watcher(Protocol):
    """What an observer must offer.

    `subscribes`: speaker -> kinds. `watches`: actors whose silence (real seconds) is told; one that
    is not subscribed to is followed by its heartbeat file. `pins`: all settings that what it learns
    depends on, as a text to compare.
    """

    subscribes: Mapping[str, tuple[type[Event], ...]]
    watches: Mapping[str, float]
    pins: str

    def observe(self, source: str, epoch: int, seq: int, time_ns: int, event: Event) -> None:
        """`source` said `event` at market time `time_ns`. `seq` counts in the lane of its kind.

        Heartbeats have seq 0. The runtime's own events (Started, Pulse, PeerSilent, ...) come from
        the observer itself.
        """

    def snapshot(self) -> bytes:
        """All that it has learned."""

    def restore(self, content: bytes) -> None:
        """Become what was learned. Raises msgspec.MsgspecError, and then changes nothing."""


class Observer(ProcessHost):
    paced = True

    def __init__(
        self,
        name: str,
        settings: Settings,
        make: Callable[[Settings], tuple[Watcher, Port | None]],
        *,
        var: Path,
        run: Path,
    ) -> None:
        self.watcher, port = make(settings)
        super().__init__(name, settings, port=port, var=var, run=run)
        self._heard = self._kinds()
        self._lock = Lock(run, name)
        self._by_file = set(self.watcher.watches) - set(self.watcher.subscribes)
        self._told: dict[str, tuple[int, int]] = {}
        self._memory = paths.memory_path(run, name)
        self._pins = (
            lanes.code_hash(self.watcher),
            f"{self.watcher.pins} {boot_id()}",  # instants of CLOCK_MONOTONIC are kept
        )
        self._remember_due = 0.0
        self._begun = False
        self.watches = pulse.Watches(self.watcher.watches, set(self.watcher.subscribes), run)

    def _kinds(self) -> dict[str, Kinds]:
        found: dict[str, Kinds] = {}
        for speaker, kinds in self.watcher.subscribes.items():
            for kind in kinds:
                fast = kind in TICKS
                lane = lanes.ticks_lane(speaker) if fast else speaker
                found.setdefault(speaker, {})
                found.setdefault(lane, {})[kind.__name__] = kind
        return dict(sorted(found.items()))

    async def begin(self) -> None:
        """Wait for market time, listen, read on from where we were, and let the port show it."""
        await self.clock.wait()
        self.epoch = time.time_ns() // 1_000_000_000
        limit = self.settings.runtime.journal_frame_limit
        self.hearing = self._recall() or self._a_hearing({})
        self.bus = Bus(self.run_dir, frame_limit=limit)
        for lane, kinds in self._heard.items():
            self.bus.connect(lane, lanes.topics(lane, kinds.values()), second=True)
        self.start_port()
        await self.catch_up_all()
        self._begun = True

    def _a_hearing(self, marks: dict[str, Mark]) -> Hearing:
        root = paths.journal_root(self.var_dir)
        return Hearing(root, self._heard, marks, flush=self.flush, gap=self.tell)

    # -- remembering -------------------------------------------------------------------------------

    def _remember(self) -> None:
        """Failing is no tragedy, the journals have everything."""
        self._remember_due = time.monotonic() + self.settings.runtime.snapshot_every_real_s
        assert not self.hearing.batch, "what is marked as heard has been observed"
        code, settings = self._pins
        memory = Memory(
            core=self.watcher.snapshot(),
            now_ns=self.now_ns(),
            epoch=self.epoch,
            code=code,
            settings=settings,
            seq={},
            prevs={},
            own={},
            heard=self.hearing.marks(),
            lanes=tuple(self._heard),
        )
        try:
            paths.replace(self._memory, journal.seal(records.pack(records.SNAPSHOT, memory)))
        except OSError as error:
            logger.warning("memory {}: {}", self._memory, error.strerror)

    def _recall(self) -> Hearing | None:
        """A hearing that goes on where the memory ends, the watcher having been restored; None
        where nothing can be made of it. Ticks begin anew: to miss them while dead is no gap.
        """
        try:
            memory = records.memory_of(next(journal.frames(self._memory)).record[2:])
            if (memory.code, memory.settings) != self._pins:
                return None
            marks = {lane: it for lane, it in memory.heard.items() if not lanes.is_ticks(lane)}
            hearing = self._a_hearing(marks)
            if hearing.lost():
                return None
            self.watcher.restore(memory.core)
        except FileNotFoundError:
            return None
        except (Corrupt, StopIteration, ValueError, msgspec.MsgspecError, OSError) as error:
            logger.warning("memory {}: {}", self._memory, error)
            return None
        return hearing

    def finish(self) -> None:
        if self._begun:
            self._remember()

    # -- hearing -----------------------------------------------------------------------------------

    def flush(self) -> None:
        batch = self.hearing.batch[:]
        self.hearing.batch.clear()
        observe = self.watcher.observe
        for ear, epoch, seq, time_ns, event in batch:
            if event is not None:
                observe(ear.speaker, epoch, seq, time_ns, event)

    def tell(self, event: Event) -> None:
        self.watcher.observe(self.name, self.epoch, 0, self.now_ns(), event)
        if type(event) is Stopping:
            self.heard_stopping()

    def each_pulse(self) -> None:
        """Pass heartbeats on, each once."""
        now_ns = self.now_ns()
        files = ((actor, pulse.read_beat(self.run_dir, actor)) for actor in sorted(self._by_file))
        for actor, beat in (*self.hearing.beats.items(), *files):
            self._pass_on(actor, beat, now_ns)
        if why := self.hearing.deafness():
            raise Fatal(why, Exit.SCHEMA)
        if time.monotonic() >= self._remember_due:
            self._remember()

    def _pass_on(self, actor: str, beat: Heartbeat | None, now_ns: int) -> None:
        if beat is None or self._told.get(actor) == (beat.epoch, beat.beat):
            return
        first = actor not in self._told
        self._told[actor] = (beat.epoch, beat.beat)
        if not (first and actor in self._by_file):  # a file may be that of a process long dead
            self.watcher.observe(actor, beat.epoch, 0, now_ns, beat)

    def close(self) -> None:
        if self.code is Exit.CORRUPT:  # it may be the memory that points to the wrong place
            self._memory.unlink(missing_ok=True)
        if self.bus is not None:
            self.bus.close()
        self._lock.release()
