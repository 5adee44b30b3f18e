"""Swaps in the World: sessions with accidents, and a person who changes owners all the time."""

from __future__ import annotations

import os
from collections import Counter
from random import Random

import pytest

from services.risk_governor.words import Verb
from services.stage_checks import Checks
from services.stage_play import Person, play
from shared.events import AuthorityGranted, Event, OrderApproved, OrderVetoed, VetoRule
from shared.lab.accidents import Accidents
from shared.seats import FIRST, SECOND, second

USUAL = (1, 2, 3)
SWAPPED = ("trend", "market_maker", "mean_reversion")


def seeds() -> tuple[int, ...]:
    return (int(os.environ["SEED"]),) if "SEED" in os.environ else USUAL


class Owners(Checks):
    """The checks of every World, and: what is approved is asked for by who owns the sleeve."""

    def __init__(self) -> None:
        super().__init__()
        self.owners: dict[str, int] = {}
        self.grants: Counter[str] = Counter()
        self.approvals: Counter[tuple[str, int]] = Counter()
        self.shadowed = 0

    def said(self, lane: str, seq: int, now_ns: int, event: Event) -> None:
        super().said(lane, seq, now_ns, event)
        if isinstance(event, AuthorityGranted):
            self.owners[event.sleeve] = event.incarnation
            self.grants[event.cause.partition(":")[0]] += 1
        elif isinstance(event, OrderApproved):
            assert self.owners[event.sleeve] == event.incarnation, f"not the owner's: {event}"
            self.approvals[event.sleeve, event.incarnation] += 1
        elif isinstance(event, OrderVetoed) and event.rule is VetoRule.SHADOW:
            self.shadowed += 1


def restless(seed: int, rate: float):
    """A person who asks for a change of owner every now and then, of either seat."""
    dice = Random(seed ^ 0x5AFE)

    def second_passed(person: Person) -> None:
        for sleeve in SWAPPED:
            if dice.random() < rate:
                person.ask(Verb.SWAP, sleeve=sleeve, seat=dice.choice((FIRST, SECOND)))

    return second_passed


def test_in_fair_weather_both_seats_trade_and_every_book_agrees() -> None:
    checks = Owners()
    newcomers = [second(name) for name in SWAPPED]
    play(0, Accidents(), 120, checks=checks, also=newcomers, each_second=restless(0, 0.1))
    assert checks.grants["swap by test"] > 10
    assert checks.shadowed > 10
    assert len(checks.approvals) > len(checks.owners), "newcomers were obeyed too"
    assert checks.fills


@pytest.mark.parametrize("seed", seeds())
def test_no_accident_makes_two_owners_or_none(seed: int) -> None:
    accidents = Accidents.swarm(seed)
    print(f"seed {seed}: {accidents}")  # noqa: T201  a failing run must say what it was
    newcomers = [second(name) for name in SWAPPED]
    checks = Owners()
    play(seed, accidents, 60, checks=checks, also=newcomers, each_second=restless(seed, 0.2))
    assert checks.owners.keys() >= set(SWAPPED)
