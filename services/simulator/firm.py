"""Where an account stands with the firm, for snapshots and reports; the rules are the engine's.

The firm enforces on practice, combine and express accounts what their rule pack says
(`shared/domain/rules/packs`), by the very steps that a backtest takes and of the functions our own
governor measures by (`shared/domain/rules/account.py`):

- *Floor* (maximum loss): moves once a day, from the balance at 17:00 CT, never down, and stops for
  good at the starting balance. Balance plus open profit touching it ends the account.
- *Day's loss*, where the account has the limit: touched, it locks the account to the next 17:00 CT.
- *Cap* in tenths of a mini over all products. On an express account it follows the scaling plan: up
  at 17:00 CT only; a payout that drops a tier lowers it at once.
- *Counts*: winning days, days with a trade, the best day, days without a trade; the profit target.

A practice account has a cap and nothing to lose. `Standing` is the engine's state with words around
it, so that people can read it; the terms it is judged by are kept beside it, as they were when the
account was opened: later rules do not change an account that exists.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from msgspec import Struct

from shared.domain.rules import account as engine
from shared.domain.rules.account import BREACH, FIRM_DAY, TARGET, Own, State, Terms, terms_of
from shared.domain.rules.pack import RulePack
from shared.units import Lots, Micros

EXPRESS: Final = "express"


class Verdict(Enum):
    """What an equity means for an account."""

    FINE = "FINE"
    DAY_LOST = "DAY_LOST"  # flatten, no trading until 17:00 CT
    BREACHED = "BREACHED"  # flatten, no trading for good


class Standing(Struct, kw_only=True, rename="camel"):
    """Where an account stands with the firm. Mutable; money in micro-dollars, `cap` in tenths of a
    mini. `opened`: the balance the day began with. `locked`: until the next 17:00 CT. Counts are of
    the days since the last payout. `largest_payout` and `needed_profit` as of the last day's end.
    """

    stage: str
    size: int
    rules: str  # the rule pack's name
    daily_loss: bool
    enforced: bool
    opened: Micros
    high: Micros
    floor: Micros
    lock: Micros
    cap: Lots
    locked: bool = False
    breached: bool = False
    target_reached: bool = False  # today, open profit included
    passed: bool = False  # a day ended at target and consistency
    paid: bool = False
    traded: bool = False
    asked: bool = False  # a payout was booked today, which counts for nothing else
    basis: Micros
    best_day: Micros = 0
    winning_days: int = 0
    traded_days: int = 0
    idle_days: int = 0
    idle: bool = False  # longer than the firm keeps an account without a trade
    needed_profit: Micros = 0
    largest_payout: Micros = 0

    @property
    def trades(self) -> bool:
        return not (self.locked or self.breached)

    def judge(self, terms: Terms, equity: Micros) -> Verdict:
        """What an equity (balance plus open profit) does; a verdict is latched here, the first
        instant counts.
        """
        if not self.enforced:
            return Verdict.FINE
        state, new = engine.look(terms, self._state(), equity)
        if not new:
            return Verdict.FINE
        self._take(state)
        if new & BREACH:
            return Verdict.BREACHED
        return Verdict.DAY_LOST if new & FIRM_DAY else Verdict.FINE

    def end_day(self, terms: Terms, balance: Micros, days: int = 1) -> None:
        """17:00 CT: the day ended with this balance, `days` calendar days after the one before."""
        before = self._state()
        self.passed = self.passed or engine.passed(terms, before, balance)
        self.needed_profit = engine.needed_profit(terms, before, balance)
        state = engine.end_day(terms, before, balance, days)
        self._take(state)
        self.idle = engine.is_idle(terms, state)
        self.largest_payout = self.payable(terms, balance)

    def payable(self, terms: Terms, balance: Micros) -> Micros:
        """The largest payout that may be asked for now; 0 when none may."""
        return engine.payable(terms, self._state(), balance)

    def pay(self, terms: Terms, gross: Micros, balance: Micros) -> None:
        """A payout was booked; `balance` is what is left."""
        self._take(engine.pay(terms, self._state(), gross, balance))
        self.largest_payout = 0

    def _state(self) -> State:
        latched = (
            (BREACH if self.breached else 0)
            | (FIRM_DAY if self.locked else 0)
            | (TARGET if self.target_reached else 0)
        )
        return State(
            self.opened, self.high, self.floor, self.cap, latched, self.traded, self.asked,
            self.paid, self.basis, self.best_day, self.winning_days, self.traded_days,
            self.idle_days,
        )  # fmt: skip

    def _take(self, state: State) -> None:
        (
            self.opened, self.high, self.floor, self.cap, latched, self.traded, self.asked,
            self.paid, self.basis, self.best_day, self.winning_days, self.traded_days,
            self.idle_days,
        ) = state  # fmt: skip
        self.breached = bool(latched & BREACH)
        self.locked = bool(latched & FIRM_DAY)
        self.target_reached = bool(latched & TARGET)


def standing(pack: RulePack, *, daily_loss: bool, enforced: bool) -> tuple[Terms, Standing]:
    """A new account under a pack: its terms, and where it stands."""
    terms = terms_of(pack, daily_loss, Own())
    state = engine.begin(terms)
    made = Standing(
        stage=pack.stage,
        size=pack.size,
        rules=pack.name,
        daily_loss=daily_loss,
        enforced=enforced,
        opened=state.opened,
        high=state.high,
        floor=state.floor,
        lock=terms.start,
        cap=state.cap,
        basis=state.basis,
    )
    made.needed_profit = terms.profit_target
    return terms, made
