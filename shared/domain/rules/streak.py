"""Counts of a day: entries, losses in a row, and the rest they demand, on plain integers.

Instants are nanoseconds. Entries are directional ones, flat to non-flat; quotes are bounded by
their own budget. A trade that ends at exactly 0 net is no loss and ends a streak.
"""

from __future__ import annotations

from shared.units import Lots, Micros, Nanos


def streak_after(streak: int, net: Micros) -> int:
    """Losses in a row after a trade closed with `net` (fees paid)."""
    return streak + 1 if net < 0 else 0


def cooldown_until(now: Nanos, streak: int, limit: int, rest: Nanos) -> Nanos:
    """Until when no entry is allowed; 0 while the streak is shorter than `limit` (0: no limit)."""
    return now + rest if 0 < limit <= streak else 0


def is_cooling(now: Nanos, until: Nanos) -> bool:
    """Whether a cooldown still holds; its end is free."""
    return now < until


def is_entry(before: Lots, after: Lots, adds: bool) -> bool:
    """Whether a change of a position is an entry: from flat, through flat, or (`adds`) more of it.

    `before` and `after` are signed.
    """
    if after == 0:
        return False
    if before == 0 or (before > 0) != (after > 0):
        return True
    return adds and abs(after) > abs(before)


def entries_fit(done: int, pending: int, limit: int) -> bool:
    """Whether one more entry passes, with those approved and not yet filled counted."""
    return done + pending + 1 <= limit
