"""Instants as the venue writes them, to nanoseconds and back.

The venue prints 0 to 7 fraction digits, an offset or `Z`, and sometimes no zone at all (then it
means UTC); clients send all of these. The arithmetic is done here by hand because cores use it:
the same text must give the same integer on every machine, and the standard library stops at
microseconds.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from shared.units import MINUTE, SECOND, Nanos

_SHAPE: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?"
    r"\s?([Zz]|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
_MONTH_DAYS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
YEARS: Final = range(1970, 2262)  # what fits into 64-bit nanoseconds
NO_INSTANT: Final = "which is no instant between 1970 and 2261"
TEXT_MAX: Final = 64
KNOWN_MAX: Final = 2_048  # rows of one event bear one time, bars of all products the same times


def days_since_1970(year: int, month: int, day: int) -> int:
    """The proleptic Gregorian day count; valid dates only."""
    shifted = year - (month <= 2)
    era = shifted // 400
    of_era = shifted - era * 400
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


@lru_cache(KNOWN_MAX)
def _minute_text(minutes: int) -> str:
    """The beginning of a text, from a count since 1970. Raises ValueError for a day the venue
    cannot mean.
    """
    year, month, day = date_of(minutes // 1_440)
    if year not in YEARS:
        raise ValueError("outside 1970 to 2261")
    return f"{year:04d}-{month:02d}-{day:02d}T{minutes // 60 % 24:02d}:{minutes % 60:02d}"


def date_of(days: int) -> tuple[int, int, int]:
    """(year, month, day) of a day count since 1970."""
    shifted = days + 719_468
    era, of_era = divmod(shifted, 146_097)
    year_of_era = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    index = (5 * of_year + 2) // 153
    month = index + 3 if index < 10 else index - 9
    return year_of_era + era * 400 + (month <= 2), month, of_year - (153 * index + 2) // 5 + 1


def _month_length(year: int, month: int) -> int:
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return _MONTH_DAYS[month - 1] + leap


def time_ns(text: object, field: str) -> Nanos:
    """ISO-8601 text as UTC nanoseconds; digits beyond nine are cut. Raises ValueError."""
    if not isinstance(text, str) or len(text) > TEXT_MAX:
        raise ValueError(f"{field} was {text!r:.80}, which is not an ISO time")
    try:
        return _instant(text)
    except ValueError as error:
        raise ValueError(f"{field} was {text!r:.80}, {error}") from None


@lru_cache(KNOWN_MAX)
def _instant(text: str) -> Nanos:
    """Raises ValueError with the second half of the sentence."""
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        raise ValueError("which is not an ISO time")
    year, month, day, hour, minute, second = shape.group(1, 2, 3, 4, 5, 6)
    seconds = _midnight(year, month, day)
    seconds += _of_day(int(hour), int(minute), int(second or 0))
    fraction = int((shape[7] or "0")[:9].ljust(9, "0"))
    return (seconds - _offset_seconds(shape[8])) * SECOND + fraction


@lru_cache(KNOWN_MAX)
def _midnight(*parts: str) -> int:
    """Seconds until a day of year, month and day begins. Raises ValueError."""
    year, month, day = map(int, parts)
    if year not in YEARS or not 1 <= month <= 12 or not 1 <= day <= _month_length(year, month):
        raise ValueError(NO_INSTANT)
    return days_since_1970(year, month, day) * 86_400


def _of_day(hour: int, minute: int, second: int) -> int:
    """Raises ValueError."""
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError(NO_INSTANT)
    return hour * 3_600 + minute * 60 + second


def _offset_seconds(zone: str | None) -> int:
    if zone is None or zone in "Zz":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    if hours > 14 or minutes > 59:
        raise ValueError("whose offset is no time zone")
    return (hours * 3_600 + minutes * 60) * (-1 if zone[0] == "-" else 1)


def time_text(instant: Nanos, digits: int = 6) -> str:
    """UTC text as the venue writes it: at most `digits` fraction digits, trailing zeros removed.

    Cut, not rounded, like the venue's own REST cuts what its hubs show in full.
    """
    minutes, of_minute = divmod(instant, MINUTE)
    second, rest = divmod(of_minute, SECOND)
    try:
        start = _minute_text(minutes)
    except ValueError as error:
        raise ValueError(f"instant was {instant}, {error}") from None
    fraction = f"{rest:09d}"[:digits].rstrip("0") if rest else ""
    return f"{start}:{second:02d}{'.' if fraction else ''}{fraction}+00:00"
