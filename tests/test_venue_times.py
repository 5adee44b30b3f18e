"""Times as the venue writes them, against the standard library and against nonsense."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.units import SECOND
from shared.venue.times import date_of, days_since_1970, time_ns, time_text

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = EPOCH.replace(year=2261, month=12, day=31)


def exact(moment: datetime) -> int:
    gap = moment - EPOCH
    return (gap.days * 86_400 + gap.seconds) * SECOND + gap.microseconds * 1000


def naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)


moments = st.datetimes(naive(EPOCH.replace(year=1971)), naive(LATEST))


@given(moments.map(lambda moment: moment.replace(tzinfo=UTC)))
def test_agrees_with_the_standard_library(moment):
    assert time_ns(moment.isoformat(), "t") == exact(moment)
    assert time_text(exact(moment)) == (
        moment.isoformat().replace("+00:00", "").rstrip("0").rstrip(".") + "+00:00"
        if moment.microsecond
        else moment.isoformat()
    )


@given(moments, st.integers(-14 * 60, 14 * 60))
def test_offsets_are_taken_off(moment, minutes):
    sign = "-" if minutes < 0 else "+"
    text = f"{moment.isoformat()}{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    assert time_ns(text, "t") == exact((moment - timedelta(minutes=minutes)).replace(tzinfo=UTC))


@given(st.integers(0, 9_214_646_399 * SECOND))
def test_text_of_nine_digits_comes_back(instant):
    assert time_ns(time_text(instant, 9), "t") == instant
    assert 0 <= instant - time_ns(time_text(instant, 6), "t") < 1000  # cut, never rounded up


@given(st.integers(0, 106_000))
def test_days_and_dates_are_inverse(days):
    assert days_since_1970(*date_of(days)) == days
    assert date_of(days) == (EPOCH + timedelta(days=days)).timetuple()[:3]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2026-11-02T15:30:25.3938333+00:00", "2026-11-02T15:30:25.3938333+00:00"),
        ("2026-11-02T15:30:25Z", "2026-11-02T15:30:25+00:00"),
        ("2026-11-02T15:30:25.15673", "2026-11-02T15:30:25.15673+00:00"),
        ("2026-11-02 09:30:25-0600", "2026-11-02T15:30:25+00:00"),
        ("2026-11-02T15:30Z", "2026-11-02T15:30:00+00:00"),
        ("2026-11-02t15:30:25.1234567899z", "2026-11-02T15:30:25.123456789+00:00"),
    ],
)
def test_forms_seen_in_the_wild(text, told):
    assert time_text(time_ns(text, "t"), 9) == told


@pytest.mark.parametrize(
    "text",
    [
        "", "yesterday", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-01-01T24:00:00Z",
        "2026-01-01", "1969-12-31T23:59:59Z", "2262-01-01T00:00:00Z", "2026-01-01T00:00:60Z",
        "2026-01-01T00:00:00+15:00", "2026-01-01T00:00:00Z junk", "٢٠٢٦-01-01T00:00:00Z",
        "2026-01-01T00:00:00." + "1" * 100, None, 1, 1.5, b"2026-01-01T00:00:00Z", ["x"],
    ],
)  # fmt: skip
def test_nonsense_is_named(text):
    with pytest.raises(ValueError, match="creationTimestamp was"):
        time_ns(text, "creationTimestamp")


@given(st.text(max_size=40))
def test_no_text_crashes_it(text):
    try:
        time_ns(text, "t")
    except ValueError as error:
        assert "t was" in str(error)  # noqa: PT017
