"""Reconciliation: reads of the venue against our books, at start, after every reconnect, all the
time.

A read asks for live orders, then positions, then trades; `Books` is its complete answer. Orders we
believe live that it does not list are looked for in a read with history; what that does not show
either is UNKNOWN, and ABSENT only after two such reads far enough apart, both begun after the
connection of its request had ended.

Positions are then compared with the fold of all trades (`difference.py`).

At a fresh start there is no fold: the positions found are taken over as made by hand (nobody here
knows better), said in `Reconciled.difference`, and keep the router in quarantine until they are
gone.
"""

from __future__ import annotations

from services.order_router import difference, flatten, stand_in
from services.order_router.desk import Desk
from services.order_router.fold import OVER, happen, see_order
from services.order_router.memory import HUMAN, NEVER, Booked, Order, ReadDone, Reading
from services.order_router.trades import OVERLAP_NS, forget_old, retry_waiting, see_trade
from services.order_router.words import Books, ReadBooks, Unread
from shared.contracts import UnknownContract, product_of
from shared.domain.orders import Happening
from shared.events import AccountUpdate, OrderState
from shared.units import MINUTE, SECOND, Lots, Nanos, Ticks
from shared.venue.translate import AccountRow, PositionRow

HISTORY_NS: Nanos = 2 * MINUTE  # before the oldest order looked for
AGAIN_NS: Nanos = SECOND
REST_NS: Nanos = SECOND // 2
GLANCE_NS: Nanos = 3 * SECOND  # between two glances: twenty requests of a minute's two hundred
READS_MAX = 2  # under way at once
ACCOUNT_EVERY = 3  # periodic reads; the hub tells the account's changes too
LOOK_AFTER_S = 0.5  # the hub's chance to settle what a request left open
TRADES_OWED_S = 0.5
OWED_LOOKS = 6  # then the comparison of positions has the word


def begin(desk: Desk) -> None:
    """Say the read that is due, if one is."""
    state = desk.state
    due_ns = max(state.read_rest_ns, min(state.read_due_ns, state.round_due_ns))
    if not state.account_id or state.real_ns < due_ns:
        return
    urgent = _is_urgent(desk)
    if len(state.reads) >= READS_MAX or (not urgent and state.real_ns < state.glance_due_ns):
        return
    periodic = state.real_ns >= state.round_due_ns
    if periodic:
        every_s = desk.settings.order_router.reconcile_every_real_s
        state.round_due_ns = state.real_ns + int(every_s * SECOND)
        state.rounds += 1
    state.read_due_ns = NEVER
    read_id = desk.request_id()
    reading = state.reads[read_id] = Reading(
        begin=state.step,
        begin_real_ns=state.real_ns,
        begin_ns=desk.passed_ns(),
        since_ns=_history(desk),
        periodic=periodic,
        waiting=tuple(state.waiting),
    )
    desk.say(
        ReadBooks(
            read_id=read_id,
            trades_since_ns=max(0, (state.trades_read_ns or desk.passed_ns()) - OVERLAP_NS),
            since_ns=reading.since_ns,
            account=periodic and state.rounds % ACCOUNT_EVERY == 1,
            urgent=urgent,
        )
    )


def _is_urgent(desk: Desk) -> bool:
    """Whether a read may use the reserve: something is not known, or a flatten waits for it."""
    state = desk.state
    return bool(
        state.sagas
        or not state.reconciled
        or state.waiting
        or state.owed
        or state.glimpsed
        or any(order.state is OrderState.UNKNOWN for order in state.orders.values())
    )


def _history(desk: Desk) -> Nanos:
    """From when on orders of every status are needed: 0 when live ones are enough."""
    state = desk.state
    looked_for = [o.sent_ns for o in state.orders.values() if not o.via and _unsure(desk, o)]
    looked_for += [row.venue_ns for row in state.waiting.values()]
    return max(1, min(looked_for) - HISTORY_NS) if looked_for else 0


def _unsure(desk: Desk, order: Order) -> bool:
    """An order the last read should have listed and did not, or whose request came to nothing
    known.
    """
    read = desk.state.read
    if order.state is OrderState.UNKNOWN:
        return True
    if order.state is OrderState.SENT or read is None or not order.venue_id:
        return False
    return order.seen < read.begin and order.key not in read.live


def on_books(desk: Desk, books: Books) -> None:
    """Fold a complete read and draw its conclusions."""
    state = desk.state
    reading = state.reads.pop(books.read_id, None)
    if reading is None or not state.account_id:
        return
    state.quota_left = books.quota_left
    state.glimpsed = False
    if books.account is not None:
        see_account(desk, books.account)
    live: dict[str, int] = {}
    for row in books.orders:
        see_order(desk, row, reading.begin)
        order = desk.by_id(row.order_id)
        if order is not None and row.status not in OVER:
            live[order.key] = row.order_id
    positions = {
        row.contract: row.lots
        for row in books.positions
        if row.account_id == state.account_id and row.lots
    }
    if not state.based and not _take_base(desk, reading, books):
        desk.read_soon(AGAIN_NS // 4)
        return
    for trade in books.trades:
        see_trade(desk, trade)
    retry_waiting(desk, reading)
    state.trades_read_ns = max(state.trades_read_ns, reading.begin_ns)
    forget_old(desk)
    state.read = ReadDone(
        begin=reading.begin,
        begin_real_ns=reading.begin_real_ns,
        positions=positions,
        live=live,
        averages={row.contract: _average(row) for row in books.positions},
    )
    _stream_from(desk, reading, positions)
    _missing(desk, reading, live)
    flatten.end_closes(desk)
    first = not state.reconciled
    if difference.compare(desk, reading, positions) and (first or reading.periodic):
        difference.tell(desk)
    stand_in.forget(desk, reading)


def on_unread(desk: Desk, unread: Unread) -> None:
    """A read that failed proves nothing; another one soon, but however urgent not at once: where
    nothing leaves us (no network, no budget) the answer takes no time at all.
    """
    state = desk.state
    reading = state.reads.pop(unread.read_id, None)
    if reading is None:
        return
    if unread.held is None:
        state.read_rest_ns = state.real_ns + REST_NS
    else:
        state.glimpsed = _differs(desk, reading, unread.held)
        state.glance_due_ns = state.real_ns + GLANCE_NS
    state.reason = unread.reason
    desk.read_soon(0 if state.glimpsed else AGAIN_NS)
    if reading.periodic:
        state.rounds -= 1
        state.round_due_ns = min(state.round_due_ns, state.real_ns + AGAIN_NS)


def _differs(desk: Desk, reading: Reading, held: tuple[PositionRow, ...]) -> bool:
    """Whether a glance shows a position that our books do not know so: something was filled
    unheard, and may lack its stop. Nothing of it is believed, but the next read is urgent.
    """
    state = desk.state
    theirs = {row.contract: row.lots for row in held if row.account_id == state.account_id}
    unknown = any(lots and contract not in state.books for contract, lots in theirs.items())
    return unknown or any(
        book.lots != theirs.get(contract, 0) and book.news <= reading.begin
        for contract, book in state.books.items()
    )


def _take_base(desk: Desk, reading: Reading, books: Books) -> bool:
    """A fresh start: take the positions found for made by hand, if nothing moved while we asked."""
    state = desk.state
    if state.user_step > reading.begin:
        return False
    for trade in books.trades:
        state.trades[trade.trade_id] = Booked(
            key="", contract=trade.contract, price=trade.price, venue_ns=trade.venue_ns
        )
    state.floor_ns = max(0, reading.begin_ns - OVERLAP_NS)
    for row in books.positions:
        if row.account_id == state.account_id and row.lots:
            _inherit(desk, row)
    state.based = True
    return True


def _inherit(desk: Desk, row: PositionRow) -> None:
    book, average = desk.book(row.contract), _average(row)
    book.position.apply(row.lots, average)
    book.shares[HUMAN] = row.lots
    book.last_price, book.inherited = average, (row.lots, average)
    desk.state.inherited = True
    desk.touch(row.contract)


def _average(row: PositionRow) -> Ticks:
    """A position's entry price; 0 for a product we do not know: it can be closed, not valued."""
    try:
        return row.average_nanos // product_of(row.contract).tick_nanos
    except UnknownContract:
        return 0


def _stream_from(desk: Desk, reading: Reading, positions: dict[str, Lots]) -> None:
    """What a read shows stands for the stream where the stream has been quiet since."""
    for contract in positions:
        desk.book(contract)
    for contract, book in desk.state.books.items():
        if book.stream_step <= reading.begin:
            book.stream = positions.get(contract, 0)
            if book.stream == book.lots:
                book.differs_real_ns = 0


def _missing(desk: Desk, reading: Reading, live: dict[str, int]) -> None:
    """Judge orders that should have been listed."""
    state = desk.state
    for order in list(state.orders.values()):
        if order.via or order.key in live or order.seen >= reading.begin:
            continue
        if order.state is OrderState.SENT or not order.live:
            continue
        if not reading.since_ns or order.sent_ns < reading.since_ns:
            desk.read_soon()
        elif order.state is OrderState.UNKNOWN:
            if reading.begin >= order.mark:
                _prove_absent(desk, order, reading)
        else:
            order.mark = state.step
            order.absent_real_ns = 0
            happen(desk, order, Happening.MISSING, "no complete read shows it")


def _prove_absent(desk: Desk, order: Order, reading: Reading) -> None:
    apart_s = desk.settings.order_router.absence_queries_apart_real_s
    if not order.absent_real_ns:
        order.absent_real_ns = reading.begin_real_ns or 1
        desk.read_soon(int(apart_s * SECOND))
    elif reading.begin_real_ns - order.absent_real_ns >= apart_s * SECOND:
        happen(desk, order, Happening.PROVEN_ABSENT, "two reads do not show it")
    else:
        left_ns = order.absent_real_ns + int(apart_s * SECOND) - desk.state.real_ns
        desk.read_soon(max(left_ns, 0))


def see_account(desk: Desk, row: AccountRow) -> None:
    """The account's record, told when it changed."""
    state = desk.state
    if row.account_id != state.account_id:
        return
    state.balance, state.can_trade = row.balance, row.can_trade
    now = (row.account_id, row.balance, row.can_trade)
    if now == state.account_told:
        return
    state.account_told = now
    desk.say(
        AccountUpdate(
            no=desk.number(),
            account_id=row.account_id,
            name=row.name,
            balance=row.balance,
            can_trade=row.can_trade,
            simulated=row.simulated,
        )
    )


# -- on a pulse ----------------------------------------------------------------------------------


def _left_open(desk: Desk, order: Order) -> bool:
    """Whether a request about `order` ended so that only a read begun since can settle it."""
    read = desk.state.read
    if order.via or (read is not None and read.begin >= order.mark):
        return False
    cancelled = order.state is OrderState.CANCELLING and not order.cancelling
    unknown = order.state is OrderState.UNKNOWN
    return cancelled or unknown or order.blocked or bool(order.unchangeable)


def pulse(desk: Desk) -> None:
    """What only time brings: trades that did not come, a stream that differs, a quarantine
    unattended.
    """
    state = desk.state
    for key, (since_ns, looks) in list(state.owed.items()):
        if desk.real_after(since_ns or 1, TRADES_OWED_S):
            order = desk.find(key)
            if order is None or order.traded >= order.filled or looks == OWED_LOOKS:
                del state.owed[key]
                if order is not None:
                    desk.touch(order.contract)  # nobody looked at it while a trade was to come
            else:
                state.owed[key] = (state.real_ns, looks + 1)
                desk.read_soon()
    if state.waiting:
        desk.read_soon(after=state.waiting_step)
    for order in state.orders.values():
        if _left_open(desk, order) and desk.real_after(order.ended_real_ns or 1, LOOK_AFTER_S):
            desk.read_soon(after=order.mark)
    for book in state.books.values():
        if desk.real_after(book.differs_real_ns, TRADES_OWED_S):
            book.differs_real_ns = state.real_ns
            desk.read_soon()
    difference.pulse(desk)
    if not state.up and (state.orders or any(book.lots for book in state.books.values())):
        desk.read_soon(AGAIN_NS)
