"""The whole cast in one thread: real cores, the simulator's core, seeded accidents.

Two hundred fresh seeds, other ones for every commit, so that the suite goes on searching; those
that once broke a promise are kept in `world_seeds.toml`. A failure says with which accidents and
by which command it is played again. `WORLD_BASE=123` chooses the first seed, `SEED=123` plays only
that one, `python -m scripts.campaign --seeds 10000` plays more of them.
"""

from __future__ import annotations

import os
import subprocess
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from services.stage_busy import settings_for
from services.stage_play import play
from shared.core import Core
from shared.events import Event
from shared.lab.accidents import Accidents
from shared.lab.player import Player

HERE = Path(__file__).parent
FRESH = 200
CORPUS = tomllib.loads((HERE / "world_seeds.toml").read_text())["world"]


def base() -> int:
    """The first fresh seed: from the environment, else from the commit, else one."""
    if "WORLD_BASE" in os.environ:
        return int(os.environ["WORLD_BASE"])
    asked = subprocess.run(
        ["git", "rev-parse", "--short=7", "HEAD"],
        cwd=HERE, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return int(asked.stdout, 16) if asked.returncode == 0 else 1


def seeds() -> list[int]:
    if "SEED" in os.environ:
        return [int(os.environ["SEED"])]
    first = base()
    return list(range(first, first + FRESH))


def announce(seed: int, accidents: Accidents) -> None:
    again = f"python -m scripts.campaign --seeds 1 --from {seed}"
    print(f"seed={seed}, {accidents}\nagain: {again}")  # noqa: T201  a failing run says what it was


def test_in_fair_weather_every_sleeve_trades_and_every_book_agrees() -> None:
    checks = play(0, Accidents(), 120)
    traded = {fill.sleeve for fill in checks.fills.values()}
    assert traded >= {"market_maker", "mean_reversion", "trend", "tail_hedge"}
    assert checks.bare.ns_max < 500_000_000, "no position stood without its stop"


@pytest.mark.parametrize("seed", seeds())
def test_no_accident_breaks_a_promise(seed: int) -> None:
    accidents = Accidents.swarm(seed)
    announce(seed, accidents)
    play(seed, accidents)


@pytest.mark.parametrize("world", CORPUS, ids=lambda world: f"{world['seed']}-{world['seconds']}")
def test_what_was_once_broken_stays_mended(world: dict[str, object]) -> None:
    accidents = Accidents(**world["accidents"])  # type: ignore[arg-type]
    print(f"{world['found']}\n{accidents}")  # noqa: T201
    seed, seconds = int(str(world["seed"])), int(str(world["seconds"]))
    play(seed, accidents, seconds, settings=settings_for(seed, int(str(world["market"]))))


def test_ticks_that_nobody_minds_may_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    prints, told, react, host = [], Counter[str](), Player.react, Player._host

    def counted(player: Player, now_ns: int, event: Event) -> tuple[Event, ...]:
        told[player.name] += 1
        return react(player, now_ns, event)

    def minding_all(player: Player, core: Core) -> None:
        host(player, core)
        player.minding = player.heeding = None

    monkeypatch.setattr(Player, "react", counted)
    for hosted in (host, minding_all):
        monkeypatch.setattr(Player, "_host", hosted)
        for seed in (300_002, 300_011, 300_004):  # lossy, late, deadly; deadly; the house's sleeves
            told.clear()
            world = play(seed, Accidents.swarm(seed), 8).world
            assert world is not None
            prints.append((world.fingerprint(), world.steps, world.steps - told.total()))
    assert [known[:2] for known in prints[:3]] == [known[:2] for known in prints[3:]]
    assert sum(left_out for *_, left_out in prints[:3]) > 5_000, "few were left out"
    assert [left_out for *_, left_out in prints[3:]] == [0, 0, 0], "none was"


def test_equal_seeds_make_equal_worlds() -> None:
    prints = []
    for seed in (5, 5, 9):
        checks = play(seed, Accidents.swarm(seed))
        assert checks.world is not None
        prints.append((checks.world.fingerprint(), checks.world.steps))
    assert prints[0] == prints[1]
    assert prints[0] != prints[2]
