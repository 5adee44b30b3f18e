"""Controls of the market: clocks, spreads, jumps, price limits, unknown outcomes, own orders."""

from __future__ import annotations

from typing import Any

import pytest

from shared.events import (
    Flatten,
    OrderApproved,
    OrderState,
    OrderType,
    OrderVetoed,
    Quote,
    Scope,
    Side,
    VetoRule,
)
from shared.units import MILLISECOND, SECOND
from tests.governor_stage import BUY, MES, MNQ, SELL, Stage, passed, refused, wide


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
