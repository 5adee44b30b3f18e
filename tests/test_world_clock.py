"""In a World somebody sets the computer's clock: everybody on it notices, and for nobody it goes
back, as `WallClock` promises.
"""

from __future__ import annotations

import pytest

from services.stage_checks import Checks
from services.stage_play import play
from shared.events import ClockJump, Event
from shared.lab.accidents import Accidents
from shared.lab.player import Player
from shared.units import SECOND
from tests.test_world import world


def test_a_clock_that_is_set_is_noticed_and_never_goes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[tuple[int, int]] = []
    react = Player.react

    def watched(player: Player, now_ns: int, event: Event) -> tuple[Event, ...]:
        if player.name == "keeper":
            told.append((now_ns, event.slept_ns if isinstance(event, ClockJump) else 0))
        return react(player, now_ns, event)

    monkeypatch.setattr(Player, "react", watched)
    it = world(3, Accidents(clock_set=0.2))
    it.run(61 * SECOND)
    it.accidents = Accidents()
    it.run(800 * SECOND)
    times, jumps = [now for now, _ in told], [jump for _, jump in told if jump]
    assert times == sorted(times)
    assert len(jumps) > 2
    assert sum(jumps) == 0, "in the end it is right again"
    assert min(jumps) < 0 < max(jumps)
    assert times[-1] == it.now_ns


def test_ticks_come_at_the_time_the_clock_shows_as_everything_else() -> None:
    """They take a shorter way to a process that nothing happens to."""
    seed, calm = 5, Accidents(clock_set=0.3)
    checks = Checks()
    play(seed, calm, 20, checks=checks)
    assert checks.world is not None
    players = checks.world.players.values()
    assert any(player.clock_ns for player in players), "the clock was set"
    for player in players:
        times = [now_ns for now_ns, _, _ in player.tape]
        assert times == sorted(times), player.name
