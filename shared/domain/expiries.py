"""When a contract should be left (`last_trade`), and when it ends at the exchange (`ends`).

`last_trade` is what a trader goes by. The equity-index rule is exact up to exchange holidays; the
others are *approximate on the early side*: they count weekdays and know no holidays, and where a
product is delivered physically they name a day before the first notice, although the contract
trades on: whoever trusts them leaves a contract too early, never too late. Per rule (M is the
contract month, before it the month before):

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

`ends` is what the exchange goes by: the last day of trading, with its holidays, by the rule books:

    index     third Friday of M                 currency  2nd business day before the 3rd Wednesday
    nikkei    Thursday before the 2nd Friday              (6C: the one before it)
    crypto    last Friday of M                  rate      7th business day before the last of M
    metal     third last of M                             (ZT, ZF: the last of M)
    oil       3rd before the 25th before M      gas       third last before M (QG, MNG: fourth)
              (MCL, QM: one earlier)            fuel      last before M
    grain     the one before the 15th of M      cattle    last of M        hogs  10th of M

A day that is no business day is moved to the one before. Exact but for: Japanese holidays (nikkei),
British ones (crypto), and MGC, SIL and MHG, whose rules we could not settle: they are taken to end
on the third last business day before M, the earliest of what is said about them. The hour of the
last day (8:30 CT for the indices, about 9:16 for currencies) is not told.

`ROLL_DAYS` is how long before the day to leave the venue makes the next month its front: measured
for one date (2026-08-19, all 51 products agree), a guess for all others.

Calendar arithmetic is done on day numbers (days since 1970-01-01), so that cores may ask.
"""

from __future__ import annotations

from typing import Final

from shared.contracts import Product, contract_month, product_of
from shared.domain import business_days as days
from shared.domain.business_days import day_number, nth_weekday, weekday

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
_UNSETTLED: Final = ("MGC", "SIL", "MHG")
_ONE_EARLIER: Final = ("MCL", "QM", "QG", "MNG")
_WHOLE_MONTH: Final = ("ZT", "ZF")
_OIL_DAY: Final = 25


def day_of(label: str) -> int:
    """The day number of an ISO date. Raises ValueError for another shape."""
    year, month, day = label.split("-")
    return day_number(int(year), int(month), int(day))


def last_trade(product: Product, year: int, month: int) -> int:
    """Day number of the last day on which a contract month should be traded."""
    rule = product.expiry
    if rule in _BEFORE:
        return _weekdays_before(day_number(year, month, 1), _BEFORE[rule])
    if rule == "index":
        return nth_weekday(year, month, _FRIDAY, 3)
    if rule == "nikkei":
        return nth_weekday(year, month, _FRIDAY, 2) - 1
    if rule == "currency":
        return nth_weekday(year, month, _WEDNESDAY, 3) - 2
    if rule == "hogs":
        return _weekdays_on(day_number(year, month, 1) - 1, 8)
    if rule == "crypto":
        end = day_number(year + month // 12, month % 12 + 1, 1) - 1
        return end - (weekday(end) - _FRIDAY) % 7
    assert rule == "oil", f"Invariant: {product.root} follows a rule we know, not {rule}"
    return _weekdays_before(day_number(year - (month == 1), (month + 10) % 12 + 1, _OIL_DAY), 5)


def ends(product: Product, year: int, month: int) -> int:
    """Day number of the last day on which a contract month trades at the exchange."""
    rule, root = product.expiry, product.root
    first = day_number(year, month, 1)
    following = day_number(year + month // 12, month % 12 + 1, 1)
    match rule:
        case "index":
            return days.on_or_before(nth_weekday(year, month, _FRIDAY, 3))
        case "nikkei":
            return days.on_or_before(nth_weekday(year, month, _FRIDAY, 2) - 1)
        case "currency":
            return days.before(nth_weekday(year, month, _WEDNESDAY, 3), 1 if root == "6C" else 2)
        case "crypto":
            last = following - 1
            return days.on_or_before(last - (weekday(last) - _FRIDAY) % 7)
        case "rate":
            last = days.before(following, 1)
            return last if root in _WHOLE_MONTH else days.before(last, 7)
        case "metal":
            return days.before(first if root in _UNSETTLED else following, 3)
        case "oil":
            before = day_number(year - (month == 1), (month + 10) % 12 + 1, _OIL_DAY)
            return days.before(days.on_or_before(before), 3 + (root in _ONE_EARLIER))
        case "gas":
            return days.before(first, 3 + (root in _ONE_EARLIER))
        case "fuel":
            return days.before(first, 1)
        case "grain":
            return days.before(first + 14, 1)
        case "cattle":
            return days.before(following, 1)
    assert rule == "hogs", f"Invariant: {root} follows a rule we know, not {rule}"
    return days.nth_of_month(year, month, 10)


def days_left(label: str, contract: str) -> int:
    """Calendar days from a trading day (ISO) to the last trade of a contract; negative: past.

    Raises UnknownContract.
    """
    return last_trade(product_of(contract), *contract_month(contract)) - day_of(label)


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
