"""Translation between the venue's decimals and our whole numbers, both ways and against garbage."""

from __future__ import annotations

import math
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts import PRODUCTS, contract_id
from shared.events import OrderType, Side
from shared.units import USD
from shared.venue import translate as tr
from shared.venue import words
from shared.venue.codes import HubAction, OrderKind, VenueOrderStatus

MNQ = "CON.F.US.MNQ.Z26"
MES = "CON.F.US.MES.Z26"
T0 = "2026-11-02T15:30:25.393833+00:00"

contract_ids = st.sampled_from([contract_id(product, 2026, 12) for product in PRODUCTS.values()])
garbage = st.one_of(
    st.none(), st.text(max_size=8), st.booleans(), st.just(float("nan")), st.just(float("inf")),
    st.just(float("-inf")), st.just(1e300), st.lists(st.integers(), max_size=2),
)  # fmt: skip


@given(contract_ids, st.integers(1, 400_000))
def test_prices_go_there_and_back(contract, count):
    assert tr.ticks_of(tr.price_of(count, contract), contract, "price") == count


@given(contract_ids, st.integers(1, 400_000), st.sampled_from([0.3, 0.5, -0.4]))
def test_prices_off_the_grid_are_named(contract, count, off):
    tick = tr.price_of(count + 1, contract) - tr.price_of(count, contract)
    with pytest.raises(ValueError, match="bestBid") as caught:
        tr.ticks_of(tr.price_of(count, contract) + off * tick, contract, "bestBid")
    assert contract in str(caught.value)


@given(garbage)
def test_garbage_is_no_price(value):
    with pytest.raises(ValueError, match="limitPrice was"):
        tr.ticks_of(value, MNQ, "limitPrice")


@pytest.mark.parametrize("value", [0, -1.25, -0.0, 10_000_001])
def test_prices_are_above_zero_and_not_absurd(value):
    with pytest.raises(ValueError, match="limitPrice was"):
        tr.ticks_of(value, MNQ, "limitPrice")


@given(st.integers(-(10**11), 10**11))
def test_cents_are_exact(cents):
    assert tr.micros_of(cents / 100, "balance") == cents * (USD // 100)


@given(st.floats(-1e9, 1e9))
def test_money_is_rounded_half_to_even_at_a_micro_dollar(value):
    exact = Fraction(repr(value)) if "e" not in repr(value) else Fraction(value)
    assert abs(Fraction(tr.micros_of(value, "fees"), USD) - exact) <= Fraction(1, 2 * USD)
    assert tr.micros_of(0.0000005, "fees") == 0
    assert tr.micros_of(0.0000015, "fees") == 2


@given(garbage)
def test_garbage_is_no_money(value):
    if value != 1e300:
        with pytest.raises(ValueError, match="balance was"):
            tr.micros_of(value, "balance")


@pytest.mark.parametrize("value", [-1, 1.0, True, None, "2", 1_000_001])
def test_garbage_is_no_size(value):
    with pytest.raises(ValueError, match="size was"):
        tr.lots_of(value, "size")


def order(**changed):
    base = {
        "id": 11, "account_id": 7, "contract_id": MNQ, "creation_timestamp": T0, "status": 1,
        "type": 1, "side": 0, "size": 2, "limit_price": 29_547.25, "fill_volume": 0,
    }  # fmt: skip
    return words.OrderModel(**{**base, **changed})


def test_an_order_row():
    row = tr.order_row(
        order(custom_tag="t1.trend.a.1.1", parent_order_id=10, fill_volume=1, filled_price=29_547.0)
    )
    assert row.contract == MNQ
    assert (row.side, row.size, row.filled) == (Side.BUY, 2, 1)
    assert row.limit_price == 118_189
    assert row.stop_price is None
    assert row.average_nanos == 29_547_000_000_000
    assert (row.tag, row.parent_id, row.status) == ("t1.trend.a.1.1", 10, VenueOrderStatus.OPEN)
    assert row.type is OrderType.LIMIT


def test_unset_null_and_zero_prices_are_none():
    row = tr.order_row(order(limit_price=0.0, stop_price=None, parent_order_id=None))
    assert (row.limit_price, row.stop_price, row.parent_id) == (None, None, 0)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"status": 9}, "9 is not a valid VenueOrderStatus"),
        ({"type": 99}, "99 is not a valid OrderKind"),
        ({"side": 2}, "order 11 side was 2"),
        ({"size": -1}, "order 11 size was -1"),
        ({"fill_volume": 3}, "fillVolume was 3 of size 2"),
        ({"fill_volume": -1}, "fillVolume was -1"),
        ({"limit_price": 29_547.3}, "limitPrice"),
        ({"stop_price": math.nan}, "stopPrice was nan"),
        ({"creation_timestamp": "soon"}, "creationTimestamp was 'soon'"),
    ],
)
def test_a_contradictory_order_is_named(changed, named):
    with pytest.raises(ValueError, match=named):
        tr.order_row(order(**changed))


def test_a_foreign_order_can_be_seen_without_prices():
    row = tr.order_row(order(contract_id="CON.F.US.XYZ.Z26", limit_price=85.13))
    assert row.foreign
    assert row.limit_price is None
    assert (row.size, row.order_id) == (2, 11)


def test_a_stop_limit_order_of_a_human_has_no_type_of_ours():
    assert tr.order_row(order(type=3)).type is None


def trade(**changed):
    base = {
        "id": 5, "account_id": 7, "contract_id": MNQ, "creation_timestamp": T0, "price": 29_542.25,
        "profit_and_loss": None, "fees": 0.36, "side": 1, "size": 2, "order_id": 11,
    }  # fmt: skip
    return words.TradeModel(**{**base, **changed})


def test_a_fill_costs_the_same_from_hub_and_rest():
    told_by_hub = tr.trade_row(trade(fees=0.72, commissions=0.5))
    told_by_rest = tr.trade_row(trade(fees=0.72))
    assert told_by_hub.fee == told_by_rest.fee == 1_220_000  # 0.61 a side and contract


def test_a_dearer_fee_than_published_is_believed():
    assert tr.trade_row(trade(fees=9.0)).fee == 9_000_000


def test_a_trade_row():
    row = tr.trade_row(trade(profit_and_loss=-49, voided=True))
    assert (row.side, row.size, row.price) == (Side.SELL, 2, 118_169)
    assert (row.profit, row.voided) == (-49_000_000, True)
    assert tr.trade_row(trade()).profit is None


def position(**changed):
    base = {
        "id": 3, "account_id": 7, "contract_id": MES, "creation_timestamp": T0, "type": 2,
        "size": 3, "average_price": 6_875.333333,
    }  # fmt: skip
    return words.PositionModel(**{**base, **changed})


def test_a_position_row_is_signed():
    assert tr.position_row(position()).lots == -3
    assert tr.position_row(position(type=1)).lots == 3
    assert tr.position_row(position(type=0, size=0)).lots == 0
    assert tr.position_row(position()).average_nanos == 6_875_333_333_000
    assert tr.position_row(position(contract_id="CON.F.US.CLE.Z26")).lots == -3  # closable


@pytest.mark.parametrize("changed", [{"type": 0}, {"type": 7}, {"size": -3}])
def test_a_position_without_direction_is_refused(changed):
    with pytest.raises(ValueError, match="position 3"):
        tr.position_row(position(**changed))


def test_an_account_that_does_not_say_it_is_simulated_is_not():
    model = words.AccountModel(id=1, name="A", balance=49_989.34, can_trade=True)
    assert not tr.account_row(model).simulated
    assert tr.account_row(model).balance == 49_989_340_000
    assert tr.account_row(msgspec.structs.replace(model, simulated=True)).simulated


def test_a_contract_row_keeps_the_venue_s_idea_of_a_tick():
    model = words.ContractModel(
        id="CON.F.US.JY6.U26", name="6JU6", description="Yen", tick_size=5e-07, tick_value=6.25,
        active_contract=True,
    )  # fmt: skip
    row = tr.contract_row(model)
    assert (row.tick_nanos, row.tick_micros) == (500, 6_250_000)


def bar(**changed):
    base = {"t": "2026-08-19T20:51:00+00:00", "o": 10, "h": 11.0, "l": 9.75, "c": 10.25, "v": 5}
    return words.BarModel(**{**base, **changed})


def test_a_bar_row():
    row = tr.bar_row(bar(), MNQ)
    assert (row.open, row.high, row.low, row.close, row.volume) == (40, 44, 39, 41, 5)


@pytest.mark.parametrize("changed", [{"h": 10.0}, {"l": 10.25}, {"v": -1}, {"c": 12}, {"o": 9.5}])
def test_a_bar_that_contradicts_itself_is_refused(changed):
    with pytest.raises(ValueError, match="contradicts itself"):
        tr.bar_row(bar(**changed), MNQ)


# -- user hub --------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrapped", [True, False])
def test_user_events_come_wrapped_and_flat(wrapped):
    data = words.to_hub(position())
    payload = {"action": 1, "data": data} if wrapped else data
    event = tr.user_event(words.USER_POSITION, [payload])
    assert event.row == tr.position_row(position())
    assert event.action == (HubAction.UPDATE if wrapped else None)


@given(
    st.sampled_from(sorted(words.USER_TARGETS)),
    st.recursive(garbage, lambda inner: st.dictionaries(st.text(max_size=4), inner, max_size=3)),
)
def test_garbage_from_the_user_hub_is_a_named_complaint(target, payload):
    with pytest.raises(ValueError, match=target):
        tr.user_event(target, [payload])
    with pytest.raises(ValueError, match=target):
        tr.user_event(target, [{"action": 1, "data": payload}])
    with pytest.raises(ValueError, match=target):
        tr.user_event(target, payload)


def test_unknown_user_events_are_refused():
    with pytest.raises(ValueError, match="GatewayNews"):
        tr.user_event("GatewayNews", [{}])


# -- requests --------------------------------------------------------------------------------------


@given(st.sampled_from(Side), st.integers(0, 500), st.integers(0, 500))
def test_bracket_signs_follow_the_side(side, loss, profit):
    signed_loss, signed_profit = tr.bracket_ticks(side, loss, profit)
    assert (signed_loss * side.value, signed_profit * side.value) == (-loss, profit)


def test_negative_bracket_distances_are_a_bug():
    with pytest.raises(ValueError, match="distances were -4"):
        tr.bracket_ticks(Side.BUY, -4, 4)


def test_an_order_for_the_wire():
    request = tr.place_order(
        7, MNQ, side=Side.SELL, size=2, type=OrderType.LIMIT, tag="t1.trend.a.1.1",
        limit_price=118_169, stop_loss_ticks=40, take_profit_ticks=80,
    )  # fmt: skip
    assert request.limit_price == 29_542.25
    assert (request.type, request.side) == (OrderKind.LIMIT, 1)
    assert request.stop_loss_bracket == words.BracketModel(ticks=40, type=OrderKind.STOP)
    assert request.take_profit_bracket == words.BracketModel(ticks=-80, type=OrderKind.LIMIT)
    bare = tr.place_order(7, MNQ, side=Side.BUY, size=1, type=OrderType.MARKET, tag="")
    assert bare.stop_loss_bracket is bare.take_profit_bracket is bare.custom_tag is None


@given(st.sampled_from(OrderType))
def test_order_types_translate_both_ways(kind):
    request = tr.place_order(7, MNQ, side=Side.BUY, size=1, type=kind, tag="x")
    assert tr.TYPE_FROM_VENUE[OrderKind(request.type)] is kind


def test_a_change_for_the_wire_leaves_the_rest_alone():
    change = tr.modify_order(7, 11, MNQ, stop_price=118_169)
    assert (change.stop_price, change.limit_price, change.size) == (29_542.25, None, None)
