"""The small files in the run directory through which the sentinel sees the others and is seen.

What a file held when we came up proves nothing: only a change is a sign of life. A request that
cannot be read is still a request, because somebody wanted to be flat. Nothing here raises for a
full disk: a record that cannot be written stops no flatten.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

import msgspec
from loguru import logger
from msgspec import Struct

from services.sentinel import words
from shared.runtime import paths

TELL_LOOKS: Final = 4  # looks between two tellings of the same file
FILE_BYTES_MAX: Final = 65_536
US: Final = "sentinel"


class Ask(Struct, frozen=True):
    """The content of `flatten.request`."""

    id: str
    cause: str = ""
    who: str = ""


class Progress(Struct, frozen=True):
    """The content of `flatten.progress`."""

    id: str
    stage: str
    by: str
    beat: int
    detail: str = ""


class Watched:
    """One file: its last content, and how many looks ago a change of it was told."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.content = content_of(path)
        self.told = self.content
        self.looks = TELL_LOOKS

    def changed(self) -> bytes | None:
        """New content that should be told now, else None."""
        self.content = content_of(self.path)
        self.looks += 1
        if self.content == self.told or self.looks < TELL_LOOKS:
            return None
        self.told, self.looks = self.content, 0
        return self.content


def content_of(path: Path) -> bytes:
    """The file's bytes, bounded; empty where there is none."""
    try:
        with path.open("rb") as file:
            return file.read(FILE_BYTES_MAX)
    except OSError:
        return b""


def standing_request(run: Path) -> Ask | None:
    path = paths.flatten_request_path(run)
    content = content_of(path)
    if not content:
        return Ask("unreadable", "empty request file") if path.exists() else None
    try:
        return msgspec.json.decode(content, type=Ask)
    except msgspec.MsgspecError as error:
        return Ask("unreadable", f"request file: {error}")


def latch_request(run: Path, word: words.Seize) -> None:
    """Leave a request of our own, unless one stands: the governor halts by it, and if we die
    halfway the wish outlives us.
    """
    if standing_request(run) is not None:
        return
    ask = Ask(word.request_id, word.cause, US)
    try:
        paths.replace(paths.flatten_request_path(run), msgspec.json.encode(ask))
    except OSError as error:
        logger.error(f"flatten.request: {error.strerror}; acting without it")


def remove_request(run: Path, request_id: str) -> None:
    """Remove the request that was served; another one that came meanwhile stays."""
    ask = standing_request(run)
    if ask is not None and ask.id == request_id:
        with contextlib.suppress(OSError):
            paths.flatten_request_path(run).unlink(missing_ok=True)


def write_progress(run: Path, word: words.Report) -> None:
    content = Progress(word.request_id, word.stage, US, word.beat, word.detail)
    try:
        paths.replace(paths.flatten_progress_path(run), msgspec.json.encode(content))
    except OSError as error:
        logger.error(f"flatten.progress: {error.strerror}")


def progress_of(content: bytes) -> words.Progressed | None:
    """What somebody else reports; None for our own reports and for garbage."""
    try:
        told = msgspec.json.decode(content, type=Progress)
    except msgspec.MsgspecError:
        return None
    if told.by == US:
        return None
    return words.Progressed(request_id=told.id, by=told.by, stage=told.stage, beat=told.beat)
