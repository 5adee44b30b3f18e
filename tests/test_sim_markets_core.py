"""The whole core on any mix of markets: products, recordings, limits, latencies, weather."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.simulator.core import Simulator
from services.simulator.dice import Delay, Dice
from services.simulator.words import (
    Answer,
    Call,
    QuotePush,
    SetWeather,
    Step,
    TapePush,
    UserPush,
    WeatherReport,
)
from shared import settings as settings_module
from shared.contracts import PRODUCTS, price
from shared.core import Word
from shared.sections import SimulatorFeed, SimulatorLatency
from shared.units import MILLISECOND, SECOND
from shared.venue import words as venue
from shared.venue.times import time_ns
from tests.sim_lives import assert_books_balance, play
from tests.sim_stage import ACCOUNT, MES, MNQ, Bench, bars, recording, settings_with

CL = "CON.F.US.CLE.F27"
ZN = "CON.F.US.TYA.Z26"
ZC = "CON.F.US.ZCE.H27"
BEYOND = "Invalid price. Price is outside allowed range."
CLOSED = "Trading is currently unavailable. The instrument is not in an active trading status."


def feed(*products: str, **recordings: tuple[str, ...]) -> SimulatorFeed:
    return SimulatorFeed(products=products, recordings=recordings)


def latency(**changes: Any) -> SimulatorLatency:
    return msgspec.structs.replace(settings_module.load(env={}).simulator.latency, **changes)


def weather(bench: Bench, regime: str = "", group: str = "") -> WeatherReport:
    bench.calls += 1
    told = bench.tell(SetWeather(call_id=bench.calls, regime=regime, group=group))
    answer = told[-1]
    assert isinstance(answer, Answer)
    assert isinstance(answer.response, WeatherReport)
    return answer.response


# -- products --------------------------------------------------------------------------------------


def test_any_mix_of_products_trades_with_its_own_ticks_and_fees() -> None:
    bench = Bench(feed=feed("MES", "CL", "ZN", "ZC"))
    bench.run(1)
    for contract in (CL, ZN, ZC):
        assert bench.place(contract).success
    bench.run(1)
    assert bench.place(MNQ).error_message == "Invalid symbol", "not quoted here"
    truth = bench.truth()
    assert truth.fills == 3
    fees = {trade.contract_id: trade.fees for trade in truth.trades}
    assert fees == {CL: 2.01, ZN: 1.31, ZC: 2.64}
    for trade in truth.trades:
        product = next(one for one in PRODUCTS.values() if one.symbol in trade.contract_id)
        ticks = trade.price * 1e9 / product.tick_nanos
        assert ticks == pytest.approx(round(ticks), abs=1e-6)
    assert_books_balance(truth)
    rows = bars(bench, contract_id=CL, limit=30).bars
    assert len(rows) == 30
    assert 55 < rows[0].c < 70


def test_all_products_are_quoted_when_all_are_asked_for() -> None:
    bench = Bench(feed=feed(*PRODUCTS))
    bench.run(2)
    quoted = {word.contract for word in bench.market if isinstance(word, QuotePush)}
    assert len(quoted) == len(PRODUCTS)
    assert bench.place("CON.F.US.EP.Z26").success


def test_products_that_do_not_exist_are_named() -> None:
    for wrong in (("MES", "XYZ"), ("MES", "MES")):
        with pytest.raises(ValueError, match=r"simulator\.feed\.products was"):
            Simulator(settings_with(feed=feed(*wrong)))
    with pytest.raises(ValueError, match=r"simulator\.feed\.recordings was 'XYZ'"):
        Simulator(settings_with(market="recorded", feed=feed("MES", XYZ=("a.csv",))))


def test_grains_refuse_orders_outside_their_hours() -> None:
    bench = Bench(feed=feed("MES", "ZC"), start="2026-11-18T13:19:58-06:00")
    bench.run(1)
    assert bench.place(ZC, type=1, limit_price=price(1_650, PRODUCTS["ZC"])).success
    bench.run(2)
    assert bench.place(ZC).error_message == CLOSED
    assert bench.place(MES).success


# -- price limits ----------------------------------------------------------------------------------


def locked(seed: int = 7) -> Bench:
    bench = Bench(seed=seed)
    bench.run(1)
    assert weather(bench, "limit").error == ""
    bench.run_until(lambda: not (bench.book().bids and bench.book().asks), 60)
    return bench


def test_orders_beyond_the_limits_are_rejected_with_the_venues_text() -> None:
    bench = locked()
    book = bench.book()
    up = not book.asks
    tick = PRODUCTS["MES"]
    edge, side = (book.high, 0) if up else (book.low, 1)
    beyond = edge + (1 if up else -1)
    refused = bench.place(type=1, side=side, limit_price=price(beyond, tick))
    assert (refused.success, refused.error_message) == (False, BEYOND)
    assert bench.place(type=1, side=side, limit_price=price(edge, tick)).success


def test_a_market_order_in_a_locked_market_rests_until_somebody_comes_back() -> None:
    bench = locked()
    book = bench.book()
    side = 0 if not book.asks else 1
    order_id = bench.place(side=side, size=1).order_id
    bench.run(0.1)
    order = bench.order(order_id)
    assert (order.status, order.fill_volume) == (1, 0)
    edge = book.high if side == 0 else book.low
    weather(bench, "calm")
    bench.run_until(lambda: bench.order(order_id).status == 2, 60)
    filled = bench.order(order_id).filled_price
    assert filled == price(edge, PRODUCTS["MES"])
    assert_books_balance(bench.truth())


def test_the_quote_of_a_locked_market_has_one_side() -> None:
    bench = locked()
    bench.quiet()
    bench.run(1)
    quotes = [w.payload for w in bench.market if isinstance(w, QuotePush) and w.contract == MES]
    assert quotes
    assert all((one.best_bid is None) != (one.best_ask is None) for one in quotes)


# -- weather ---------------------------------------------------------------------------------------


def test_weather_is_ordered_while_it_runs() -> None:
    bench = Bench(feed=feed("MES", "CL"))
    assert set(weather(bench).regimes) == {"index", "energy"}
    report = weather(bench, "trend", "energy")
    assert "limit" in report.settings
    bench.run(0.2)
    assert weather(bench).regimes["energy"] == "trend"
    assert "group was 'rates'" in weather(bench, "calm", "rates").error
    assert "regime was 'sunny'" in weather(bench, "sunny").error


def test_a_dead_feed_is_silent_while_orders_fill() -> None:
    bench = Bench()
    bench.run(1)
    weather(bench, "dead")
    bench.run(0.2)
    bench.quiet()
    assert bench.place().success
    bench.run(2)
    assert not [word for word in bench.market if isinstance(word, QuotePush | TapePush)]
    assert bench.truth().fills == 1
    weather(bench, "calm")
    bench.run(1)
    assert [word for word in bench.market if isinstance(word, QuotePush)]


# -- latencies -------------------------------------------------------------------------------------


def test_delays_are_drawn_as_they_say() -> None:
    dice = Dice(5)
    uniform = [Delay(100, 20).draw(dice) for _ in range(4_000)]
    assert (min(uniform), max(uniform)) == (100, 120)
    tail = [Delay(100, 1_000, tail=True).draw(dice) - 100 for _ in range(20_000)]
    assert 950 < sum(tail) / len(tail) < 1_050, "the spread is the mean"
    assert 0 <= min(tail) < 20
    assert sorted(tail)[10_000] < 800, "most are quicker than the mean"
    assert 5_000 < max(tail) < 8_000
    assert [Delay(7, 0, tail=True).draw(dice) for _ in range(3)] == [7] * 3


def test_acknowledgement_and_request_have_latencies_of_their_own() -> None:
    bench = Bench(latency_ms=40, latency=latency(acknowledge_ms=200, back_spread_percent=50))
    bench.run(1)
    delays = set()
    for _ in range(12):
        bench.calls += 1
        order = venue.PlaceOrder(account_id=ACCOUNT, contract_id=MES, type=1, side=0, size=1,
                                 limit_price=6_700.0)  # fmt: skip
        bench.tell(Call(call_id=bench.calls, request=order))
        answer = next(w for w in bench.said if isinstance(w, Answer) and w.call_id == bench.calls)
        delays.add(answer.delay_ns)
    assert all(200 * MILLISECOND <= delay <= 300 * MILLISECOND for delay in delays)
    assert len(delays) > 6


def test_events_of_the_hubs_come_late_in_order_and_none_is_lost() -> None:
    def told(stream_ms: int, seconds: float) -> list[Word]:
        settings = settings_with(latency=latency(stream_ms=stream_ms, back_spread_percent=100))
        bench = Bench(core=Simulator(settings))
        bench.run(1)
        bench.place(sl=-8, tp=8)
        bench.run(seconds)
        return [*bench.market, *(one for one in bench.said if isinstance(one, UserPush))]

    prompt, late = told(0, 2), told(300, 3)
    for kind in (TapePush, UserPush):
        ours = [one for one in late if isinstance(one, kind)]
        theirs = [one for one in prompt if isinstance(one, kind)]
        count = min(len(ours), len(theirs))
        assert count >= 3
        if kind is TapePush:
            assert ours[:count] == theirs[:count], "the same words, only later"
    bench = Bench(core=Simulator(settings_with(latency=latency(stream_ms=300))))
    assert not bench.run(0.28)
    assert bench.run(0.2)


# -- restarts --------------------------------------------------------------------------------------


def test_everything_survives_a_restart_at_any_cut(tmp_path: Path) -> None:
    """Ticks, bars and made-up products, weather ordered, late streams, a locked market."""
    start = time_ns("2026-11-18T15:35:00Z", "start")
    ticks = tmp_path / "ticks.csv"
    rows = [
        f"{start + n * 400 * MILLISECOND},{61.5 + n % 9 / 100},{1 + n % 4},\n" for n in range(90)
    ]
    ticks.write_text("ts,price,size,side\n" + "".join(rows))
    minute = tmp_path / "bars.csv"
    minute.write_text(
        recording(
            [(f"2026-11-18T15:{m}:00Z", 60_000, 60_040, 59_980, 60_010, 90) for m in (34, 35)]
        )
    )
    settings = settings_with(
        market="recorded",
        recorded_file=str(minute),
        feed=feed("MES", "ZN", "QM", CL=(str(ticks),)),
        latency=latency(stream_ms=70, back_spread_percent=60, shape="tail"),
    )
    begin = Simulator(settings).market_ns
    story: list[tuple[int, Word]] = []
    for number in range(1, 120):
        now = begin + number * SECOND // 4
        story.append((now, Step()))
        if number % 9 == 0:
            contract = (MES, MNQ, CL, ZN)[number // 9 % 4]
            order = venue.PlaceOrder(account_id=ACCOUNT, contract_id=contract, type=2,
                                     side=number // 18 % 2, size=1)  # fmt: skip
            story.append((now, Call(call_id=number, request=order)))
        if number in (20, 70):
            regime = "limit" if number < 50 else "flash"
            story.append((now, SetWeather(call_id=900 + number, regime=regime)))
    whole = play(Simulator(settings), story)
    joined = b"".join(whole)
    assert all(name in joined for name in (b"Answer", b"UserPush", b"Moved"))
    for cut in (0, 1, 21, 33, 62, 75, len(story)):
        first, second = Simulator(settings), Simulator(settings)
        before = play(first, story[:cut])
        second.restore(first.snapshot())
        assert before + play(second, story[cut:]) == whole, cut


def test_a_memory_goes_with_its_recordings_and_keeps_its_products(tmp_path: Path) -> None:
    ticks = tmp_path / "ticks.csv"
    ticks.write_text(f"ts,price,size\n{time_ns('2026-11-18T15:35:01Z', 't')},61.5,1\n")
    plain = Bench(feed=feed("MES"))
    with pytest.raises(ValueError, match="start with a fresh memory"):
        Simulator(settings_with(market="recorded", feed=feed("MES", CL=(str(ticks),)))).restore(
            plain.core.snapshot()
        )
    other = Simulator(settings_with(feed=feed("ZN")))
    other.restore(plain.core.snapshot())
    bench = Bench(core=other)
    bench.run(1)
    assert bench.place(MES).success
    assert bench.place(ZN).error_message == "Invalid symbol"
