"""The consistency rule: no day may make too large a share of the profit, on plain integers.

Money is micro-dollars, a share is a whole percentage. The firm's pages disagree about a best day of
exactly the share ("below", "at or below"): here exactly at it is not met. Missing it ends nothing;
it raises the profit that is needed.
"""

from __future__ import annotations

from shared.domain.rules.payout import CENT
from shared.units import Micros


def is_consistent(best: Micros, total: Micros, percent: int) -> bool:
    """Whether the best day stays below `percent` of a total profit; no profit is never enough."""
    return total > 0 and best * 100 < total * percent


def share_percent(best: Micros, total: Micros) -> int:
    """The best day's share of a profit, rounded up, so that it never looks met when it is not; 0
    while there is no profit.
    """
    return -(-best * 100 // total) if total > 0 and best > 0 else 0


def needed_total(best: Micros, percent: int) -> Micros:
    """The profit the firm shows as needed: best day over the share, rounded up to the cent."""
    return -(-best * 100 // (percent * CENT)) * CENT


def meeting_total(best: Micros, percent: int) -> Micros:
    """The smallest profit in whole cents at which the rule is met for certain."""
    shown = needed_total(best, percent)
    return shown if is_consistent(best, shown, percent) else shown + CENT


def largest_day(others: Micros, percent: int) -> Micros:
    """The largest whole-cent profit of a new best day, when all other days made `others`.

    From best < share x (others + best); 0 when no day can meet the rule yet.
    """
    if others <= 0 or percent >= 100:
        return 0
    most = (others * percent - 1) // (100 - percent)
    return most - most % CENT
