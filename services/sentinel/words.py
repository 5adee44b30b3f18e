"""What the sentinel's core and its port tell each other; journalled, never published.

The core knows the world only through these, so a replayed journal shows why it acted. Orders and
positions are what the venue's REST answered, reduced to what the decision needs: which orders are
live, whether they can open anything, and how many lots are held.

All it says is `reducing`: it opens nothing, so a full disk does not end it in the middle of an act.
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar

from msgspec import Struct

from shared.core import Word
from shared.units import Lots


class LiveOrder(Struct, frozen=True, kw_only=True):
    """A live order at the venue. `lots`: what may still fill, signed (buys positive).

    `suspended`: a bracket leg whose entry has not filled. `leg`: a bracket leg. `stop`: triggers
    on a stop price. `market`: fills at any price, so it is a close on its way. `leaving`: its
    cancellation is pending.
    """

    order_id: int
    contract: str
    lots: Lots
    stop: bool = False
    market: bool = False
    leg: bool = False
    suspended: bool = False
    leaving: bool = False


class Outcome(Enum):
    """How a mutating request ended."""

    DONE = "DONE"
    REFUSED = "REFUSED"  # the venue answered no, or the request provably never left
    UNKNOWN = "UNKNOWN"  # it may have been carried out


# -- what the port tells -------------------------------------------------------------------------


class Beat(Word, frozen=True, kw_only=True):
    """The heartbeat file of `actor` changed since it was last told (at most once a second)."""

    actor: str
    epoch: int
    beat: int


class Requested(Word, frozen=True, kw_only=True):
    """A `flatten.request` stands in the run directory."""

    request_id: str
    cause: str
    who: str


class Withdrawn(Word, frozen=True, kw_only=True):
    """The `flatten.request` is gone: whoever executed it has proven flat."""


class Progressed(Word, frozen=True, kw_only=True):
    """Somebody else's `flatten.progress` changed (told at most once a second)."""

    request_id: str
    by: str
    stage: str
    beat: int


class Books(Word, frozen=True, kw_only=True):
    """The venue's answer to read `no`: orders were asked first, positions (signed lots) after.

    In that order a fill between the two shows as a position; the other way round it would show
    nowhere.
    """

    no: int
    orders: tuple[LiveOrder, ...]
    positions: tuple[tuple[str, Lots], ...]


class Unreadable(Word, frozen=True, kw_only=True):
    """Read `no` brought nothing; what the account holds is not known."""

    no: int
    reason: str


class Seized(Word, frozen=True, kw_only=True):
    """The router is dead and its lock is ours. `killed`: its pid, 0 when none was alive. `closed`:
    what a life of ours before closed for the same request, by its last report.
    """

    killed: int = 0
    closed: tuple[tuple[str, Lots], ...] = ()


class NotSeized(Word, frozen=True, kw_only=True):
    """The lock could not be taken; nothing may be sent."""

    reason: str


class Answered(Word, frozen=True, kw_only=True):
    """How the mutating request `no` ended."""

    no: int
    outcome: Outcome
    text: str = ""


# -- what the core says --------------------------------------------------------------------------


class Read(Word, frozen=True, kw_only=True):
    """Ask the venue for live orders, then positions; answered by Books or Unreadable, always."""

    reducing: ClassVar[bool] = True
    no: int


class Seize(Word, frozen=True, kw_only=True):
    """Kill the router, take its lock. `request_id`: also latch a flatten.request of ours."""

    reducing: ClassVar[bool] = True
    request_id: str
    cause: str


class Cancel(Word, frozen=True, kw_only=True):
    """Cancel one order; answered by Answered, always."""

    reducing: ClassVar[bool] = True
    no: int
    order_id: int


class Close(Word, frozen=True, kw_only=True):
    """closeContract, sized by the venue; answered by Answered, always."""

    reducing: ClassVar[bool] = True
    no: int
    contract: str


class Report(Word, frozen=True, kw_only=True):
    """Write `flatten.progress`; `beat` grows. `closed`: contracts that we sent a close for, with
    what was held then; one may be there twice.
    """

    reducing: ClassVar[bool] = True
    request_id: str
    stage: str
    beat: int
    detail: str
    closed: tuple[tuple[str, Lots], ...] = ()


class Release(Word, frozen=True, kw_only=True):
    """Give the lock back. `flat`: proven, so the request `request_id` is removed first."""

    reducing: ClassVar[bool] = True
    request_id: str
    flat: bool


class Say(Word, frozen=True, kw_only=True):
    """A sentence for the log; `loud` ones are for a person, now."""

    reducing: ClassVar[bool] = True
    text: str
    loud: bool = False


class Leave(Word, frozen=True, kw_only=True):
    """Asked to stop, and nothing of ours is left to do."""

    reducing: ClassVar[bool] = True


WORDS: tuple[type[Word], ...] = (
    Beat, Requested, Withdrawn, Progressed, Books, Unreadable, Seized, NotSeized, Answered,
    Read, Seize, Cancel, Close, Report, Release, Say, Leave,
)  # fmt: skip
