"""What the board remembers: the last word of every speaker, each with the instant it was said.

A value without its age is a lie in waiting. So nothing is kept bare: `Seen` carries when the value
was said, in real time (for ages) and in market time (for people). A value caught up from a journal
is as old as it is, not as young as our reading of it. Everything here is bounded.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Generic, TypeVar

from msgspec import Struct, field

from shared.events import (
    Fill,
    OrderUpdate,
    OrderVetoed,
    RegimeChanged,
    RiskLatch,
    SleeveBook,
    SleeveStatus,
)
from shared.seats import seat_of
from shared.units import Lots, Micros, Nanos

T = TypeVar("T")

RECENT: Final = 50  # vetoes, fills, finished orders, kept for the page
BARS: Final = 60  # closes per contract, for the little chart
ORDERS_MAX: Final = 500  # live orders; the account could never have as many
FILLS_WAITING_MAX: Final = 10_000  # on their way to the trades table


class Seen(Struct, Generic[T]):
    """A value and when it was said: in market time, and on CLOCK_MONOTONIC as near as we can tell
    (0: before we knew the time).
    """

    value: T
    said_ns: Nanos
    source_ns: Nanos


class Life(Struct):
    """A process as its heartbeats show it. `restarts`: new lives since we watch."""

    epoch: int
    beat: int
    state: str
    inbox: int
    note: str
    said_ns: Nanos
    source_ns: Nanos
    restarts: int = 0


class Card(Struct):
    """All we know of one sleeve; counts are of the journals it was told."""

    status: Seen[SleeveStatus] | None = None
    incarnation: int = 0  # the one that holds authority
    seat: str = ""  # where it sits, see `shared/seats.py`
    regimes: dict[str, RegimeChanged] = field(default_factory=dict)  # as each seat judged last
    books: dict[str, Seen[SleeveBook]] = field(default_factory=dict)
    intents: int = 0
    approvals: int = 0


def take_regime(cards: dict[str, Card], source: str, said: RegimeChanged) -> None:
    """Each seat judges the market for itself; whose is shown depends on who owns the sleeve."""
    name, seat = seat_of(source)
    if name == said.sleeve and name in cards:
        cards[name].regimes[seat] = said


class Total(Struct, frozen=True):
    """A trading day's sums over fills, from the trades table."""

    fills: int = 0
    contracts: Lots = 0
    fees: Micros = 0


class TradeRow(Struct, frozen=True):
    """A fill on its way to the trades table, with the trading day it belongs to."""

    day: str
    fill: Fill


class FlattenFile(Struct, frozen=True):
    """`flatten.request` and `flatten.progress` as last read; empty `request_id`: none stands."""

    request_id: str = ""
    cause: str = ""
    who: str = ""
    stage: str = ""
    by: str = ""
    detail: str = ""


class Counts(Struct):
    """Counters over what we were told since we started, keyed for labels."""

    orders: dict[tuple[str, str], int] = field(default_factory=dict)  # (sleeve, state)
    vetoes: dict[tuple[str, str], int] = field(default_factory=dict)  # (sleeve, rule)
    fills: dict[tuple[str, str], int] = field(default_factory=dict)  # (sleeve, contract)
    contracts: dict[tuple[str, str], int] = field(default_factory=dict)
    fees: dict[str, Micros] = field(default_factory=dict)  # sleeve
    gaps: dict[str, int] = field(default_factory=dict)  # contract
    mismatches: int = 0
    flattens: int = 0


class Action(Struct):
    """Something the governor or the router did; `times` in a row. `owner`: who wanted it."""

    at_ns: Nanos
    what: str
    why: str
    owner: str
    times: int = 1
    rule: str = ""
    numbers: str = ""  # its limit and what was found, in words


class Recent(Struct):
    """The newest first."""

    actions: deque[Action] = field(default_factory=lambda: deque(maxlen=RECENT))
    latches: dict[str, RiskLatch] = field(default_factory=dict)  # as last told
    vetoes: deque[Seen[OrderVetoed]] = field(default_factory=lambda: deque(maxlen=RECENT))
    fills: deque[Seen[Fill]] = field(default_factory=lambda: deque(maxlen=RECENT))
    orders: deque[Seen[OrderUpdate]] = field(default_factory=lambda: deque(maxlen=RECENT))
