"""The router's own life: starting, waiting, sleeping, stopping, and the connection to the venue.

After a start nothing that was under way can be known: requests without an answer have an unknown
outcome, every connection is closed, and the monotonic clock may have begun anew, so every wait is
measured from the first pulse of this life. The account is found by its name, never as the first
one, and only a simulated one is traded: the firm forbids programs on live funded accounts.
"""

from __future__ import annotations

from typing import Final

from services.order_router import flatten, outbox, protection, reconcile, spent, trades
from services.order_router.desk import Desk
from services.order_router.fold import happen
from services.order_router.memory import NEVER, Order
from services.order_router.status import NOT_YET, Status
from services.order_router.words import (
    AccountsSeen,
    Join,
    KnowHalt,
    KnowSpent,
    Link,
    Outcome,
    Reconnect,
    ReportProgress,
)
from shared.domain.orders import Happening
from shared.events import (
    ClockJump,
    OrderState,
    PeerBack,
    PeerSilent,
    Pulse,
    Purpose,
    Scope,
    Started,
    Stopping,
)
from shared.units import SECOND

GOVERNOR: Final = "risk_governor"
NUMBERS: Final = 1_000_000
"""No life says so much in a second, so the numbers of a life that remembers none go on upwards."""
STOP_REQUEST: Final = "stop"
"""Request id of the flatten that ends with the process; the port waits for its FLAT."""


class Life:
    """Handlers of the runtime's events and of the port's link."""

    def __init__(self, desk: Desk, status: Status) -> None:
        self.desk, self.status = desk, status

    def on_started(self, event: Started) -> None:
        """What had no answer when we died has an unknown outcome; every connection is closed."""
        desk, state = self.desk, self.desk.state
        state.incarnation = event.epoch  # names of our own orders: none is ever given twice
        if event.fresh and event.changed:  # memory was lost: others know the numbers of it
            state.no = event.epoch * NUMBERS
        state.account_id, state.up, state.reconciled = 0, False, False
        state.reason, state.status, state.stopping = NOT_YET, None, False
        state.reads, state.read_due_ns, state.round_due_ns = {}, NEVER, 0
        state.read_rest_ns = state.glance_due_ns = 0
        state.real_ns = 0
        state.user_step = state.step
        state.told_from = 0
        for order in list(state.orders.values()):
            order.absent_real_ns = 0
            if event.changed and self._is_made_up(order):
                self._never_sent(order)
                continue
            if order.state is OrderState.SENT:
                order.mark = state.step
                happen(desk, order, Happening.LOST, "restarted before the answer")
            if order.modifying:
                order.modifying, order.change, order.mark = False, None, state.step
                order.unchangeable = "restarted before the answer"
            if order.cancelling:
                order.cancelling, order.mark = False, state.step
        for book in state.books.values():
            if book.close is not None and book.close.outcome is None:
                flatten.end_close(desk, book.close, Outcome.UNKNOWN)
            book.bare_real_ns = book.flat_real_ns = book.excess_real_ns = 0
            book.differs_real_ns = book.asked = 0
            desk.touch(book.contract)
            if event.changed:
                book.told = trades.NEVER_TOLD
        self._forget_real_time()
        if cost := spent.ages(state, desk.now_ns):
            desk.say(KnowSpent(spent=cost))

    def _is_made_up(self, order: Order) -> bool:
        """Whether only our code, told again, sent it: nothing of it is on record. What memory held
        when the telling began is; its request may have left, so its outcome is unknown.
        """
        recorded = order.recorded or order.said_step <= self.desk.restored_step
        return order.state is OrderState.SENT and not (recorded or order.via)

    def _never_sent(self, order: Order) -> None:
        """Other code decided it again, the life before had not: its first answer is a refusal."""
        why = "decided again, but never sent"
        if order.answered:
            happen(self.desk, order, Happening.NEVER_LEFT, why)
            return
        order.state = OrderState.REFUSED
        self.desk.shelve(order)
        self.desk.tell(order, why)

    def _forget_real_time(self) -> None:
        """The monotonic clock may have begun anew: waits are measured from now on."""
        state = self.desk.state
        for saga in state.sagas.values():
            saga.began_real_ns = saga.told_real_ns = saga.proofs = 0
            saga.mark = state.step
        for order in (*state.orders.values(), *state.done.values()):
            order.sent_real_ns = 0
        for book in state.books.values():
            if book.close is not None:
                book.close.ended_real_ns = 0
        state.owed = {key: (0, 0) for key in state.owed}
        state.closed_real_ns = state.quarantine_real_ns = state.status_real_ns = 0
        state.attended_real_ns = 0
        state.difference, state.differences = "", 0

    def on_pulse(self, event: Pulse) -> None:
        desk, state = self.desk, self.desk.state
        first = not state.real_ns
        state.real_ns = max(state.real_ns, event.real_ns)
        if first:
            self._first_pulse()
        outbox.give_up_waiting(desk)
        reconcile.pulse(desk)
        if state.silent:
            protection.openers_go(desk, "the governor is silent")
        for contract, book in state.books.items():
            if book.lots or any(desk.live(contract)):
                desk.touch(contract)
        self.status.pulse()

    def _first_pulse(self) -> None:
        """Waits that began before the first pulse of this life count from it."""
        state = self.desk.state
        for saga in state.sagas.values():
            saga.began_real_ns = saga.began_real_ns or state.real_ns
        for order in (*state.orders.values(), *state.done.values()):
            order.sent_real_ns = order.sent_real_ns or state.real_ns
        for book in state.books.values():
            if book.close is not None and book.close.outcome is not None:
                book.close.ended_real_ns = book.close.ended_real_ns or state.real_ns
            if not book.lots:
                book.flat_real_ns = book.flat_real_ns or state.real_ns
            book.bare_real_ns = state.real_ns if book.bare_real_ns else 0
            book.excess_real_ns = state.real_ns if book.excess_real_ns else 0

    def on_clock_jump(self, event: ClockJump) -> None:
        """The computer slept: nothing believed before is fresh, and what still waits must not
        leave.
        """
        desk, state = self.desk, self.desk.state
        state.up, state.reconciled = False, False
        state.reason = f"the clock jumped by {event.slept_ns // SECOND} s"
        protection.openers_go(desk, state.reason)
        desk.say(Reconnect(reason=state.reason))
        state.round_due_ns = 0
        desk.read_soon()

    def on_peer_silent(self, event: PeerSilent) -> None:
        if event.actor == GOVERNOR:
            self.desk.state.silent = True
            protection.openers_go(self.desk, "the governor is silent")

    def on_peer_back(self, event: PeerBack) -> None:
        if event.actor == GOVERNOR:
            self.desk.state.silent = False

    def on_stopping(self, event: Stopping) -> None:
        """Flatten what is ours and say when it is proven; the port waits for that, bounded."""
        desk, state = self.desk, self.desk.state
        state.stopping = True
        for approval in state.exits.values():
            outbox.refuse(desk, approval, "stopping")
        state.exits = {}
        owns = any(order.purpose is not Purpose.HUMAN for order in state.orders.values())
        holds = any(share for book in state.books.values() for share in book.shares if share)
        if self.desk.settings.order_router.flatten_on_stop and (owns or holds or state.sagas):
            cause = f"stop: {event.reason}"
            flatten.start(desk, Scope.ACCOUNT, cause, request=STOP_REQUEST)
            return
        desk.say(
            ReportProgress(
                request_id=STOP_REQUEST,
                stage="FLAT" if not (owns or holds) else "LEFT",
                beat=1,
                detail="nothing of ours to flatten" if not (owns or holds) else "left as it is",
                done=True,
            )
        )

    def on_accounts(self, word: AccountsSeen) -> None:
        """The account by its name, never the first; only simulated ones."""
        desk, state = self.desk, self.desk.state
        name = self.desk.settings.venue.account
        found = [row for row in word.accounts if row.name == name]
        if len(found) != 1:
            seen = ", ".join(sorted(row.name for row in word.accounts)) or "none"
            state.refused = f"account {name!r} is not there (seen: {seen})"
        elif not found[0].simulated:
            state.refused = f"account {name!r} is not simulated: no orders by program allowed"
        else:
            state.refused = ""
        if state.refused:
            state.account_id, state.up = 0, False
            return
        row = found[0]
        if state.account_id != row.account_id:
            state.account_id = row.account_id
            desk.say(Join(account_id=row.account_id, name=row.name))
        desk.say(KnowHalt(halt_no=state.halt_no))
        reconcile.see_account(desk, row)
        state.round_due_ns = 0

    def on_link(self, word: Link) -> None:
        """Events were lost while it was down, so a read follows every new connection."""
        desk, state = self.desk, self.desk.state
        state.reason = word.reason
        if word.up and not state.up:
            state.reconciled = False
            state.round_due_ns = 0
            desk.read_soon()
        state.up = word.up
        if not word.up:
            why = "the hub is down: a fill could not be protected in time"
            protection.openers_go(desk, why, frozenset({Purpose.QUOTE}))
