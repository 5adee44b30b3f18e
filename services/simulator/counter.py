"""The firm's counter: accounts are opened, paid out, reset and set up here, beside the gateway.

None of this is in the gateway's interface; a person does it on the firm's pages. A reset ends an
account and opens one of the same kind under its name with a new id, as at the firm, so clients must
find theirs by name. A payout is the firm's: express accounts only, at least 125 dollars, what
its counts and its pack allow at most, not while locked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from services.simulator.accounts import ACCOUNT_ID, Account, AccountState
from services.simulator.bailiff import Bailiff
from services.simulator.exchange import Exchange
from services.simulator.firm import EXPRESS, standing
from services.simulator.market import Hours
from services.simulator.words import FirmOrder, FirmReport, FirmWish
from shared.domain.rules.pack import PackError, RulePack
from shared.domain.rules.payout import received as received_of
from shared.sections import SimulatedAccount, Simulator
from shared.settings import Settings
from shared.units import USD, Lots, Micros, Nanos, dollars

ACCOUNTS_MAX: Final = 1_000  # ids, over all resets


class Denied(Exception):
    """Why the firm does not do what was asked."""


Packs = Mapping[str, RulePack]


def new_account(
    wish: SimulatedAccount, packs: Packs, account_id: int, *, enforced: bool
) -> AccountState:
    """A fresh account of the kind a setting describes. Raises PackError."""
    name = wish.rules()
    if name not in packs:
        raise PackError(f"simulator.accounts: {wish.name} wants the rule pack {name}: no such one")
    terms, firm = standing(packs[name], daily_loss=wish.daily_loss, enforced=enforced)
    return AccountState(
        id=account_id,
        name=wish.name,
        start=firm.opened,
        balance=firm.opened,
        terms=terms,
        firm=firm,
        restricted=_restricted(packs[name], enforced),
        auto_oco=wish.brackets == "auto_oco",
        guard_stop=wish.position_stop * USD,
        guard_target=wish.position_target * USD,
    )


def _restricted(pack: RulePack | None, enforced: bool) -> dict[str, Lots]:
    """What the firm restricts, as it is now: also for accounts that were opened before."""
    return dict(pack.product_contracts) if pack is not None and enforced else {}


def first_accounts(wish: Simulator, packs: Packs) -> dict[int, AccountState]:
    """What a fresh simulation begins with. Raises ValueError for two accounts of one name."""
    names = [account.name for account in wish.accounts]
    if not names or len(set(names)) != len(names):
        raise ValueError(f"simulator.accounts: names were {names}; at least one, each once")
    made: dict[int, AccountState] = {}
    for place, account in enumerate(wish.accounts):
        made[ACCOUNT_ID + place] = new_account(
            account, packs, ACCOUNT_ID + place, enforced=wish.firm_rules
        )
    return made


def _counts(account: Account) -> str:
    """What a payout still lacks, in words."""
    terms, firm = account.state.terms, account.state.firm
    parts = [f"balance {dollars(account.state.balance)}"]
    if terms.winning_days:
        parts.append(f"{firm.winning_days} of {terms.winning_days} winning days")
    if terms.traded_days:
        parts.append(f"{firm.traded_days} of {terms.traded_days} days with a trade")
    if terms.consistent:
        share = f"{terms.consistency_percent} % of the profit"
        parts.append(f"best day {dollars(firm.best_day)}, which must stay below {share}")
    return ", ".join(parts)


class Counter:
    """Asked by name; settings may have named accounts that the memory does not know yet."""

    def __init__(
        self, exchange: Exchange, bailiff: Bailiff, hours: Hours, settings: Settings
    ) -> None:
        self._exchange = exchange
        self._bailiff = bailiff
        self._hours = hours
        self._packs = settings.packs
        wish = settings.simulator
        for account in wish.accounts:
            if self.find(account.name) is None:
                state = new_account(account, self._packs, self._new_id(), enforced=wish.firm_rules)
                exchange.open_account(state)
        for known in exchange.accounts.values():
            known.state.firm.enforced = wish.firm_rules
            pack = self._packs.get(known.state.firm.rules)
            known.state.restricted = _restricted(pack, wish.firm_rules)

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

    def ask(self, order: FirmOrder, now_ns: Nanos) -> FirmReport:
        """Do what is asked and tell where the account stands."""
        account = self.find(order.account)
        if account is None:
            return FirmReport(success=False, error=f"no account is named {order.account!r}")
        received = 0
        try:
            match order.wish:
                case FirmWish.PAYOUT:
                    received = self._pay(account, order.amount * USD, now_ns)
                case FirmWish.RESET:
                    account = self._reset(account)
                case FirmWish.AUTO_OCO:
                    self._idle(account)
                    account.state.auto_oco = bool(order.amount)
                case FirmWish.LOOK:
                    pass
        except Denied as denied:
            return self._report(account, str(denied))
        return self._report(account, received=received)

    def _report(self, account: Account, error: str = "", *, received: Micros = 0) -> FirmReport:
        state = account.state
        return FirmReport(
            success=not error,
            error=error,
            account=state.name,
            account_id=state.id,
            can_trade=state.can_trade,
            balance_micros=state.balance,
            equity_micros=self._bailiff.equity(account),
            received_micros=received,
            standing=msgspec.structs.replace(state.firm),
        )

    @staticmethod
    def _idle(account: Account) -> None:
        """Raises Denied unless the account is flat with nothing at work."""
        if account.held() or account.state.live:
            raise Denied("the account has open positions or working orders")

    def _pay(self, account: Account, gross: Micros, now_ns: Nanos) -> Micros:
        """Book a payout; what of it reaches the trader. Raises Denied."""
        state = account.state
        if now_ns < self._hours.day(now_ns).opens_ns:
            raise Denied("no payouts are booked over weekends and closed days")
        if state.firm.stage != EXPRESS:
            raise Denied("only express accounts are paid out")
        if not state.firm.trades:
            raise Denied("the account is locked")
        self._idle(account)
        terms, firm = state.terms, state.firm
        most = firm.payable(terms, state.balance)
        if not most:
            raise Denied(f"nothing can be paid out yet: {_counts(account)}")
        if not terms.payout_least <= gross <= most:
            raise Denied(
                f"a payout is {dollars(terms.payout_least)} dollars at least and now"
                f" {dollars(most)} at most"
            )
        account.pay(gross)
        firm.pay(terms, gross, state.balance)
        self._exchange.tell_account(account)
        pack = self._packs.get(firm.rules)
        return received_of(gross, pack.split_percent, pack.transfer_fee) if pack is not None else 0

    def _reset(self, account: Account) -> Account:
        self._idle(account)
        old, new_id = account.state, self._new_id()
        if new_id >= ACCOUNT_ID + ACCOUNTS_MAX:
            raise Denied(f"more than {ACCOUNTS_MAX} accounts were opened")
        if old.firm.rules not in self._packs:
            raise Denied(f"the rule pack {old.firm.rules} is no longer there")
        terms, firm = standing(
            self._packs[old.firm.rules],
            daily_loss=old.firm.daily_loss,
            enforced=old.firm.enforced,
        )
        fresh = AccountState(
            id=new_id,
            name=old.name,
            start=firm.opened,
            balance=firm.opened,
            terms=terms,
            firm=firm,
            restricted=_restricted(self._packs[firm.rules], firm.enforced),
            auto_oco=old.auto_oco,
            guard_stop=old.guard_stop,
            guard_target=old.guard_target,
        )
        made = self._exchange.open_account(fresh)
        self._exchange.drop_account(old.id)
        self._exchange.tell_account(made)
        return made
