"""How the sentinel gets flat: which order may stay for now, when a position may be closed (again).

Pure functions of what the venue answered. The order of things is law 10: cancel what can open,
close by `closeContract` with one close in flight per contract, then cancel the protective rest.
A close is repeated only after reads begun after its outcome still show the position and no close
order on its way: two hasty closes of one position are a new position on the other side.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from services.sentinel.words import LiveOrder, Outcome
from shared.units import Lots

TICKS_BEFORE_AGAIN = {Outcome.DONE: 8, Outcome.UNKNOWN: 16, Outcome.REFUSED: 4}
"""Ticks since the outcome of a close during which the position must have kept standing."""

TICKS_AFTER_CHANGE = 4
"""The same when its size changed: the close is at work, or somebody's stop was."""

READS_BEFORE_AGAIN = 2


class CloseTry(Struct):
    """The last close of a contract. `lots`: what was held; `tick`: when its outcome was heard;
    `reads`: reads since.
    """

    lots: Lots
    outcome: Outcome | None = None
    tick: int = 0
    reads: int = 0


def can_open(orders: tuple[LiveOrder, ...], positions: Mapping[str, Lots]) -> tuple[LiveOrder, ...]:
    """Orders that could make or enlarge a position, in the order they were listed.

    What stays: per contract, stops against the position up to its size, and bracket legs with a
    limit up to its size (their sibling goes when one fills). A suspended leg cannot fill before
    its entry does, and the entry is cancelled; a close on its way is left alone.
    """
    stops = {contract: abs(lots) for contract, lots in positions.items()}
    targets = dict(stops)
    found = []
    for order in orders:
        held = positions.get(order.contract, 0)
        against = held * order.lots < 0
        if order.suspended or order.leaving or (order.market and against):
            continue
        room = stops if order.stop else targets
        if against and (order.stop or order.leg) and abs(order.lots) <= room[order.contract]:
            room[order.contract] -= abs(order.lots)
            continue
        found.append(order)
    return tuple(found)


def may_close(last: CloseTry | None, lots: Lots, tick: int) -> bool:
    """Whether a contract holding `lots`, with no close order live, may be closed at `tick`."""
    if last is None:
        return True
    if last.outcome is None or last.reads < READS_BEFORE_AGAIN:
        return False
    patience = TICKS_BEFORE_AGAIN[last.outcome] if last.lots == lots else TICKS_AFTER_CHANGE
    return tick - last.tick >= patience
