"""The scaling plan of an express account: how many minis at which balance, on plain integers.

Balances are micro-dollars at the end of a day, caps are tenths of a mini. Steps up hold from the
next 17:00 CT only, a fall holds at once (the firm says so of payouts; we say so of everything). The
first boundary belongs to the larger size, as the firm's chart words it; at every other boundary,
which it leaves open, the smaller size holds.
"""

from __future__ import annotations

from shared.units import Lots, Micros


def tier_of(balance: Micros, steps: tuple[Micros, ...]) -> int:
    """Which row of the plan an end-of-day balance is in, counted from 0."""
    tier = 0
    for place in range(len(steps)):
        if balance > steps[place] or (place == 0 and balance == steps[place]):
            tier = place + 1
    return tier


def scaled_tenths(balance: Micros, steps: tuple[Micros, ...], minis: tuple[Lots, ...]) -> Lots:
    """The cap at an end-of-day balance. `minis` has one entry more than `steps`; the last serves
    balances beyond."""
    return 10 * minis[tier_of(balance, steps)]


def cap_in_the_day(held: Lots, scaled: Lots) -> Lots:
    """The cap after a balance changed within a day: never up, down at once."""
    return scaled if scaled < held else held
