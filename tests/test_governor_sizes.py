"""Every rule of size passes at its limit, refuses one beyond, and names the size that passes."""

from __future__ import annotations

import pytest

from shared.events import OrderApproved, OrderType, OrderVetoed, VetoRule
from tests.governor_stage import (
    BUY,
    ES,
    M2K,
    MES,
    MNQ,
    MYM,
    NQ,
    SELL,
    Stage,
    dollars,
    passed,
    refused,
    wide,
)


def test_one_order_is_small_and_the_veto_names_the_size_that_passes() -> None:
    stage = Stage(wide(order_size=3)).opened()
    veto = stage.ask("trend", BUY, 4)
    assert refused(veto) is VetoRule.SIZE
    assert (veto.limit, veto.actual, veto.largest) == (3, 4, 3)
    passed(stage.ask("trend", BUY, 3))


def test_a_smaller_size_is_approved_for_who_welcomes_it() -> None:
    stage = Stage(wide(order_size=3)).opened()
    assert passed(stage.ask("trend", BUY, 1_000_000, up_to=True)).size == 3


def test_an_author_may_say_how_small_is_still_welcome() -> None:
    """Three fit; who needs at least three gets them, who needs four is told of three."""
    stage = Stage(wide(order_size=3)).opened()
    approved = passed(stage.ask("trend", BUY, 5, least=3))
    assert (approved.size, approved.bound) == (3, "SIZE")
    veto = stage.ask("trend", BUY, 5, least=4)
    assert refused(veto) is VetoRule.SIZE
    assert veto.largest == 3
    whole = passed(stage.ask("trend", BUY, 3, least=1))
    assert (whole.size, whole.bound) == (3, "")


@pytest.mark.parametrize("least", [-1, 3])
def test_a_least_size_outside_the_order_is_malformed(least: int) -> None:
    assert refused(Stage().opened().ask("trend", BUY, 2, least=least)) is VetoRule.MALFORMED


def test_the_position_counts_working_orders() -> None:
    stage = Stage(wide(position=3)).opened()
    stage.bought("trend", 2)
    veto = stage.ask("trend", BUY, 2)
    assert refused(veto) is VetoRule.POSITION
    assert (veto.limit, veto.actual, veto.largest) == (3, 4, 1)
    passed(stage.ask("trend", BUY, 1, type=OrderType.LIMIT, limit_price=83_990))
    assert refused(stage.ask("trend", BUY, 1)) is VetoRule.POSITION


def test_long_one_with_one_more_working_and_its_bracket_is_two_of_two() -> None:
    """V37: bracket sells are never counted as a new short while they only reduce."""
    stage = Stage(wide(position=2)).opened()
    entry = stage.bought("trend", contract=ES, stop_loss_ticks=8)
    stage.leg(entry, "-TP", limit_price=24_100)
    passed(stage.ask("trend", BUY, contract=ES, stop_loss_ticks=8))
    assert refused(stage.ask("trend", BUY, contract=ES, stop_loss_ticks=8)) is VetoRule.POSITION
    found = stage.governor.mind
    from services.risk_governor.exposure import exposures

    assert exposures(found)[ES].sides() == (2, 0)


def test_the_account_holds_five_minis_of_five() -> None:
    """V35 with products we trade: long 2 ES, short 3 NQ; one more MES is 5.1."""
    stage = Stage(wide(account_position_tenths=50, net_stop_ticks=1)).opened()
    stage.bought("trend", 2, contract=ES, stop_loss_ticks=2)
    veto = stage.ask("mean_reversion", SELL, 4, contract=NQ, stop_loss_ticks=2)
    assert refused(veto) is VetoRule.ACCOUNT_POSITION
    assert (veto.limit, veto.actual, veto.largest) == (50, 60, 3)
    stage.bought("mean_reversion", 3, SELL, contract=NQ, stop_loss_ticks=2)
    veto = stage.ask("tail_hedge", BUY, contract=MES, stop_loss_ticks=2)
    assert refused(veto) is VetoRule.ACCOUNT_POSITION
    assert veto.actual == 51
    passed(stage.ask_exit("trend", SELL, 2, contract=ES))


@pytest.mark.parametrize(("budget", "largest"), [(150, 2), (120, 2), (53, 1), (52, 0)])
def test_risk_of_one_trade(budget: int, largest: int) -> None:
    """V28: MNQ with a stop of 25 points costs 52.22 a contract."""
    stage = Stage(wide(trade_risk=budget)).opened()
    veto = stage.ask("trend", BUY, 3, stop_loss_ticks=100)
    assert refused(veto) is VetoRule.TRADE_RISK
    assert (veto.limit, veto.actual) == (dollars(budget), 3 * dollars("52.22"))
    assert veto.largest == largest
    if largest:
        passed(stage.ask("trend", BUY, largest, stop_loss_ticks=100))
    assert refused(stage.ask("trend", BUY, largest + 1, stop_loss_ticks=100)) is (
        VetoRule.TRADE_RISK
    )


def test_risk_of_an_es_stop_is_vetoed_at_150() -> None:
    """V29: 4 points of ES cost 228.78; 0 contracts."""
    stage = Stage(wide(trade_risk=150)).opened()
    veto = stage.ask("trend", BUY, contract=ES, stop_loss_ticks=16)
    assert refused(veto) is VetoRule.TRADE_RISK
    assert (veto.actual, veto.largest) == (dollars("228.78"), 0)


def test_open_risk_sums_over_contracts() -> None:
    stage = Stage(wide(open_risk=120)).opened()
    passed(stage.ask("trend", BUY, stop_loss_ticks=100))  # 52.22
    passed(stage.ask("tail_hedge", BUY, contract=MYM, stop_loss_ticks=100))  # 52.22
    veto = stage.ask("mean_reversion", BUY, contract=MES, stop_loss_ticks=10)  # 10 + 15 + 1.22
    assert refused(veto) is VetoRule.OPEN_RISK
    assert (veto.limit, veto.actual) == (dollars(120), dollars("104.44") + dollars("16.22"))
    passed(stage.ask("mean_reversion", BUY, contract=MES, stop_loss_ticks=9))  # 119.41


def test_the_two_sides_of_a_quote_are_never_added() -> None:
    """M2K under a net stop of 40 ticks: 20 + 1 + 1.22 = 22.22 on either side."""
    stage = Stage(wide(open_risk=23)).opened()
    passed(stage.quote_order(BUY, 24_000))
    passed(stage.quote_order(SELL, 24_001))
    assert stage.state().open_risk == dollars("22.22")
    veto = stage.quote_order(SELL, 24_002)
    assert refused(veto) is VetoRule.OPEN_RISK
    assert veto.actual == 2 * dollars("22.22")


def test_a_stop_that_trails_into_profit_frees_risk() -> None:
    stage = Stage(wide(open_risk=60)).opened()
    entry = stage.bought("trend", stop_loss_ticks=100)  # held: 50.5 from the bid, see below
    assert stage.state().open_risk == dollars("49.50") + dollars(1) + dollars("0.61")
    assert refused(stage.ask("trend", BUY, stop_loss_ticks=100)) is VetoRule.OPEN_RISK
    stage.quote(MNQ, 84_100)
    leg = entry.intent_id + "-SL"
    assert not isinstance(stage.modify("trend", leg, stop_price=84_100), OrderVetoed)
    assert stage.state().open_risk > dollars(1)  # a tightening counts when the router confirms it
    stage.leg(entry, "-SL", stop_price=84_100)
    assert stage.state().open_risk == dollars("1.61")
    passed(stage.ask("trend", BUY, stop_loss_ticks=100))


def test_an_uncovered_position_is_taken_at_the_net_stop() -> None:
    stage = Stage(wide(net_stop_ticks=40)).opened()
    stage.filled(stage.ask("trend", BUY, stop_loss_ticks=100), 84_001)
    assert stage.state().open_risk == dollars(21) + dollars("0.61")


def test_the_day_bears_the_risk_it_is_asked_to() -> None:
    """Session net -800; a day's limit of 900 leaves 100, touching not allowed."""
    stage = Stage(wide(open_risk=100_000, exit_allowance_ticks=0)).opened()
    _lose(stage, 800)
    cost = dollars("52.22")
    net = stage.state().session_net
    assert net == -dollars("801.22")
    veto = stage.ask("trend", BUY, 3, stop_loss_ticks=100)
    assert refused(veto) is VetoRule.DAILY_LOSS
    assert (veto.limit, veto.actual, veto.largest) == (dollars(900), 3 * cost - net, 1)
    passed(stage.ask("trend", BUY, 1, stop_loss_ticks=100))


def test_touching_the_daily_limit_is_too_much() -> None:
    stage = Stage(wide(exit_allowance_ticks=0)).opened()
    _lose(stage, 800)  # net -801.22, so 98.78 are left
    # MNQ costs 0.50 a tick, 2.22 beyond the stop: no whole stop is exact, 193 ticks are 98.72
    passed(stage.ask("trend", BUY, stop_loss_ticks=193))
    stage = Stage(wide(exit_allowance_ticks=0)).opened()
    _lose(stage, 800)
    assert refused(stage.ask("trend", BUY, stop_loss_ticks=194)) is VetoRule.DAILY_LOSS


def test_leaving_farther_than_usual_counts_against_every_level() -> None:
    """98.78 are left; with four ticks of MNQ (2 dollars) beyond each stop 189 ticks fit."""
    for stop, passes in ((189, True), (190, False)):
        stage = Stage(wide(exit_allowance_ticks=4)).opened()
        _lose(stage, 800)
        reply = stage.ask("trend", BUY, stop_loss_ticks=stop)
        assert isinstance(reply, OrderApproved) is passes


def _lose(stage: Stage, amount: int) -> None:
    """Lose so many dollars before fees in one MNQ round trip (fees 1.22), and be flat."""
    entry = passed(stage.ask("trend", BUY, stop_loss_ticks=40))
    stage.filled(entry, 84_001 + 2 * amount)
    stage.filled(stage.ask_exit("trend", SELL), 84_001)


def test_every_stop_filled_stays_above_the_drawdown_level() -> None:
    """High 51,000, kill 1,600: level 49,400. Balance 49,500 leaves 100."""
    stage = Stage(wide(daily_loss=999, exit_allowance_ticks=0)).opened(49_500)
    state = stage.governor.mind.state
    state.high, state.floor = dollars(51_000), dollars(49_000)
    veto = stage.ask("trend", BUY, 2, stop_loss_ticks=100)
    assert refused(veto) is VetoRule.DRAWDOWN
    assert (veto.limit, veto.largest) == (dollars(49_400), 1)
    assert veto.actual == dollars(49_500) - 2 * dollars("52.22")
    passed(stage.ask("trend", BUY, stop_loss_ticks=195))  # 99.72
    stage = Stage(wide(daily_loss=999, exit_allowance_ticks=0)).opened(49_500)
    state = stage.governor.mind.state
    state.high, state.floor = dollars(51_000), dollars(49_000)
    assert refused(stage.ask("trend", BUY, stop_loss_ticks=196)) is VetoRule.DRAWDOWN


def test_every_stop_filled_at_its_worst_stays_above_the_floor() -> None:
    """An allowance of 4,500 ticks is 2,250 dollars of MNQ: over the 2,000 to the floor."""
    stage = Stage(wide(exit_allowance_ticks=4_500)).opened()
    veto = stage.ask("trend", BUY)
    assert refused(veto) is VetoRule.FLOOR
    assert veto.limit == dollars(48_000)
    assert veto.actual == dollars(50_000) - dollars("22.22") - dollars(2_250)
    passed(Stage(wide(exit_allowance_ticks=1_700)).opened().ask("trend", BUY))


def test_trades_of_a_day_count_directional_entries_from_flat() -> None:
    stage = Stage(wide(trades_per_day=2)).opened()
    for _ in range(2):
        stage.bought("trend")
        stage.filled(stage.ask_exit("trend", SELL), 84_000)
    assert stage.state().trades_today == 2
    veto = stage.ask("trend", BUY)
    assert refused(veto) is VetoRule.TRADES_PER_DAY
    assert (veto.limit, veto.actual) == (2, 3)
    passed(stage.quote_order(BUY, 24_000))


def test_contracts_traded_by_quotes_are_budgeted_and_what_reduces_is_not() -> None:
    stage = Stage(wide(quoted_per_day=2)).opened()
    for _ in range(2):
        order = passed(stage.quote_order(BUY, 24_000))
        stage.filled(order, 24_000)
        stage.covered(M2K)
    veto = stage.quote_order(BUY, 24_000)
    assert refused(veto) is VetoRule.QUOTED_PER_DAY
    assert (veto.limit, veto.actual) == (2, 3)
    passed(stage.quote_order(SELL, 24_600))
    passed(stage.ask("trend", BUY))


def test_entries_on_their_way_count_as_trades_and_adds_do_not() -> None:
    stage = Stage(wide(trades_per_day=2)).opened()
    stage.bought("trend")
    passed(stage.ask("trend", BUY))  # an add
    passed(stage.ask("mean_reversion", BUY, contract=MES))
    assert refused(stage.ask("tail_hedge", BUY, contract=MYM)) is VetoRule.TRADES_PER_DAY
