"""The budgets of a day, and of a sleeve, count what works already and what was moved away."""

from __future__ import annotations

from shared.events import (
    ModifyApproved,
    OrderApproved,
    OrderState,
    OrderType,
    OrderVetoed,
    VetoRule,
)
from tests.governor_resting import held, loosened, rest
from tests.governor_stage import BUY, MES, SELL, Stage, dollars, passed, wide


def test_the_days_contracts_count_what_works_already() -> None:
    stage = Stage(wide(contracts_per_day=5)).opened()
    rest(stage, BUY, 23_990)
    entry = passed(
        stage.ask("trend", BUY, 2, type=OrderType.LIMIT, limit_price=83_990)
    )  # of another contract
    stage.update(entry, OrderState.WORKING)
    veto = stage.ask("mean_reversion", BUY, 3, contract=MES)
    assert isinstance(veto, OrderVetoed)
    assert (veto.rule, veto.limit, veto.actual) == (VetoRule.CONTRACTS_PER_DAY, 5, 6)
    assert veto.largest == 2
    stage.update(entry, OrderState.CANCELLED)
    passed(stage.ask("mean_reversion", BUY, 3, contract=MES))


def test_a_working_stop_is_no_contract_of_the_day() -> None:
    stage = Stage(wide(contracts_per_day=4)).opened()
    stage.bought("trend", 2)
    passed(stage.ask("mean_reversion", BUY, 2, contract=MES))


def test_a_makers_budget_counts_the_quotes_that_rest() -> None:
    stage = Stage(wide(quoted_per_day=3)).opened()
    entry = passed(stage.ask("trend", BUY, 5))  # no quote
    assert isinstance(entry, OrderApproved)
    rest(stage, BUY, 23_990)
    veto = stage.quote_order(SELL, 24_010, 3)
    assert isinstance(veto, OrderVetoed)
    assert (veto.rule, veto.limit, veto.actual) == (VetoRule.QUOTED_PER_DAY, 3, 4)
    passed(stage.quote_order(SELL, 24_010, 2))


def test_a_loosened_stop_uses_the_slice_of_its_sleeve_alone() -> None:
    """3 % of 2,000 to the floor are 60 dollars for each sleeve, less what it has lost today: a tick
    of spread and two fees of each contract, 3.44."""
    stage, leg = held(allocation_share_percent=3)
    veto = loosened(stage, leg)
    assert isinstance(veto, OrderVetoed)
    assert (veto.limit, veto.actual) == (dollars("56.56"), dollars("62.22"))
    assert isinstance(loosened(stage, leg, 41), ModifyApproved)
