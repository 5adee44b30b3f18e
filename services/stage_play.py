"""One World from its seed to its judgement: a rough time, a calm, a flatten, and the verdict.

The end does not wait longer than it must: after the flatten the books are looked at every second,
and what has not come right after `END_S` never will.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from services.cast import deciders
from services.risk_governor.words import OperatorCommand, Verb
from services.simulator.words import TruthReport
from services.stage import VenueStage, cast_world
from services.stage_busy import rough_s_for, settings_for
from services.stage_checks import Checks
from shared.events import Flatten
from shared.lab.accidents import Accidents
from shared.lab.world import World
from shared.runtime.flatten_files import Request
from shared.settings import Settings
from shared.units import SECOND
from shared.venue.times import time_ns

CALMS_S = (2, 6, 20)  # between the last accident and the flatten
SETTLED_S = 12  # what was given up may be carried out until then
END_S = 150  # and what has not ended so long after the last accident never will
FLATTENS = ("risk_governor", Flatten)


def play(
    seed: int,
    accidents: Accidents,
    seconds: int = 0,
    *,
    settings: Settings | None = None,
    checks: Checks | None = None,
    also: Sequence[str] = (),
    each_second: Callable[[Person], None] | None = None,
) -> Checks:
    """Play a World with so many rough seconds (0: as many as the seed has), and with the seed's own
    cast unless `settings` are given; `also` these actors. Raises AssertionError where a promise
    broke.
    """
    settings, checks = settings or settings_for(seed), checks or Checks()
    start_ns = time_ns(settings.simulator.start, "start")
    only = (*deciders(settings), *also)
    world = cast_world(
        settings, start_ns, seed=seed, accidents=accidents, said=checks.said, only=only
    )
    checks.attend(world)
    stage = world.stage
    assert isinstance(stage, VenueStage)
    person = Person(world, seed, accidents.operator)
    for _ in range(seconds or rough_s_for(seed)):
        _second(world, checks)
        person.second()
        if each_second is not None:
            each_second(person)
    world.accidents = stage.accidents = Accidents(bus_hop_ns=accidents.bus_hop_ns)
    _end(world, checks, person, CALMS_S[seed % len(CALMS_S)])
    return checks


def _second(world: World, checks: Checks) -> None:
    world.run(world.now_ns + SECOND)
    checks.second(world.now_ns)


def _end(world: World, checks: Checks, person: Person, calm_s: int) -> None:
    """Let it end, and judge it as soon as it looks ended, for good if need be."""
    before = 0
    for passed_s in range(END_S):
        if passed_s == calm_s:
            before = checks.kinds[FLATTENS]
        heard = passed_s >= calm_s and checks.kinds[FLATTENS] > before
        if passed_s >= calm_s and not heard:
            person.ask(Verb.FLATTEN)  # and again: a governor that was dead did not hear
        _second(world, checks)
        if heard and passed_s >= SETTLED_S and _everybody_lives(world) and checks.settled():
            break
    checks.judge()
    checks.replay()


def _everybody_lives(world: World) -> bool:
    return all(
        player.up and not player.spoiled and player.thaw_ns <= world.now_ns
        for player in world.players.values()
    )


def truth_of(world: World) -> TruthReport:
    """The simulator's own books."""
    assert isinstance(world.stage, VenueStage)
    return world.stage.truth()


class Person:
    """Somebody who flattens, halts and resumes, at the governor or by the request file."""

    def __init__(self, world: World, seed: int, rate: float) -> None:
        self.world, self.dice, self.rate = world, Random(seed ^ 0xB055), rate
        self.count = 0

    def second(self) -> None:
        if not self.rate or self.dice.random() >= self.rate:
            return
        verb = self.dice.choice((Verb.FLATTEN, Verb.HALT, None, *[Verb.RESUME] * 5))
        if verb is None:
            self.leave_request()
        else:
            self.ask(verb)

    def ask(self, verb: Verb, **more: Any) -> None:
        self.count += 1
        command = OperatorCommand(
            command_id=self.count, verb=verb, who="test", cause="a person", **more
        )
        self.world.inject("risk_governor", command)

    def leave_request(self) -> None:
        """A `flatten.request`: router, governor and sentinel see it each for itself."""
        self.count += 1
        assert isinstance(self.world.stage, VenueStage)
        self.world.stage.files.leave(Request(f"file-{self.count}", "by file", "test"))
