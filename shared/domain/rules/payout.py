"""Payouts of an express account: who may ask, for how much, and what it does, on plain integers.

Money is micro-dollars. The product never asks for a payout; it counts, tells, and takes the firm's
booking into its own measures: a payout lowers balance, high and the day's basis alike, so that it
never looks like a loss, and lifts the floor to its lock (0) for good.
"""

from __future__ import annotations

from typing import Final

from shared.units import USD, Micros

CENT: Final = USD // 100


def is_winning_day(net: Micros, least: Micros) -> bool:
    """Whether a finished day's net counts toward a payout; exactly the least counts."""
    return net >= least


def may_request(days: tuple[int, int], traded: tuple[int, int], net: tuple[Micros, Micros]) -> bool:
    """Whether the counts allow a request; each pair is (reached, needed).

    `days` are winning days and `traded` days with a trade since the last payout, `net` the profit
    since then against the least of it (0 needed before the first payout).
    """
    return days[0] >= days[1] and traded[0] >= traded[1] and net[0] >= net[1]


def largest_request(balance: Micros, percent: int, cap: Micros, least: Micros) -> Micros:
    """The largest payout of a balance, whole cents rounded down; 0 when it is below the least."""
    share = balance * percent // 100 if balance > 0 else 0
    most = share if share < cap else cap
    most -= most % CENT
    return most if most >= least else 0


def received(gross: Micros, percent: int, fee: Micros) -> Micros:
    """What reaches the trader: his share, whole cents rounded down, less the transfer's fee."""
    net = gross * percent // 100
    return net - net % CENT - fee


def floor_after_payout(floor: Micros, lock: Micros) -> Micros:
    """The floor after a payout: at its lock, wherever it was below."""
    return lock if lock > floor else floor


def rebased(level: Micros, gross: Micros) -> Micros:
    """A measure of what the account had (high, day's basis), after a payout left it."""
    return level - gross
