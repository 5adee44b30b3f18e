"""Margin against what the account has: reckoned, because the venue tells neither."""

from __future__ import annotations

from services.risk_governor.checks_funds import margin_is_there
from services.risk_governor.equity import Account
from services.risk_governor.state import FAR
from shared.contracts import product_of
from shared.events import VetoRule
from tests.governor_account import STANDARD
from tests.governor_stage import (
    BUY,
    MES,
    MNQ,
    SELL,
    Stage,
    dollars,
    passed,
    refused,
    settings,
    wide,
)
from tests.test_governor_edges import draft_of

INDEX = {"margin_bp": {"index": 1_000}}


def test_what_the_account_can_carry_passes_and_one_more_does_not() -> None:
    """50,000 carry eleven of 4,200.05 and no twelfth; no profit or loss yet."""
    stage = Stage(wide(**INDEX)).opened()
    veto = stage.ask("trend", BUY, 12, stop_loss_ticks=1)
    assert refused(veto) is VetoRule.MARGIN
    assert (veto.limit, veto.actual, veto.largest) == (
        dollars(50_000), 12 * dollars("4200.05"), 11,
    )  # fmt: skip
    passed(stage.ask("trend", BUY, 11, stop_loss_ticks=1))


def test_working_orders_and_other_contracts_tie_up_theirs() -> None:
    stage = Stage(wide(**INDEX)).opened()
    stage.bought("mean_reversion", 5, contract=MES)
    passed(stage.ask("trend", BUY, 4, stop_loss_ticks=1))
    veto = stage.ask("tail_hedge", SELL, 12, contract="CON.F.US.MYM.Z26", stop_loss_ticks=1)
    assert refused(veto) is VetoRule.MARGIN
    mes, mnq = 5 * dollars("3000.125"), 4 * dollars("4200.05")
    assert veto.actual == mes + mnq + 12 * dollars("2200.05")


def test_a_contract_added_to_is_counted_once_with_what_it_holds_already() -> None:
    stage = Stage(wide(**INDEX)).opened()
    passed(stage.ask("trend", BUY, 8, stop_loss_ticks=1))
    passed(stage.ask("trend", BUY, 3, stop_loss_ticks=1))  # eleven in all
    veto = stage.ask("trend", BUY, 1, stop_loss_ticks=1)
    assert refused(veto) is VetoRule.MARGIN
    assert veto.actual == 12 * dollars("4200.05")


def test_what_is_held_no_more_ties_up_nothing() -> None:
    stage = Stage(wide(margin_bp={"index": 1_000})).opened()
    stage.bought("mean_reversion", contract=MES)
    stage.close_all()
    draft = draft_of(stage)
    draft.account = Account(dollars(50_000), 0, 0)
    draft.found[MES].ask = 0
    assert margin_is_there(stage.governor.mind, draft) is None


def test_what_was_lost_carries_nothing_and_what_was_won_does() -> None:
    for balance, most in ((50_500, 12), (50_300, 11), (48_500, 11)):
        stage = Stage(wide(**INDEX, bank_target=False)).opened(balance)
        stage.ask("trend", BUY, 13, stop_loss_ticks=1, least=1)
        order = list(stage.governor.mind.state.orders.values())
        assert [one.size for one in order] == [most], balance


def test_an_express_account_has_its_size_although_its_balance_begins_at_0() -> None:
    stage = Stage(wide(**INDEX, rules=STANDARD, floor_at_least=-2_000)).opened(0)
    assert refused(stage.ask("trend", BUY, 12, stop_loss_ticks=1)) is VetoRule.MARGIN
    passed(stage.ask("trend", BUY, 11, stop_loss_ticks=1))


def test_of_exactly_the_funds_it_passes() -> None:
    stage = Stage(wide(**INDEX)).opened()
    for equity, passes in (("4200.05", True), ("4200.04", False)):
        draft = draft_of(stage)
        draft.account = Account(dollars(equity), 0, 0)
        assert (margin_is_there(stage.governor.mind, draft) is None) is passes


def test_a_group_without_a_margin_trades_nothing_nor_anything_beside_it() -> None:
    stage = Stage(wide(margin_bp={"energy": 2_500})).opened()
    veto = stage.ask("trend", BUY, stop_loss_ticks=1)
    assert (refused(veto), veto.actual, veto.largest) == (VetoRule.MARGIN, FAR, 0)
    assert veto.detail == f"no margin is set for {MNQ}"


def test_an_unpriced_contract_is_no_free_one() -> None:
    stage = Stage(wide(**INDEX)).opened()
    stage.bought("mean_reversion", contract=MES)
    draft = draft_of(stage)
    draft.account = Account(dollars(50_000), 0, 0)
    draft.found[MES].ask = 0
    asked = margin_is_there(stage.governor.mind, draft)
    assert asked is not None
    assert asked[3] == f"no price {MES}"


def test_the_defaults_carry_what_the_other_limits_allow_in_micros() -> None:
    """Three of each of the four micros: the largest the default settings let be held."""
    asked = settings().risk_governor.pretrade.margin_bp
    prices = {"MNQ": 84_000, "MES": 24_000, "M2K": 24_000, "MYM": 44_000}
    needed = 0
    for root, price in prices.items():
        tick = product_of(f"CON.F.US.{root}.Z26").tick_micros
        needed += 3 * price * tick * asked["index"] // 10_000
    assert needed < dollars(50_000)
