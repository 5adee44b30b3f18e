"""Carries out what the firm's rules demand: liquidations, locks, the forced flat, the end of a day.

After every move of the market or of an account the equity (balance plus open profit, longs at the
lower of bid and last, shorts at the higher of ask and last) is judged; the first instant counts. An
account that may not trade any more, and every account from the firm's flat-by time to the end of
its day, has its orders cancelled and its positions closed at market, again until it is flat: the
close takes its way into the book like any other, so what it costs beyond a limit is the trader's.

What is not enforced (`enforced` off) is judged by nobody; the cap on positions is the desk's.

Every rule of the firm is touched on one side of an equity and not on the other, so whatever lies
between two equities that changed nothing changes nothing either: it is not judged again.
"""

from __future__ import annotations

from msgspec import Struct

from services.simulator.accounts import Account, Order
from services.simulator.exchange import Exchange
from services.simulator.firm import Standing, Verdict
from services.simulator.market import Hours
from services.simulator.matching import BookState
from shared.contracts import product_of
from shared.domain.orders import Happening
from shared.domain.positions import Position
from shared.units import Micros, Nanos
from shared.venue.codes import OrderKind


class Fine(Struct, gc=False):
    """Equities from `low` to `high` changed nothing, where an account stood as it stands."""

    opened: Micros
    floor: Micros
    target_reached: bool
    low: Micros
    high: Micros

    def knows(self, firm: Standing, equity: Micros) -> bool:
        return (
            self.low <= equity <= self.high
            and self.opened == firm.opened
            and self.floor == firm.floor
            and self.target_reached == firm.target_reached
        )


class Bailiff:
    """`look` after everything that happens, `end_day` when the trading day's label turns."""

    def __init__(self, exchange: Exchange, hours: Hours) -> None:
        self._exchange = exchange
        self._hours = hours
        self._seen: dict[int, int] = {}  # account -> fills judged so far
        self._fine: dict[int, Fine] = {}
        self._marks: dict[str, tuple[BookState, Micros]] = {}

    def end_day(self, label: str, now_ns: Nanos) -> None:
        """17:00 CT: the trading day `label` is over; floors move, locks end."""
        days = self._hours.days_since(label, now_ns)
        for account in self._exchange.accounts.values():
            state = account.state
            state.firm.end_day(state.terms, state.balance, days)
            self.allow(account)

    def allow(self, account: Account) -> None:
        """Let `can_trade` say what the firm says, and tell it when it changes."""
        state = account.state
        if state.can_trade != state.firm.trades:
            state.can_trade = state.firm.trades
            self._exchange.tell_account(account)

    def look(self, now_ns: Nanos) -> None:
        """Judge every account and liquidate where that is due."""
        for account in self._exchange.accounts.values():
            state = account.state
            firm = state.firm
            if not firm.enforced:
                continue
            held = account.held() if state.fills else []
            if held or self._seen.get(state.id) != state.fills:
                self._seen[state.id] = state.fills
                self._judge(account, self.equity(account, held))
            if (held or state.live) and (not firm.trades or self._is_flat_time(now_ns)):
                self._liquidate(account, now_ns)

    def _judge(self, account: Account, equity: Micros) -> None:
        """What an equity does to an account that may trade, unless it is known to do nothing."""
        state, firm = account.state, account.state.firm
        fine = self._fine.get(state.id)
        if fine is not None and firm.trades and fine.knows(firm, equity):
            return
        reached = firm.target_reached
        if firm.judge(state.terms, equity) is not Verdict.FINE:
            self._fine.pop(state.id, None)
            self.allow(account)
        elif fine is not None and fine.knows(firm, fine.low):
            fine.low, fine.high = min(fine.low, equity), max(fine.high, equity)
        elif firm.trades and firm.target_reached == reached:
            self._fine[state.id] = Fine(
                firm.opened, firm.floor, firm.target_reached, equity, equity
            )

    def equity(self, account: Account, held: list[tuple[str, Position]] | None = None) -> Micros:
        """Balance plus open profit at the marks; `held` spares looking positions up again."""
        total = account.state.balance
        for contract, position in account.held() if held is None else held:
            book, worth = self._marks.get(contract) or self._mark(contract)
            if position.lots > 0:
                mark = min(book.bid or book.last, book.last or book.bid)
            else:
                mark = max(book.ask, book.last)
            if mark:
                total += position.unrealised(mark) * worth
        return total

    def _mark(self, contract: str) -> tuple[BookState, Micros]:
        """The book a contract is marked at, and what a tick of it is worth."""
        found = self._exchange.book(contract).state, product_of(contract).tick_micros
        self._marks[contract] = found
        return found

    def _is_flat_time(self, now_ns: Nanos) -> bool:
        return now_ns >= self._hours.day(now_ns).flat_by_ns

    def _liquidate(self, account: Account, now_ns: Nanos) -> None:
        """Cancel what works and close what is held, unless that is under way."""
        exchange, live = self._exchange, account.state.live
        for order in list(live.values()):
            if not (order.forced or order.over):
                exchange.cancel(order, now_ns)
        closing = {order.contract for order in live.values() if order.forced}
        for contract, _ in account.held():
            quoted = bool(exchange.book(contract).state.bid) and self._hours.open(now_ns)
            if contract not in closing and quoted and not exchange.halted(now_ns):
                order = closing_order(account, contract, now_ns)
                order.forced = True
                exchange.accept(order, (None, None), now_ns)


def closing_order(account: Account, contract: str, now_ns: Nanos) -> Order:
    """The venue's own market order for a whole position: untagged, not yet accepted."""
    lots = account.lots(contract)
    return Order(
        id=account.next_id(),
        account=account.state.id,
        contract=contract,
        kind=OrderKind.MARKET.value,
        side=-1 if lots > 0 else 1,
        size=abs(lots),
        created_ns=now_ns,
        updated_ns=now_ns,
    )


def settle(exchange: Exchange, account: Account, contract: str, now_ns: Nanos) -> None:
    """A contract has ended: its orders expire, a position is closed at the last price."""
    for order in list(account.state.live.values()):
        if order.contract == contract and not order.over:
            exchange.cancel(order, now_ns, Happening.EXPIRED)
    lots = account.lots(contract)
    if lots:
        order = account.add(closing_order(account, contract, now_ns))
        exchange.tell_order(order)
        exchange.apply([(order.id, exchange.book(contract).state.last, abs(lots))], now_ns)
