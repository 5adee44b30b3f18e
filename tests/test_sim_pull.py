"""Pull replays: bars when asked, no look ahead, and sessions apart from each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from services.simulator.core import Simulator
from services.simulator.history import synthetic_minute
from services.simulator.pull_replay import FIRST_ACCOUNT
from services.simulator.pull_session import MINUTES_AT_ONCE
from services.simulator.pull_words import (
    CloseAll,
    PullError,
    PullPlace,
    ReplayEnd,
    ReplayJumpTo,
    ReplayPause,
    ReplayPlay,
    ReplaySpeed,
    ReplayStatus,
    ReplayStep,
)
from shared.units import MINUTE, SECOND
from shared.venue import words as venue
from shared.venue.times import time_ns
from tests.sim_pull_stage import NINE, Notebook, at_nine, trades
from tests.sim_stage import ACCOUNT, MNQ, Bench, recording, settings_with

notebook = pytest.fixture(at_nine)

DAY = "2026-11-10"


# -- bars ------------------------------------------------------------------------------------------


def test_start_tells_what_will_be_played() -> None:
    told = Notebook().start()
    assert (told.success, told.error_code) == (True, 0)
    assert (told.account_id, told.contract_id) == (FIRST_ACCOUNT, "CON.F.US.MNQ.Z26")
    assert (told.total_bars, told.index, told.done) == (420, 0, False)
    assert (told.start_time, told.end_time) == (
        "2026-11-10T15:00:00+00:00", "2026-11-10T22:00:00+00:00"
    )  # fmt: skip
    assert (told.balance, told.equity, told.position, told.can_trade) == (50_000, 50_000, 0, True)
    assert (told.bar, told.bars, told.source) == (None, (), "synthetic")


def test_each_step_gives_the_next_bar(notebook: Notebook) -> None:
    first, second = notebook.step(), notebook.step()
    assert first.bars == (first.bar,)
    assert (first.bar.t, second.bar.t) == (
        "2026-11-10T15:00:00+00:00", "2026-11-10T15:01:00+00:00"
    )  # fmt: skip
    minute = time_ns(NINE, "") // MINUTE
    made = synthetic_minute(7, "MNQ", minute)
    assert (first.bar.o, first.bar.h, first.bar.l, first.bar.c, first.bar.v) == (
        *(price * 0.25 for price in made[1:5]), made[5]
    )  # fmt: skip
    assert (second.index, second.time) == (2, "2026-11-10T15:02:00+00:00")
    third = notebook.step(10)
    assert [bar.t[14:16] for bar in third.bars] == [f"{minute:02}" for minute in range(2, 12)]


def test_a_day_by_name_has_all_its_minutes() -> None:
    told = Notebook().start(start_date=DAY)
    assert told.start_time == "2026-11-09T23:00:00+00:00"
    assert told.total_bars == 23 * 60


def test_timeframes_join_minutes() -> None:
    fine, coarse = Notebook(), Notebook()
    fine.start()
    told = coarse.start(timeframe="5m")
    assert told.total_bars == 84
    minutes = fine.step(5).bars
    (five,) = coarse.step().bars
    assert (five.t, five.o, five.c) == (minutes[0].t, minutes[0].o, minutes[-1].c)
    assert five.h == max(bar.h for bar in minutes)
    assert five.l == min(bar.l for bar in minutes)
    assert five.v == sum(bar.v for bar in minutes)


def test_the_end(notebook: Notebook) -> None:
    notebook.start(end_date="2026-11-10T15:03:00Z")
    told = notebook.step(5)
    assert (told.index, told.total_bars, told.done, len(told.bars)) == (3, 3, True, 3)
    beyond = notebook.step()
    assert (beyond.success, beyond.error_code, beyond.bars) == (
        False, PullError.NO_MORE_BARS, ()
    )  # fmt: skip


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"instrument_symbol": "XYZ"}, PullError.INSTRUMENT_INVALID),
        ({"instrument_symbol": "CON.F.US.XYZ.Z26"}, PullError.INSTRUMENT_INVALID),
        ({"timeframe": "30s"}, PullError.TIMEFRAME_INVALID),
        ({"timeframe": "0m"}, PullError.TIMEFRAME_INVALID),
        ({"timeframe": "2000"}, PullError.TIMEFRAME_INVALID),
        ({"start_date": "soon"}, PullError.DATES_INVALID),
        ({"start_date": "2026-11-14"}, PullError.DATES_INVALID),
        ({"start_date": "2031-01-01"}, PullError.DATES_INVALID),
        ({"start_date": DAY, "end_date": "2026-11-09"}, PullError.DATES_INVALID),
        ({"start_date": DAY, "end_date": "2026-11-20"}, PullError.DATES_INVALID),
        ({"start_date": "2026-11-10T22:10:00Z", "end_date": "2026-11-10T22:20:00Z"},
         PullError.DATES_INVALID),
        ({"source": "recorded"}, PullError.DATES_INVALID),
        ({"source": "dreamt"}, PullError.DATES_INVALID),
    ],
)  # fmt: skip
def test_wishes_that_cannot_be(wish: dict[str, Any], code: PullError) -> None:
    notebook = Notebook()
    told = notebook.start(**wish)
    assert (told.success, told.error_code) == (False, code)
    assert told.error_message
    assert notebook.bench.core._machines.state.pulls.sessions == {}


@pytest.mark.parametrize("name", ["mnq", "MNQ", "F.US.MNQ", "CON.F.US.MNQ.Z26"])
def test_instruments_by_any_name(name: str) -> None:
    assert Notebook().start(instrument_symbol=name).contract_id == "CON.F.US.MNQ.Z26"


def test_a_recording_is_played_where_it_has_the_dates(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    rows = [
        (f"2026-11-18T15:{minute:02}:00Z", 100_000 + minute, 100_050, 99_990, 100_000, 90)
        for minute in range(10, 40)
    ]
    path.write_text(recording(rows))
    notebook = Notebook(market="recorded", recorded_file=str(path), recorded_root="MNQ")
    told = notebook.start(start_date="2026-11-18T15:20:00Z", end_date="2026-11-18T15:30:00Z")
    assert (told.source, told.total_bars) == ("recorded", 10)
    assert notebook.step().bar.o == 100_020 * 0.25
    assert notebook.start().source == "synthetic", "other dates are made up"
    asked = {"start_date": "2026-11-18T15:20:00Z", "source": "synthetic"}
    assert notebook.start(**asked).source == "synthetic"


# -- no look ahead ---------------------------------------------------------------------------------


def history(notebook: Notebook, **wish: Any) -> list[Any]:
    base: dict[str, Any] = {
        "contract_id": MNQ, "start_time": "2026-11-01T00:00:00Z",
        "end_time": "2026-12-01T00:00:00Z", "unit": 2, "unit_number": 1, "limit": 20,
    }  # fmt: skip
    return list(notebook.ask(venue.RetrieveBars(**{**base, **wish})).bars)


def test_history_ends_with_the_last_bar_played(notebook: Notebook) -> None:
    assert history(notebook)[0].t == "2026-11-10T14:59:00+00:00", "warm-up lies before the start"
    told = notebook.step(3)
    bars = history(notebook, include_partial_bar=True)
    assert bars[:3] == list(reversed(told.bars))
    assert bars[3].t == "2026-11-10T14:59:00+00:00"
    assert len(bars) == 20
    hours = history(notebook, unit=3, limit=2)
    assert [bar.t[11:16] for bar in hours] == ["14:00", "13:00"]


def test_prices_before_the_first_bar_are_the_last_ones_known(notebook: Notebook) -> None:
    before = history(notebook)[0].c
    placed = notebook.ask(PullPlace(side=0))
    assert placed.success
    (fill,) = notebook.ask(ReplayStatus()).fills
    assert fill.price == before, "bought at the ask around the last close"


# -- pace ------------------------------------------------------------------------------------------


def test_play_moves_with_the_live_clock_and_pause_stops_it(notebook: Notebook) -> None:
    told = notebook.ask(ReplayPlay(speed=2.0))
    assert (told.playing, told.speed, told.index) == (True, 2.0, 0)
    notebook.bench.run(3.2)
    told = notebook.ask(ReplayStatus())
    assert (told.index, len(told.bars)) == (6, 6)
    notebook.bench.run(0.4)
    assert notebook.ask(ReplayPause()).index == 7
    notebook.bench.run(5)
    assert notebook.ask(ReplayStatus()).index == 7
    assert notebook.ask(ReplaySpeed(step_delay_ms=100)).speed == 10.0
    assert not notebook.ask(ReplayStatus()).playing
    notebook.ask(ReplayPlay())
    notebook.bench.run(1)
    assert notebook.ask(ReplayPause()).index == 17


def test_play_ends_with_the_film(notebook: Notebook) -> None:
    notebook.start(end_date="2026-11-10T15:04:00Z")
    notebook.ask(ReplayPlay(speed=1_000))
    notebook.bench.run(1)
    told = notebook.ask(ReplayStatus())
    assert (told.done, told.playing, told.index) == (True, False, 4)


@pytest.mark.parametrize("wish", [{"speed": -1.0}, {"speed": 1e9}, {"speed": float("inf")},
                                  {"speed": 1e-9}, {"step_delay_ms": -5}])  # fmt: skip
def test_speeds_that_cannot_be(notebook: Notebook, wish: dict[str, Any]) -> None:
    told = notebook.ask(ReplayPlay(**wish))
    assert (told.success, told.error_code, told.playing) == (
        False, PullError.SPEED_INVALID, False
    )  # fmt: skip


def test_jumps_go_forward_only(notebook: Notebook) -> None:
    told = notebook.ask(ReplayJumpTo(time="2026-11-10T15:30:00Z"))
    assert (told.index, told.bar.t) == (30, "2026-11-10T15:29:00+00:00")
    assert notebook.ask(ReplayJumpTo(index=35)).index == 35
    for wish in ({"index": 10}, {"index": 421}, {"time": "2026-11-10T15:10:00Z"}, {"time": "?"}):
        told = notebook.ask(ReplayJumpTo(**wish))  # type: ignore[arg-type]
        assert (told.success, told.error_code, told.index) == (
            False, PullError.TARGET_INVALID, 35
        )  # fmt: skip


def test_one_request_plays_so_many_minutes_at_most() -> None:
    notebook = Notebook()
    told = notebook.start(start_date="2026-11-09", end_date="2026-11-12")
    assert told.total_bars == 4 * 1_380
    told = notebook.step(5_000)
    assert told.index == MINUTES_AT_ONCE
    assert len(told.bars) == 1_000, "the latest"
    assert notebook.step(5_000).index == 2 * MINUTES_AT_ONCE
    assert notebook.step(0).error_code == PullError.TARGET_INVALID


def test_a_new_day_gives_back_what_the_old_one_locked() -> None:
    notebook = Notebook()
    notebook.start(start_date="2026-11-10T21:30:00Z", end_date="2026-11-11")
    notebook.step()
    (session,) = notebook.bench.core._machines.pulls._sessions.values()
    account = session.exchange.account
    account.state.firm.locked = True
    account.state.can_trade = False
    assert not notebook.step(29).can_trade
    assert notebook.step().can_trade


# -- several ---------------------------------------------------------------------------------------


def test_sessions_are_apart_from_each_other_and_from_the_live_account() -> None:
    bench = Bench(regime="calm")
    bench.run(1)
    ann, bob = Notebook(bench, "ann"), Notebook(bench, "bob")
    first, second = ann.start(), bob.start(instrument_symbol="MES")
    assert first.account_id != second.account_id
    ann.step(3)
    ann.ask(PullPlace(side=0))
    assert bob.ask(ReplayStatus()).position == 0
    assert bob.ask(ReplayStatus()).index == 0
    stranger = bob.ask(ReplayStatus(account_id=first.account_id))
    assert (stranger.success, stranger.error_code) == (False, PullError.NO_REPLAY)
    orders = bob.ask(venue.OrderSearchOpen(account_id=first.account_id))
    assert (orders.success, orders.error_code) == (False, 1)
    assert [row.id for row in ann.ask(venue.AccountSearch()).accounts] == [first.account_id]
    assert bench.truth().fills == 0
    assert bench.place(account_id=first.account_id).error_code == 1, "the live gateway knows none"
    assert ann.ask(venue.PositionSearchOpen(account_id=ACCOUNT)).success is False


def test_the_oldest_session_makes_room() -> None:
    notebook = Notebook(replay_sessions=2)
    one, two = notebook.start().account_id, notebook.start().account_id
    notebook.ask(ReplayStatus(account_id=one))
    third = notebook.start()
    assert third.ended == (two,)
    assert notebook.ask(ReplayStatus(account_id=one)).success
    assert not notebook.ask(ReplayStatus(account_id=two)).success


def test_end_forgets(notebook: Notebook) -> None:
    notebook.step(2)
    assert notebook.ask(ReplayEnd()).index == 2
    told = notebook.ask(ReplayStatus())
    assert (told.error_code, told.error_message) == (
        PullError.NO_REPLAY, "no such replay; begin one with Replay/start"
    )  # fmt: skip
    assert notebook.ask(venue.ContractSearch(search_text="NQ")).success is False
    assert notebook.ask(venue.AccountSearch()).accounts == ()


# -- memory ----------------------------------------------------------------------------------------


ACTS = st.one_of(
    st.builds(ReplayStep, count=st.integers(1, 30)),
    st.builds(PullPlace, side=st.integers(0, 1), size=st.integers(1, 5),
              sl_ticks=st.integers(-60, 60), tp_ticks=st.integers(-60, 60)),
    st.builds(ReplayPlay, speed=st.sampled_from([1.0, 5.0])),
    st.just(ReplayPause()),
    st.just(CloseAll()),
    st.just(ReplayStatus()),
)  # fmt: skip


@hypothesis_settings(max_examples=25, deadline=None)
@given(st.lists(ACTS, max_size=15), st.integers(0, 15))
def test_no_restart_is_seen_and_books_balance(acts: list[Any], cut: int) -> None:
    settings = settings_with(seed=4, regime="calm")
    whole = Notebook(Bench(Simulator(settings)))
    parted = Notebook(Bench(Simulator(settings)))
    assert whole.start() == parted.start()
    for place, act in enumerate(acts):
        if place == cut:
            again = Simulator(settings)
            again.restore(parted.bench.core.snapshot())
            parted.bench.core = again
        assert whole.ask(act) == parted.ask(act)
        for notebook in (whole, parted):
            notebook.bench.now += SECOND // 2
    assert whole.bench.core.snapshot() == parted.bench.core.snapshot()
    (session,) = whole.bench.core._machines.pulls._sessions.values()
    session.exchange.account.check()
    rows = trades(whole)
    held = sum(row.size if row.side == 0 else -row.size for row in rows)
    assert held == whole.ask(ReplayStatus()).position


def test_a_replay_of_a_recording_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    notebook = Notebook()
    notebook.start()
    (state,) = notebook.bench.core._machines.state.pulls.sessions.values()
    state.source = "recorded"
    again = Simulator(settings_with(regime="calm"))
    again.restore(notebook.bench.core.snapshot())
    assert again._machines.state.pulls.sessions == {}
