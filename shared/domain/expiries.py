"""When a contract stops trading, by the rule its product follows, in weekdays and whole days.

The equity-index rule is exact up to exchange holidays. The others are *approximate on the early
side*: they count weekdays and know no holidays, and where a product is delivered physically they
name a day before the first notice, although the contract trades on: whoever trusts them leaves a
contract too early, never too late. Per rule (M is the contract month, before it the month before):

    index     third Friday of M
    nikkei    Thursday before the second Friday of M
    currency  Monday before the third Wednesday of M (6C trades a day longer)
    crypto    last Friday of M
    rate      second last weekday before M (first notice; trading ends up to a month later)
    metal     fourth last weekday before M (first notice; MGC, SIL and MHG end about then)
    oil       five weekdays before the 25th before M (CL ends a day or two later)
    gas       fifth last weekday before M (NG ends two, QG and MNG one day later)
    fuel      second last weekday before M (trading ends on the last)
    grain     third last weekday before M (first notice; trading ends on the 14th of M)
    cattle    second last weekday before M (first notice; trading ends with M)
    hogs      eighth weekday of M (trading ends on the tenth)

`ROLL_DAYS` is how long before that day the venue makes the next month its front: measured for one
date (2026-08-19, all 51 products agree), a guess for all others.

Calendar arithmetic is done on day numbers (days since 1970-01-01), so that cores may ask.
"""

from __future__ import annotations

from typing import Final

from shared.contracts import Product, contract_month, product_of

ROLL_DAYS: Final = {
    "index": 8,
    "nikkei": 8,
    "currency": 5,
    "crypto": 5,
    "rate": 5,
    "metal": 5,
    "oil": 5,
    "gas": 5,
    "fuel": 12,
    "grain": 12,
    "cattle": 12,
    "hogs": 5,
}
_BEFORE: Final = {"rate": 2, "metal": 4, "gas": 5, "fuel": 2, "grain": 3, "cattle": 2}
_WEDNESDAY, _FRIDAY = 2, 4
_OIL_DAY: Final = 25


def day_number(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 of a Gregorian date."""
    shifted = year - (month <= 2)
    era, of_era = divmod(shifted, 400)
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


def day_of(label: str) -> int:
    """The day number of an ISO date. Raises ValueError for another shape."""
    year, month, day = label.split("-")
    return day_number(int(year), int(month), int(day))


def weekday(number: int) -> int:
    """0 is Monday."""
    return (number + 3) % 7


def last_trade(product: Product, year: int, month: int) -> int:
    """Day number of the last day on which a contract month should be traded."""
    rule = product.expiry
    if rule in _BEFORE:
        return _weekdays_before(day_number(year, month, 1), _BEFORE[rule])
    if rule == "index":
        return _nth(year, month, _FRIDAY, 3)
    if rule == "nikkei":
        return _nth(year, month, _FRIDAY, 2) - 1
    if rule == "currency":
        return _nth(year, month, _WEDNESDAY, 3) - 2
    if rule == "hogs":
        return _weekdays_on(day_number(year, month, 1) - 1, 8)
    if rule == "crypto":
        end = day_number(year + month // 12, month % 12 + 1, 1) - 1
        return end - (weekday(end) - _FRIDAY) % 7
    assert rule == "oil", f"Invariant: {product.root} follows a rule we know, not {rule}"
    return _weekdays_before(day_number(year - (month == 1), (month + 10) % 12 + 1, _OIL_DAY), 5)


def days_left(label: str, contract: str) -> int:
    """Calendar days from a trading day (ISO) to the last trade of a contract; negative: past.

    Raises UnknownContract.
    """
    return last_trade(product_of(contract), *contract_month(contract)) - day_of(label)


def _nth(year: int, month: int, day: int, count: int) -> int:
    """The `count`th weekday `day` of a month."""
    first = day_number(year, month, 1)
    return first + (day - weekday(first)) % 7 + 7 * (count - 1)


def _weekdays_before(number: int, count: int) -> int:
    """`count` weekdays before a day."""
    while count:
        number -= 1
        count -= weekday(number) < 5
    return number


def _weekdays_on(number: int, count: int) -> int:
    """`count` weekdays after a day."""
    while count:
        number += 1
        count -= weekday(number) < 5
    return number
