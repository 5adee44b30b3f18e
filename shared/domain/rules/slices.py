"""How the distance to the floor is divided among sleeves, on plain integers.

Money is micro-dollars. A sleeve's weight follows from what its finished days won and lost: 100
without evidence, 10 when they only lost, 150 when they only won, so that a loser shrinks faster
than a winner grows. From its own slice a losing sleeve pays what it lost in those days.
"""

from __future__ import annotations

from typing import Final

from shared.units import Micros

EVEN: Final = 100
LEAST: Final = 10
PERCENT: Final = 100


def weight(won: Micros, lost: Micros) -> int:
    """The weight of days that won and lost so much (neither negative)."""
    gross = won + lost
    if gross <= 0:
        return EVEN
    edge = (won - lost) * EVEN // gross
    if edge >= 0:
        return EVEN + edge // 2
    return EVEN + edge if EVEN + edge > LEAST else LEAST


def slice_of(capital: Micros, weights: tuple[int, int], percent: int, net: Micros) -> Micros:
    """A sleeve's slice of a capital, by its weight of all (`weights`), never more than `percent` of
    the capital, less what its days lost (`net`); nothing of nothing."""
    if capital <= 0:
        return 0
    most, part = capital * percent // PERCENT, capital * weights[0] // weights[1]
    found = (part if part < most else most) + (net if net < 0 else 0)
    return found if found > 0 else 0


def left_of(whole: Micros, net: Micros) -> Micros:
    """What is left of a slice after the day's net: a loss uses it up, a gain adds nothing."""
    return whole + net if net < 0 else whole
