"""An actor: a core hosted in a process, with a journal before everything it hears and says.

The order of things is the law: heard, journalled, told to the core; decided, journalled, said.
Therefore a process may be killed between any two instructions: what it had heard it will be told
again, what it had decided it will say, and nothing twice.

Besides `Core` a class may offer `may_stop() -> bool`: False while leaving would be unsafe. It is
asked when the actor would end for a full disk or for a peer it cannot understand. One whose `skips`
is true does not survive its own journal: it is folded, as if other code had written it. One whose
`forgets` is true believes nothing of the life before: a full disk neither ends it nor keeps it from
beginning, since there is nothing that a record would have to tell the next one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
from loguru import logger
from msgspec import Raw

from shared.core import Core
from shared.events import (
    Event,
    Heartbeat,
    Pulse,
    SessionPhase,
    Started,
    Stopping,
)
from shared.runtime import disk, journal, lanes, paths, pulse, records, wire
from shared.runtime.bus import Bus
from shared.runtime.ears import spans_of
from shared.runtime.exits import Exit, Fatal
from shared.runtime.hearing import Hearing
from shared.runtime.host import ProcessHost
from shared.runtime.journal import Corrupt, JournalUnwritable
from shared.runtime.lock import Lock
from shared.runtime.mouth import Mouth
from shared.runtime.ports import Port, Remembering
from shared.runtime.recorder import Pins, Recorder
from shared.runtime.records import Memory
from shared.runtime.recovery import Recovered, Recovery
from shared.settings import Settings

TELL_PEOPLE_S: Final = 0.02

_encode: Final = msgspec.msgpack.Encoder().encode


class Actor(ProcessHost):
    def __init__(
        self,
        name: str,
        settings: Settings,
        make: Callable[[Settings], tuple[Core, Port | None]],
        *,
        var: Path,
        run: Path,
        day_of: Callable[[int], str],
    ) -> None:
        """`day_of` names the trading day of an instant (UTC nanoseconds)."""
        core, port = make(settings)
        super().__init__(name, settings, port=port, var=var, run=run)
        self.core = core
        self._make = make
        self._unused: Core | None = core  # the first one built, until recovery takes it
        self._forgets = bool(getattr(core, "forgets", False))
        self._day_of = day_of
        self._ticks = lanes.ticks_lane(name)
        self._heard = lanes.heard_by(name, core)
        self._follows_sessions = lanes.follows_sessions(core)
        self._relays = lanes.relays(core)
        self._speaks = bool(core.publishes)
        self._last_ns = 0
        self._turn_to = ""
        self._opened = False  # there is a mouth
        self._began = False
        self._snapshot_due = 0.0
        self._lock = Lock(run, name)
        self.watches = pulse.Watches(core.watches, set(core.subscribes), run)

    # -- beginning ---------------------------------------------------------------------------------

    async def begin(self) -> None:
        found = self._recover()
        self.core = found.core
        if isinstance(self._port, Remembering):
            self._port.remembered()
        self.watches = pulse.Watches(self.core.watches, set(self.core.subscribes), self.run_dir)
        self.clock.not_before(found.now_ns)
        if not self.clock.live():
            logger.info("{} waits for the market clock", self.name)
        await self.clock.wait()
        self._open(found)
        self._connect()
        self.start_port()
        await asyncio.sleep(0)
        for unsaid in found.unsaid:
            self.mouth.say(unsaid.now_ns, unsaid.cause, (unsaid.event,))
        self._began = True
        logger.bind(
            epoch=self.epoch, fresh=found.fresh, changed=found.changed, rerun=found.rerun
        ).info("{} begins, day {}", self.name, self.recorder.day)
        self.tell(Started(epoch=self.epoch, fresh=found.fresh, changed=found.changed))
        await self.catch_up_all()
        self._snapshot()

    def _recover(self) -> Recovered:
        """Raises Fatal; a damaged journal of our own is set aside first."""
        self._code = lanes.code_hash(self.core)
        recovery = Recovery(
            self.var_dir,
            self.name,
            self._build,
            code="" if getattr(self.core, "skips", False) else self._code,
            settings=self.settings.fingerprint(),
        )
        try:
            return recovery.run()
        except Corrupt as damage:
            self._quarantine(damage)
            raise

    def _quarantine(self, damage: Corrupt) -> None:
        name = damage.path.name
        if name not in (f"{self.name}.journal", f"{self._ticks}.journal"):
            return
        aside = journal.quarantine(damage.path)
        snapshot = paths.snapshot_path(self.var_dir, damage.path.parent.name, self.name)
        if snapshot.exists():
            journal.quarantine(snapshot)
        logger.critical("{}; it was set aside as {}", damage.why, aside)

    def _build(self) -> Core:
        core, self._unused = self._unused, None
        return core if core is not None else self._make(self.settings)[0]

    def _open(self, found: Recovered) -> None:
        """Own journals, our numbers, and the record that a life begins."""
        now_ns = self.now_ns()
        self.epoch = max(found.epoch + 1, time.time_ns() // 1_000_000_000)
        self._last_ns = now_ns
        pins = Pins(
            actor=self.name,
            code=self._code,
            settings=self.settings.fingerprint(),
            values=Raw(_encode(self.settings)),
            lanes=tuple(self._heard),
        )
        runtime = self.settings.runtime
        self.recorder = Recorder(
            self.var_dir,
            pins,
            frame_limit=runtime.journal_frame_limit,
            keep_days=runtime.keep_days,
            relays=self._relays,
        )
        self.mouth = Mouth(
            self.name,
            self.core,
            recorder=self.recorder,
            port=self._port,
            on_phase=self._heard_phase,
            later=self._loop.call_soon,
            idly=partial(self._loop.call_later, TELL_PEOPLE_S),
        )
        self._opened = True
        self.mouth.epoch, self.mouth.seq, self.mouth.prevs = self.epoch, found.seq, found.prevs
        self.hearing = Hearing(
            paths.journal_root(self.var_dir),
            self._heard,
            found.heard,
            flush=self.flush,
            gap=self.tell,
        )
        if lost := self.hearing.lost():
            found.changed = True  # as when other code decided: only reduce until reconciled
            logger.error("{}: days that we had not heard were removed", ", ".join(lost))
        try:
            day = found.turn_to or found.day or self._day_of(now_ns)
            self.recorder.open(day, self.epoch, found.own)
            self._write_start(now_ns, found)
        except Corrupt as damage:
            self._quarantine(damage)
            raise
        except (JournalUnwritable, OSError) as error:
            if not self._forgets:
                raise
            self.mouth.spoil(str(error))

    def _write_start(self, now_ns: int, found: Recovered) -> None:
        """A life whose memory the file does not already hold brings it along."""
        start = self._a_start(self.name, now_ns)
        start = msgspec.structs.replace(start, fresh=found.fresh, changed=found.changed)
        brings = (found.changed or bool(found.turn_to)) and not found.fresh
        memory = self._memory(found.unsaid) if brings else None
        self.recorder.start(start, memory)
        if self._relays:
            self.recorder.start_ticks(self._a_start(self._ticks, now_ns))

    def _a_start(self, lane: str, now_ns: int) -> records.Start:
        seq = self.mouth.seq.get(lane, 0)
        return self.recorder.a_start(lane, epoch=self.epoch, now_ns=now_ns, seq=seq)

    def _connect(self) -> None:
        if not self._speaks and not self._heard:
            return
        bus = self.bus = self.mouth.bus = Bus(
            self.run_dir, frame_limit=self.settings.runtime.journal_frame_limit
        )
        if self._speaks:
            bus.bind(self.name)
        if self._relays:
            bus.bind(self._ticks)
        for lane, kinds in self._heard.items():
            if lanes.speaker_of(lane) != self.name:
                prompt = lanes.is_prompt(self.core, lane, kinds.values())
                roots = lanes.roots_of(self.core)
                bus.connect(lane, lanes.topics(lane, kinds.values(), roots), second=not prompt)

    # -- hearing -----------------------------------------------------------------------------------

    def flush(self) -> None:
        """Journal what was heard in this round, then tell the core."""
        batch = self.hearing.batch
        if not batch:
            return
        heard = batch[:]
        batch.clear()
        if not any(item[4] is not None for item in heard):
            return
        now_ns = self._last_ns = self.now_ns()
        self.mouth.write(records.PREFIX[records.HEARD] + _encode((now_ns, spans_of(heard))))
        on = self.core.on
        for ear, epoch, seq, _, event in heard:
            if event is not None:
                if said := on(now_ns, event):
                    self.mouth.say(now_ns, f"{ear.lane}:{epoch}:{seq}", said)
                if type(event) is SessionPhase:
                    self._heard_phase(event)
        if self._turn_to:
            self._turn()

    def tell(self, event: Event) -> None:
        """An input: a private word of the port, or one of the runtime's own events."""
        now_ns = self._last_ns = self.now_ns()
        self.mouth.write(records.PREFIX[records.INPUT] + _encode((now_ns, event)))
        if said := self.core.on(now_ns, event):
            self.mouth.say(now_ns, "", said)
        if type(event) is Pulse and not self._follows_sessions:
            self.rotate(self._day_of(now_ns))
        if self._turn_to:
            self._turn()
        if type(event) is Stopping:
            self.heard_stopping()

    def relay(self, *ticks: Event) -> None:
        """Store ticks once, publish them, and let the own core hear them in their turn."""
        if self._ended.is_set() or not ticks:
            return
        now_ns = self.now_ns()
        try:
            first = self.mouth.relay(now_ns, ticks)
        except JournalUnwritable as error:
            self.fail(f"{error}.", Exit.DISK)
            return
        ear, epoch = self.hearing.ears[self._ticks], self.epoch
        self._inbox.extend((ear, epoch, seq, now_ns, tick) for seq, tick in enumerate(ticks, first))
        self._schedule_in_passing()

    # -- remembering -------------------------------------------------------------------------------

    def _memory(self, unsaid: Iterable[tuple[int, str, Event]] = ()) -> Memory:
        places = self.recorder.places()
        own = self.hearing.ears.get(self._ticks)
        if own is not None and own.mark.seq == self.mouth.seq.get(self._ticks, 0):
            own.mark.place = places[self._ticks]  # else our own ticks wait in the inbox
        return Memory(
            core=self.core.snapshot(),
            now_ns=self._last_ns,
            epoch=self.epoch,
            code=self._code,
            settings=self.settings.fingerprint(),
            seq=self.mouth.seq,
            prevs=self.mouth.prevs,
            own=places,
            heard=self.hearing.marks(),
            lanes=tuple(self._heard),
            unsaid=[
                (now_ns, cause, type(event).__name__, Raw(_encode(event)))
                for now_ns, cause, event in unsaid
            ],
        )

    def _record_again(self) -> bool:
        """Whether the disk takes records again: all we know by now, and what nobody heard, then
        stands in the journal as where the next life begins.
        """
        if not disk.has_room(self.var_dir):
            return False
        start = self._a_start(self.name, self._last_ns)
        start = msgspec.structs.replace(start, changed=True, turned=True)
        try:
            self.recorder.open_if_shut(self.epoch)
            self.recorder.start(start, self._memory(self.mouth.lost))
        except (OSError, JournalUnwritable):
            return False
        return True

    def _snapshot(self) -> None:
        if not self.mouth.spoiled:
            self.recorder.snapshot(self._memory())
        self._snapshot_due = time.monotonic() + self.settings.runtime.snapshot_every_real_s

    # -- the trading day ---------------------------------------------------------------------------

    def _heard_phase(self, event: SessionPhase) -> None:
        if self._follows_sessions:
            self.rotate(event.trading_day)

    def rotate(self, day: str) -> None:
        """The trading day turned: once this round is over, go on in the next day's journal."""
        if day > self.recorder.day and not self.mouth.spoiled:
            self._turn_to = day

    def _turn(self) -> None:
        day, self._turn_to = self._turn_to, ""
        self.recorder.turn(day, self.epoch)
        turned = msgspec.structs.replace(self._a_start(self.name, self._last_ns), turned=True)
        self.recorder.start(turned, self._memory())
        if self._relays:
            self.recorder.start_ticks(self._a_start(self._ticks, self._last_ns))
        self._snapshot()
        logger.info("{} turned to {}", self.name, day)

    # -- the pulse and the end ---------------------------------------------------------------------

    def beat(self) -> Heartbeat:
        places = {lane: (p.day, p.birth, p.offset) for lane, p in self.recorder.places().items()}
        beat = super().beat()
        state = "DISK_FULL" if self.mouth.spoiled or self.recorder.released else beat.state
        return msgspec.structs.replace(beat, seq=dict(self.mouth.seq), places=places, state=state)

    def each_pulse(self) -> None:
        self.mouth.settle()  # the heartbeat says how far we have spoken
        if self.bus is not None and self._speaks:
            beat = self.beat()
            told = (self.name, self.epoch, 0, 0, self._last_ns, "", beat)
            self.bus.publish(self.name, wire.frame(Heartbeat, wire.body(told)))
        self.recorder.sync_soon()
        self._end_if_we_must(self.hearing.deafness(), self.mouth.spoiled)
        if time.monotonic() >= self._snapshot_due:
            self._snapshot()

    def _end_if_we_must(self, deaf: str, spoiled: str) -> None:
        """Raises Fatal for who cannot understand a speaker, or cannot write, and is not needed; and
        for who may write again. That one's next life goes on from its memory; who is about to end
        for good, or forgets, first finishes what it is at.
        """
        if not (deaf or spoiled):
            return
        may_stop: Callable[[], bool] | None = getattr(self.core, "may_stop", None)
        free = may_stop is None or may_stop()
        finishes = self._forgets or self._stopping
        if spoiled and (free or not finishes) and self._record_again():
            raise Fatal("the disk takes records again; the next life goes on from here.", Exit.DISK)
        if deaf and free:
            raise Fatal(deaf, Exit.SCHEMA)
        if spoiled and free and not self._forgets:
            raise Fatal(spoiled, Exit.DISK)

    def finish(self) -> None:
        if self._began:
            self._snapshot()

    def close(self) -> None:
        if self._opened:
            self.mouth.finish()
        closing: list[Any] = [self.bus, getattr(self, "recorder", None)]
        for part in closing:
            if part is not None:
                part.close()
        self._lock.release()
