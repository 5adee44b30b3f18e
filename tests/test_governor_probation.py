"""A newcomer on probation: what sends it back, what forgives it, and what counts as no failure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from services.risk_governor.words import Verb
from shared.events import AuthorityGranted, PeerBack, PeerSilent, VetoRule
from shared.seats import SECOND
from tests.governor_seats import FIRST_ACTOR, NEW, OLD, SECOND_ACTOR, owner, stage, status, swapped
from tests.governor_stage import BUY, Stage, passed, refused


@pytest.mark.parametrize(
    ("fail", "cause"),
    [
        (lambda it: it.tell(PeerSilent(actor=SECOND_ACTOR)), "sleeve_trend.b is silent"),
        (lambda it: come_again(it, 4), "sleeve_trend.b ended"),
        (lambda it: it.tell(status(SECOND, NEW, "PAUSED", "on_bar raised")), "on_bar raised"),
        (
            lambda it: [it.ask("trend", BUY, size=500, incarnation=NEW) for _ in range(3)],
            "3 vetoes",
        ),
    ],
)
def test_a_newcomer_that_fails_is_sent_back(fail: Callable[[Stage], Any], cause: str) -> None:
    found = swapped(vetoes=3)
    fail(found)
    found.pulse()
    assert owner(found) == OLD
    granted = [word for word in found.heard if isinstance(word, AuthorityGranted)][-1]
    assert granted.cause.startswith("rolled back: ")
    assert cause in granted.cause
    passed(found.ask("trend", BUY))
    assert refused(found.ask("trend", BUY, incarnation=NEW)) is VetoRule.AUTHORITY


def come_again(found: Stage, pulses: int) -> None:
    for _ in range(pulses):
        found.pulse()
    found.tell(PeerBack(actor=SECOND_ACTOR, epoch=2))


def test_the_first_beat_of_the_life_that_took_over_is_no_death() -> None:
    found = swapped()
    come_again(found, 1)
    assert owner(found) == NEW


def test_an_approval_in_between_forgives_the_vetoes() -> None:
    found = swapped(vetoes=3)
    for size in (500, 500, 1, 500, 500):
        found.ask("trend", BUY, size=size, incarnation=NEW)
    found.pulse()
    assert owner(found) == NEW


def test_after_the_probation_an_owner_may_die_and_comes_back_as_one() -> None:
    found = swapped(probation_real_s=1)
    for _ in range(5):
        found.pulse()
    found.tell(PeerSilent(actor=SECOND_ACTOR))
    found.tell(PeerBack(actor=SECOND_ACTOR, epoch=2))
    found.tell(status(SECOND, NEW + 1))
    assert owner(found) == NEW + 1


def test_nobody_is_sent_back_to_who_is_silent() -> None:
    found = swapped()
    found.tell(PeerSilent(actor=FIRST_ACTOR))
    found.tell(PeerSilent(actor=SECOND_ACTOR))
    assert owner(found) == NEW


def test_a_swap_is_no_birth() -> None:
    found = stage(vetoes=100)
    for number in range(8):
        found.operator(Verb.SWAP, sleeve="trend", seat=("", SECOND)[1 - number % 2])
        found.tell(status("", OLD))
        found.tell(status(SECOND, NEW))
    assert "sleeve:trend" not in found.governor.mind.state.latches
