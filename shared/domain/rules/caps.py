"""Position caps in tenths of a mini, on plain integers.

Ten micros are a mini. What a contract weighs stands in `shared/contracts.py` (the silver micro
counts as two, the crypto micros as minis); here weights and sizes are added up and compared. A cap
never forbids what does not enlarge: closing is always allowed, also above a cap that fell.
"""

from __future__ import annotations

from shared.units import Lots


def weight(lots: Lots, mini_tenths: int) -> Lots:
    """What a position or an exposure weighs, in tenths of a mini; its sign does not matter."""
    return (lots if lots >= 0 else -lots) * mini_tenths


def fits(before: Lots, after: Lots, cap: Lots) -> bool:
    """Whether a change of the total passes: at the cap is inside, and less is always allowed."""
    return after <= cap or after <= before


def smaller_cap(first: Lots, second: Lots) -> Lots:
    """The stricter of two caps. A cap of 0 allows nothing; there is no cap that means none."""
    return first if first < second else second
