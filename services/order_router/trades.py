"""Fills: the venue's trades, each counted once, and the positions that follow from them.

A trade may arrive before the order it belongs to is known; it waits until a read shows that order.
Only where a read begun after it was heard does not, nobody here made it.
Orders say how much is filled, but only a trade moves a position: if one does not come, it is asked
for.

An order without a tag (by hand, or the venue's own close) reduces first what the contract's sleeve
holds and then what is held by hand, so that a sleeve whose position was closed in the platform
learns it. When one trade is split so, its second part carries the negative trade id: every id is
still used once.
"""

from __future__ import annotations

from services.order_router.desk import Desk
from services.order_router.fold import show, stranger
from services.order_router.memory import HUMAN, ROUTER, Book, Booked, Order, Reading
from shared.domain.orders import Happening, shown
from shared.domain.sharing import VIRTUAL, WHOLE, allocate, part_id, stop_after
from shared.events import TERMINAL, Fill, OrderType, Purpose, Side
from shared.units import MINUTE, Lots, Micros, Nanos, Ticks
from shared.venue.translate import PositionRow, TradeRow

NEVER_TOLD = (0, 0, 0, -1)

OVERLAP_NS: Nanos = 2 * MINUTE
"""Reads of trades begin so long before the last one began: clocks differ, rows appear late."""

KEEP_NS: Nanos = 30 * MINUTE
"""Counted trades are remembered for so long (market time), to know doubles and to reverse voids."""


def see_trade(desk: Desk, row: TradeRow) -> None:
    """Count a trade, once; take it back, once, when the venue voids it."""
    state = desk.state
    if row.account_id != state.account_id or not state.based or row.size <= 0:
        return
    desk.stamped(row.venue_ns)
    booked = state.trades.get(row.trade_id)
    if booked is not None:
        if row.voided and not booked.voided:
            _reverse(desk, row.trade_id, booked, row)
        return
    if row.venue_ns < state.floor_ns:
        return
    if row.voided:
        state.trades[row.trade_id] = Booked(
            key="", contract=row.contract, price=row.price, venue_ns=row.venue_ns, voided=True
        )
        state.waiting.pop(row.trade_id, None)
        return
    order = desk.by_id(row.order_id)
    if order is None:
        if row.trade_id not in state.waiting:
            state.waiting[row.trade_id] = row
            state.waiting_step = desk.book(row.contract).news = state.step
        return
    _count(desk, order, row)


def retry_waiting(desk: Desk, read: Reading | None = None) -> None:
    """Count trades whose order is known by now, and those whose order a complete `read` would have
    shown, because it began after they were heard. A trade that this very read tells first may have
    happened after its orders were listed, and to an order of ours.
    """
    state = desk.state
    for row in list(state.waiting.values()):
        order = desk.by_id(row.order_id)
        if order is None and read is not None and _is_made_by_hand(desk, row, read):
            order = stranger(desk, row)
            desk.tell(order)
        if order is not None:
            _count(desk, order, row)


def _is_made_by_hand(desk: Desk, row: TradeRow, read: Reading) -> bool:
    """Whether a read that does not show the order of a trade proves it nobody's here. Not while an
    order of ours that could be it has no id yet: lists may lag behind the trades.
    """
    return row.trade_id in read.waiting and not any(
        order.side is row.side and not order.venue_id and not order.via
        for order in desk.live(row.contract)
        if order.said_step <= read.begin
    )


def _count(desk: Desk, order: Order, row: TradeRow) -> None:
    state = desk.state
    assert row.trade_id not in state.trades, "Invariant: a trade is counted once"
    state.waiting.pop(row.trade_id, None)
    book = desk.book(row.contract)
    parts = _parts(order, book, row)
    state.trades[row.trade_id] = Booked(
        key=order.key,
        contract=row.contract,
        price=row.price,
        venue_ns=row.venue_ns,
        parts=parts,
    )
    if order.bracketed:
        book.bracketed, book.leg_gone = True, False
    if order.sleeve not in (HUMAN, ROUTER):
        book.owner = order.sleeve
    for index, part in enumerate(parts):
        move_stop(desk, order, row, part)
        _apply(desk, book, row.price, part)
        _say_fill(desk, order, row, trade_id=part_id(row.trade_id, index), part=part)
    book.moved_by = order.purpose
    advance(desk, order, row.size)
    desk.touch(row.contract)


def advance(desk: Desk, order: Order, size: Lots) -> None:
    """A trade is evidence about its order as good as any row, but not of how large that order is:
    where the venue or a request of ours may have resized it, one row more is waited for.
    """
    state = desk.state
    order.traded += size
    order.seen = state.step
    if order.traded >= order.filled:
        state.owed.pop(order.key, None)
    if order.traded <= order.filled:
        return
    order.filled = order.traded
    order.size = max(order.size, order.filled)
    if order.filled == order.size and _may_be_larger(desk, order):
        order.size += 1
        desk.read_soon()
    show(order, shown(Happening.OPENED, order.filled, order.size))
    desk.shelve(order)
    desk.tell(order)


def _may_be_larger(desk: Desk, order: Order) -> bool:
    """Whether our size of a live order may be an old one: a change is under way or its outcome is
    unknown, or it is the leg of an entry of which more may have filled than the leg was shown with.
    """
    if order.state in TERMINAL:
        return False
    if max(order.asked_size, (order.change or (0,))[0] or 0) > order.size:
        return True
    entry = desk.find(order.parent) if order.parent else None
    if entry is None or order.via:
        return False
    return order.size < (entry.filled if entry.state in TERMINAL else entry.size)


def _parts(order: Order, book: Book, row: TradeRow) -> tuple[tuple[str, Lots, Micros], ...]:
    """(owner, signed lots, fee) of each part of a trade."""
    signed = row.side * row.size
    if book.shared:
        return _shared_parts(order, book, row)
    if order.purpose not in (Purpose.HUMAN, Purpose.FLATTEN):
        return ((order.sleeve, signed, row.fee),)
    owner = book.owner
    parts: list[tuple[str, Lots]] = []
    left = signed
    for holder in (owner, HUMAN):
        held = book.shares.get(holder, 0)
        take = min(abs(left), abs(held)) if held * left < 0 else 0
        if take:
            parts.append((holder, take if left > 0 else -take))
            left -= parts[-1][1]
    if left:
        rest = HUMAN if order.purpose is Purpose.HUMAN else owner
        parts = _joined(parts, rest, left)
    fee_left, costed = row.fee, []
    for index, (holder, lots) in enumerate(parts):
        fee = fee_left if index == len(parts) - 1 else row.fee * abs(lots) // row.size
        fee_left -= fee
        costed.append((holder, lots, fee))
    return tuple(costed)


def _shared_parts(order: Order, book: Book, row: TradeRow) -> tuple[tuple[str, Lots, Micros], ...]:
    """The same where several sleeves hold parts; the fee is that of the trade's own side."""
    signed = row.side * row.size
    venues_close = order.purpose is Purpose.FLATTEN and not order.tag
    if order.sleeve not in (HUMAN, ROUTER) and not venues_close:
        return ((order.sleeve, signed, row.fee),)
    rest_to = HUMAN if order.purpose is Purpose.HUMAN else book.owner
    parts = allocate(book.shares, signed, rest_to)
    paying = sum(abs(lots) for _, lots in parts if lots * signed > 0)
    last = max(index for index, part in enumerate(parts) if part[1] * signed > 0)
    fee_left, costed = row.fee, []
    for holder, lots in parts:
        fee = row.fee * abs(lots) // paying if lots * signed > 0 else 0
        fee_left -= fee
        costed.append((holder, lots, fee))
    holder, lots, fee = costed[last]
    costed[last] = (holder, lots, fee + fee_left)
    return tuple(costed)


def move_stop(desk: Desk, order: Order, row: TradeRow, part: tuple[str, Lots, Micros]) -> None:
    """Where the stop of an owner's part stands after its fill."""
    book, (holder, signed, _) = desk.book(row.contract), part
    if not book.shared or holder in (HUMAN, ROUTER):
        return
    distance = order.stop_ticks or desk.settings.risk_governor.net_stop_ticks
    stop, held = book.stops.get(holder), book.shares.get(holder, 0)
    stop = stop_after(stop, held, signed, price=row.price, distance=distance)
    if stop is None:
        book.stops.pop(holder, None)
    else:
        book.stops[holder] = stop


def _joined(parts: list[tuple[str, Lots]], holder: str, lots: Lots) -> list[tuple[str, Lots]]:
    """`parts` with `lots` more for `holder`; at most two parts ever come of it."""
    known = [name for name, _ in parts]
    if holder in known:
        return [(name, had + lots if name == holder else had) for name, had in parts]
    return [*parts, (holder, lots)]


def _apply(desk: Desk, book: Book, price: int, part: tuple[str, Lots, Micros]) -> None:
    holder, signed, _ = part
    book.shares[holder] = book.shares.get(holder, 0) + signed
    if not book.shares[holder]:
        del book.shares[holder]
    book.position.apply(signed, price)
    book.last_price = price
    book.acted = book.news = desk.state.step
    if not book.lots:
        book.bracketed = book.leg_gone = False
        book.flat_real_ns = desk.state.real_ns
    assert sum(book.shares.values()) == book.lots, "Invariant: the shares are the position"


def _say_fill(
    desk: Desk,
    order: Order,
    row: TradeRow,
    *,
    trade_id: int,
    part: tuple[str, Lots, Micros],
    voided: bool = False,
) -> None:
    holder, signed, fee = part
    desk.say(
        Fill(
            no=desk.number(),
            trade_id=trade_id,
            venue_order_id=order.venue_id,
            tag=order.tag or order.key,
            intent_id=order.intent_id if holder == order.sleeve or order.shared else "",
            sleeve=holder,
            contract=row.contract,
            side=Side.BUY if signed > 0 else Side.SELL,
            size=abs(signed),
            price=row.price,
            fee=fee,
            purpose=order.purpose,
            venue_ns=row.venue_ns,
            voided=voided,
        )
    )


def _reverse(desk: Desk, trade_id: int, booked: Booked, row: TradeRow) -> None:
    """The venue took a trade back: so do we, part by part, in the same shape."""
    booked.voided = True
    book = desk.book(booked.contract)
    order = desk.find(booked.key) or stranger(desk, row)
    for index, (holder, signed, fee) in enumerate(booked.parts):
        _apply(desk, book, booked.price, (holder, -signed, fee))
        which = part_id(trade_id, index)
        _say_fill(desk, order, row, trade_id=which, part=(holder, signed, fee), voided=True)
    desk.touch(booked.contract)


def correct(desk: Desk, contract: str, lots: Lots, price: Ticks = 0) -> None:
    """Take over the venue's position where no trade explains the difference, visibly: a Fill named
    as a correction, at `price` (else the last one known), booked to the contract's sleeve and then
    by hand.
    """
    book = desk.book(contract)
    off = lots - book.lots
    if not off:
        return
    order, row = made_up(desk, contract, off, price or book.last_price)
    _book_made_up(desk, order, row, _parts(order, book, row))


def end_shares(desk: Desk, book: Book, *, human: bool) -> None:
    """Owners that hold against each other what the venue does not: they end at the price of the
    last trade there, since a flatten leaves nothing in any book in its scope, which `human` says of
    what was made by hand. (The venue's close of a position that a fill unheard had just turned
    looks as if made by hand, against the sleeve whose stop that was.)
    """
    shares = [(owner, lots) for owner, lots in book.shares.items() if human or owner != HUMAN]
    left: Lots = sum(lots for _, lots in shares)
    if not shares or left:
        return
    order, row = made_up(desk, book.contract, 1, book.last_price)
    order.purpose = Purpose.FLATTEN
    _book_made_up(desk, order, row, tuple((owner, -lots, 0) for owner, lots in shares))


def _book_made_up(
    desk: Desk, order: Order, row: TradeRow, parts: tuple[tuple[str, Lots, Micros], ...]
) -> None:
    book = desk.book(row.contract)
    for index, part in enumerate(parts):
        move_stop(desk, order, row, part)
        _apply(desk, book, row.price, part)
        say_made_up(desk, order, row, trade_id=part_id(row.trade_id, index), part=part)
    desk.touch(row.contract)


def tell_inherited(desk: Desk, book: Book) -> None:
    """The Fill of what was taken over at a fresh start: our books have it, nobody was told. Others
    may remember more than we do and hold it already, so its tag says when it is all there is.
    """
    (lots, price), book.inherited = book.inherited, (0, 0)
    if lots:
        order, row = made_up(desk, book.contract, lots, price)
        if book.shares == {HUMAN: lots}:
            order.tag = f"{WHOLE}{desk.state.no}"
        say_made_up(desk, order, row, trade_id=row.trade_id, part=(HUMAN, lots, 0))


def made_up(desk: Desk, contract: str, lots: Lots, price: Ticks) -> tuple[Order, TradeRow]:
    """The order and the trade that would explain `lots`; its ids are no venue's."""
    number = desk.number()
    side = Side.BUY if lots > 0 else Side.SELL
    row = TradeRow(
        trade_id=-VIRTUAL - 2 * number,
        account_id=desk.state.account_id,
        order_id=0,
        contract=contract,
        side=side,
        size=abs(lots),
        price=price,
        fee=0,
        profit=None,
        venue_ns=desk.now_ns,
    )
    order = Order(
        key=f"correction.{number}",
        tag=f"correction.{number}",
        intent_id="",
        sleeve=HUMAN,
        contract=contract,
        side=side,
        size=row.size,
        type=OrderType.MARKET,
        purpose=Purpose.HUMAN,
    )
    return order, row


def say_made_up(
    desk: Desk, order: Order, row: TradeRow, *, trade_id: int, part: tuple[str, Lots, Micros]
) -> None:
    desk.state.trades[-trade_id] = Booked(
        key="", contract=row.contract, price=row.price, venue_ns=row.venue_ns, parts=(part,)
    )
    _say_fill(desk, order, row, trade_id=trade_id, part=part)


def see_position(desk: Desk, row: PositionRow) -> None:
    """The hub's view of a position: compared with ours, never taken for it."""
    state = desk.state
    if row.account_id != state.account_id:
        return
    book = desk.book(row.contract)
    if book.stream != row.lots:
        book.acted = book.news = state.step
    book.stream, book.stream_step = row.lots, state.step
    if state.based and row.lots != book.lots:
        book.differs_real_ns = book.differs_real_ns or state.real_ns
    else:
        book.differs_real_ns = 0


def forget_old(desk: Desk) -> None:
    """Drop trades too old to come again; what is older than the floor is not even looked at."""
    state = desk.state
    floor = state.trades_read_ns - KEEP_NS
    if floor <= state.floor_ns:
        return
    state.floor_ns = floor
    for trade_id in [key for key, booked in state.trades.items() if booked.venue_ns < floor]:
        del state.trades[trade_id]
