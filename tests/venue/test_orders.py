"""Orders: what is accepted, what is refused and with which words, and how an order looks."""

from __future__ import annotations

import pytest

from tests.venue.stage import LONG_AGO
from tests.venue.wishes import above, below, refused

CLASSIC_15 = {
    "id", "accountId", "contractId", "symbolId", "creationTimestamp", "updateTimestamp", "status",
    "type", "side", "size", "limitPrice", "stopPrice", "fillVolume", "filledPrice", "customTag",
}  # fmt: skip


# -- place -----------------------------------------------------------------------------------------


def test_a_place_answer_has_exactly_four_members(flat):
    reply = flat.order()
    assert reply.body.keys() == {"orderId", "success", "errorCode", "errorMessage"}
    assert reply.code == (True, 0, None)


def test_ids_of_orders_are_large_and_grow(flat):
    first, second = flat.placed(), flat.placed(side=1)
    assert 2**31 < first < second < 2**53


def test_a_market_order_fills(flat):
    row = flat.until(flat.placed(size=2), 2)
    assert (row["fillVolume"], row["size"], row["type"], row["side"]) == (2, 2, 2, 0)
    assert row["filledPrice"] > 0


def test_an_order_row_has_all_members_and_null_for_none(flat):
    row = flat.until(flat.placed(), 2)
    assert row.keys() == CLASSIC_15
    assert row["limitPrice"] is row["stopPrice"] is row["customTag"] is None


def test_update_time_and_symbol_are_never_null(flat):
    row = flat.find(flat.placed())
    assert row["updateTimestamp"]
    assert row["symbolId"] == "F.US.MES"


def test_a_fill_does_not_touch_the_update_time(flat):
    row = flat.until(flat.placed(), 2)
    assert row["updateTimestamp"] == row["creationTimestamp"]


def test_a_limit_order_rests(flat):
    price = below(flat)
    row = flat.until(flat.placed(type=1, limitPrice=price), 1)
    assert (row["limitPrice"], row["fillVolume"], row["filledPrice"]) == (price, 0, None)


def test_a_stop_order_waits(flat):
    price = above(flat)
    row = flat.until(flat.placed(type=4, stopPrice=price), 1)
    assert row["stopPrice"] == price


def test_join_bid_and_join_ask_take_their_price_from_the_book(flat):
    bid = flat.find(flat.placed(type=6))
    ask = flat.find(flat.placed(type=7, side=1))
    bid, ask = flat.until(bid["id"], 1, 2), flat.until(ask["id"], 1, 2)
    assert bid["limitPrice"] < ask["limitPrice"] + 2
    assert (bid["type"], ask["type"]) == (6, 7)


def test_a_trailing_stop_takes_a_level_and_shows_a_distance(flat):
    level = below(flat, 60)
    row = flat.until(flat.placed(type=5, side=1, trailPrice=level), 1)
    assert 40 < row["trailDistance"] < 80
    assert row["trailPrice"] == row["trailDistance"] * 0.25


def test_the_account_comes_before_the_contract(flat):
    reply = flat.order(accountId=1, contractId="nonsense", size=0)
    assert reply.code == (False, 1, None)
    assert reply.body["orderId"] is None


def test_the_contract_comes_before_the_size(flat):
    reply = flat.order(contractId="CON.F.US.NOPE.Z26", size=0)
    assert reply.code == (False, 8, None)
    assert reply.body["orderId"] is None


def test_a_refused_order_exists_with_status_5(flat):
    reply = flat.order(size=0)
    row = flat.find(reply.body["orderId"])
    assert (row["status"], row["fillVolume"]) == (5, 0)


def test_no_reason_is_kept_with_a_refused_order(flat):
    row = flat.find(flat.order(size=0).body["orderId"])
    assert row.keys() == CLASSIC_15


@pytest.mark.parametrize("size", [0, -3])
def test_a_size_that_is_none(flat, size):
    assert refused(flat.order(size=size)) == "Invalid order size specified"


@pytest.mark.parametrize("kind", [0, 3, 8, 999, -1])
def test_types_that_are_not_offered(flat, kind):
    """Also stop-limit, which is in the enum and not on the menu."""
    assert refused(flat.order(type=kind)) == "Invalid order type specified"


def test_the_type_comes_before_the_size(flat):
    assert refused(flat.order(type=999, size=0)) == "Invalid order type specified"


def test_a_limit_off_the_grid(flat):
    text = refused(flat.order(type=1, limitPrice=below(flat) + 0.1))
    assert text == "Invalid limit price. Price is not aligned to tick size."


def test_a_stop_off_the_grid(flat):
    text = refused(flat.order(type=4, stopPrice=above(flat) + 0.1))
    assert text == "Invalid stop price. Price is not aligned to tick size."


@pytest.mark.parametrize("price", [0.25, 1e9, -5.0])
def test_a_limit_far_away(flat, price):
    text = refused(flat.order(type=1, limitPrice=price))
    assert text == "Invalid price. Price is outside allowed range."


def test_a_stop_on_the_wrong_side(flat):
    text = refused(flat.order(type=4, side=0, stopPrice=below(flat)))
    assert text == "Invalid price. Price is outside allowed range."


@pytest.mark.parametrize("members", [{}, {"limitPrice": 0}, {"limitPrice": None}])
def test_a_limit_order_without_its_price(flat, members):
    refused(flat.order(type=1, **members))


def test_a_trailing_stop_without_its_level(flat):
    assert refused(flat.order(type=5, side=1)) == "Trail Distance not set."


def test_a_trail_off_the_grid(flat):
    text = refused(flat.order(type=5, side=1, trailPrice=below(flat) + 0.1))
    assert text == "Invalid trail price. Price is not aligned to tick size."


def test_a_trail_beyond_a_thousand_ticks(flat):
    """What happens when a distance is sent where a level belongs."""
    text = refused(flat.order(type=5, side=1, trailPrice=5.0))
    assert text == "Trail Distance exceeds maximum (1000)"


def test_more_than_the_account_may_hold(flat):
    assert refused(flat.order(size=500)) == "Not enough margin."


def test_an_expired_contract_is_not_active(flat):
    assert flat.order(contractId="CON.F.US.MES.U26").code[:2] == (False, 9)


def test_empty_and_zero_optionals_mean_nothing(flat):
    reply = flat.order(
        limitPrice=0, stopPrice=0, trailPrice=0, customTag="", linkedOrderId=None,
        stopLossBracket={"ticks": 0, "type": 4}, takeProfitBracket={"ticks": 0, "type": 1},
    )  # fmt: skip
    assert reply.body["success"]
    row = flat.until(reply.body["orderId"], 2)
    assert row["customTag"] is None


def test_the_legacy_link_is_accepted_and_ignored(flat):
    row = flat.until(flat.placed(linkedOrderId=5), 2)
    assert "linkedOrderId" not in row


# -- tags ------------------------------------------------------------------------------------------


def test_a_tag_comes_back(flat):
    tag = flat.tag()
    assert flat.find(flat.placed(customTag=tag))["customTag"] == tag


def test_a_tag_used_twice_is_refused_with_a_new_id(flat):
    tag = flat.tag()
    first = flat.placed(customTag=tag)
    reply = flat.order(customTag=tag)
    assert refused(reply) == "Specified custom tag is already in use"
    assert reply.body["orderId"] != first


def test_a_refused_order_keeps_its_tag(flat):
    tag = flat.tag()
    refused(flat.order(customTag=tag, size=0))
    assert refused(flat.order(customTag=tag)) == "Specified custom tag is already in use"


def test_a_cancelled_order_keeps_its_tag(flat):
    tag = flat.tag()
    order = flat.placed(customTag=tag, type=1, limitPrice=below(flat))
    flat.until(order, 1)
    flat.post("Order/cancel", {"accountId": flat.account, "orderId": order})
    assert refused(flat.order(customTag=tag)) == "Specified custom tag is already in use"


# -- searches --------------------------------------------------------------------------------------


def test_a_search_has_all_statuses_ascending_by_id(flat):
    price = below(flat)
    filled, resting = flat.placed(), flat.placed(type=1, limitPrice=price)
    bad = flat.order(size=0).body["orderId"]
    flat.until(filled, 2)
    flat.until(resting, 1)
    rows = flat.post("Order/search", {"accountId": flat.account, "startTimestamp": LONG_AGO})
    ids = [row["id"] for row in rows.body["orders"]]
    assert ids == sorted(ids)
    assert {filled, resting, bad} <= set(ids)


def test_a_search_looks_at_the_creation_time(flat):
    row = flat.find(flat.placed())
    after = {"accountId": flat.account, "startTimestamp": row["creationTimestamp"]}
    assert row["id"] in [one["id"] for one in flat.post("Order/search", after).body["orders"]]
    until = {"accountId": flat.account, "startTimestamp": LONG_AGO, "endTimestamp": LONG_AGO}
    assert flat.post("Order/search", until).body["orders"] == []


def test_open_orders_are_open_only(flat):
    resting = flat.placed(type=1, limitPrice=below(flat))
    flat.until(resting, 1)
    done = flat.placed()
    flat.until(done, 2)
    assert [row["id"] for row in flat.open_orders()] == [resting]


def test_an_order_by_id_is_one_object(flat):
    order = flat.placed()
    reply = flat.post("Order/searchById", {"accountId": flat.account, "orderId": order})
    assert reply.body["order"]["id"] == order


def test_an_unknown_order_by_id_is_code_1_and_null(flat):
    reply = flat.post("Order/searchById", {"accountId": flat.account, "orderId": 5})
    assert (reply.code, reply.body["order"]) == ((False, 1, None), None)


@pytest.mark.parametrize("path", ["Order/search", "Order/searchOpen", "Trade/search"])
def test_searches_in_another_account_are_code_1(flat, path):
    reply = flat.post(path, {"accountId": 1, "startTimestamp": LONG_AGO})
    assert reply.code == (False, 1, None)


def test_a_query_filters_by_status_and_contract(flat):
    resting = flat.placed(type=1, limitPrice=below(flat))
    flat.until(resting, 1)
    wish = {"statuses": [1], "contractId": flat.contract()}
    rows = flat.query(filter=wish).body["orders"]
    assert [row["id"] for row in rows] == [resting]
    assert flat.query(filter={"contractId": "CON.F.US.MNQ.Z26"}).body["orders"] == []


def test_a_query_pages_sorts_and_counts(flat):
    ids = [flat.placed(), flat.placed(side=1), flat.placed(), flat.placed(side=1)]
    told = flat.query(pageSize=2, pageOffset=0, sortBy=1, sortDirection=1, includeTotalCount=True)
    assert [row["id"] for row in told.body["orders"]] == [ids[3], ids[2]]
    assert told.body["totalCount"] >= 4
    second = flat.query(pageSize=2, pageOffset=2, sortBy=1, sortDirection=1)
    assert [row["id"] for row in second.body["orders"]] == [ids[1], ids[0]]
    assert second.body["totalCount"] is None


@pytest.mark.parametrize(
    "wish",
    [{"pageSize": 0}, {"pageSize": 100_000}, {"pageOffset": -1}, {"filter": {"statuses": [77]}}],
)
def test_a_bad_query_is_a_problem(flat, wish):
    reply = flat.query(**wish)
    assert reply.status == 400
    assert reply.headers["Content-Type"].startswith("application/problem+json")


def test_a_query_without_a_filter_is_400(flat):
    assert flat.post("Order/v2/query", {"pageSize": 1}).status == 400
