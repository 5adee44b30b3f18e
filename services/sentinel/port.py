"""Where the sentinel meets the world: it looks at files, asks the venue, and lends its hands.

Four looks a second; what changed is told to the core (once a second at most per file, so that the
journal of a quiet day stays small). Whatever the core asks for that takes time becomes a task that
always answers, so the core never waits for something that was forgotten.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, Final

import msgspec
from loguru import logger

from services.sentinel import files, words
from services.sentinel.grip import Grip
from services.sentinel.state import GOVERNOR, ROUTER
from services.sentinel.venue import Account, Trouble
from shared.core import Word
from shared.events import Heartbeat
from shared.runtime import flatten_files, paths
from shared.runtime.exits import Exit
from shared.runtime.ports import Host
from shared.settings import Settings, credentials

LOOK_S: Final = 0.25
STOP_S: Final = 28.0  # above the core's own patience, below supervisord's


class SentinelPort:
    """Meets `shared.runtime.ports.Port`."""

    def __init__(self, settings: Settings) -> None:
        """Raises SettingsError when the credentials are missing."""
        credentials(settings)  # asked for again where they are used; missing ones end us here
        self._settings = settings
        self._host: Host | None = None
        self._account: Account | None = None
        self._grip: Grip | None = None
        self._early: list[Word] = []  # said before `run` gave us a host
        self._tasks: set[asyncio.Task[None]] = set()
        self._may_leave = asyncio.Event()

    # -- life --------------------------------------------------------------------------------------

    async def run(self, host: Host) -> None:
        run_dir = host.run_dir
        self._host = host
        self._grip = Grip(paths.lock_path(run_dir, ROUTER))
        self._account = Account(self._settings, self._grip.why_not)
        for word in self._early:
            self.handle(word)
        beats = {
            actor: files.Watched(paths.heartbeat_path(run_dir, actor))
            for actor in (ROUTER, GOVERNOR)
        }
        progress = files.Watched(paths.flatten_progress_path(run_dir))
        request = ""
        while True:
            for actor, file in beats.items():
                self._look_at_beat(actor, file.changed())
            request = self._look_at_request(request)
            if told := files.progress_of(progress.changed() or b""):
                host.inject(told)
            await asyncio.sleep(LOOK_S)

    async def stop(self) -> None:
        """Wait until the core has nothing left to do (it is bounded itself), then let go."""
        if self._host is None or self._account is None or self._grip is None:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._may_leave.wait(), STOP_S)
        unfinished = self._grip.held()
        self._grip.release()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._account.close()
        if unfinished:
            self._host.fail("stopped before flat could be proven", Exit.NOT_FLAT)

    def handle(self, word: Word) -> None:
        """Carry out what the core said."""
        if self._host is None or self._grip is None:
            self._early.append(word)
            return
        match word:
            case words.Read(no=no):
                self._spawn(self._read(no))
            case words.Seize():
                self._spawn(self._seize(word))
            case words.Cancel() | words.Close():
                self._spawn(self._send(word))
            case words.Report():
                files.write_progress(self._host.run_dir, word)
            case words.Release():
                if word.flat:
                    flatten_files.remove(self._host.run_dir, word.request_id)
                self._grip.release()
            case words.Say(text=text, loud=loud):
                (logger.error if loud else logger.info)(text)
                self._host.note(text if loud else "")
            case words.Leave():
                self._may_leave.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        """A task that raised is a bug of ours: better a new process than a core that waits."""
        self._tasks.discard(task)
        if task.cancelled() or task.exception() is None or self._host is None:
            return
        logger.opt(exception=task.exception()).error("a task of the sentinel's port failed")
        self._host.fail(f"port: {task.exception()!r}", Exit.PORT_FAILED)

    # -- looking -----------------------------------------------------------------------------------

    def _look_at_beat(self, actor: str, content: bytes | None) -> None:
        if not content or self._host is None:
            return
        try:
            beat = msgspec.msgpack.decode(content, type=Heartbeat)
        except (ValueError, RecursionError) as error:
            logger.warning(f"the heartbeat file of {actor} cannot be read: {error}")
            return
        self._host.inject(words.Beat(actor=actor, epoch=beat.epoch, beat=beat.beat))

    def _look_at_request(self, known: str) -> str:
        """Tell a request that came or went; returns the one that stands."""
        assert self._host is not None, "Invariant: files are looked at while running"
        ask = flatten_files.standing(self._host.run_dir)
        if ask is None:
            if known:
                self._host.inject(words.Withdrawn())
            return ""
        if ask.id != known:
            self._host.inject(words.Requested(request_id=ask.id, cause=ask.cause, who=ask.who))
        return ask.id

    # -- acting ------------------------------------------------------------------------------------

    async def _read(self, no: int) -> None:
        assert self._host is not None, "Invariant: tasks run after `run` began"
        assert self._account is not None, "Invariant: tasks run after `run` began"
        try:
            orders, positions = await self._account.books()
        except Trouble as error:
            self._host.inject(words.Unreadable(no=no, reason=str(error)))
            return
        self._host.inject(words.Books(no=no, orders=orders, positions=positions))

    async def _seize(self, word: words.Seize) -> None:
        assert self._host is not None, "Invariant: tasks run after `run` began"
        assert self._grip is not None, "Invariant: tasks run after `run` began"
        files.latch_request(self._host.run_dir, word)
        killed, why = await self._grip.take()
        if self._grip.held():
            told = flatten_files.progress(self._host.run_dir)
            closed = files.closed_before(told, word.request_id)
            self._host.inject(words.Seized(killed=killed, closed=closed))
        else:
            self._host.inject(words.NotSeized(reason=why))

    async def _send(self, word: words.Cancel | words.Close) -> None:
        assert self._host is not None, "Invariant: tasks run after `run` began"
        assert self._account is not None, "Invariant: tasks run after `run` began"
        if isinstance(word, words.Cancel):
            outcome, text = await self._account.cancel(word.order_id)
        else:
            outcome, text = await self._account.close_contract(word.contract)
        self._host.inject(words.Answered(no=word.no, outcome=outcome, text=text))
