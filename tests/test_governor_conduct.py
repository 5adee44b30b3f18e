"""Controls of conduct: repeats, rates, floods, crash loops; each at its limit and no further."""

from __future__ import annotations

import pytest

from services.risk_governor.words import OperatorAnswer, Outcome, Verb
from shared.events import (
    Flatten,
    ModifyApproved,
    OrderApproved,
    OrderState,
    OrderVetoed,
    Purpose,
    Scope,
    Started,
    VetoRule,
)
from shared.units import MILLISECOND, SECOND
from tests.governor_stage import BUY, M2K, MES, MNQ, MYM, SELL, Stage, passed, refused, wide

# -- conduct ---------------------------------------------------------------------------------------


def test_the_same_entry_again_waits_for_its_window() -> None:
    stage = Stage(wide(repeat_s=5.0)).opened()
    passed(stage.ask("trend", BUY))
    first = stage.now
    veto = stage.ask("trend", BUY)
    assert refused(veto) is VetoRule.REPEATED
    assert (veto.limit, veto.actual) == (5 * SECOND, MILLISECOND)
    passed(stage.ask("mean_reversion", BUY, contract=MES))  # another sleeve
    passed(stage.quote_order(BUY, 24_000))
    passed(stage.quote_order(BUY, 23_999))  # quotes follow the market
    stage.now = first + 5 * SECOND - 3 * MILLISECOND
    stage.quote(MNQ)
    assert refused(stage.ask("trend", BUY, expires_ns=first + 9 * SECOND)) is VetoRule.REPEATED
    stage.quote(MNQ)
    passed(stage.ask("trend", BUY, expires_ns=first + 9 * SECOND))


def test_the_other_side_is_another_entry() -> None:
    stage = Stage(wide(repeat_s=5.0)).opened()
    passed(stage.ask("trend", BUY))
    passed(stage.ask("trend", SELL))


def test_all_sleeves_together_have_a_rate() -> None:
    stage = Stage(wide(account_orders_per_window=2)).opened()
    begun = stage.now
    passed(stage.ask("trend", BUY))
    passed(stage.ask("mean_reversion", BUY, contract=MES))
    veto = stage.ask("tail_hedge", BUY, contract=MYM)
    assert refused(veto) is VetoRule.ACCOUNT_RATE
    assert (veto.limit, veto.actual) == (2, 3)
    stage.now = begun + 10 * SECOND
    stage.quote(MYM)
    passed(stage.ask("tail_hedge", BUY, contract=MYM))


def test_an_exit_is_not_slowed_by_any_rate() -> None:
    stage = Stage(wide(account_orders_per_window=1, orders_per_window=1, messages_free=1)).opened()
    stage.bought("trend")
    assert refused(stage.ask("trend", BUY)) is VetoRule.ORDER_RATE
    passed(stage.ask_exit("trend", SELL))


def test_who_asks_much_and_trades_nothing_is_stopped() -> None:
    """Three messages are free: an order, its change, its cancel. Each contract frees two more."""
    stage = Stage(wide(messages_free=3, messages_per_contract=2)).opened()
    resting = passed(stage.quote_order(BUY, 23_990))
    stage.update(resting, OrderState.WORKING)
    name = resting.intent_id
    assert isinstance(stage.modify("market_maker", name, limit_price=23_991), ModifyApproved)
    stage.cancel("market_maker", name)
    stage.update(resting, OrderState.CANCELLED)
    veto = stage.quote_order(BUY, 23_990)
    assert refused(veto) is VetoRule.MESSAGES
    assert (veto.limit, veto.actual) == (3, 4)
    stage.trade_of(1, 24_000, contract=M2K, sleeve="market_maker", purpose=Purpose.QUOTE)
    stage.covered(M2K)
    passed(stage.quote_order(BUY, 23_990))
    passed(stage.quote_order(BUY, 23_989))
    veto = stage.quote_order(BUY, 23_988)
    assert (refused(veto), veto.limit, veto.actual) == (VetoRule.MESSAGES, 5, 6)


def test_a_cancel_is_never_refused_for_being_one_too_many() -> None:
    stage = Stage(wide(messages_free=1, messages_per_contract=0)).opened()
    resting = passed(stage.quote_order(BUY, 23_990))
    stage.update(resting, OrderState.WORKING)
    assert not isinstance(stage.cancel("market_maker", resting.intent_id), OrderVetoed)


def _fills(stage: Stage, count: int) -> None:
    for _ in range(count):
        stage.trade_of(1, 24_000, contract=M2K, sleeve="market_maker", purpose=Purpose.QUOTE)


def test_fills_without_end_switch_a_sleeve_off_until_a_person_looks() -> None:
    stage = Stage(wide(fills_per_window=3, fills_window_s=60.0)).opened()
    _fills(stage, 3)
    stage.covered(M2K)
    passed(stage.quote_order(BUY, 24_000))
    _fills(stage, 1)
    assert [(it.scope, it.sleeve) for it in stage.flattens()] == [(Scope.SLEEVE, "market_maker")]
    stage.covered(M2K)
    veto = stage.quote_order(BUY, 24_000)
    assert refused(veto) is VetoRule.SLEEVE_OFF
    assert "4 times" in veto.detail
    passed(stage.ask("trend", BUY))
    stage.wait(120)
    stage.quote(M2K)
    assert refused(stage.quote_order(BUY, 24_000)) is VetoRule.SLEEVE_OFF
    passed(stage.ask_exit("market_maker", SELL, contract=M2K))


def test_fills_a_window_apart_are_no_flood() -> None:
    stage = Stage(wide(fills_per_window=3, fills_window_s=2.0)).opened()
    for _ in range(4):
        _fills(stage, 2)
        stage.now += 2 * SECOND
    assert not [it for it in stage.heard if isinstance(it, Flatten)]


def test_three_lives_in_five_minutes_are_a_crash_loop() -> None:
    stage = Stage(wide(births=3, births_window_real_s=300.0)).opened()
    stage.bought("trend")
    stage.pulse(200 * SECOND)
    stage.present("trend", 8)
    assert not stage.flattens()
    stage.pulse(99 * SECOND)
    stage.present("trend", 9)
    assert [(it.scope, it.sleeve) for it in stage.flattens()] == [(Scope.SLEEVE, "trend")]
    for contract in (MNQ, MES):
        stage.quote(contract)
    assert refused(stage.ask("trend", BUY, incarnation=9)) is VetoRule.SLEEVE_OFF
    passed(stage.ask("mean_reversion", BUY, contract=MES))


def test_lives_far_apart_and_our_own_restart_are_no_crash_loop() -> None:
    stage = Stage(wide(births=3, births_window_real_s=300.0)).opened()
    stage.present("trend", 8)
    stage.pulse(301 * SECOND)
    stage.present("trend", 9)
    assert not stage.flattens()
    stage.tell(Started(epoch=stage.now // SECOND, fresh=False))
    stage.present("trend", 10)
    stage.present("trend", 11)
    assert not stage.flattens()


def test_the_accounts_contracts_of_a_day_are_counted() -> None:
    stage = Stage(wide(contracts_per_day=4)).opened()
    stage.bought("trend")
    stage.filled(stage.ask_exit("trend", SELL), 84_000)
    veto = stage.ask("mean_reversion", BUY, 3, contract=MES)
    assert refused(veto) is VetoRule.CONTRACTS_PER_DAY
    assert (veto.limit, veto.actual, veto.largest) == (4, 5, 2)
    passed(stage.ask("mean_reversion", BUY, 2, contract=MES))


@pytest.mark.parametrize(("hold", "quotes_on"), [(3.0, True), (2.999, False)])
def test_quotes_end_when_positions_are_held_for_seconds_only(hold: float, quotes_on: bool) -> None:
    stage = Stage(wide(hold_s=3.0, hold_trips=2)).opened()
    for _ in range(2):
        assert isinstance(stage.quote_order(BUY, 24_000), OrderApproved)
        opened_ns = stage.now
        common = {"contract": M2K, "sleeve": "market_maker"}
        stage.trade_of(1, 24_000, purpose=Purpose.QUOTE, venue_ns=opened_ns, **common)
        closed_ns = opened_ns + int(hold * SECOND)
        stage.trade_of(1, 24_000, side=SELL, purpose=Purpose.EXIT, venue_ns=closed_ns, **common)
        stage.reconcile(live=())
    veto = stage.quote_order(BUY, 24_000)
    if quotes_on:
        passed(veto)
    else:
        assert refused(veto) is VetoRule.HOLDING
        assert (veto.limit, veto.actual) == (3 * SECOND, 2_999 * MILLISECOND)
    passed(stage.ask("trend", BUY))


def test_counts_of_a_day_begin_anew_with_the_day() -> None:
    stage = Stage(wide(contracts_per_day=2)).opened()
    stage.bought("trend")
    stage.filled(stage.ask_exit("trend", SELL), 84_000)
    assert refused(stage.ask("trend", BUY)) is VetoRule.CONTRACTS_PER_DAY
    stage.governor.mind.state.day = "2026-11-19"
    conduct = stage.governor.mind.state.conduct["trend"]
    assert conduct.on("2026-11-19").traded == 0
    assert len(conduct.outcomes) == 1


# -- people ----------------------------------------------------------------------------------------


def test_a_person_brings_a_switched_off_sleeve_back() -> None:
    stage = Stage(wide(fills_per_window=1)).opened()
    _fills(stage, 2)
    stage.trade_of(
        2, 24_000, contract=M2K, side=SELL, sleeve="market_maker", purpose=Purpose.FLATTEN
    )
    stage.proven_flat(scope=Scope.SLEEVE, sleeve="market_maker")
    stage.covered(M2K)
    answer = stage.operator(Verb.RESUME, sleeve="market_maker")
    assert isinstance(answer, OperatorAnswer)
    assert answer.outcome is Outcome.DONE, answer.reason
    passed(stage.quote_order(BUY, 24_000))
