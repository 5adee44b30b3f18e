"""The life of our orders at the venue: accepted, on their way, in the book, filled, over.

Requests reach the engine after the latency, in the order they came (`Arrival`), and are carried out
between two market updates. Every change is told to the user hub in the venue's order: for a fill
the order, the trade, the position, the account; then what follows from it (legs that open, the
sibling that dies).

What becomes of bracket legs stands in `legs.py`, what the venue is not known to do in `customs.py`.
An entry cancelled after part of it filled keeps the legs that have opened. What the firm sends is
`forced`; the same way leads it into the book.

A halt (`Faults.halted_until_ns`) binds what is on its way too: what would trade at once is
cancelled when it arrives, what would wait does, a modify is refused, a cancel is carried out.

All accounts meet the same book: what one takes is gone for the other; they never trade together.
"""

from __future__ import annotations

from services.simulator import guards, legs, render
from services.simulator.accounts import Account, AccountState, Holding, Order
from services.simulator.customs import Customs
from services.simulator.dice import Delay
from services.simulator.exchange_state import (
    ARRIVALS_MAX,
    UNAVAILABLE,
    Arrival,
    ExchangeState,
    waiting,
    would_trade,
)
from services.simulator.market import Update
from services.simulator.matching import Fill, Matching
from services.simulator.words import Answer, UserPush
from shared.contracts import product_of
from shared.core import Word
from shared.domain.orders import Happening
from shared.events import OrderState
from shared.units import MILLISECOND, Lots, Nanos, Ticks
from shared.venue import words as venue
from shared.venue.answers import Acknowledged, AnyResponse
from shared.venue.codes import HubAction, OrderKind


class Exchange:
    """Orders, matching and what the user hub hears. `said` collects words for the port."""

    def __init__(
        self,
        state: ExchangeState,
        *,
        latency: Delay,
        slippage: Ticks,
        commissions_apart: bool = False,
        customs: Customs | None = None,
    ) -> None:
        self.state = state
        self.customs = customs or Customs()
        self._apart = commissions_apart
        self.accounts = {key: self._account(one) for key, one in state.accounts.items()}
        self.books = {root: Matching(book, slippage) for root, book in state.books.items()}
        self.said: list[Word] = []
        self._applying = 0  # how deep in `apply` we are
        self._moved: dict[tuple[int, str], None] = {}  # positions, since the last look
        self._latency = latency

    def _account(self, state: AccountState) -> Account:
        return Account(state, self.state.ids, apart=self._apart)

    @property
    def account(self) -> Account:
        """The first account."""
        return next(iter(self.accounts.values()))

    def open_account(self, state: AccountState) -> Account:
        assert state.id not in self.accounts, f"Invariant: account {state.id} is new"
        self.state.accounts[state.id] = state
        made = self.accounts[state.id] = self._account(state)
        return made

    def drop_account(self, account_id: int) -> None:
        """Forget an account; it must be flat, with nothing at work."""
        gone = self.accounts.pop(account_id)
        assert not gone.state.live, "Invariant: an account that goes has no orders"
        assert not gone.held(), "Invariant: an account that goes is flat"
        del self.state.accounts[account_id]

    def find(self, order_id: int) -> Order | None:
        """A live order of any account."""
        for account in self.accounts.values():
            order = account.state.live.get(order_id)
            if order is not None:
                return order
        return None

    def of(self, order: Order) -> Account:
        return self.accounts[order.account]

    def book(self, contract: str) -> Matching:
        return self.books[product_of(contract).root]

    def pending(self) -> bool:
        """Whether this request is to be answered "pending" though the engine has it."""
        faults = self.state.faults
        struck = faults.pending_answers > 0
        faults.pending_answers -= struck
        return struck

    def answer(self, call_id: int, response: AnyResponse, delay_ns: Nanos = 0) -> None:
        if call_id:
            delay_ns += self.state.faults.delay_ms * MILLISECOND
            self.said.append(Answer(call_id=call_id, response=response, delay_ns=delay_ns))

    # -- requests on their way ---------------------------------------------------------------------

    def send(self, now_ns: Nanos, arrival: Arrival) -> None:
        """Put a request on its way; `at_ns` is set here, drawn from the latency."""
        arrivals = self.state.arrivals
        assert len(arrivals) < ARRIVALS_MAX, "Invariant: the rate limit keeps requests few"
        at_ns = now_ns + self._latency.draw(self.state.dice)
        if arrivals:
            at_ns = max(at_ns, arrivals[-1].at_ns)
        arrival.at_ns = at_ns
        arrivals.append(arrival)

    def run(self, until_ns: Nanos) -> None:
        """Carry out what has reached the engine by now."""
        arrivals = self.state.arrivals
        while arrivals and arrivals[0].at_ns <= until_ns:
            arrival = arrivals.pop(0)
            order = self.find(arrival.order_id)
            if arrival.what == "ENTER":
                if order is not None:  # else: the firm cancelled it on its way
                    self._enter(order, arrival.at_ns)
            elif order is None:  # it ended while the request was under way
                customs, changed = self.customs, arrival.what == "CHANGE"
                code = customs.modify_over if changed else customs.cancel_over
                self.answer(arrival.call_id, Acknowledged(success=False, error_code=code))
            elif arrival.what == "CHANGE" and self.halted(arrival.at_ns):
                refused = Acknowledged(success=False, error_code=3, error_message=UNAVAILABLE)
                self.answer(arrival.call_id, refused)
            elif arrival.what == "CHANGE":
                self._change(order, arrival)
            else:
                self.cancel(order, arrival.at_ns)
                legs.end_with(self, order, arrival.at_ns)
                self.answer(arrival.call_id, Acknowledged(success=True))

    def halted(self, at_ns: Nanos) -> bool:
        """Whether nothing trades at an instant, on request (`FaultKind.HALT_MARKET`)."""
        return at_ns < self.state.faults.halted_until_ns

    def on_update(self, update: Update) -> None:
        """The market moves: requests that came before it go first."""
        arrivals = self.state.arrivals
        if arrivals and arrivals[0].at_ns <= update.at_ns:
            self.run(update.at_ns)
        fills: list[Fill] = []
        self.books[update.root].on_update(update, fills)
        if fills:
            self.apply(fills, update.at_ns)

    # -- an order's life ---------------------------------------------------------------------------

    def accept(self, order: Order, legs: tuple[Order | None, Order | None], now_ns: Nanos) -> None:
        """A valid order: exists, is pending, is on its way. Legs: stop-loss, take-profit."""
        stop, profit = legs
        for leg in (stop, order, profit):
            if leg is not None:
                self.of(leg).add(leg)
                self.tell_order(leg)
        self.send(now_ns, Arrival(at_ns=0, order_id=order.id, what="ENTER"))

    def _enter(self, order: Order, now_ns: Nanos) -> None:
        book = self.book(order.contract)
        fills: list[Fill] = []
        if not book.state.bid or (self.halted(now_ns) and would_trade(order, book)):
            self.cancel(order, now_ns)
            return
        if order.kind != OrderKind.MARKET:
            if order.kind in (OrderKind.JOIN_BID, OrderKind.JOIN_ASK):
                order.limit = book.touch(1 if order.kind == OrderKind.JOIN_BID else -1)
            order.happen(Happening.OPENED, now_ns, touch=False)
            self.tell_order(order)
        self._into_book(order, fills)
        self.apply(fills, now_ns)
        left = book.state.resting.get(order.id)
        if order.kind == OrderKind.MARKET and left is not None:  # the market is at its limit
            order.limit = left.price
            order.happen(Happening.OPENED, now_ns, touch=False)
            self.tell_order(order)

    def _into_book(self, order: Order, fills: list[Fill], triggered: bool = False) -> None:
        """`triggered`: a stop-limit whose stop was reached; it is a limit order now."""
        book = self.book(order.contract)
        if order.stop is not None and not triggered:
            book.arm(waiting(order))
            book.trigger(fills)
        elif order.limit is not None:
            book.limit(order.id, order.side, order.left, order.limit, fills=fills)
        else:
            book.sweep(order.id, order.side, order.left, fills=fills)

    def cancel(
        self, order: Order, now_ns: Nanos, happening: Happening = Happening.CANCELLED
    ) -> None:
        """End a live order; legs that never opened end with it."""
        self.book(order.contract).cancel(order.id)
        order.happen(happening, now_ns)
        self.tell_order(order)
        self.of(order).close_file(order)
        for leg_id in (order.stop_leg, order.profit_leg):
            leg = self.of(order).state.live.get(leg_id)
            if leg is not None and leg.state is OrderState.SUSPENDED:
                self.cancel(leg, now_ns, happening)

    def _change(self, order: Order, arrival: Arrival) -> None:
        """Carry out a modify; a new price or a larger size goes to the back of the queue."""
        book = self.book(order.contract)
        size = order.size if arrival.size is None else arrival.size
        if size <= order.filled:
            self.answer(arrival.call_id, Acknowledged(success=False, error_code=3))
            return
        same_price = arrival.limit is None and arrival.stop is None and arrival.trail is None
        fills: list[Fill] = []
        if same_price and size <= order.size:
            order.size = size
            book.shrink(order.id, order.left)
        else:
            triggered = order.kind == OrderKind.STOP_LIMIT and order.id in book.state.resting
            book.cancel(order.id)
            order.size = size
            order.limit = order.limit if arrival.limit is None else arrival.limit
            order.stop = order.stop if arrival.stop is None else arrival.stop
            order.trail = order.trail if arrival.trail is None else arrival.trail
            self._into_book_with_pair(order, fills, triggered)
        order.updated_ns = arrival.at_ns
        self.tell_order(order)
        self.answer(arrival.call_id, Acknowledged(success=True))
        self.apply(fills, arrival.at_ns)

    def _into_book_with_pair(self, order: Order, fills: list[Fill], triggered: bool) -> None:
        """Enter the book again, as one of a pair if its sibling still works there."""
        book = self.book(order.contract)
        sibling = self.of(order).state.live.get(order.sibling)
        if sibling is None:
            self._into_book(order, fills, triggered)
            return
        book.pair(order.id, sibling.id)
        self._into_book(order, fills)

    def follow_trails(self) -> None:
        """Write down where the trailing stops stand: the book moves them, readers see orders."""
        for account in self.accounts.values():
            for order in account.state.live.values():
                if order.kind == OrderKind.TRAILING_STOP:
                    found = self.book(order.contract).state.waiting.get(order.id)
                    order.stop = order.stop if found is None else found.stop

    # -- fills -------------------------------------------------------------------------------------

    def apply(self, fills: list[Fill], now_ns: Nanos) -> None:
        """Book fills one after the other. What guards a whole position follows when all are booked,
        those that one of them caused included: a guard may still have a fill to come.
        """
        self._applying += 1
        for order_id, price, lots in fills:
            order = self.find(order_id)
            assert order is not None, f"Invariant: only live orders fill, {order_id} is not"
            self._fill(order, price, lots, now_ns)
            self._moved[order.account, order.contract] = None
        while self._applying == 1 and self._moved:
            account_id, contract = next(iter(self._moved))
            del self._moved[account_id, contract]
            account = self.accounts[account_id]
            follow = legs.clear if account.state.auto_oco else guards.renew
            follow(self, account, contract, now_ns)
        self._applying -= 1

    def _fill(self, order: Order, price: Ticks, lots: Lots, now_ns: Nanos) -> None:
        account = self.of(order)
        before = account.state.holdings.get(order.contract)
        average = None
        held = account.lots(order.contract)
        if before is not None and held:
            average = render.position(account.state.id, order.contract, before).average_price
        deal = account.book(order, price, lots, now_ns)
        if before is not None and held * account.lots(order.contract) < 0:
            self._turned(before, now_ns)
        done = order.filled == order.size
        order.happen(Happening.FILLED if done else Happening.PART_FILLED, now_ns, touch=False)
        self.tell_order(order)
        self._push(account, venue.USER_TRADE, HubAction.ADD, render.deal(deal, render.HUB_DIGITS))
        holding = account.state.holdings[order.contract]
        flat = not holding.position.lots
        self._push(
            account,
            venue.USER_POSITION,
            HubAction.REMOVE if flat else HubAction.UPDATE,
            render.position(
                account.state.id,
                order.contract,
                holding,
                digits=render.HUB_DIGITS,
                average=average if flat else None,
            ),
        )
        self.tell_account(account)
        if done:
            account.close_file(order)
        legs.follow_fill(self, order, price, lots, now_ns=now_ns)

    def _turned(self, holding: Holding, now_ns: Nanos) -> None:
        """A position has changed its side in one fill: the same one, or a new one."""
        if self.customs.reversal_id == "new":
            holding.id, holding.since_ns = self.state.ids.next_position(), now_ns

    # -- the user hub ------------------------------------------------------------------------------

    def tell_order(self, order: Order) -> None:
        action = HubAction(self.customs.over_action) if order.over else HubAction.UPDATE
        row = render.order(order, render.HUB_DIGITS)
        self._push(self.of(order), venue.USER_ORDER, action, row)

    def tell_account(self, account: Account) -> None:
        self._push(account, venue.USER_ACCOUNT, HubAction.UPDATE, self.row(account))

    def row(self, account: Account) -> venue.AccountModel:
        """An account as the venue shows it; one with real money is not simulated."""
        live = self.customs.is_live(account.state.name)
        return render.account(account.state, simulated=not live)

    def _push(
        self, account: Account, target: str, action: HubAction, payload: venue.UserPayload
    ) -> None:
        """One user event, unless a fault loses or doubles it."""
        faults = self.state.faults
        if faults.lose_user_events:
            faults.lose_user_events -= 1
            return
        push = UserPush(
            target=target, account_id=account.state.id, action=action.value, payload=payload
        )
        self.said.append(push)
        if faults.double_user_events:
            faults.double_user_events -= 1
            self.said.append(push)
