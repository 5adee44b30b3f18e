"""Every vector of the reference for sessions, resets and holidays, and what surrounds them."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import settings as settings_file
from shared.domain import sessions
from shared.domain.sessions import OutsideCalendar, TradingDay, calendar, days_to_expiry
from shared.events import Phase
from shared.units import MINUTE, SECOND

SESSION = settings_file.load(env={}).session
CALENDAR = calendar(SESSION)
FIRST = CALENDAR.days[0].begins_ns
END = CALENDAR.days[-1].ends_ns


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * SECOND


@dataclass
class Row:
    day: str
    opens: str
    flat_by: str
    closes: str
    reopens: str


ROWS = (
    # Clock changes: spring 2025, autumn 2025, spring 2026, autumn 2026.
    Row("2025-03-07", "2025-03-06T23:00Z", "2025-03-07T21:10Z", "2025-03-07T22:00Z",
        "2025-03-09T22:00Z"),
    Row("2025-03-10", "2025-03-09T22:00Z", "2025-03-10T20:10Z", "2025-03-10T21:00Z",
        "2025-03-10T22:00Z"),
    Row("2025-10-31", "2025-10-30T22:00Z", "2025-10-31T20:10Z", "2025-10-31T21:00Z",
        "2025-11-02T23:00Z"),
    Row("2025-11-03", "2025-11-02T23:00Z", "2025-11-03T21:10Z", "2025-11-03T22:00Z",
        "2025-11-03T23:00Z"),
    Row("2026-03-06", "2026-03-05T23:00Z", "2026-03-06T21:10Z", "2026-03-06T22:00Z",
        "2026-03-08T22:00Z"),
    Row("2026-03-09", "2026-03-08T22:00Z", "2026-03-09T20:10Z", "2026-03-09T21:00Z",
        "2026-03-09T22:00Z"),
    Row("2026-10-30", "2026-10-29T22:00Z", "2026-10-30T20:10Z", "2026-10-30T21:00Z",
        "2026-11-01T23:00Z"),
    Row("2026-11-02", "2026-11-01T23:00Z", "2026-11-02T21:10Z", "2026-11-02T22:00Z",
        "2026-11-02T23:00Z"),
    # Holidays: Thanksgiving, the day after, the day before Good Friday 2025, Christmas Eve 2026,
    # the jobs-report Good Friday, the day of mourning, Martin Luther King day, New Year's Eve.
    Row("2026-11-26", "2026-11-25T23:00Z", "2026-11-26T17:45Z", "2026-11-26T18:00Z",
        "2026-11-26T23:00Z"),
    Row("2026-11-27", "2026-11-26T23:00Z", "2026-11-27T18:00Z", "2026-11-27T18:15Z",
        "2026-11-29T23:00Z"),
    Row("2025-04-17", "2025-04-16T22:00Z", "2025-04-17T20:10Z", "2025-04-17T21:00Z",
        "2025-04-20T22:00Z"),
    Row("2026-12-24", "2026-12-23T23:00Z", "2026-12-24T18:00Z", "2026-12-24T18:15Z",
        "2026-12-27T23:00Z"),
    Row("2026-04-03", "2026-04-02T22:00Z", "2026-04-03T13:00Z", "2026-04-03T13:15Z",
        "2026-04-05T22:00Z"),
    Row("2025-01-09", "2025-01-08T23:00Z", "2025-01-09T14:15Z", "2025-01-09T14:30Z",
        "2025-01-09T23:00Z"),
    Row("2026-01-19", "2026-01-18T23:00Z", "2026-01-19T17:45Z", "2026-01-19T18:00Z",
        "2026-01-19T23:00Z"),
    Row("2025-12-31", "2025-12-30T23:00Z", "2025-12-31T21:10Z", "2025-12-31T22:00Z",
        "2026-01-01T23:00Z"),
    Row("2025-12-24", "2025-12-23T23:00Z", "2025-12-24T18:00Z", "2025-12-24T18:15Z",
        "2025-12-25T23:00Z"),
)  # fmt: skip


VECTORS = {
    "2025-03-07": "V53", "2025-03-10": "V54", "2025-10-31": "V55", "2026-03-06": "V57-friday",
    "2026-03-09": "V57-monday", "2026-10-30": "V58-friday", "2026-11-02": "V58-monday",
    "2026-11-26": "V67", "2026-11-27": "V68", "2025-04-17": "V70", "2026-12-24": "V71",
    "2026-01-19": "V73", "2025-01-09": "V74",
}  # fmt: skip
"""Trading days that are worked vectors of the rule notes."""
MOMENTS = {
    "2025-03-09T21:59:59Z": "V59-before", "2025-03-09T22:00:00Z": "V59",
    "2025-03-09T22:30:00Z": "V60", "2025-11-02T23:00:00Z": "V62",
    "2025-11-03T22:59:59Z": "V63-before", "2025-11-03T23:00:00Z": "V63",
    "2026-03-06T23:00:00Z": "V64", "2026-03-08T22:00:00Z": "V64-opens",
    "2026-11-02T21:10:00Z": "V66", "2026-11-26T23:00:00Z": "V67-reopens",
    "2025-04-20T22:00:00Z": "V70-reopens",
}  # fmt: skip
"""Instants that are."""


@pytest.mark.parametrize("row", ROWS, ids=lambda row: VECTORS.get(row.day, row.day))
def test_a_day_opens_closes_and_is_flat_at_the_worked_instants(row: Row) -> None:
    day = CALENDAR.named(row.day)
    assert (day.opens_ns, day.flat_by_ns, day.closes_ns, day.reopens_ns) == (
        ns(row.opens),
        ns(row.flat_by),
        ns(row.closes),
        ns(row.reopens),
    )


@pytest.mark.parametrize(
    ("instant", "label", "phase"),
    [
        ("2025-03-09T21:59:59Z", "2025-03-10", Phase.CLOSED),  # 16:59 CDT, Sunday
        ("2025-03-09T22:00:00Z", "2025-03-10", Phase.OPEN),
        ("2025-03-09T22:30:00Z", "2025-03-10", Phase.OPEN),  # a fixed UTC-6 clock says closed
        ("2025-11-02T23:00:00Z", "2025-11-03", Phase.OPEN),
        ("2025-11-03T22:59:59Z", "2025-11-03", Phase.CLOSED),
        ("2025-11-03T23:00:00Z", "2025-11-04", Phase.OPEN),
        ("2026-03-06T22:59:59Z", "2026-03-06", Phase.CLOSED),
        ("2026-03-06T23:00:00Z", "2026-03-09", Phase.CLOSED),  # Friday 17:00: Monday's label
        ("2026-03-08T21:59:59Z", "2026-03-09", Phase.CLOSED),
        ("2026-03-08T22:00:00Z", "2026-03-09", Phase.OPEN),
        ("2026-11-02T20:59:59Z", "2026-11-02", Phase.OPEN),
        ("2026-11-02T21:00:00Z", "2026-11-02", Phase.NO_ENTRIES),  # 15:00 CST
        ("2026-11-02T21:05:00Z", "2026-11-02", Phase.FLATTEN),
        ("2026-11-02T21:08:00Z", "2026-11-02", Phase.FLAT),
        ("2026-11-02T21:10:00Z", "2026-11-02", Phase.FLAT),  # must be flat by now
        ("2026-11-02T21:59:59Z", "2026-11-02", Phase.FLAT),
        ("2026-11-02T22:00:00Z", "2026-11-02", Phase.CLOSED),
        ("2026-11-26T17:34:59Z", "2026-11-26", Phase.OPEN),  # Thanksgiving: 11:35 CT
        ("2026-11-26T17:35:00Z", "2026-11-26", Phase.NO_ENTRIES),
        ("2026-11-26T17:43:00Z", "2026-11-26", Phase.FLAT),
        ("2026-11-26T18:00:00Z", "2026-11-26", Phase.CLOSED),
        ("2026-11-26T23:00:00Z", "2026-11-27", Phase.OPEN),
        ("2025-04-17T22:00:00Z", "2025-04-21", Phase.CLOSED),  # the evening before Good Friday
        ("2025-04-18T15:00:00Z", "2025-04-21", Phase.CLOSED),
        ("2025-04-20T22:00:00Z", "2025-04-21", Phase.OPEN),
        ("2025-12-25T18:00:00Z", "2025-12-26", Phase.CLOSED),
        ("2025-12-25T23:00:00Z", "2025-12-26", Phase.OPEN),
        ("2026-11-18T15:35:00Z", "2026-11-18", Phase.OPEN),
    ],
    ids=lambda value: MOMENTS.get(value, value) if isinstance(value, str) else value.value,
)
def test_every_instant_has_a_label_and_a_phase(instant: str, label: str, phase: Phase) -> None:
    assert CALENDAR.at(ns(instant)).day == label
    assert CALENDAR.phase(ns(instant)) is phase


@pytest.mark.parametrize(
    "instant",
    [
        "2024-12-31T12:00:00Z",
        "2025-01-01T05:59:59Z",
        "2027-12-31T23:00:00Z",
        "2030-06-01T00:00:00Z",
    ],
)
def test_outside_the_typed_years_nothing_is_known(instant: str) -> None:
    with pytest.raises(OutsideCalendar, match="covers 2025-01-02 to 2027-12-31"):
        CALENDAR.phase(ns(instant))


def test_the_ends_of_the_coverage_are_inside() -> None:
    assert CALENDAR.at(ns("2025-01-01T06:00:00Z")).day == "2025-01-02"
    assert CALENDAR.at(ns("2027-12-31T22:59:59Z")).day == "2027-12-31"
    assert CALENDAR.before(CALENDAR.days[0]) is None
    assert CALENDAR.before(CALENDAR.named("2026-11-30")) == CALENDAR.named("2026-11-27")


@pytest.mark.parametrize("label", ["2026-12-25", "2026-11-21", "2025-04-18", "yesterday", ""])
def test_a_date_without_a_session_has_no_trading_day(label: str) -> None:
    with pytest.raises(OutsideCalendar, match="no session"):
        CALENDAR.named(label)


def naive_label(instant_ns: int) -> str:
    """The label rule as prose has it: add a day from 17:00, then skip days without a session."""
    local = datetime.fromtimestamp(instant_ns // SECOND, UTC).astimezone(
        ZoneInfo("America/Chicago")
    )
    day = local.date() + timedelta(days=local.time() >= time(17, 0))
    while day.weekday() >= 5 or sessions._CLOSES.get(day, time(16)) is None:
        day += timedelta(days=1)
    return day.isoformat()


@given(st.integers(FIRST, END - 1))
def test_the_label_agrees_with_the_rule_in_prose(instant_ns: int) -> None:
    assert CALENDAR.at(instant_ns).day == naive_label(instant_ns)


@given(st.integers(FIRST, END - 1))
def test_nothing_changes_before_the_next_change(instant_ns: int) -> None:
    day = CALENDAR.at(instant_ns)
    edge = day.next_change(instant_ns)
    assert instant_ns < edge <= day.ends_ns
    assert CALENDAR.at(edge - 1) == day
    assert CALENDAR.phase(edge - 1) is CALENDAR.phase(instant_ns)
    if edge < END:
        after = CALENDAR.at(edge)
        assert (after.day, after.phase(edge)) != (day.day, day.phase(instant_ns))
    assert day.next_open(instant_ns) > instant_ns


def test_days_join_without_gap_or_overlap() -> None:
    for earlier, later in zip(CALENDAR.days, CALENDAR.days[1:], strict=False):
        assert earlier.ends_ns == later.begins_ns
        assert earlier.reopens_ns == later.opens_ns
        assert earlier.closes_ns < later.opens_ns


def test_every_exception_stands_in_the_table_and_no_other_day_is_short() -> None:
    assert len(sessions._CLOSES) == 37
    lasting = {}
    for day in CALENDAR.days:
        lasting.setdefault((day.closes_ns - day.opens_ns) // MINUTE, []).append(day.day)
    ordinary = lasting.pop(23 * 60)
    short = {day.isoformat() for day, close in sessions._CLOSES.items() if close is not None}
    assert {label for labels in lasting.values() for label in labels} == short
    assert len(ordinary) + len(short) == len(CALENDAR.days)
    assert all(day.weekday() < 5 for day in sessions._CLOSES)


def test_our_own_countdown_comes_from_the_settings() -> None:
    earlier = msgspec.structs.replace(
        SESSION, no_entries_before_s=1_800, flatten_before_s=900, flat_before_s=60
    )
    day = calendar(earlier).named("2026-11-26")
    assert day.no_entries_ns == ns("2026-11-26T17:15Z")
    assert day.flatten_ns == ns("2026-11-26T17:30Z")
    assert day.flat_ns == ns("2026-11-26T17:44Z")
    assert day.flat_by_ns == CALENDAR.named("2026-11-26").flat_by_ns


@pytest.mark.parametrize(
    ("offsets", "message"),
    [
        ((300, 600, 120), "must hold"),
        ((600, 300, 300), "must hold"),
        ((90_000, 300, 120), "nothing"),
    ],
)
def test_a_countdown_out_of_order_refuses_to_start(
    offsets: tuple[int, int, int], message: str
) -> None:
    wrong = settings_file.Session(
        no_entries_before_s=offsets[0], flatten_before_s=offsets[1], flat_before_s=offsets[2]
    )
    with pytest.raises(ValueError, match=message):
        calendar(wrong)


def test_the_computers_time_zone_does_not_matter() -> None:
    """Zone, zone path and clock of the computer are bent; the first and last instants stay."""
    code = (
        "from shared import settings;from shared.domain.sessions import calendar;"
        "c=calendar(settings.load(env={}).session);print(hash(tuple(d.closes_ns for d in c.days)))"
    )
    env = {**os.environ, "TZ": "Asia/Kolkata", "PYTHONTZPATH": ""}
    bent = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert int(bent.stdout) == hash(tuple(day.closes_ns for day in CALENDAR.days))


def test_a_day_cannot_be_changed() -> None:
    day = CALENDAR.named("2026-11-18")
    assert isinstance(day, TradingDay)
    with pytest.raises(AttributeError):
        day.day = "2026-11-19"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("label", "month", "days"),
    [
        ("2026-11-18", (2026, 12), 30),  # expires Friday 2026-12-18
        ("2026-12-18", (2026, 12), 0),
        ("2026-12-21", (2026, 12), -3),
        ("2026-09-11", (2026, 9), 7),  # expires Friday 2026-09-18
        ("2027-01-04", (2027, 3), 74),  # expires Friday 2027-03-19
    ],
)
def test_days_to_expiry_count_to_the_third_friday(
    label: str, month: tuple[int, int], days: int
) -> None:
    assert days_to_expiry(label, *month) == days
    expiry = date.fromisoformat(label) + timedelta(days=days)
    assert (expiry.weekday(), (expiry.day - 1) // 7) == (4, 2)
