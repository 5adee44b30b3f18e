"""A change of a resting order is asked again whatever may have become of the world meanwhile.

One scene for every rule of a change: the same quote moved by a tick, or the same stop moved away,
passes in a fair world and is refused, by that rule, in one that is wrong in one way. A rule without
a scene fails `test_every_rule_of_a_change_has_its_scene`; one that falls out of its tuple fails its
scene.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.risk_governor import checks
from services.risk_governor.core import Governor
from services.risk_governor.latches import latch
from services.risk_governor.words import DiskSpace, Holding, OthersHold, Verb
from shared.events import (
    Event,
    FeedState,
    FeedStatus,
    ModifyApproved,
    OrderApproved,
    OrderState,
    OrderVetoed,
    PeerSilent,
    Purpose,
    Quote,
    Side,
    VenueState,
    VetoRule,
)
from shared.units import HOUR, MINUTE, SECOND
from tests.governor_resting import MOVED, held, loosened, rest, resting
from tests.governor_stage import (
    BUY,
    M2K,
    MES,
    MNQ,
    OPENING,
    SELL,
    Stage,
    dollars,
    passed,
    refused,
    wide,
)

NO_ENTRIES = OPENING + 5 * HOUR + 25 * MINUTE  # 15:00 CT


def moved(stage: Stage, name: str, price: int = MOVED) -> Event | None:
    return stage.modify("market_maker", name, limit_price=price)


# -- what is wrong with the world ------------------------------------------------------------------


def paused(stage: Stage) -> None:
    stage.operator(Verb.PAUSE)


def switched_off(contract: str, sleeve: str) -> Callable[[Stage], None]:
    def act(stage: Stage) -> None:
        for side in (BUY, SELL):
            stage.trade_of(
                1, stage.prices[contract], contract=contract, side=side, sleeve=sleeve,
                purpose=Purpose.QUOTE,
            )  # fmt: skip

    return act


def late(stage: Stage) -> None:
    stage.at(NO_ENTRIES)


def unreconciled(stage: Stage) -> None:
    stage.venue(VenueState.RECONCILING)


def router_silent(stage: Stage) -> None:
    stage.tell(PeerSilent(actor="order_router"))


def disk_low(stage: Stage) -> None:
    stage.tell(DiskSpace(free_mb=499))


def another_account(stage: Stage) -> None:
    stage.tell(OthersHold(rows=(Holding(account="B", group="index", long=0, short=1),)))


def old_quote(stage: Stage) -> None:
    stage.now += 4 * SECOND


def feed_down(stage: Stage) -> None:
    stage.tell(FeedStatus(state=FeedState.DOWN, since_ns=stage.now))


def skewed(stage: Stage) -> None:
    stage.tell(
        Quote(
            contract=M2K, bid=24_000, ask=24_001, venue_ns=stage.now - 6 * SECOND,
            recv_ns=stage.now,
        )
    )  # fmt: skip


def spread_wide(stage: Stage) -> None:
    stage.quote(M2K, 23_990, 24_011)


def jumped(stage: Stage) -> None:
    stage.pulse()
    stage.quote(M2K, 24_100)
    stage.pulse()


def near_the_limit(stage: Stage) -> None:
    stage.pulse()  # the day's settlement: 24,000
    stage.quote(M2K, 25_300)


def held_for_seconds(stage: Stage) -> None:
    common = {"contract": M2K, "sleeve": "market_maker", "venue_ns": stage.now}
    for _ in range(2):
        stage.trade_of(1, 24_000, purpose=Purpose.QUOTE, **common)
        stage.trade_of(1, 24_000, side=SELL, purpose=Purpose.EXIT, **common)


def in_recovery_another_is_better(stage: Stage) -> None:
    mind = stage.governor.mind
    mind.state.records = {"trend": [dollars(5)], "market_maker": [-dollars(5)]}
    latch(mind, stage.now, "recovery", "half of the day's limit is lost")


def nothing(stage: Stage) -> None:
    """The world is fair; the change itself is wrong."""


def held_blind(stage: Stage) -> None:
    """Another contract is held that nobody quotes any more."""
    stage.trade_of(1, 24_000, contract=MES, sleeve="mean_reversion", purpose=Purpose.ENTRY)
    stage.covered(MES)
    stage.governor.mind.state.marks[MES].bid = 0
    stage.governor.mind.forget(MES)


# -- scenes ----------------------------------------------------------------------------------------


Scene = tuple[dict[str, Any], Callable[[Stage], None], VetoRule]

CHANGES: dict[str, Scene] = {
    "level_is_active": ({}, paused, VetoRule.REDUCE_ONLY),
    "sleeve_is_on": (
        {"fills_per_window": 1}, switched_off(M2K, "market_maker"), VetoRule.SLEEVE_OFF,
    ),
    "session_is_open": ({}, late, VetoRule.SESSION),
    "account_is_known": ({}, unreconciled, VetoRule.NOT_RECONCILED),
    "peers_are_alive": ({}, router_silent, VetoRule.PEER_SILENT),
    "disk_has_room": ({}, disk_low, VetoRule.DISK),
    "others_hold_alike": ({}, another_account, VetoRule.HEDGE),
    "feed_is_fresh": ({}, old_quote, VetoRule.FEED),
    "clocks_agree": ({"clock_skew_s": 5.0, "quote_age_s": 60.0}, skewed, VetoRule.CLOCK_SKEW),
    "spread_is_usual": ({"spread_ticks": 20}, spread_wide, VetoRule.SPREAD),
    "market_is_calm": ({"jump_bp": 40}, jumped, VetoRule.JUMP),
    "price_is_near": ({"price_collar_ticks": 5}, nothing, VetoRule.PRICE_COLLAR),
    "limit_is_far": (
        {"limit_bp": 700, "limit_zone_bp": 200, "price_collar_ticks": 9_000}, near_the_limit,
        VetoRule.PRICE_LIMIT,
    ),
    "order_meets_no_own": ({}, lambda stage: rest(stage, SELL, 24_010), VetoRule.SELF_MATCH),
    "quote_rests": ({}, nothing, VetoRule.QUOTE_CROSSES),
    "rate_is_bearable": ({"orders_per_window": 1}, nothing, VetoRule.ORDER_RATE),
    "account_rate_is_bearable": ({"account_orders_per_window": 1}, nothing, VetoRule.ACCOUNT_RATE),
    "messages_are_meant": (
        {"messages_free": 1, "messages_per_contract": 0}, nothing, VetoRule.MESSAGES,
    ),
    "holding_is_long_enough": (
        {"hold_s": 3.0, "hold_trips": 2}, held_for_seconds, VetoRule.HOLDING,
    ),
    "sleeve_is_best": ({}, in_recovery_another_is_better, VetoRule.NOT_THE_BEST),
}  # fmt: skip

TO = {"price_is_near": 23_994, "order_meets_no_own": 24_010, "quote_rests": 24_001}

LOOSENED: dict[str, Scene] = {
    "level_is_active": ({}, paused, VetoRule.REDUCE_ONLY),
    "sleeve_is_on": ({"fills_per_window": 2}, switched_off(MES, "trend"), VetoRule.SLEEVE_OFF),
    "session_is_open": ({}, late, VetoRule.SESSION),
    "account_is_known": ({}, unreconciled, VetoRule.NOT_RECONCILED),
    "peers_are_alive": ({}, router_silent, VetoRule.PEER_SILENT),
    "feed_is_fresh": ({}, feed_down, VetoRule.FEED),
    "equity_is_known": ({}, held_blind, VetoRule.FEED),
    "rate_is_bearable": ({"orders_per_window": 1}, nothing, VetoRule.ORDER_RATE),
    "account_rate_is_bearable": ({"account_orders_per_window": 1}, nothing, VetoRule.ACCOUNT_RATE),
    "messages_are_meant": (
        {"messages_free": 1, "messages_per_contract": 0},
        nothing,
        VetoRule.MESSAGES,
    ),
    "held_risk_is_bearable": ({"trade_risk": 60}, nothing, VetoRule.TRADE_RISK),
    "slice_bears": ({"allocation_share_percent": 3}, nothing, VetoRule.SLEEVE_BUDGET),
    "open_risk_is_bearable": ({"open_risk": 60}, nothing, VetoRule.OPEN_RISK),
    "floor_stays_far": ({"drawdown_kill": 1_999}, nothing, VetoRule.FLOOR),
    "drawdown_stays_bearable": ({"drawdown_kill": 60}, nothing, VetoRule.DRAWDOWN),
    "day_stays_bearable": ({"daily_loss": 60}, nothing, VetoRule.DAILY_LOSS),
}

FARTHER = {"floor_stays_far": 2_500}
"""How far the stop is moved, ticks, where 60 would not do: 2,500 of two MNQ are 2,500 dollars."""


@pytest.mark.parametrize("name", CHANGES)
def test_a_quote_is_moved_only_where_it_could_be_placed(name: str) -> None:
    limits, wrong, rule = CHANGES[name]
    stage, quote = resting()
    assert isinstance(moved(stage, quote), ModifyApproved)
    stage, quote = resting(**limits)
    wrong(stage)
    assert refused(moved(stage, quote, TO.get(name, MOVED))) is rule


@pytest.mark.parametrize("name", LOOSENED)
def test_a_stop_is_moved_away_only_where_that_much_may_be_risked(name: str) -> None:
    limits, wrong, rule = LOOSENED[name]
    stage, leg = held()
    assert isinstance(loosened(stage, leg), ModifyApproved)
    stage, leg = held(**limits)
    wrong(stage)
    before = stage.governor.mind.state.orders[leg].stop_price
    assert refused(loosened(stage, leg, FARTHER.get(name, 60))) is rule
    assert stage.governor.mind.state.orders[leg].stop_price == before
    assert isinstance(loosened(stage, leg, 39), ModifyApproved), "nearer is never refused"


def test_every_rule_of_a_change_has_its_scene() -> None:
    assert [check.__name__ for check in checks.MODIFY_CHECKS] == list(CHANGES)
    assert [check.__name__ for check in checks.LOOSEN_CHECKS] == list(LOOSENED)


# -- the edges of what is asked --------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "recovery", "passes"), [
    ("62.22", False, True), ("62.21", False, False),
    ("124.44", True, True), ("124.43", True, False),
])  # fmt: skip
def test_a_loosened_stop_risks_what_one_trade_may_and_in_recovery_half(
    limit: str, recovery: bool, passes: bool
) -> None:
    """Two MNQ, 59 ticks from the bid and two of slippage: 61.00, and two exit fees of 0.61."""
    stage, leg = held(recovery_percent=2 if recovery else 0)  # 20 dollars of the firm's 1,000
    stage.quote(MNQ, 83_970)
    stage.quote(MNQ, 84_000)
    assert stage.state().recovery is recovery
    stage.governor.mind.limits.trade_risk = dollars(limit)
    assert isinstance(loosened(stage, leg, 60), ModifyApproved) is passes


WIDE = 23_990, 24_030
"""A market within which our quotes rest wherever they meet each other."""


def coming_down() -> tuple[Stage, str, OrderApproved]:
    """An offer at 24,010 over a bid at 24,000 may come down to 24,005; nobody said that it did."""
    stage, bid = resting()
    stage.quote(M2K, *WIDE)
    order = passed(stage.quote_order(SELL, 24_010))
    stage.update(order, OrderState.WORKING)
    assert isinstance(moved(stage, order.intent_id, 24_005), ModifyApproved)
    return stage, bid, order


def test_two_quotes_do_not_meet_on_their_way() -> None:
    stage, bid, order = coming_down()
    assert refused(moved(stage, bid, 24_006)) is VetoRule.SELF_MATCH
    assert isinstance(moved(stage, bid, 24_004), ModifyApproved)
    stage, bid, order = coming_down()
    stage.update(order, OrderState.WORKING, limit_price=24_005)
    assert isinstance(moved(stage, order.intent_id, 24_010), ModifyApproved)
    stage.update(order, OrderState.WORKING, limit_price=24_010)
    assert isinstance(moved(stage, bid, 24_006), ModifyApproved), "it was there, and left"


def test_what_is_said_of_a_quote_meanwhile_does_not_call_it_back() -> None:
    """A part of it traded, or a second change was refused because the first is under way."""
    stage, bid, order = coming_down()
    stage.update(order, OrderState.WORKING, limit_price=24_010)
    assert isinstance(moved(stage, order.intent_id, 24_008), ModifyApproved)
    assert refused(moved(stage, bid, 24_006)) is VetoRule.SELF_MATCH


@pytest.mark.parametrize(("after_s", "there"), [(9, True), (11, False)])
def test_a_later_comparison_says_where_it_is(after_s: int, there: bool) -> None:
    stage, bid, _ = coming_down()
    stage.pulse(after_s * SECOND)
    stage.reconcile()
    stage.quote(M2K, *WIDE)
    reply = moved(stage, bid, 24_006)
    assert isinstance(reply, OrderVetoed) is there


def test_a_restart_forgets_no_change_before_a_comparison() -> None:
    stage, _, _ = coming_down()
    again = Governor(stage.settings)
    again.restore(stage.governor.snapshot())
    assert [order.nearer is None for order in again.mind.state.orders.values()] == [True, False]


STEPS = st.tuples(
    st.sampled_from(["move", "move", "arrive", "part", "place"]), st.sampled_from([BUY, SELL]),
    st.integers(23_998, 24_002),
)  # fmt: skip


@settings(max_examples=200)
@given(st.lists(STEPS, min_size=6, max_size=30))
def test_no_two_quotes_of_ours_ever_cross_at_the_venue(steps: list[tuple[str, Side, int]]) -> None:
    """Whatever is placed and moved, however late changes arrive, whatever is said meanwhile. A
    second change of an order under way is refused by the router, which then tells its old price."""
    stage = Stage(wide(net_stop_ticks=1)).opened()
    stage.quote(M2K, *WIDE)
    there: dict[str, tuple[OrderApproved, int]] = {}
    under_way: dict[str, int] = {}
    for what, side, price in [("place", BUY, 23_997), ("place", SELL, 24_003), *steps]:
        mine = [name for name, (order, _) in there.items() if order.side is side]
        if what == "place":
            order = stage.quote_order(side, price)
            if isinstance(order, OrderApproved):
                stage.update(order, OrderState.WORKING)
                there[order.intent_id] = order, price
        elif mine:
            name = mine[price % len(mine)]
            order, now = there[name]
            if what == "move":
                approved = isinstance(moved(stage, name, price), ModifyApproved)
                if approved and name not in under_way:
                    under_way[name] = price
                elif approved:
                    stage.update(order, OrderState.WORKING, limit_price=now)
            elif what == "arrive" and name in under_way:
                now = under_way.pop(name)
                there[name] = order, now
                stage.update(order, OrderState.WORKING, limit_price=now)
            else:
                stage.update(order, OrderState.WORKING, limit_price=now)
        bids = [now for order, now in there.values() if order.side is BUY]
        offers = [now for order, now in there.values() if order.side is SELL]
        assert max(bids, default=0) < min(offers, default=30_000)


def test_a_quote_on_its_way_out_stands_where_it_was() -> None:
    stage, bid = resting()
    stage.quote(M2K, *WIDE)
    order = passed(stage.quote_order(SELL, 24_010))
    stage.update(order, OrderState.WORKING)
    assert isinstance(moved(stage, order.intent_id, 24_020), ModifyApproved)
    assert refused(moved(stage, bid, 24_012)) is VetoRule.SELF_MATCH
    stage.update(order, OrderState.WORKING, limit_price=24_020)
    assert isinstance(moved(stage, bid, 24_012), ModifyApproved)
