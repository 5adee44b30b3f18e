"""When the firm wants no new risk: near a price limit and around scheduled news, on integers.

Prices are ticks, shares are basis points of the settlement price, instants nanoseconds. Both ends
of a news window are inside it, and touching the edge of the price-limit zone is being in it.
"""

from __future__ import annotations

from typing import Final

from shared.units import Nanos, Ticks

WHOLE: Final = 10_000  # basis points


def in_limit_zone(price: Ticks, settle: Ticks, limit: int, zone: int) -> bool:
    """Whether a price lies within `zone` of the daily limit (`limit`), above or below `settle`.

    Nothing may be held there. Both in basis points: 700 and 200 forbid from 5 % away on.
    """
    away = limit - zone
    scaled = price * WHOLE
    return scaled >= settle * (WHOLE + away) or scaled <= settle * (WHOLE - away)


def in_window(now: Nanos, event: Nanos, before: Nanos, after: Nanos) -> bool:
    """Whether an instant lies around an event, both ends inside."""
    return event - before <= now <= event + after


def jumped(price: Ticks, was: Ticks, most: int) -> bool:
    """Whether a price moved by more than `most` basis points from what it was (0: not known)."""
    move = price - was if price > was else was - price
    return was > 0 and move * WHOLE > most * was
