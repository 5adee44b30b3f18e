"""An account told to the governor as balances proven flat at 17:00 CT of one day after another."""

from __future__ import annotations

from typing import Any

from shared.domain.sessions import calendar
from shared.events import Phase
from shared.settings import load
from tests.governor_stage import SELL, Stage, dollars, wide

STANDARD = "topstep-50k-express-standard@2026-09"
CONSISTENCY = "topstep-50k-express-consistency@2026-09"
DAYS = calendar(load(env={}).session)


class Account(Stage):
    """A stage that lives day after day; `day(balance)` ends the one that is under way."""

    def __init__(self, rules: str = "topstep-50k-combine@2026-09", **risk: Any) -> None:
        far = {"daily_loss": 50_000, "beyond_firm_daily_loss": True, "daily_loss_limit": False}
        super().__init__(wide(rules=rules, **{**far, **risk}))

    def day(self, balance: int | str, *, trade: bool = True) -> Account:
        if trade:
            self.trade_of(1, 84_000, fee=0)
            self.trade_of(1, 84_000, fee=0, side=SELL)
        today = DAYS.at(self.now)
        following = DAYS.at(today.ends_ns)
        self.at(following.opens_ns)
        self.phase(Phase.OPEN, following.day)
        self.proven_flat()
        self.reconcile(balance=balance)
        self.pulse()
        return self

    def days(self, *nets: str) -> Account:
        """End a day for each net, in dollars."""
        for net in nets:
            base = self.governor.mind.state.base
            assert base is not None
            self.day(f"{(base + dollars(net)) / 1_000_000:.2f}")
        return self

    def names(self) -> list[str]:
        return [one.key for one in self.state().latches]

    def cause(self, key: str) -> str:
        (found,) = [one.cause for one in self.state().latches if one.key == key]
        return found


def closed(stage: Stage, balance: int | str) -> None:
    """Two comparisons with nothing traded between them show the same balance."""
    stage.reconcile(balance=balance)
    stage.reconcile(balance=balance)
