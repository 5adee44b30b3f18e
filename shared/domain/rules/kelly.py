"""How much of a bankroll a record of trades justifies: a quarter of Kelly, on plain integers.

Counts and sums instead of a probability and a ratio: of `wins` and `losses` trades that gained
`gained` and lost `lost` in all (positive, in cents), with p = wins / n and b = mean gain / mean
loss, the full fraction p - (1 - p) / b is wins x (gained - lost) / (n x gained). Nothing is divided
before the end, so nothing is lost to rounding; what is, is rounded down.
"""

from __future__ import annotations

from typing import Final

from shared.units import Micros

QUARTER: Final = 4


def kelly_fraction(wins: int, losses: int, gained: int, lost: int) -> tuple[int, int]:
    """The full Kelly fraction as (numerator, denominator); negative where the record loses.

    Without a trade or a gain there is no edge to bet on: (0, 1).
    """
    if wins + losses <= 0 or gained <= 0:
        return 0, 1
    return wins * (gained - lost), (wins + losses) * gained


def kelly_risk(bankroll: Micros, fraction: tuple[int, int]) -> Micros:
    """The risk of one trade under a quarter of `fraction`; 0 means: do not trade.

    `bankroll` is the distance to the floor. Two divisions keep every product within 64 bits.
    """
    above, below = fraction
    if bankroll <= 0 or above <= 0:
        return 0
    whole = bankroll // (QUARTER * below)
    rest = bankroll - whole * QUARTER * below
    return whole * above + rest * above // (QUARTER * below)
