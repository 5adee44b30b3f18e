"""The loss rules of the firm and our stricter ones inside them, on plain integers.

Money is micro-dollars. Nothing here knows accounts, quotes or events: governor, simulated firm,
backtest and Monte Carlo call the very same functions, so that they cannot disagree, and a compiler
of numeric code can take them as they are. The firm compares with "hit or exceed": touching counts.
"""

from __future__ import annotations

from shared.units import Micros


def high_after_day(high: Micros, closed: Micros) -> Micros:
    """The highest end-of-day balance, after a day that ended with balance `closed`."""
    return closed if closed > high else high


def floor_after_day(floor: Micros, high: Micros, maximum_loss: Micros, lock: Micros) -> Micros:
    """The maximum-loss floor after a day's end: follows the high, never down, stops at `lock`."""
    trailed = high - maximum_loss
    if trailed > lock:
        trailed = lock
    return trailed if trailed > floor else floor


def kill_level(high: Micros, drawdown: Micros, floor: Micros) -> Micros:
    """The equity at which our own drawdown kill acts; never below the firm's floor."""
    level = high - drawdown
    return level if level > floor else floor


def is_touched(equity: Micros, level: Micros) -> bool:
    """Whether `equity` is at or below a level that ends something."""
    return equity <= level
