"""Controls of the market: clocks, spreads, jumps, price limits, unknown outcomes, own orders."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.rules.explain import sentence
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
from tests.governor_stage import BUY, M2K, MES, MNQ, SELL, Stage, passed, refused, wide


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
    stage.quote(M2K, 23_990, 24_030)
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


# -- quotes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "price", "rests"),
    [
        (BUY, 24_002, None), (BUY, 24_003, 24_002), (BUY, 24_009, 24_002),
        (SELL, 24_001, None), (SELL, 24_000, 24_001), (SELL, 23_991, 24_001),
    ],
)  # fmt: skip
def test_a_quote_rests_or_is_refused(side: Side, price: int, rests: int | None) -> None:
    """The market is 24,000 to 24,003: a tick inside of it rests, at its other side it trades."""
    stage = Stage(wide()).opened()
    stage.quote(M2K, 24_000, 24_003)
    reply = stage.quote_order(side, price)
    if rests is None:
        passed(reply)
        return
    assert refused(reply) is VetoRule.QUOTE_CROSSES
    assert (reply.limit, reply.actual, reply.largest) == (rests, price, 0)
    passed(stage.quote_order(side, rests))


def test_a_refused_quote_says_where_it_would_rest_as_a_trader_reads_prices() -> None:
    said = {BUY: "a bid rests up to 2400.2", SELL: "an offer rests down to 2400.1"}
    for side, price in ((BUY, 24_003), (SELL, 24_000)):
        stage = Stage(wide()).opened()
        stage.quote(M2K, 24_000, 24_003)
        veto = stage.quote_order(side, price)
        assert refused(veto) is VetoRule.QUOTE_CROSSES
        assert veto.detail == f"{said[side]}, market 2400.0/2400.3"
        told = sentence(veto.rule.value, veto.limit, veto.actual, detail=veto.detail)
        assert told.startswith(f"A quote that would trade at once ({veto.detail}). ")
        assert "post-only" in told


def test_in_a_locked_market_quotes_rest_outside_of_it() -> None:
    for side, rests in ((BUY, 23_999), (SELL, 24_001)):
        stage = Stage(wide()).opened()
        stage.quote(M2K, 24_000, 24_000)
        veto = stage.quote_order(side, 24_000)
        assert (refused(veto), veto.limit) == (VetoRule.QUOTE_CROSSES, rests)
        passed(stage.quote_order(side, rests))


def test_a_crossed_or_one_sided_market_says_of_no_quote_that_it_rests() -> None:
    for bid, ask in ((24_001, 24_000), (24_000, 0), (0, 24_001)):
        stage = Stage(wide()).opened()
        stage.quote(M2K, bid, ask)
        for side in (BUY, SELL):
            assert refused(stage.quote_order(side, 24_000)) is VetoRule.FEED


def test_an_entry_may_trade_at_once() -> None:
    stage = Stage(wide()).opened()
    taken = {"type": OrderType.LIMIT, "limit_price": 84_001}
    passed(stage.ask("trend", BUY, **taken))


def test_who_calls_everything_a_quote_trades_nothing_at_once() -> None:
    """No trade is left today and every entry needs its stop: so it quotes at the other side, with
    any size, moves a bid that rests up to the ask, and turns by quoting. What closes may do so."""
    stage = Stage(wide(trades_per_day=1)).opened()
    stage.bought("trend")
    stage.filled(stage.ask_exit("trend", SELL), 84_000)
    assert refused(stage.ask("trend", BUY)) is VetoRule.TRADES_PER_DAY
    for price, size, flag in ((24_001, 1, False), (24_002, 2, True), (24_050, 3, True)):
        veto = stage.quote_order(BUY, price, size, up_to=flag)
        assert refused(veto) is VetoRule.QUOTE_CROSSES
    rests = passed(stage.quote_order(BUY, 24_000))
    stage.update(rests, OrderState.WORKING)
    for price in (24_001, 24_040):
        veto = stage.modify("market_maker", rests.intent_id, limit_price=price)
        assert (refused(veto), veto.limit) == (VetoRule.QUOTE_CROSSES, 24_000)
    stage.filled(rests, 24_000)
    stage.covered(M2K)
    stage.quote(M2K, 23_999)
    veto = stage.quote_order(SELL, 23_999, 2)
    assert (refused(veto), veto.largest) == (VetoRule.QUOTE_CROSSES, 1)
    assert passed(stage.quote_order(SELL, 23_999, 1)).size == 1
    assert stage.state().trades_today == 1
