"""What the governor's core and its port tell each other: operator commands, the sentinel's life,
the request file. Journalled, never published.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from shared.core import Word
from shared.events import RiskState


class Verb(Enum):
    """What a person may ask at the local socket."""

    STATUS = "status"
    HALT = "halt"
    RESUME = "resume"
    PAUSE = "pause"
    START = "start"
    FLATTEN = "flatten"
    ARM = "arm"
    DISARM = "disarm"


class OperatorCommand(Word, frozen=True, kw_only=True):
    """A person's wish, with who and why; `command_id` pairs it with its answer."""

    command_id: int
    verb: Verb
    who: str
    cause: str = ""
    account: str = ""  # arm and disarm name it
    request_id: str = ""  # a flatten whose request file was written first
    sleeve: str = ""  # resume this sleeve alone


class Outcome(Enum):
    DONE = "DONE"
    REFUSED = "REFUSED"


class OperatorAnswer(Word, frozen=True, kw_only=True):
    """The one answer to a command. `reason` says why it was refused, or what was done."""

    command_id: int
    outcome: Outcome
    reason: str
    state: RiskState


class FlattenRequested(Word, frozen=True, kw_only=True):
    """`<run>/flatten.request` appeared; told again after a restart while the file is there.

    `done`: the request is gone and `<run>/flatten.progress` says that it was served: perhaps while
    we were dead, or faster than we looked.
    """

    request_id: str
    who: str
    cause: str
    done: bool = False


class SentinelSilent(Word, frozen=True, kw_only=True):
    """The sentinel's heartbeat file has not changed for as long as the settings allow."""


class SentinelBack(Word, frozen=True, kw_only=True):
    """The sentinel's heartbeat file changes again."""


WORDS: Final[tuple[type[Word], ...]] = (
    OperatorCommand,
    OperatorAnswer,
    FlattenRequested,
    SentinelSilent,
    SentinelBack,
)
