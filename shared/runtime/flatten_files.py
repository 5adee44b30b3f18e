"""`flatten.request` and `flatten.progress`: how a wish to be flat reaches whoever can do it.

Files, because they work when the bus, the governor or the exporter do not, and because they outlive
the process that wrote them. Router, governor and sentinel watch the request; whoever executes
writes the progress, at every step and at least once a second with a growing `beat`, and removes the
request when the flat account is proven. A request that cannot be read is still a request, because
somebody wanted to be flat. Nothing here raises for a full disk: a record that cannot be written
stops no flatten.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

import msgspec
from loguru import logger
from msgspec import Struct

from shared.runtime import paths
from shared.units import Lots

BYTES_MAX: Final = 65_536
UNREADABLE: Final = "unreadable"
FLAT: Final = "FLAT"


class Request(Struct, frozen=True):
    """The content of `flatten.request`: a name for this wish, why, and whose."""

    id: str
    cause: str = ""
    who: str = ""


class Progress(Struct, frozen=True, omit_defaults=True):
    """The content of `flatten.progress`. `by`: the actor that executes; `stage`: FlattenStage;
    `closed`: what the sentinel had closed, in signed lots held, for a router that was dead.
    """

    id: str
    stage: str
    by: str
    beat: int
    detail: str = ""
    closed: tuple[tuple[str, Lots], ...] = ()


def content_of(path: Path) -> bytes:
    """A small file's bytes, bounded; empty where there is none."""
    try:
        with path.open("rb") as file:
            return file.read(BYTES_MAX)
    except OSError:
        return b""


def standing(run: Path) -> Request | None:
    """The request that stands, readable or not; None when there is none."""
    path = paths.flatten_request_path(run)
    content = content_of(path)
    if not content:
        return Request(UNREADABLE, "empty request file") if path.exists() else None
    try:
        return msgspec.json.decode(content, type=Request)
    except (ValueError, RecursionError) as error:
        return Request(UNREADABLE, f"request file: {error}")


def leave(run: Path, request: Request) -> Request:
    """Leave a request unless a readable one stands; returns the one that stands now.

    Raises OSError when it cannot be written.
    """
    found = standing(run)
    if found is not None and found.id != UNREADABLE:
        return found
    paths.replace(paths.flatten_request_path(run), msgspec.json.encode(request))
    return request


def remove(run: Path, request_id: str) -> None:
    """Remove the request that was served; another one that came meanwhile stays."""
    found = standing(run)
    if found is not None and found.id == request_id:
        with contextlib.suppress(OSError):
            paths.flatten_request_path(run).unlink(missing_ok=True)


def report(run: Path, progress: Progress) -> None:
    """Say how far a flatten is."""
    try:
        paths.replace(paths.flatten_progress_path(run), msgspec.json.encode(progress))
    except OSError as error:
        logger.error("flatten.progress: {}", error.strerror)


def progress_in(content: bytes) -> Progress | None:
    """What a progress file's bytes say; None for garbage."""
    try:
        return msgspec.json.decode(content, type=Progress)
    except (ValueError, RecursionError):
        return None


def progress(run: Path) -> Progress | None:
    """The last progress anybody wrote; None while there is none."""
    return progress_in(content_of(paths.flatten_progress_path(run)))
