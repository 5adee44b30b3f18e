"""A thousand Worlds in which the venue accepts orders and the answers are lost: never two orders.

Router and simulator alone, before approvals that are written here, so that a thousand seeds take
seconds. The judge is the venue's own list of orders: each approval has exactly one order there, and
the router's last word on it is the venue's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import partial
from random import Random
from typing import ClassVar

import pytest

from services.cast import build
from services.stage import VenueStage
from shared.core import Word
from shared.events import (
    Event,
    OrderApproved,
    OrderState,
    OrderType,
    OrderUpdate,
    Pulse,
    Purpose,
    Side,
)
from shared.lab.accidents import Accidents
from shared.lab.world import World
from shared.settings import load
from shared.units import MILLISECOND, SECOND
from shared.venue.times import time_ns
from shared.venue.words import OrderModel

SEEDS, CHUNK = 1_000, 100
ORDERS = 3
CONTRACT = "CON.F.US.MES.Z26"
SETTINGS = load(env={"TSQ__SIMULATOR__REGIME": "dead"})  # the market is there, and silent
START_NS = time_ns(SETTINGS.simulator.start, "start")


class Approver:
    """Stands in for the governor: one resting order after the other, as `sides` has them."""

    subscribes: ClassVar[dict[str, tuple[type[Event], ...]]] = {}
    publishes = (OrderApproved,)
    words: ClassVar[tuple[type[Word], ...]] = ()
    watches: ClassVar[dict[str, float]] = {}

    def __init__(self, sides: str) -> None:
        self.sides, self.pulses = sides, 0

    def on(self, now_ns: int, event: Event) -> Iterable[Event]:
        if not isinstance(event, Pulse):
            return ()
        self.pulses += 1
        number = self.pulses - 4
        if not 0 < number <= len(self.sides):
            return ()
        side = Side.BUY if self.sides[number - 1] == "b" else Side.SELL
        return (
            OrderApproved(
                intent_id=f"trend.1.{number}",
                sleeve="trend",
                incarnation=1,
                contract=CONTRACT,
                side=side,
                size=1,
                type=OrderType.LIMIT,
                purpose=Purpose.ENTRY,
                tag=f"t1.trend.1.{number}.1",
                halt_no=0,
                deadline_real_ns=event.real_ns + 5 * SECOND,
                limit_price=27_600 - 40 * side,
                stop_loss_ticks=20,
                take_profit_ticks=20,
            ),
        )

    def recall(self, now_ns: int, said: Event) -> None:
        """It says nothing that could be asked again."""

    def snapshot(self) -> bytes:
        return bytes([self.pulses])

    def restore(self, snapshot: bytes) -> None:
        (self.pulses,) = snapshot


def play(seed: int) -> tuple[VenueStage, dict[str, OrderState], Counter[str]]:
    """The stage after it, the router's last word on each intent, and how often it said what."""
    dice = Random(seed)
    weather = Accidents(
        answer_lost=1.0 if seed % 2 else 0.5,
        hub_lost=dice.choice((0.0, 0.5, 1.0)),
        venue_delay_ns_max=dice.choice((5, 50, 400)) * MILLISECOND,
    )
    last: dict[str, OrderState] = {}
    kinds: Counter[str] = Counter()

    def said(lane: str, seq: int, now_ns: int, event: Event) -> None:
        if isinstance(event, OrderUpdate):
            last[event.intent_id] = event.state
            kinds[event.state.value] += 1

    stage = VenueStage(SETTINGS, seed, Accidents())
    sides = "".join(dice.choice("bs") for _ in range(ORDERS))
    cores = {
        "risk_governor": partial(Approver, sides),
        "order_router": partial(build, "order_router", SETTINGS),
        "simulator": partial(build, "simulator", SETTINGS),
    }
    world = World(cores, stage, START_NS, seed=seed, said=said)
    world.run(START_NS + SECOND - 1)
    stage.accidents = weather  # the account is joined: from here on answers get lost
    world.run(START_NS + 3 * SECOND)
    stage.accidents = Accidents()
    for _ in range(20):
        world.run(world.now_ns + SECOND)
        if OrderState.UNKNOWN not in last.values() and OrderState.SENT not in last.values():
            break
    return stage, last, kinds


def is_entry(order: OrderModel) -> bool:
    return not (order.custom_tag or "").endswith(("-SL", "-TP"))


@pytest.mark.parametrize("first", range(1, SEEDS, CHUNK))
def test_an_answer_lost_after_acceptance_never_makes_two_orders(first: int) -> None:
    unknown = 0
    for seed in range(first, first + CHUNK):
        stage, last, kinds = play(seed)
        truth = stage.truth()
        orders = {order.id: order for order in (*truth.orders, *truth.open_orders)}
        asked = [order.custom_tag or "" for order in orders.values() if is_entry(order)]
        tags = [f"t1.trend.1.{number}.1" for number in range(1, ORDERS + 1)]
        assert sorted(asked) == tags, f"seed {seed}: {asked}"
        assert truth.tags_refused == 0, f"seed {seed}: a tag was used twice"
        states = {last[f"trend.1.{number}"] for number in range(1, ORDERS + 1)}
        assert states == {OrderState.WORKING}, f"seed {seed}: {last}"
        unknown += kinds["UNKNOWN"]
    assert unknown > CHUNK // 2, "the answers were lost"
