"""What an answer and a quote cost does not grow with the day: calls are counted, not time.

And what is remembered of a day without end is bounded where nothing but its length bounds it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from services.risk_governor.conduct import OUTCOMES_REMEMBERED
from services.risk_governor.follow import EARLY_MAX
from shared.events import OrderState
from tests.governor_stage import BUY, MES, MNQ, SELL, Stage, passed, wide

ROUNDS = 60


def calls_of(act: Callable[[], Any]) -> int:
    """How many functions are called while something is done."""
    count = 0

    def look(frame: Any, event: str, arg: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(look)
    try:
        act()
    finally:
        sys.setprofile(None)
    return count


def round_trip(stage: Stage) -> None:
    """A trade that is over, an order that was refused, one that was vetoed."""
    for contract in (MNQ, MES):
        stage.quote(contract)
    stage.bought("trend")
    stage.filled(stage.ask_exit("trend", SELL), 84_000)
    stage.covered(MNQ)
    stage.update(passed(stage.ask("trend", BUY)), OrderState.REFUSED)
    stage.ask("trend", BUY, 1_000)
    stage.wait(61)  # the windows of rates and fills move on
    stage.reconcile(live=())  # the stop went with its position


def costs(stage: Stage) -> tuple[int, int, int]:
    """Calls for an intent, for a quote that is judged, for a pulse."""
    for contract in (MNQ, MES):
        stage.quote(contract)
    stage.bought("mean_reversion", contract=MES)
    wish = stage.intent("trend", BUY)
    asked = calls_of(lambda: stage.governor.on(stage.now, wish))
    stage.governor.mind.unboxed = True
    judged = calls_of(lambda: stage.quote(MNQ, 84_001))
    pulse = calls_of(stage.pulse)
    return asked, judged, pulse


def test_an_answer_a_quote_and_a_pulse_cost_in_the_evening_what_they_did_in_the_morning() -> None:
    morning, evening = Stage(wide()).opened(), Stage(wide()).opened()
    for stage, rounds in ((morning, 2), (evening, ROUNDS)):
        for _ in range(rounds):
            round_trip(stage)
    # One call more a round would be 58; what is kept from other tests may spare a few.
    assert costs(evening) == pytest.approx(costs(morning), abs=ROUNDS // 4)


def test_an_orders_count_never_goes_back() -> None:
    """The router's words are in order, but an update may bear an older count than the one before;
    what it filled is counted until the fills are heard."""
    stage = Stage(wide()).opened()
    order = passed(stage.ask("trend", BUY, 2))
    stage.update(order, OrderState.WORKING, filled=2)
    stage.update(order, OrderState.CANCELLED, filled=0)
    assert stage.governor.mind.state.orders[order.intent_id].leaves() == 2
    stage.fill(order, 84_000, 2)
    assert order.intent_id not in stage.governor.mind.state.orders


def test_fills_without_an_order_are_kept_to_a_number() -> None:
    stage = Stage(wide(fills_per_window=10_000)).opened()
    for number in range(EARLY_MAX + 5):
        side = BUY if number % 2 == 0 else SELL
        stage.trade_of(1, 84_000, side=side, tag=f"stranger-{number}")
    early = stage.governor.mind.state.early
    assert len(early) == EARLY_MAX
    assert "stranger-0" not in early
    assert f"stranger-{EARLY_MAX + 4}" in early


def test_the_evidence_of_a_sleeve_is_its_last_trades() -> None:
    stage = Stage(wide()).opened()
    conduct = stage.governor.mind.state.conduct["trend"]
    for number in range(OUTCOMES_REMEMBERED + 5):
        conduct.opened(MNQ, stage.now, 0)
        conduct.closed(MNQ, stage.now, number)
    assert conduct.outcomes == list(range(5, OUTCOMES_REMEMBERED + 5))
