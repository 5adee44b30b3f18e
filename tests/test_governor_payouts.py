"""Payouts and targets as the firm counts them; each table is a vector of its rules."""

from __future__ import annotations

import pytest

from shared.events import RiskLevel, VetoRule
from tests.governor_account import CONSISTENCY, STANDARD, Account, closed
from tests.governor_stage import BUY, MNQ, SELL, Stage, dollars, passed, refused

# -- payouts ---------------------------------------------------------------------------------------


def test_v38_winning_days_are_counted_and_the_payout_is_guided() -> None:
    stage = Account(STANDARD).opened(0)
    stage.days("150", "149.99", "400", "-300", "151", "150", "90")
    assert (stage.state().winning_days, stage.state().payable) == (4, 0)
    assert "payout" not in stage.names()
    stage.days("200")
    assert (stage.state().winning_days, stage.state().payable) == (5, dollars("495.49"))
    assert "up to 495.49" in stage.cause("payout")
    assert "the floor goes from -1,009.01 to 0.00, and 495.50 stay above" in stage.cause("payout")
    assert stage.level() is RiskLevel.ACTIVE


def test_v39_half_of_a_small_balance_is_too_little() -> None:
    stage = Account(STANDARD).opened(0).days("150", "150", "150", "150", "150", "-520")
    assert stage.governor.mind.state.base == dollars(230)
    assert stage.state().payable == 0


@pytest.mark.parametrize(
    ("rules", "limit", "most"),
    [(STANDARD, False, 2_000), (CONSISTENCY, False, 3_000), (STANDARD, True, 4_000)],
)
def test_v40_the_cap_of_one_payout(rules: str, limit: bool, most: int) -> None:
    stage = Account(rules, daily_loss_limit=limit).opened(0)
    stage.days("1800", "1800", "1800", "1800", "1800")
    assert stage.state().payable == dollars(most)


def test_nothing_may_be_asked_for_while_the_firm_has_locked_the_day() -> None:
    stage = Account(STANDARD, daily_loss_limit=True).opened(0)
    stage.days("1800", "1800", "1800", "1800", "1800")
    assert stage.state().payable == dollars(4_000)
    stage.bought("trend")
    stage.quote(MNQ, 84_000 - 1_900)
    assert "firm_daily_loss" not in stage.names()
    assert stage.state().payable == dollars(4_000)
    stage.quote(MNQ, 84_000 - 2_000)
    assert "firm_daily_loss" in stage.names()
    assert stage.state().payable == 0
    firm = stage.state().firm
    assert firm is not None
    assert firm.payable == 0


def test_v49_the_consistency_path_asks_for_three_even_days() -> None:
    stage = Account(CONSISTENCY).opened(0).days("700", "100", "100")
    assert stage.state().payable == 0, "700 of 900 is too large a share"
    stage.days("500", "500", "500")
    assert stage.state().payable == dollars(1_200)
    closed(stage, 1_400)
    stage.day(1_400)  # the day of the payout counts for nothing
    stage.days("100", "100")
    assert stage.state().payable == 0
    stage.days("100")
    assert stage.state().payable == dollars(850)


def test_v09_a_payout_trips_nothing_and_lowers_every_measure_alike() -> None:
    stage = Account(STANDARD, daily_loss=900, daily_cap=400, session_cap=200).opened(0)
    stage.day(4_000)
    assert (stage.state().floor, stage.state().kill_level) == (0, dollars(2_400))
    stage.reconcile(balance=4_000)
    stage.reconcile(balance=2_000)
    assert refused(stage.ask("trend", BUY)) is VetoRule.REDUCE_ONLY, "until it is shown twice"
    assert stage.flattens() == []
    stage.reconcile(balance=2_000)
    state = stage.state()
    assert (state.floor, state.kill_level, state.session_net) == (0, dollars(400), 0)
    assert (state.equity, state.cap_tenths) == (dollars(2_000), 30)
    assert stage.names() == ["payout"]
    assert "payout of 2,000.00 booked" in stage.cause("payout")
    passed(stage.ask("trend", BUY))


def test_a_payout_lifts_the_floor_to_0_for_good() -> None:
    stage = Account(STANDARD).opened(0).days("300", "300", "300", "300", "300")
    assert stage.state().floor == -dollars(500)
    closed(stage, 750)
    assert stage.state().floor == 0
    assert stage.state().winning_days == 0
    stage.day(900)
    assert stage.state().floor == 0


def test_v42_the_day_of_a_payout_counts_toward_nothing() -> None:
    stage = Account(STANDARD).opened(0).days("300", "300", "300", "300", "300")
    closed(stage, 750)
    stage.day(1_000)
    assert stage.state().winning_days == 0
    stage.day(1_200)
    assert stage.state().winning_days == 1


@pytest.mark.parametrize(
    ("rules", "step", "why"),
    [
        ("topstep-50k-combine@2026-09", -500, "a combine pays nothing"),
        (STANDARD, -124, "less than the least payout"),
    ],
)
def test_a_fall_that_is_no_payout_is_a_loss(rules: str, step: int, why: str) -> None:
    start = 50_000 if "combine" in rules else 0
    stage = Account(rules).opened(start).day(start + 600)
    stage.reconcile(balance=start + 600)
    closed(stage, start + 600 + step)
    assert stage.state().session_net == dollars(step), why


def test_a_fall_with_a_fill_between_is_a_loss_and_no_payout() -> None:
    stage = Account(STANDARD).opened(0).day(2_000)
    stage.reconcile(balance=2_000)
    stage.trade_of(1, 84_000)
    stage.trade_of(1, 83_000, side=SELL)
    closed(stage, 1_400)
    assert stage.state().session_net == -dollars(600)
    assert "payout" not in stage.names()


# -- the target ------------------------------------------------------------------------------------


def test_v44_a_target_met_with_even_days_is_banked() -> None:
    stage = Account().opened().days("1600")
    stage.bought("trend")  # at 84,001; 1.22 of fees
    stage.quote(MNQ, 84_001 + 2_803)  # 1,401.50
    assert stage.level() is RiskLevel.FLATTENING
    assert "profit target" in stage.state().cause
    stage.close_all()
    assert stage.level() is RiskLevel.HALTED
    stage.day(53_000)
    assert stage.level() is RiskLevel.HALTED, "kept until a person says otherwise"


def gain(stage: Stage, ticks: int) -> None:
    """A round trip of one MNQ by hand, without fees: half a dollar a tick."""
    stage.trade_of(1, 84_000, fee=0)
    stage.trade_of(1, 84_000 + ticks, fee=0, side=SELL)


def test_v45_a_target_met_by_one_large_day_is_told_and_not_banked() -> None:
    """Best day 1,700: 3,090.91 are needed at 55 %."""
    stage = Account().opened().days("1700")
    gain(stage, 2_600)
    assert stage.names() == ["profit_target"]
    assert "90.91 more on another day" in stage.cause("profit_target")
    assert stage.level() is RiskLevel.ACTIVE


def test_v47_exactly_the_share_is_not_yet_met() -> None:
    stage = Account().opened().days("1650")
    gain(stage, 2_700)
    assert "0.01 more" in stage.cause("profit_target")


def test_a_target_is_only_told_where_that_is_set() -> None:
    stage = Account(bank_target=False).opened().days("1600")
    gain(stage, 2_800)
    assert stage.names() == ["profit_target"]
    assert stage.level() is RiskLevel.ACTIVE


@pytest.mark.parametrize(("mode", "rests"), [("notify", False), ("stop", True)])
def test_v46_a_day_that_becomes_too_large_a_share(mode: str, rests: bool) -> None:
    """55 % of the target of 3,000 is 1,650: from there on more profit is needed."""
    stage = Account(consistency=mode).opened()
    stage.bought("trend")
    stage.quote(MNQ, 84_001 + 3_302)  # 1,651.00 - 1.22
    assert stage.names() == []
    stage.quote(MNQ, 84_001 + 3_303)
    assert "consistency" in stage.names()
    assert (stage.level() is RiskLevel.FLATTENING) is rests
