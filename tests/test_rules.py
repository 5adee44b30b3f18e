"""The firm's loss rules and our sizing, against worked numbers (vectors V.. of the rule notes)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import rulebook
from shared.domain.rules.day import limit_is_reached
from shared.domain.rules.loss import (
    floor_after_day,
    high_after_day,
    is_touched,
    kill_level,
)
from shared.domain.rules.sizing import (
    entry_cost,
    exit_room,
    exposure,
    held_cost,
    largest_size,
    price_distance,
    resting_price,
)
from shared.units import USD, micros


def _floors(start: int, size: int, closes: list[int]) -> list[int]:
    maximum = rulebook.pack(f"topstep-{size // 1_000}k-combine@2026-09").rules.maximum_loss
    high, floor = start * USD, start * USD - maximum
    found = [floor // USD]
    for close in closes:
        high = high_after_day(high, close * USD)
        floor = floor_after_day(floor, high, maximum, start * USD)
        found.append(floor // USD)
    return found


@pytest.mark.parametrize(
    ("start", "size", "closes", "floors"),
    [
        (  # V01: trails the best end of day, locks at the start balance
            50_000, 50_000, [50_500, 50_000, 51_200, 50_900, 52_000, 51_500, 53_000],
            [48_000, 48_500, 48_500, 49_200, 49_200, 50_000, 50_000, 50_000],
        ),
        (  # V02
            100_000, 100_000, [101_000, 100_200, 103_500, 102_000],
            [97_000, 98_000, 98_000, 100_000, 100_000],
        ),
        (0, 50_000, [1_000, 2_000, 1_300, 2_600], [-2_000, -1_000, 0, 0, 0]),  # V04
        (50_000, 50_000, [50_400], [48_000, 48_400]),  # V06: intraday highs do not trail
        (50_000, 50_000, [49_300, 49_900], [48_000, 48_000, 48_000]),  # V07
    ],
)  # fmt: skip
def test_the_floor_follows_the_best_end_of_day(
    start: int, size: int, closes: list[int], floors: list[int]
) -> None:
    assert _floors(start, size, closes) == floors


@given(st.lists(st.integers(40_000, 60_000), max_size=40))
def test_the_floor_never_falls_and_never_passes_the_lock(closes: list[int]) -> None:
    floors = _floors(50_000, 50_000, closes)
    assert floors == sorted(floors)
    assert max(floors) <= 50_000


@pytest.mark.parametrize(
    ("marks_net", "hit"),
    [("-498.11", False), ("-1498.11", False), ("-1785.61", False), ("-1801.89", True)],
)
def test_v10_touching_the_floor_is_a_breach(marks_net: str, hit: bool) -> None:
    assert is_touched(micros("50300") + micros(marks_net), micros("48500")) is hit


def test_v12_one_cent_above_lives_and_the_floor_itself_does_not() -> None:
    floor = micros(48_500)
    assert not is_touched(micros("48500.01"), floor)
    assert is_touched(floor, floor)
    assert is_touched(micros("48499.99"), floor)


def test_v17_the_daily_limit_counts_fees_and_open_loss() -> None:
    limit, paid = micros(1_000), micros("207.99")
    for open_loss, hit in ((500, False), ("787.50", False), (800, True)):
        assert limit_is_reached(-paid - micros(open_loss), limit) is hit


def test_v19_the_day_is_measured_from_its_start_and_not_from_its_peak() -> None:
    assert not limit_is_reached(micros(-200), micros(1_000))


def test_the_exit_allowance_makes_the_day_end_earlier() -> None:
    assert limit_is_reached(micros(-895) - micros(5), micros(900))
    assert not limit_is_reached(micros(-895) - micros("4.99"), micros(900))


def test_v26_the_drawdown_kill() -> None:
    level = kill_level(micros(51_000), micros(1_600), micros(49_000))
    assert level == micros(49_400)
    assert not is_touched(micros("49400.01"), level)
    assert is_touched(micros(49_400), level)


def test_a_kill_below_the_floor_leaves_the_floor_to_bind() -> None:
    assert kill_level(micros(1_400), micros(1_600), 0) == 0


def test_v15_v16_what_may_still_be_lost_decides_the_size() -> None:
    es = entry_cost(16, 2, micros("12.5"), micros("1.89"))
    mes = entry_cost(16, 2, micros("1.25"), micros("0.61"))
    assert (es, mes) == (micros("228.78"), micros("23.72"))
    assert largest_size(micros(150), es) == 0
    assert largest_size(micros(150), mes) == 6
    assert largest_size(micros("142.32"), mes) == 6
    assert largest_size(micros("142.31"), mes) == 5
    assert largest_size(-1, mes) == 0


def test_v28_an_mnq_stop_of_25_points() -> None:
    cost = entry_cost(100, 2, micros("0.5"), micros("0.61"))
    assert cost == micros("52.22")
    assert [largest_size(micros(budget), cost) for budget in (150, 120, 50)] == [2, 2, 0]


def test_a_stop_in_profit_costs_slippage_and_fee_only() -> None:
    assert held_cost(-30, 2, micros("0.5"), micros("0.61")) == micros("1.61")
    assert held_cost(30, 2, micros("0.5"), micros("0.61")) == micros("16.61")


@pytest.mark.parametrize(
    ("position", "buys", "sells", "sides"),
    [
        (0, 1, 1, (1, 1)),
        (2, 1, 0, (3, 0)),
        (2, 0, 3, (2, 1)),
        (-2, 3, 0, (1, 2)),
        (1, 0, 1, (1, 0)),
    ],
)
def test_each_side_is_looked_at_alone(
    position: int, buys: int, sells: int, sides: tuple[int, int]
) -> None:
    assert exposure(position, buys, sells) == sides


@given(st.integers(-9, 9), st.integers(0, 9), st.integers(0, 9), st.data())
def test_no_order_of_fills_leads_beyond_the_exposure(
    position: int, buys: int, sells: int, data: st.DataObject
) -> None:
    long, short = exposure(position, buys, sells)
    fills = [1] * buys + [-1] * sells
    lots = position
    for step in data.draw(st.permutations(fills)):
        lots += step
        assert -short <= lots <= long or abs(lots) <= abs(position)


@pytest.mark.parametrize(
    ("position", "side", "closing", "room"),
    [(3, -1, 0, 3), (3, -1, 2, 1), (3, -1, 4, 0), (3, 1, 0, 0), (-3, 1, 1, 2), (0, 1, 0, 0)],
)
def test_an_exit_only_reduces(position: int, side: int, closing: int, room: int) -> None:
    assert exit_room(position, side, closing) == room


def test_distance_from_the_market() -> None:
    assert [price_distance(price, 100, 102) for price in (97, 100, 101, 102, 105)] == [
        3, 0, 0, 0, 3,
    ]  # fmt: skip


def test_where_an_order_rests_instead_of_trading_at_once() -> None:
    prices = (99, 100, 101, 102, 103)
    assert [resting_price(price, 1, 100, 102) for price in prices] == [99, 100, 101, 101, 101]
    assert [resting_price(price, -1, 100, 102) for price in prices] == [101, 101, 101, 102, 103]
    assert (resting_price(100, 1, 100, 100), resting_price(100, -1, 100, 100)) == (99, 101)
