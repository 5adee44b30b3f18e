"""The whole cast in one thread: real cores, the simulator's core, seeded accidents.

`python -m scripts.campaign --seeds 1000` runs more of them, `SEED=123` here only that one.
"""

from __future__ import annotations

import os

import pytest

from services.stage_play import play
from shared.lab.accidents import Accidents


def seeds(usual: int) -> list[int]:
    if "SEED" in os.environ:
        return [int(os.environ["SEED"])]
    return list(range(1, 1 + usual))


def test_in_fair_weather_every_sleeve_trades_and_every_book_agrees() -> None:
    checks = play(0, Accidents(), 120)
    traded = {fill.sleeve for fill in checks.fills.values()}
    assert traded >= {"market_maker", "mean_reversion", "trend", "tail_hedge"}


@pytest.mark.parametrize("seed", seeds(12))
def test_no_accident_breaks_the_books(seed: int) -> None:
    accidents = Accidents.swarm(seed)
    print(f"seed {seed}: {accidents}")  # noqa: T201  a failing run must say what it was
    play(seed, accidents, 60)
