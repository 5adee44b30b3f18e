"""What the router tells: orders, fills, positions, balances, and what the venue proved.

The router's lane is in order and complete, so our books equal its positions at every
`PositionUpdate` and `Reconciled`; if they do not, history is missing and new risk waits until it is
explained. Only the router's answer, or a complete reconciliation, releases what an approval holds.
"""

from __future__ import annotations

from services.risk_governor.day import begin_day, realised, trade_began, trade_ended
from services.risk_governor.habits import on_part
from services.risk_governor.intents import ask_again
from services.risk_governor.latches import (
    CLOCK,
    DIFFERENCE,
    RECALLED,
    RESTART,
    flatten_again,
    latch,
    unlatch,
)
from services.risk_governor.levels import cancel, judge_account
from services.risk_governor.sharing import note_stop
from services.risk_governor.standing import payout_is_seen
from services.risk_governor.state import CLOSING, Mind, Order, product, side_of
from shared.domain.ledger import HUMAN
from shared.domain.rules.streak import is_entry
from shared.domain.sharing import is_first_half
from shared.events import (
    PROTECTIVE,
    TERMINAL,
    AccountUpdate,
    Fill,
    Grounds,
    OrderState,
    OrderUpdate,
    PositionUpdate,
    Purpose,
    Reconciled,
    SleeveBook,
    VenueStatus,
    VetoRule,
    WorkingOrder,
)
from shared.units import SECOND, Lots, Nanos, Ticks

ON_ITS_WAY_REAL_NS = 10 * SECOND  # longer than an approval lives and a comparison reads
EARLY_MAX = 1_024  # fills without an order; reconciliation empties it every ten seconds


def on_order(mind: Mind, now_ns: Nanos, update: OrderUpdate) -> None:
    state = mind.state
    state.router_no = update.no
    key = update.intent_id or update.tag
    order = state.orders.get(key)
    if order is None:
        order = _adopted(mind, key, update)
        state.orders[key] = order
    mind.forget(order.contract)  # also where the update, wrongly, names another one
    order.state, order.asked = update.state, ""
    order.done = update.state in TERMINAL
    order.size = update.size
    order.filled = max(order.filled, update.filled)
    if update.limit_price is not None:
        order.limit_price = update.limit_price
        if order.nearer is not None and order.nearer[0] == update.limit_price:
            order.nearer = None
    if update.stop_price is not None:
        order.stop_price = update.stop_price
    before, order.worst_price = order.worst_price, _worst_price(mind, order)
    if _over(mind, order):
        del state.orders[key]
    if update.sleeve:
        mind.out.append(update)
        say_book(mind, update.sleeve, update.contract)
    ask_again(mind, now_ns, update.contract)
    if order.worst_price != before:
        judge_account(mind, now_ns)


def _worst_price(mind: Mind, order: Order) -> Ticks | None:
    """Where an order of unknown outcome may have filled at worst; None while its outcome is known.

    Without a price of its own that is the market's other side when its outcome became unknown.
    """
    if order.state is not OrderState.UNKNOWN:
        return None
    if order.limit_price is not None or order.worst_price is not None:
        return order.worst_price if order.limit_price is None else order.limit_price
    mark, slippage = mind.state.marks.get(order.contract), mind.limits.given.slippage_ticks
    price = order.stop_price
    if price is None and mark is not None and mark.usable():
        price = max(mark.bid, mark.ask) if order.side > 0 else min(mark.bid, mark.ask)
    return None if price is None else price + order.side * slippage


def _over(mind: Mind, order: Order) -> bool:
    """Whether nothing more can come of an order. An exit may have been carried out in another
    order's name (a re-priced take-profit, a close by the venue): it is over when nothing is left to
    close."""
    if not order.done or not order.leaves():
        return order.done
    ledger = mind.state.ledger
    held = (
        ledger.held(order.sleeve, order.contract)
        if order.sleeve
        else ledger.position(order.contract)
    )
    return order.reducing and held * order.side >= 0


def _adopted(mind: Mind, key: str, update: OrderUpdate) -> Order:
    """An order no approval of ours announced: a leg, the router's own, a hand's, an orphan's."""
    return Order(
        intent_id=key,
        sleeve=update.sleeve,
        contract=update.contract,
        side=int(update.side),
        size=update.size,
        purpose=update.purpose,
        type=update.type,
        booked=mind.state.early.pop(key, 0),
        protects=update.purpose in PROTECTIVE,
        reducing=update.purpose in CLOSING,
    )


def on_fill(mind: Mind, now_ns: Nanos, fill: Fill) -> None:
    state = mind.state
    state.router_no = fill.no
    held = state.ledger.held(fill.sleeve, fill.contract)
    trade_began(mind, fill, held)
    key = fill.intent_id or fill.tag
    order = state.orders.get(key)
    if state.shared and fill.trade_id not in state.ledger.trades:
        note_stop(mind, fill, order)
    parts = state.ledger.apply(fill)
    if not parts:
        return
    state.fills += 1
    state.tally.traded = True
    lots = -fill.size if fill.voided else fill.size
    if order is None:
        _keep_early(mind, key, lots)
    else:
        order.booked += lots if fill.side == order.side else -lots  # a part may lie against it
    for done in [order for order in mind.ended(fill.contract) if _over(mind, order)]:
        del state.orders[done.intent_id]
    _count_fill(mind, fill, lots, held)
    half = is_first_half(fill)  # the other follows at once: the net position is no judge's yet
    if not half:
        _watch_protection(mind, fill.contract, protected=0)
    if _holds_again(mind, fill):
        flatten_again(mind, fill.sleeve)
    for part in parts:
        trade_ended(mind, now_ns, fill, part)
        on_part(mind, now_ns, fill, part)
    if fill.sleeve:
        mind.out.append(fill)
    for owner, _ in parts:
        if owner != HUMAN:
            say_book(mind, owner, fill.contract)
    if half:
        return
    _trim_exits(mind, fill.contract)
    ask_again(mind, now_ns, fill.contract)
    judge_account(mind, now_ns)


def _count_fill(mind: Mind, fill: Fill, lots: Lots, held: Lots) -> None:
    """Trades begun and contracts quoted today; `held` before the fill."""
    if fill.purpose is Purpose.ENTRY and not fill.voided:
        after = mind.state.ledger.held(fill.sleeve, fill.contract)
        mind.state.trades_today += is_entry(held, after, adds=False)
    if fill.purpose is Purpose.QUOTE:
        mind.state.quoted_today += lots


def _holds_again(mind: Mind, fill: Fill) -> bool:
    """Whether a fill left something held; where sleeves share, something of its own."""
    ledger = mind.state.ledger
    if fill.contract in mind.state.shared and fill.sleeve:
        return bool(ledger.held(fill.sleeve, fill.contract))
    return bool(ledger.position(fill.contract))


def _keep_early(mind: Mind, key: str, lots: Lots) -> None:
    early = mind.state.early
    early[key] = early.get(key, 0) + lots
    if len(early) > EARLY_MAX:
        del early[next(iter(early))]


def _trim_exits(mind: Mind, contract: str) -> None:
    """An exit that would open something, now that the position shrank by another way, goes."""
    room: dict[str, int] = {}
    for order in mind.live(contract):
        if not order.reducing or order.purpose not in (Purpose.EXIT, Purpose.QUOTE):
            continue
        key = f"{order.sleeve}/{order.side}"
        if key not in room:
            held = mind.state.ledger.held(order.sleeve, contract)
            room[key] = abs(held) if held * order.side < 0 else 0
        room[key] -= order.leaves()
        if room[key] < 0:
            over = Grounds(
                rule=VetoRule.NOT_AN_EXIT.value,
                limit=room[key] + order.leaves(),
                actual=order.leaves(),
                largest=max(0, room[key] + order.leaves()),
            )
            cancel(mind, order.intent_id, "there is no longer so much to close", over)


def on_position(mind: Mind, now_ns: Nanos, update: PositionUpdate) -> None:
    state = mind.state
    state.router_no = update.no
    ours = state.ledger.position(update.contract)
    if ours != update.position:
        differ(mind, now_ns, f"{update.contract}: router {update.position}, books {ours}")
    _watch_protection(mind, update.contract, protected=update.protected)


def held_by_sleeves(mind: Mind, contract: str) -> Lots:
    """Contracts of a position that the sleeves hold. What is held by hand is its maker's to
    protect, as the router sees it too: it closes such a position only with the whole account.
    """
    held = mind.state.ledger.position(contract)
    ours = held - mind.state.ledger.held(HUMAN, contract)
    return min(abs(ours), abs(held)) if ours * held > 0 else 0


def _watch_protection(mind: Mind, contract: str, *, protected: Lots) -> None:
    """Start or stop the clock of an uncovered position; real time, as the venue's stop is."""
    state = mind.state
    if protected >= held_by_sleeves(mind, contract):
        state.naked_real_ns.pop(contract, None)
        if not state.ledger.position(contract):
            state.closing.pop(contract, None)
    else:
        state.naked_real_ns.setdefault(contract, state.real_ns)


def on_account(mind: Mind, now_ns: Nanos, update: AccountUpdate) -> None:
    state = mind.state
    state.router_no = update.no
    state.can_trade, state.simulated = update.can_trade, update.simulated
    state.account_id = state.account_id or update.account_id
    same = update.account_id == state.account_id
    state.stranger = "" if same else f"{update.name} ({update.account_id})"


def on_venue(mind: Mind, now_ns: Nanos, status: VenueStatus) -> None:
    mind.state.router_no = status.no
    mind.state.venue, mind.state.venue_reason = status.state, status.reason


def on_reconciled(mind: Mind, now_ns: Nanos, proof: Reconciled) -> None:
    """Release what does not exist, compare positions and balance, begin the day when it is due."""
    state = mind.state
    state.router_no = proof.no
    state.early.clear()
    _release(mind, proof)
    theirs = {contract: lots for contract, lots in proof.positions if lots}
    ours = state.ledger.positions()
    found = state.latches.get(DIFFERENCE)
    if found is not None and found.flattens and not found.flattening and not theirs:
        state.ledger.write_off()  # the venue proved flat; the latch has named what differed
        ours = {}
    if proof.difference or theirs != ours:
        differ(mind, now_ns, proof.difference or f"router {theirs}, books {ours}")
    else:
        unlatch(mind, DIFFERENCE)
        for key in (RESTART, CLOCK, RECALLED):
            held = state.latches.get(key)
            if held is not None and held.clears == "reconcile" and proof.as_of_ns >= held.since_ns:
                unlatch(mind, key)
        suspected = payout_is_seen(mind, now_ns, proof)
        if not suspected:
            begin_day(mind, now_ns, proof)
        if state.base is not None and not ours and not suspected:
            state.drift = proof.balance - state.base - realised(mind)
    for contract in sorted(state.waiting):
        ask_again(mind, now_ns, contract)
    judge_account(mind, now_ns)


def _release(mind: Mind, proof: Reconciled) -> None:
    """Forget every order the router does not list. An approval it has not answered yet may still be
    on its way there, until its deadline was seen to pass before the comparison began."""
    state, live = mind.state, set(proof.live)
    for order in state.orders.values():
        if order.nearer is not None and state.real_ns - order.nearer[1] > ON_ITS_WAY_REAL_NS:
            order.nearer = None
            mind.forget(order.contract)
    gone = [
        order
        for key, order in state.orders.items()
        if key not in live and (order.state is not None or 0 < order.lapsed_ns <= proof.as_of_ns)
    ]
    for order in gone:
        del state.orders[order.intent_id]
    for sleeve, contract in dict.fromkeys((order.sleeve, order.contract) for order in gone):
        if sleeve:
            say_book(mind, sleeve, contract)


def differ(mind: Mind, now_ns: Nanos, cause: str) -> None:
    """Hold until it agrees again; `cause`, what differs by now, is what a person is shown."""
    limit, held = mind.limits.difference_ns, mind.state.latches.get(DIFFERENCE)
    if held is not None and not held.flattens and held.cause != cause:
        held.cause = cause
        mind.state.latched += 1
    latch(mind, now_ns, DIFFERENCE, cause, grounds=Grounds(rule=DIFFERENCE, limit=limit))


def say_book(mind: Mind, sleeve: str, contract: str) -> None:
    mind.out.append(book_of(mind, sleeve, contract))


def book_of(mind: Mind, sleeve: str, contract: str, *, asked: bool = False) -> SleeveBook:
    """What a sleeve holds and what it has working, as answered by the router so far; with `asked`
    also what the router has not answered.
    """
    state = mind.state
    book = state.ledger.book(sleeve, contract)
    return SleeveBook(
        sleeve=sleeve,
        contract=contract,
        position=book.position.lots,
        cost=book.position.cost,
        realised=book.position.realised * product(contract).tick_micros,
        fees=book.fees,
        working=tuple(
            WorkingOrder(
                intent_id=order.intent_id,
                side=side_of(order.side),
                size=order.size,
                filled=order.filled,
                purpose=order.purpose,
                state=order.state or OrderState.SENT,
                limit_price=order.limit_price,
                stop_price=order.stop_price,
            )
            for order in state.orders.values()
            if order.sleeve == sleeve
            and order.contract == contract
            and (asked or order.state is not None)
            and not order.done
        ),
        router_no=state.router_no,
    )


def books_of(mind: Mind, sleeve: str) -> tuple[SleeveBook, ...]:
    """Every book of a sleeve that is not empty or has something working, for a new owner: what was
    approved and is not yet answered is on its way, and must not be asked for again.
    """
    state = mind.state
    contracts = dict.fromkeys(
        [contract for contract, desk in state.ledger.desks.items() if sleeve in desk.owners]
        + [order.contract for order in state.orders.values() if order.sleeve == sleeve]
    )
    return tuple(book_of(mind, sleeve, contract, asked=True) for contract in contracts)


def asked_of(mind: Mind, sleeve: str, what: str) -> tuple[str, ...]:
    """Orders of a sleeve of which a change or a cancel was approved that the router has not told of
    yet: a new owner must not ask for it again.
    """
    return tuple(
        order.intent_id
        for order in mind.state.orders.values()
        if order.sleeve == sleeve and order.asked == what and not order.done
    )


def lapse(mind: Mind, now_ns: Nanos) -> None:
    """Note which approvals went past their deadline unanswered; they count until reconciled.

    After a restart real time may have begun anew, so the deadline is set again, to the latest it
    can have been.
    """
    for order in mind.state.orders.values():
        if order.state is not None:
            continue
        if not order.deadline_real_ns:
            order.deadline_real_ns = mind.state.real_ns + mind.limits.approval_ns
        elif mind.state.real_ns > order.deadline_real_ns and not order.lapsed_ns:
            order.lapsed_ns = now_ns
