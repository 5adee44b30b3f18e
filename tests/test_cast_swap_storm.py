"""Whole Worlds with accidents in which sleeves change owners right after any event.

`python -m scripts.campaign --swap-storm --seeds 1000` plays more; `SEED=7` plays that one here.
Every commit plays three that no commit before has played.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from scripts import campaign
from services.stage_play import play
from services.stage_storm import SwapStorm
from shared.lab.accidents import Accidents
from tests.test_cast_swap_everywhere import obey_both, obey_the_old_one_once_more, only_say_so
from tests.test_cast_world import base

Patch = pytest.MonkeyPatch
FRESH = 3
KNOWN = range(9_000, 9_004)


def seeds() -> list[int]:
    first = base()
    return [int(os.environ["SEED"])] if "SEED" in os.environ else [*range(first, first + FRESH)]


def storm(seed: int) -> SwapStorm:
    checks, accidents = SwapStorm(seed), Accidents.swarm(seed)
    print(f"seed {seed}: {accidents}")  # noqa: T201  a failing run must say what it was
    play(seed, accidents, settings=checks.settings, checks=checks, also=checks.also)
    return checks


def several() -> list[SwapStorm]:
    return [storm(seed) for seed in KNOWN]


@pytest.mark.parametrize("seed", seeds())
def test_whoever_owns_a_sleeve_when_it_storms_every_promise_holds(seed: int) -> None:
    storm(seed)


def test_in_a_storm_owners_change_and_trade() -> None:
    found = several()
    assert sum(one.swaps for one in found) > 20
    assert sum(one.grants["removed by test"] for one in found)
    assert sum(one.tunes for one in found)
    assert sum(one.shadowed for one in found), "both seats wished"
    assert sum(len(one.fills) for one in found)


@pytest.mark.parametrize("broken", [obey_the_old_one_once_more, obey_both, only_say_so])
def test_a_broken_promise_is_caught_in_a_storm(
    monkeypatch: Patch, broken: Callable[[Patch], None]
) -> None:
    broken(monkeypatch)
    with pytest.raises(AssertionError):
        several()


def test_the_campaign_counts_the_swaps_of_its_storms() -> None:
    played = campaign.play_seed(KNOWN[0], 0, "swap-storm")
    assert played.changes > 0
    assert not played.failure
    assert f"{played.changes} swaps were done" in campaign.summary([played], 1.0)
