"""What every process of ours is, whether it decides or only watches: one loop, one inbox, a pulse.

Everything that happens (frames from the bus, words of the port, pulses, signals) goes through one
queue and is worked off in order by one function in one thread, so nothing needs a lock and nothing
is re-entered. The queue is where falling behind shows: beyond its limit the process ends on
purpose, because acting late is worse than starting again.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections import deque
from pathlib import Path
from typing import Any, Final

from loguru import logger

from shared.core import Word
from shared.events import ClockJump, Event, Heartbeat, Pulse, Stopping
from shared.runtime import pulse, wire
from shared.runtime.bus import Bus
from shared.runtime.clock import SleepDetector, WallClock
from shared.runtime.ears import Item
from shared.runtime.exits import Exit, Fatal
from shared.runtime.hearing import Hearing
from shared.runtime.journal import JournalUnwritable
from shared.runtime.parent import Parent
from shared.runtime.ports import Port
from shared.settings import Settings

BUDGET: Final = 512  # items worked off before sockets and timers get their turn
STOP_LIMIT_S: Final = 150.0  # ports bound their own stopping; this bounds the ports
PORT_CANCEL_S: Final = 2.0
LOOK_AGAIN_S: Final = 0.01
IN_PASSING_S: Final = 0.003


class ProcessHost:
    """Meets `ports.Host`. Subclasses say what an input and a batch of heard events mean."""

    def __init__(
        self, name: str, settings: Settings, *, port: Port | None, var: Path, run: Path
    ) -> None:
        self.name = name
        self.settings = settings
        self.var_dir = var
        self.run_dir = run
        self.epoch = 0
        self.code = Exit.CLEAN
        self.clock: WallClock = WallClock()
        self.parent: Parent | None = None
        self._port = port
        self._port_task: asyncio.Task[None] | None = None
        self._inbox: deque[bytes | Event | Item] = deque()
        self._scheduled = False
        self._passing = False  # to be worked off in passing
        self._looking = False
        self._live = False  # between begin and end: the inbox is worked off
        self._stopping = False
        self._beat = 0
        self._note = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._limit = settings.runtime.inbox_limit
        self._patience = settings.runtime.behind_limit_real_s
        self._behind = 0  # pulses in a row
        self._sleep = SleepDetector(watch_wall=not settings.simulated())

    # -- what subclasses provide -------------------------------------------------------------------

    paced = False  # hears from time to time and is never woken by others
    hearing: Hearing
    bus: Bus | None = None
    watches: pulse.Watches

    async def begin(self) -> None:
        """Become what we are: remember, open, start the port, catch up."""

    def tell(self, event: Event) -> None:
        """An input has its turn."""

    def flush(self) -> None:
        """The batch of heard events has its turn."""

    def each_pulse(self) -> None:
        """Care of the subclass, four times a second, after the heartbeat."""

    def beat(self) -> Heartbeat:
        """The heartbeat as of now."""
        return Heartbeat(
            actor=self.name,
            epoch=self.epoch,
            beat=self._beat,
            schema=wire.FINGERPRINT,
            seq={},
            state="STOPPING" if self._stopping else "READY",
            inbox=len(self._inbox),
            note=self._note,
        )

    def finish(self) -> None:
        """Last duties of a clean end."""

    def close(self) -> None:
        """Let go of files and sockets, however we end."""

    # -- what ports use ----------------------------------------------------------------------------

    def now_ns(self) -> int:
        return self.clock.now_ns()

    def inject(self, word: Word) -> None:
        self._inbox.append(word)
        self._schedule()

    def relay(self, *ticks: Event) -> None:
        raise AssertionError(f"{self.name} does not relay market data")

    def note(self, text: str) -> None:
        self._note = text

    def fail(self, why: str, code: int) -> None:
        """End now; the first reason given is the one that counts."""
        if self._ended.is_set():
            return
        self.code = Exit(code)
        logger.bind(code=int(code)).critical("{} ends: {} {}", self.name, why, self.code.sentence)
        self._live = False
        self._ended.set()

    # -- life --------------------------------------------------------------------------------------

    async def run(self) -> Exit:
        """Live until SIGTERM or a failure; returns the exit code."""
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._loop.set_exception_handler(self._stray)
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._asked_to_stop, signal.Signals(number).name)
        beginning = self._loop.create_task(self._begin())
        await self._ended.wait()
        beginning.cancel()
        await self._end_port()
        with contextlib.suppress(asyncio.CancelledError):
            await beginning
        try:
            if self.code is Exit.CLEAN:
                self.finish()
        except (OSError, JournalUnwritable) as error:
            self.code = Exit.DISK
            logger.critical("the last snapshot of {}: {}", self.name, error)
        self.close()
        return self.code

    async def _begin(self) -> None:
        try:
            await self.begin()
            if self._ended.is_set():
                return
            self._live = True
            if self.bus is not None:
                self.bus.listen(self._take, self._inbox.append, self._drained, paced=self.paced)
            self._pulse()
            if self._stopping:
                self._inbox.append(Stopping(reason="asked while starting"))
            self._schedule()
        except Exception as error:
            self._failed(error)

    async def catch_up_all(self) -> None:
        """Hear what was said while we were away; the port has its turns in between."""
        for _ in self.hearing.catch_up_all():
            await asyncio.sleep(0)
            if self._ended.is_set():
                return

    def start_port(self) -> None:
        """The port runs from here; it may be handed words as soon as this returned."""
        if self._port is not None:
            self._port_task = self._loop.create_task(self._run_port(self._port))

    async def _run_port(self, port: Port) -> None:
        try:
            await port.run(self)
        except asyncio.CancelledError:
            raise
        except Fatal as fatal:
            self.fail(fatal.why, fatal.code)
            return
        except Exception as error:
            logger.opt(exception=error).error("the port of {} raised", self.name)
            self.fail(f"its port raised {error!r}.", Exit.PORT_FAILED)
            return
        if not self._stopping:
            self.fail("its port ended by itself.", Exit.PORT_FAILED)

    # -- the inbox ---------------------------------------------------------------------------------

    def _take(self, frame: bytes) -> None:
        if frame.startswith(wire.HEARTBEAT):
            self.hearing.note_alive(frame)
        self._inbox.append(frame)

    def _drained(self) -> None:
        if not self._scheduled:
            self._work()

    def _schedule(self) -> None:
        if self._live and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._work)

    def _schedule_in_passing(self) -> None:
        """What has come is nobody's hurry: whom we have just woken has the processor first."""
        if self._live and not self._scheduled and not self._passing:
            self._passing = True
            self._loop.call_later(IN_PASSING_S, self._pass)

    def _pass(self) -> None:
        self._passing = False
        self._drained()

    def _work(self) -> None:
        """Work off what has come, in order, up to the budget."""
        self._scheduled = False
        if not self._live:
            return
        if len(self._inbox) > self._limit:
            self.fail(f"{len(self._inbox)} items wait, the limit is {self._limit}.", Exit.LAGGED)
            return
        try:
            self._work_off()
        except Exception as error:
            self._failed(error)

    def _work_off(self) -> None:
        inbox, hearing = self._inbox, self.hearing
        frames: list[bytes] = []  # in a row
        for _ in range(min(len(inbox), BUDGET)):
            item = inbox.popleft()
            if type(item) is bytes:
                frames.append(item)
                continue
            if frames:
                hearing.take(frames)
                frames.clear()
            if type(item) is tuple:
                hearing.own_tick(item)
            else:
                self.flush()
                self.tell(item)  # type: ignore[arg-type]
        hearing.take(frames)
        self.flush()
        if inbox:
            self._schedule()
        if hearing.missing() and not self._looking:
            self._looking = True
            self._loop.call_later(0.0 if hearing.unread() else LOOK_AGAIN_S, self._look_again)

    def _look_again(self) -> None:
        """A journal has more than one turn reads, or not yet what a frame or heartbeat promised."""
        self._looking = False
        if self._live:
            try:
                self.hearing.look_again()
                self.flush()
            except Exception as error:
                self._failed(error)
            self._schedule()

    def _failed(self, error: Exception) -> None:
        if isinstance(error, Fatal):
            self.fail(error.why, error.code)
        elif isinstance(error, JournalUnwritable):
            self.fail(f"{error}.", Exit.DISK)
        else:
            logger.opt(exception=error).error("{} broke a law of its own", self.name)
            self.fail(f"{error!r}.", Exit.CRASHED)

    def _stray(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An exception nobody waited for. In a callback it is a bug of ours and ends us."""
        error = context.get("exception")
        logger.opt(exception=error).error("{}: {}", self.name, context.get("message"))
        if "handle" in context and isinstance(error, Exception):
            self._failed(error)

    # -- the pulse ---------------------------------------------------------------------------------

    def _pulse(self) -> None:
        """Four times a second; after a freeze once, not as often as was missed."""
        if self._ended.is_set():
            return
        self._loop.call_later(pulse.PULSE_S, self._pulse)
        if self.bus is not None:
            self.bus.drain()
        self._beat += 1
        self.clock.refresh()
        if slept := self._sleep.slept_ns():
            logger.warning("the clock jumped by {:.1f} s", slept / 1e9)
            self._inbox.append(ClockJump(slept_ns=slept))
        self._inbox.extend(self.watches.judge(self.hearing.beats))
        self._inbox.append(Pulse(real_ns=time.monotonic_ns()))
        self._schedule()
        pulse.write_beat(self.run_dir, self.beat())
        if self.parent is not None and self.parent.is_gone() and not self._stopping:
            self._asked_to_stop("supervisor gone")
        self._judge_lag()
        try:
            self.each_pulse()
        except Exception as error:
            self._failed(error)

    def _judge_lag(self) -> None:
        """What waits for us in the journals of others counts like what waits in the inbox, and who
        never gets to the end of it acts on the past.
        """
        waiting = self.hearing.waiting()
        self._behind = self._behind + 1 if self.hearing.missing() else 0
        if waiting > self._limit:
            self.fail(
                f"{waiting} events wait in journals, the limit is {self._limit}.", Exit.LAGGED
            )
        elif self._behind > self._patience * pulse.PULSES_PER_S:
            self.fail(f"{waiting} events were missing for {self._patience:g} s.", Exit.LAGGED)

    # -- the end -----------------------------------------------------------------------------------

    def _asked_to_stop(self, reason: str) -> None:
        """SIGTERM. A second one changes nothing: safety is not skipped."""
        if self._stopping:
            logger.warning("{} is already stopping ({})", self.name, reason)
            return
        self._stopping = True
        logger.info("{} stops: {}", self.name, reason)
        if self._live:
            self._inbox.append(Stopping(reason=reason))
            self._schedule()
        elif self._port_task is None:
            self._ended.set()

    def heard_stopping(self) -> None:
        """The core has been told; now the port says its last words."""
        task = self._loop.create_task(self._wind_down())
        self._tasks.add(task)

    async def _wind_down(self) -> None:
        if self._port is not None:
            try:
                await asyncio.wait_for(self._port.stop(), STOP_LIMIT_S)
            except TimeoutError:
                logger.error("the port of {} did not stop in {} s", self.name, STOP_LIMIT_S)
            except Fatal as fatal:
                self.fail(fatal.why, fatal.code)
            except Exception as error:
                logger.opt(exception=error).error("the port of {} raised in stop", self.name)
                self.fail(f"its port raised {error!r} while stopping.", Exit.PORT_FAILED)
        while self._live and self._inbox:
            self._work()
        if not self._ended.is_set():
            self._live = False
            self._ended.set()

    async def _end_port(self) -> None:
        if self._port_task is not None:
            self._port_task.cancel()
            with contextlib.suppress(asyncio.CancelledError, TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._port_task), PORT_CANCEL_S)
