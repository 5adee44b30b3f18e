"""Recorded bars: the reader refuses what cannot have happened, the playing never leaves a bar."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import msgspec
import polars
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from services.simulator.history import Series
from services.simulator.market import Hours, Update
from services.simulator.market_recorded import (
    PRINTS_MAX,
    Recorded,
    RecordedBar,
    RecordedState,
    expand,
    fewest_prints,
    lay_over,
)
from services.simulator.recorded_file import BadRecording, read
from shared import settings as settings_module
from shared.contracts import PRODUCTS
from shared.domain.sessions import calendar
from shared.units import DAY, MINUTE, SECOND
from shared.venue.times import time_ns
from tests.sim_stage import START

HOURS = Hours(calendar(settings_module.load(env={}).session))
NQ = PRODUCTS["NQ"]
HEADER = "ts,open,high,low,close,volume\n"
GOOD = "2026-11-18T15:35:00Z,100,101,99.5,100.25,40\n"


@st.composite
def bars(draw: st.DrawFn) -> RecordedBar:
    low = draw(st.integers(1_000, 1_050))
    high = low + draw(st.integers(0, 60))
    opened, close = draw(st.integers(low, high)), draw(st.integers(low, high))
    bar = (START, opened, high, low, close, 0)
    volume = fewest_prints(bar) + draw(st.integers(0, 900))
    return (*bar[:5], volume)


@hypothesis_settings(max_examples=300, deadline=None)
@given(bars(), st.integers(0, 99))
def test_prints_stay_inside_the_bar_and_rebuild_it(bar: RecordedBar, seed: int) -> None:
    told = expand(bar, seed)
    series = Series()
    for at_ns, one in told:
        assert bar[3] <= one[0] <= bar[2]
        assert one[1] >= 1
        series.add(at_ns, one)
    assert next(series.backwards(MINUTE)) == bar
    assert told[0][0] == START
    assert [at for at, _ in told] == sorted(at for at, _ in told)
    assert len(told) <= max(PRINTS_MAX, 4)
    assert told == expand(bar, seed)


@hypothesis_settings(max_examples=150, deadline=None)
@given(st.lists(bars(), min_size=1, max_size=4), st.integers(0, 9), st.lists(st.booleans()))
def test_bid_and_ask_stay_inside_each_bar(
    recorded: list[RecordedBar], seed: int, gaps: list[bool]
) -> None:
    """From a bar's first instant to its last, wherever the bar has room for a spread."""
    skip = 0
    placed: list[RecordedBar] = []
    for number, bar in enumerate(recorded):
        skip += number < len(gaps) and gaps[number]
        placed.append((START + (number + skip) * MINUTE, *bar[1:]))
    feed = Recorded.fresh("MNQ", tuple(placed), START, hours=HOURS, seed=seed)
    out: list[Update] = []
    feed.advance(placed[-1][0] + MINUTE - 1, out)
    by_minute = {bar[0]: bar for bar in placed}
    for update in out:
        bar = by_minute.get(update.at_ns - update.at_ns % MINUTE)
        assert update.bid < update.ask
        if bar is not None and bar[2] > bar[3]:
            assert bar[3] <= update.bid
            assert update.ask <= bar[2]
    for bar in placed:
        volume = sum(p[1] for u in out if u.at_ns // MINUTE == bar[0] // MINUTE for p in u.prints)
        assert volume == bar[5]


def three_bars() -> tuple[RecordedBar, ...]:
    return tuple(
        (START + number * MINUTE, 1_000 + number, 1_010, 990, 1_002, 200) for number in (0, 1, 3)
    )


def test_restart_at_any_instant_changes_nothing() -> None:
    whole: list[Update] = []
    feed = Recorded.fresh("MNQ", three_bars(), START, hours=HOURS, seed=3)
    feed.advance(START + 5 * MINUTE, whole)
    for cut in range(0, 300, 7):
        feed = Recorded.fresh("MNQ", three_bars(), START, hours=HOURS, seed=3)
        out: list[Update] = []
        feed.advance(START + cut * SECOND, out)
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(feed.state), type=RecordedState)
        feed = Recorded(state, "MNQ", three_bars(), hours=HOURS, seed=3)
        feed.advance(START + 5 * MINUTE, out)
        assert msgspec.msgpack.encode(out) == msgspec.msgpack.encode(whole)


def test_gap_minute_is_quiet_but_quoted_and_the_end_is_the_end() -> None:
    feed = Recorded.fresh("MNQ", three_bars(), START, hours=HOURS, seed=3)
    out: list[Update] = []
    feed.advance(START + 6 * MINUTE, out)
    gap = [u for u in out if START + 2 * MINUTE <= u.at_ns < START + 3 * MINUTE]
    assert len(gap) > 100
    assert not any(u.prints for u in gap)
    assert len({(u.bid, u.ask) for u in gap}) == 1
    assert out[-1].bid == 0
    assert out[-1].at_ns == START + 4 * MINUTE
    assert not out[-1].quote
    assert all(size == 0 for _, _, size in out[-1].rows)


def test_earlier_bars_are_history_and_a_late_start_begins_in_the_middle() -> None:
    feed = Recorded.fresh("MNQ", three_bars(), START + MINUTE, hours=HOURS, seed=3)
    out: list[Update] = []
    feed.advance(START + 2 * MINUTE - 1, out)
    assert out[0].at_ns == START + MINUTE
    assert sum(p[1] for u in out for p in u.prints) == 200


def test_bars_in_closed_hours_are_skipped() -> None:
    closes = time_ns("2026-11-18T16:00:00-06:00", "close")
    bars = tuple((closes + k * MINUTE, 1_000, 1_010, 990, 1_002, 50) for k in (-1, 5, 59, 60))
    feed = Recorded.fresh("MNQ", bars, closes - MINUTE, hours=HOURS, seed=3)
    out: list[Update] = []
    feed.advance(closes + 61 * MINUTE, out)
    minutes = {u.at_ns // MINUTE for u in out if u.prints}
    assert minutes == {closes // MINUTE - 1, closes // MINUTE + 60}


def test_laid_over_by_whole_weeks() -> None:
    week = 7 * DAY
    bars = tuple((START - 156 * week + k * DAY, 1, 1, 1, 1, 1) for k in range(-2, 12))
    moved = lay_over(bars, START)
    assert (moved[0][0] - bars[0][0]) % week == 0
    assert moved[0][0] <= START < moved[0][0] + week
    assert lay_over(moved, START) == moved, "it holds the start already"
    late = lay_over(moved, START + 9 * DAY)
    assert late == moved, "also in its second week"


# -- the reader ------------------------------------------------------------------------------------


def write(tmp_path: Path, text: str, name: str = "bars.csv") -> str:
    path = tmp_path / name
    path.write_text(text)
    return str(path)


def test_reads_csv_gzip_and_parquet_alike(tmp_path: Path) -> None:
    text = "more," + HEADER + "x," + GOOD + "x,2026-11-18T15:37:00+00:00,100,100,100,100,1\n"
    plain = read(write(tmp_path, text), NQ)
    packed = tmp_path / "bars.csv.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    table = polars.read_csv(tmp_path / "bars.csv", try_parse_dates=True)
    table.write_parquet(tmp_path / "bars.parquet")
    assert plain == read(str(packed), NQ) == read(str(tmp_path / "bars.parquet"), NQ)
    assert plain[0] == (START, 400, 404, 398, 401, 40)
    assert len(plain) == 2


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ("", r"bars\.csv: no rows"),
        ("2026-11-18T15:35:00Z,100,99,99.5,100.25,40\n", r":2: low <= open"),
        ("2026-11-18T15:35:00Z,100,101,100.5,100.75,40\n", r":2: low <= open"),
        ("2026-11-18T15:35:00Z,100.1,101,99.5,100.25,40\n", r":2: .*tick"),
        ("2026-11-18T15:35:00Z,nan,101,99.5,100.25,40\n", r":2: open was 'nan'"),
        ("2026-11-18T15:35:00Z,inf,101,99.5,100.25,40\n", r":2: open was 'inf'"),
        ("2026-11-18T15:35:00Z,,101,99.5,100.25,40\n", r":2: open was None"),
        ("2026-11-18T15:35:00Z,-1,101,-2,100.25,40\n", r":2: low"),
        ("2026-11-18T15:35:30Z,100,101,99.5,100.25,40\n", r":2: .*not on a minute"),
        ("yesterday,100,101,99.5,100.25,40\n", r":2: ts was"),
        (GOOD + GOOD, r":3: ts .* is not after"),
        ("2026-11-18T15:35:00Z,100,101,99.5,100.25,0\n", r":2: volume was 0"),
        ("2026-11-18T15:35:00Z,100,101,99.5,100.25,1.5\n", r":2: volume was 1.5"),
        ("2026-11-18T15:35:00Z,100,101,99.5,100.25,3\n", r":2: volume 3, but .* need 4"),
        (GOOD.replace("40", "NaN"), r":2: volume was 'NaN'"),
    ],
)
def test_refuses_what_cannot_have_happened(tmp_path: Path, rows: str, complaint: str) -> None:
    with pytest.raises(BadRecording, match=complaint):
        read(write(tmp_path, HEADER + rows), NQ)


def test_refuses_files_it_cannot_read(tmp_path: Path) -> None:
    with pytest.raises(BadRecording, match="no such file"):
        read(str(tmp_path / "none.csv"), NQ)
    with pytest.raises(BadRecording, match="ends in none of"):
        read(write(tmp_path, HEADER, "bars.txt"), NQ)
    with pytest.raises(BadRecording, match=r"columns \['volume'\] are missing"):
        read(write(tmp_path, "ts,open,high,low,close\n"), NQ)
    with pytest.raises(BadRecording, match=r"bars\.parquet"):
        read(write(tmp_path, "not parquet", "bars.parquet"), NQ)


def real_recordings() -> list[Path]:
    """Files of the column form named in the reader; a folder or one file."""
    place = os.environ.get("TSQ_TEST_DATA", "")
    if not place:
        return []
    path = Path(place)
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return [
        file
        for file in files
        if file.name.endswith((".csv", ".csv.gz", ".parquet")) and file.name.startswith("nq_1m")
    ]


def test_real_bars_play_and_come_back_as_they_were() -> None:
    files = real_recordings()
    if not files:
        pytest.skip("TSQ_TEST_DATA names no folder with nq_1m*.csv(.gz) or .parquet")
    for file in files:
        bars = lay_over(read(str(file), NQ), START)
        feed = Recorded.fresh("MNQ", bars, START, hours=HOURS, seed=7)
        series = Series()
        out: list[Update] = []
        feed.advance(START + 300 * MINUTE, out)
        by_minute = {bar[0]: bar for bar in bars}
        for update in out:
            for told in update.prints:
                series.add(update.at_ns, told)
            bar = by_minute.get(update.at_ns - update.at_ns % MINUTE)
            if bar is not None and bar[2] > bar[3]:
                assert bar[3] <= update.bid < update.ask <= bar[2]
        assert len(series.minutes) > 250
        for bar in series.minutes:
            assert bar == by_minute[bar[0]]
