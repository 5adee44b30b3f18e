"""Where books and venue disagree about positions: when that is believed, and what becomes of it.

A difference is believed when three reads a second apart show the same one and nothing that bears
on its contracts was heard between them; what other contracts do meanwhile is no excuse, else a
quoting sleeve would hide it for ever. Then the router is in QUARANTINE, which blocks entries only,
and the difference is said in words. A person has three choices: take the venue's positions over
(ADOPT), flatten, or look at it in peace (WAIT). Left alone for a minute it ends in a flatten,
because flat is the one state both agree on.
"""

from __future__ import annotations

from services.order_router import flatten
from services.order_router.desk import Desk
from services.order_router.memory import HUMAN, Reading
from services.order_router.trades import correct, tell_inherited
from shared.events import Choice, DifferenceChoice, Reconciled, Scope
from shared.units import SECOND, Lots, Nanos

AGAIN_NS: Nanos = SECOND
SURVIVES = 3
UNATTENDED_S = 60.0
WAIT_S_MAX = 3_600
INHERITED = "inherited at a fresh start, counted as made by hand: "


def compare(desk: Desk, reading: Reading, positions: dict[str, Lots]) -> bool:
    """Believe a difference only when it stays. Returns whether what is known is certain enough to
    be told with a periodic read.
    """
    state = desk.state
    differing = [
        contract
        for contract in sorted({*positions, *state.books})
        if desk.book(contract).lots != positions.get(contract, 0)
    ]
    if not differing:
        return _agreed(desk)
    text = "; ".join(
        f"{contract}: books {desk.book(contract).lots:+d}, venue {positions.get(contract, 0):+d}"
        for contract in differing
    )
    _count(desk, reading, text, max(desk.book(contract).news for contract in differing))
    desk.read_soon(AGAIN_NS)
    if state.differences >= SURVIVES and not state.quarantine_real_ns:
        state.quarantine_real_ns = state.real_ns or 1
        state.reconciled = True
        tell(desk)
        return False
    return bool(state.quarantine_real_ns)


def _count(desk: Desk, reading: Reading, text: str, news: int) -> None:
    """One more read shows `text`; `news`: the step of the last word about its contracts."""
    state = desk.state
    same = text == state.difference and news <= state.difference_step
    state.difference = text
    if news > reading.begin:
        state.differences = 0  # something happened while it was read: it proves nothing
    elif not state.differences or not same:
        state.differences, state.difference_real_ns = 1, reading.begin_real_ns
    elif reading.begin_real_ns - state.difference_real_ns >= AGAIN_NS:
        state.differences += 1
        state.difference_real_ns = reading.begin_real_ns
    state.difference_step = reading.begin


def _agreed(desk: Desk) -> bool:
    state = desk.state
    state.difference, state.differences = "", 0
    by_hand = any(book.shares.get(HUMAN) for book in state.books.values())
    state.inherited = state.inherited and by_hand
    state.reconciled = True
    if state.quarantine_real_ns:
        state.quarantine_real_ns = state.attended_real_ns = 0
        tell(desk)
        return False
    return True


def words(desk: Desk) -> str:
    """What differs, for a person; empty when nothing does that is believed."""
    state = desk.state
    found = [state.difference] if state.quarantine_real_ns else []
    if state.inherited:
        by_hand = (
            f"{contract} {book.shares[HUMAN]:+d}"
            for contract, book in state.books.items()
            if HUMAN in book.shares
        )
        found.append(INHERITED + ", ".join(by_hand))
    return "; ".join(found)


def tell(desk: Desk) -> None:
    """The complete comparison: what is not listed here does not exist."""
    state = desk.state
    desk.say(
        Reconciled(
            no=desk.number(),
            as_of_ns=desk.now_ns,
            live=tuple(o.intent_id or o.tag or o.key for o in state.orders.values()),
            positions=tuple((c, book.lots) for c, book in state.books.items() if book.lots),
            balance=state.balance,
            difference=words(desk),
        )
    )


def pulse(desk: Desk) -> None:
    """Nobody looks after it: flat is the one state both agree on."""
    state = desk.state
    if state.real_ns < state.attended_real_ns:
        return
    if desk.real_after(state.quarantine_real_ns, UNATTENDED_S):
        flatten.start(desk, Scope.ACCOUNT, f"quarantine: {state.difference}", human=True)


def choose(desk: Desk, event: DifferenceChoice) -> None:
    """A person's word on the difference they were shown; about another one it says nothing."""
    state = desk.state
    if not event.difference or event.difference != words(desk):
        return
    if event.choice is Choice.WAIT:
        state.attended_real_ns = state.real_ns + min(event.wait_s, WAIT_S_MAX) * SECOND
        return
    for book in state.books.values():
        tell_inherited(desk, book)
    state.inherited = False
    if state.quarantine_real_ns:
        _adopt(desk)
    else:
        tell(desk)


def _adopt(desk: Desk) -> None:
    """The venue's positions become the books', where nothing was heard since they were read; the
    next read says whether that was all.
    """
    read = desk.state.read
    assert read is not None, "Invariant: a difference was read"
    for contract in sorted({*read.positions, *desk.state.books}):
        book = desk.book(contract)
        if book.news <= read.begin:
            price = 0 if book.lots else read.averages.get(contract, 0)
            correct(desk, contract, read.positions.get(contract, 0), price)
    desk.read_soon()
