"""The outbox: what leaves for the venue, and what became of it.

An approval is answered once, SENT or REFUSED, before a byte leaves. After SENT there is one request
and never a second: NOT_SENT proves that it never left (ABSENT), UNKNOWN proves nothing and only
evidence ends it. Cancels may be repeated, but only after a read that begun later shows the order
still open.
"""

from __future__ import annotations

from services.order_router import tags
from services.order_router.desk import Desk
from services.order_router.fold import happen
from services.order_router.memory import ANSWERED_MAX, OPENERS, RESTING, ROUTER, Book, Order
from services.order_router.words import (
    CancelAnswer,
    CancelOrder,
    ModifyAnswer,
    ModifyOrder,
    ModifyProtection,
    Outcome,
    PlaceAnswer,
    PlaceOrder,
    PlaceReducing,
)
from shared.domain.orders import Happening
from shared.events import OrderApproved, OrderState, OrderType, OrderUpdate, Purpose, Side
from shared.units import Lots, Nanos, Ticks

CANCELLABLE = RESTING | {OrderState.SUSPENDED}
ANSWER_S_MAX = 30.0  # real seconds; the port's own patience with the venue is a sixth of it


# -- approvals -----------------------------------------------------------------------------------


def first_time(desk: Desk, intent_id: str) -> bool:
    """Whether `intent_id` was never answered; from now on it was."""
    answered = desk.state.answered
    if intent_id in answered:
        return False
    answered[intent_id] = desk.state.step
    if len(answered) > ANSWERED_MAX:
        del answered[next(iter(answered))]
    return True


def void(desk: Desk, halt_no: int, deadline_real_ns: Nanos) -> str:
    """Why an approval of that number and deadline no longer holds; empty when it does."""
    state = desk.state
    if halt_no < state.halt_no:
        return f"halt number {halt_no} is void, {state.halt_no} holds"
    if halt_no <= state.halt_floor:
        return f"halt number {halt_no} is void since a flatten by hand"
    if state.real_ns > deadline_real_ns:
        return f"deadline passed {(state.real_ns - deadline_real_ns) // 1_000_000} ms ago"
    return ""


def refuse(desk: Desk, approval: OrderApproved, reason: str) -> None:
    """The answer no. The id is spent: it can never be sent."""
    desk.say(
        OrderUpdate(
            no=desk.number(),
            tag=approval.tag,
            intent_id=approval.intent_id,
            sleeve=approval.sleeve,
            contract=approval.contract,
            side=approval.side,
            size=approval.size,
            filled=0,
            state=OrderState.REFUSED,
            purpose=approval.purpose,
            type=approval.type,
            limit_price=approval.limit_price,
            stop_price=approval.stop_price,
            reason=reason,
        )
    )


def order_of(desk: Desk, approval: OrderApproved, size: Lots) -> Order:
    """The order an approval becomes."""
    return Order(
        key=approval.tag,
        tag=approval.tag,
        intent_id=approval.intent_id,
        sleeve=approval.sleeve,
        contract=approval.contract,
        side=approval.side,
        size=size,
        type=approval.type,
        purpose=approval.purpose,
        limit_price=approval.limit_price,
        stop_price=approval.stop_price,
        bracketed=bool(approval.stop_loss_ticks) and not approval.shared,
        stop_ticks=(approval.stop_loss_ticks or 0) if approval.shared else 0,
        shared=approval.shared,
        sent_ns=desk.passed_ns(),
        sent_real_ns=desk.state.real_ns,
        said_step=desk.state.step,
    )


def send_approved(desk: Desk, approval: OrderApproved, size: Lots) -> None:
    """The answer yes: SENT, and the request."""
    order = desk.add(order_of(desk, approval, size))
    book = desk.book(approval.contract)
    if not book.lots:
        book.owner = approval.sleeve
    if approval.purpose in OPENERS:
        book.shared = approval.shared  # the governor changes its mind only while nothing is held
    desk.tell(order)
    word = PlaceOrder if approval.purpose in OPENERS else PlaceReducing
    desk.say(
        word(
            tag=order.tag,
            contract=order.contract,
            side=order.side,
            size=size,
            type=order.type,
            limit_price=order.limit_price,
            stop_price=order.stop_price,
            stop_loss_ticks=(approval.stop_loss_ticks or 0) * order.bracketed,
            take_profit_ticks=(approval.take_profit_ticks or 0) * order.bracketed,
            deadline_real_ns=approval.deadline_real_ns,
            halt_no=approval.halt_no,
        )
    )


def send_own(
    desk: Desk,
    book: Book,
    purpose: Purpose,
    *,
    side: Side,
    size: Lots,
    stop_price: Ticks | None = None,
    limit_price: Ticks | None = None,
    sleeve: str = "",
) -> Order:
    """An order of the router itself: a protective stop, or the limit of a flatten; in the name of
    `sleeve` where it is only that one's part of the contract.
    """
    assert size > 0, "Invariant: an order has a size"
    kind = OrderType.LIMIT if stop_price is None else OrderType.STOP
    kind = OrderType.MARKET if stop_price is None and limit_price is None else kind
    state = desk.state
    state.own += 1
    tag = tags.make(ROUTER, state.incarnation, state.own)
    order = Order(
        key=tag,
        tag=tag,
        intent_id=f"{ROUTER}.{state.incarnation}.{state.own}",
        sleeve=sleeve or (ROUTER if book.shared else book.owner),
        shared=book.shared,
        contract=book.contract,
        side=side,
        size=size,
        type=kind,
        purpose=purpose,
        limit_price=limit_price,
        stop_price=stop_price,
        sent_ns=desk.passed_ns(),
        sent_real_ns=state.real_ns,
        said_step=state.step,
    )
    desk.tell(desk.add(order))
    desk.say(
        PlaceReducing(
            tag=tag,
            contract=order.contract,
            side=side,
            size=size,
            type=order.type,
            limit_price=limit_price,
            stop_price=stop_price,
        )
    )
    return order


def on_place_answer(desk: Desk, answer: PlaceAnswer) -> None:
    """Fold our own request's outcome."""
    order = desk.find(answer.tag)
    if order is None:
        return
    desk.link(order, answer.order_id)
    match answer.outcome:
        case Outcome.DONE:
            order.seen = desk.state.step
            happen(desk, order, Happening.ACCEPTED)
        case Outcome.REFUSED:
            if not happen(desk, order, Happening.REJECTED, answer.text):
                desk.tell(order, answer.text)  # the hub was faster, but knows no reasons
        case Outcome.NOT_SENT:
            happen(desk, order, Happening.NEVER_LEFT, answer.text)
        case Outcome.UNKNOWN:
            _ended(desk, order)
            happen(desk, order, Happening.LOST, answer.text)


def give_up_waiting(desk: Desk) -> None:
    """An order without an answer for far longer than any request takes has an unknown outcome: on a
    full disk it never left, and nobody will ever say so.
    """
    for order in list(desk.state.orders.values()):
        waits = order.state is OrderState.SENT and not order.via
        if waits and desk.real_after(order.sent_real_ns, ANSWER_S_MAX):
            _ended(desk, order)
            happen(desk, order, Happening.LOST, f"no answer for {ANSWER_S_MAX:g} s")


def _ended(desk: Desk, order: Order) -> None:
    """A request about `order` ended and has not settled it: if the hub stays silent, a read
    must.
    """
    order.mark, order.ended_real_ns = desk.state.step, desk.state.real_ns


# -- cancels -------------------------------------------------------------------------------------


def want_cancel(desk: Desk, order: Order, why: str) -> None:
    """`order` is to go. Done now, or as soon as it can be: its id may not be known yet."""
    assert why, "Invariant: a cancel has a cause"
    if order.live and not order.cancel:
        order.cancel = why
    push_cancel(desk, order)


def push_cancel(desk: Desk, order: Order) -> None:
    """Send the cancel `order` is waiting for, if nothing stands in its way."""
    if not order.cancel or order.cancelling or order.blocked or not order.venue_id:
        return
    if order.state not in CANCELLABLE:
        return
    order.cancelling = True
    happen(desk, order, Happening.CANCEL_SENT, order.cancel)
    desk.say(CancelOrder(order_id=order.venue_id))


def on_cancel_answer(desk: Desk, answer: CancelAnswer) -> None:
    """A yes is not the end of the order: the venue's own word is. A no or a silence needs a
    look.
    """
    order = desk.by_id(answer.order_id)
    if order is None:
        return
    order.cancelling = False
    _ended(desk, order)
    if answer.outcome is Outcome.DONE:
        return
    if answer.outcome is not Outcome.UNKNOWN and order.state is OrderState.CANCELLING:
        order.blocked = True
        happen(desk, order, Happening.CANCEL_FAILED, answer.text)


# -- changes -------------------------------------------------------------------------------------


def change(
    desk: Desk,
    order: Order,
    *,
    size: Lots | None = None,
    limit_price: Ticks | None = None,
    stop_price: Ticks | None = None,
    deadline_real_ns: Nanos = 0,
    halt_no: int = -1,
    reducing: bool = True,
) -> None:
    """Ask the venue to change a resting order. One change at a time."""
    assert order.venue_id, "Invariant: only an order the venue knows can be changed"
    assert order.still, "Invariant: one request about an order at a time"
    order.modifying = True
    order.change = (size, limit_price, stop_price)
    word = ModifyProtection if reducing else ModifyOrder
    desk.say(
        word(
            order_id=order.venue_id,
            contract=order.contract,
            size=size,
            limit_price=limit_price,
            stop_price=stop_price,
            deadline_real_ns=deadline_real_ns,
            halt_no=halt_no,
        )
    )


def on_modify_answer(desk: Desk, answer: ModifyAnswer) -> None:
    """A yes changes our picture; anything else keeps it until the venue shows otherwise."""
    order = desk.by_id(answer.order_id)
    if order is None or not order.modifying:
        return
    asked, order.change, order.modifying = order.change, None, False
    desk.touch(order.contract)
    if answer.outcome is Outcome.DONE and asked is not None:
        size, limit_price, stop_price = asked
        before = (order.size, order.limit_price, order.stop_price)
        order.size = max(size, order.filled) if size is not None else order.size
        order.limit_price = limit_price if limit_price is not None else order.limit_price
        order.stop_price = stop_price if stop_price is not None else order.stop_price
        order.changed, order.mark = True, desk.state.step
        if before != (order.size, order.limit_price, order.stop_price):
            desk.tell(order)  # else the hub was faster
        return
    if answer.outcome is Outcome.UNKNOWN and asked is not None:
        order.asked_size = asked[0] or 0
    _ended(desk, order)
    order.unchangeable = answer.text or answer.outcome.value
    desk.tell(order, f"change {answer.outcome.value}: {answer.text}")
