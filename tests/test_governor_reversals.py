"""Who turns a position around in one order ends a trade and begins another: both are counted.

A sleeve that is always in the market would else trade as often as it likes, and lose as often,
without one trade of the day or one loss in a row.
"""

from __future__ import annotations

import pytest

from shared.events import RiskLevel, VetoRule
from tests.governor_stage import BUY, MES, MNQ, SELL, Side, Stage, passed, refused, wide


def turned(stage: Stage, side: Side, price: int, *, size: int = 2) -> None:
    """The trend sleeve turns its one contract around at a price, in one fill, and is covered."""
    stage.quote(MNQ, price, price + 1)
    stage.filled(passed(stage.ask("trend", side, size)), price)
    stage.covered(MNQ)


def test_each_turn_is_a_trade_of_the_day() -> None:
    stage = Stage(wide(trades_per_day=3)).opened()
    stage.bought("trend")
    turned(stage, SELL, 84_000)
    turned(stage, BUY, 84_000)
    assert stage.state().trades_today == 3
    veto = stage.ask("trend", SELL, 2)
    assert refused(veto) is VetoRule.TRADES_PER_DAY
    assert (veto.limit, veto.actual) == (3, 4)
    passed(stage.ask("trend", BUY))  # more of what is held is no new trade
    passed(stage.ask_exit("trend", SELL))


def test_a_turn_on_its_way_counts_as_a_trade() -> None:
    stage = Stage(wide(trades_per_day=2)).opened()
    stage.bought("trend")
    passed(stage.ask("trend", SELL, 2))
    assert refused(stage.ask("mean_reversion", BUY, contract=MES)) is VetoRule.TRADES_PER_DAY


def test_a_turn_in_two_fills_is_one_trade() -> None:
    stage = Stage(wide()).opened()
    stage.bought("trend")
    order = passed(stage.ask("trend", SELL, 2))
    stage.fill(order, 84_000, 1)
    assert stage.state().trades_today == 1
    stage.fill(order, 84_000, 1)
    assert stage.state().trades_today == 2


@pytest.mark.parametrize(("loses", "level"), [(True, RiskLevel.REDUCE_ONLY),
                                              (False, RiskLevel.ACTIVE)])  # fmt: skip
def test_losses_by_turning_end_in_a_rest_too(loses: bool, level: RiskLevel) -> None:
    stage = Stage(wide(loss_streak=3, cooldown_s=900)).opened()
    stage.bought("trend")
    ticks = -20 if loses else 20
    for side, price in ((SELL, 84_000 + ticks), (BUY, 84_000), (SELL, 84_000 + ticks)):
        assert stage.level() is RiskLevel.ACTIVE
        turned(stage, side, price)
    assert stage.level() is level
    assert ("3 losing trades in a row" in stage.state().cause) is loses


def test_each_trade_of_a_turn_bears_its_own_result() -> None:
    """Won, lost, won: the fee of a turn belongs to the trade that it ends."""
    stage = Stage(wide(loss_streak=1, cooldown_s=900)).opened()
    stage.bought("trend")
    turned(stage, SELL, 84_050)
    assert stage.level() is RiskLevel.ACTIVE
    turned(stage, BUY, 84_060)
    (rest,) = stage.state().latches
    assert rest.grounds is not None
    assert rest.grounds.inputs == {"last_trade_usd": -10 * 500_000 - 2 * 610_000}
