"""Exits: never vetoed by a rule of risk, never larger than what is held, one at a time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from services.risk_governor.words import SentinelSilent, Verb
from shared.events import (
    FeedState,
    FeedStatus,
    OrderState,
    OrderType,
    OrderVetoed,
    PeerSilent,
    Phase,
    Purpose,
    RiskLevel,
    VenueState,
    VetoRule,
)
from shared.units import HOUR, MINUTE, SECOND
from tests.governor_stage import BUY, M2K, MES, MNQ, OPENING, SELL, Stage, passed, refused, wide

TROUBLE: dict[str, Callable[[Stage], object]] = {
    "halted": lambda stage: stage.operator(Verb.HALT),
    "flattening": lambda stage: stage.operator(Verb.FLATTEN),
    "paused": lambda stage: stage.operator(Verb.PAUSE),
    "lost day": lambda stage: stage.quote(MNQ, 82_000),
    "difference": lambda stage: stage.reconcile(difference="something"),
    "feed down": lambda stage: stage.tell(FeedStatus(state=FeedState.DOWN, since_ns=stage.now)),
    "no quote": lambda stage: stage.quote(MNQ, 0, 0),
    "old quote": lambda stage: stage.wait(20),
    "router silent": lambda stage: stage.tell(PeerSilent(actor="order_router")),
    "sentinel silent": lambda stage: stage.tell(SentinelSilent()),
    "venue down": lambda stage: stage.venue(VenueState.DOWN),
    "quarantine": lambda stage: stage.venue(VenueState.QUARANTINE),
    "no entries": lambda stage: stage.phase(Phase.NO_ENTRIES),
    "after 15:05": lambda stage: stage.at(OPENING + 5 * HOUR + 31 * MINUTE),
    "rolled": lambda stage: stage.list("MNQ", "CON.F.US.MNQ.H27"),
}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_an_exit_passes_in_every_trouble_in_which_an_entry_does_not(trouble: str) -> None:
    stage = Stage(wide()).opened()
    stage.bought("trend")
    TROUBLE[trouble](stage)
    assert isinstance(stage.ask("trend", BUY), OrderVetoed)
    exit_ = passed(stage.ask_exit("trend", SELL))
    assert (exit_.purpose, exit_.size) == (Purpose.EXIT, 1)
    assert exit_.stop_loss_ticks is None


def test_no_count_or_rate_stops_an_exit() -> None:
    stage = Stage(wide(orders_per_window=1, trades_per_day=1, order_size=1)).opened()
    stage.trade_of(5, 84_001, sleeve="trend")
    stage.ask("mean_reversion", BUY, contract=MES)
    assert passed(stage.ask_exit("trend", SELL, 5)).size == 5


def test_identity_and_form_are_still_asked() -> None:
    stage = Stage(wide()).opened()
    stage.bought("trend")
    assert refused(stage.ask_exit("trend", SELL, incarnation=6)) is VetoRule.AUTHORITY
    assert refused(stage.ask_exit("trend", SELL, 0)) is VetoRule.MALFORMED
    assert refused(stage.ask_exit("trend", SELL, expires_ns=stage.now)) is VetoRule.EXPIRED


def test_an_exit_is_cut_to_what_is_held() -> None:
    stage = Stage(wide()).opened()
    stage.bought("trend", 2)
    assert passed(stage.ask_exit("trend", SELL, 5)).size == 2


@pytest.mark.parametrize("side", [BUY, SELL])
def test_nothing_held_is_nothing_to_close(side: object) -> None:
    stage = Stage(wide()).opened()
    veto = stage.ask_exit("trend", side)
    assert refused(veto) is VetoRule.NOT_AN_EXIT
    assert (veto.limit, veto.actual, veto.largest) == (0, 1, 0)


def test_the_wrong_side_and_the_wrong_owner_close_nothing() -> None:
    stage = Stage(wide()).opened()
    stage.bought("trend")
    assert refused(stage.ask_exit("trend", BUY)) is VetoRule.NOT_AN_EXIT
    assert refused(stage.ask_exit("mean_reversion", SELL)) is VetoRule.NOT_AN_EXIT


def test_an_entry_that_only_reduces_is_an_exit_without_a_bracket() -> None:
    stage = Stage(wide()).opened()
    stage.bought("trend")
    stage.operator(Verb.HALT)
    found = passed(stage.ask("trend", SELL))
    assert (found.purpose, found.stop_loss_ticks) == (Purpose.EXIT, None)


def test_an_order_through_flat_is_no_exit() -> None:
    stage = Stage(wide()).opened()
    stage.bought("trend")
    stage.operator(Verb.HALT)
    veto = stage.ask("trend", SELL, 2)
    assert refused(veto) is VetoRule.HALTED
    assert veto.largest == 1  # the part that only closes would pass
    assert passed(stage.ask("trend", SELL, 2, up_to=True)).purpose is Purpose.EXIT


def test_a_quote_that_only_reduces_passes_and_is_no_exposure() -> None:
    stage = Stage(wide()).opened()
    stage.filled(stage.quote_order(BUY, 24_000), 24_000)
    stage.covered(M2K)
    stage.operator(Verb.HALT)
    out = passed(stage.quote_order(SELL, 24_001))
    assert out.purpose is Purpose.QUOTE
    stage.update(out, OrderState.WORKING)
    assert stage.cancelled(stage.wait(1)) == []  # a halt withdraws what opens, not this
    veto = stage.quote_order(SELL, 24_002)
    assert refused(veto) is VetoRule.HALTED
    assert veto.largest == 0


def test_the_latest_exit_wish_replaces_the_one_in_flight() -> None:
    stage = Stage(wide()).opened()
    stage.bought("trend")
    first = passed(stage.ask_exit("trend", SELL, type=OrderType.LIMIT, limit_price=84_050))
    stage.update(first, OrderState.WORKING)
    second = stage.intent("trend", SELL, purpose=Purpose.EXIT)
    stage.tell(second)
    assert stage.cancelled() == [first.intent_id]
    assert [type(event).__name__ for event in stage.said] == ["CancelApproved"]
    assert stage.tell(second) == []  # told again, it still waits
    stage.update(first, OrderState.CANCELLING)
    stage.update(first, OrderState.CANCELLED)
    assert passed(_answer(stage)).intent_id == second.intent_id


def test_a_third_exit_wish_replaces_the_waiting_one() -> None:
    stage = Stage(wide()).opened()
    stage.bought("trend")
    passed(stage.ask_exit("trend", SELL))
    waiting = stage.intent("trend", SELL, purpose=Purpose.EXIT)
    stage.tell(waiting)
    third = stage.intent("trend", SELL, purpose=Purpose.EXIT)
    said = stage.tell(third)
    (veto,) = [event for event in said if isinstance(event, OrderVetoed)]
    assert (veto.intent_id, veto.rule) == (waiting.intent_id, VetoRule.NOT_AN_EXIT)


def test_beside_an_unknown_exit_there_is_no_second() -> None:
    stage = Stage(wide()).opened()
    stage.bought("trend")
    first = passed(stage.ask_exit("trend", SELL))
    stage.update(first, OrderState.UNKNOWN)
    second = stage.intent("trend", SELL, purpose=Purpose.EXIT, expires_ns=stage.now + SECOND)
    stage.tell(second)
    said = stage.wait(2)
    (veto,) = [event for event in said if isinstance(event, OrderVetoed)]
    assert (veto.intent_id, veto.rule) == (second.intent_id, VetoRule.EXPIRED)


def test_a_waiting_exit_is_cut_to_what_the_first_one_left() -> None:
    stage = Stage(wide()).opened()
    stage.bought("trend", 3)
    first = passed(stage.ask_exit("trend", SELL, 3, type=OrderType.LIMIT, limit_price=84_010))
    stage.update(first, OrderState.WORKING)
    second = stage.intent("trend", SELL, 3, purpose=Purpose.EXIT)
    stage.tell(second)
    stage.fill(first, 84_010, 2)
    stage.update(first, OrderState.CANCELLED, filled=2)
    assert passed(_answer(stage)).size == 1


def test_a_waiting_exit_with_nothing_left_is_told_so() -> None:
    stage = Stage(wide()).opened()
    stage.bought("trend")
    first = passed(stage.ask_exit("trend", SELL))
    stage.update(first, OrderState.SENT)
    second = stage.intent("trend", SELL, purpose=Purpose.EXIT)
    stage.tell(second)
    stage.fill(first, 84_000)
    assert refused(_answer(stage)) is VetoRule.NOT_AN_EXIT


def test_an_exit_whose_fills_are_not_booked_still_counts() -> None:
    """An order's end may be told before its fill: until that is booked nothing more is sold."""
    stage = Stage(wide()).opened()
    stage.bought("trend")
    first = passed(stage.ask_exit("trend", SELL))
    stage.update(first, OrderState.FILLED, filled=1)
    second = stage.intent("trend", SELL, purpose=Purpose.EXIT)
    stage.tell(second)
    assert stage.cancelled() == [first.intent_id]
    stage.fill(first, 84_000)
    assert refused(_answer(stage)) is VetoRule.NOT_AN_EXIT
    assert stage.held(MNQ) == 0


def test_an_exit_carried_out_in_the_name_of_a_leg_is_over_with_the_position() -> None:
    """The router re-prices the take-profit, or lets the venue close: the fill bears its name."""
    stage = Stage(wide()).opened()
    entry = stage.bought("trend")
    leg = stage.leg(entry, "-TP", limit_price=84_100)
    exit_ = passed(stage.ask_exit("trend", SELL))
    stage.update(exit_, OrderState.WORKING)
    stage.fill(
        entry, 84_000, side=SELL, intent_id=leg, tag=entry.tag + "-TP",
        purpose=Purpose.TAKE_PROFIT,
    )  # fmt: skip
    stage.update(exit_, OrderState.FILLED, filled=1)
    assert exit_.intent_id not in stage.governor.mind.state.orders
    stage.bought("trend")
    passed(stage.ask_exit("trend", SELL))


def test_the_same_when_the_end_is_told_before_the_fill() -> None:
    stage = Stage(wide()).opened()
    entry = stage.bought("trend")
    exit_ = passed(stage.ask_exit("trend", SELL))
    stage.update(exit_, OrderState.FILLED, filled=1)
    assert exit_.intent_id in stage.governor.mind.state.orders
    stage.fill(entry, 84_000, side=SELL, intent_id="", tag="close-1", purpose=Purpose.FLATTEN)
    assert exit_.intent_id not in stage.governor.mind.state.orders


def test_an_exit_that_has_nothing_left_to_close_is_withdrawn() -> None:
    stage = Stage(wide()).opened()
    entry = stage.bought("trend")
    resting = passed(stage.ask_exit("trend", SELL, type=OrderType.LIMIT, limit_price=84_050))
    stage.update(resting, OrderState.WORKING)
    stage.fill(
        entry, 83_961, side=SELL, intent_id=entry.intent_id + "-SL", tag=entry.tag + "-SL",
        purpose=Purpose.STOP_LOSS,
    )  # fmt: skip
    assert stage.cancelled() == [resting.intent_id]


def test_a_hand_that_closes_leaves_no_exit_behind() -> None:
    stage = Stage(wide()).opened()
    stage.bought("trend")
    resting = passed(stage.ask_exit("trend", SELL, type=OrderType.LIMIT, limit_price=84_050))
    stage.update(resting, OrderState.WORKING)
    stage.trade_of(1, 84_000, side=SELL)
    assert stage.cancelled() == [resting.intent_id]
    assert [book.position for book in stage.books() if book.sleeve == "trend"] == [0]


# -- changes and cancels ---------------------------------------------------------------------------


def test_a_stop_is_tightened_always_and_loosened_only_within_the_rules() -> None:
    stage = Stage(wide(open_risk=60)).opened()
    entry = stage.bought("trend")
    leg = entry.intent_id + "-SL"
    stage.operator(Verb.HALT)
    assert not isinstance(stage.modify("trend", leg, stop_price=83_970), OrderVetoed)
    assert refused(stage.modify("trend", leg, stop_price=83_950)) is VetoRule.HALTED
    stage.operator(Verb.RESUME)
    assert not isinstance(stage.modify("trend", leg, stop_price=83_950), OrderVetoed)
    veto = stage.modify("trend", leg, stop_price=83_880)
    assert refused(veto) is VetoRule.OPEN_RISK
    assert stage.governor.mind.state.orders[leg].stop_price == 83_950
    assert stage.level() is RiskLevel.ACTIVE


def test_a_loosened_stop_counts_from_the_moment_it_is_approved() -> None:
    stage = Stage(wide()).opened()
    entry = stage.bought("trend")
    before = stage.state().open_risk
    stage.modify("trend", entry.intent_id + "-SL", stop_price=83_941)
    assert stage.state().open_risk == before + 20 * 500_000


def test_a_buy_stop_is_loosened_upwards() -> None:
    stage = Stage(wide()).opened()
    entry = stage.bought("trend", side=SELL)
    leg = entry.intent_id + "-SL"
    stage.operator(Verb.HALT)
    assert not isinstance(stage.modify("trend", leg, stop_price=84_030), OrderVetoed)
    assert refused(stage.modify("trend", leg, stop_price=84_050)) is VetoRule.HALTED


def test_an_entry_is_re_priced_under_the_rules_of_its_kind() -> None:
    stage = Stage(wide()).opened()
    rests = passed(stage.quote_order(BUY, 23_990))
    stage.update(rests, OrderState.WORKING)
    found = stage.modify("market_maker", rests.intent_id, limit_price=23_991)
    assert (found.target, found.limit_price, found.contract) == (rests.intent_id, 23_991, M2K)
    veto = stage.modify("market_maker", rests.intent_id, limit_price=23_000)
    assert refused(veto) is VetoRule.PRICE_COLLAR
    stage.phase(Phase.NO_ENTRIES)
    veto = stage.modify("market_maker", rests.intent_id, limit_price=23_991)
    assert refused(veto) is VetoRule.SESSION


CHANGE_TROUBLE = {
    "halted": VetoRule.HALTED,
    "paused": VetoRule.REDUCE_ONLY,
    "venue down": VetoRule.NOT_RECONCILED,
    "router silent": VetoRule.PEER_SILENT,
    "sentinel silent": VetoRule.PEER_SILENT,
    "feed down": VetoRule.FEED,
}


@pytest.mark.parametrize("trouble", CHANGE_TROUBLE)
def test_no_entry_is_re_priced_in_trouble(trouble: str) -> None:
    stage = Stage(wide()).opened()
    rests = passed(stage.quote_order(BUY, 23_990))
    TROUBLE[trouble](stage)
    veto = stage.modify("market_maker", rests.intent_id, limit_price=23_991)
    assert refused(veto) is CHANGE_TROUBLE[trouble]


@pytest.mark.parametrize("trouble", CHANGE_TROUBLE)
def test_no_stop_is_loosened_in_trouble(trouble: str) -> None:
    stage = Stage(wide()).opened()
    leg = stage.bought("trend").intent_id + "-SL"
    TROUBLE[trouble](stage)
    assert refused(stage.modify("trend", leg, stop_price=83_950)) is CHANGE_TROUBLE[trouble]
    assert not isinstance(stage.modify("trend", leg, stop_price=83_970), OrderVetoed)


@pytest.mark.parametrize(
    ("limits", "far", "rule"),
    [
        ({}, 1_850, VetoRule.DAILY_LOSS),
        ({"daily_loss": 999, "drawdown_kill": 500}, 1_100, VetoRule.DRAWDOWN),
        ({"exit_allowance_ticks": 1_550}, 600, VetoRule.FLOOR),
    ],
)
def test_a_loosened_stop_stays_inside_every_level(
    limits: dict[str, int], far: int, rule: VetoRule
) -> None:
    """The floor's case: 775 dollars of allowance on top of a stop 300 away, with 1,000 left."""
    stage = Stage(wide(**limits)).opened()
    leg = stage.bought("trend").intent_id + "-SL"
    if rule is VetoRule.FLOOR:
        stage.governor.mind.state.floor = 49_000_000_000
    assert refused(stage.modify("trend", leg, stop_price=84_001 - far)) is rule
    assert not isinstance(stage.modify("trend", leg, stop_price=83_959), OrderVetoed)


def test_changes_count_against_the_rate() -> None:
    stage = Stage(wide(orders_per_window=2)).opened()
    rests = passed(stage.quote_order(BUY, 23_990))
    stage.modify("market_maker", rests.intent_id, limit_price=23_991)
    veto = stage.modify("market_maker", rests.intent_id, limit_price=23_992)
    assert refused(veto) is VetoRule.ORDER_RATE


@pytest.mark.parametrize("prices", [{}, {"stop_price": 5}, {"limit_price": 0}])
def test_changes_that_make_no_sense_are_malformed(prices: dict[str, int]) -> None:
    stage = Stage(wide()).opened()
    rests = passed(stage.quote_order(BUY, 23_990))
    veto = stage.modify("market_maker", rests.intent_id, **prices)
    assert refused(veto) is VetoRule.MALFORMED


def test_only_ones_own_living_orders_are_changed_or_cancelled() -> None:
    stage = Stage(wide()).opened()
    rests = passed(stage.quote_order(BUY, 23_990))
    assert refused(stage.cancel("trend", rests.intent_id)) is VetoRule.NO_SUCH_ORDER
    assert refused(stage.modify("trend", rests.intent_id, limit_price=23_991)) is (
        VetoRule.NO_SUCH_ORDER
    )
    assert refused(stage.cancel("market_maker", "market_maker.7.999")) is VetoRule.NO_SUCH_ORDER
    found = stage.cancel("market_maker", rests.intent_id)
    assert (found.target, found.contract) == (rests.intent_id, M2K)
    stage.update(rests, OrderState.CANCELLED)
    assert refused(stage.cancel("market_maker", rests.intent_id)) is VetoRule.NO_SUCH_ORDER


@pytest.mark.parametrize("trouble", ["halted", "feed down", "venue down", "router silent"])
def test_a_cancel_passes_in_every_trouble(trouble: str) -> None:
    stage = Stage(wide()).opened()
    rests = passed(stage.quote_order(BUY, 23_990))
    TROUBLE[trouble](stage)
    assert stage.cancel("market_maker", rests.intent_id).target == rests.intent_id


@pytest.mark.parametrize("suffix", ["-SL", "-TP"])
def test_protection_is_never_cancelled(suffix: str) -> None:
    stage = Stage(wide()).opened()
    entry = stage.bought("trend")
    stage.leg(entry, "-TP", limit_price=84_100)
    veto = stage.cancel("trend", entry.intent_id + suffix)
    assert refused(veto) is VetoRule.STOP_REQUIRED


def _answer(stage: Stage) -> object:
    from tests.governor_stage import answer

    return answer(stage.said)
