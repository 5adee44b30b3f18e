"""That the core's books balance, and that no restart can be seen, whatever market it plays."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from services.simulator.core import Simulator
from services.simulator.words import Answer, Moved, Step, UserPush
from shared.core import Word
from shared.units import SECOND
from shared.venue import words as venue
from tests.sim_lives import ACTS, assert_books_balance, play, words_of
from tests.sim_stage import ACCOUNT, MES, MNQ, Bench, bars, begun, recording, settings_with

bench = pytest.fixture(begun)


# -- conservation, determinism, restart ------------------------------------------------------------


@hypothesis_settings(max_examples=60, deadline=None)
@given(st.lists(ACTS, max_size=25), st.data())
def test_books_balance_and_no_restart_is_seen(acts: list[Any], data: st.DataObject) -> None:
    settings, story = settings_with(seed=4), words_of(acts)
    whole = Simulator(settings)
    said = play(whole, story)
    cut = data.draw(st.integers(0, len(story)), label="cut")
    first, second = Simulator(settings), Simulator(settings)
    before = play(first, story[:cut])
    second.restore(first.snapshot())
    assert before + play(second, story[cut:]) == said
    assert second.snapshot() == whole.snapshot()
    decoder = msgspec.msgpack.Decoder(
        Answer | UserPush | Moved  # type: ignore[operator]
    )
    assert_books_balance(decoder.decode(said[-1]).response)


def test_a_snapshot_is_its_own_copy() -> None:
    bench = Bench()
    bench.run(1)
    kept = bench.core.snapshot()
    bench.place()
    bench.run(5)
    old = Simulator(settings_with())
    old.restore(kept)
    assert old.snapshot() == kept


def test_restore_refuses_what_does_not_fit(tmp_path: Path) -> None:
    core = Simulator(settings_with())
    with pytest.raises(ValueError, match="missing required field"):
        core.restore(b"\x80")
    path = tmp_path / "bars.csv"
    path.write_text(recording([("2026-11-18T15:30:00Z", 100, 110, 90, 100, 50)]))
    other = Simulator(settings_with(market="recorded", recorded_file=str(path)))
    with pytest.raises(ValueError, match=r"simulator\.market: .* start with a fresh memory"):
        other.restore(core.snapshot())


def test_seed_and_start_stay_while_the_weather_may_change() -> None:
    bench = Bench(seed=3, regime="calm")
    bench.run(1)
    before = bars(bench, limit=50)
    other = Simulator(settings_with(seed=99, regime="spike", start="2026-11-20T09:00:00-06:00"))
    other.restore(bench.core.snapshot())
    again = Bench(core=other)
    assert bars(again, limit=50) == before
    again.run(40)
    assert again.truth().regime == "spike"


# -- a recording under the whole core --------------------------------------------------------------


def test_recorded_product_trades_beside_synthetic_ones(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    rows = [
        (f"2026-11-18T15:{minute}:00Z", 60_000, 60_040, 59_980, 60_010, 400)
        for minute in (30, 31, 34, 35, 36)
    ]
    path.write_text(recording(rows))
    bench = Bench(market="recorded", recorded_file=str(path))
    bench.run(1)
    past = bars(bench, contract_id=MNQ).bars
    assert [bar.t[14:16] for bar in past] == ["34", "31", "30"], "minutes without trades lack"
    assert bench.place(MNQ).success
    assert bench.place(MES).success
    bench.run(1)
    assert bench.truth().fills == 2
    bench.run(118)
    (newest, older) = bars(bench, contract_id=MNQ, limit=2).bars
    assert (older.o, older.h, older.l, older.c, older.v) == (
        15_000.0, 15_010.0, 14_995.0, 15_002.5, 400,
    )  # fmt: skip
    assert newest.t[14:16] == "36"
    bench.run(5)
    answer = bench.place(MNQ)
    assert (answer.error_code, answer.error_message) == (2, "Invalid symbol"), "it has ended"
    close = bench.ask(venue.PositionClose(account_id=ACCOUNT, contract_id=MNQ))
    assert close.error_code == 5


def test_recorded_core_restarts_unseen(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    rows = [
        (f"2026-11-18T15:{minute}:00Z", 60_000, 60_040, 59_980, 60_010, 400)
        for minute in range(33, 40)
    ]
    path.write_text(recording(rows))
    settings = settings_with(market="recorded", recorded_file=str(path))
    start = Simulator(settings).market_ns
    story: list[tuple[int, Word]] = [(start + number * SECOND, Step()) for number in range(1, 60)]
    said = play(Simulator(settings), story)
    for cut in (0, 1, 20, 59):
        first, second = Simulator(settings), Simulator(settings)
        before = play(first, story[:cut])
        second.restore(first.snapshot())
        assert before + play(second, story[cut:]) == said


def test_core_on_a_real_recording() -> None:
    place = os.environ.get("TSQ_TEST_DATA", "")
    files = sorted(Path(place).glob("nq_1m*")) if place else []
    if not files:
        pytest.skip("TSQ_TEST_DATA names no folder with nq_1m* bars")
    bench = Bench(market="recorded", recorded_file=str(files[0]))
    bench.run(1)
    assert bench.place(MNQ, sl=-40, tp=40, custom_tag="r").success
    bench.run_until(lambda: not bench.truth().open_orders, 1_800)
    truth = bench.truth()
    assert truth.positions[0].lots == 0
    assert_books_balance(truth)
