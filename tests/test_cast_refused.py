"""Markets are refused while the governor is dead: the whole cast before the simulator.

The router is then alone with the venue. What it believes of the price is its own last fill; what
counts is where the market is now, and that it has to ask.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from services.order_router.core import Router
from services.stage import VenueStage, cast_world
from services.stage_checks import Checks, settings_of
from services.stage_client import Exchange
from services.stage_play import Person, truth_of
from shared.events import OrderType, Purpose
from shared.units import SECOND
from shared.venue.times import time_ns
from shared.venue.words import PositionClose

START = "2026-11-18T09:00:00-06:00"
MOVED = 100  # ticks since the last fill


@pytest.mark.parametrize("away", [-MOVED, MOVED])
def test_a_refused_close_finds_the_market_a_hundred_ticks_from_our_last_fill(
    away: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = Checks()
    world = cast_world(
        settings_of(TSQ__SIMULATOR__START=START), time_ns(START, "start"), seed=5, said=checks.said
    )
    checks.attend(world)
    stage = world.stage
    assert isinstance(stage, VenueStage)
    ask = stage.line.ask

    def refusing(exchange: Exchange, then: Callable[[Any], None]) -> None:
        if isinstance(exchange.request, PositionClose):
            then(stage.line._refused(exchange.request))
        else:
            ask(exchange, then)

    monkeypatch.setattr(stage.line, "ask", refusing)
    while not truth_of(world).positions:
        world.run(world.now_ns + SECOND)
    world.kill("risk_governor", 60 * SECOND)
    router = world.players["order_router"].core
    assert isinstance(router, Router)
    for book in router.desk.state.books.values():
        book.last_price += away
    world.players["order_router"].rest()  # what it is thought to remember
    Person(world, 1, 0.0).leave_request()
    world.run(world.now_ns + 20 * SECOND)
    assert not [held for held in truth_of(world).positions if held.lots]
    limits = [
        order
        for order in router.desk.state.done.values()
        if order.purpose is Purpose.FLATTEN and order.type is OrderType.LIMIT
    ]
    assert limits
    assert all(order.filled == order.size for order in limits), "the first one finds the market"
    assert [fill for fill in checks.fills.values() if fill.purpose is Purpose.FLATTEN]
