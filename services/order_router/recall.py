"""Remembering by our own words: recovery when code or settings changed since they were said.

The core has been told the same inputs again, and what it says now was dropped; here it is given
what was really said. So every fold must bear that memory already holds it, and an order that this
code would have sent but the other did not has not been sent: `Order.recorded` tells them apart.
What cannot be known from words (a request's answer, the hub's state) is unknown, and the reads
after `Started` find it out.
"""

from __future__ import annotations

from services.order_router import flatten, tags
from services.order_router.desk import Desk
from services.order_router.memory import HUMAN, ROUTER, Booked, Close, Order, Reading
from services.order_router.words import CancelOrder, CloseContract, KnowHalt, PlaceOrder, ReadBooks
from shared.domain.sharing import VIRTUAL, index_of, trade_of
from shared.events import (
    AccountUpdate,
    Event,
    Fill,
    FlattenProgress,
    FlattenStage,
    OrderState,
    OrderUpdate,
    Reconciled,
    Scope,
)


def recall(desk: Desk, said: Event) -> None:
    """Fold one recorded word."""
    state = desk.state
    state.no = max(state.no, getattr(said, "no", 0))
    match said:
        case OrderUpdate():
            _order(desk, said)
        case Fill():
            _fill(desk, said)
        case FlattenProgress():
            _saga(desk, said)
        case AccountUpdate():
            state.balance, state.can_trade = said.balance, said.can_trade
        case Reconciled():
            state.based = True
        case _:
            _asked(desk, said)


def _asked(desk: Desk, said: Event) -> None:
    """Fold a request to the port; its answer, if it came, was told again."""
    state = desk.state
    match said:
        case KnowHalt():
            state.halt_no = max(state.halt_no, said.halt_no)
        case PlaceOrder():
            order = desk.find(said.tag)
            if order is not None:
                order.recorded = True
        case CancelOrder():
            order = desk.by_id(said.order_id)
            if order is not None:
                order.cancelling = True
        case CloseContract():
            state.request = max(state.request, said.close_id)
            book = desk.book(said.contract)
            if book.close is None or book.close.close_id != said.close_id:
                book.close = Close(close_id=said.close_id, lots=book.lots, sent_ns=desk.passed_ns())
        case ReadBooks():
            state.request = max(state.request, said.read_id)
            state.reads.setdefault(
                said.read_id,
                Reading(
                    begin=state.step,
                    begin_real_ns=state.real_ns,
                    begin_ns=desk.passed_ns(),
                    since_ns=said.since_ns,
                    periodic=said.account,
                ),
            )


def _order(desk: Desk, said: OrderUpdate) -> None:
    state = desk.state
    if said.intent_id and not said.parent_intent_id:
        state.answered[said.intent_id] = state.step
    order = desk.find(said.tag)
    if said.state is OrderState.REFUSED:
        if order is not None and not order.recorded:
            state.orders.pop(order.key, None)
        return
    if order is None:
        order = desk.add(_record(desk, said))
    order.answered = True
    desk.link(order, said.venue_order_id)
    order.state, order.size = said.state, said.size
    order.filled = max(order.filled, said.filled)
    order.limit_price, order.stop_price = said.limit_price, said.stop_price
    desk.shelve(order)
    tag = tags.parse(said.tag)
    if tag is not None and tag.sleeve == ROUTER:
        state.own = max(state.own, int(said.tag.split(".")[3]))


def _record(desk: Desk, said: OrderUpdate) -> Order:
    parent = desk.by_intent(said.parent_intent_id)
    return Order(
        key=said.tag,
        tag="" if said.tag.startswith("#") else said.tag,
        intent_id=said.intent_id,
        sleeve=said.sleeve,
        contract=said.contract,
        side=said.side,
        size=said.size,
        type=said.type,
        purpose=said.purpose,
        parent=parent.key if parent is not None else "",
        sent_ns=desk.passed_ns(),
    )


def _fill(desk: Desk, said: Fill) -> None:
    """The same trade counted again, part by part; a negative id is the second part."""
    state, book = desk.state, desk.book(said.contract)
    made_up = said.trade_id <= -VIRTUAL
    trade_id = -said.trade_id if made_up else trade_of(said.trade_id)
    booked = state.trades.get(trade_id)
    parts = 0 if booked is None else len(booked.parts)
    if parts and made_up:
        return
    if said.voided and (booked is None or booked.voided):
        return
    if not said.voided and not made_up and parts > index_of(said.trade_id):
        return
    sign = -1 if said.voided else 1
    signed = said.side * said.size * sign
    book.shares[said.sleeve] = book.shares.get(said.sleeve, 0) + signed
    if not book.shares[said.sleeve]:
        del book.shares[said.sleeve]
    book.position.apply(signed, said.price)
    book.last_price = said.price
    if said.sleeve not in (HUMAN, ROUTER):
        book.owner = said.sleeve
    order = desk.find(said.tag)
    if order is not None and not said.voided:
        order.traded += said.size * said.side * order.side  # a part may lie on the other side
    state.waiting.pop(trade_id, None)
    if said.voided:
        if booked is not None:
            booked.voided = True
        return
    part = (said.sleeve, signed, said.fee)
    if booked is None:
        booked = state.trades[trade_id] = Booked(
            key=said.tag, contract=said.contract, price=said.price, venue_ns=said.venue_ns
        )
    booked.parts = (*booked.parts, part)


def _saga(desk: Desk, said: FlattenProgress) -> None:
    """A flatten stays latched until its FLAT was said. What scope it has is in its first
    progress.
    """
    state = desk.state
    for key, saga in list(state.sagas.items()):
        same = (saga.scope, saga.contract, saga.cause) == (said.scope, said.contract, said.cause)
        if same and said.stage is FlattenStage.FLAT:
            del state.sagas[key]
            for book in state.books.values():
                book.close = None
    if said.stage is FlattenStage.FLAT:
        return
    request, human = said.request_id, said.scope is Scope.ACCOUNT
    flatten.start(
        desk, said.scope, said.cause, contract=said.contract, human=human, request=request
    )
