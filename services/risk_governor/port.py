"""The governor's doors: a local socket for people, the flatten request, the sentinel's heartbeat.

Beside it: how much space is left where the journals lie, and what the other accounts of this person
may hold (`port_accounts`).

The socket speaks one JSON object per line, `{"verb", "who", "cause", ...}` in, `{"done", "text",
"state"}` out, and is open to its owner only; whoever may read it may stop the trading. Files are
looked at ten times a second by our own ticks: a file that does not change is silence, whatever its
time stamp says, and what it held when we came up proves nothing.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any, Final

import msgspec
from loguru import logger
from msgspec import Struct

from services.risk_governor.port_accounts import SharedAccounts
from services.risk_governor.words import (
    Alarm,
    DiskSpace,
    FlattenRequested,
    KnowPatience,
    OperatorAnswer,
    OperatorCommand,
    OthersHold,
    Outcome,
    SentinelBack,
    SentinelSilent,
    Verb,
    WeHold,
)
from shared.core import Word
from shared.runtime import flatten_files, paths
from shared.runtime.flatten_files import FLAT, Request
from shared.runtime.ports import Host
from shared.settings import Settings

LOOK_S: Final = 0.1
DISK_LOOK_S: Final = 1.0
DISK_PARTS: Final = 50  # a change of a fiftieth is told
MEBIBYTE: Final = 1 << 20
LINE_BYTES_MAX: Final = 16_384
VISITORS_MAX: Final = 16
IDLE_S_MAX: Final = 10.0
ANSWER_S_MAX: Final = 5.0
TEXT_MAX: Final = 500
NUMBER_MAX: Final = 1 << 53  # beyond it a journal could not hold what a person wrote
SENTINEL: Final = "sentinel"
SERVED: Final = "it was served while the governor was away"


class Line(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person may write."""

    verb: Verb
    who: str = ""
    cause: str = ""
    account: str = ""
    request_id: str = ""
    sleeve: str = ""
    seat: str = ""
    flatten: bool = False
    values: dict[str, int | float | bool | str] = {}

    def __post_init__(self) -> None:
        texts = (self.who, self.cause, self.account, self.request_id, self.sleeve, self.seat)
        words = (word for word in self.values.values() if isinstance(word, str))
        if max(len(text) for text in (*texts, *self.values, *words)) > TEXT_MAX:
            raise ValueError(f"a text is longer than {TEXT_MAX} characters")
        for name, value in self.values.items():
            if isinstance(value, int) and not -NUMBER_MAX <= value <= NUMBER_MAX:
                raise ValueError(f"{name} is beyond {NUMBER_MAX}")


class GovernorPort:
    """Meets `Port`. Trouble with a visitor stays with that visitor."""

    def __init__(self, settings: Settings) -> None:
        silence_s = settings.risk_governor.sentinel_silence_real_s
        self._silent_after = max(1, round(silence_s / LOOK_S))
        self._waiting: dict[int, asyncio.Future[OperatorAnswer]] = {}
        self._visitors = 0
        self._last_id = 0
        folder = Path(settings.risk_governor.pretrade.accounts_dir).expanduser()
        shared = not settings.simulated()
        self._accounts = SharedAccounts(folder, settings.venue.account) if shared else None
        self._host: Host | None = None

    async def run(self, host: Host) -> None:
        self._host = host
        where = paths.governor_socket_path(host.run_dir)
        where.unlink(missing_ok=True)  # left by a life that was killed; our lock says it is ours
        before = os.umask(0o177)
        try:
            server = await asyncio.start_unix_server(self._serve, where, limit=LINE_BYTES_MAX)
        finally:
            os.umask(before)
        try:
            async with server:
                await asyncio.gather(
                    self._watch_sentinel(host),
                    self._watch_request(host),
                    self._watch_disk(host),
                    self._watch_accounts(host),
                )
        finally:
            where.unlink(missing_ok=True)
            if self._accounts is not None:
                self._accounts.close()

    def handle(self, word: Word) -> None:
        """Hand an answer to the visitor who waits for it; an old life's answer finds nobody."""
        if isinstance(word, Alarm):
            self._sound(word)
            return
        if isinstance(word, WeHold):
            if self._accounts is not None:
                self._accounts.tell(word)
            return
        if isinstance(word, KnowPatience):
            self._silent_after = max(1, round(word.sentinel_real_s / LOOK_S))
            return
        assert isinstance(word, OperatorAnswer), f"the core said {word} to its port"
        future = self._waiting.get(word.command_id)
        if future is not None and not future.done():
            future.set_result(word)

    def _sound(self, alarm: Alarm) -> None:
        """As loud as a log can be, and in the heartbeat, where everybody looks for it."""
        if alarm.text:
            logger.critical("{}", alarm.text)
        else:
            logger.warning("the alarm is over")
        if self._host is not None:
            self._host.note(alarm.text)

    async def stop(self) -> None:
        for future in self._waiting.values():
            future.cancel()

    # -- people ------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._visitors += 1
        try:
            if self._visitors > VISITORS_MAX:
                await _write(writer, {"done": False, "text": "too many visitors"})
                return
            while line := await asyncio.wait_for(reader.readline(), IDLE_S_MAX):
                await _write(writer, await self._answer(line))
        except (TimeoutError, ConnectionError, ValueError) as error:
            logger.info("operator socket: {!r}", error)
        finally:
            self._visitors -= 1
            writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        assert self._host is not None, "Invariant: served only while running"
        try:
            asked = msgspec.json.decode(line, type=Line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return {"done": False, "text": f"not understood: {error}"}
        self._last_id = max(self._last_id + 1, time.time_ns())
        future: asyncio.Future[OperatorAnswer] = asyncio.get_running_loop().create_future()
        self._waiting[self._last_id] = future
        command = OperatorCommand(command_id=self._last_id, **msgspec.structs.asdict(asked))
        try:
            self._host.inject(command)
            said = await asyncio.wait_for(future, ANSWER_S_MAX)
        except TimeoutError:
            return {"done": False, "text": "the governor did not decide in time"}
        finally:
            del self._waiting[command.command_id]
        return {
            "done": said.outcome is Outcome.DONE,
            "text": said.reason,
            "state": msgspec.to_builtins(said.state),
            "seats": msgspec.to_builtins(said.seats),
        }

    # -- files -------------------------------------------------------------------------------------

    async def _watch_sentinel(self, host: Host) -> None:
        path = paths.heartbeat_path(host.run_dir, SENTINEL)
        last, unchanged, alive = _content(path), 0, False
        while True:
            await asyncio.sleep(LOOK_S)
            now = _content(path)
            unchanged = unchanged + 1 if now is None or now == last else 0
            last = now if now is not None else last
            if not unchanged and not alive:
                alive = True
                host.inject(SentinelBack())
            elif unchanged >= self._silent_after and alive:
                alive = False
                host.inject(SentinelSilent())

    async def _watch_disk(self, host: Host) -> None:
        """Free space once a second, told when it changed by a part that matters."""
        told = -1
        while True:
            free = _free_mb(host.var_dir)
            if told < 0 or abs(free - told) * DISK_PARTS > told:
                told = free
                host.inject(DiskSpace(free_mb=free))
            await asyncio.sleep(DISK_LOOK_S)

    async def _watch_accounts(self, host: Host) -> None:
        """What the others may hold, told at the start and when it changes."""
        told: OthersHold | None = None
        if self._accounts is not None:
            self._accounts.open()
        while True:
            found = OthersHold() if self._accounts is None else self._accounts.look()
            if found != told:
                told = found
                host.inject(found)
            await asyncio.sleep(LOOK_S)

    async def _watch_request(self, host: Host) -> None:
        """Tell each request once while it stands, and each that was served without our seeing it.

        The router and the sentinel serve a request without us and then remove it; what is left of
        it is the progress that says FLAT.
        """
        told, last, before = "", "", True
        while True:
            request = flatten_files.standing(host.run_dir)
            served = flatten_files.progress(host.run_dir)
            if request is None:
                told = ""
                if served is not None and served.stage == FLAT and served.id != last:
                    last = served.id
                    found = Request(served.id, SERVED, served.by)
                    self._tell_request(host, found, done=True, before=before)
            elif request.id != told:
                told = last = request.id
                self._tell_request(host, request)
            before = False
            await asyncio.sleep(LOOK_S)

    def _tell_request(
        self, host: Host, request: Request, *, done: bool = False, before: bool = False
    ) -> None:
        host.inject(
            FlattenRequested(
                request_id=request.id,
                who=request.who[:TEXT_MAX],
                cause=request.cause[:TEXT_MAX],
                done=done,
                before=before,
            )
        )


def _free_mb(path: os.PathLike[str]) -> int:
    """Space left for us, mebibytes; none when it cannot be asked."""
    try:
        found = os.statvfs(path)
    except OSError:
        return 0
    return found.f_bavail * found.f_frsize // MEBIBYTE


def _content(path: os.PathLike[str]) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read(LINE_BYTES_MAX)
    except OSError:
        return None


async def _write(writer: asyncio.StreamWriter, answer: dict[str, Any]) -> None:
    writer.write(msgspec.json.encode(answer) + b"\n")
    await writer.drain()
