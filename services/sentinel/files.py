"""The small files in the run directory through which the sentinel sees the others and is seen.

What a file held when we came up proves nothing: only a change is a sign of life. The files of a
flatten are `shared/runtime/flatten_files.py`, the same for everybody.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from loguru import logger

from services.sentinel import words
from shared.runtime import flatten_files
from shared.runtime.flatten_files import FLAT, Progress, Request, content_of

TELL_LOOKS: Final = 4  # looks between two tellings of the same file
US: Final = "sentinel"


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


def latch_request(run: Path, word: words.Seize) -> None:
    """Leave a request of our own, unless one stands: the governor halts by it, and if we die
    halfway the wish outlives us.
    """
    if flatten_files.standing(run) is not None:
        return
    try:
        flatten_files.leave(run, Request(word.request_id, word.cause, US))
    except OSError as error:
        logger.error(f"flatten.request: {error.strerror}; acting without it")


def write_progress(run: Path, word: words.Report) -> None:
    flatten_files.report(run, progress_by(word))


def progress_by(word: words.Report) -> Progress:
    """Our report as others find it."""
    return Progress(word.request_id, word.stage, US, word.beat, word.detail, word.closed)


def closed_before(told: Progress | None, request_id: str) -> tuple[tuple[str, int], ...]:
    """What a life of ours that ended halfway had closed for this request: the next router has to
    know of it, though we do not.
    """
    if told is None or (told.id, told.by) != (request_id, US) or told.stage == FLAT:
        return ()
    return told.closed


def progress_of(content: bytes) -> words.Progressed | None:
    """What somebody else reports; None for our own reports and for garbage."""
    told = flatten_files.progress_in(content)
    if told is None or told.by == US:
        return None
    return words.Progressed(request_id=told.id, by=told.by, stage=told.stage, beat=told.beat)
