"""Rows of answers into words: bad rows are left out, good ones kept; and what settings do."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.market_data_gateway.rows import UNITS, bars_of, offers_of, request_of
from services.market_data_gateway.ticks import TickFilter
from services.market_data_gateway.words import Fetch, HistoryBar
from shared import settings as settings_file
from shared.domain.bars import SPANS_S
from shared.events import Bar, BarOrigin, ContractListed, Depth, FeedState, FeedStatus
from shared.units import SECOND
from shared.venue.words import BarModel, ContractModel
from tests.gateway_stage import Stage, at, offer, settings

MNQ = "CON.F.US.MNQ.Z26"
MORNING = "2026-11-18T15:35:10Z"


def row(minute: int, o: float = 20_000.0, h: float = 20_001.0) -> BarModel:
    return BarModel(t=f"2026-11-18T15:{minute:02d}:00+00:00", o=o, h=h, l=19_999.0, c=20_000.5, v=3)


def test_bars_are_turned_around_and_doubles_dropped() -> None:
    bars, complaint = bars_of([row(33), row(32), row(32, h=20_002.0), row(31)], MNQ)
    assert complaint == ""
    assert [bar.open_ns for bar in bars] == [
        at(f"2026-11-18T15:{minute}:00Z") for minute in (31, 32, 33)
    ]
    assert bars[1] == HistoryBar(at("2026-11-18T15:32:00Z"), 80_000, 80_008, 79_996, 80_002, 3)


@pytest.mark.parametrize(
    "bad",
    [
        row(30, o=20_000.1),
        row(30, h=1.0),
        row(30, o=float("nan")),
        msgspec.structs.replace(row(30), t="noon"),
        msgspec.structs.replace(row(30), v=-1),
    ],
)
def test_a_bad_bar_costs_only_itself(bad: BarModel) -> None:
    bars, complaint = bars_of([row(31), bad], MNQ)
    assert len(bars) == 1
    assert complaint


def test_a_contract_that_cannot_be_read_costs_only_itself() -> None:
    good = ContractModel(
        id=MNQ, name="MNQZ6", description="", tick_size=0.25, tick_value=0.5, active_contract=True
    )
    bad = msgspec.structs.replace(good, tick_size=float("inf"))
    offers, complaint = offers_of([bad, good])
    assert offers == (offer("MNQ", name="MNQZ6", symbol_id=""),)
    assert "tickSize" in complaint


@given(st.lists(st.floats(allow_nan=True), min_size=4, max_size=4))
def test_no_number_of_the_venue_makes_a_bar_that_lies(prices: list[float]) -> None:
    model = BarModel(t="2026-11-18T15:30:00Z", o=prices[0], h=prices[1], l=prices[2], c=prices[3],
                     v=1)  # fmt: skip
    for bar in bars_of([model], MNQ)[0]:
        assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high


@pytest.mark.parametrize(("span_s", "unit", "number"), [(1, 1, 1), (60, 2, 1), (300, 2, 5)])
def test_a_question_is_asked_in_the_venues_words(span_s: int, unit: int, number: int) -> None:
    start_ns = at("2026-11-18T15:30:00Z")
    fetch = Fetch(
        request=1, contract=MNQ, span_s=span_s, start_ns=start_ns, end_ns=start_ns + 300 * SECOND,
        limit=5,
    )  # fmt: skip
    asked = request_of(fetch)
    assert (asked.unit, asked.unit_number, asked.limit) == (unit, number, 5)
    assert asked.start_time == "2026-11-18T15:30:00+00:00"
    assert asked.end_time == "2026-11-18T15:35:00+00:00"
    assert not asked.live


def test_every_span_of_a_bar_can_be_asked_for() -> None:
    assert set(UNITS) == set(SPANS_S)


# -- every setting changes what is done -----------------------------------------------------------


def states(stage: Stage) -> list[FeedState]:
    return [status.state for status in stage.heard(FeedStatus)]


@pytest.mark.parametrize(("limit_s", "frozen"), [(2.0, True), (9.0, False)])
def test_the_silence_limit_decides_what_a_freeze_is(limit_s: float, frozen: bool) -> None:
    stage = Stage(MORNING, settings(silence_limit_s=limit_s))
    stage.start()
    stage.run(30)  # what is usual here is learnt; its history alone allows more
    stage.deaf = (MNQ,)
    stage.rejoins = False
    stage.run(6)
    assert (states(stage)[-1] is FeedState.FROZEN) == frozen


@pytest.mark.parametrize(("days", "listed"), [(29, 1), (30, 0), (0, 1)])
def test_the_roll_setting_decides_what_expires_too_soon(days: int, listed: int) -> None:
    stage = Stage(MORNING, settings(roll_days_before_expiry=days))
    stage.start()
    assert len(stage.heard(ContractListed)) == listed


def test_warm_up_is_as_long_as_the_settings_say() -> None:
    base = settings()
    for count_1m, count_5m in ((0, 0), (3, 0), (120, 60)):
        own = msgspec.structs.replace(
            base.market_data_gateway, warmup_bars_1m=count_1m, warmup_bars_5m=count_5m
        )
        stage = Stage(MORNING, msgspec.structs.replace(base, market_data_gateway=own))
        stage.start()
        warm = [bar.span_s for bar in stage.heard(Bar) if bar.origin is BarOrigin.HISTORY]
        assert warm == [60] * count_1m + [300] * count_5m


@pytest.mark.parametrize("levels", [1, 3, 10])
def test_depth_is_as_deep_as_the_settings_say(levels: int) -> None:
    own = msgspec.structs.replace(
        settings_file.load(env={}).market_data_gateway, depth_levels=levels
    )
    made = TickFilter(own)
    made.allow((MNQ,))
    ladder = [
        {"timestamp": MORNING, "type": 2, "price": 20_000 - n / 4, "volume": 1} for n in range(20)
    ]
    ((depth,), _) = made.take("GatewayDepth", [MNQ, ladder], at(MORNING))
    assert isinstance(depth, Depth)
    assert len(depth.bids) == levels


@pytest.mark.parametrize(("limit", "passes"), [(100, False), (500, True)])
def test_the_jump_limit_decides_what_is_absurd(limit: int, passes: bool) -> None:
    own = msgspec.structs.replace(
        settings_file.load(env={}).market_data_gateway, price_jump_limit_ticks=limit
    )
    made = TickFilter(own)
    made.allow((MNQ,))
    for bid in (20_000, 20_100):
        quote = {"bestBid": bid, "bestAsk": bid + 0.25, "timestamp": MORNING}
        found, _ = made.take("GatewayQuote", [MNQ, quote], at(MORNING))
    assert bool(found) == passes
