"""The gate before entries: a market of the wrong kind closes it, as an event of the journal."""

from __future__ import annotations

import msgspec
import pytest

from services.sleeves.host import SleeveHost
from shared.domain.indicators import Terrain
from shared.events import Regime, RegimeChanged, Started
from shared.units import SECOND
from tests.sleeves_stage import Stage, settings_for

STRAIGHT = [100 + 4 * n for n in range(40)]
CIRCLE = [100 + 4 * (n % 2) for n in range(40)]


def staged(*regimes: str, name: str = "Deaf") -> Stage:
    settings = settings_for("trend", f"tests.sleeves_toys:{name}")
    own = msgspec.structs.replace(settings.sleeves["trend"], regimes=regimes)
    settings = msgspec.structs.replace(settings, sleeves={**settings.sleeves, "trend": own})
    return Stage("trend", settings).open()


def minutes(stage: Stage, closes: list[int]) -> None:
    for close in closes:
        stage.now_ns += 60 * SECOND
        stage.tick(close)
        stage.bar(close, span_s=60)


def changes(stage: Stage) -> list[RegimeChanged]:
    return [word for word in stage.said if isinstance(word, RegimeChanged)]


def test_a_sleeve_without_regimes_trades_in_all_and_says_nothing_of_it():
    stage = staged()
    minutes(stage, STRAIGHT)
    assert not changes(stage)
    assert stage.intents()


def test_unknown_is_not_wanted_and_the_wanted_one_opens_the_gate():
    stage = staged("TREND")
    minutes(stage, STRAIGHT[:30])
    assert not stage.intents()
    minutes(stage, STRAIGHT[30:32])
    (change,) = changes(stage)
    assert (change.sleeve, change.regime, change.trades) == ("trend", Regime.TREND, True)
    assert (change.efficiency_percent, change.pace_percent) == (100, 100)
    assert stage.intents()


def test_a_change_must_be_confirmed_and_pulls_what_rests():
    stage = staged("TREND")
    minutes(stage, STRAIGHT)
    assert stage.orders
    stage.story()
    last = STRAIGHT[-1]
    minutes(stage, [last, *[last - 4 * (n % 2) for n in range(30)]])
    change = changes(stage)[-1]
    assert (change.regime, change.trades) == (Regime.CHOP, False)
    assert change.efficiency_percent < 35
    assert stage.story() == ["CANCEL #1 (the market is in CHOP)"]
    assert not stage.orders


def test_a_wild_market_is_wild_whichever_way_it_goes():
    stage = staged("CHOP")
    minutes(stage, CIRCLE)
    assert changes(stage)[-1].regime is Regime.CHOP
    minutes(stage, [140, 80, 140, 80, 140, 80, 140])
    assert changes(stage)[-1].regime is Regime.WILD
    assert not stage.host.sleeve.may_enter


def test_a_restart_remembers_the_regime_and_other_settings_ask_it_again():
    stage = staged("TREND")
    minutes(stage, STRAIGHT)
    again = SleeveHost("trend", stage.settings)
    again.restore(stage.host.snapshot())
    list(again.on(stage.now_ns, Started(epoch=101, fresh=False)))
    assert again.sleeve.may_enter
    other = staged("CHOP")
    other.host.restore(stage.host.snapshot())
    list(other.host.on(stage.now_ns, Started(epoch=101, fresh=False, changed=True)))
    assert other.host.memory.sheltered


@pytest.mark.parametrize(
    ("closes", "efficiency", "pace"),
    [([0] * 11, 0, 100), (list(range(11)), 100, 100), ([0, 1] * 5 + [0], 0, 100)],
)
def test_the_ground_in_whole_percents(closes, efficiency, pace):
    terrain = Terrain(10)
    for close in closes:
        assert not terrain.ready
        terrain.update(close)
    assert (terrain.efficiency, terrain.pace) == (efficiency, pace)


def test_a_fast_end_shows_in_the_pace():
    terrain = Terrain(10)
    for close in [0, 1, 0, 1, 0, 1, 0, 1, 0, 10, 0]:
        terrain.update(close)
    assert terrain.pace == 100 * 20 * 10 // (28 * 2)
