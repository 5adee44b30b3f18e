"""Business days of the exchange: weekdays but its full holidays, by rule, for any year from 2022.

The exchange's own rules count its contracts' last days in them. Days on which it closes early are
business days. The rules are those of today (Juneteenth since 2022); a day of mourning or a storm is
not foreseen. All arithmetic is on day numbers (days since 1970-01-01), so that cores may ask.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

_MONDAY, _THURSDAY, _SATURDAY, _SUNDAY = 0, 3, 5, 6
_FIXED: Final = ((6, 19), (7, 4), (12, 25))  # a Saturday is kept on Friday, a Sunday on Monday


def day_number(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 of a Gregorian date."""
    shifted = year - (month <= 2)
    era, of_era = divmod(shifted, 400)
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


def weekday(number: int) -> int:
    """0 is Monday."""
    return (number + 3) % 7


def nth_weekday(year: int, month: int, day: int, count: int) -> int:
    """The `count`th weekday `day` of a month."""
    first = day_number(year, month, 1)
    return first + (day - weekday(first)) % 7 + 7 * (count - 1)


def easter(year: int) -> int:
    """Day number of Easter Sunday (Gauss's rule in the form of 1876)."""
    golden, (century, rest) = year % 19, divmod(year, 100)
    moved, skipped = century - century // 4, (8 * century + 13) // 25
    moon = (moved - skipped + 19 * golden + 15) % 30
    sun = (32 + 2 * (century % 4) + 2 * (rest // 4) - moon - rest % 4) % 7
    late = (golden + 11 * moon + 22 * sun) // 451
    month, day = divmod(moon + sun - 7 * late + 114, 31)
    return day_number(year, month, day + 1)


@lru_cache(maxsize=64)
def holidays(year: int) -> frozenset[int]:
    """Day numbers of the full holidays of a year."""
    found = [
        nth_weekday(year, 1, _MONDAY, 3),
        nth_weekday(year, 2, _MONDAY, 3),
        easter(year) - 2,
        nth_weekday(year, 6, _MONDAY, 1) - 7,  # the last Monday of May
        nth_weekday(year, 9, _MONDAY, 1),
        nth_weekday(year, 11, _THURSDAY, 4),
    ]
    for month, day in _FIXED:
        number = day_number(year, month, day)
        found.append(number + {_SATURDAY: -1, _SUNDAY: 1}.get(weekday(number), 0))
    first = day_number(year, 1, 1)  # not kept on the Friday before
    found.append(first + (weekday(first) == _SUNDAY))
    return frozenset(found)


def is_business_day(number: int) -> bool:
    year = 1970 + (number * 400 + 200) // 146_097
    return weekday(number) < _SATURDAY and not any(
        number in holidays(one) for one in (year - 1, year, year + 1)
    )


def on_or_before(number: int) -> int:
    """The day itself if it is a business day, else the last one before."""
    while not is_business_day(number):
        number -= 1
    return number


def before(number: int, count: int) -> int:
    """`count` business days before a day."""
    for _ in range(count):
        number = on_or_before(number - 1)
    return number


def nth_of_month(year: int, month: int, count: int) -> int:
    """The `count`th business day of a month."""
    number = day_number(year, month, 1) - 1
    while count:
        number += 1
        count -= is_business_day(number)
    return number
