"""Exit codes that mean something: every way a process of ours may end, each with its sentence.

supervisord starts a process again after any code but CLEAN. One that ends before its `startsecs`
is retried with a growing pause, so a code that a restart cannot cure (bad settings, a full disk)
never becomes a hot loop, and is cured the moment its cause is. 1 is what Python itself uses for an
uncaught exception and 2 what argparse uses; 126 and up belong to the shell and to signals.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Exit(IntEnum):
    """Why a process ended; `sentence` says it to people."""

    CLEAN = 0
    CRASHED = 1
    USAGE = 2
    SETTINGS = 10
    CREDENTIALS = 11
    LOCKED = 12
    RUN_DIR = 13
    VAR_DIR = 14
    DISK = 15
    CORRUPT = 16
    DIVERGED = 17
    SCHEMA = 18
    LAGGED = 19
    BUSY_PORT = 20
    PORT_FAILED = 21
    PARENT_GONE = 23
    NOT_FLAT = 24
    STUCK = 25
    MEMORY = 26

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]


_SENTENCES: Final[dict[Exit, str]] = {
    Exit.CLEAN: "It was asked to stop and did.",
    Exit.CRASHED: "A law of ours was broken (assertion, bug); the log has the traceback.",
    Exit.USAGE: "The command line was wrong.",
    Exit.SETTINGS: "The settings cannot be used; the message names file, path and value.",
    Exit.CREDENTIALS: "The venue login is missing (a refused one is only told, and tried again).",
    Exit.LOCKED: "Another copy of this actor holds the lock, or the sentinel has its hands on it.",
    Exit.RUN_DIR: "The run directory belongs to someone else or is open to others.",
    Exit.VAR_DIR: "The var directory is missing and cannot be made, or cannot be written.",
    Exit.DISK: "The journal cannot be written (disk full or broken), so nothing may be decided.",
    Exit.CORRUPT: "A journal is corrupt in its middle; it was set aside for a person to look at.",
    Exit.DIVERGED: "Re-running the journal gave other words than it records: not deterministic.",
    Exit.SCHEMA: "A peer speaks a form of an event that this code does not understand.",
    Exit.LAGGED: "It fell further behind than its limit and starts again instead of acting late.",
    Exit.BUSY_PORT: "Its network address is taken by another process.",
    Exit.PORT_FAILED: "Its port to the outside world raised; the log has the traceback.",
    Exit.PARENT_GONE: "Its supervisor died; nothing of ours runs unsupervised.",
    Exit.STUCK: "Its code never came back; the log has the traceback of where it hangs.",
    Exit.MEMORY: "It held more memory than the settings allow and starts again.",
    Exit.NOT_FLAT: "It had to end although it could not prove that the account is flat.",
}
assert _SENTENCES.keys() == set(Exit), "every exit code has its sentence"


class Fatal(Exception):
    """The process must end: `why` for people, `code` for the supervisor."""

    def __init__(self, why: str, code: Exit) -> None:
        super().__init__(why)
        self.why = why
        self.code = code
