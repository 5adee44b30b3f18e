"""Positions made by hand beside the sleeves': seen, counted, flattened with the account, but not
asked of the router one contract at a time, because it has no order of ours to close them with.
"""

from __future__ import annotations

from shared.events import Event, Flatten, FlattenProgress, FlattenStage, RiskLevel, Scope
from tests.governor_stage import BUY, MES, MNQ, SELL, Stage, refused, wide


def flattens(said: list[Event]) -> list[Flatten]:
    return [event for event in said if isinstance(event, Flatten)]


def test_a_position_made_by_hand_is_its_makers_to_protect() -> None:
    stage = Stage(wide()).opened()
    stage.trade_of(2, 24_001, contract=MES)
    stage.covered(MES, protected=0)
    assert stage.held(MES) == 2
    assert not flattens(stage.wait(30))
    assert stage.level() is RiskLevel.ACTIVE


def test_beside_one_made_by_hand_a_sleeves_own_must_be_covered() -> None:
    stage = Stage(wide()).opened()
    stage.filled(stage.ask("mean_reversion", BUY, contract=MES), 24_001)
    stage.trade_of(2, 24_001, contract=MES)
    stage.covered(MES, protected=1)
    assert not flattens(stage.wait(10)), "the sleeve's one is covered"
    stage.covered(MES, protected=0)
    (flatten,) = flattens(stage.wait(4))
    assert (flatten.scope, flatten.contract) == (Scope.CONTRACT, MES)


def test_what_a_hand_has_netted_away_cannot_be_covered() -> None:
    stage = Stage(wide()).opened()
    stage.filled(stage.ask("mean_reversion", BUY, contract=MES), 24_001)
    stage.trade_of(3, 24_001, contract=MES, side=SELL)
    stage.covered(MES, protected=0)
    assert stage.held(MES) == -2
    assert not flattens(stage.wait(10))


def test_a_contract_proven_flat_and_still_bare_is_asked_again_with_patience() -> None:
    """The router and the governor disagree: whatever the reason, never four times a second."""
    stage = Stage(wide()).opened()
    stage.filled(stage.ask("trend", BUY), 84_001)
    stage.covered(MNQ, protected=0)
    asked = 0
    for _ in range(80):
        for flatten in flattens(stage.wait(0.25)):
            asked += 1
            stage.no += 1
            stage.tell(
                FlattenProgress(
                    no=stage.no, halt_no=flatten.halt_no, scope=Scope.CONTRACT, contract=MNQ,
                    stage=FlattenStage.FLAT, cause=flatten.cause,
                )
            )  # fmt: skip
    assert 3 <= asked <= 7, "every three seconds or so"


def test_a_flatten_of_the_account_takes_what_was_made_by_hand_along() -> None:
    stage = Stage(wide(daily_loss=100)).opened()
    stage.trade_of(5, 24_001, contract=MES)
    (flatten,) = flattens(stage.quote(MES, 23_900))
    assert flatten.scope is Scope.ACCOUNT
    assert refused(stage.ask("trend", BUY))
