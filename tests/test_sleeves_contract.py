"""The contract of a sleeve, checked for every class in the room of sleeves: today's and tomorrow's.

A new file there is found by itself. The checks are `services/sleeves/contract.py`; that each of
them can fail is shown below with sleeves that break it.
"""

from __future__ import annotations

import pytest

from services.sleeves import contract
from services.sleeves.contract import CHECKS, every_sleeve
from services.sleeves.rehearsal_day import day
from shared.events import OrderIntent, Purpose
from tests import sleeves_bad as bad

SEEDS = (1, 2, 3)


ALL = every_sleeve()


def test_the_four_are_found() -> None:
    assert {"MarketMaker", "MeanReversion", "Trend", "TailHedge"} <= {s.__name__ for s in ALL}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_sleeve_keeps_the_contract(kind, check) -> None:
    check(kind)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_sleeve_acts_in_the_made_up_market_so_that_the_checks_mean_something(kind) -> None:
    opened = {
        word.side
        for seed in SEEDS
        for word in day(kind, seed=seed).said
        if isinstance(word, OrderIntent) and word.purpose is not Purpose.EXIT
    }
    assert opened, f"{kind.__name__} asked for nothing in {len(SEEDS)} stories"


@pytest.mark.parametrize(
    ("kind", "check", "why"),
    [
        (bad.Clocked, contract.is_pure, "time is banned in a core"),
        (bad.Quiet, contract.has_a_card, "no paragraph 'Regime.'"),
        (bad.Unbounded, contract.parameters_are_bounded, "stop_ticks: no range"),
        (bad.FalselyTunable, contract.parameters_are_bounded, "bars is marked tunable"),
        (bad.Contradictory, contract.parameters_are_bounded, "defaults contradict"),
        (bad.LearnsIntoState, contract.warms_up, "learn touched the state"),
        (bad.LearnsByOrigin, contract.warms_up, "history and live bars differ"),
        (bad.SharedMemory, contract.same_story_same_words, "the same story got other words"),
        (bad.SharedMemory, contract.does_not_look_ahead, "the future after event"),
        (bad.OwnMemory, contract.restarts_without_trace, "after restarts it says"),
        (bad.KeepsBlindOrders, contract.handles_gaps, "rest across a gap"),
        (bad.Late, contract.ends_the_session_flat, "asked after the last entry"),
        (bad.Hides, contract.is_contained, "it was nothing"),
        (bad.Forgetful, contract.changes_hands_without_trace, "swapped after event"),
        (bad.Stopless, contract.keeps_to_its_size, "an entry without a stop"),
        (bad.Chatty, contract.keeps_to_its_size, "asked more than a sleeve may"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_sleeve_that_breaks_it_is_found(kind, check, why) -> None:
    with pytest.raises(AssertionError, match=why):
        check(kind)
