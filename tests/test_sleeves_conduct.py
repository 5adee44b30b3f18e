"""The market maker measures how it behaves, shows it, and stops before the firm would ask."""

from __future__ import annotations

from shared.units import SECOND
from tests.sleeves_stage import Stage, settings_for


def maker(**params) -> Stage:
    stage = Stage("market_maker", settings_for("market_maker", **params)).open()
    stage.seconds(*[24_500, 24_501] * 10)
    return stage


def round_trip(stage: Stage) -> None:
    """Hit on the bid, worked out at the touch once it may move again."""
    stage.now_ns += SECOND
    stage.tick(24_497)
    stage.seconds(*[24_497] * 5, 24_500, 24_500, 24_501, 24_500)


def numbers(stage: Stage) -> dict[str, float]:
    stage.pulse(stage.ticks + 10)
    assert stage.status is not None
    return stage.status.numbers


def test_holding_time_cancels_and_contracts_of_the_day_are_shown() -> None:
    stage = maker()
    round_trip(stage)
    stage.seconds(24_500)
    shown = numbers(stage)
    assert shown["contracts_today"] == 2
    assert shown["mean_hold_s"] == 6.0
    assert shown["cancels_per_fill"] == stage.host.sleeve.state.cancels / 2 > 0


def test_a_habit_of_short_holds_ends_its_quotes_for_the_day() -> None:
    stage = maker(conduct_sample=1, mean_hold_s_min=60.0)
    round_trip(stage)
    stage.seconds(*[24_500, 24_501] * 5)
    assert not [line for line in stage.story()[6:] if "QUOTE" in line]
    assert "only works off what it holds" in stage.host.memory.logged
    stage.tell(stage.session(day="2026-11-19"))
    stage.seconds(*[24_500, 24_501] * 3)
    assert [line for line in stage.story() if "QUOTE" in line]


def test_too_many_cancels_for_a_fill_end_them_too() -> None:
    stage = maker(conduct_sample=2, cancels_per_fill_max=1.0)
    for _ in range(2):
        stage.now_ns += SECOND
        stage.tick(24_500, 24_520)
        stage.seconds(24_500, 24_501)
    stage.story()
    stage.seconds(*[24_500, 24_501] * 5)
    assert not [line for line in stage.story() if "BUY" in line or "SELL" in line]
    assert stage.host.sleeve.state.cancels >= 2


def test_a_few_trades_are_no_habit() -> None:
    stage = maker(conduct_sample=3, mean_hold_s_min=60.0)
    round_trip(stage)
    stage.story()
    stage.seconds(*[24_500, 24_501] * 5)
    assert stage.orders
