"""Swaps in the World: sessions with accidents, and a person who changes owners all the time."""

from __future__ import annotations

import os
from random import Random

import pytest

from services.risk_governor.words import OperatorCommand, Verb
from services.sleeves.contract import every_sleeve
from services.stage_busy import BUSY
from services.stage_checks import settings_of
from services.stage_play import Person, play
from services.stage_swap import Owners
from shared.events import (
    Event,
    Fill,
    OrderApproved,
    OrderIntent,
    OrderUpdate,
    SleeveBook,
)
from shared.lab.accidents import Accidents
from shared.seats import FIRST, SECOND, second
from shared.units import MILLISECOND
from shared.units import SECOND as SECOND_NS

USUAL = (1, 2, 3)
SWAPPED = ("trend", "market_maker", "mean_reversion")
TWO = ("trend", "market_maker")
LIBRARY = tuple(
    f"{kind.__module__}:{kind.__name__}"
    for kind in every_sleeve()
    if ".library." in kind.__module__
)


def seeds() -> tuple[int, ...]:
    return (int(os.environ["SEED"]),) if "SEED" in os.environ else USUAL


def restless(seed: int, rate: float, sleeves: tuple[str, ...] = SWAPPED):
    """A person who asks for a change of owner every now and then, of either seat."""
    dice = Random(seed ^ 0x5AFE)

    def second_passed(person: Person) -> None:
        for sleeve in sleeves:
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


@pytest.mark.parametrize("name", LIBRARY)
def test_every_sleeve_of_the_library_changes_owners_under_any_name(name: str) -> None:
    """Under `trend` and `market_maker`, with accidents, owners changed all the time."""
    seed = 5 + LIBRARY.index(name)
    own = {f"TSQ__SLEEVES__{it.upper()}__IMPLEMENTATION": name for it in TWO}
    own["TSQ__SLEEVES__TAIL_HEDGE__ENABLED"] = "false"
    if name.endswith((":Pairs", ":StatArb")):
        own["TSQ__SLEEVES__MARKET_MAKER__ENABLED"] = "false"  # they listen to its product
    checks = Owners()
    play(
        seed,
        Accidents.swarm(seed),
        25,
        settings=settings_of(**own, TSQ__SIMULATOR__SEED=str(seed)),
        checks=checks,
        also=[second("trend")],
        each_second=restless(seed, 0.2, ("trend",)),
    )
    assert "trend" in checks.owners


class AfterEach(Owners):
    """A person who asks for the other owner right after every event of a kind."""

    def __init__(self, kind: type[Event]) -> None:
        super().__init__()
        self.kind, self.asked_ns = kind, 0

    def said(self, lane: str, seq: int, now_ns: int, event: Event) -> None:
        super().said(lane, seq, now_ns, event)
        if isinstance(event, self.kind) and self.world is not None and now_ns > self.asked_ns:
            self.asked_ns = now_ns + 200 * MILLISECOND  # not after its own echo
            self.world.after(0, self.ask)

    def ask(self) -> None:
        assert self.world is not None
        seat = FIRST if self.seats.get("trend") == SECOND else SECOND
        wish = OperatorCommand(
            command_id=1, verb=Verb.SWAP, who="test", cause="now", sleeve="trend", seat=seat
        )
        self.world.inject("risk_governor", wish)


@pytest.mark.parametrize("kind", [OrderIntent, OrderApproved, OrderUpdate, Fill, SleeveBook])
def test_a_swap_right_after_it_makes_no_order_twice_and_loses_none(kind: type[Event]) -> None:
    checks = AfterEach(kind)
    play(1, Accidents(), 15, checks=checks, also=[second("trend")])
    assert checks.grants["swap by test"] > 10


# -- rolled back -----------------------------------------------------------------------------------

TOYS = "tests.sleeves_toys"
SILENT_NS = 30 * SECOND_NS


def dies(person: Person) -> None:
    person.world.kill(second("trend"), 8 * SECOND_NS)


def freezes(person: Person) -> None:
    player = person.world.players[second("trend")]
    player.thaw_ns = player.back_ns = person.world.now_ns + SILENT_NS


def nothing(person: Person) -> None:
    """The newcomer does it by itself."""


@pytest.mark.parametrize(
    ("kind", "fate", "why"),
    [
        ("services.stage_busy:Busy", dies, "sleeve_trend.b is silent"),
        ("services.stage_busy:Busy", freezes, "sleeve_trend.b is silent"),
        (f"{TOYS}:FalseFriend", nothing, "the newcomer is paused: on_quote raised"),
        (f"{TOYS}:Greedy", nothing, "vetoes in a row"),
    ],
)
def test_a_newcomer_that_fails_as_an_owner_is_sent_back(kind: str, fate, why: str) -> None:
    most = "3" if kind.endswith("Greedy") else "999"
    settings = settings_of(
        **{**BUSY, "TSQ__SLEEVES__TREND__IMPLEMENTATION": kind, "TSQ__SWAP__VETOES": most}
    )
    checks, story = Owners(), []

    def second_passed(person: Person) -> None:
        story.append(checks.seats.get("trend"))
        if len(story) == 8:
            person.ask(Verb.SWAP, sleeve="trend", seat=SECOND)
        elif len(story) == 11:
            assert kind.endswith(("FalseFriend", "Greedy")) or story[-1] == SECOND, "it owns"
            fate(person)

    play(
        1, Accidents(), 40, settings=settings, checks=checks, also=[second("trend")],
        each_second=second_passed,
    )  # fmt: skip
    assert checks.grants["swap by test"] == 1
    assert checks.causes["trend"].startswith("rolled back: ")
    assert why in checks.causes["trend"]
    assert checks.seats["trend"] == FIRST
    assert checks.approvals["trend", checks.owners["trend"]], "who was there before trades on"
