"""Bars: what closes them, what a late trade does, and that one by one equals all at once."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.bars import GRACE_NS, KEPT, PULSE_GRACE_NS, SPANS_S, BarBuilder
from shared.events import Bar, BarOrigin
from shared.units import MILLISECOND, MINUTE, SECOND

CONTRACT = "CON.F.US.MNQ.Z26"
T0 = 1_795_000_200 * SECOND  # a multiple of five minutes
assert T0 % (5 * MINUTE) == 0

Print = tuple[int, int, int]  # price, size, venue time


def builder(*spans_s: int) -> BarBuilder:
    return BarBuilder.of(CONTRACT, spans_s or SPANS_S)


def bar(span_s: int, open_ns: int, prices: str, volume: int, **more: BarOrigin) -> Bar:
    """`prices`: open high low close."""
    first, high, low, last = map(int, prices.split())
    return Bar(
        contract=CONTRACT, span_s=span_s, open_ns=open_ns, open=first, high=high, low=low,
        close=last, volume=volume, **more,
    )  # fmt: skip


def batch(prints: list[Print], span_s: int) -> dict[int, Bar]:
    """The naive twin: sort everything, group by opening time."""
    groups: dict[int, list[Print]] = {}
    for one in sorted(prints, key=lambda one: one[2]):
        groups.setdefault(one[2] // (span_s * SECOND) * span_s * SECOND, []).append(one)
    return {
        open_ns: bar(
            span_s,
            open_ns,
            f"{group[0][0]} {max(p for p, _, _ in group)} {min(p for p, _, _ in group)}"
            f" {group[-1][0]}",
            sum(size for _, size, _ in group),
        )
        for open_ns, group in groups.items()
    }


def test_a_minute_of_trades_becomes_a_bar() -> None:
    minute = builder(60)
    for price, size, second in ((100, 1, 0), (104, 2, 10), (97, 1, 50), (101, 3, 59)):
        assert list(minute.trade(price, size, T0 + second * SECOND)) == []
    closed = minute.trade(101, 1, T0 + 61 * SECOND)
    assert list(closed) == [bar(60, T0, "100 104 97 101", 7)]
    assert closed[0].close_ns == T0 + MINUTE


def test_a_quote_of_the_venue_closes_a_bar_once_grace_has_passed() -> None:
    second = builder(1)
    second.trade(100, 1, T0 + 1)
    assert list(second.advance(T0 + SECOND + GRACE_NS - 1)) == []
    assert list(second.advance(T0 + SECOND + GRACE_NS)) == [bar(1, T0, "100 100 100 100", 1)]
    assert list(second.advance(T0 + MINUTE)) == []


def test_our_own_clock_closes_a_bar_of_a_silent_market_later() -> None:
    second = builder(1)
    second.trade(100, 1, T0)
    assert list(second.pulse(T0 + SECOND + PULSE_GRACE_NS - 1)) == []
    assert len(second.pulse(T0 + SECOND + PULSE_GRACE_NS)) == 1


def test_a_span_without_trades_has_no_bar() -> None:
    second = builder(1)
    second.trade(100, 1, T0)
    second.trade(101, 1, T0 + 10 * SECOND)
    assert [said.open_ns for said in second.advance(T0 + MINUTE)] == [T0 + 10 * SECOND]


def test_all_spans_close_together_shortest_first() -> None:
    every = builder()
    every.trade(100, 1, T0 + 299 * SECOND)
    assert [said.span_s for said in every.advance(T0 + 301 * SECOND)] == [1, 60, 300]


def test_trades_that_overtook_each_other_within_grace_are_put_in_order() -> None:
    second = builder(1)
    second.trade(105, 1, T0 + SECOND + 10 * MILLISECOND)  # the next bar's first trade, early
    second.trade(101, 1, T0 + 500 * MILLISECOND)
    second.trade(100, 1, T0 + 400 * MILLISECOND)
    second.trade(106, 1, T0 + SECOND + 5 * MILLISECOND)
    assert list(second.advance(T0 + 3 * SECOND)) == [
        bar(1, T0, "100 101 100 101", 2),
        bar(1, T0 + SECOND, "106 106 105 105", 2),
    ]


def test_a_trade_after_the_close_corrects_the_bar() -> None:
    second = builder(1)
    second.trade(100, 1, T0)
    second.advance(T0 + 2 * SECOND)
    assert list(second.trade(90, 5, T0 + 999 * MILLISECOND)) == [
        bar(1, T0, "100 100 90 90", 6, origin=BarOrigin.REPAIRED)
    ]
    assert second.lost == 0


def test_a_late_trade_can_make_a_bar_where_there_was_none() -> None:
    second = builder(1)
    second.trade(100, 1, T0)
    second.trade(101, 1, T0 + 5 * SECOND)
    second.advance(T0 + 10 * SECOND)
    assert list(second.trade(99, 1, T0 + 3 * SECOND)) == [
        bar(1, T0 + 3 * SECOND, "99 99 99 99", 1, origin=BarOrigin.REPAIRED)
    ]


def test_a_trade_too_late_for_any_correction_is_counted() -> None:
    second = builder(1)
    for number in range(KEPT + 2):
        second.trade(100, 1, T0 + number * SECOND)
    second.advance(T0 + MINUTE)
    assert list(second.trade(99, 1, T0)) == []
    assert second.lost == 1


def test_a_bar_that_misses_trades_is_left_to_history() -> None:
    minute = builder(60)
    minute.resume(T0 + 20 * SECOND)  # we heard nothing before
    minute.trade(100, 1, T0 + 30 * SECOND)
    minute.trade(101, 1, T0 + 70 * SECOND)
    assert [said.open_ns for said in minute.advance(T0 + 10 * MINUTE)] == [T0 + MINUTE]
    minute.trade(100, 1, T0 + 10 * MINUTE)
    minute.hold()
    assert list(minute.advance(T0 + 20 * MINUTE)) == []


def test_a_late_trade_of_a_bar_left_to_history_says_nothing() -> None:
    minute = builder(60)
    minute.resume(T0 + 20 * SECOND)
    minute.trade(100, 1, T0 + 30 * SECOND)
    minute.advance(T0 + 3 * MINUTE)
    assert list(minute.trade(99, 1, T0 + 40 * SECOND)) == []


offsets = st.integers(0, 12 * MINUTE)
prints = st.lists(st.tuples(st.integers(-50, 50), st.integers(1, 9), offsets), max_size=60)


def at(one: Print) -> Print:
    return one[0], one[1], T0 + one[2]


@given(prints, st.lists(st.integers(-GRACE_NS // 2, GRACE_NS // 2), min_size=60, max_size=60))
def test_one_by_one_equals_all_at_once(story: list[Print], jitter: list[int]) -> None:
    """Trades arrive disordered by less than the grace: every bar is said once, LIVE, in order."""
    ordered = sorted(map(at, story), key=lambda one: one[2])
    arrived = [one for _, one in sorted(zip(jitter, ordered, strict=False), key=_arrival)]
    made = builder()
    said = [bar for one in arrived for bar in made.trade(*one)]
    said += made.advance(T0 + 60 * MINUTE)
    for span_s in SPANS_S:
        mine = [one for one in said if one.span_s == span_s]
        # Equal venue times keep their order of arrival, so the twin is given that order.
        assert mine == [one for _, one in sorted(batch(arrived, span_s).items())]
    assert made.lost == 0


def _arrival(pair: tuple[int, Print]) -> int:
    return pair[0] + pair[1][2]


@given(prints)
def test_any_disorder_ends_in_the_right_bars(story: list[Print]) -> None:
    """However late: the last word on every bar is right for all trades that were not lost."""
    made = builder()
    last: dict[tuple[int, int], Bar] = {}
    kept: dict[int, list[Print]] = {span_s: [] for span_s in SPANS_S}
    for one in map(at, story):
        lost_before = made.lost
        for span in made.spans:
            if _counted(made, span.seconds, one):
                kept[span.seconds].append(one)
        for said in made.trade(*one):
            last[said.span_s, said.open_ns] = said
        assert made.lost - lost_before in (0, 1)
    for said in made.advance(T0 + 60 * MINUTE):
        last[said.span_s, said.open_ns] = said
    for span_s in SPANS_S:
        mine = {
            open_ns: msgspec.structs.replace(said, origin=BarOrigin.LIVE)
            for (span, open_ns), said in last.items()
            if span == span_s
        }
        assert mine == batch(kept[span_s], span_s)


def _counted(made: BarBuilder, span_s: int, one: Print) -> bool:
    """Will this trade be counted in? Asked of a copy, so that the answer changes nothing."""
    twin = msgspec.msgpack.decode(msgspec.msgpack.encode(made), type=BarBuilder)
    twin.spans = [span for span in twin.spans if span.seconds == span_s]
    before = twin.lost
    twin.trade(*one)
    return twin.lost == before


@given(prints, st.integers(0, 60))
def test_a_snapshot_in_the_middle_changes_nothing(story: list[Print], cut: int) -> None:
    straight, first = builder(), builder()
    expected = [bar for one in story for bar in straight.trade(*at(one))]
    said = [bar for one in story[:cut] for bar in first.trade(*at(one))]
    second = msgspec.msgpack.decode(msgspec.msgpack.encode(first), type=BarBuilder)
    said += [bar for one in story[cut:] for bar in second.trade(*at(one))]
    assert said == expected
    assert second == straight


@given(prints)
def test_memory_is_bounded(story: list[Print]) -> None:
    made = builder()
    for one in story:
        made.trade(*at(one))
        for span in made.spans:
            assert len(span.closed) <= KEPT
            assert len(span.making) <= 2
            assert [c.open_ns for c in span.closed] == sorted({c.open_ns for c in span.closed})


@pytest.mark.parametrize("span_s", SPANS_S)
def test_bars_are_aligned_to_utc(span_s: int) -> None:
    made = builder(span_s)
    made.trade(1, 1, T0 + 123_456_789)
    (said,) = made.advance(T0 + 60 * MINUTE)
    assert said.open_ns % (span_s * SECOND) == 0
    assert said.close_ns - said.open_ns == span_s * SECOND


def test_what_is_still_unsaid_can_be_asked() -> None:
    made = builder(1, 60)
    assert made.unsaid_from(60, T0) == T0
    made.trade(1, 1, T0 + 61 * SECOND)
    assert made.unsaid_from(60, T0 + 70 * SECOND) == T0 + MINUTE
    assert made.unsaid_from(1, T0 + 70 * SECOND) == T0 + 61 * SECOND
