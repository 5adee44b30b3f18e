"""The four sleeves in the simulator's changing weather: each acts soon, restarts leave no trace.

Only the market is the simulator's; governor and venue are the stage's. So this is where default
parameters and synthetic market are held against each other.
"""

from __future__ import annotations

from functools import cache

import pytest

from services.simulator.history import synthetic_minute
from services.simulator.market_synthetic import Synthetic
from services.simulator.weather import CHARACTERS
from services.sleeves.host import SleeveHost
from shared.domain.bars import BarBuilder
from shared.events import Bar, BarOrigin, Event, Purpose, SleeveStatus
from shared.units import MINUTE, SECOND
from tests.sleeves_stage import T0, Stage, settings_for

SLEEVES = ("market_maker", "mean_reversion", "trend", "tail_hedge")
WATCHED_S = 100
STOP_DOLLARS = {"mean_reversion": 16 * 1.25, "trend": 40 * 0.5, "tail_hedge": 40 * 0.5}


class AlwaysOpen:
    def next_open(self, now_ns: int) -> int:
        return now_ns


@cache
def day(seed: int) -> dict[str, Stage]:
    """All four sleeves after `WATCHED_S` seconds of the same market."""
    first = {root: character.home for root, character in CHARACTERS.items()}
    market = Synthetic.fresh(seed, "auto", T0, first, hours=AlwaysOpen())
    stages = {}
    for name in SLEEVES:
        stage = Stage(name, settings_for(name)).open()
        for back in range(120, 0, -1):
            tell_history(stage, seed, T0 // MINUTE - back)
        stages[stage.root] = stage
    builders = {root: BarBuilder.of(stage.contract) for root, stage in stages.items()}
    for quarter in range(1, 4 * WATCHED_S + 1):
        updates: list = []
        market.advance(T0 + quarter * SECOND // 4, updates)
        for update in updates:
            tell_update(stages[update.root], builders[update.root], update)
        for stage in stages.values():
            stage.pulse(quarter / 4)
    return {stage.name: stage for stage in stages.values()}


def tell_history(stage: Stage, seed: int, minute: int) -> None:
    open_ns, opened, high, low, close, volume = synthetic_minute(seed, stage.root, minute)
    stage.tell(
        Bar(
            contract=stage.contract,
            span_s=60,
            open_ns=open_ns,
            open=opened,
            high=high,
            low=low,
            close=close,
            volume=volume,
            origin=BarOrigin.HISTORY,
        )
    )


def tell_update(stage: Stage, builder: BarBuilder, update) -> None:
    stage.now_ns = max(stage.now_ns, update.at_ns)
    for price, size, _ in update.prints:
        for bar in builder.trade(price, size, update.at_ns):
            stage.tell(bar)
        stage.print_at(price)
    if update.quote:
        for bar in builder.advance(update.at_ns):
            stage.tell(bar)
        stage.tick(update.bid, update.ask, (update.bids[0], update.asks[0]))


@pytest.mark.parametrize("seed", [1, 7])
@pytest.mark.parametrize("name", SLEEVES)
def test_every_sleeve_trades_within_about_a_minute(name, seed):
    stage = day(seed)[name]
    fills = [line for line in stage.lines if line.startswith("venue fills")]
    first = next(now for now, event in stage.heard if type(event).__name__ == "Fill")
    assert fills
    assert (first - T0) / SECOND < 75
    assert stage.host.memory.state == "READY", stage.host.memory.reason


@pytest.mark.parametrize("name", SLEEVES)
def test_nobody_ever_holds_more_than_one_contract_or_risks_more_than_its_stop(name):
    stage = day(7)[name]
    held = 0
    for _, event in stage.heard:
        if type(event).__name__ == "SleeveBook":
            assert abs(event.position) <= 1
            held = max(held, abs(event.position))
    assert held == 1
    for intent in stage.intents():
        assert intent.size == 1
        if intent.purpose is Purpose.ENTRY:
            value = {"MES": 1.25}.get(stage.root, 0.5)
            assert intent.stop_loss_ticks * value <= STOP_DOLLARS[name]


@pytest.mark.parametrize("name", SLEEVES)
def test_the_request_budget_is_respected(name):
    """Ninety trading requests a minute for all four together."""
    share = {"market_maker": 40, "mean_reversion": 10, "trend": 30, "tail_hedge": 45}
    times = []
    stage = day(7)[name]
    for now_ns, event in stage.heard:
        if type(event).__name__ in ("OrderUpdate", "OrderVetoed"):
            times.append(now_ns)
    words = [word for word in stage.said if not isinstance(word, SleeveStatus)]
    assert len(words) <= share[name] * WATCHED_S / 60


def again(stage: Stage, *, restart: bool) -> list[list[Event]]:
    """What a new host says to everything the stage's host heard, perhaps reborn at every step."""
    host = SleeveHost(stage.name, stage.settings)
    said = []
    for now_ns, event in stage.heard:
        if restart:
            reborn = SleeveHost(stage.name, stage.settings)
            reborn.restore(host.snapshot())
            host = reborn
        said.append(list(host.on(now_ns, event)))
    return said


@pytest.mark.parametrize("name", SLEEVES)
def test_the_same_story_gets_the_same_words(name):
    stage = day(1)[name]
    first, second = again(stage, restart=False), again(stage, restart=False)
    assert first == second
    assert [word for words in first for word in words] == stage.said


@pytest.mark.parametrize("name", SLEEVES)
def test_a_restart_at_every_step_leaves_no_trace(name):
    stage = day(1)[name]
    short = Stage(name, stage.settings)
    acted = next(i for i, (_, e) in enumerate(stage.heard) if type(e).__name__ == "Fill")
    short.heard = stage.heard[: acted + 150]
    assert again(short, restart=True) == again(short, restart=False)
