"""The engine: one account under its rules, event by event, as pure steps over plain numbers.

`Terms` are what holds for an account, `State` where it stands; both are tuples of integers with
names, so that a compiler of numeric code takes every step as it is. Four things happen to an
account: its equity moves (`look`), it trades (`traded`), a day ends (`end_day`), a payout is booked
(`pay`). Each step gives the next state; `look` also the verdicts that are new. Balance and equity
are the caller's, who counts fills and fees: one account has one book of money.

The simulated firm runs these steps with the firm's terms alone; with `Own` limits in them they are
the rules of a backtest or of Monte Carlo. The governor measures more carefully (bid and ask, exit
fees, everything working) and asks the same functions underneath.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from shared.domain.rules.consistency import is_consistent, meeting_total
from shared.domain.rules.day import (
    approaches_floor,
    is_emergency,
    limit_is_reached,
    needs_recovery,
    session_net,
    smaller_limit,
)
from shared.domain.rules.loss import floor_after_day, high_after_day, is_touched, kill_level
from shared.domain.rules.pack import RulePack
from shared.domain.rules.payout import (
    floor_after_payout,
    is_winning_day,
    largest_request,
    may_request,
    rebased,
)
from shared.domain.rules.scaling import cap_in_the_day, scaled_tenths
from shared.units import Lots, Micros

BREACH: Final = 1  # the firm's floor: the account is over
KILL: Final = 2  # our drawdown kill: until a person clears it
FIRM_DAY: Final = 4  # the firm's daily loss: locked until 17:00 CT
DAILY_CAP: Final = 8  # ours: the same
EMERGENCY: Final = 16  # nine tenths of the effective limit: the same
SOFT: Final = 32  # our soft stop before the firm's limit: the same
SESSION_CAP: Final = 64  # ends the session's entries
RECOVERY: Final = 128  # half of the effective limit: half size
APPROACH: Final = 256  # a tenth of the maximum loss left: scale down
TARGET: Final = 512  # the profit target is reached
KEPT: Final = BREACH | KILL  # what the end of a day does not clear

VERDICTS: Final = {
    BREACH: "floor", KILL: "drawdown", FIRM_DAY: "firm_daily_loss", DAILY_CAP: "daily_cap",
    EMERGENCY: "emergency_stop", SOFT: "daily_loss", SESSION_CAP: "session_cap",
    RECOVERY: "recovery", APPROACH: "near_floor", TARGET: "profit_target",
}  # fmt: skip
"""The rule behind each verdict, as the book and the governor's latches name it; gravest first."""


class Own(NamedTuple):
    """Our limits inside the firm's, micro-dollars; 0: not enabled."""

    session_cap: Micros = 0
    daily_cap: Micros = 0
    soft: Micros = 0
    drawdown: Micros = 0


class Terms(NamedTuple):
    """What holds for an account; names and units as in the rule pack. `daily_loss` 0: none."""

    start: Micros
    maximum_loss: Micros
    floor_ends: bool
    daily_loss: Micros
    position_tenths: Lots
    scaled: bool
    scaling_steps: tuple[Micros, ...]
    scaling_minis: tuple[Lots, ...]
    profit_target: Micros
    consistent: bool
    consistency_percent: int
    paid: bool
    winning_day: Micros
    winning_days: int
    traded_days: int
    payout_percent: int
    payout_least: Micros
    payout_profit: Micros
    payout_cap: Micros
    idle_days: int
    own: Own


class State(NamedTuple):
    """Where an account stands. Counts and `best` are of the days since the last payout, or since
    the account was opened.
    """

    opened: Micros  # the balance the day began with
    high: Micros  # of balances at a day's end
    floor: Micros
    cap: Lots  # tenths of a mini
    latched: int  # verdicts that hold
    traded: bool  # today
    asked: bool  # a payout was booked today: the day counts for nothing
    paid: bool  # at least once
    basis: Micros  # the balance that profit is counted from
    best: Micros  # largest net of a finished day
    winning: int
    trading: int  # finished days with a trade
    idle: int  # calendar days without a trade


def terms_of(pack: RulePack, daily_loss: bool, own: Own) -> Terms:
    """The terms of an account under a pack, with or without the firm's daily loss limit."""
    return Terms(
        start=pack.start,
        maximum_loss=pack.maximum_loss,
        floor_ends=pack.floor_ends,
        daily_loss=pack.day_limit(daily_loss),
        position_tenths=pack.position_tenths,
        scaled=pack.scaled,
        scaling_steps=pack.scaling_steps,
        scaling_minis=pack.scaling_minis,
        profit_target=pack.profit_target,
        consistent=pack.consistent,
        consistency_percent=pack.consistency_percent,
        paid=pack.paid,
        winning_day=pack.winning_day,
        winning_days=pack.winning_days,
        traded_days=pack.traded_days,
        payout_percent=pack.payout_percent,
        payout_least=pack.payout_least,
        payout_profit=pack.payout_profit,
        payout_cap=pack.most_paid(daily_loss),
        idle_days=pack.idle_days,
        own=own,
    )


def begin(terms: Terms) -> State:
    """A new account."""
    return State(
        opened=terms.start,
        high=terms.start,
        floor=terms.start - terms.maximum_loss,
        cap=cap_of(terms, terms.start),
        latched=0,
        traded=False,
        asked=False,
        paid=False,
        basis=terms.start,
        best=0,
        winning=0,
        trading=0,
        idle=0,
    )


def cap_of(terms: Terms, balance: Micros) -> Lots:
    """The cap on positions that an end-of-day balance gives, tenths of a mini."""
    if not terms.scaled:
        return terms.position_tenths
    scaled = scaled_tenths(balance, terms.scaling_steps, terms.scaling_minis)
    return min(scaled, terms.position_tenths)


def effective_limit(terms: Terms) -> Micros:
    """The smallest daily limit enabled, of which shares act; 0 when there is none."""
    daily = smaller_limit(terms.daily_loss, terms.own.daily_cap)
    return daily if daily > 0 else terms.own.soft


def verdicts(terms: Terms, state: State, equity: Micros) -> int:
    """Everything that is true of an account at an equity, whatever has latched before."""
    own, net, effective = terms.own, session_net(equity, state.opened), effective_limit(terms)
    found = 0
    if terms.floor_ends and is_touched(equity, state.floor):
        found |= BREACH
    if own.drawdown > 0 and is_touched(equity, kill_level(state.high, own.drawdown, state.floor)):
        found |= KILL
    if limit_is_reached(net, terms.daily_loss):
        found |= FIRM_DAY
    if limit_is_reached(net, own.daily_cap):
        found |= DAILY_CAP
    if is_emergency(net, effective):
        found |= EMERGENCY
    if limit_is_reached(net, own.soft):
        found |= SOFT
    if limit_is_reached(net, own.session_cap):
        found |= SESSION_CAP
    if needs_recovery(net, effective):
        found |= RECOVERY
    if terms.floor_ends and approaches_floor(equity, state.floor, terms.maximum_loss):
        found |= APPROACH
    if terms.profit_target > 0 and equity - terms.start >= terms.profit_target:
        found |= TARGET
    return found


def look(terms: Terms, state: State, equity: Micros) -> tuple[State, int]:
    """The equity moved: the state with every new verdict latched, and the new verdicts.

    The first instant counts. After a breach nothing is new any more.
    """
    if state.latched & BREACH:
        return state, 0
    new = verdicts(terms, state, equity) & ~state.latched
    return (with_latched(state, state.latched | new), new) if new else (state, 0)


def with_latched(state: State, latched: int) -> State:
    return State(
        state.opened, state.high, state.floor, state.cap, latched, state.traded, state.asked,
        state.paid, state.basis, state.best, state.winning, state.trading, state.idle,
    )  # fmt: skip


def traded(state: State) -> State:
    """Something filled today."""
    return State(
        state.opened, state.high, state.floor, state.cap, state.latched, True, state.asked,
        state.paid, state.basis, state.best, state.winning, state.trading, state.idle,
    )  # fmt: skip


def end_day(terms: Terms, state: State, balance: Micros, days: int) -> State:
    """17:00 CT: the day ended with `balance`; `days` calendar days have passed since the last end.

    The day of a payout counts toward nothing, except that its profit may not be too large a share.
    """
    net, counts = session_net(balance, state.opened), state.traded and not state.asked
    high = high_after_day(state.high, balance)
    return State(
        opened=balance,
        high=high,
        floor=floor_after_day(state.floor, high, terms.maximum_loss, terms.start),
        cap=cap_of(terms, balance),
        latched=state.latched & KEPT,
        traded=False,
        asked=False,
        paid=state.paid,
        basis=state.basis,
        best=max(state.best, net),
        winning=state.winning + (1 if counts and is_winning_day(net, terms.winning_day) else 0),
        trading=state.trading + (1 if counts else 0),
        idle=0 if state.traded else state.idle + days,
    )


def pay(terms: Terms, state: State, gross: Micros, balance: Micros) -> State:
    """A payout was booked and left `balance`: no loss of the day, no fall of the high; the floor
    is at its lock for good, and the counts begin anew.
    """
    return State(
        opened=rebased(state.opened, gross),
        high=rebased(state.high, gross),
        floor=floor_after_payout(state.floor, terms.start),
        cap=cap_in_the_day(state.cap, cap_of(terms, balance)),
        latched=state.latched,
        traded=state.traded,
        asked=True,
        paid=True,
        basis=balance,
        best=0,
        winning=0,
        trading=0,
        idle=state.idle,
    )


def payable(terms: Terms, state: State, balance: Micros) -> Micros:
    """The largest payout that may be asked for now; 0 when none may. Asked while flat."""
    if not terms.paid or state.latched & (BREACH | FIRM_DAY):
        return 0
    profit = balance - state.basis
    if not may_request(
        (state.winning, terms.winning_days),
        (state.trading, terms.traded_days),
        (profit, terms.payout_profit if state.paid else profit),
    ):
        return 0
    if terms.consistent and not is_consistent(state.best, profit, terms.consistency_percent):
        return 0
    return largest_request(balance, terms.payout_percent, terms.payout_cap, terms.payout_least)


def needed_profit(terms: Terms, state: State, balance: Micros) -> Micros:
    """The profit at which a target and the consistency of the days so far, today's included, are
    met; 0 where there is no target.
    """
    if terms.profit_target <= 0:
        return 0
    best = max(state.best, balance - state.opened)
    if not terms.consistent or best <= 0:
        return terms.profit_target
    return max(terms.profit_target, meeting_total(best, terms.consistency_percent))


def passed(terms: Terms, state: State, balance: Micros) -> bool:
    """Whether a balance, flat, passes the account: target and consistency met, floor untouched."""
    needed = needed_profit(terms, state, balance)
    return needed > 0 and not state.latched & BREACH and balance - terms.start >= needed


def is_idle(terms: Terms, state: State) -> bool:
    """Whether the account went without a trade for longer than the firm keeps it."""
    return 0 < terms.idle_days < state.idle
