"""Numbers no account can have: what the router says is looked at before anything is reckoned with.

A word with such a number is not used, and named: the books and the venue differ, so nothing opens
until a comparison explains it. What passes keeps every sum of ours within what 64 bits hold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from shared.events import Event, Fill, OrderUpdate, PositionUpdate, Reconciled
from shared.units import Lots, Micros, Ticks

LOTS_MAX: Final = 1 << 14  # in one order, fill or position
TICKS_MAX: Final = 1 << 28
MICROS_MAX: Final = 1 << 50  # a billion dollars


def _lots(*given: Lots) -> bool:
    return all(-LOTS_MAX < lots < LOTS_MAX for lots in given)


def _prices(*given: Ticks | None) -> bool:
    return all(price is None or 0 < price < TICKS_MAX for price in given)


def _money(*given: Micros) -> bool:
    return all(-MICROS_MAX < amount < MICROS_MAX for amount in given)


def _fill(fill: Fill) -> bool:
    return fill.size > 0 and _lots(fill.size) and _prices(fill.price) and _money(fill.fee)


def _order(update: OrderUpdate) -> bool:
    counts = update.size >= 0 and update.filled >= 0 and _lots(update.size, update.filled)
    return counts and _prices(update.limit_price, update.stop_price)


def _position(update: PositionUpdate) -> bool:
    return _lots(update.position, update.protected)


def _reconciled(proof: Reconciled) -> bool:
    return _money(proof.balance) and _lots(*(lots for _, lots in proof.positions))


_SANE: Final[dict[type[Event], Callable[[Any], bool]]] = {
    Fill: _fill,
    OrderUpdate: _order,
    PositionUpdate: _position,
    Reconciled: _reconciled,
}


def is_sane(event: Event) -> bool:
    """Whether an event's numbers can be reckoned with."""
    judge = _SANE.get(type(event))
    return judge is None or judge(event)
