"""Recorded prints, quotes and books, played to the nanosecond whatever they were made of."""

from __future__ import annotations

from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from services.simulator.history import Series
from services.simulator.market import BEAT_NS, LEVELS, Hours, Update
from services.simulator.market_recorded_ticks import (
    BOOK,
    PRINT,
    QUOTE,
    RecordedTicks,
    Tape,
    TicksState,
    bars_of,
    merged,
    shift_of,
)
from shared import settings as settings_module
from shared.domain.sessions import calendar
from shared.units import DAY, MILLISECOND, MINUTE, SECOND
from tests.sim_stage import START

HOURS = Hours(calendar(settings_module.load(env={}).session))


def tape_of(*events: tuple[int, int, tuple[int, ...]]) -> Tape:
    """Events with instants in milliseconds from the start."""
    tape = Tape()
    for at_ms, kind, content in events:
        tape.add(START + at_ms * MILLISECOND, kind, content)
    return tape


def playing(tape: Tape, start: int = START) -> RecordedTicks:
    return RecordedTicks.fresh("MNQ", tape, start, hours=HOURS, seed=3)


def played(tape: Tape, seconds: float, start: int = START) -> list[Update]:
    out: list[Update] = []
    playing(tape, start).advance(start + int(seconds * SECOND), out)
    return out


@st.composite
def tapes(draw: st.DrawFn) -> Tape:
    tape = Tape()
    at_ns = START
    for _ in range(draw(st.integers(1, 40))):
        at_ns += draw(st.integers(0, 900)) * MILLISECOND
        kind = draw(st.sampled_from([PRINT, QUOTE, BOOK]))
        bid = draw(st.integers(990, 1_010))
        ask = bid + draw(st.integers(1, 3))
        if kind == PRINT:
            tape.add(
                at_ns, PRINT, (bid, draw(st.integers(1, 9)), draw(st.sampled_from([-1, 0, 1])))
            )
        elif kind == QUOTE:
            tape.add(at_ns, QUOTE, (bid, ask, draw(st.integers(0, 9)), draw(st.integers(1, 9))))
        else:
            sizes = draw(st.lists(st.integers(0, 9), min_size=20, max_size=20))
            sizes[0], sizes[LEVELS] = sizes[0] or 1, sizes[LEVELS] or 1
            tape.add(at_ns, BOOK, (bid, ask, *sizes))
    return tape


@hypothesis_settings(max_examples=150, deadline=None)
@given(tapes(), st.lists(st.integers(0, 3_000), max_size=5))
def test_rows_rebuild_the_book_prints_are_kept_and_restarts_change_nothing(
    tape: Tape, cuts: list[int]
) -> None:
    end = tape.at[-1] + SECOND
    whole: list[Update] = []
    playing(tape).advance(end, whole)
    feed, out = playing(tape), []
    for cut in sorted(cuts):
        feed.advance(START + cut * 10 * MILLISECOND, out)
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(feed.state), type=TicksState)
        feed = RecordedTicks(state, "MNQ", tape, hours=HOURS, shift=shift_of(tape, START))
    feed.advance(end, out)
    assert msgspec.msgpack.encode(out[: len(whole)]) == msgspec.msgpack.encode(whole)
    book: dict[tuple[int, int], int] = {}
    for one in whole:
        book = {} if one.full else book
        for side, price, size in one.rows:
            book.pop((side, price), None)
            if size:
                book[side, price] = size
        shown = {(1, one.bid - depth): size for depth, size in enumerate(one.bids) if size}
        shown |= {(-1, one.ask + depth): size for depth, size in enumerate(one.asks) if size}
        assert book == shown
    told = [(one.at_ns, price, size) for one in whole for price, size, _ in one.prints]
    assert told == list(tape.prints())
    assert all(abs(side) == 1 for one in whole for _, _, side in one.prints)


def test_quotes_are_played_as_recorded_and_confirmed_in_between() -> None:
    tape = tape_of((0, QUOTE, (1_000, 1_002, 7, 4)), (900, QUOTE, (1_001, 1_002, 3, 9)))
    updates = played(tape, 1)
    assert (updates[0].bid, updates[0].ask, updates[0].bids[0], updates[0].asks[0]) == (
        1_000, 1_002, 7, 4,
    )  # fmt: skip
    gaps = [b.at_ns - a.at_ns for a, b in pairwise(updates)]
    assert max(gaps) == BEAT_NS
    second = next(one for one in updates if one.at_ns == START + 900 * MILLISECOND)
    assert (second.bid, second.bids[0], second.asks[0]) == (1_001, 3, 9)


def test_an_empty_side_is_empty_to_the_bottom() -> None:
    tape = tape_of((0, QUOTE, (1_000, 1_001, 7, 0)), (500, QUOTE, (1_000, 1_001, 7, 2)))
    first, *_, last = played(tape, 0.6)
    assert first.asks == ()
    assert len(first.bids) == LEVELS
    assert last.asks[0] == 2


def test_books_keep_their_holes() -> None:
    sizes = [4, 0, 3, *([0] * 7), 5, 1, *([0] * 8)]
    (one,) = played(tape_of((0, BOOK, (1_000, 1_002, *sizes))), 0.1)
    assert one.bids == tuple(sizes[:LEVELS])
    assert one.asks == tuple(sizes[LEVELS:])


def test_prints_alone_make_a_market_and_unknown_sides_are_inferred() -> None:
    tape = tape_of(
        (0, PRINT, (1_000, 2, 1)),
        (100, PRINT, (1_003, 1, 0)),
        (200, PRINT, (999, 5, 0)),
        (300, PRINT, (999, 5, 0)),
    )
    updates = played(tape, 0.4)
    assert [one.prints[0][2] for one in updates] == [1, 1, -1, -1]
    assert [(one.bid, one.ask) for one in updates] == [
        (999, 1_000), (1_002, 1_003), (999, 1_000), (999, 1_000),
    ]  # fmt: skip
    between = tape_of((0, QUOTE, (1_000, 1_004, 1, 1)), (50, PRINT, (1_002, 1, 0)))
    assert played(between, 0.1)[1].bid == 1_000, "with quotes, prints move nobody's price"


def test_the_last_quote_before_the_start_stands_and_the_end_is_the_end() -> None:
    tape = tape_of(
        (-500, QUOTE, (1_000, 1_001, 7, 4)),
        (-400, PRINT, (1_001, 2, 1)),
        (1_000, PRINT, (1_001, 2, 1)),
    )
    updates = played(tape, 3)
    assert updates[0].at_ns == START + BEAT_NS
    assert (updates[0].bid, updates[0].full) == (1_000, True)
    assert [one.at_ns - START for one in updates if one.prints] == [SECOND]
    assert updates[-1].bid == 0
    assert updates[-1].at_ns == START + SECOND + BEAT_NS


def test_laid_over_by_whole_weeks_and_closed_hours_skipped() -> None:
    week = 7 * DAY
    old = Tape()
    for hour in range(30):
        old.add(START - 52 * week + hour * 60 * MINUTE, PRINT, (1_000 + hour, 1, 1))
    updates = played(old, 30 * 3600)
    prints = [(one.at_ns, one.prints[0][0]) for one in updates if one.prints]
    assert prints[0] == (START, 1_000)
    assert all(HOURS.open(at) for at, _ in prints)
    closed = [hour for hour in range(30) if not HOURS.open(START + hour * 60 * MINUTE)]
    assert closed
    assert {price - 1_000 for _, price in prints} == set(range(30)) - set(closed)


def test_bars_of_prints_are_what_a_listener_builds() -> None:
    tape = Tape()
    for number in range(300):
        tape.add(START + number * 700 * MILLISECOND, PRINT, (1_000 + number * 7 % 11, 2, 1))
    series = Series()
    for one in played(tape, 500):
        for told in one.prints:
            series.add(one.at_ns, told)
    assert list(bars_of(tape)) == [*series.minutes, series.minute.bar()]


def test_files_are_merged_by_time_and_the_first_named_goes_first() -> None:
    trades = tape_of((1, PRINT, (1_000, 1, 1)), (5, PRINT, (1_001, 1, 1)))
    quotes = tape_of((0, QUOTE, (999, 1_000, 1, 1)), (5, QUOTE, (1_000, 1_001, 1, 1)))
    whole = merged([quotes, trades])
    assert [whole.event(index)[0] for index in range(4)] == [QUOTE, PRINT, QUOTE, PRINT]
    assert list(whole.at) == sorted(whole.at)
