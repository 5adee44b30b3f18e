"""Bars of several trading days: days, weeks from Monday, months, and groups of them.

A period opens with its first trading day that has a bar (17:00 CT the evening before), and is
partial for as long as the present trading day belongs to it. Groups are counted from 1970, so that
the same request always cuts at the same places. Whether the venue's days are trading days or UTC's
is not known; the caller says which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from services.simulator.history import RawBar, grouped
from shared.units import DAY, Nanos
from shared.venue.codes import BarUnit
from shared.venue.times import days_since_1970, time_text

PERIODS = (BarUnit.DAY, BarUnit.WEEK, BarUnit.MONTH)
MONDAY = 3  # 1970 began on a Thursday
Day = tuple[str, Nanos]  # its name (ISO date) and its opening


def period_of(label: str, unit: int, count: int) -> int:
    """The number of the period that a trading day (ISO date) belongs to."""
    year, month, day = int(label[:4]), int(label[5:7]), int(label[8:10])
    if unit == BarUnit.MONTH:
        return (year * 12 + month - 1) // count
    days = days_since_1970(year, month, day)
    return (days if unit == BarUnit.DAY else (days + MONDAY) // 7) // count


def utc_day(at_ns: Nanos) -> Day:
    """The UTC day of an instant."""
    opens_ns = at_ns - at_ns % DAY
    return time_text(opens_ns)[:10], opens_ns


def periods(
    bars: Iterator[RawBar], day_of: Callable[[Nanos], Day], now_ns: Nanos, *, unit: int, count: int
) -> Iterator[tuple[Nanos, RawBar]]:
    """(end, bar) newest first; the end of a finished period is now at the latest."""

    def number(at_ns: Nanos) -> int:
        return period_of(day_of(at_ns)[0], unit, count)

    present = number(now_ns)
    days = (bar for _, bar in grouped(bars, lambda at: day_of(at)[1]))
    for key, bar in joined(days, number):
        yield (now_ns + 1 if key == present else now_ns), bar


def joined(bars: Iterator[RawBar], number: Callable[[Nanos], int]) -> Iterator[tuple[int, RawBar]]:
    """Bars (newest first) joined by `number` of their opening; each opens with its first."""
    key, whole = 0, None
    for bar in bars:
        mine = number(bar[0])
        if whole is not None and mine == key:
            _, _, high, low, close, volume = whole
            whole = (*bar[:2], max(high, bar[2]), min(low, bar[3]), close, volume + bar[5])
            continue
        if whole is not None:
            yield key, whole
        key, whole = mine, bar
    if whole is not None:
        yield key, whole
