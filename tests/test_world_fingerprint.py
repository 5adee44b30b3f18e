"""What a World's fingerprint is, and that a World nobody wants one of is the same World."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from scripts import campaign
from services.stage_checks import Checks
from services.stage_play import play
from shared.events import Flatten, Scope
from shared.lab.accidents import Accidents
from shared.lab.digest import Digest

SEED = 5_110_003


def said(number: int) -> tuple[str, int, Flatten]:
    return "teller", number, Flatten(halt_no=number, scope=Scope.ACCOUNT, cause="toy")


def print_of(*numbers: int) -> str:
    digest = Digest()
    for number in numbers:
        digest.note(said(number))
    return digest.hexdigest()


def test_it_is_the_hash_of_all_that_was_said_in_its_order() -> None:
    whole = b"".join(msgspec.msgpack.encode(said(number)) for number in range(5))
    assert print_of(*range(5)) == hashlib.blake2s(whole).hexdigest()
    assert len({print_of(*numbers) for numbers in ((1, 2), (2, 1), (1, 3), (1,))}) == 4


def test_what_nobody_wanted_is_not_told() -> None:
    digest = Digest()
    digest.stop()
    digest.note(said(1))
    with pytest.raises(AssertionError, match="not wanted"):
        digest.hexdigest()


def test_a_campaign_plays_the_same_world_and_makes_no_fingerprint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Checks] = []

    def unprinted(seed: int, cast: str) -> tuple[None, Checks]:
        asked.append(Checks())
        return None, asked[-1]

    monkeypatch.setattr(campaign, "cast_of", unprinted)
    played = campaign.play_seed(SEED, 3)
    checks = play(SEED, Accidents.swarm(SEED), 3)
    world, other = checks.world, asked[0].world
    assert world is not None
    assert other is not None
    assert (played.failure, played.steps, played.events) == ("", world.steps, world.decisions)
    assert len(world.fingerprint()) == 64
    with pytest.raises(AssertionError, match="not wanted"):
        other.fingerprint()
