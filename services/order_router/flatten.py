"""The flatten saga (law 10): latched, needs no further word from anybody, ends only with a proof.

    cancel what can open -> closeContract, one in flight per contract -> cancel the rest -> prove

It is driven by levels, not by steps: after every event each saga looks at what is still there and
does the next thing that is safe. A kill at any point therefore loses nothing but time. A contract
is closed again only after a read, begun after the last close ended, still shows the position; how
long after depends on how it ended, because two closes of one position are a position on the other
side. An exit of a sleeve that is under way is waited for (briefly) for the same reason; beside one
of unknown outcome the venue-sized close is the only second exit there may be.

FLAT means: nothing live or unknown in scope, no close on its way, every fill accounted for, and two
reads begun after the last happening in scope show no order and the position the books have.
"""

from __future__ import annotations

from services.order_router.desk import Desk, in_scope, order_in_scope
from services.order_router.fold import closing_side
from services.order_router.memory import CLOSE, HUMAN, Book, Close, Saga
from services.order_router.outbox import send_own, want_cancel
from services.order_router.parts import end_parts, is_part, push_part
from services.order_router.trades import correct
from services.order_router.words import (
    AskPrice,
    CloseAnswer,
    CloseContract,
    Outcome,
    PriceSeen,
    ReportProgress,
)
from shared.events import (
    PROTECTIVE,
    FlattenProgress,
    FlattenStage,
    OrderState,
    OrderType,
    Phase,
    Purpose,
    Scope,
)
from shared.units import SECOND, Nanos

PRICE_PATIENCE_S = 2.0  # for the market's price, before the last fill's has to do
UNKNOWN_PACE_NS = 2 * SECOND  # where only the time of a proof of absence is waited for
LIMIT_REST_S = 2.0  # the limit order that stands in for refused market orders rests so long
EXIT_PATIENCE_S = 2.0
STUCK_AFTER_S = 30.0
TOLD_EVERY_S = 1.0
AFTER_FLAT_BY_S = 5.0  # the firm closes by itself then; we only where it has not
PACES = ((2.0, SECOND // 4), (10.0, SECOND), (0.0, 3 * SECOND))
"""(while younger than these seconds, 0: for ever; a read begins every so often): quota is
finite.
"""

PROOFS = 2
STAYING = PROTECTIVE | {Purpose.FLATTEN}
"""Purposes that are not cancelled before the position is closed."""


def start(
    desk: Desk,
    scope: Scope,
    cause: str,
    *,
    sleeve: str = "",
    contract: str = "",
    human: bool = False,
    request: str = "",
) -> None:
    """Latch a flatten, or join the one of the same scope that is under way."""
    state = desk.state
    key = f"{scope.value}:{sleeve}:{contract}"
    saga = state.sagas.get(key)
    if saga is None:
        saga = state.sagas[key] = Saga(
            scope=scope,
            halt_no=state.halt_no,
            cause=cause,
            sleeve=sleeve,
            contract=contract,
            began_real_ns=state.real_ns,
            mark=state.step,
        )
    saga.halt_no = max(saga.halt_no, state.halt_no)
    saga.human = saga.human or human
    if request and request not in saga.requests:
        saga.requests.append(request)
        saga.told_real_ns = 0


def advance(desk: Desk) -> None:
    """Do the next safe thing of every saga."""
    for key, saga in list(desk.state.sagas.items()):
        if not desk.state.account_id or not desk.state.based:
            _tell(desk, saga, FlattenStage.CANCELLING, "waiting for the venue")
            continue
        stage, detail = _next(desk, saga)
        _tell(desk, saga, stage, detail)
        if stage is FlattenStage.FLAT:
            for contract in _contracts(desk, saga):
                desk.book(contract).close = None
            del desk.state.sagas[key]


def _next(desk: Desk, saga: Saga) -> tuple[FlattenStage, str]:
    orders = [order for order in desk.state.orders.values() if order_in_scope(saga, order)]
    opening = [o for o in orders if o.purpose not in STAYING and not o.via]
    for order in opening:
        want_cancel(desk, order, f"flatten: {saga.cause}")
    held = [c for c in _contracts(desk, saga) if _held(saga, desk.book(c))]
    for contract in held:
        _push_close(desk, saga, desk.book(contract))
    if held:
        return _late(desk, saga, FlattenStage.CLOSING), ", ".join(
            f"{contract} {desk.book(contract).lots:+d}" for contract in held
        )
    for order in orders:
        if order.purpose is not Purpose.FLATTEN or order.type is OrderType.LIMIT:
            want_cancel(desk, order, f"flatten: {saga.cause}")
    if orders:
        waits = all(o.state is OrderState.UNKNOWN and o.absent_real_ns for o in orders)
        desk.read_soon(max(_pace(desk, saga), UNKNOWN_PACE_NS if waits else 0))
        stage = FlattenStage.CANCELLING if opening else FlattenStage.PROVING
        return _late(desk, saga, stage), f"orders left: {len(orders)}, first {orders[0].key}"
    end_parts(desk, saga, _contracts(desk, saga))
    return _prove(desk, saga)


def _late(desk: Desk, saga: Saga, stage: FlattenStage) -> FlattenStage:
    return FlattenStage.STUCK if desk.real_after(saga.began_real_ns, STUCK_AFTER_S) else stage


def _pace(desk: Desk, saga: Saga) -> Nanos:
    """How soon to look again: often at first, then as the quota can bear it."""
    for young_s, pace_ns in PACES:
        if not desk.real_after(saga.began_real_ns, young_s):
            return pace_ns
    return PACES[-1][1]


def _contracts(desk: Desk, saga: Saga) -> list[str]:
    return [c for c in desk.state.books if in_scope(saga, desk.state, c)]


def _held(saga: Saga, book: Book) -> bool:
    """Whether there is a position that this flatten has to close, by our books or by the venue's
    word.

    A sleeve's share that is netted away by one made by hand cannot be closed: the venue holds
    nothing.
    """
    if is_part(saga, book):
        return bool(book.shares.get(saga.sleeve))
    at_venue = bool(book.lots or book.stream)
    if saga.human:
        return at_venue
    owners = [saga.sleeve] if saga.scope is Scope.SLEEVE else list(book.shares)
    return at_venue and any(book.shares.get(owner) for owner in owners if owner != HUMAN)


# -- closing -------------------------------------------------------------------------------------


def _push_close(desk: Desk, saga: Saga, book: Book) -> None:
    """Close the contract if it is safe to do so now; else see that a read will tell."""
    if is_part(saga, book):
        return push_part(desk, saga, book, may=not _is_over(desk))
    if _something_closes(desk, saga, book) or _not_there(desk, book) or not _may_close(desk, book):
        desk.read_soon(max(_pace(desk, saga), _rest_ns(desk, book)), after=book.acted)
        return
    refusals = book.close.refusals if book.close else 0
    lots = book.lots or book.stream or 0
    if refusals >= 2 and refusals % 2 == 0 and _whole(desk, book):
        if _asks_price(desk, book):
            return
        if book.last_price:
            _close_by_limit(desk, book, refusals)
            return
    close = Close(
        close_id=desk.request_id(), lots=lots, sent_ns=desk.passed_ns(), refusals=refusals
    )
    book.close = close
    desk.say(CloseContract(close_id=close.close_id, contract=book.contract))


def _rest_ns(desk: Desk, book: Book) -> Nanos:
    """How long no read could let a refused close be tried again: it would only spend requests."""
    close = book.close
    if close is None or close.over or close.order_key or close.outcome is not Outcome.REFUSED:
        return 0
    return close.ended_real_ns + int(close.rest_s * SECOND) - desk.state.real_ns


def _asks_price(desk: Desk, book: Book) -> bool:
    """Whether the market's price is being asked for. The last fill's may be far away by now, and no
    governor need live to say so: the venue's own last bar is asked, once for each limit.
    """
    if book.asked:
        return not desk.real_after(book.asked_real_ns, PRICE_PATIENCE_S)
    assert book.close is not None, "Invariant: a limit stands in for a close that was refused"
    if book.priced >= book.close.mark:
        return False
    book.asked, book.asked_real_ns = desk.request_id(), desk.state.real_ns or 1
    desk.say(AskPrice(ask_id=book.asked, contract=book.contract, now_ns=desk.now_ns))
    return True


def on_price(desk: Desk, seen: PriceSeen) -> None:
    """The answer to the last question; an older one's says nothing any more."""
    book = desk.book(seen.contract)
    if seen.ask_id != book.asked:
        return
    book.asked, book.priced = 0, desk.state.step
    book.last_price = seen.price or book.last_price


def _whole(desk: Desk, book: Book) -> bool:
    """Whether our own count of the position is complete enough to size an order by it."""
    return bool(book.lots) and not desk.coming(book.contract)


def _something_closes(desk: Desk, saga: Saga, book: Book) -> bool:
    """Whether an order that may close the position is on its way."""
    if book.close is not None and book.close.outcome is None:
        return True
    patient = not desk.real_after(saga.began_real_ns, EXIT_PATIENCE_S)
    for order in list(desk.live(book.contract)):
        if order.purpose is Purpose.FLATTEN and order.state is not OrderState.UNKNOWN:
            if order.type is OrderType.LIMIT and desk.real_after(order.sent_real_ns, LIMIT_REST_S):
                want_cancel(desk, order, "the market did not come to it")
            return True
        exiting = order.purpose is Purpose.EXIT and order.via != CLOSE
        if exiting and patient and order.state is not OrderState.UNKNOWN:
            return True
    return False


def _not_there(desk: Desk, book: Book) -> bool:
    """Whether the venue, asked since the last happening, shows no position at all: then a trade is
    missing, not a close. Its difference is settled by reading, at last by a correction.
    """
    read = desk.state.read
    if read is None or read.begin < book.acted or read.positions.get(book.contract):
        return False
    if desk.state.quarantine_real_ns:
        correct(desk, book.contract, 0)
        book.stream = 0
    return True


def _may_close(desk: Desk, book: Book) -> bool:
    state, close, read = desk.state, book.close, desk.state.read
    if close is None or close.over:
        return not _is_over(desk)
    assert close.outcome is not None, "Invariant: one close in flight per contract"
    if close.outcome is Outcome.NOT_SENT:
        return desk.real_after(close.ended_real_ns, close.rest_s)
    if read is None or read.begin < max(close.mark, book.acted):
        return False
    if not read.positions.get(book.contract):
        return False
    done = desk.find(close.order_key) if close.order_key else None
    seen = done is not None and not done.live and close.outcome is not Outcome.UNKNOWN
    rested = read.begin_real_ns - close.ended_real_ns >= close.rest_s * SECOND
    return (seen or rested) and not _is_over(desk) and state.account_id > 0


def _is_over(desk: Desk) -> bool:
    """After the flat-by time the firm closes by itself; we only what it still shows 5 s later."""
    state = desk.state
    if state.phase is not Phase.CLOSED or not state.closed_real_ns:
        return False
    read = state.read
    asked_ns = 0 if read is None else read.begin_real_ns
    return asked_ns - state.closed_real_ns < AFTER_FLAT_BY_S * SECOND


def _close_by_limit(desk: Desk, book: Book, refusals: int) -> None:
    """Market orders are refused (a velocity pause, say): rest a limit far through the last
    price, of the market or, where that cannot be learnt, of our last fill.
    """
    away = desk.settings.risk_governor.net_stop_ticks
    side = closing_side(book.lots)
    price = max(1, book.last_price + side * away)
    send_own(desk, book, Purpose.FLATTEN, side=side, size=abs(book.lots), limit_price=price)
    assert book.close is not None, "Invariant: a limit stands in for a close that was refused"
    book.close.refusals = refusals + 1
    book.asked = 0


def on_close_answer(desk: Desk, answer: CloseAnswer) -> None:
    """How a close ended. The read that must follow it begins at once."""
    book = desk.book(answer.contract)
    close = book.close
    if close is None or close.close_id != answer.close_id:
        return
    end_close(desk, close, answer.outcome)
    book.acted = desk.state.step
    desk.read_soon()


def end_close(desk: Desk, close: Close, outcome: Outcome) -> None:
    """Note how a close ended."""
    close.outcome, close.mark = outcome, desk.state.step
    close.ended_real_ns = desk.state.real_ns
    close.refusals = close.refusals + 1 if outcome is Outcome.REFUSED else 0


def end_closes(desk: Desk) -> None:
    """A close that was answered and whose contract a later read and our own books show flat is
    history. A position that comes after it (a fill of what was being cancelled) is closed at once:
    the read that would be needed first may find the request budget spent.
    """
    state, read = desk.state, desk.state.read
    assert read is not None, "Invariant: told after a read"
    for contract, book in state.books.items():
        close = book.close
        if close is None or close.outcome not in (Outcome.DONE, Outcome.REFUSED):
            continue
        flat = not (book.lots or book.stream or read.positions.get(contract))
        if flat and not desk.coming(contract) and read.begin >= max(close.mark, book.acted):
            close.over, close.refusals = True, 0


# -- proof ---------------------------------------------------------------------------------------


def _prove(desk: Desk, saga: Saga) -> tuple[FlattenStage, str]:
    state, read = desk.state, desk.state.read
    contracts = _contracts(desk, saga)
    mark = max([desk.book(c).acted for c in contracts] + [saga.mark])
    if mark > saga.mark:
        saga.mark, saga.proofs = mark, 0
    if read is not None and read.begin >= mark and read.begin != saga.proof_begin:
        saga.proof_begin = read.begin
        agrees = _agrees(desk, saga, contracts)
        saga.proofs = saga.proofs + 1 if agrees else 0
    if saga.proofs >= PROOFS:
        return FlattenStage.FLAT, f"{PROOFS} reads agree"
    fresh = read is None or read.begin < mark or saga.proofs > 0
    desk.read_soon(0 if fresh else _pace(desk, saga), after=mark)
    return _late(desk, saga, FlattenStage.PROVING), f"{saga.proofs} of {PROOFS} reads agree" + (
        "" if state.up else "; the hub is down"
    )


def _agrees(desk: Desk, saga: Saga, contracts: list[str]) -> bool:
    """Whether the last read shows the scope flat, with every fill accounted for."""
    state, read = desk.state, desk.state.read
    assert read is not None, "Invariant: a proof is a read"
    for contract in contracts:
        book = desk.book(contract)
        shown = read.positions.get(contract, 0)
        if shown != book.lots or (saga.human and shown):
            return False
        if book.close is not None and book.close.outcome is None:
            return False
    known = [desk.find(key) for key in read.live]
    if any(order is not None and order_in_scope(saga, order) for order in known):
        return False
    return not any(in_scope(saga, state, row.contract) for row in state.waiting.values())


# -- telling -------------------------------------------------------------------------------------


def _tell(desk: Desk, saga: Saga, stage: FlattenStage, detail: str) -> None:
    """Say how far it is: at each stage, and about every second for whoever watches the beat."""
    changed = saga.stage != stage.value
    if not changed and saga.told_real_ns and not desk.real_after(saga.told_real_ns, TOLD_EVERY_S):
        return
    saga.stage = stage.value
    saga.told_real_ns = desk.state.real_ns or 1
    saga.beat += 1
    for request in saga.requests or [""]:
        desk.say(
            FlattenProgress(
                no=desk.number(),
                halt_no=saga.halt_no,
                scope=saga.scope,
                stage=stage,
                cause=saga.cause,
                request_id=request,
                contract=saga.contract,
                detail=detail,
                sleeve=saga.sleeve,
            )
        )
        if request:
            desk.say(
                ReportProgress(
                    request_id=request,
                    stage=stage.value,
                    beat=saga.beat,
                    detail=detail,
                    done=stage is FlattenStage.FLAT,
                )
            )
