"""The firm's counter: accounts are opened, paid out, reset and set up here, beside the gateway.

None of this is in the gateway's interface; a person does it on the firm's pages. A reset ends an
account and opens one of the same kind under its name with a new id, as at the firm, so clients must
find theirs by name. A payout is the firm's: express accounts only, at least 125 dollars, half of
the balance at most, not while locked; the counting of winning days is left to the trader.
"""

from __future__ import annotations

from typing import Final

import msgspec

from services.simulator.accounts import ACCOUNT_ID, Account, AccountState
from services.simulator.bailiff import Bailiff
from services.simulator.exchange import Exchange
from services.simulator.firm import EXPRESS, standing
from services.simulator.words import FirmOrder, FirmReport, FirmWish
from shared.sections import SimulatedAccount, Simulator
from shared.units import USD, Micros

PAYOUT_LEAST: Final = 125 * USD
ACCOUNTS_MAX: Final = 1_000  # ids, over all resets


class Denied(Exception):
    """Why the firm does not do what was asked."""


def new_account(wish: SimulatedAccount, account_id: int, *, enforced: bool) -> AccountState:
    """A fresh account of the kind a setting describes."""
    firm = standing(wish.stage, wish.size, daily_loss=wish.daily_loss, enforced=enforced)
    return AccountState(
        id=account_id,
        name=wish.name,
        start=firm.opened,
        balance=firm.opened,
        firm=firm,
        auto_oco=wish.brackets == "auto_oco",
        guard_stop=wish.position_stop * USD,
        guard_target=wish.position_target * USD,
    )


def first_accounts(wish: Simulator) -> dict[int, AccountState]:
    """What a fresh simulation begins with. Raises ValueError for two accounts of one name."""
    names = [account.name for account in wish.accounts]
    if not names or len(set(names)) != len(names):
        raise ValueError(f"simulator.accounts: names were {names}; at least one, each once")
    made: dict[int, AccountState] = {}
    for place, account in enumerate(wish.accounts):
        made[ACCOUNT_ID + place] = new_account(
            account, ACCOUNT_ID + place, enforced=wish.firm_rules
        )
    return made


class Counter:
    """Asked by name; settings may have named accounts that the memory does not know yet."""

    def __init__(self, exchange: Exchange, bailiff: Bailiff, wish: Simulator) -> None:
        self._exchange = exchange
        self._bailiff = bailiff
        for account in wish.accounts:
            if self.find(account.name) is None:
                state = new_account(account, self._new_id(), enforced=wish.firm_rules)
                exchange.open_account(state)
        for known in exchange.accounts.values():
            known.state.firm.enforced = wish.firm_rules

    def find(self, name: str) -> Account | None:
        """An account by name; the first for an empty one."""
        if not name:
            return self._exchange.account
        for account in self._exchange.accounts.values():
            if account.state.name == name:
                return account
        return None

    def _new_id(self) -> int:
        return max(self._exchange.accounts) + 1

    def ask(self, order: FirmOrder) -> FirmReport:
        """Do what is asked and tell where the account stands."""
        account = self.find(order.account)
        if account is None:
            return FirmReport(success=False, error=f"no account is named {order.account!r}")
        try:
            match order.wish:
                case FirmWish.PAYOUT:
                    self._pay(account, order.amount * USD)
                case FirmWish.RESET:
                    account = self._reset(account)
                case FirmWish.AUTO_OCO:
                    self._idle(account)
                    account.state.auto_oco = bool(order.amount)
                case FirmWish.LOOK:
                    pass
        except Denied as denied:
            return self._report(account, str(denied))
        return self._report(account)

    def _report(self, account: Account, error: str = "") -> FirmReport:
        state = account.state
        return FirmReport(
            success=not error,
            error=error,
            account=state.name,
            account_id=state.id,
            can_trade=state.can_trade,
            balance_micros=state.balance,
            equity_micros=self._bailiff.equity(account),
            standing=msgspec.structs.replace(state.firm),
        )

    @staticmethod
    def _idle(account: Account) -> None:
        """Raises Denied unless the account is flat with nothing at work."""
        if account.held() or account.state.live:
            raise Denied("the account has open positions or working orders")

    def _pay(self, account: Account, gross: Micros) -> None:
        state = account.state
        if state.firm.stage != EXPRESS:
            raise Denied("only express accounts are paid out")
        if not state.firm.trades:
            raise Denied("the account is locked")
        self._idle(account)
        if not PAYOUT_LEAST <= gross <= state.balance // 2:
            raise Denied(
                f"a payout is {PAYOUT_LEAST // USD} dollars at least and half the balance at most"
            )
        account.pay(gross)
        state.firm.pay(gross, state.balance)
        self._exchange.tell_account(account)

    def _reset(self, account: Account) -> Account:
        self._idle(account)
        old, new_id = account.state, self._new_id()
        if new_id >= ACCOUNT_ID + ACCOUNTS_MAX:
            raise Denied(f"more than {ACCOUNTS_MAX} accounts were opened")
        firm = standing(
            old.firm.stage,
            old.firm.size,
            daily_loss=old.firm.daily_loss,
            enforced=old.firm.enforced,
        )
        fresh = AccountState(
            id=new_id,
            name=old.name,
            start=firm.opened,
            balance=firm.opened,
            firm=firm,
            auto_oco=old.auto_oco,
            guard_stop=old.guard_stop,
            guard_target=old.guard_target,
        )
        made = self._exchange.open_account(fresh)
        self._exchange.drop_account(old.id)
        self._exchange.tell_account(made)
        return made
