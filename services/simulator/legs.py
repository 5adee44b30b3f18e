"""What follows a fill for the two legs of a bracket: they open, grow, shrink, or go.

Where the venue's behaviour is not known a switch decides (`customs.py`). By default legs open with
the first fill of their entry, at that fill's price, and grow with later ones; a leg that is
cancelled by hand leaves its sibling alone; legs stay when the position is closed by something else,
as they were seen to. If a leg is over before the last part of its entry fills, that part has no
leg.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.simulator.accounts import Account, Order
from services.simulator.exchange_state import waiting
from services.simulator.matching import Fill
from shared.domain.orders import Happening
from shared.events import OrderState
from shared.units import Lots, Nanos, Ticks
from shared.venue.codes import OrderKind

if TYPE_CHECKING:
    from services.simulator.exchange import Exchange


def follow_fill(
    exchange: Exchange, order: Order, price: Ticks, lots: Lots, *, now_ns: Nanos
) -> None:
    """`lots` of `order` have filled, and that is booked and told."""
    if order.stop_leg or order.profit_leg:
        if exchange.customs.legs_open == "growing":
            _open(exchange, order, price, lots, now_ns=now_ns)
        elif order.filled == order.size:
            _open(exchange, order, order.value // order.filled, order.filled, now_ns=now_ns)
    if order.sibling:
        _weaken_sibling(exchange, order, lots, now_ns)


def _open(exchange: Exchange, entry: Order, price: Ticks, lots: Lots, *, now_ns: Nanos) -> None:
    """Take-profit, then stop-loss, as at the venue; both are told before either can fill."""
    live = exchange.of(entry).state.live
    legs = [
        leg for leg in (live.get(entry.profit_leg), live.get(entry.stop_leg)) if leg is not None
    ]
    first = entry.filled == lots
    book = exchange.book(entry.contract)
    for leg in legs:
        if first:
            _set_price(leg, price)
            leg.size = lots
            leg.happen(Happening.OPENED, now_ns)
        else:
            leg.size += lots
            leg.updated_ns = now_ns
            book.grow(leg.id, lots)
        exchange.tell_order(leg)
    if first:
        _enter_pair(exchange, list(reversed(legs)), now_ns)


def open_pair(exchange: Exchange, stop: Order | None, target: Order | None, now_ns: Nanos) -> None:
    """Tell and enter a stop and a target that are open already."""
    orders = [order for order in (target, stop) if order is not None]
    for order in orders:
        exchange.tell_order(order)
    _enter_pair(exchange, list(reversed(orders)), now_ns)


def _enter_pair(exchange: Exchange, orders: list[Order], now_ns: Nanos) -> None:
    """One or two orders of which one cancels the other; the stop waits before the limit can
    fill.
    """
    if not orders:
        return
    book = exchange.book(orders[0].contract)
    fills: list[Fill] = []
    if len(orders) == 2:
        book.pair(orders[0].id, orders[1].id)
    for order in orders:
        if order.stop is not None:
            book.arm(waiting(order))
        elif order.limit is not None:
            book.limit(order.id, order.side, order.left, order.limit, fills=fills)
    book.trigger(fills)
    exchange.apply(fills, now_ns)


def _set_price(leg: Order, price: Ticks) -> None:
    """`trail` of a suspended leg is its signed distance from the fill."""
    assert leg.trail is not None, "Invariant: a leg knows its distance"
    if leg.kind == OrderKind.LIMIT:
        leg.limit = price + leg.trail
    else:
        leg.stop = price + leg.trail
    if leg.kind == OrderKind.TRAILING_STOP:
        leg.trail = abs(leg.trail)


def _weaken_sibling(exchange: Exchange, order: Order, lots: Lots, now_ns: Nanos) -> None:
    """The other leg of the pair loses what this one filled; matching did so already."""
    sibling = exchange.of(order).state.live.get(order.sibling)
    if sibling is None:
        return
    if order.over or sibling.left <= lots:
        exchange.cancel(sibling, now_ns)
        return
    sibling.size -= lots
    sibling.updated_ns = now_ns
    exchange.tell_order(sibling)


def clear(exchange: Exchange, account: Account, contract: str, now_ns: Nanos) -> None:
    """All fills of the instant are booked: where legs do not outlive a position, they go."""
    if exchange.customs.legs_when_flat == "stay" or account.lots(contract):
        return
    for leg in list(account.state.live.values()):
        opened = leg.parent and leg.state is not OrderState.SUSPENDED
        if leg.contract == contract and opened and not leg.over:
            exchange.cancel(leg, now_ns)


def end_with(exchange: Exchange, order: Order, now_ns: Nanos) -> None:
    """A client has cancelled an order: whether the other leg of its pair goes too."""
    sibling = exchange.of(order).state.live.get(order.sibling)
    if sibling is not None and exchange.customs.leg_cancelled == "pair":
        exchange.cancel(sibling, now_ns)
