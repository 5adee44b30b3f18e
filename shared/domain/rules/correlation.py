"""Whether two sleeves' results move together too much: Pearson's correlation, compared exactly.

Returns are whole cents or ticks a day; the sums of a window are kept instead of the returns. The
limit is a maximum and inclusive: at 0.6 exactly two sleeves may both hold. No root is taken and
nothing rounded: squares are compared, as fractions, by division alone (Euclid), so that no product
outgrows 64 bits while |return| x samples stays below 30 million.

Unknown counts as 1: with too few samples, or with returns that never varied, the limit is exceeded.
"""

from __future__ import annotations

Sums = tuple[int, int, int, int, int, int]
"""Samples, sum x, sum y, sum x*x, sum y*y, sum x*y."""

EMPTY: Sums = (0, 0, 0, 0, 0, 0)


def with_pair(sums: Sums, x: int, y: int) -> Sums:
    """The sums with one more day of both."""
    return (
        sums[0] + 1,
        sums[1] + x,
        sums[2] + y,
        sums[3] + x * x,
        sums[4] + y * y,
        sums[5] + x * y,
    )


def exceeds(sums: Sums, needed: int, limit: tuple[int, int]) -> bool:
    """Whether the correlation of at least `needed` samples is above `limit` (a fraction, >= 0)."""
    count = sums[0]
    if count < needed or count < 2:
        return True
    together = count * sums[5] - sums[1] * sums[2]
    x_varies = count * sums[3] - sums[1] * sums[1]
    y_varies = count * sums[4] - sums[2] * sums[2]
    if x_varies <= 0 or y_varies <= 0:
        return True
    if together <= 0:
        return False
    return is_more(
        (together, x_varies), (limit[0] * limit[0] * y_varies, limit[1] * limit[1] * together)
    )


def is_more(left: tuple[int, int], right: tuple[int, int]) -> bool:
    """Whether one fraction is larger than another, both of positive or zero numerators.

    Whole parts are compared; where they are equal the reciprocals of the rests decide, reversed.
    """
    above, below = left
    over, under = right
    while True:
        whole, other = above // below, over // under
        if whole != other:
            return whole > other
        above, over = above - whole * below, over - other * under
        if above == 0 or over == 0:
            return above > 0 and over == 0
        above, below, over, under = under, over, below, above
