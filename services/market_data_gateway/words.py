"""Private words of the gateway's room: what its core asks of the port and what the port answers.

Every question gets exactly one answer while the process lives: an answer that failed says why in
`failure` (its rows are empty then). After a restart the questions of the old life are asked again.
Prices are ticks and instants nanoseconds already: the port translates.
"""

from __future__ import annotations

from msgspec import Struct

from shared.core import Word
from shared.units import Lots, Micros, Nanos, Ticks

# -- core to port ----------------------------------------------------------------------------------


class Find(Word, frozen=True, kw_only=True):
    """Search the venue's contracts for a root (MNQ). Answered by Found."""

    root: str


class Subscribe(Word, frozen=True, kw_only=True):
    """Exactly these contracts on the present connection; said after HubUp and at every change.

    Answered by Subscribed, one per contract, also for those subscribed already.
    """

    contracts: tuple[str, ...]


class Fetch(Word, frozen=True, kw_only=True):
    """Bars of history that open in [start, end), at most the newest `limit`. Answered by Fetched.

    `partial`: with the bar still forming.
    """

    request: int
    contract: str
    span_s: int
    start_ns: Nanos
    end_ns: Nanos
    limit: int
    partial: bool = False


class Rejoin(Word, frozen=True, kw_only=True):
    """The connection is suspect: drop it and make a new one."""

    reason: str


class Remark(Word, frozen=True, kw_only=True):
    """Something a person should find in the log."""

    text: str


# -- port to core ----------------------------------------------------------------------------------


class HubUp(Word, frozen=True, kw_only=True):
    """A new connection to the market hub stands; nothing is subscribed on it yet."""


class HubDown(Word, frozen=True, kw_only=True):
    """The connection is gone, or an attempt failed."""

    reason: str


class Subscribed(Word, frozen=True, kw_only=True):
    """The venue acknowledged quotes, trades and depth of a contract on the present connection."""

    contract: str


class Offer(Struct, frozen=True, kw_only=True):
    """A contract as the venue lists it, with the venue's own idea of its tick."""

    contract: str
    symbol_id: str  # `F.US.MNQ`; empty where the venue left it out
    name: str
    tick_nanos: int
    tick_micros: Micros
    active: bool


class Found(Word, frozen=True, kw_only=True):
    root: str
    offers: tuple[Offer, ...] = ()
    failure: str = ""


class HistoryBar(Struct, frozen=True, array_like=True):
    """A closed bar as history has it; written without names, because there are many."""

    open_ns: Nanos
    open: Ticks
    high: Ticks
    low: Ticks
    close: Ticks
    volume: Lots


class Fetched(Word, frozen=True, kw_only=True):
    """Oldest first, no instant twice, prices that contradict each other left out."""

    request: int
    bars: tuple[HistoryBar, ...] = ()
    failure: str = ""
