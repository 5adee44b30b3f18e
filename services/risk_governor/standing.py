"""Where the account stands with the firm, day by day: floor, cap, counts, payouts.

The steps are those of the rules' own engine, which the simulated firm runs too; here they are fed
with proven balances. A payout is guidance only: the product never asks for one, it says when one
may be asked for, how much, and what that does to the floor. When the firm books one, the balance
falls with nothing traded: two comparisons in a row, flat and with no fill between, show the same
smaller balance. Until the second of them nothing opens; then every measure of what the account had
is lowered alike, so that the payout trips no limit.
"""

from __future__ import annotations

from typing import Final

from services.risk_governor.allocation import allocate
from services.risk_governor.latches import (
    DIFFERENCE,
    FIRM_DAILY,
    FLOOR,
    PAYOUT,
    latch,
    unlatch,
)
from services.risk_governor.state import Agreed, Mind
from shared.domain.rules import account as rules
from shared.domain.rules.consistency import share_percent
from shared.domain.rules.loss import floor_after_day, high_after_day
from shared.domain.rules.payout import floor_after_payout
from shared.domain.sessions import TradingDay
from shared.events import FirmStanding, Grounds, Reconciled
from shared.units import DAY, USD, Micros, Nanos, dollars

ENDED: Final = {FLOOR: rules.BREACH, FIRM_DAILY: rules.FIRM_DAY}
"""Latches behind which the firm pays nothing: of an account that is over, of a locked day."""


def standing(mind: Mind) -> rules.State:
    """What the rules' engine knows of the account, from what we remember."""
    state, tally = mind.state, mind.state.tally
    assert state.base is not None, "Invariant: asked once a balance was reconciled"
    return rules.State(
        opened=state.base, high=state.high, floor=state.floor, cap=state.cap_tenths,
        latched=sum(one for key, one in ENDED.items() if key in state.latches),
        traded=tally.traded, asked=tally.asked, paid=tally.paid, basis=tally.basis,
        best=tally.best, winning=tally.winning, trading=tally.trading, idle=tally.idle,
    )  # fmt: skip


def take_over(mind: Mind, now: rules.State) -> None:
    """Remember what the engine made of the account."""
    state, tally = mind.state, mind.state.tally
    state.base, state.high, state.floor, state.cap_tenths = now.opened, now.high, now.floor, now.cap
    tally.traded, tally.asked, tally.paid, tally.basis = now.traded, now.asked, now.paid, now.basis
    tally.best, tally.winning = now.best, now.winning
    tally.trading, tally.idle = now.trading, now.idle


def first_seen(mind: Mind, balance: Micros) -> None:
    """Begin with an account as it is found; what it was before is taken at its strictest.

    Its high is at least this balance. An express account that has profit may have been paid before,
    and then its floor is 0: `floor_at_least` says otherwise. A practice account may begin anywhere.
    """
    limits, terms = mind.limits, mind.limits.terms
    start = terms.start if terms.floor_ends else balance
    high = high_after_day(start, balance)
    floor = floor_after_day(start - terms.maximum_loss, high, terms.maximum_loss, start)
    least = limits.given.floor_at_least * USD
    if terms.floor_ends and (balance > start or not terms.paid):
        floor = max(floor, least)
    basis = balance if terms.paid else start
    found = rules.begin(terms)._replace(
        opened=balance, high=high, floor=floor, cap=rules.cap_of(terms, balance), basis=basis
    )
    take_over(mind, found)


def end_day(mind: Mind, balance: Micros, today: TradingDay) -> None:
    """The day that was ended with this balance; floor, cap and counts follow."""
    ended = mind.calendar.named(mind.state.day)
    days = (today.ends_ns - ended.ends_ns + DAY // 2) // DAY
    take_over(mind, rules.end_day(mind.limits.terms, standing(mind), balance, days))


# -- payouts ---------------------------------------------------------------------------------------


def payout_is_seen(mind: Mind, now_ns: Nanos, proof: Reconciled) -> bool:
    """Look for a payout in an agreeing comparison. True while one is suspected: the balance is not
    to be believed yet. Once shown twice it is booked."""
    state, terms = mind.state, mind.limits.terms
    quiet = state.ledger.flat() and not any(order.leaves() for order in state.orders.values())
    before = state.agreed
    if not quiet or before is None or before.fills != state.fills:
        state.agreed = Agreed(proof.balance, state.fills) if quiet else None
        return False
    gross = before.balance - proof.balance
    if not terms.paid or state.base is None or gross < terms.payout_least:
        state.agreed = Agreed(proof.balance, state.fills)
        return False
    if before.lower != proof.balance:
        state.agreed = Agreed(before.balance, state.fills, proof.balance)
        what = f"balance fell by {dollars(gross)} with nothing traded: a payout?"
        grounds = Grounds(rule=PAYOUT, limit=before.balance, actual=proof.balance)
        latch(mind, now_ns, DIFFERENCE, what, grounds=grounds)
        return True
    state.agreed = Agreed(proof.balance, state.fills)
    _book(mind, now_ns, gross, proof.balance)
    return False


def _book(mind: Mind, now_ns: Nanos, gross: Micros, balance: Micros) -> None:
    state = mind.state
    take_over(mind, rules.pay(mind.limits.terms, standing(mind), gross, balance))
    state.peak -= gross
    allocate(mind, now_ns)
    unlatch(mind, PAYOUT)
    latch(
        mind, now_ns, PAYOUT,
        f"payout of {dollars(gross)} booked: balance {dollars(balance)}, floor"
        f" {dollars(state.floor)}, cap {state.cap_tenths} tenths of a mini",
        grounds=Grounds(
            rule=PAYOUT, actual=gross, inputs={"balance_usd": balance, "floor_usd": state.floor}
        ),
    )  # fmt: skip


def payable(mind: Mind) -> Micros:
    """What a payout may be asked for at the balance the day began with; 0: none may."""
    if mind.state.base is None:
        return 0
    return rules.payable(mind.limits.terms, standing(mind), mind.state.base)


def firm_standing(mind: Mind) -> FirmStanding | None:
    """What the firm counts, as of the balance the day began with; None until one is known."""
    if mind.state.base is None:
        return None
    now, terms = standing(mind), mind.limits.terms
    profit = now.opened - now.basis
    return FirmStanding(
        rules=mind.settings.risk_governor.rules,
        profit=profit,
        needed=rules.needed_profit(terms, now, now.opened),
        best_day=now.best,
        best_percent=share_percent(now.best, profit),
        best_percent_below=terms.consistency_percent if terms.consistent else 0,
        winning_day=terms.winning_day if terms.paid else 0,
        winning_days=now.winning,
        winning_days_needed=terms.winning_days if terms.paid else 0,
        traded_days=now.trading,
        traded_days_needed=terms.traded_days if terms.paid else 0,
        payable=payable(mind),
        floor_after=floor_after_payout(now.floor, terms.start) if terms.paid else 0,
        pays=terms.paid,
    )


def guide(mind: Mind, now_ns: Nanos) -> None:
    """After a day ended: tell when a payout may be asked for, and what it would do."""
    amount, state = payable(mind), mind.state
    if not amount or state.base is None:
        return
    floor = floor_after_payout(state.floor, mind.limits.terms.start)
    latch(
        mind, now_ns, PAYOUT,
        f"a payout of up to {dollars(amount)} may be asked for: the floor goes from"
        f" {dollars(state.floor)} to {dollars(floor)}, and {dollars(state.base - amount - floor)}"
        " stay above it",
        grounds=Grounds(
            rule=PAYOUT, limit=amount, actual=amount,
            inputs={"balance_usd": state.base, "floor_usd": state.floor, "floor_after_usd": floor},
        ),
    )  # fmt: skip
