"""A disk without a byte for anybody: who cannot record any more has the sentinel behind him, which
needs no record. The account is flat long before there is room again, by one pair of hands.
"""

from __future__ import annotations

import pytest

from services.sentinel.core import Sentinel
from services.stage import cast_world
from services.stage_busy import settings_for
from services.stage_checks import Checks
from services.stage_play import play
from shared.lab.accidents import Accidents
from shared.lab.world import World
from shared.runtime.flatten_files import Progress
from shared.units import SECOND
from shared.venue.times import time_ns

FULL_S = 60
LATER_S = 40
DEATHS = Accidents(filled=0.2, kill=0.002, kill_acting=0.02, unsaid=0.5, torn=0.5, changed=0.5)
LOSSES = Accidents(filled=0.2, answer_lost=0.05, request_lost=0.05, request_late=0.03, hub_lost=0.1)


def filled(seed: int, killed: str = "") -> tuple[World, Checks]:
    """A World whose disk is full from the moment something is held; `killed` dies half a second
    later. Returns it just before there is room again.
    """
    settings, checks = settings_for(seed), Checks()
    start_ns = time_ns(settings.simulator.start, "start")
    world = cast_world(settings, start_ns, seed=seed, said=checks.said)
    checks.attend(world)
    while not any(checks.watch.lots.values()):
        world.run(world.now_ns + SECOND // 10)
    world.computer.fill(FULL_S * SECOND)
    world.run(world.now_ns + SECOND // 2)
    if killed:
        world.kill(killed, SECOND)
    while world.now_ns < world.computer.filled_ns - SECOND:
        world.run(world.now_ns + SECOND)
        checks.second(world.now_ns)
    return world, checks


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_without_a_byte_the_sentinel_closes_everything_and_all_come_back(seed: int) -> None:
    world, checks = filled(seed)
    assert not any(checks.watch.lots.values())
    assert not checks.watch.live
    told = checks.stage.files.progress
    assert isinstance(told, Progress)
    assert (told.by, told.stage) == ("sentinel", "FLAT")
    assert world.players["sentinel"].spoiled, "it lived on without a record"
    assert not world.players["risk_governor"].up
    fills = len(checks.fills)
    world.run(world.now_ns + LATER_S * SECOND)
    checks.second(world.now_ns)
    assert all(player.up and not player.spoiled for player in world.players.values())
    assert len(checks.fills) > fills, "what was closed is booked"
    checks.judge()
    checks.replay()


def test_a_sentinel_that_begins_without_a_byte_closes_too() -> None:
    """It is patient after its birth, so this takes half a minute."""
    world, checks = filled(1, "sentinel")
    assert world.players["sentinel"].epoch == 2
    assert not any(checks.watch.lots.values())
    world.run(world.now_ns + LATER_S * SECOND)
    checks.judge()
    checks.replay()


def test_a_sentinel_that_needs_the_disk_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sentinel, "forgets", False)
    with pytest.raises(AssertionError, match="kept on a full disk"):
        filled(1)


@pytest.mark.parametrize("accidents", [DEATHS, LOSSES], ids=["deaths", "losses"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_holds_among_other_accidents(accidents: Accidents, seed: int) -> None:
    assert play(seed, accidents, 15).kinds
