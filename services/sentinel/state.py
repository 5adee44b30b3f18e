"""What the sentinel remembers, and the numbers of its patience.

Ticks are pulses of the runtime, four in an awake second; they stand still while the computer
sleeps, which is why no age here is a difference of two clocks.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from msgspec import Struct, field

from services.sentinel.saga import CloseTry
from services.sentinel.words import LiveOrder
from shared.units import Lots

ROUTER: Final = "order_router"
GOVERNOR: Final = "risk_governor"

TICKS_PER_S: Final = 4
START_GRACE: Final = 30 * TICKS_PER_S  # for a peer that has not lived yet since we started
REQUEST_GRACE: Final = 15 * TICKS_PER_S  # after our start: the router may still be coming up
POLL_IDLE: Final = 10 * TICKS_PER_S  # two requests each: 12 of our 20 a minute
POLL_WORRIED: Final = 6 * TICKS_PER_S  # a cause stands, nothing is open: 20 a minute
POLL_BLIND: Final = 2 * TICKS_PER_S  # a cause stands and the venue could not be read
SEIZE_AGAIN: Final = 2 * TICKS_PER_S
READ_PACE: Final = ((12, 2), (40, 8))  # while acting: (up to this many reads, ticks between them)
READ_PACE_LAST: Final = 20
READS_AT_ONCE: Final = 6  # then the pace above, so that a deaf venue does not eat our quota
CANCELS_AT_ONCE: Final = 30
CANCEL_ROUNDS: Final = 3  # an order that will not go must not keep a position open
PROOF_APART: Final = 4  # ticks between the two reads that prove flat, and between those before
LIFE_BEYOND: Final = TICKS_PER_S  # a dead router may have lived on so long after its last beat
CLOSED_MAX: Final = 50  # kept on record; a venue that closes nothing is asked without end
STUCK_AFTER: Final = 60 * TICKS_PER_S
STOP_PATIENCE: Final = 25 * TICKS_PER_S


class Stage(Enum):
    WATCHING = "WATCHING"
    SEIZING = "SEIZING"  # the router is being killed and its lock taken
    CANCELLING = "CANCELLING"
    CLOSING = "CLOSING"
    PROVING = "PROVING"


class Peer(Struct):
    """One watched process. `quiet`: our awake ticks since its heartbeat changed."""

    ever: bool = False
    quiet: int = 0


class Wish(Struct):
    """A standing flatten.request. `quiet`: awake ticks without progress on it."""

    request_id: str
    cause: str
    quiet: int = 0


class State(Struct):
    """All memory; every `_tick` is a value of `tick`, -1 where it has not happened."""

    tick: int = 0
    epoch: int = 0
    peers: dict[str, Peer] = field(default_factory=dict)
    wish: Wish | None = None
    progress: tuple[str, int] = ("", 0)  # of the router's own flatten: (stage, beat)
    progress_tick: int = -1
    stage: Stage = Stage.WATCHING
    held: bool = False  # the router's lock is ours
    kind: str = ""  # which cause stands; empty: none
    cause: str = ""  # the same in words
    cause_tick: int = 0  # only what was asked from here on is fresh enough to act on
    act_tick: int = 0
    no: int = 0  # of the last read or call
    reading: int = 0  # the read on its way, 0: none
    read_tick: int = -1  # when the last read was asked
    reads: int = 0  # since the lock was taken
    trouble: int = 0  # reads in a row that brought nothing
    orders: tuple[LiveOrder, ...] = ()
    positions: dict[str, Lots] = field(default_factory=dict)
    known_tick: int = -1  # when the read behind orders and positions was asked
    calls: dict[int, str] = field(default_factory=dict)  # on their way: contract, empty for cancels
    closes: dict[str, CloseTry] = field(default_factory=dict)
    closed: list[tuple[str, Lots]] = field(default_factory=list)  # since the lock was taken
    cancel_rounds: int = 0
    flat_tick: int = -1  # when the first of the proving reads was asked
    late_until: int = 0  # only a read asked from this tick on shows all that was ever sent
    late_said: bool = False
    beat: int = 0
    stopping_tick: int = -1
    left: bool = False

    def is_open(self) -> bool:
        """As of the last read: a position is open or an order is live."""
        return bool(self.positions or self.orders)

    def held_in_words(self) -> str:
        """The same for a person."""
        held = ", ".join(f"{contract} {lots:+d}" for contract, lots in self.positions.items())
        return f"{held or 'no position'}, {len(self.orders)} orders"


def newborn(epoch: int = 0) -> State:
    return State(epoch=epoch, peers={ROUTER: Peer(), GOVERNOR: Peer()})
