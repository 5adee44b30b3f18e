"""Folding: everything the venue shows of orders, into one table.

Answers, hub events and rows of reads say the same things in any order, twice, or never; each is
folded by what it proves, and what is old changes nothing. How much is filled only grows; prices and
sizes follow the venue's own update time.

Whose an order is: our tag says so; a leg belongs to its entry's owner; an untagged market order
that follows our own `closeContract` is that close, one that the sentinel's explains is the
sentinel's; everything else was made by hand.
"""

from __future__ import annotations

from services.order_router import stand_in, tags
from services.order_router.desk import Desk
from services.order_router.memory import HUMAN, ROUTER, Book, Close, Order
from services.order_router.words import Outcome
from shared.domain.orders import Happening, move, shown
from shared.events import OrderState, OrderType, Purpose, Side
from shared.units import SECOND
from shared.venue.codes import VenueOrderStatus as Status
from shared.venue.translate import OrderRow, TradeRow

HAPPENING = {
    Status.OPEN: Happening.OPENED,
    Status.PENDING: Happening.OPENED,
    Status.PENDING_CANCELLATION: Happening.OPENED,
    Status.SUSPENDED: Happening.SUSPENDED,
    Status.FILLED: Happening.FILLED,
    Status.CANCELLED: Happening.CANCELLED,
    Status.EXPIRED: Happening.EXPIRED,
    Status.REJECTED: Happening.REJECTED,
}
OVER = (Status.FILLED, Status.CANCELLED, Status.EXPIRED, Status.REJECTED)

LATE = "appeared after it was proven absent"

CLOSE_SKEW_NS = 2 * SECOND
"""How far the venue's clock may lag behind ours when its close order is matched to our request."""


def happen(desk: Desk, order: Order, happening: Happening, reason: str = "") -> bool:
    """Move `order` and publish it if that changed anything. Raises IllegalTransition."""
    before = order.state
    show(order, happening)
    if order.state is before:
        return False
    desk.shelve(order)
    desk.tell(order, reason)
    return True


def show(order: Order, happening: Happening) -> None:
    """Move `order`; one that comes to life after its absence was proven must go at once."""
    late = order.state is OrderState.ABSENT
    order.state = move(order.state, happening)
    if late and order.state is not OrderState.ABSENT:
        order.cancel = LATE


def see_order(desk: Desk, row: OrderRow, begin: int = 0) -> None:
    """Fold one row. `begin`: the step its read was said in; 0 for the hub."""
    state = desk.state
    if row.account_id != state.account_id or row.status not in HAPPENING or row.size <= 0:
        return
    desk.stamped(max(row.created_ns, row.updated_ns))
    order = desk.by_id(row.order_id) or _by_tag(desk, row) or _adopt(desk, row, begin)
    if order is None:
        return
    if order.state is OrderState.REFUSED:
        return  # the tag of an order that we never sent: somebody else made one with it
    old = (order.state, order.filled, order.size, order.limit_price, order.stop_price)
    desk.link(order, row.order_id)
    order.seen = state.step
    if row.filled > order.filled:
        desk.book(order.contract).news = state.step
    if _is_newer(order, row, begin):
        order.changed = order.changed and row.updated_ns <= order.updated_ns
        order.updated_ns, order.size = row.updated_ns, row.size
        order.limit_price = row.limit_price if row.limit_price is not None else order.limit_price
        order.stop_price = row.stop_price if row.stop_price is not None else order.stop_price
    order.filled = max(order.filled, row.filled)
    if row.status is Status.FILLED:
        order.filled = max(order.filled, row.size)
    order.size = max(order.size, order.filled)
    if begin and begin >= order.mark:
        _proven_open(order, row)
    show(order, shown(HAPPENING[row.status], order.filled, order.size))
    if not state.based:
        order.traded = order.filled  # its trades are in the positions that the base takes over
    elif order.filled > order.traded:
        state.owed.setdefault(order.key, (state.real_ns, 0))
    desk.shelve(order)
    if (order.state, order.filled, order.size, order.limit_price, order.stop_price) != old:
        desk.tell(order)


def _is_newer(order: Order, row: OrderRow, begin: int) -> bool:
    """Whether a row's prices and size are to be believed. After a change of ours an event of the
    same update time is the picture before it; a read begun since is not.
    """
    if row.updated_ns > order.updated_ns or (begin and begin >= order.mark):
        return True
    return row.updated_ns == order.updated_ns and not order.changed


def _proven_open(order: Order, row: OrderRow) -> None:
    """A read begun after the last request about it ended: what it shows, that request came to."""
    order.blocked = False
    order.asked_size = 0
    order.unchangeable = ""
    if order.state is OrderState.CANCELLING and not order.cancelling and row.status not in OVER:
        order.state = move(order.state, Happening.CANCEL_FAILED)


def _by_tag(desk: Desk, row: OrderRow) -> Order | None:
    """Our order whose venue id was not known yet."""
    order = desk.find(row.tag) if row.tag else None
    return order if order is not None and order.venue_id in (0, row.order_id) else None


def _adopt(desk: Desk, row: OrderRow, begin: int) -> Order | None:
    """An order nobody here made, or whose making was forgotten. Finished ones matter only by a
    fill.
    """
    traded = any(trade.order_id == row.order_id for trade in desk.state.waiting.values())
    if row.status in OVER and not traded and (begin or not row.filled):
        return None
    order = _as_leg(desk, row) or _as_ours(row) or _as_close(desk, row) or _as_human(row)
    order.sent_ns = row.created_ns
    order.sent_real_ns = desk.state.real_ns
    desk.add(order)
    desk.link(order, row.order_id)
    return order


def _record(row: OrderRow, purpose: Purpose, sleeve: str, intent_id: str) -> Order:
    taken = row.tag if tags.parse(row.tag) else ""
    return Order(
        key=taken or f"#{row.order_id}",
        tag=taken,
        intent_id=intent_id,
        sleeve=sleeve,
        contract=row.contract,
        side=row.side,
        size=row.size,
        type=row.type or OrderType.STOP,
        purpose=purpose,
        state=OrderState.UNKNOWN,
        limit_price=row.limit_price,
        stop_price=row.stop_price,
    )


def _as_leg(desk: Desk, row: OrderRow) -> Order | None:
    """A bracket leg: its tag says so, or its parent is an order we know."""
    tag = tags.parse(row.tag)
    parent = desk.find(tag.entry) if tag and tag.leg else desk.by_id(row.parent_id)
    if not (tag and tag.leg) and (parent is None or parent.purpose is Purpose.HUMAN):
        return None
    stop = row.type in (OrderType.STOP, OrderType.TRAILING_STOP)
    purpose = Purpose.STOP_LOSS if stop else Purpose.TAKE_PROFIT
    if parent is None:
        assert tag is not None, "Invariant: a leg without a known parent has a tag"
        order = _record(row, purpose, tag.sleeve, tag.intent_id)
        order.parent = tag.entry
        return order
    suffix = "SL" if stop else "TP"
    order = _record(row, purpose, parent.sleeve, f"{parent.intent_id}-{suffix}")
    order.parent = parent.key
    return order


def _as_ours(row: OrderRow) -> Order | None:
    """Our prefix, but no journal knows it. Nobody approved it as far as we know, so it must go; a
    stop of ours may stay as long as it protects something.
    """
    tag = tags.parse(row.tag)
    if tag is None:
        return None
    if tag.sleeve == ROUTER:
        purpose = Purpose.NET_STOP if row.type is OrderType.STOP else Purpose.FLATTEN
        return _forgotten(row, purpose, tag)
    return _forgotten(row, Purpose.ENTRY, tag)


def _forgotten(row: OrderRow, purpose: Purpose, tag: tags.Tag) -> Order:
    order = _record(row, purpose, tag.sleeve, tag.intent_id)
    if purpose is not Purpose.NET_STOP:
        order.cancel = "no approval of it is known"
    return order


def _as_close(desk: Desk, row: OrderRow) -> Order | None:
    """The venue's own market order behind a `closeContract`, ours or the sentinel's; each close
    explains one order.
    """
    book = desk.state.books.get(row.contract)
    if book is None or row.tag or row.type is not OrderType.MARKET:
        return None
    if book.close is not None and _is_from(book.close, row):
        order = _record(row, Purpose.FLATTEN, book.owner, "")
        book.close.order_key = order.key
        return order
    if stand_in.explains(book, row.side * row.size):
        order = _record(row, Purpose.FLATTEN, book.owner, "")
        order.note = stand_in.NOTE
        return order
    return None


def _is_from(close: Close, row: OrderRow) -> bool:
    """Whether our close may be behind this order, and is behind no other."""
    if close.order_key or row.side * close.lots >= 0:
        return False
    went = close.outcome not in (Outcome.NOT_SENT, Outcome.REFUSED)
    return went and row.created_ns >= close.sent_ns - CLOSE_SKEW_NS


def _as_human(row: OrderRow) -> Order:
    return _record(row, Purpose.HUMAN, HUMAN, "")


def stranger(desk: Desk, row: TradeRow) -> Order:
    """The order behind a trade that no complete read shows: all that is known of it is the
    trade.
    """
    shape = OrderRow(
        order_id=row.order_id,
        account_id=row.account_id,
        contract=row.contract,
        side=row.side,
        size=row.size,
        filled=row.size,
        status=Status.FILLED,
        type=OrderType.MARKET,
        created_ns=row.venue_ns,
    )
    order = _as_close(desk, shape) or _as_human(shape)
    order.state, order.filled, order.sent_ns = OrderState.FILLED, row.size, row.venue_ns
    desk.add(order)
    desk.link(order, row.order_id)
    desk.shelve(order)
    return order


def opposing(order: Order, book: Book) -> bool:
    """Whether a fill of `order` would reduce the position."""
    return book.lots * order.side < 0


def closing_side(lots: int) -> Side:
    """The side that reduces a position of `lots`."""
    assert lots, "Invariant: only an open position has a closing side"
    return Side.SELL if lots > 0 else Side.BUY
