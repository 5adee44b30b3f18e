"""The exporter's port: time for the board, the trades table, the HTTP server, the operator's knock.

The page must never slow the watching: pictures are made twice a second for everybody together, the
database has a thread of its own, and a client that does not read is dropped. The emergency stop
writes `flatten.request` before it speaks to anyone, so that it works with a dead governor; the
router and the sentinel watch that file themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web
from loguru import logger

from services.metrics_exporter.core import Board
from services.metrics_exporter.http import LOOPBACK, Face
from services.metrics_exporter.metrics import Exposition
from services.metrics_exporter.rows import finished_orders
from services.metrics_exporter.schema import Snapshot
from services.metrics_exporter.state import FlattenFile, TradeRow
from services.metrics_exporter.trades import Trades
from services.metrics_exporter.view import snapshot
from shared.core import Word
from shared.runtime import flatten_files, paths
from shared.runtime.exits import Exit, Fatal
from shared.runtime.flatten_files import Request
from shared.runtime.ports import Host
from shared.settings import Settings

TICK_S: Final = 0.1
FRAME_EVERY: Final = 5  # ticks
TOTALS_EVERY: Final = 50  # ticks
WRITE_AT_ONCE: Final = 500
GOVERNOR_S_MAX: Final = 3.0
LINE_BYTES_MAX: Final = 65_536
TOKEN_BYTES: Final = 32
T = TypeVar("T")


class ExporterPort:
    """Meets `shared.runtime.ports.Port` and what `http.Face` asks of its desk."""

    def __init__(self, settings: Settings, board: Board) -> None:
        self._settings = settings.metrics_exporter
        self._board = board
        self._exposition = Exposition(board)
        self._host: Host | None = None
        self._trades: Trades | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="trades")
        self._frame = ""
        self._waiting: asyncio.Future[str] | None = None
        self.token = ""  # nosec B105 - made in run

    # -- life --------------------------------------------------------------------------------------

    async def run(self, host: Host) -> None:
        """Serve until cancelled. Raises Fatal for a busy address or an unusable var directory."""
        self._host = host
        self.token = control_token(host.var_dir / "control.token")
        try:
            self._trades = await self._in_thread(lambda: Trades(host.var_dir / "trades.db"))
        except (OSError, sqlite3.Error) as error:
            raise Fatal(f"{host.var_dir / 'trades.db'}: {error}", Exit.VAR_DIR) from None
        self._board.advance(time.monotonic_ns(), host.now_ns())
        self._draw()
        hosts = (self._settings.host, f"[{self._settings.host}]")
        face = Face(self, () if self._settings.host in LOOPBACK else hosts)
        runner = web.AppRunner(face.application(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await self._listen(runner)
            await self._live(host)
        finally:
            await runner.cleanup()

    def handle(self, word: Word) -> None:
        raise AssertionError(f"the board says nothing, but {word} came")

    async def stop(self) -> None:
        """Write what waits; the page says by itself that we are gone."""
        if self._trades is not None:
            trades, self._trades = self._trades, None
            rows = self._fills()
            with contextlib.suppress(sqlite3.Error):
                await self._in_thread(lambda: trades.write(rows))
                self._written(rows)
            await self._in_thread(trades.close)
        self._thread.shutdown(wait=False)

    async def _listen(self, runner: web.AppRunner) -> None:
        where = f"{self._settings.host}:{self._settings.port}"
        try:
            await web.TCPSite(runner, self._settings.host, self._settings.port).start()
        except OSError as error:
            busy = error.errno == errno.EADDRINUSE
            why = "is taken by another process" if busy else f"cannot be used: {error.strerror}"
            raise Fatal(f"metrics_exporter: {where} {why}", Exit.BUSY_PORT) from None
        logger.info("dashboard on http://{}/", where)

    async def _live(self, host: Host) -> None:
        tick = 0
        while True:
            self._board.advance(time.monotonic_ns(), host.now_ns())
            if tick % FRAME_EVERY == 0:
                self._board.observe_files(flatten_file(host.run_dir))
                self._draw()
                await self._store(with_totals=tick % TOTALS_EVERY == 0)
            tick += 1
            await asyncio.sleep(TICK_S)

    # -- the picture -------------------------------------------------------------------------------

    def _draw(self) -> None:
        """Make the picture once for everybody."""
        self._frame = msgspec.json.encode(snapshot(self._board)).decode()
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(self._frame)

    # -- the trades table --------------------------------------------------------------------------

    async def _store(self, with_totals: bool) -> None:
        """Write what came; what cannot be written stays with the board and is tried again."""
        trades = self._trades
        if trades is None:
            return
        rows = self._fills()
        try:
            if rows:
                await self._in_thread(lambda: trades.write(rows))
                self._written(rows)
            if rows or with_totals:
                day = self._board.trading_day()
                self._board.totals = await self._in_thread(lambda: trades.totals(day))
        except sqlite3.Error as error:
            logger.error("trades.db: {}", error)

    def _fills(self) -> list[TradeRow]:
        """They wait on the board, which is remembered over a death, until they are written."""
        return list(islice(self._board.fills_waiting, WRITE_AT_ONCE))

    def _written(self, rows: list[TradeRow]) -> None:
        waiting = self._board.fills_waiting
        for row in rows:  # one that the bound has pushed out meanwhile is no more the first
            if waiting and waiting[0] is row:
                waiting.popleft()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # -- what the face asks ------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        return snapshot(self._board)

    def frame(self) -> str:
        return self._frame

    async def next_frame(self) -> str:
        if self._waiting is None:
            self._waiting = asyncio.get_running_loop().create_future()
        return await asyncio.shield(self._waiting)

    def metrics(self) -> bytes:
        return self._exposition.text()

    def finished_orders(self) -> list[Any]:
        return list(finished_orders(self._board))

    async def trades(self, wanted: dict[str, Any]) -> list[dict[str, Any]]:
        trades = self._trades
        if trades is None:
            return []
        return await self._in_thread(lambda: trades.page(**wanted))

    async def ask_governor(self, verb: str, cause: str, **more: str) -> dict[str, Any] | None:
        """One command at the governor's socket; None when nobody answers in time."""
        assert self._host is not None, "Invariant: asked only while serving"
        where = paths.governor_socket_path(self._host.run_dir)
        line = msgspec.json.encode({"verb": verb, "who": "dashboard", "cause": cause, **more})
        try:
            async with asyncio.timeout(GOVERNOR_S_MAX):
                reader, writer = await asyncio.open_unix_connection(where, limit=LINE_BYTES_MAX)
                try:
                    writer.write(line + b"\n")
                    told = await reader.readline()
                finally:
                    writer.close()
            return msgspec.json.decode(told, type=dict[str, Any])
        except (OSError, TimeoutError, ValueError) as error:
            logger.warning("the governor did not answer {}: {!r}", verb, error)
            return None

    async def emergency_stop(self, cause: str) -> dict[str, Any]:
        """The file first, then the governor; a request that stands already is kept."""
        assert self._host is not None, "Invariant: asked only while serving"
        run, written = self._host.run_dir, True
        wish = Request(secrets.token_hex(16), cause or "emergency stop", "dashboard")
        try:
            wish = flatten_files.leave(run, wish)
        except OSError as error:
            written = False
            logger.error("flatten.request: {}", error.strerror)
        logger.warning("emergency stop {} asked from the dashboard", wish.id)
        said = await self.ask_governor("flatten", wish.cause, request_id=wish.id)
        return {"request_id": wish.id, "written": written, "governor": said}


def control_token(path: Path) -> str:
    """The token that acting needs, made if absent. Raises Fatal if others may read the file."""
    try:
        with contextlib.suppress(FileExistsError):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_urlsafe(TOKEN_BYTES) + "\n")
        found = path.lstat()
        if found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise Fatal(f"{path}: others may read it; remove it and start again", Exit.VAR_DIR)
        token = path.read_text().strip()
    except OSError as error:
        raise Fatal(f"{path}: {error.strerror}", Exit.VAR_DIR) from None
    if len(token) < TOKEN_BYTES:
        raise Fatal(f"{path}: its token is too short; remove it and start again", Exit.VAR_DIR)
    return token


def flatten_file(run: Path) -> FlattenFile:
    """The standing request and how far it is."""
    wish = flatten_files.standing(run)
    if wish is None:
        return FlattenFile()
    done = flatten_files.progress(run)
    if done is None or done.id != wish.id:
        return FlattenFile(request_id=wish.id, cause=wish.cause, who=wish.who)
    return FlattenFile(
        request_id=wish.id,
        cause=wish.cause,
        who=wish.who,
        stage=done.stage,
        by=done.by,
        detail=done.detail,
    )
