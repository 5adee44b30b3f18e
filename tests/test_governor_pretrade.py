"""Each control of the checklist: passes at its limit, refuses one beyond, and says the numbers."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from services.risk_governor.core import Governor
from services.risk_governor.words import (
    DiskSpace,
    Holding,
    OperatorAnswer,
    OthersHold,
    Outcome,
    Verb,
    WeHold,
)
from shared.events import (
    Flatten,
    ModifyApproved,
    OrderApproved,
    OrderState,
    OrderType,
    OrderVetoed,
    Purpose,
    Quote,
    RiskLevel,
    Scope,
    Side,
    Started,
    VetoRule,
)
from shared.settings import SettingsError, load
from shared.units import MILLISECOND, SECOND, USD
from tests.governor_stage import (
    BUY,
    ES,
    M2K,
    MES,
    MNQ,
    MYM,
    SELL,
    Stage,
    dollars,
    passed,
    refused,
    settings,
    wide,
)


def held_and_covered(stage: Stage, sleeve: str, **changed: Any) -> OrderApproved:
    order = stage.bought(sleeve, **changed)
    stage.wait(0.25)
    return order


# -- unset is blocked ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["order_size", "position", "trade_risk", "pretrade"])
def test_a_limit_that_is_not_set_is_no_limit_to_start_with(name: str, tmp_path: Any) -> None:
    """Nothing here has a default in code: a file without the key does not load."""
    fields = {
        field.name: field for field in msgspec.structs.fields(type(load(env={}).risk_governor))
    }
    assert fields[name].required
    given = tmp_path / "x.toml"
    given.write_text(f"[risk_governor]\n{name} = 'none'\n")
    with pytest.raises(SettingsError, match=name):
        load(given, env={})


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


# -- the market ------------------------------------------------------------------------------------


def quoted(stage: Stage, bid: int, ask: int, *, lag_ns: int = 0, contract: str = MNQ) -> None:
    stage.tell(
        Quote(
            contract=contract, bid=bid, ask=ask, venue_ns=stage.now + MILLISECOND - lag_ns,
            recv_ns=stage.now + MILLISECOND,
        )
    )  # fmt: skip


@pytest.mark.parametrize("sign", [1, -1])
def test_a_quote_whose_clocks_disagree_is_no_market(sign: int) -> None:
    stage = Stage(wide(clock_skew_s=5.0)).opened()
    quoted(stage, 84_000, 84_001, lag_ns=sign * 5 * SECOND)
    passed(stage.ask("trend", BUY))
    quoted(stage, 84_000, 84_001, lag_ns=sign * (5 * SECOND + 1))
    veto = stage.ask("trend", BUY)
    assert refused(veto) is VetoRule.CLOCK_SKEW
    assert (veto.limit, veto.actual) == (5 * SECOND, 5 * SECOND + 1)


def test_a_wide_spread_is_waited_out() -> None:
    stage = Stage(wide(spread_ticks=20)).opened()
    quoted(stage, 84_000, 84_020)
    passed(stage.ask("trend", BUY))
    quoted(stage, 84_000, 84_021)
    veto = stage.ask("trend", BUY)
    assert refused(veto) is VetoRule.SPREAD
    assert (veto.limit, veto.actual) == (20, 21)


@pytest.mark.parametrize(("moved", "paused"), [(336, False), (337, True), (-337, True)])
def test_a_jump_pauses_its_contract(moved: int, paused: bool) -> None:
    """40 basis points of 84,000 are 336 ticks."""
    stage = Stage(wide(jump_bp=40, jump_s=5.0, jump_pause_s=10.0)).opened()
    stage.pulse()
    stage.quote(MNQ, 84_000 + moved)
    stage.pulse()
    reply = stage.ask("trend", BUY)
    assert isinstance(reply, OrderVetoed) is paused
    if paused:
        assert refused(reply) is VetoRule.JUMP
        assert 9 * SECOND < reply.actual < 10 * SECOND
        passed(stage.ask("mean_reversion", BUY, contract=MES))
        stage.pulse(10 * SECOND)
        stage.quote(MNQ)
        passed(stage.ask("trend", BUY))


def test_a_slow_move_is_no_jump() -> None:
    stage = Stage(wide(jump_bp=40, jump_s=1.0)).opened()
    for step in range(1, 5):
        stage.wait(1.25)
        stage.quote(MNQ, 84_000 + 300 * step)
    stage.pulse()
    passed(stage.ask("trend", BUY))


def test_v75_no_position_near_the_price_limit() -> None:
    """Settled at 6,000 with a limit of 7 %: nothing at or above 6,300, nor at or below 5,700."""
    stage = Stage(wide(limit_bp=700, limit_zone_bp=200, price_collar_ticks=5_000)).opened()
    stage.pulse()
    for bid, allowed in ((25_198, True), (25_199, False), (22_801, True), (22_800, False)):
        stage.quote(MES, bid)
        reply = stage.ask("mean_reversion", BUY, contract=MES)
        assert isinstance(reply, OrderApproved) is allowed, bid
        if not allowed:
            assert refused(reply) is VetoRule.PRICE_LIMIT
            assert (reply.limit, reply.actual) == (500, 500)


def test_a_resting_price_in_the_zone_is_refused_too() -> None:
    stage = Stage(wide(limit_bp=700, limit_zone_bp=200, price_collar_ticks=5_000)).opened()
    stage.pulse()
    order = {"contract": MES, "type": OrderType.LIMIT}
    veto = stage.ask("mean_reversion", BUY, limit_price=22_800, **order)
    assert refused(veto) is VetoRule.PRICE_LIMIT
    passed(stage.ask("mean_reversion", BUY, limit_price=22_801, **order))


def test_what_is_held_in_the_zone_is_closed_once() -> None:
    stage = Stage(wide(limit_bp=700, limit_zone_bp=200)).opened()
    stage.pulse()
    stage.bought("mean_reversion", contract=MES)
    stage.quote(MES, 25_199)
    stage.wait(1)
    found = [it for it in stage.heard if isinstance(it, Flatten)]
    assert [(it.scope, it.contract) for it in found] == [(Scope.CONTRACT, MES)]
    assert "price limit" in found[0].cause


def test_only_listed_types_of_order_pass() -> None:
    stage = Stage(wide(order_types=("LIMIT",))).opened()
    veto = stage.ask("trend", BUY)
    assert refused(veto) is VetoRule.ORDER_TYPE
    assert veto.detail == "MARKET"
    passed(stage.ask("trend", BUY, type=OrderType.LIMIT, limit_price=83_990))


def test_many_unknown_outcomes_stop_new_risk() -> None:
    stage = Stage(wide(unknown_orders=1)).opened()
    for count in range(2):
        sent = passed(stage.quote_order(BUY, 23_990 - count))
        stage.update(sent, OrderState.UNKNOWN)
        if not count:
            passed(stage.ask("mean_reversion", BUY, contract=MES))
    veto = stage.ask("trend", BUY)
    assert refused(veto) is VetoRule.UNKNOWN_ORDERS
    assert (veto.limit, veto.actual) == (1, 2)
    stage.update(sent, OrderState.ABSENT)
    passed(stage.ask("trend", BUY))


def test_nothing_is_added_to_what_lacks_its_stop() -> None:
    stage = Stage(wide()).opened()
    stage.filled(stage.ask("trend", BUY), 84_001)
    assert refused(stage.ask("trend", BUY)) is VetoRule.UNPROTECTED
    passed(stage.ask("mean_reversion", BUY, contract=MES))
    stage.covered(MNQ)
    passed(stage.ask("trend", BUY))


@pytest.mark.parametrize(("price", "meets"), [(24_009, False), (24_010, True), (24_011, True)])
def test_an_order_that_would_trade_with_our_own_is_refused(price: int, meets: bool) -> None:
    stage = Stage(wide()).opened()
    stage.update(passed(stage.quote_order(SELL, 24_010)), OrderState.WORKING)
    reply = stage.quote_order(BUY, price)
    assert isinstance(reply, OrderVetoed) is meets
    if meets:
        assert refused(reply) is VetoRule.SELF_MATCH
        assert (reply.limit, reply.actual) == (24_010, price)


def test_a_market_order_reaches_what_rests_at_the_touch() -> None:
    """With two ticks of slippage a buy at 84,001 reaches 84,003."""
    for price, meets in ((84_003, True), (84_004, False)):
        stage = Stage(wide()).opened()
        order = {"type": OrderType.LIMIT, "limit_price": price}
        stage.update(passed(stage.ask("trend", SELL, **order)), OrderState.WORKING)
        assert isinstance(stage.ask("trend", BUY), OrderVetoed) is meets


def test_one_month_is_not_opened_against_another() -> None:
    stage = Stage(wide()).opened()
    march = "CON.F.US.MNQ.H27"
    stage.bought("trend")
    stage.prices[march] = 84_500
    stage.list("MNQ", march)
    stage.quote(march)
    veto = stage.ask("trend", SELL, contract=march)
    assert refused(veto) is VetoRule.SELF_MATCH
    passed(stage.ask("trend", BUY, contract=march))


@pytest.mark.parametrize(
    ("side", "order", "touch"),
    [
        (BUY, {}, 84_001),
        (SELL, {}, 84_000),
        (BUY, {"type": OrderType.LIMIT, "limit_price": 84_001}, 84_001),
        (BUY, {"type": OrderType.LIMIT, "limit_price": 84_000}, None),
        (SELL, {"type": OrderType.LIMIT, "limit_price": 83_990}, 84_000),
        (SELL, {"type": OrderType.LIMIT, "limit_price": 84_001}, None),
        (BUY, {"type": OrderType.STOP, "stop_price": 84_010}, None),
    ],
)
def test_an_approval_tells_what_the_order_would_trade_with(
    side: Side, order: dict[str, Any], touch: int | None
) -> None:
    approved = passed(Stage(wide()).opened().ask("trend", side, **order))
    assert approved.touch == touch


# -- together --------------------------------------------------------------------------------------


def test_a_group_bears_its_gap() -> None:
    """1 % of an MNQ at 21,000.25 is 420.005 dollars, of an MES at 6,000.25 300.0125."""
    stage = Stage(wide(stress_loss=1_141, net_stop_ticks=1)).opened()
    stage.bought("trend", 2)
    veto = stage.ask("mean_reversion", BUY, 2, contract=MES)
    assert refused(veto) is VetoRule.GROUP_STRESS
    worth = 2 * 84_001 * 500_000 + 2 * 24_001 * 1_250_000
    assert (veto.limit, veto.actual, veto.largest) == (1_141 * USD, worth // 100, 1)
    passed(stage.ask("mean_reversion", SELL, 2, contract=MES))  # the worse side alone counts
    stage = Stage(wide(stress_loss=419)).opened()
    assert refused(stage.ask("trend", BUY)) is VetoRule.GROUP_STRESS


def test_a_group_without_a_stress_does_not_trade() -> None:
    stage = Stage(wide(stress_bp={"energy": 300})).opened()
    veto = stage.ask("trend", BUY)
    assert refused(veto) is VetoRule.GROUP_STRESS
    assert "index" in veto.detail


RECORDS = {
    "alike": ([1, 2, 3, 4], [2, 4, 6, 9]),
    "v34": ([1, 2, 3, 4], [2, 1, 4, 3]),  # 0.6 exactly
    "against": ([1, 2, 3, 4], [4, 3, 2, 1]),
    "short": ([1, 2, 3], [3, 1, 2]),
}


@pytest.mark.parametrize(
    ("days", "alike"), [("alike", True), ("v34", False), ("against", False), ("short", True)]
)
def test_two_sleeves_on_one_side_must_differ(days: str, alike: bool) -> None:
    """V34: a correlation of 0.6 exactly is allowed; fewer days than needed count as 1."""
    stage = Stage(wide(correlation_percent=60, correlation_days=4)).opened()
    ours, theirs = RECORDS[days]
    stage.governor.mind.state.records = {
        "trend": [day * USD for day in ours], "mean_reversion": [day * USD for day in theirs],
    }  # fmt: skip
    held_and_covered(stage, "trend")
    reply = stage.ask("mean_reversion", BUY, contract=MES)
    assert isinstance(reply, OrderVetoed) is alike
    if alike:
        assert refused(reply) is VetoRule.CORRELATION
        assert reply.detail == "trend"
    passed(stage.ask("mean_reversion", SELL, contract=MES))
    passed(stage.quote_order(BUY, 23_999))


def test_a_working_entry_of_another_sleeve_counts_like_a_position() -> None:
    stage = Stage(wide(correlation_percent=60, correlation_days=4)).opened()
    resting = passed(stage.ask("trend", BUY, type=OrderType.LIMIT, limit_price=83_990))
    assert refused(stage.ask("mean_reversion", BUY, contract=MES)) is VetoRule.CORRELATION
    stage.update(resting, OrderState.REFUSED)
    passed(stage.ask("mean_reversion", BUY, contract=MES))


def test_a_correlation_nobody_exceeds_is_not_asked() -> None:
    stage = Stage(wide(correlation_percent=100, correlation_days=4)).opened()
    held_and_covered(stage, "trend")
    passed(stage.ask("mean_reversion", BUY, contract=MES))


def _record(stage: Stage, wins: int, gain: int, losses: int, loss: int) -> None:
    stage.ask("trend", BUY, stop_loss_ticks=None)  # makes the sleeve's conduct known
    from services.risk_governor.habits import conduct_of

    outcomes = conduct_of(stage.governor.mind, "trend").outcomes
    outcomes += [gain * USD] * wins + [-loss * USD] * losses


def test_v31_a_quarter_of_kelly_bounds_a_trade() -> None:
    """p 0.55, b 1.5: full 0.25, a quarter 0.0625; of 2,000 to the floor 125 dollars."""
    stage = Stage(wide(kelly=("trend",), kelly_trades=20)).opened()
    _record(stage, 11, 15, 9, 10)
    veto = stage.ask("trend", BUY, 3, stop_loss_ticks=100)  # 52.22 each
    assert refused(veto) is VetoRule.KELLY
    assert (veto.limit, veto.actual, veto.largest) == (dollars(125), 3 * dollars("52.22"), 2)
    passed(stage.ask("mean_reversion", BUY, 3, contract=MES))


def test_v32_a_record_without_an_edge_does_not_trade() -> None:
    stage = Stage(wide(kelly=("trend",), kelly_trades=20)).opened()
    _record(stage, 8, 10, 12, 10)
    veto = stage.ask("trend", BUY)
    assert refused(veto) is VetoRule.KELLY
    assert (veto.limit, veto.largest) == (0, 0)


@pytest.mark.parametrize(("names", "trades"), [((), 20), (("trend",), 21)])
def test_kelly_binds_who_is_named_and_with_evidence_only(
    names: tuple[str, ...], trades: int
) -> None:
    stage = Stage(wide(kelly=names, kelly_trades=trades)).opened()
    _record(stage, 8, 10, 12, 10)
    passed(stage.ask("trend", BUY))


def test_trades_that_ended_are_the_evidence() -> None:
    stage = Stage(wide()).opened()
    stage.bought("trend")
    stage.filled(stage.ask_exit("trend", SELL), 84_021)
    assert stage.governor.mind.state.conduct["trend"].outcomes == [dollars(10) - dollars("1.22")]


def test_a_sleeve_stays_inside_its_slice() -> None:
    """40 % of 2,000 to the floor among four equal sleeves is 500 each."""
    stage = Stage(wide(allocation_share_percent=40)).opened()
    veto = stage.ask("trend", BUY, 10, stop_loss_ticks=100)
    assert refused(veto) is VetoRule.SLEEVE_BUDGET
    assert (veto.limit, veto.actual, veto.largest) == (dollars(500), 10 * dollars("52.22"), 9)
    passed(stage.ask("trend", BUY, 9, stop_loss_ticks=100))
    passed(stage.ask("mean_reversion", BUY, contract=MES))


# -- disk and other accounts -----------------------------------------------------------------------


def test_little_space_means_no_new_risk() -> None:
    stage = Stage(wide(disk_low_mb=500, disk_stop_mb=100)).opened()
    stage.tell(DiskSpace(free_mb=500))
    passed(stage.ask("trend", BUY))
    stage.tell(DiskSpace(free_mb=499))
    veto = stage.ask("trend", BUY)
    assert refused(veto) is VetoRule.DISK
    assert (veto.limit, veto.actual) == (500, 499)
    assert not stage.flattens()


def test_next_to_no_space_closes_everything_until_there_is_space() -> None:
    stage = Stage(wide(disk_low_mb=500, disk_stop_mb=100)).opened()
    stage.bought("trend")
    stage.tell(DiskSpace(free_mb=100))
    assert not stage.flattens()
    stage.tell(DiskSpace(free_mb=99))
    assert [it.scope for it in stage.flattens()] == [Scope.ACCOUNT]
    stage.close_all()
    stage.tell(DiskSpace(free_mb=499))
    stage.pulse()
    assert stage.level() is RiskLevel.REDUCE_ONLY
    stage.tell(DiskSpace(free_mb=500))
    stage.pulse()
    assert stage.level() is RiskLevel.ACTIVE


def test_after_a_start_space_and_other_accounts_must_be_told_first() -> None:
    stage = Stage(wide()).opened()
    again = Governor(stage.settings)
    again.restore(stage.governor.snapshot())
    stage.governor = again
    stage.tell(Started(epoch=stage.now // SECOND, fresh=False))
    stage.tell(stage.story[6][1])
    state = again.mind.state
    assert state.disk_mb is None
    assert state.others is None
    state.silent.clear()
    for contract in (MNQ, ES):
        stage.quote(contract)
    assert refused(stage.ask("trend", BUY)) is VetoRule.DISK
    stage.tell(DiskSpace(free_mb=10_000))
    assert refused(stage.ask("trend", BUY)) is VetoRule.HEDGE
    stage.tell(OthersHold())
    passed(stage.ask("trend", BUY))


@pytest.mark.parametrize(
    ("row", "buy", "sell"),
    [
        (("index", 0, 1), False, True),
        (("index", 1, 0), True, False),
        (("index", 1, 1), False, False),
        (("energy", 1, 1), True, True),
    ],
)
def test_no_account_of_ours_is_on_both_sides_of_a_group(
    row: tuple[str, int, int], buy: bool, sell: bool
) -> None:
    stage = Stage(wide()).opened()
    group, long, short = row
    stage.tell(OthersHold(rows=(Holding(account="B", group=group, long=long, short=short),)))
    for side, may in ((BUY, buy), (SELL, sell)):
        reply = stage.ask("trend", side)
        assert isinstance(reply, OrderApproved) is may
        if isinstance(reply, OrderVetoed):
            assert refused(reply) is VetoRule.HEDGE
            assert (reply.actual, reply.detail) == (1, "B")
        else:
            stage.update(reply, OrderState.REFUSED)


def test_what_cannot_be_read_is_no_permission() -> None:
    stage = Stage(wide()).opened()
    stage.tell(OthersHold(trouble="accounts/B.json: torn"))
    veto = stage.ask("trend", BUY)
    assert refused(veto) is VetoRule.HEDGE
    assert "torn" in veto.detail


def test_off_the_simulator_the_others_are_told_before_the_order_may_leave() -> None:
    given = wide()
    venue = msgspec.structs.replace(given.venue, environment="DEMO", account="A")
    stage = Stage(msgspec.structs.replace(given, venue=venue)).opened()
    said = stage.tell(stage.intent("trend", BUY, 2))
    kinds = [type(it) for it in said if isinstance(it, WeHold | OrderApproved)]
    assert kinds == [WeHold, OrderApproved]
    (word,) = [it for it in said if isinstance(it, WeHold)]
    assert word.rows == (Holding(account="A", group="index", long=2, short=0),)
    assert not [it for it in Stage(wide()).opened().heard if isinstance(it, WeHold)]


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


def test_what_an_order_is_asked_is_not_loosened_within_a_day_either() -> None:
    stage = Stage(settings(contracts_per_day=50, disk_low_mb=900)).opened()
    looser = Governor(settings(contracts_per_day=200, disk_low_mb=100, spread_ticks=5))
    looser.restore(stage.governor.snapshot())
    asked = looser.mind.limits.given.pretrade
    assert (asked.contracts_per_day, asked.disk_low_mb, asked.spread_ticks) == (50, 900, 5)
    assert "contracts_per_day stays 50" in looser.mind.limits.kept


def test_the_defaults_let_an_ordinary_order_pass() -> None:
    passed(Stage(settings()).opened().ask("trend", BUY))
