"""Modify and cancel: judged when they come in, carried out after the latency.

An order that ended in between is answered like one that had ended before. Cancels always work;
modifies until the exchange closes. A suspended leg has no price yet and cannot be moved; the size
of an open one only where a switch allows it.
"""

from __future__ import annotations

from typing import Final

from services.simulator.accounts import Account, Order
from services.simulator.customs import FOLLOWER, LIVE
from services.simulator.desk_prices import (
    BAD_SIZE,
    OUT_OF_RANGE,
    Refused,
    aligned,
    in_reach,
    quoted,
    trades_now,
    trail_distance,
)
from services.simulator.exchange import Exchange
from services.simulator.exchange_state import UNAVAILABLE, Arrival
from services.simulator.market import Hours
from shared.contracts import product_of
from shared.events import OrderState
from shared.units import Nanos
from shared.venue import words as venue
from shared.venue.answers import Acknowledged
from shared.venue.codes import CancelError, ModifyError, OrderKind

NO_CANCEL: Final = {
    FOLLOWER: "Follower accounts cannot cancel orders",
    LIVE: "Live accounts not supported",
}


def _done(code: int, text: str | None = None) -> Acknowledged:
    return Acknowledged(success=code == 0, error_code=code, error_message=text)


class Changes:
    """Requests about an order that exists."""

    def __init__(self, exchange: Exchange, hours: Hours) -> None:
        self._exchange = exchange
        self._customs = exchange.customs
        self._hours = hours

    def _access(self, account: Account) -> str:
        return self._customs.access.get(account.state.name, "")

    def modify(self, now_ns: Nanos, call_id: int, request: venue.ModifyOrder) -> None:
        exchange = self._exchange
        account = exchange.accounts.get(request.account_id)
        if account is None:
            return exchange.answer(call_id, _done(ModifyError.ACCOUNT_NOT_FOUND.value))
        if self._access(account):
            return exchange.answer(call_id, _done(ModifyError.ACCOUNT_REJECTED.value))
        order = account.find(request.order_id)
        if order is None:
            return exchange.answer(call_id, _done(ModifyError.ORDER_NOT_FOUND.value))
        if order.over or order.forced:
            return exchange.answer(call_id, _done(self._customs.modify_over))
        try:
            arrival = self._changed(now_ns, order, request)
        except Refused as refused:
            code = ModifyError.REJECTED.value
            return exchange.answer(call_id, _done(code, str(refused) or None))
        return self._send(now_ns, call_id, arrival, ModifyError.PENDING.value)

    def _send(self, now_ns: Nanos, call_id: int, arrival: Arrival, pending: int) -> None:
        """Let it reach the engine; answered there, or at once where a fault says "pending"."""
        if self._exchange.pending():
            self._exchange.answer(call_id, _done(pending))
        else:
            arrival.call_id = call_id
        self._exchange.send(now_ns, arrival)

    def _changed(self, now_ns: Nanos, order: Order, request: venue.ModifyOrder) -> Arrival:
        """The change that is asked for. Raises Refused."""
        if not trades_now(self._exchange, self._hours, now_ns, order.contract):
            raise Refused(UNAVAILABLE)
        book, product = quoted(self._exchange, order.contract), product_of(order.contract)
        arrival = Arrival(at_ns=0, order_id=order.id, what="CHANGE")
        if request.size is not None and request.size != order.size:
            if request.size <= order.filled or not self._resizable(order):
                raise Refused(BAD_SIZE)
            arrival.size = request.size
        limit = aligned(request.limit_price, product, "limit")
        stop = aligned(request.stop_price, product, "stop")
        resting = order.limit is not None or order.stop is not None
        if not resting or (limit and order.limit is None) or (stop and order.stop is None):
            raise Refused(OUT_OF_RANGE if resting else "")
        for price in (limit, stop):
            if price is not None and not in_reach(price, book):
                raise Refused(OUT_OF_RANGE)
        if stop is not None and book.reached(order.side, stop):
            raise Refused(OUT_OF_RANGE)
        arrival.limit, arrival.stop = limit, stop
        if request.trail_price and order.kind == OrderKind.TRAILING_STOP:
            arrival.trail = trail_distance(request.trail_price, book, product)
            arrival.stop = book.state.last + order.side * arrival.trail
        return arrival

    def _resizable(self, order: Order) -> bool:
        if not order.parent:
            return True
        return self._customs.leg_size == "taken" and order.state is not OrderState.SUSPENDED

    def cancel(self, now_ns: Nanos, call_id: int, request: venue.CancelOrder) -> None:
        exchange = self._exchange
        account = exchange.accounts.get(request.account_id)
        if account is None:
            return exchange.answer(call_id, _done(CancelError.ACCOUNT_NOT_FOUND.value))
        if access := self._access(account):
            code = CancelError.ACCOUNT_REJECTED.value
            return exchange.answer(call_id, _done(code, NO_CANCEL[access]))
        order = account.find(request.order_id)
        if order is None:
            return exchange.answer(call_id, _done(CancelError.ORDER_NOT_FOUND.value))
        if order.over or order.forced:
            return exchange.answer(call_id, _done(self._customs.cancel_over))
        arrival = Arrival(at_ns=0, order_id=request.order_id, what="CANCEL")
        return self._send(now_ns, call_id, arrival, CancelError.PENDING.value)
