"""The whole cast in fair weather, and the judge who compares everybody's books at the end."""

from __future__ import annotations

from services.risk_governor.words import Verb
from services.stage import cast_world
from services.stage_checks import Checks, settings_of
from services.stage_play import Person
from shared.lab.world import World
from shared.settings import Settings
from shared.units import MINUTE, SECOND
from shared.venue.times import time_ns


def fair(settings: Settings | None = None, seed: int = 3) -> tuple[World, Checks]:
    """The whole cast in fair weather, trading for half a minute."""
    settings, checks = settings or settings_of(), Checks()
    start_ns = time_ns(settings.simulator.start, "start")
    world = cast_world(settings, start_ns, seed=seed, said=checks.said)
    checks.attend(world)
    world.run(start_ns + 30 * SECOND)
    return world, checks


def judge(world: World, checks: Checks) -> None:
    """A calm, a flatten, and everybody's books against the venue's; then every journal again."""
    world.run(world.now_ns + 40 * SECOND)
    Person(world, 1, 0.0).ask(Verb.FLATTEN)
    world.run(world.now_ns + MINUTE)
    checks.judge()
    checks.replay()
