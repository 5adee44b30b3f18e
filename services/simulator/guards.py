"""Position Brackets: the platform's own stop and target around a whole position.

In this mode (an account's setting, not the interface's) the platform, not the client, protects: one
stop-market and one limit order for the net position, at dollar distances for all of it, made after
the first fill, sized and priced anew as the position changes, gone when it is flat. They are the
account's orders, untagged; a client may see, move and cancel them, and the next fill renews both.
A distance below one tick becomes one tick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.simulator import legs
from services.simulator.accounts import Account, Order
from shared.contracts import product_of
from shared.domain.orders import Happening
from shared.units import Micros, Nanos, Ticks
from shared.venue.codes import OrderKind

if TYPE_CHECKING:
    from services.simulator.exchange import Exchange


def renew(exchange: Exchange, account: Account, contract: str, now_ns: Nanos) -> None:
    """Let the guards fit the position of a contract as it is now."""
    state = account.state
    for order_id in state.guards.pop(contract, ()):
        order = state.live.get(order_id)
        if order is not None:
            exchange.cancel(order, now_ns)
    lots = account.lots(contract)
    if not lots or not (state.guard_stop or state.guard_target):
        return
    stop = target = None
    if state.guard_stop:
        stop = _guard(account, contract, -state.guard_stop, now_ns)
    if state.guard_target:
        target = _guard(account, contract, state.guard_target, now_ns)
    if stop is not None and target is not None:
        stop.sibling, target.sibling = target.id, stop.id
    state.guards[contract] = (stop.id if stop else 0, target.id if target else 0)
    legs.open_pair(exchange, stop, target, now_ns)


def _guard(account: Account, contract: str, dollars: Micros, now_ns: Nanos) -> Order:
    """One guard: `dollars` of profit (negative: loss) of the whole position away from its cost."""
    position = account.state.holdings[contract].position
    lots = position.lots
    side = 1 if lots > 0 else -1
    distance = max(1, abs(dollars) // (product_of(contract).tick_micros * abs(lots)))
    level: Ticks = position.cost // lots + (distance if dollars > 0 else -distance) * side
    order = Order(
        id=account.next_id(),
        account=account.state.id,
        contract=contract,
        kind=(OrderKind.LIMIT if dollars > 0 else OrderKind.STOP).value,
        side=-side,
        size=abs(lots),
        created_ns=now_ns,
        updated_ns=now_ns,
    )
    if dollars > 0:
        order.limit = level
    else:
        order.stop = level
    account.add(order)
    order.happen(Happening.OPENED, now_ns)
    return order
