"""Protection: a stop at the venue for every position of ours, measured at every step.

A directional entry brings its own bracket; its legs open some milliseconds after the fill and are
given half the allowed time. Everything else - quotes, a bracket that did not come - gets one
NET_STOP over what is not covered: placed with the first fill, changed with the position, cancelled
when flat. A stop the venue refuses means that the market is already beyond it: the contract is
closed. So is one that stays naked longer than allowed.

What protects nothing any more goes: exits larger than the position, legs whose position is gone
(after a moment, since the venue's own one-cancels-other does the same), stops that would open the
other side. Positions made by hand are measured and shown, but get no orders of ours.
"""

from __future__ import annotations

from services.order_router import flatten
from services.order_router.desk import Desk
from services.order_router.fold import closing_side, opposing
from services.order_router.memory import HUMAN, OPENERS, RESTING, STOPS, Book, Order
from services.order_router.outbox import change, send_own, want_cancel
from shared.domain.sharing import net_stop
from shared.events import OrderState, PositionUpdate, Purpose, Scope
from shared.units import Lots, Ticks

GRACE = 0.5
"""Share of the allowed time in which the legs of a bracket may still be on their way."""

SWEEP_S = 0.4
"""Real seconds after which a leg without a position is an orphan, not one the venue is
cancelling.
"""

LEGS = frozenset({Purpose.STOP_LOSS, Purpose.TAKE_PROFIT})


def guard(desk: Desk, book: Book) -> None:
    """Look at one contract: measure, tell, and do what is missing."""
    if desk.coming(book.contract):
        return  # its trade is on the way and brings us back here
    bare = _measure(desk, book)
    if desk.saga_over(book.contract) is not None or not desk.state.account_id:
        return
    for order in list(desk.live(book.contract)):
        _drop_what_opens(desk, book, order)
    want = _wanted(desk, book)
    _keep_net_stop(desk, book, want)
    _trim(desk, book)
    allowed_s = desk.settings.risk_governor.unprotected_real_s
    if bare and desk.real_after(book.bare_real_ns, allowed_s):
        _close(desk, book, f"unprotected for {allowed_s:g} s")


def _close(desk: Desk, book: Book, cause: str) -> None:
    flatten.start(desk, Scope.CONTRACT, cause, contract=book.contract)


def ours(book: Book) -> Lots:
    """The part of the position that is ours to protect, signed: what is made by hand may net it
    away.
    """
    share = book.lots - book.shares.get(HUMAN, 0)
    if share * book.lots <= 0:
        return 0
    return share if abs(share) < abs(book.lots) else book.lots


def _measure(desk: Desk, book: Book) -> bool:
    """Publish position and protection when they changed. Returns whether something of ours
    is uncovered."""
    covered = 0
    if book.lots:
        covered = sum(
            order.left
            for order in desk.live(book.contract)
            if order.purpose in STOPS and order.state in RESTING and opposing(order, book)
        )
    covered = min(covered, abs(book.lots))
    if covered >= abs(book.lots):
        book.naked_ns = 0
    elif not book.naked_ns:
        book.naked_ns = desk.now_ns
    bare = covered < abs(ours(book))
    book.bare_real_ns = (book.bare_real_ns or desk.state.real_ns or 1) if bare else 0
    now = (book.lots, book.position.cost, covered, book.naked_ns)
    if now != book.told:
        book.told = now
        desk.say(
            PositionUpdate(
                no=desk.number(),
                contract=book.contract,
                position=book.lots,
                cost=book.position.cost,
                protected=covered,
                unprotected_since_ns=book.naked_ns,
            )
        )
    return bare


def _wanted(desk: Desk, book: Book) -> Lots:
    """Contracts for which the net stop has to stand in."""
    need = abs(ours(book))
    if not need:
        return 0
    since_ns = book.bare_real_ns
    if book.bracketed and since_ns and not desk.real_after(since_ns, _grace_s(desk, book)):
        _look_for_legs(desk, book)
        kept = [o for o in _net_stops(desk, book) if opposing(o, book) and not o.cancel]
        return sum(o.left for o in kept)
    leaving = _too_large(desk, book)
    stays = [o for o in _legs(desk, book, Purpose.STOP_LOSS) if o not in leaving]
    return max(0, need - sum(o.left for o in stays))


def _too_large(desk: Desk, book: Book) -> list[Order]:
    """Stops of brackets that cover more than the position and that the venue will not cut: they
    have to go, and not before another stop stands.
    """
    excess = _excess(desk, book, Purpose.STOP_LOSS)
    legs = _legs(desk, book, Purpose.STOP_LOSS) if excess else []
    return [leg for leg in legs if leg.unchangeable and leg.left > excess]


def _is_rearmed(desk: Desk, book: Book, lots: Lots) -> bool:
    """Whether the net stop covers `lots` at the venue."""
    stops = [o for o in _net_stops(desk, book) if o.state in RESTING and opposing(o, book)]
    return sum(o.left for o in stops if not o.cancel) >= lots


def _look_for_legs(desk: Desk, book: Book) -> None:
    """Legs that are late may be open and only their news be lost: asked once, before a second stop
    is placed beside them.
    """
    read = desk.state.read
    asked = read is not None and read.begin >= book.acted
    if not asked and desk.real_after(book.bare_real_ns, SWEEP_S):
        desk.read_soon(after=book.acted)


def _grace_s(desk: Desk, book: Book) -> float:
    """For how long the legs of a bracket are waited for. One that went away does not come back:
    after an exit of ours at once (the venue may drop the group with it), else after the moment in
    which its sibling's fill would show.
    """
    if not book.leg_gone:
        return desk.settings.risk_governor.unprotected_real_s * GRACE
    return 0.0 if book.moved_by is Purpose.EXIT else SWEEP_S


def _net_stops(desk: Desk, book: Book) -> list[Order]:
    return [o for o in desk.live(book.contract) if o.purpose is Purpose.NET_STOP]


def stop_price(desk: Desk, book: Book) -> Ticks:
    """`net_stop_ticks` beyond the average price, away from the market; where sleeves share, the
    tightest of theirs on the position's side.
    """
    tightest = net_stop(book.shares, book.stops) if book.shared else None
    if tightest is not None:
        return tightest
    average, away = book.position.cost // book.lots, desk.settings.risk_governor.net_stop_ticks
    return max(1, average - away if book.lots > 0 else average + away)


def _keep_net_stop(desk: Desk, book: Book, want: Lots) -> None:
    """One stop over `want` contracts: place it, change it, or let it go."""
    stops = [o for o in _net_stops(desk, book) if o.state is not OrderState.CANCELLING]
    if not want or not book.lots:
        book.stop_trouble = False
        for order in stops:
            want_cancel(desk, order, "nothing left to protect")
        return
    if book.stop_trouble:
        book.stop_trouble = False
        _close(desk, book, "the stop was refused")
        return
    right = [o for o in stops if opposing(o, book) and not o.cancel]
    for order in [o for o in stops if o not in right] + right[1:]:
        want_cancel(desk, order, "another stop protects this position")
    if not right:
        if not _waits_to_retry(desk, book):
            side = closing_side(book.lots)
            price = stop_price(desk, book)
            send_own(desk, book, Purpose.NET_STOP, side=side, size=want, stop_price=price)
        return
    _fit(desk, book, right[0], want)


def _waits_to_retry(desk: Desk, book: Book) -> bool:
    """A stop that never left is tried again with the next pulse, not in the same breath."""
    for order in reversed(desk.state.done.values()):
        if order.contract == book.contract and order.purpose is Purpose.NET_STOP:
            fresh = not desk.real_after(order.sent_real_ns, 0.2)
            return order.state is OrderState.ABSENT and fresh
    return False


def _fit(desk: Desk, book: Book, order: Order, want: Lots) -> None:
    """Change the stop when the position changed. If the venue will not, replace it."""
    if order.state not in RESTING or not order.still:
        return
    price = stop_price(desk, book)
    if order.left == want and order.stop_price == price:
        return
    if order.unchangeable:
        want_cancel(desk, order, f"it could not be changed: {order.unchangeable}")
        return
    change(desk, order, size=order.filled + want, stop_price=price)


def _drop_what_opens(desk: Desk, book: Book, order: Order) -> None:
    """Cancel an order that has lost its reason and could open a position."""
    if order.purpose is Purpose.EXIT and not order.via:
        lots = book.shares.get(order.sleeve, 0) if order.shared else book.lots
        if lots * order.side >= 0:
            want_cancel(desk, order, "nothing left to close")
        elif order.left > abs(lots):
            want_cancel(desk, order, "larger than the position")
    elif order.purpose in LEGS and not _entry_lives(desk, order) and _is_orphan(desk, book, order):
        want_cancel(desk, order, "its position is gone")


def _is_orphan(desk: Desk, book: Book, leg: Order) -> bool:
    """A leg whose fill could only open something. Where its sibling closed the position the venue
    is cancelling it already and gets a moment; where an exit or a hand did, nobody else will.
    """
    if book.lots:
        return not opposing(leg, book) and leg.state is not OrderState.SUSPENDED
    if book.moved_by is not None and book.moved_by not in LEGS and leg.state in RESTING:
        return True
    since_ns = max(book.flat_real_ns, leg.sent_real_ns, 1)
    return desk.real_after(since_ns, SWEEP_S)


def _entry_lives(desk: Desk, leg: Order) -> bool:
    """Whether the leg's entry may still fill, or has filled so lately that its trade is under
    way.
    """
    entry = desk.find(leg.parent)
    return entry is not None and (entry.live or entry.traded < entry.filled)


def _trim(desk: Desk, book: Book) -> None:
    """Legs that cover more than the position are cut, the newest first: at once after an exit,
    after a moment where a leg filled, since then the venue may be cutting its sibling itself.
    """
    if not book.lots or not any(_excess(desk, book, purpose) for purpose in LEG_ORDER):
        book.excess_real_ns = 0
        return
    book.excess_real_ns = book.excess_real_ns or desk.state.real_ns or 1
    if book.moved_by in LEGS and not desk.real_after(book.excess_real_ns, SWEEP_S):
        return
    for purpose in LEG_ORDER:
        _cut(desk, book, purpose, _excess(desk, book, purpose))


LEG_ORDER = (Purpose.STOP_LOSS, Purpose.TAKE_PROFIT)


def _legs(desk: Desk, book: Book, purpose: Purpose) -> list[Order]:
    return [
        o
        for o in desk.live(book.contract)
        if o.purpose is purpose and o.state in RESTING and opposing(o, book)
    ]


def _excess(desk: Desk, book: Book, purpose: Purpose) -> Lots:
    legs = _legs(desk, book, purpose)
    if any(_entry_lives(desk, leg) for leg in legs):
        return 0
    covered = sum(leg.left for leg in legs)
    if purpose is Purpose.TAKE_PROFIT:
        covered += min(_leaving(desk, book), covered - 1 if covered else 0)
    return max(0, covered - abs(book.lots))


def _leaving(desk: Desk, book: Book) -> Lots:
    """Lots that resting exits will take at a profit: the take-profits must leave them room. One lot
    of target stays, because taking a leg away might take its stop along.
    """
    return sum(o.left for o in desk.live(book.contract) if o.purpose is Purpose.EXIT and not o.via)


def _cut(desk: Desk, book: Book, purpose: Purpose, excess: Lots) -> None:
    for leg in reversed(_legs(desk, book, purpose)):
        if excess <= 0:
            return
        if not leg.still:
            excess -= leg.left
        elif leg.left <= excess or leg.unchangeable:
            stop = purpose is Purpose.STOP_LOSS and leg.left > excess
            if not stop or _is_rearmed(desk, book, leg.left - excess):
                want_cancel(desk, leg, "it covers more than the position")
            excess -= leg.left
        else:
            change(desk, leg, size=leg.size - excess)
            return


def openers_go(desk: Desk, why: str, purposes: frozenset[Purpose] = OPENERS) -> None:
    """Cancel every order that can open risk; the protective ones stay."""
    for order in list(desk.state.orders.values()):
        if order.purpose in purposes:
            want_cancel(desk, order, why)
