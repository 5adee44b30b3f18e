"""Leaving market time out: what a rehearsal of many days does with the hours it does not need."""

from __future__ import annotations

import json
import time
from pathlib import Path

from services.simulator.words import Answer, QuotePush, SkipReport, SkipTo
from shared.runtime import paths
from shared.runtime.clock import ClockWriter, SharedClock
from shared.units import HOUR, MINUTE, SECOND
from shared.venue.times import time_ns
from tests.sim_lives import assert_books_balance
from tests.sim_stage import MES, Bench, recording

NEXT_OPEN = time_ns("2026-11-18T17:00:00-06:00", "")


def skip(bench: Bench, to_ns: int) -> SkipReport:
    bench.calls += 1
    told = bench.tell(SkipTo(call_id=bench.calls, to_ns=to_ns))
    answer = told[-1]
    assert isinstance(answer, Answer)
    assert isinstance(answer.response, SkipReport)
    if not answer.response.error:
        bench.now = max(bench.now, to_ns)
    return answer.response


def quotes(bench: Bench) -> list[int]:
    """Prices quoted since the last look."""
    found = [word.payload.best_bid for word in bench.market if isinstance(word, QuotePush)]
    bench.quiet()
    return [price for price in found if price is not None]


def test_what_is_left_out_is_neither_quoted_nor_traded() -> None:
    bench = Bench()
    bench.run(2)
    before = quotes(bench)
    assert skip(bench, bench.now + 3 * HOUR).error == ""
    assert quotes(bench) == []
    bench.run(1)
    after = quotes(bench)
    assert 4 <= len(after) < 4 * 25, "one second of four products, not three hours"
    assert min(abs(after[0] - price) for price in before) < 5, "prices stay where they were"
    assert bench.core.market_ns == bench.now


def test_a_day_that_ends_in_between_ends() -> None:
    bench = Bench()
    bench.run(1)
    day = bench.core._machines.state.day
    assert skip(bench, NEXT_OPEN + MINUTE).error == ""
    assert bench.core._machines.state.day > day
    bench.run(1)
    assert bench.place(MES).success
    bench.run(1)
    assert_books_balance(bench.truth())


def test_nothing_is_skipped_while_something_is_held_or_works_and_nothing_goes_back() -> None:
    bench = Bench()
    bench.run(1)
    assert bench.place(MES).success
    bench.run(1)
    was = bench.core.market_ns
    assert "holds or works" in skip(bench, bench.now + HOUR).error
    assert bench.core.market_ns == was
    bench.place(MES, side=1)
    bench.run(1)
    assert not any(row.lots for row in bench.truth().positions)
    assert skip(bench, bench.now - SECOND).error == "time does not go back"
    assert skip(bench, bench.now + HOUR).error == ""
    assert skip(bench, bench.core.market_ns).error == "", "asked for again"


def test_a_recorded_market_is_played_whole(tmp_path: Path) -> None:
    start = "2026-11-18T09:35:00-06:00"
    file = tmp_path / "bars.csv"
    file.write_text(recording([("2026-11-18 15:35:00", 100, 101, 99, 100, 5)]))
    bench = Bench(market="recorded", recorded_file=str(file), recorded_root="MES", start=start)
    assert "recorded" in skip(bench, bench.now + HOUR).error


def test_a_memory_after_a_skip_goes_on_the_same() -> None:
    one = Bench()
    one.run(1)
    skip(one, one.now + 9 * HOUR)
    two = Bench()
    two.core.restore(one.core.snapshot())
    two.now = one.now
    one.quiet()
    one.run(3)
    two.run(3)
    assert list(one.market) == list(two.market)


def test_the_clock_leaps_for_every_process_and_never_back(tmp_path: Path) -> None:
    clock = ClockWriter(tmp_path, 1_000 * SECOND, 1.0)
    clock._mono_ns, clock._written_ns = time.monotonic_ns(), time.monotonic_ns()
    clock.leap(5_000 * SECOND)
    assert 5_000 * SECOND <= clock.now_ns() < 5_100 * SECOND
    assert SharedClock(tmp_path).now_ns() >= 5_000 * SECOND
    clock.leap(2_000 * SECOND)
    assert clock.now_ns() >= 5_000 * SECOND
    told = json.loads(paths.clock_path(tmp_path).read_bytes())
    assert told["market_ns"] >= 5_000 * SECOND
