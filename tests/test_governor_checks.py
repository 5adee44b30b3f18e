"""Every rule of the governor on account, peers, feed and kind.

Each passes at its limit, refuses one beyond, and says the numbers.
"""

from __future__ import annotations

import pytest

from services.risk_governor.checks import KIND_CHECKS, LOOSEN_CHECKS, SIZE_CHECKS
from services.risk_governor.core import Governor
from services.risk_governor.words import SentinelBack, SentinelSilent, Verb
from shared.events import (
    FeedState,
    FeedStatus,
    Gap,
    OrderApproved,
    OrderState,
    OrderType,
    OrderUpdate,
    PeerBack,
    PeerSilent,
    Phase,
    Purpose,
    VenueState,
    VetoRule,
)
from shared.units import MILLISECOND, SECOND
from tests.governor_stage import (
    BUY,
    ES,
    M2K,
    MES,
    MNQ,
    PRICES,
    ROOTS,
    SELL,
    TODAY,
    Stage,
    passed,
    refused,
    settings,
    wide,
)


def test_an_entry_in_good_order_is_approved_as_asked() -> None:
    stage = Stage().opened()
    intent = stage.intent("trend", BUY, stop_loss_ticks=40, take_profit_ticks=80)
    (approved,) = [it for it in stage.tell(intent) if isinstance(it, OrderApproved)]
    assert (approved.intent_id, approved.contract, approved.side) == (intent.intent_id, MNQ, BUY)
    assert (approved.size, approved.purpose) == (1, Purpose.ENTRY)
    assert (approved.stop_loss_ticks, approved.take_profit_ticks) == (40, 80)
    assert approved.tag == f"t1.trend.7.{stage.count}.1"
    state = stage.governor.mind.state
    assert approved.halt_no == state.halt_no
    assert approved.deadline_real_ns == state.real_ns + 2 * SECOND


# -- account, peers, feed --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "state", [state for state in VenueState if state not in (VenueState.READY, VenueState.DISARMED)]
)
def test_entries_need_a_venue_that_is_ready(state: VenueState) -> None:
    stage = Stage().opened()
    stage.venue(state)
    assert refused(stage.ask("trend", BUY)) is VetoRule.NOT_RECONCILED
    stage.venue(VenueState.READY)
    passed(stage.ask("trend", BUY))


def test_a_disarmed_venue_is_shown_decisions() -> None:
    stage = Stage().opened()
    stage.venue(VenueState.DISARMED)
    passed(stage.ask("trend", BUY))


def test_the_floor_of_one_account_is_not_taken_for_anothers() -> None:
    """Another account under the same run-time folder, or the same name opened anew."""
    stage = Stage(wide()).opened()
    stage.account(account_id=2, name="50KTC-2")
    veto = stage.ask("trend", BUY)
    assert refused(veto) is VetoRule.NOT_RECONCILED
    assert "those of account 1, not of 50KTC-2 (2): start on a new var" in veto.detail
    again = Governor(stage.settings)
    again.restore(stage.governor.snapshot())
    stage.governor = again
    assert refused(stage.ask("trend", BUY)) is VetoRule.NOT_RECONCILED, "whatever else is told"
    stage.account()
    passed(stage.ask("trend", BUY))


@pytest.mark.parametrize("record", [{"can_trade": False}, {"simulated": False}])
def test_an_account_that_may_not_trade_does_not(record: dict[str, bool]) -> None:
    stage = Stage().opened()
    stage.account(**record)
    assert refused(stage.ask("trend", BUY)) is VetoRule.NOT_RECONCILED
    stage.account()
    passed(stage.ask("trend", BUY))


def test_before_the_first_reconciliation_nothing_is_approved() -> None:
    stage = Stage()
    stage.reconcile = lambda **_: []  # type: ignore[method-assign]
    with pytest.raises(AssertionError, match="not yet reconciled"):
        stage.opened()
    stage.present("trend")
    assert refused(stage.ask("trend", BUY)) is VetoRule.REDUCE_ONLY


def test_entries_need_the_router_alive() -> None:
    stage = Stage().opened()
    stage.tell(PeerSilent(actor="order_router"))
    stage.pulse(SECOND)
    veto = stage.ask("trend", BUY)
    assert refused(veto) is VetoRule.PEER_SILENT
    assert veto.detail == "order_router"
    assert veto.actual > veto.limit == 2 * SECOND
    stage.tell(PeerBack(actor="order_router", epoch=1))
    passed(stage.ask("trend", BUY))


def test_entries_need_the_sentinel_alive_and_proven_after_every_start() -> None:
    stage = Stage().opened()
    stage.tell(SentinelSilent())
    veto = stage.ask("trend", BUY)
    assert refused(veto) is VetoRule.PEER_SILENT
    assert veto.detail == "sentinel"
    stage.tell(SentinelBack())
    passed(stage.ask("trend", BUY))
    fresh = Governor(settings())
    assert "sentinel" in fresh.mind.state.silent


@pytest.mark.parametrize("state", [FeedState.DOWN, FeedState.FROZEN])
def test_entries_need_the_feed(state: FeedState) -> None:
    stage = Stage().opened()
    stage.tell(FeedStatus(state=state, since_ns=stage.now))
    assert refused(stage.ask("trend", BUY)) is VetoRule.FEED
    stage.tell(FeedStatus(state=FeedState.UP, since_ns=stage.now))
    passed(stage.ask("trend", BUY))


def test_a_dead_gateway_is_a_dead_feed() -> None:
    stage = Stage().opened()
    rests = passed(stage.quote_order(BUY, 24_000))
    stage.tell(PeerSilent(actor="market_data_gateway"))
    assert stage.cancelled() == [rests.intent_id]
    assert refused(stage.ask("trend", BUY)) is VetoRule.FEED
    stage.tell(PeerBack(actor="market_data_gateway", epoch=1))
    passed(stage.ask("trend", BUY))


def test_the_age_of_a_quote_counts_from_when_it_was_received() -> None:
    stage = Stage().opened()
    stage.quote(MNQ, age_ns=3 * SECOND - MILLISECOND)
    passed(stage.ask("trend", BUY))
    stage = Stage().opened()
    stage.quote(MNQ, age_ns=3 * SECOND)  # told now, but old: caught up
    veto = stage.ask("trend", BUY)
    assert refused(veto) is VetoRule.FEED
    assert (veto.limit, veto.actual) == (3 * SECOND, 3 * SECOND + MILLISECOND)


def test_a_quote_from_the_future_is_not_fresh() -> None:
    stage = Stage().opened()
    stage.quote(MNQ, age_ns=-4 * SECOND)
    assert refused(stage.ask("trend", BUY)) is VetoRule.FEED


@pytest.mark.parametrize("ask", [83_999, 84_081])
def test_a_crossed_or_very_wide_quote_is_no_market(ask: int) -> None:
    stage = Stage(wide()).opened()
    stage.quote(MNQ, 84_000, ask)
    assert refused(stage.ask("trend", BUY)) is VetoRule.FEED
    stage.quote(MNQ, 84_000, 84_080)
    passed(stage.ask("trend", BUY))


@pytest.mark.parametrize("price", [0, -1])
def test_a_quote_without_a_price_is_no_market(price: int) -> None:
    stage = Stage().opened()
    stage.quote(MNQ, price, 84_001)
    assert refused(stage.ask("trend", BUY)) is VetoRule.FEED


@pytest.mark.parametrize("contract", ["", MNQ])
def test_after_a_gap_the_next_quote_must_come_first(contract: str) -> None:
    stage = Stage().opened()
    stage.tell(Gap(contract=contract, start_ns=0, end_ns=stage.now + SECOND))
    assert refused(stage.ask("trend", BUY)) is VetoRule.FEED
    stage.quote(MNQ)
    passed(stage.ask("trend", BUY))


def test_a_gap_that_ended_before_the_last_quote_changes_nothing() -> None:
    stage = Stage().opened()
    stage.tell(Gap(contract=MNQ, start_ns=0, end_ns=stage.now - SECOND, bars_repaired=3))
    stage.tell(Gap(contract=MES, start_ns=0, end_ns=stage.now + SECOND))
    passed(stage.ask("trend", BUY))


def test_a_held_contract_without_a_usable_quote_stops_entries_everywhere() -> None:
    stage = Stage(wide()).opened()
    stage.bought("trend")
    stage.quote(MNQ, 0, 84_001)
    assert refused(stage.ask("mean_reversion", BUY, contract=MES)) is VetoRule.FEED
    stage.quote(MNQ, 84_000)
    passed(stage.ask("mean_reversion", BUY, contract=MES))


# -- kind ------------------------------------------------------------------------------------------


def test_a_directional_entry_carries_a_stop() -> None:
    stage = Stage().opened()
    veto = stage.ask("trend", BUY, stop_loss_ticks=None)
    assert refused(veto) is VetoRule.STOP_REQUIRED
    assert (veto.limit, veto.actual) == (1, 0)


@pytest.mark.parametrize(
    ("type_", "price", "far"),
    [
        (OrderType.LIMIT, 84_000 - 80, 80),
        (OrderType.LIMIT, 84_000 - 81, 81),
        (OrderType.LIMIT, 84_001 + 81, 81),
        (OrderType.STOP, 84_001 + 80, 80),
        (OrderType.STOP, 84_001 + 81, 81),
    ],
)
def test_prices_stay_near_the_market(type_: OrderType, price: int, far: int) -> None:
    stage = Stage().opened()
    field = "limit_price" if type_ is OrderType.LIMIT else "stop_price"
    reply = stage.ask("trend", BUY, type=type_, **{field: price})
    if far <= 80:
        passed(reply)
    else:
        assert refused(reply) is VetoRule.PRICE_COLLAR
        assert (reply.limit, reply.actual) == (80, far)


def test_a_contract_has_one_owner_until_flat_with_nothing_resting() -> None:
    stage = Stage(wide()).opened()
    resting = passed(stage.ask("trend", BUY, type=OrderType.LIMIT, limit_price=83_990))
    veto = stage.ask("mean_reversion", BUY)
    assert refused(veto) is VetoRule.CONTRACT_OWNED
    assert veto.detail == "trend"
    stage.update(resting, OrderState.WORKING)
    stage.filled(resting, 83_990)
    assert refused(stage.ask("mean_reversion", BUY)) is VetoRule.CONTRACT_OWNED
    out = passed(stage.ask_exit("trend", SELL))
    stage.filled(out, 84_000)
    passed(stage.ask("mean_reversion", BUY))


def test_what_a_hand_holds_or_works_no_sleeve_enters() -> None:
    stage = Stage(wide()).opened()
    stage.trade_of(1, 84_001)
    veto = stage.ask("trend", BUY)
    assert refused(veto) is VetoRule.CONTRACT_OWNED
    assert veto.detail == "human"


def test_the_rate_of_a_sleeve_is_bounded_and_recovers() -> None:
    stage = Stage(wide(orders_per_window=3, window_s=10.0)).opened()
    begun = stage.now
    for _ in range(3):
        passed(stage.ask("trend", BUY))
    veto = stage.ask("trend", BUY)
    assert refused(veto) is VetoRule.ORDER_RATE
    assert (veto.limit, veto.actual) == (3, 4)
    passed(stage.ask("mean_reversion", BUY, contract=MES))
    stage.now = begun + 10 * SECOND
    stage.quote(MNQ)
    passed(stage.ask("trend", BUY))


# -- the tuples themselves -------------------------------------------------------------------------


def test_every_rule_is_in_the_tuple_once() -> None:
    from services.risk_governor import (
        checks_conduct,
        checks_funds,
        checks_gap,
        checks_kind,
        checks_market,
        checks_size,
        checks_together,
        checks_world,
    )

    rooms = (
        checks_conduct, checks_funds, checks_gap, checks_kind, checks_market, checks_size,
        checks_together, checks_world,
    )  # fmt: skip
    every = {
        name
        for room in rooms
        for name, found in vars(room).items()
        if getattr(found, "__module__", "") == room.__name__
        and getattr(found, "__annotations__", {}).get("return") == "Refusal | None"
    }
    orders = (*KIND_CHECKS, *SIZE_CHECKS)
    listed = [check.__name__ for check in orders]
    listed += [check.__name__ for check in LOOSEN_CHECKS if check not in orders]
    assert sorted(listed) == sorted(every)


def test_unknown_orders_count_as_filled_at_their_worst() -> None:
    stage = Stage(wide(position=2)).opened()
    sent = passed(stage.ask("trend", BUY, 2))
    stage.update(sent, OrderState.UNKNOWN)
    assert refused(stage.ask("trend", BUY)) is VetoRule.POSITION
    stage.update(sent, OrderState.ABSENT)
    passed(stage.ask("trend", BUY))


def test_orders_nobody_approved_are_exposures_too() -> None:
    stage = Stage(wide(account_position_tenths=10)).opened()
    stage.no += 1
    stage.tell(
        OrderUpdate(
            no=stage.no, tag="99", intent_id="", sleeve="", contract=ES, side=BUY, size=1,
            filled=0, state=OrderState.WORKING, purpose=Purpose.HUMAN, type=OrderType.LIMIT,
            limit_price=23_990,
        )
    )  # fmt: skip
    veto = stage.ask("trend", BUY)
    assert refused(veto) is VetoRule.ACCOUNT_POSITION
    assert veto.actual == 11


def test_a_router_that_refuses_releases_the_exposure() -> None:
    stage = Stage(wide(position=1)).opened()
    sent = passed(stage.ask("trend", BUY))
    assert refused(stage.ask("trend", BUY)) is VetoRule.POSITION
    stage.update(sent, OrderState.REFUSED, reason="late")
    passed(stage.ask("trend", BUY))


def test_paused_means_no_entries_and_start_ends_it() -> None:
    stage = Stage().opened()
    stage.operator(Verb.PAUSE)
    assert refused(stage.ask("trend", BUY)) is VetoRule.REDUCE_ONLY
    stage.operator(Verb.START)
    passed(stage.ask("trend", BUY))


def test_the_gateway_must_have_announced_the_day() -> None:
    stage = Stage().opened()
    stage.phase(Phase.OPEN, "2026-11-17")
    veto = stage.ask("trend", BUY)
    assert refused(veto) is VetoRule.SESSION
    assert TODAY in veto.detail
    stage.phase(Phase.NO_ENTRIES)
    assert refused(stage.ask("trend", BUY)) is VetoRule.SESSION
    stage.phase(Phase.OPEN)
    passed(stage.ask("trend", BUY))


def test_limits_outside_the_firms_refuse_to_start() -> None:
    for wrong in ({"daily_loss": 1_000}, {"drawdown_kill": 2_000}, {"account_position_tenths": 51}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Governor(settings(**wrong))


def test_the_stage_knows_its_contracts() -> None:
    assert set(ROOTS.values()) == set(PRICES)
    assert M2K in PRICES
