"""An exit that the venue carries out seconds after its router died, beside the sentinel's own sale.

In a World with everybody: the exit leaves, the router freezes in that moment, the sentinel ends it
and sells, and then the venue carries out the exit too. The position it turns is closed within a
second, and in the books both sales are the sleeve's, whether the sentinel lives to see it or dies
halfway and leaves it to the next router.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from services.stage import cast_world
from services.stage_busy import settings_for
from services.stage_checks import Checks
from services.stage_client import LATE_NS_MAX, TIMEOUT_NS, Exchange, Line, Then
from shared.events import Fill, Purpose
from shared.lab.world import World
from shared.runtime.flatten_files import Progress
from shared.units import SECOND
from shared.venue import words as wire
from shared.venue.outcome import Unknown
from shared.venue.times import time_ns

ROUTER, SENTINEL = "order_router", "sentinel"
FROZEN_S = 60
SEARCH_S = 60
SEEDS = (4, 6)


class Story:
    """A World in which the first exit is carried out as late as can be, and its router freezes."""

    def __init__(self, seed: int) -> None:
        settings, self.checks = settings_for(seed), Checks()
        start_ns = time_ns(settings.simulator.start, "start")
        self.world: World = cast_world(settings, start_ns, seed=seed, said=self.checks.said)
        self.checks.attend(self.world)
        self.tag = ""
        line = self.checks.stage.line
        line._travel = partial(self._travel, line, line._travel)  # type: ignore[method-assign]
        self.until(lambda: bool(self.tag), "no exit ever left")
        self.world.players[ROUTER].thaw_ns = self.world.now_ns + FROZEN_S * SECOND

    def _travel(self, line: Line, fair: Any, exchange: Exchange, then: Then) -> None:
        request = exchange.request
        tag = request.custom_tag or "" if isinstance(request, wire.PlaceOrder) else ""
        if self.tag or not self.checks._exit(tag):
            fair(exchange, then)
            return
        self.tag = tag
        line._call(request, TIMEOUT_NS + LATE_NS_MAX)
        line._later(TIMEOUT_NS, then, Unknown("no answer"))

    def until(self, done: Any, why: str) -> None:
        for _ in range(10 * SEARCH_S):
            self.world.run(self.world.now_ns + SECOND // 10)
            if done():
                return
        raise AssertionError(why)

    def sold(self) -> bool:
        """Whether the sentinel's sale is carried out."""
        told = self.checks.stage.files.progress
        acted = told is not None and told.by == SENTINEL and told.closed
        return bool(acted) and not any(self.checks.watch.lots.values())

    def seconds(self, count: int) -> None:
        for _ in range(count):
            self.world.run(self.world.now_ns + SECOND)
            self.checks.second(self.world.now_ns)

    def fills(self, purpose: Purpose) -> list[Fill]:
        return [fill for fill in self.checks.fills.values() if fill.purpose is purpose]

    def judge(self) -> None:
        late = [fill for fill in self.checks.fills.values() if fill.tag == self.tag]
        assert late, "it was carried out"
        assert all(fill.sleeve for fill in late)
        assert self.checks.bare.ns_max < SECOND, "closed by the next look"
        self.checks.judge()
        self.checks.replay()


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_carried_out_late_is_closed_by_the_sentinel_and_booked_to_its_sleeve(
    seed: int,
) -> None:
    story = Story(seed)
    story.seconds(40)
    told = story.checks.stage.files.progress
    assert isinstance(told, Progress)
    assert (told.by, told.stage) == (SENTINEL, "FLAT")
    assert len(told.closed) == 2, "what was held, and what the late exit made of it"
    assert len(story.fills(Purpose.FLATTEN)) == 2
    assert story.fills(Purpose.HUMAN) == []
    story.judge()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_sentinel_that_dies_halfway_leaves_it_to_the_router(seed: int) -> None:
    story = Story(seed)
    story.until(story.sold, "the sentinel never sold")
    story.world.kill(SENTINEL, 40 * SECOND)
    story.seconds(40)
    told = story.checks.stage.files.progress
    assert isinstance(told, Progress)
    assert (told.by, told.stage) == (ROUTER, "FLAT")
    assert story.fills(Purpose.HUMAN) == []
    story.judge()


def test_a_router_that_is_not_told_takes_its_sale_for_a_hands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def silent(word: Any) -> Progress:
        return Progress(word.request_id, word.stage, SENTINEL, word.beat, word.detail)

    monkeypatch.setattr("services.stage_sentinel.progress_by", silent)
    story = Story(SEEDS[0])
    story.seconds(40)
    assert story.fills(Purpose.HUMAN)
