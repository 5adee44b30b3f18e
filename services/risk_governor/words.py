"""What the governor's core and its port tell each other: operator commands, the sentinel's life,
the request file, the disk, the other accounts of this person. Journalled, never published.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from msgspec import Struct

from shared.core import Word
from shared.events import RiskState
from shared.units import Lots, Nanos


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
    ADOPT = "adopt"  # of a quarantine: take the venue's positions over
    WAIT = "wait"  # of a quarantine: a person is looking
    SWAP = "swap"  # let the other seat of a sleeve speak for it
    TUNE = "tune"  # other parameters for a sleeve's owner, at its next bar
    REMOVE = "remove"  # nobody speaks for a sleeve any more; what it holds is closed
    SEATS = "seats"  # who speaks for which sleeve, and who stands by


class OperatorCommand(Word, frozen=True, kw_only=True):
    """A person's wish, with who and why; `command_id` pairs it with its answer."""

    command_id: int
    verb: Verb
    who: str
    cause: str = ""
    account: str = ""  # arm and disarm name it
    request_id: str = ""  # a flatten whose request file was written first
    sleeve: str = ""  # resume this sleeve alone; swap it
    seat: str = ""  # swap: who is to own it
    values: dict[str, int | float | bool | str] = {}  # tune: parameter -> value
    flatten: bool = False  # swap: close what is held first, and stay off until resumed


class Outcome(Enum):
    DONE = "DONE"
    REFUSED = "REFUSED"


class Seat(Struct, frozen=True, kw_only=True):
    """One process of a sleeve as the governor knows it. `watched`: pulses left of a probation."""

    sleeve: str
    seat: str
    incarnation: int
    owner: bool
    state: str
    reason: str
    cause: str
    silent: bool
    watched: int = 0
    tuned: dict[str, int | float | bool | str] = {}
    asked_no: int = 0  # the last tune it was told, and the last one it judged
    tune_no: int = 0
    untuned: str = ""


class OperatorAnswer(Word, frozen=True, kw_only=True):
    """The one answer to a command. `reason` says why it was refused, or what was done."""

    command_id: int
    outcome: Outcome
    reason: str
    state: RiskState
    seats: tuple[Seat, ...] = ()


class FlattenRequested(Word, frozen=True, kw_only=True):
    """`<run>/flatten.request` appeared; told again after a restart while the file is there.

    `done`: the request is gone and `<run>/flatten.progress` says that it was served: perhaps while
    we were dead, or faster than we looked. `before`: it said so when this process looked first.
    """

    request_id: str
    who: str
    cause: str
    done: bool = False
    before: bool = False


class SentinelSilent(Word, frozen=True, kw_only=True):
    """The sentinel's heartbeat file has not changed for as long as the settings allow."""


class SentinelBack(Word, frozen=True, kw_only=True):
    """The sentinel's heartbeat file changes again."""


class Alarm(Word, frozen=True, kw_only=True):
    """For a person, now: said loudly by the port, and shown until one without a text ends it."""

    text: str


class KnowPatience(Word, frozen=True, kw_only=True):
    """The port is to wait for the sentinel so long and no longer, real seconds: what is in force
    this trading day is tighter than the settings it was started with.
    """

    sentinel_real_s: float


class DiskSpace(Word, frozen=True, kw_only=True):
    """Free space where our journals lie, mebibytes; told once a second while it changes."""

    free_mb: int


class Holding(Struct, frozen=True, kw_only=True):
    """What an account may hold in a product group at worst: contracts, both counted from 0 up."""

    account: str
    group: str
    long: Lots
    short: Lots


class OthersHold(Word, frozen=True, kw_only=True):
    """What the other accounts of this person may hold. `trouble`: why that is not known."""

    rows: tuple[Holding, ...] = ()
    trouble: str = ""


class WeHold(Word, frozen=True, kw_only=True):
    """For the other governors of this person: what we may hold, true at most until `until_ns`
    (market time, the end of the trading day) even if we should not live so long."""

    rows: tuple[Holding, ...]
    until_ns: Nanos


WORDS: Final[tuple[type[Word], ...]] = (
    OperatorCommand,
    OperatorAnswer,
    FlattenRequested,
    SentinelSilent,
    SentinelBack,
    Alarm,
    DiskSpace,
    OthersHold,
    WeHold,
    KnowPatience,
)
