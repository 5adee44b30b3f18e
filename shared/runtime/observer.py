"""A host for those who only watch: everything of every speaker, no journal, nothing to say.

What an observer knows it can learn again from the journals of the day, so it keeps none of its own:
it starts from the top of each speaker's present file and then listens like everybody else.
Heartbeats are passed on too, also those of processes that have no bus (from their files).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from shared.events import TICKS, Event, Heartbeat, Stopping
from shared.runtime import lanes, paths, pulse, wire
from shared.runtime.bus import Bus
from shared.runtime.exits import Exit, Fatal
from shared.runtime.hearing import Hearing
from shared.runtime.host import ProcessHost
from shared.runtime.lanes import Kinds
from shared.runtime.lock import Lock
from shared.runtime.ports import Port
from shared.settings import Settings


class Watcher(Protocol):
    """What an observer must offer.

    `subscribes`: speaker -> kinds. `watches`: actors whose silence (real seconds) is told; one that
    is not subscribed to is followed by its heartbeat file.
    """

    subscribes: Mapping[str, tuple[type[Event], ...]]
    watches: Mapping[str, float]

    def observe(self, source: str, epoch: int, seq: int, time_ns: int, event: Event) -> None:
        """`source` said `event` at market time `time_ns`. `seq` counts in the lane of its kind.

        Heartbeats have seq 0. The runtime's own events (Started, Pulse, PeerSilent, ...) come from
        the observer itself.
        """


class Observer(ProcessHost):
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
        """Wait for market time, listen, read the day, then let the port show it."""
        await self.clock.wait()
        self.epoch = time.time_ns() // 1_000_000_000
        limit = self.settings.runtime.journal_frame_limit
        self.hearing = Hearing(
            paths.journal_root(self.var_dir), self._heard, {}, flush=self.flush, gap=self.tell
        )
        self.bus = Bus(self.run_dir, frame_limit=limit)
        for lane, kinds in self._heard.items():
            topics = [wire.TOPICS[kind] for kind in kinds.values()]
            self.bus.connect(lane, topics if lanes.is_ticks(lane) else (b"",))
        self.start_port()
        await self.catch_up_all()

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

    def _pass_on(self, actor: str, beat: Heartbeat | None, now_ns: int) -> None:
        if beat is None or self._told.get(actor) == (beat.epoch, beat.beat):
            return
        first = actor not in self._told
        self._told[actor] = (beat.epoch, beat.beat)
        if not (first and actor in self._by_file):  # a file may be that of a process long dead
            self.watcher.observe(actor, beat.epoch, 0, now_ns, beat)

    def close(self) -> None:
        if self.bus is not None:
            self.bus.close()
        self._lock.release()
