"""Conservative equity, and the price bands inside which it needs no recomputation.

Longs are valued at the bid, shorts at the ask, the exit's fees are paid already. Equity is cash
plus what is held at the mark, so there is no average price and no rounding in it. A venue balance
lower than ours counts (a fee we did not hear of); a higher one does not until the next day begins.

Unknown is a value of its own: a held contract without a usable quote makes the whole sum None.

Bands: what may still be lost before the nearest level acts is shared equally among the contracts
held; each gets the price at which its share would be used up. While every quote stays inside its
band the losses together are below the slack, so no level can have been reached: the band is exact,
not an approximation, and `tests/test_governor_equity.py` compares it with the naive sum.
"""

from __future__ import annotations

from msgspec import Struct

from services.risk_governor.state import FAR, Mark, Mind, product
from shared.domain.ledger import worth
from shared.domain.rules.loss import day_is_lost, is_touched, kill_level, slack
from shared.units import Lots, Micros


class Account(Struct, frozen=True):
    """The account at this moment, micro-dollars. `allowance`: cost of leaving beyond the mark."""

    equity: Micros
    session_net: Micros
    allowance: Micros


def mark_of(mark: Mark, lots: Lots) -> int:
    """The price at which `lots` (signed) are valued: the worse side, also of a crossed quote."""
    return min(mark.bid, mark.ask) if lots > 0 else max(mark.bid, mark.ask)


def account(mind: Mind) -> Account | None:
    """Conservative equity now; None when it is not known."""
    state = mind.state
    if state.base is None:
        return None
    net: Micros = state.drift if state.drift < 0 else 0
    allowance: Micros = 0
    ticks_away = mind.limits.given.exit_allowance_ticks
    for contract, desk in state.ledger.desks.items():
        position, kind = desk.account.position, product(contract)
        net -= desk.account.fees
        price = 0
        if position.lots:
            mark = state.marks.get(contract)
            if mark is None or not mark.usable():
                return None
            price = mark_of(mark, position.lots)
            size = abs(position.lots)
            net -= size * kind.fee_side_micros
            allowance += size * ticks_away * kind.tick_micros
        net += worth(position, price) * kind.tick_micros
    return Account(state.base + net, net, allowance)


def kill(mind: Mind) -> Micros:
    """The equity at which the drawdown kill acts."""
    return kill_level(mind.state.high, mind.limits.drawdown, mind.state.floor)


def lost_levels(mind: Mind, now: Account) -> list[str]:
    """Which levels the account has reached: `floor`, `drawdown`, `daily_loss`, gravest first."""
    reached = []
    if is_touched(now.equity, mind.state.floor):
        reached.append("floor")
    if is_touched(now.equity, kill(mind)):
        reached.append("drawdown")
    if day_is_lost(now.session_net, now.allowance, mind.limits.daily_loss):
        reached.append("daily_loss")
    return reached


def headroom(mind: Mind, now: Account) -> Micros:
    """What may still be lost before the nearest level acts."""
    return slack(now.equity, now.session_net - now.allowance, kill(mind), -mind.limits.daily_loss)


def rebox(mind: Mind, now: Account | None) -> None:
    """Draw every contract's band anew, after anything that moved equity, levels or positions."""
    state = mind.state
    held = state.ledger.positions()
    room = -1 if now is None else _slack_to_unlatched(mind, now)
    for contract, mark in state.marks.items():
        mark.lo, mark.hi = 1, FAR
        lots = held.get(contract, 0)
        if not lots:
            continue
        share = room // len(held)
        if share <= 0:
            mark.lo, mark.hi = FAR, -FAR
            continue
        ticks = (share - 1) // (abs(lots) * product(contract).tick_micros)
        if lots > 0:
            mark.lo = max(1, mark_of(mark, lots) - ticks)
        else:
            mark.hi = mark_of(mark, lots) + ticks


def _slack_to_unlatched(mind: Mind, now: Account) -> Micros:
    """Like `headroom`, but a level that has already latched needs no more watching."""
    latches = mind.state.latches
    equity_level = kill(mind)
    if "drawdown" in latches:
        equity_level = -FAR if "floor" in latches else mind.state.floor
    daily_level = -FAR if "daily_loss" in latches else -mind.limits.daily_loss
    return slack(now.equity, now.session_net - now.allowance, equity_level, daily_level)
