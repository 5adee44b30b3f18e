"""Every rule of the governor: passes at the limit, refuses one beyond, and says the numbers."""

from __future__ import annotations

import msgspec
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
    OrderVetoed,
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
    MYM,
    NQ,
    PRICES,
    ROOTS,
    SELL,
    TODAY,
    Stage,
    dollars,
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


def test_tags_write_the_incarnation_in_base_36() -> None:
    stage = Stage().opened()
    stage.present("trend", 1_795_016_100)
    approved = passed(stage.ask("trend", BUY, incarnation=1_795_016_100))
    assert approved.tag == f"t1.trend.{_base36(1_795_016_100)}.{stage.count}.1"


def _base36(number: int) -> str:
    return (
        ""
        if not number
        else _base36(number // 36) + "0123456789abcdefghijklmnopqrstuvwxyz"[number % 36]
    )


# -- form ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"size": 0}, "size"),
        ({"size": -1}, "size"),
        ({"type": OrderType.TRAILING_STOP}, "type"),
        ({"type": OrderType.JOIN_BID}, "type"),
        ({"type": OrderType.LIMIT}, "LIMIT"),
        ({"type": OrderType.STOP}, "STOP"),
        ({"type": OrderType.MARKET, "limit_price": 84_000}, "MARKET"),
        ({"type": OrderType.STOP, "stop_price": 84_010, "limit_price": 84_000}, "STOP"),
        ({"type": OrderType.LIMIT, "limit_price": 0}, "limit_price"),
        ({"type": OrderType.LIMIT, "limit_price": -5}, "limit_price"),
        ({"stop_loss_ticks": -40}, "stop_loss_ticks"),
        ({"stop_loss_ticks": 0}, "stop_loss_ticks"),
        ({"take_profit_ticks": 0}, "take_profit_ticks"),
        ({"contract": "CON.F.US.XYZ.Z26"}, "contract"),
        ({"contract": "MNQ"}, "contract"),
        ({"purpose": Purpose.NET_STOP}, "purpose"),
        ({"purpose": Purpose.FLATTEN}, "purpose"),
        ({"purpose": Purpose.QUOTE}, "quote"),
        ({"intent_id": "trend.7"}, "intent id"),
        ({"intent_id": "trend.8.1"}, "intent id"),
        ({"intent_id": "other.7.1"}, "intent id"),
        ({"intent_id": "trend.7.-1"}, "intent id"),
        ({"intent_id": ""}, "intent id"),
    ],
)
def test_misshapen_wishes_are_malformed(wrong: dict[str, object], word: str) -> None:
    stage = Stage().opened()
    veto = stage.ask("trend", BUY, **wrong)
    assert refused(veto) is VetoRule.MALFORMED
    assert word in veto.detail
    passed(stage.ask("trend", BUY))


def test_a_contract_that_is_not_the_listed_month_is_malformed() -> None:
    stage = Stage().opened()
    old = "CON.F.US.MNQ.U26"
    stage.tell(msgspec.structs.replace(_quote(stage), contract=old))
    assert refused(stage.ask("trend", BUY, contract=old)) is VetoRule.MALFORMED
    stage.list("MNQ", old)
    passed(stage.ask("trend", BUY, contract=old))


def test_a_contract_whose_tick_is_worth_something_else_is_not_traded() -> None:
    stage = Stage().opened()
    stage.list("MNQ", MNQ, tick_micros=510_000)
    assert refused(stage.ask("trend", BUY)) is VetoRule.MALFORMED
    stage.list("MNQ", MNQ)
    passed(stage.ask("trend", BUY))


def _quote(stage: Stage) -> object:
    stage.quote(MNQ)
    return stage.story[-1][1]


# -- identity --------------------------------------------------------------------------------------


def test_only_the_granted_incarnation_speaks() -> None:
    stage = Stage().opened()
    veto = stage.ask("trend", BUY, incarnation=6)
    assert refused(veto) is VetoRule.AUTHORITY
    assert (veto.limit, veto.actual) == (7, 6)
    assert refused(stage.ask("trend", BUY, incarnation=8)) is VetoRule.AUTHORITY
    stage.present("trend", 8)
    assert refused(stage.ask("trend", BUY, incarnation=7)) is VetoRule.AUTHORITY
    passed(stage.ask("trend", BUY, incarnation=8))


def test_a_sleeve_outside_the_cast_has_no_authority() -> None:
    stage = Stage().opened()
    assert stage.present("stranger") == []
    assert refused(stage.ask("stranger", BUY)) is VetoRule.AUTHORITY


def test_a_repeated_intent_gets_the_same_answer_and_one_exposure() -> None:
    stage = Stage().opened()
    wish = stage.intent("trend", BUY)
    first = stage.tell(wish)
    assert stage.tell(wish) == first
    assert len(stage.governor.mind.state.orders) == 1
    bad = stage.intent("trend", BUY, stop_loss_ticks=None)
    veto = stage.tell(bad)
    stage.quote(MNQ)
    assert stage.tell(bad) == veto


def test_an_intent_older_than_the_window_of_answers_is_a_duplicate() -> None:
    stage = Stage(wide(orders_per_window=1_000)).opened()
    wish = stage.intent("trend", BUY)
    stage.tell(wish)
    for _ in range(128):
        stage.ask("trend", BUY, stop_loss_ticks=None)
    assert len(stage.governor.mind.state.sleeves["trend"].answers) == 128
    (veto,) = stage.tell(wish)
    assert refused(veto) is VetoRule.DUPLICATE


def test_a_wish_lives_until_its_expiry_and_not_longer() -> None:
    stage = Stage().opened()
    veto = stage.ask("trend", BUY, expires_ns=stage.now)  # judged a millisecond later
    assert refused(veto) is VetoRule.EXPIRED
    assert veto.actual - veto.limit == MILLISECOND
    passed(stage.ask("trend", BUY, expires_ns=stage.now + MILLISECOND))


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


# -- size ------------------------------------------------------------------------------------------


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
