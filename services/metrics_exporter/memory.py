"""What the board remembers over a death, as one record.

Reading a full day again takes ten seconds, so the host keeps this every half minute together with
how far each journal was heard, and reads on from there. It is only ever read by the same code under
the same `Board.pins`; anything else begins the day anew, as if there were none.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from services.metrics_exporter.state import (
    BARS,
    FILLS_WAITING_MAX,
    RECENT,
    Action,
    Card,
    Counts,
    Life,
    Recent,
    Seen,
    TradeRow,
)
from shared.domain.attribution import Attribution
from shared.events import (
    AccountUpdate,
    Armed,
    Bar,
    ContractListed,
    FeedStatus,
    Fill,
    FlattenProgress,
    OrderUpdate,
    OrderVetoed,
    PositionUpdate,
    Quote,
    Reconciled,
    RiskLatch,
    RiskState,
    SessionPhase,
    VenueStatus,
)
from shared.units import Nanos

if TYPE_CHECKING:
    from services.metrics_exporter.core import Board


class Kept(Struct):
    """Attributes of the board that are kept as they are, by name."""

    risk: Seen[RiskState] | None
    phase: Seen[SessionPhase] | None
    feed: Seen[FeedStatus] | None
    venue: Seen[VenueStatus] | None
    account: Seen[AccountUpdate] | None
    reconciled: Seen[Reconciled] | None
    flatten: Seen[FlattenProgress] | None
    armed: Seen[Armed] | None
    flatten_began_ns: Nanos
    flatten_seconds: float
    lives: dict[str, Life]
    contracts: dict[str, Seen[ContractListed]]
    quotes: dict[str, Seen[Quote]]
    positions: dict[str, Seen[PositionUpdate]]
    orders: dict[str, Seen[OrderUpdate]]
    cards: dict[str, Card]
    counts: Counts
    attribution: Attribution


class Past(Struct):
    """The board's `recent`, field by field."""

    actions: list[Action]
    latches: dict[str, RiskLatch]
    vetoes: list[Seen[OrderVetoed]]
    fills: list[Seen[Fill]]
    orders: list[Seen[OrderUpdate]]


class Memory(Struct):
    """All of it; what is a bounded queue on the board is a list here."""

    kept: Kept
    recent: Past
    bars: dict[str, list[Seen[Bar]]]
    fills_waiting: list[TradeRow]


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Memory).decode


def snapshot(board: Board) -> bytes:
    recent = board.recent
    return _encode(
        Memory(
            kept=Kept(*(getattr(board, name) for name in Kept.__struct_fields__)),
            recent=Past(
                actions=list(recent.actions),
                latches=recent.latches,
                vetoes=list(recent.vetoes),
                fills=list(recent.fills),
                orders=list(recent.orders),
            ),
            bars={contract: list(bars) for contract, bars in board.bars.items()},
            fills_waiting=list(board.fills_waiting),
        )
    )


def restore(board: Board, content: bytes) -> None:
    """Make `board` what it was. Raises msgspec.MsgspecError, and then changes nothing."""
    memory = _decode(content)
    for name in Kept.__struct_fields__:
        setattr(board, name, getattr(memory.kept, name))
    board.bars = {contract: deque(bars, BARS) for contract, bars in memory.bars.items()}
    recent = memory.recent
    board.recent = Recent(
        actions=deque(recent.actions, RECENT),
        latches=recent.latches,
        vetoes=deque(recent.vetoes, RECENT),
        fills=deque(recent.fills, RECENT),
        orders=deque(recent.orders, RECENT),
    )
    board.fills_waiting = deque(memory.fills_waiting, FILLS_WAITING_MAX)
