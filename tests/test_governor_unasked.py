"""What the governor does unasked, at its edges: the instant, the owner, the proof that is enough.

Each of these tests catches a mutant of `python -m tests.mutate_rules "act "` that no other caught.
"""

from __future__ import annotations

import pytest

from services.risk_governor.core import Governor
from services.risk_governor.habits import worth_of
from services.risk_governor.latches import DIFFERENCE, NEWS, OPERATOR
from services.risk_governor.words import Verb
from shared.events import (
    Flatten,
    FlattenProgress,
    FlattenStage,
    Purpose,
    RiskLevel,
    RiskState,
    Scope,
    VenueState,
    VenueStatus,
    VetoRule,
)
from shared.sections import News
from shared.units import MILLISECOND, MINUTE, SECOND
from tests.governor_stage import BUY, M2K, MES, OPENING, SELL, Stage, passed, refused, wide


def test_a_proof_of_before_is_none_of_a_flatten_that_was_not_asked_for_yet() -> None:
    """Other code finds in its journal that a flatten was under way, and hears of an old proof
    before it has asked for its own."""
    stage = Stage(wide()).opened()
    stage.bought("trend")
    stage.operator(Verb.FLATTEN)
    said = [it for it in stage.heard if isinstance(it, RiskState)][-1]
    assert said.level is RiskLevel.FLATTENING
    fresh = Governor(stage.settings)
    fresh.recall(stage.now, said)
    list(
        fresh.on(
            stage.now,
            FlattenProgress(
                no=1, halt_no=said.halt_no, scope=Scope.ACCOUNT, stage=FlattenStage.FLAT, cause=""
            ),
        )
    )
    assert fresh.mind.state.latches[OPERATOR].flattening
    assert fresh.mind.state.level is RiskLevel.FLATTENING


@pytest.mark.parametrize(("early", "flattens"), [(1, False), (0, True)])
def test_waiting_for_a_person_ends_at_its_instant(early: int, flattens: bool) -> None:
    stage = Stage(wide(difference_grace_s=60.0)).opened()
    stage.no += 1
    stage.tell(VenueStatus(no=stage.no, state=VenueState.QUARANTINE, reason="one too many"))
    stage.reconcile(difference="one too many")
    stage.operator(Verb.WAIT)
    state = stage.governor.mind.state
    assert state.difference_until_ns - state.latches[DIFFERENCE].since_ns > 9 * MINUTE
    stage.now = state.difference_until_ns - MILLISECOND - early
    stage.pulse()
    assert bool(stage.flattens()) is flattens


@pytest.mark.parametrize(("after_ns", "limit_s"), [(0, 60), (1, 120)])
def test_a_release_is_ahead_until_its_instant_and_over_after_it(
    after_ns: int, limit_s: int
) -> None:
    at = "2026-11-18T10:00:00-06:00"
    event = OPENING + 25 * MINUTE
    stage = Stage(wide(news=(News(at=at, kind="FOMC"),), news_before_s=60, news_after_s=120))
    stage.opened()
    stage.now = event - MILLISECOND + after_ns
    stage.pulse()
    grounds = stage.governor.mind.state.latches[NEWS].grounds
    assert grounds is not None
    assert (grounds.limit, grounds.actual) == (limit_s * SECOND, after_ns)


def test_what_a_hand_trades_are_contracts_of_the_account_too() -> None:
    stage = Stage(wide(contracts_per_day=4)).opened()
    for side in (BUY, SELL):
        stage.trade_of(1, 24_000, contract=MES, side=side)
    veto = stage.ask("trend", BUY, 3)
    assert refused(veto) is VetoRule.CONTRACTS_PER_DAY
    assert (veto.limit, veto.actual, veto.largest) == (4, 5, 2)
    passed(stage.ask("trend", BUY, 2))


def test_a_hand_has_no_habits() -> None:
    """It is no sleeve: nothing is switched off, and it is nobody's evidence."""
    stage = Stage(wide(fills_per_window=1)).opened()
    for side in (BUY, SELL, BUY, SELL):
        stage.trade_of(1, 24_000, contract=MES, side=side, purpose=Purpose.ENTRY)
    conduct = stage.governor.mind.state.conduct["human"]
    assert (conduct.traded, conduct.trips, conduct.outcomes, conduct.fills_ns) == (4, 0, [], [])
    assert not stage.state().latches


def test_a_trade_taken_back_counts_for_nothing() -> None:
    stage = Stage(wide(contracts_per_day=10)).opened()
    entry = stage.bought("trend")
    before = stage.governor.mind.state.conduct["trend"].traded
    stage.fill(entry, 84_001, trade_id=stage.trade, voided=True)
    assert stage.held(entry.contract) == 0
    conduct = stage.governor.mind.state.conduct["trend"]
    assert (before, conduct.traded, conduct.trips) == (1, 1, 0)


def test_leaving_is_no_flood() -> None:
    """Only fills of what opens are counted: an exit in many parts is no loop."""
    stage = Stage(wide(fills_per_window=1)).opened()
    common = {"contract": M2K, "sleeve": "market_maker"}
    stage.trade_of(4, 24_000, purpose=Purpose.QUOTE, **common)
    for _ in range(4):
        stage.trade_of(1, 24_000, side=SELL, purpose=Purpose.EXIT, **common)
    assert not stage.flattens()
    passed(stage.quote_order(BUY, 24_000))


def test_a_fill_through_flat_pays_its_fee_once() -> None:
    """Long one, sold two, bought one: two trades, and together they are what the book made."""
    stage = Stage(wide()).opened()
    common = {"contract": M2K, "sleeve": "market_maker", "purpose": Purpose.QUOTE}
    stage.trade_of(1, 24_000, **common)
    stage.trade_of(2, 24_010, side=SELL, **common)
    stage.trade_of(1, 24_004, **common)
    mind = stage.governor.mind
    outcomes = mind.state.conduct["market_maker"].outcomes
    assert len(outcomes) == 2
    assert sum(outcomes) == worth_of(mind, "market_maker", M2K)


def test_what_a_hand_holds_near_the_price_limit_is_not_asked_for_again_and_again() -> None:
    """A flatten by contract would not touch it; beside it a sleeve's own part is closed."""
    stage = Stage(wide(limit_bp=700, limit_zone_bp=200)).opened()
    stage.pulse()
    stage.trade_of(1, 24_000, contract=MES)
    stage.quote(MES, 25_199)
    stage.wait(1)
    assert not [it for it in stage.heard if isinstance(it, Flatten)]
    stage.trade_of(1, 25_200, contract=MES, sleeve="mean_reversion", purpose=Purpose.ENTRY)
    stage.wait(1)
    asked = [it for it in stage.heard if isinstance(it, Flatten)]
    assert [(it.scope, it.contract) for it in asked] == [(Scope.CONTRACT, MES)]
