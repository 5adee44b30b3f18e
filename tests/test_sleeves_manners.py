"""The manners every sleeve shares: nothing asked twice, opened unasked or left behind."""

from __future__ import annotations

import pytest

from shared.events import Gap, OrderState, OrderType, Purpose, RiskLevel, Side, VetoRule
from shared.units import SECOND
from tests.sleeves_stage import Resting, Stage, follower, hedger, maker, reverter, settings_for

ALL = {"market_maker": maker, "mean_reversion": reverter, "trend": follower, "tail_hedge": hedger}

BREAKS = {
    "market_maker": (24_500, 24_501),
    "mean_reversion": (27_606, 27_612, 27_615, 27_615),
    "trend": (101_610, 101_625),
    "tail_hedge": (48_200,),
}


@pytest.mark.parametrize("name", ALL)
def test_nobody_enters_twice_while_an_answer_is_missing(name):
    stage = Stage(name, settings_for(name)).open()
    stage.mute = True
    stage.history(101_600, 14)
    prices = {"market_maker": [24_500, 24_501, 24_500], "mean_reversion": [27_600, 27_601, 27_599]}
    stage.seconds(*prices.get(name, [101_600, 101_604, 101_598]) * 9, *BREAKS[name] * 3)
    asked = stage.intents()
    sides = [word.side for word in asked]
    assert sides.count(Side.BUY) <= 1
    assert sides.count(Side.SELL) <= 1
    assert asked, "it did ask once"


@pytest.mark.parametrize("name", ALL)
def test_everybody_pulls_what_rests_when_data_was_missed(name):
    stage = ALL[name]()
    resting = [
        one for one in stage.orders.values() if one.purpose in (Purpose.ENTRY, Purpose.QUOTE)
    ]
    stage.story()
    stage.tell(Gap(contract="", start_ns=stage.now_ns - SECOND, end_ns=stage.now_ns))
    assert len(stage.story()) == len(resting)
    assert not stage.orders


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("level", [RiskLevel.REDUCE_ONLY, RiskLevel.FLATTENING, RiskLevel.HALTED])
def test_nobody_opens_anything_unless_risk_is_active(name, level):
    stage = ALL[name]()
    stage.tell(stage.risk(level))
    assert not stage.orders
    stage.story()
    stage.seconds(*BREAKS[name] * 2)
    assert stage.story() == []


@pytest.mark.parametrize("name", ALL)
def test_a_veto_is_waited_out_longer_each_time(name):
    stage = Stage(name, settings_for(name), veto=VetoRule.OPEN_RISK).open()
    stage.history(101_600, 14)
    calm = {"market_maker": [24_500, 24_501], "mean_reversion": [27_600, 27_601, 27_599]}
    stage.seconds(*calm.get(name, [48_200, 48_202, 48_199]) * 20)
    vetoed = [line for line in stage.story() if "vetoes" in line]
    assert len(vetoed) <= 12, "seconds passed: 40 to 60"
    assert not stage.host.memory.orders


def test_an_entry_of_unknown_outcome_is_never_doubled():
    stage = reverter()
    stage.mute = True
    stage.seconds(*BREAKS["mean_reversion"])
    (asked,) = stage.intents()
    stage.mute = False
    order = Resting(asked.intent_id, Side.SELL, 1, OrderType.MARKET, Purpose.ENTRY)
    stage.update(order, OrderState.UNKNOWN)
    for _ in range(20):
        stage.seconds(*BREAKS["mean_reversion"])
    assert len(stage.intents()) == 1
