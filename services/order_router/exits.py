"""Exits of sleeves, so that no position flips because a stop and an exit both fill.

- A *full exit of a bracketed entry* has no order of its own: the take-profit leg is re-priced. It
  and the stop are one-cancels-other at the venue, so exactly one of them can fill. For a market
  exit the new price is the stop's own trigger price: while the stop has not triggered the market is
  on the near side of it, so a limit there trades at once, at the market. If the leg cannot be
  changed the contract is closed by `closeContract` (sized by the venue) in a flatten of that
  contract, which cancels the legs afterwards.
- *Every other exit* is an order of its own, never larger than the position. What its stop still
  covers too much is cut when it fills (protection). Between its fill and the cut, about one request
  long, both could fill; a position opened so is protected and shown like any other.
- *One exit per contract*: a later wish cancels the earlier one and waits for its end. Beside an
  exit of unknown outcome nothing is sent but the venue-sized close.
- *In a contract that sleeves share* an exit closes its owner's part, whatever that makes of the net
  position (the net stop follows it), and there is one per sleeve. The venue-sized close would take
  the others' parts along, so beside an exit of unknown outcome a later one waits.
"""

from __future__ import annotations

from services.order_router import flatten
from services.order_router.desk import Desk
from services.order_router.fold import happen
from services.order_router.memory import CLOSE, RESTING, Book, Order
from services.order_router.outbox import (
    change,
    order_of,
    push_cancel,
    refuse,
    send_approved,
    void,
    want_cancel,
)
from shared.domain.orders import Happening
from shared.events import (
    OrderApproved,
    OrderState,
    OrderType,
    Purpose,
    Scope,
)
from shared.units import Lots

PATIENCE_S = 2.0
"""A market exit through the take-profit that has not filled by then is closed by the venue."""


def wish(desk: Desk, approval: OrderApproved) -> None:
    """Carry out an approved exit, or let it wait for the one before it."""
    book = desk.book(approval.contract)
    lots = closable(desk, approval, book)
    if lots * approval.side >= 0:
        refuse(desk, approval, f"nothing to close: the position is {lots:+d}")
        return
    waiting = desk.state.exits.pop(_key(approval), None)
    if waiting is not None:
        refuse(desk, waiting, "replaced by a later exit")
    working = exits_before(desk, approval)
    if any(o.state is OrderState.UNKNOWN for o in working) and not approval.shared:
        _through_close(desk, approval, book)
    elif working:
        desk.state.exits[_key(approval)] = approval
        for order in working:
            want_cancel(desk, order, "replaced by a later exit")
    else:
        _go(desk, approval, book)


def _key(approval: OrderApproved) -> str:
    """Where an exit waits: one place per contract, or per sleeve where it is shared."""
    return f"{approval.contract} {approval.sleeve}" if approval.shared else approval.contract


def closable(desk: Desk, approval: OrderApproved, book: Book) -> Lots:
    """The position an exit is about, signed: the contract's, or its sleeve's part of it."""
    if not approval.shared:
        return book.lots + desk.coming(book.contract)
    return book.shares.get(approval.sleeve, 0) + desk.coming(book.contract, approval.sleeve)


def exits_before(desk: Desk, approval: OrderApproved) -> list[Order]:
    """Exits that work where this one is to go."""
    exits = (o for o in desk.live(approval.contract) if o.purpose is Purpose.EXIT)
    return [o for o in exits if not approval.shared or o.sleeve == approval.sleeve]


def _go(desk: Desk, approval: OrderApproved, book: Book) -> None:
    lots = abs(closable(desk, approval, book))
    size = min(approval.size, lots)
    if approval.shared:
        send_approved(desk, approval, size)
        return
    full = size == lots
    legs = [
        o for o in desk.live(book.contract) if o.purpose in (Purpose.STOP_LOSS, Purpose.TAKE_PROFIT)
    ]
    if full and any(not leg.still for leg in legs):
        desk.state.exits[book.contract] = approval  # a change of a leg is under way: it waits
        return
    pair = _pair(legs, size) if full else None
    if pair is not None and not _net_stop(desk, book):
        _through_leg(desk, approval, *pair)
    elif full and legs and approval.type is OrderType.MARKET:
        _through_close(desk, approval, book)
    else:
        send_approved(desk, approval, size)


def _pair(legs: list[Order], size: int) -> tuple[Order, Order] | None:
    """(take-profit, stop) when they are the only legs, of one entry, and cover exactly `size`."""
    if len(legs) != 2 or legs[0].parent != legs[1].parent:
        return None
    fit = all(o.state in RESTING and o.still and o.venue_id and o.left == size for o in legs)
    target = next((o for o in legs if o.purpose is Purpose.TAKE_PROFIT), None)
    stop = next((o for o in legs if o.purpose is Purpose.STOP_LOSS), None)
    if not fit or target is None or stop is None or stop.stop_price is None:
        return None
    return target, stop


def _net_stop(desk: Desk, book: Book) -> bool:
    return any(o.purpose is Purpose.NET_STOP for o in desk.live(book.contract))


def _through_leg(desk: Desk, approval: OrderApproved, target: Order, stop: Order) -> None:
    price = stop.stop_price if approval.limit_price is None else approval.limit_price
    order = desk.add(order_of(desk, approval, target.left))
    order.via, order.undo = target.key, target.limit_price
    order.limit_price = price
    desk.tell(order, "by re-pricing the take-profit")
    change(
        desk,
        target,
        limit_price=price,
        deadline_real_ns=approval.deadline_real_ns,
        halt_no=approval.halt_no,
    )


def _through_close(desk: Desk, approval: OrderApproved, book: Book) -> None:
    order = desk.add(order_of(desk, approval, min(approval.size, abs(book.lots))))
    order.via = CLOSE
    desk.tell(order, "by closeContract")


def watch(desk: Desk) -> None:
    """See every exit that has no order of its own to its end, then let the waiting ones go."""
    for order in list(desk.state.orders.values()):
        if order.via:
            _follow(desk, order)
    for key, approval in list(desk.state.exits.items()):
        _let_go(desk, key, approval)


def _follow(desk: Desk, order: Order) -> None:
    book = desk.book(order.contract)
    if book.lots * order.side >= 0:
        order.filled = order.size
        happen(desk, order, Happening.FILLED, "the position is closed")
        return
    if order.via == CLOSE:
        if desk.saga_over(order.contract) is None:
            cause = f"exit {order.intent_id}"
            flatten.start(desk, Scope.CONTRACT, cause, contract=order.contract)
        return
    leg = desk.find(order.via)
    market = order.type is OrderType.MARKET
    if leg is None or not leg.live:
        settled = leg is None or leg.traded >= leg.filled
        if settled or desk.real_after(order.sent_real_ns, PATIENCE_S):
            _give_up(desk, order, "the take-profit is gone")
    elif leg.modifying:
        return
    elif order.cancel:
        _undo(desk, order, leg)
    elif leg.limit_price != order.limit_price:
        _give_up(desk, order, leg.unchangeable or "the take-profit was changed")
    elif market and desk.real_after(order.sent_real_ns, PATIENCE_S):
        _give_up(desk, order, "the take-profit did not fill")
    else:
        happen(desk, order, Happening.ACCEPTED)


def _give_up(desk: Desk, order: Order, why: str) -> None:
    """A market exit is owed to the sleeve whatever it takes; a limit one was only a wish."""
    if order.type is OrderType.MARKET:
        order.via = CLOSE
        desk.tell(order, f"{why}: closeContract")
        _follow(desk, order)
    elif order.state in (OrderState.SENT, OrderState.UNKNOWN):
        happen(desk, order, Happening.REJECTED, why)
    else:
        happen(desk, order, Happening.CANCELLED, why)


def _undo(desk: Desk, order: Order, leg: Order) -> None:
    """Cancel an exit through a leg: the take-profit gets its old price back."""
    if leg.still and leg.state in RESTING and order.undo is not None:
        change(desk, leg, limit_price=order.undo)
    happen(desk, order, Happening.CANCELLED, order.cancel)


def _let_go(desk: Desk, key: str, approval: OrderApproved) -> None:
    if desk.saga_over(approval.contract, approval.sleeve) is not None:
        reason = "a flatten is under way"
    else:
        reason = void(desk, approval.halt_no, approval.deadline_real_ns)
    before = exits_before(desk, approval)
    if reason:
        del desk.state.exits[key]
        refuse(desk, approval, reason)
    elif not before:
        del desk.state.exits[key]
        wish(desk, approval)
    else:
        for order in before:
            push_cancel(desk, order)
