"""The firm of the simulator on paper and in court, for the tests of its rules.

Paper is one account told its days as numbers; a court is an exchange whose market is set by hand.
"""

from __future__ import annotations

from typing import Any

from services.simulator.bailiff import Bailiff
from services.simulator.counter import first_accounts
from services.simulator.desk import Desk
from services.simulator.dice import Delay, Dice
from services.simulator.exchange import Exchange
from services.simulator.exchange_state import ExchangeState
from services.simulator.firm import Verdict, standing
from services.simulator.market import Hours, Update
from services.simulator.matching import BookState
from services.simulator.words import Answer, Faults
from shared import rulebook
from shared.contracts import PRODUCTS
from shared.domain.sessions import calendar
from shared.sections import SimulatedAccount
from shared.units import SECOND, USD, micros
from shared.venue import words as venue
from shared.venue.times import time_ns
from tests.sim_stage import settings_with

MORNING = time_ns("2026-11-18T09:35:00-06:00", "morning")


def money(text: str) -> int:
    return micros(text.replace(",", ""))


class Paper:
    """Where an account stands and the terms it is judged by, without orders or a market."""

    def __init__(
        self, stage: str, size: int, *, daily_loss: bool, enforced: bool, path: str = "standard"
    ) -> None:
        wish = SimulatedAccount(name="A", stage=stage, size=size, path=path)  # type: ignore[arg-type]
        pack = rulebook.pack(wish.rules()).rules
        self.terms, self.at = standing(pack, daily_loss=daily_loss, enforced=enforced)

    def judge(self, equity: int) -> Verdict:
        return self.at.judge(self.terms, equity)

    def end_day(self, balance: int, *, traded: bool = True, days: int = 1) -> None:
        self.at.traded = traded
        self.at.end_day(self.terms, balance, days)

    def pay(self, gross: int, balance: int) -> None:
        self.at.pay(self.terms, gross, balance)


class Court:
    """`mark` sets bid, ask and last of a product to one price and lets the bailiff look."""

    def __init__(self, **account: Any) -> None:
        wish = SimulatedAccount(**{"name": "A", **account})
        settings = settings_with(accounts=(wish,))
        self.hours = Hours(calendar(settings.session))
        self.exchange = Exchange(
            ExchangeState(
                accounts=first_accounts(settings.simulator, settings.packs),
                books={root: BookState() for root in PRODUCTS},
                dice=Dice(1),
                faults=Faults(),
            ),
            latency=Delay(0, 0),
            slippage=0,
        )
        self.bailiff = Bailiff(self.exchange, self.hours)
        self.desk = Desk(self.exchange, self.hours, acknowledge=Delay(0, 0))
        self.account = self.exchange.account
        self.state = self.account.state
        self.now = MORNING
        self.calls = 0

    def mark(self, contract: str, price: float) -> None:
        self.exchange.on_update(self._update(contract, price))
        self.exchange.run(self.now)
        self.bailiff.look(self.now)

    def mark_quietly(self, contract: str, price: float) -> None:
        """The book alone moves; nothing follows from it yet."""
        update, book = self._update(contract, price), self.exchange.book(contract).state
        book.bid, book.ask, book.last = update.bid, update.ask, update.bid
        book.bids, book.asks = update.bids, update.asks

    def _update(self, contract: str, price: float) -> Update:
        product = self.exchange.book(contract)
        root = next(root for root, book in self.exchange.books.items() if book is product)
        count = round(price * 1e9) // PRODUCTS[root].tick_nanos
        sizes = (100,) * 10
        self.now += SECOND
        return Update(root, self.now, ((count, 1, 1),), (), True, count, count, sizes, sizes)

    def place(self, contract: str, side: int, size: int, **wish: Any) -> Any:
        self.calls += 1
        base = {"type": 2, "account_id": self.state.id}
        request = venue.PlaceOrder(contract_id=contract, side=side, size=size, **{**base, **wish})
        self.desk.place(self.now, self.calls, request)
        self.exchange.run(self.now)
        self.bailiff.look(self.now)
        answers = [word for word in self.exchange.said if isinstance(word, Answer)]
        return answers[-1].response

    def equity(self) -> str:
        return f"{self.bailiff.equity(self.account) / USD:.2f}"
