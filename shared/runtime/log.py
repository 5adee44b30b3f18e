"""Logging that never blocks a trade: loguru to JSON lines to a bounded queue to a thread to stdout.

supervisord captures stdout and rotates the files; if it stalls, the pipe fills and a process that
prints itself would hang with it. So the caller only appends to a queue; when the queue is full
lines are dropped and counted, and the count is told as soon as there is room. The standard
library's logging ends up here too. No local variables in tracebacks (they hold tokens), and every
secret given to `hide` is blotted out wherever it appears.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import os
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any, Final

import msgspec
from loguru import logger

if TYPE_CHECKING:
    from loguru import Message

QUEUE_LINES: Final = 20_000
_BATCH_BYTES: Final = 32_768
_TRACEBACK_CHARS: Final = 6_000
_SHORTEST_SECRET: Final = 6  # shorter ones (and the simulator's) would blot out ordinary words
_QUIET: Final = ("aiohttp.access", "asyncio", "SignalRCoreClient")

_secrets: list[str] = []


def hide(*secrets: str) -> None:
    """Blot these values out of every line from now on."""
    _secrets.extend(
        secret
        for secret in secrets
        if len(secret) >= _SHORTEST_SECRET and secret != "simulated"  # nosec B105 - no secret
    )


def blot(text: str) -> str:
    for secret in _secrets:
        text = text.replace(secret, "***")
    return text


class LineSink:
    """A loguru sink: encodes in the caller's thread, writes in its own."""

    def __init__(self, handle: int, limit: int = QUEUE_LINES) -> None:
        self.handle = handle
        self.limit = limit
        self.dropped = 0
        self._lines: collections.deque[bytes] = collections.deque()
        self._encode = msgspec.json.Encoder(enc_hook=str).encode
        self._work = threading.Event()
        self._writing = threading.Lock()
        threading.Thread(target=self._run, name="log-writer", daemon=True).start()

    def __call__(self, message: Message) -> None:
        if len(self._lines) >= self.limit:
            self.dropped += 1
            return
        record = message.record
        extra = dict(record["extra"])
        line: dict[str, Any] = {
            "time": record["time"].strftime("%Y-%m-%dT%H:%M:%S.%f%z"),
            "level": record["level"].name,
            "actor": extra.pop("actor", ""),
            "message": blot(record["message"]),
        }
        line.update((name, blot(str(value))) for name, value in extra.items())
        if error := record["exception"]:
            told = traceback.format_exception(error.type, error.value, error.traceback)
            line["traceback"] = blot("".join(told))[-_TRACEBACK_CHARS:]
        self._lines.append(self._encode(line) + b"\n")
        self._work.set()

    def _run(self) -> None:
        while True:
            self._work.wait()
            self._work.clear()
            self.flush()

    def flush(self) -> None:
        """Write all there is, in the calling thread. A reader that has gone costs nothing."""
        with self._writing, contextlib.suppress(OSError):
            while self._lines:
                batch = b""
                while self._lines and len(batch) < _BATCH_BYTES:
                    batch += self._lines.popleft()
                if self.dropped:
                    batch += self._told_drops()
                view = memoryview(batch)
                while view:
                    view = view[os.write(self.handle, view) :]

    def _told_drops(self) -> bytes:
        lost, self.dropped = self.dropped, 0
        now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        line = {"time": now, "level": "WARNING", "message": f"{lost} log lines were dropped"}
        return self._encode(line) + b"\n"

    def drain(self, patience_s: float = 0.5) -> None:
        """At the end of the process: give the thread a moment, then leave whatever is stuck."""
        deadline = time.monotonic() + patience_s
        while self._lines and time.monotonic() < deadline:
            self._work.set()
            time.sleep(0.005)
        if self._writing.acquire(timeout=max(0.0, deadline - time.monotonic())):
            self._writing.release()


class _Intercept(logging.Handler):
    """The standard library's loggers speak through ours."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level: str | int = logger.level(record.levelname).name
        except ValueError:
            level = record.levelno
        told = logger.bind(logger=record.name).opt(exception=record.exc_info)
        told.log(level, "{}", record.getMessage())


def set_up(actor: str, level: str = "INFO", handle: int = 1) -> LineSink:
    """Send all logging of this process to `handle` as JSON lines. Returns the sink, to drain it."""
    sink = LineSink(handle)
    logger.remove()
    logger.configure(extra={"actor": actor})
    logger.add(sink, level=level, format="{message}", backtrace=False, diagnose=False, catch=True)
    logging.basicConfig(handlers=[_Intercept()], level=logging.WARNING, force=True)
    for name in _QUIET:
        quiet = logging.getLogger(name)
        quiet.setLevel(logging.WARNING)
        quiet.handlers.clear()
        quiet.propagate = True
    logging.captureWarnings(True)
    return sink
