"""In a World somebody sets the computer's clock: everybody on it notices, and for nobody it goes
back, as `WallClock` promises.
"""

from __future__ import annotations

import pytest

from shared.events import ClockJump, Event
from shared.lab.accidents import Accidents
from shared.lab.player import Player
from shared.units import SECOND
from tests.test_world import world


def test_a_clock_that_is_set_is_noticed_and_never_goes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[tuple[int, int]] = []
    tell = Player.tell

    def watched(player: Player, now_ns: int, event: Event) -> tuple[Event, ...]:
        if player.name == "keeper":
            told.append((now_ns, event.slept_ns if isinstance(event, ClockJump) else 0))
        return tell(player, now_ns, event)

    monkeypatch.setattr(Player, "tell", watched)
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
