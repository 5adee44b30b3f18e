"""The trading calendar of CME equity-index futures and of the firm's flat-by rule, as UTC instants.

A table typed by hand, because no calendar package has all of it right, turned into instants once,
with the pinned `tzdata` package and never the computer's own time zone or zone files: cores ask by
integer and get the same answer on every machine. Outside the years typed in every question raises
`OutsideCalendar`: a day we know nothing about must not look like a trading day.

A trading day is labelled by its date. It turns at 17:00 Chicago time (CT), also on Fridays: from
Friday 17:00 the label is Monday's although nothing trades before Sunday 17:00, and a day without a
session gives its hours to the next label. Within one label:

    17:00 of the last label .. opens   CLOSED      (empty from Monday to Thursday evening)
    opens .. no_entries                OPEN
    no_entries .. flatten              NO_ENTRIES  from 15:00
    flatten .. flat                    FLATTEN     from 15:05
    flat .. closes                     FLAT        from 15:08; the firm demands 15:10
    closes .. 17:00                    CLOSED      from 16:00

Grains and livestock close earlier than the rest; `flat_by_of` says when they are to be flat.
An early close moves the whole countdown: the firm's flat-by time is then 15 minutes before it. The
holiday sessions are trading days of their own, as the firm counts them (the exchange merges some).
Every interval holds its first instant and not its last.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from importlib import resources
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from shared.events import Phase
from shared.sections import Session
from shared.units import HOUR, MINUTE, SECOND, Nanos

FIRST_DAY: Final = date(2025, 1, 1)
LAST_DAY: Final = date(2027, 12, 31)

_OPEN: Final = time(17, 0)  # of the evening before
_CLOSE: Final = time(16, 0)
_FLAT_BY: Final = time(15, 10)
_FLAT_BY_BEFORE_EARLY_CLOSE: Final = timedelta(minutes=15)

# Dates whose close is not 16:00 CT; `-` means no session. The exchange revises such days about two
# weeks before. 2025-01-09 was a day of mourning; 2026-04-03 is a Good Friday with a jobs report.
_EXCEPTIONS: Final = """
2025-01-01 -      2025-01-09 08:30  2025-01-20 12:00  2025-02-17 12:00  2025-04-18 -
2025-05-26 12:00  2025-06-19 12:00  2025-07-03 12:15  2025-07-04 12:00  2025-09-01 12:00
2025-11-27 12:00  2025-11-28 12:15  2025-12-24 12:15  2025-12-25 -
2026-01-01 -      2026-01-19 12:00  2026-02-16 12:00  2026-04-03 08:15  2026-05-25 12:00
2026-06-19 12:00  2026-07-03 12:00  2026-09-07 12:00  2026-11-26 12:00  2026-11-27 12:15
2026-12-24 12:15  2026-12-25 -
2027-01-01 -      2027-01-18 12:00  2027-02-15 12:00  2027-03-26 -      2027-05-31 12:00
2027-06-18 12:00  2027-07-05 12:00  2027-09-06 12:00  2027-11-25 12:00  2027-11-26 12:15
2027-12-24 -
"""


HOURS_BEFORE_17: Final[dict[str, Nanos]] = {
    "grains": 3 * HOUR + 40 * MINUTE,  # the exchange closes them at 13:20 CT
    "livestock": 3 * HOUR + 55 * MINUTE,  # at 13:05
}
"""Product groups whose day ends before that of all others, on days that are not shorter still: how
long before 17:00 CT. The firm wants them flat before their own close."""


class OutsideCalendar(ValueError):
    """An instant or date for which no calendar was typed in; nothing may trade then."""


class TradingDay(Struct, frozen=True, kw_only=True):
    """One trading day in UTC nanoseconds. `day` is its ISO date, the label of everything in it."""

    day: str
    begins_ns: Nanos  # the label turned; trading may start later (weekends, closed days)
    opens_ns: Nanos
    no_entries_ns: Nanos
    flatten_ns: Nanos
    flat_ns: Nanos
    flat_by_ns: Nanos  # the firm's deadline
    closes_ns: Nanos
    ends_ns: Nanos  # 17:00 CT: the next label begins
    reopens_ns: Nanos  # the next trading day opens

    def phase(self, now_ns: Nanos) -> Phase:
        """The phase at an instant of this day."""
        if now_ns < self.opens_ns or now_ns >= self.closes_ns:
            return Phase.CLOSED
        if now_ns < self.no_entries_ns:
            return Phase.OPEN
        if now_ns < self.flatten_ns:
            return Phase.NO_ENTRIES
        return Phase.FLATTEN if now_ns < self.flat_ns else Phase.FLAT

    def next_change(self, now_ns: Nanos) -> Nanos:
        """When the phase or the label changes next, strictly after `now_ns`."""
        for edge in (
            self.opens_ns,
            self.no_entries_ns,
            self.flatten_ns,
            self.flat_ns,
            self.closes_ns,
        ):
            if edge > now_ns:
                return edge
        return self.ends_ns

    def next_open(self, now_ns: Nanos) -> Nanos:
        """When trading opens next: this day's own open while it is still ahead."""
        return self.opens_ns if now_ns < self.opens_ns else self.reopens_ns

    def flat_by_of(self, group: str) -> Nanos:
        """The firm's deadline for a product group: with all others, or at its own close before."""
        own = self.ends_ns - HOURS_BEFORE_17.get(group, 0)
        return own if own < self.flat_by_ns else self.flat_by_ns


class Calendar:
    """Every trading day of the coverage, found by bisection."""

    def __init__(self, days: tuple[TradingDay, ...]) -> None:
        self._days = days
        self._begins = [day.begins_ns for day in days]
        self._by_label = {day.day: index for index, day in enumerate(days)}

    @property
    def days(self) -> tuple[TradingDay, ...]:
        return self._days

    def at(self, now_ns: Nanos) -> TradingDay:
        """The trading day whose label holds at `now_ns`. Raises OutsideCalendar."""
        index = bisect_right(self._begins, now_ns) - 1
        if index < 0 or now_ns >= self._days[index].ends_ns:
            raise OutsideCalendar(
                f"time was {now_ns} ns since 1970; the calendar covers {self._days[0].day} to"
                f" {self._days[-1].day}"
            )
        return self._days[index]

    def phase(self, now_ns: Nanos) -> Phase:
        """The phase at `now_ns`. Raises OutsideCalendar."""
        return self.at(now_ns).phase(now_ns)

    def named(self, label: str) -> TradingDay:
        """The trading day of an ISO date. Raises OutsideCalendar for a date without a session."""
        if label not in self._by_label:
            raise OutsideCalendar(f"trading day was {label!r}, which has no session in the table")
        return self._days[self._by_label[label]]

    def before(self, day: TradingDay) -> TradingDay | None:
        """The trading day before `day`; None at the start of the coverage."""
        index = self._by_label[day.day]
        return self._days[index - 1] if index else None


@lru_cache(maxsize=8)
def calendar(session: Session) -> Calendar:
    """The calendar with our own countdown in it. Raises ValueError for offsets out of order."""
    if not session.no_entries_before_s > session.flatten_before_s > session.flat_before_s:
        raise ValueError(
            "session: no_entries_before_s > flatten_before_s > flat_before_s must hold, but they"
            f" were {session.no_entries_before_s}, {session.flatten_before_s},"
            f" {session.flat_before_s}"
        )
    zone = _chicago()
    dates = _trading_dates()
    opens = [_instant(zone, day - timedelta(days=1), _OPEN) for day in dates]
    opens.append(_instant(zone, _next_weekday(LAST_DAY) - timedelta(days=1), _OPEN))
    begins = [_instant(zone, FIRST_DAY, time(0, 0))]
    begins += [_instant(zone, day, _OPEN) for day in dates]
    return Calendar(
        tuple(
            _trading_day(
                session,
                day,
                _closing(zone, day),
                (begins[index], opens[index], begins[index + 1], opens[index + 1]),
            )
            for index, day in enumerate(dates)
        )
    )


def _trading_day(
    session: Session,
    day: date,
    closing: tuple[Nanos, Nanos],
    frame: tuple[Nanos, Nanos, Nanos, Nanos],
) -> TradingDay:
    closes_ns, flat_by_ns = closing
    begins_ns, opens_ns, ends_ns, reopens_ns = frame
    made = TradingDay(
        day=day.isoformat(),
        begins_ns=begins_ns,
        opens_ns=opens_ns,
        no_entries_ns=flat_by_ns - session.no_entries_before_s * SECOND,
        flatten_ns=flat_by_ns - session.flatten_before_s * SECOND,
        flat_ns=flat_by_ns - session.flat_before_s * SECOND,
        flat_by_ns=flat_by_ns,
        closes_ns=closes_ns,
        ends_ns=ends_ns,
        reopens_ns=reopens_ns,
    )
    if made.no_entries_ns <= made.opens_ns:
        raise ValueError(
            f"session.no_entries_before_s was {session.no_entries_before_s}: nothing would be left"
            f" of {made.day}"
        )
    assert begins_ns <= opens_ns < flat_by_ns < closes_ns < ends_ns <= reopens_ns, made
    return made


def _chicago() -> ZoneInfo:
    """America/Chicago from the pinned package; the computer's zone files are not asked."""
    with resources.files("tzdata").joinpath("zoneinfo", "America", "Chicago").open("rb") as file:
        return ZoneInfo.from_file(file, key="America/Chicago")


def _exceptions() -> dict[date, time | None]:
    words = _EXCEPTIONS.split()
    return {
        date.fromisoformat(day): None if close == "-" else time.fromisoformat(close)
        for day, close in zip(words[::2], words[1::2], strict=True)
    }


_CLOSES: Final = _exceptions()


def _trading_dates() -> list[date]:
    count = (LAST_DAY - FIRST_DAY).days + 1
    every = (FIRST_DAY + timedelta(days=offset) for offset in range(count))
    return [day for day in every if day.weekday() < 5 and _CLOSES.get(day, _CLOSE) is not None]


def _next_weekday(day: date) -> date:
    day += timedelta(days=1)
    while day.weekday() >= 5:
        day += timedelta(days=1)
    return day


def _closing(zone: ZoneInfo, day: date) -> tuple[Nanos, Nanos]:
    """(exchange close, the firm's flat-by) of a trading day."""
    early = _CLOSES.get(day)
    if early is None:
        return _instant(zone, day, _CLOSE), _instant(zone, day, _FLAT_BY)
    close = datetime.combine(day, early, zone)
    return _nanos(close), _nanos(close - _FLAT_BY_BEFORE_EARLY_CLOSE)


def _instant(zone: ZoneInfo, day: date, at: time) -> Nanos:
    return _nanos(datetime.combine(day, at, zone))


def _nanos(moment: datetime) -> Nanos:
    return int(moment.astimezone(UTC).timestamp()) * SECOND


def days_to_expiry(label: str, year: int, month: int) -> int:
    """Calendar days from a trading day to the third Friday of a contract month (negative: past).

    The equity-index products stop trading that morning.
    """
    first = date(year, month, 1)
    third_friday = first + timedelta(days=(4 - first.weekday()) % 7 + 14)
    return (third_friday - date.fromisoformat(label)).days
