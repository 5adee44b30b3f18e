"""What each sleeve of the library does, as a trader would tell it. Prices in ticks, minute bars."""

from __future__ import annotations

import pytest

from services.sleeves.library.breakout import Breakout
from services.sleeves.library.engulfing import EngulfingBars
from services.sleeves.library.order_flow import OrderFlow
from services.sleeves.library.pairs import Pairs
from services.sleeves.library.stat_arb import StatArb
from services.sleeves.library.support_resistance import SupportResistance
from services.sleeves.library.volume_profile import VolumeProfile
from services.sleeves.rehearsal import Stage, rehearse
from shared.contracts import PRODUCTS, contract_id
from shared.events import BarOrigin, Depth
from shared.settings import SettingsError
from shared.units import SECOND
from tests.sleeves_stage import T0

MINUTE = 60 * SECOND


def past(stage: Stage, rows: list[tuple[int, int, int, int]], volume: int = 10) -> None:
    """Minutes of history, (open, high, low, close), the last closing as the day begins."""
    for number, (opened, high, low, close) in enumerate(rows):
        stage.bar(
            close,
            opened=opened,
            high=high,
            low=low,
            span_s=60,
            volume=volume,
            origin=BarOrigin.HISTORY,
            open_ns=T0 - (len(rows) - number) * MINUTE,
        )
    assert stage.host.memory.state == "READY", stage.host.memory.reason


def minute(
    stage: Stage, opened: int, close: int, *, high: int = 0, low: int = 0, volume: int = 10
) -> list[str]:
    """One minute later: a quote at the close, then the bar. What happened, in lines."""
    stage.now_ns += MINUTE
    stage.tick(close)
    stage.bar(
        close,
        opened=opened,
        high=max(high, opened, close),
        low=min(low or close, opened, close),
        span_s=60,
        volume=volume,
    )
    return stage.story()


# -- support and resistance ------------------------------------------------------------------------

REST = [(1_000, 1_002, 998, 1_000)] * 4
VALLEY = [*REST, (1_000, 1_001, 980, 990), *REST]
HILL = [*REST, (1_000, 1_020, 999, 1_010), *REST]


def levels(rows) -> Stage:
    stage = rehearse(SupportResistance, swing_bars=1)
    past(stage, rows)
    return stage


def test_a_bar_refused_at_a_support_is_bought() -> None:
    stage = levels(VALLEY)
    assert minute(stage, 985, 992, low=981) == [
        "#1 BUY 1 MARKET sl 16 tp 24 (refused at support 980)",
        "venue fills BUY 1 @ 993",
    ]


def test_a_bar_refused_at_a_resistance_is_sold() -> None:
    stage = levels(HILL)
    assert minute(stage, 1_015, 1_008, high=1_019) == [
        "#1 SELL 1 MARKET sl 16 tp 24 (refused at resistance 1020)",
        "venue fills SELL 1 @ 1008",
    ]


@pytest.mark.parametrize(
    ("opened", "close", "low"),
    [(990, 996, 989), (985, 981, 980), (981, 983, 981), (978, 976, 970)],
    ids=["did not touch", "closed down", "closed at the level", "broke it"],
)
def test_anything_less_is_left_alone(opened, close, low) -> None:
    assert minute(levels(VALLEY), opened, close, low=low) == []


def test_a_trade_that_neither_came_nor_went_is_left_and_rested_from() -> None:
    stage = levels(VALLEY)
    minute(stage, 985, 992, low=981)
    told = [line for _ in range(15) for line in minute(stage, 992, 992, high=993, low=991)]
    assert "#2 SELL 1 MARKET EXIT (time stop)" in told
    stage.story()
    assert minute(stage, 985, 992, low=981) == [], "it rests for a minute and a half"
    minute(stage, 992, 992)
    assert minute(stage, 985, 992, low=981)[0].startswith("#3 BUY 1 MARKET")


# -- breakout --------------------------------------------------------------------------------------


def ranging() -> Stage:
    stage = rehearse(Breakout, channel_bars=5, strength_bars=3, strength=60.0)
    past(stage, [(1_000, 1_004, 996, 1_000 + (n % 2)) for n in range(8)])
    return stage


def test_a_break_on_volume_and_strength_is_bought() -> None:
    assert minute(ranging(), 1_001, 1_010, volume=20) == [
        "#1 BUY 1 MARKET sl 20 tp 40 (broke 1004, volume 20 against 10, strength 93)",
        "venue fills BUY 1 @ 1011",
    ]


def test_a_break_downwards_is_sold() -> None:
    assert minute(ranging(), 1_001, 990, volume=20)[0].startswith(
        "#1 SELL 1 MARKET sl 20 tp 40 (broke 996, "
    )


@pytest.mark.parametrize(
    ("close", "volume"), [(1_010, 11), (1_004, 50)], ids=["ordinary volume", "inside the channel"]
)
def test_a_break_that_nobody_joins_is_left_alone(close, volume) -> None:
    assert minute(ranging(), 1_001, close, volume=volume) == []


# -- order flow ------------------------------------------------------------------------------------


def book(stage: Stage, bid_size: int, ask_size: int) -> list[str]:
    stage.now_ns += SECOND
    stage.tell(
        Depth(
            contract=stage.contract,
            bids=((1_000, bid_size),),
            asks=((1_001, ask_size),),
            venue_ns=stage.now_ns,
            recv_ns=stage.now_ns,
        )
    )
    return stage.story()


def balanced() -> Stage:
    stage = rehearse(OrderFlow, changes=3)
    stage.tick(1_000)
    for _ in range(4):
        assert book(stage, 20, 20) == []
    return stage


def test_pressure_on_the_ask_is_bought_and_left_when_it_turns() -> None:
    stage = balanced()
    assert book(stage, 70, 10)[0].startswith("#1 BUY 1 MARKET sl 12 tp 16 (pressure +")
    for _ in range(3):
        book(stage, 70, 10)
    assert book(stage, 5, 60) == [], "it holds for ten seconds at least"
    for _ in range(7):
        book(stage, 70, 10)
    assert book(stage, 5, 90)[0] == "#2 SELL 1 MARKET EXIT (the pressure turned)"


def test_a_wide_spread_or_a_gap_says_nothing() -> None:
    stage = balanced()
    stage.tell(
        Depth(
            contract=stage.contract,
            bids=((997, 90),),
            asks=((1_001, 5),),
            venue_ns=stage.now_ns,
            recv_ns=stage.now_ns,
        )
    )
    assert stage.story() == []


# -- volume profile --------------------------------------------------------------------------------


def agreed(min_edge_ticks: int = 2) -> Stage:
    """Most was traded at 1,000; some from 980 to 1,020."""
    stage = rehearse(VolumeProfile, profile_bars=30, min_edge_ticks=min_edge_ticks)
    rows = [*[1_000] * 10, *range(980, 1_021, 4), *range(1_020, 979, -4)]
    past(stage, [(close, close, close, close) for close in rows])
    return stage


def test_back_above_the_value_area_low_is_bought_to_the_point_of_control() -> None:
    stage = agreed()
    assert minute(stage, 1_000, 960) == []
    assert stage.host.memory.numbers["value_low_ticks"] == 996
    assert minute(stage, 960, 996) == [
        "#1 BUY 1 MARKET sl 20 tp 60 (back above 996, control at 1000)",
        "venue fills BUY 1 @ 997",
    ]
    assert minute(stage, 996, 1_000)[0] == "#2 SELL 1 MARKET EXIT (at the point of control)"


def test_too_short_a_way_to_the_point_of_control_is_not_worth_its_fees() -> None:
    stage = agreed(min_edge_ticks=8)
    minute(stage, 1_000, 960)
    assert minute(stage, 960, 996) == []


# -- engulfing bars --------------------------------------------------------------------------------


def falling() -> Stage:
    stage = rehearse(EngulfingBars, run_bars=4, range_bars=4)
    past(stage, [(p + 6, p + 7, p - 1, p) for p in range(1_060, 1_024, -6)])
    return stage


def test_a_bar_that_swallows_the_last_one_at_the_low_of_a_run_is_bought() -> None:
    assert minute(falling(), 1_029, 1_038, low=1_028) == [
        "#1 BUY 1 MARKET sl 20 tp 30 (a body of 9 ticks swallowed the last one at the low 1028)",
        "venue fills BUY 1 @ 1039",
    ]


@pytest.mark.parametrize(
    ("opened", "close"), [(1_031, 1_038), (1_029, 1_035)], ids=["opened inside", "closed inside"]
)
def test_a_bar_that_does_not_swallow_it_is_left_alone(opened, close) -> None:
    assert minute(falling(), opened, close, low=1_028) == []


# -- two and more products -------------------------------------------------------------------------


def other_minute(stage: Stage, root: str, close: int, *, ago: int = 0) -> None:
    """A minute of another product: live, or `ago` minutes of history."""
    stage.bar(
        close,
        span_s=60,
        contract=contract_id(PRODUCTS[root], 2026, 12),
        origin=BarOrigin.HISTORY if ago else BarOrigin.LIVE,
        open_ns=T0 - ago * MINUTE if ago else None,
    )


def paired(**params) -> Stage:
    """Ours is twice the other, with a little noise, for twenty minutes."""
    stage = rehearse(Pairs, window_bars=20, **params)
    for ago in range(20, 0, -1):
        other_minute(stage, "MES", 500 + 3 * (ago % 4), ago=ago)
    past(stage, [(p, p, p, p) for p in (1_000 + 6 * (a % 4) + a % 3 for a in range(20, 0, -1))])
    return stage


def test_our_product_above_the_line_is_sold_back_to_it() -> None:
    stage = paired()
    minute(stage, 1_000, 1_040)
    other_minute(stage, "MES", 506)
    (asked, filled) = stage.story()
    assert asked.startswith("#1 SELL 1 MARKET sl 24 tp 60 (z +")
    assert asked.endswith("ticks from MES's line)")
    assert filled == "venue fills SELL 1 @ 1040"
    minute(stage, 1_040, 1_012)
    other_minute(stage, "MES", 506)
    assert stage.story()[0] == "#2 BUY 1 MARKET EXIT (back at the line)"


def test_nothing_is_decided_before_both_have_the_minute() -> None:
    stage = paired()
    assert minute(stage, 1_000, 1_040) == []
    assert minute(stage, 1_040, 1_045) == [], "the other product has no bar of these minutes"


def test_two_that_do_not_move_together_are_no_pair() -> None:
    stage = paired(correlation=1.0)
    minute(stage, 1_000, 1_040)
    other_minute(stage, "MES", 506)
    assert stage.story() == []


def test_a_product_cannot_be_its_own_measure() -> None:
    with pytest.raises(SettingsError, match="listens to 'MNQ', its own product"):
        rehearse(Pairs, other="MNQ")


def test_what_a_basket_does_not_explain_is_faded_and_left_when_it_came_back() -> None:
    stage = rehearse(StatArb, beta_bars=10, path_bars=10)
    moves = [(3 * n) % 7 for n in range(24)]
    for root in ("MES", "M2K", "MYM"):
        for number, move in enumerate(moves):
            other_minute(stage, root, 500 + move, ago=24 - number)
    past(stage, [(1_000 + m, 1_000 + m, 1_000 + m, 1_000 + m) for m in moves])
    minute(stage, 1_000, 1_034)
    for root in ("MES", "M2K", "MYM"):
        assert stage.story() == []
        other_minute(stage, root, 503)
    (asked, _) = stage.story()
    assert asked.startswith("#1 SELL 1 MARKET sl 24 tp 60 (z +")
    assert asked.endswith("ticks that the basket does not explain)")
    minute(stage, 1_034, 1_003)
    for root in ("MES", "M2K", "MYM"):
        other_minute(stage, root, 503)
    assert stage.story()[0] == "#2 BUY 1 MARKET EXIT (the path came back)"
