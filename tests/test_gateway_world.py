"""The gateway before the real simulator in a World that kills both: every bar ends up true.

The simulator's own bars are the truth. Whatever died in between, the last word the gateway said on
a bar must equal it, no bar may be said LIVE twice, and no minute may be missing.
"""

from __future__ import annotations

import pytest

from services.market_data_gateway.rows import UNITS, bars_of
from services.stage import VenueStage, cast_world
from shared.domain.bars import SPANS_S
from shared.events import Bar, BarOrigin, Event, FeedState, FeedStatus, Gap
from shared.lab.accidents import Accidents
from shared.lab.world import World
from shared.settings import load
from shared.units import MILLISECOND, SECOND
from shared.venue import translate
from shared.venue.answers import BarsResponse
from shared.venue.times import time_ns
from shared.venue.words import RetrieveBars

ROOTS = ("MES", "MNQ")
ROUGH_S, CALM_S = 150, 330


class Listener:
    def __init__(self) -> None:
        self.last: dict[tuple[str, int, int], Bar] = {}
        self.live: set[tuple[str, int, int]] = set()
        self.feed = FeedState.DOWN
        self.gaps: list[Gap] = []

    def said(self, lane: str, seq: int, now_ns: int, event: Event) -> None:
        match event:
            case Bar(contract=contract, span_s=span_s, open_ns=open_ns):
                key = contract, span_s, open_ns
                if event.origin is BarOrigin.LIVE:
                    assert key not in self.last, f"LIVE came second: {event}"
                    self.live.add(key)
                self.last[key] = event
            case FeedStatus(state=state):
                self.feed = state
            case Gap():
                self.gaps.append(event)


def venue_bars(
    world: World, contract: str, span_s: int, window: tuple[int, int]
) -> dict[int, tuple[int, ...]]:
    """The simulator's own bars that open in the window."""
    stage = world.stage
    assert isinstance(stage, VenueStage)
    unit, number = UNITS[span_s]
    start, end = translate.window(*window)
    request = RetrieveBars(
        contract_id=contract, start_time=start, end_time=end or "", unit=int(unit),
        unit_number=number, limit=5_000,
    )  # fmt: skip
    response = stage.look(request)
    assert isinstance(response, BarsResponse)
    rows, complaint = bars_of([row for row in response.bars or () if row], contract)
    assert not complaint
    return {
        row.open_ns: (row.open, row.high, row.low, row.close, row.volume)
        for row in rows
        if row.open_ns + span_s * SECOND <= window[1]
    }


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_whatever_dies_every_bar_ends_up_true(seed: int) -> None:
    settings = load(env={"TSQ__MARKET_DATA_GATEWAY__ROOTS": '["MES", "MNQ"]'})
    start_ns = time_ns(settings.simulator.start, "start")
    rough = Accidents(
        kill=0.002 if seed else 0.0,
        down_ns_max=3 * seed * SECOND + 1,
        answer_lost=0.1 if seed % 2 else 0.0,
        venue_delay_ns_max=(5, 50, 200)[seed % 3] * MILLISECOND,
    )
    listener = Listener()
    names = ("simulator", "market_data_gateway")
    world = cast_world(
        settings, start_ns, seed=seed, accidents=rough, said=listener.said, only=names
    )
    stage = world.stage
    assert isinstance(stage, VenueStage)
    world.run(start_ns + ROUGH_S * SECOND)
    world.accidents = stage.accidents = Accidents()
    world.run(start_ns + (ROUGH_S + CALM_S) * SECOND)
    assert listener.feed is FeedState.UP
    assert bool(world.kills) == bool(seed)
    assert bool(listener.gaps) == bool(seed)
    window = (start_ns, world.now_ns - 10 * SECOND)
    for contract in ("CON.F.US.MES.Z26", "CON.F.US.MNQ.Z26"):
        for span_s in SPANS_S:
            truth = venue_bars(world, contract, span_s, window)
            mine = {
                open_ns: (bar.open, bar.high, bar.low, bar.close, bar.volume)
                for (name, span, open_ns), bar in listener.last.items()
                if (name, span) == (contract, span_s) and open_ns in truth
            }
            wrong = {
                at_ns: (mine[at_ns], truth[at_ns]) for at_ns in mine if mine[at_ns] != truth[at_ns]
            }
            assert not wrong
            missing = set(truth) - set(mine)
            assert not missing, (contract, span_s, sorted(missing)[:5])
    for player in world.players.values():
        player.recover()
