"""The firm's rules for one account, as numbers: its floor, its day, its cap. No orders, no market.

What the firm enforces on practice, combine and express-funded accounts of 50, 100 and 150 thousand
dollars, with the very functions our own governor measures by (`shared/domain/rules`):

- *Floor* (maximum loss): moves once a day, from the balance at 17:00 CT, never down, and stops for
  good at the starting balance (0 on an express account). Balance plus open profit touching it ends
  the account.
- *Day's loss*, where the account has the limit: touched, it locks the account to the next 17:00 CT.
  Measured from the balance of the last 17:00 CT, fees and open profit included; it does not trail.
- *Cap* in tenths of a mini over all products. On an express account it follows the scaling plan: up
  at 17:00 CT only, from that day's balance; a payout that drops a tier lowers it at once.

A practice account has a cap and nothing to lose. A payout (express) lowers balance and day's basis
alike and puts the floor at 0 for good. Numbers as the firm published them in September 2026; where
its pages leave a tie open (exactly 2,000, 3,000, 4,500 in the plan) the smaller size holds.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from msgspec import Struct

from shared.domain.rules.loss import (
    FIRM,
    day_is_lost,
    floor_after_day,
    high_after_day,
    is_touched,
)
from shared.units import USD, Lots, Micros

PRACTICE: Final = "practice"
COMBINE: Final = "combine"
EXPRESS: Final = "express"

# Minis allowed on an express account: below 1,500; from 1,500; above 2,000; 3,000; 4,500 dollars.
SCALING: Final[dict[int, tuple[Lots, ...]]] = {
    50_000: (2, 3, 5, 5, 5),
    100_000: (3, 4, 5, 10, 10),
    150_000: (3, 4, 5, 10, 15),
}


class Verdict(Enum):
    """What an equity means for an account."""

    FINE = "FINE"
    DAY_LOST = "DAY_LOST"  # flatten, no trading until 17:00 CT
    BREACHED = "BREACHED"  # flatten, no trading for good


def scaled_minis(size: int, balance: Micros) -> Lots:
    """Minis that the scaling plan of an express account allows at an end-of-day balance."""
    tier = int(balance >= 1_500 * USD)
    tier += sum(balance > step * USD for step in (2_000, 3_000, 4_500))
    return SCALING[size][tier]


class Standing(Struct, kw_only=True, rename="camel"):
    """Where an account stands with the firm. Mutable; money in micro-dollars, `cap` in tenths of a
    mini. `opened`: the balance the day began with. `locked`: until the next 17:00 CT.
    """

    stage: str = COMBINE
    size: int = 50_000
    daily_loss: bool = True
    enforced: bool = True
    opened: Micros = 50_000 * USD
    high: Micros = 50_000 * USD
    floor: Micros = 48_000 * USD
    lock: Micros = 50_000 * USD
    cap: Lots = 50
    locked: bool = False
    breached: bool = False
    paid: bool = False

    @property
    def trades(self) -> bool:
        return not (self.locked or self.breached)

    @property
    def maximum_loss(self) -> Micros:
        return FIRM[self.size][0]

    @property
    def day_limit(self) -> Micros:
        """The day's loss that locks; 0 where there is none."""
        return FIRM[self.size][1] if self.daily_loss and self.stage != PRACTICE else 0

    def judge(self, equity: Micros) -> Verdict:
        """What an equity (balance plus open profit) does; a verdict is latched here, the first
        instant counts.
        """
        if not self.enforced or self.breached or self.stage == PRACTICE:
            return Verdict.FINE
        if is_touched(equity, self.floor):
            self.breached = True
            return Verdict.BREACHED
        limit = self.day_limit
        if limit and not self.locked and day_is_lost(equity - self.opened, 0, limit):
            self.locked = True
            return Verdict.DAY_LOST
        return Verdict.FINE

    def end_day(self, balance: Micros) -> None:
        """17:00 CT: the day ended with this balance; floor, basis and cap follow, a lock ends."""
        self.high = high_after_day(self.high, balance)
        self.floor = floor_after_day(self.floor, self.high, self.maximum_loss, self.lock)
        self.opened = balance
        self.locked = False
        self.cap = self._cap(balance)

    def pay(self, gross: Micros, balance: Micros) -> None:
        """A payout was booked; `balance` is what is left. No loss of the day, no fall of the high.

        After the first the floor is 0 for good.
        """
        self.opened -= gross
        self.high -= gross
        self.floor = max(self.floor, self.lock)
        self.paid = True
        self.cap = min(self.cap, self._cap(balance))

    def _cap(self, balance: Micros) -> Lots:
        if self.stage == EXPRESS:
            return 10 * scaled_minis(self.size, balance)
        return FIRM[self.size][2]


def standing(stage: str, size: int, *, daily_loss: bool, enforced: bool) -> Standing:
    """A new account of a kind: express starts at 0, the others at their size."""
    start = 0 if stage == EXPRESS else size * USD
    made = Standing(
        stage=stage,
        size=size,
        daily_loss=daily_loss,
        enforced=enforced,
        opened=start,
        high=start,
        floor=start - FIRM[size][0],
        lock=start,
    )
    made.cap = made._cap(start)
    return made
