"""Brackets: legs that are suspended, open at the fill, know their parent, and end with it."""

from __future__ import annotations

import pytest

from tests.venue.stage import LONG_AGO, wait_for
from tests.venue.wishes import below, cancel, modify, refused


def bracket(sl=-40, tp=40, **wish):
    return {"stopLossBracket": {"ticks": sl, "type": 4},
            "takeProfitBracket": {"ticks": tp, "type": 1}, **wish}  # fmt: skip


def legs(trader, entry):
    """(stop-loss, take-profit) of an entry, however they stand."""
    newest = trader.query(sortBy=1, sortDirection=1).body["orders"]
    rows = [row for row in newest if row.get("parentOrderId") == entry]
    stop = next((row for row in rows if row["type"] in (4, 5)), None)
    profit = next((row for row in rows if row["type"] == 1), None)
    return stop, profit


def resting_entry(trader, **wish):
    entry = trader.placed(**bracket(type=1, limitPrice=below(trader), **wish))
    trader.until(entry, 1)
    return entry


def test_legs_are_suspended_until_the_entry_fills(flat):
    stop, profit = legs(flat, resting_entry(flat))
    assert (stop["status"], profit["status"]) == (8, 8)
    assert (stop["stopPrice"], profit["limitPrice"]) == (None, None)
    assert (stop["side"], profit["side"]) == (1, 1)


def test_suspended_legs_show_their_distance(flat):
    stop, profit = legs(flat, resting_entry(flat))
    assert (stop["trailDistance"], stop["trailPrice"]) == (-40, -10.0)
    assert (profit["trailDistance"], profit["trailPrice"]) == (40, 10.0)


def test_only_a_query_shows_suspended_legs(flat):
    entry = resting_entry(flat)
    assert [row["id"] for row in flat.open_orders()] == [entry]
    found = flat.post("Order/search", {"accountId": flat.account, "startTimestamp": LONG_AGO})
    assert 8 not in [row["status"] for row in found.body["orders"]]
    assert len(flat.query(filter={"statuses": [8]}).body["orders"]) == 2


def test_legs_know_their_parent_and_the_target_its_stop(flat):
    entry = resting_entry(flat)
    stop, profit = legs(flat, entry)
    assert stop["parentOrderId"] == profit["parentOrderId"] == entry
    assert profit["linkedOrderId"] == stop["id"]
    assert "linkedOrderId" not in stop
    assert "parentOrderId" not in flat.find(entry)


def test_ids_ascend_from_entry_to_stop_to_target(flat):
    entry = resting_entry(flat)
    stop, profit = legs(flat, entry)
    assert entry < stop["id"] < profit["id"]
    assert stop["creationTimestamp"] == flat.find(entry)["creationTimestamp"]


def test_legs_carry_the_parent_s_tag_with_a_suffix(flat):
    tag = flat.tag()
    stop, profit = legs(flat, resting_entry(flat, customTag=tag))
    assert (stop["customTag"], profit["customTag"]) == (f"{tag}-SL", f"{tag}-TP")


def test_legs_of_an_untagged_entry_have_no_tag(flat):
    stop, profit = legs(flat, resting_entry(flat))
    assert stop["customTag"] is profit["customTag"] is None


def test_legs_open_at_the_fill_price_plus_their_ticks(flat):
    entry = flat.until(flat.placed(**bracket(sl=-50, tp=60)), 2)
    stop, profit = wait_for(
        lambda: (pair := legs(flat, entry["id"]))[0]["status"] == 1 == pair[1]["status"] and pair
    )
    assert stop["stopPrice"] == entry["filledPrice"] - 12.5
    assert profit["limitPrice"] == entry["filledPrice"] + 15.0
    assert {row["id"] for row in flat.open_orders()} == {stop["id"], profit["id"]}


def test_a_short_entry_has_its_stop_above(flat):
    entry = flat.until(flat.placed(side=1, **bracket(sl=50, tp=-60)), 2)
    stop, profit = legs(flat, entry["id"])
    assert (stop["side"], profit["side"]) == (0, 0)
    wait_for(lambda: legs(flat, entry["id"])[0]["stopPrice"] == entry["filledPrice"] + 12.5)


def test_a_leg_alone_is_enough(flat):
    entry = flat.placed(stopLossBracket={"ticks": -40, "type": 4})
    flat.until(entry, 2)
    stop, profit = legs(flat, entry)
    assert stop
    assert profit is None


def test_a_stop_leg_may_trail(flat):
    entry = flat.placed(stopLossBracket={"ticks": -40, "type": 5})
    flat.until(entry, 2)
    assert legs(flat, entry)[0]["type"] == 5


def test_a_cancelled_entry_takes_its_legs_along(flat):
    entry = resting_entry(flat)
    cancel(flat, entry)
    flat.until(entry, 3)
    wait_for(lambda: [row["status"] for row in legs(flat, entry)] == [3, 3])


def test_moving_one_leg_leaves_the_other(flat):
    entry = flat.until(flat.placed(**bracket()), 2)
    stop, profit = wait_for(lambda: (pair := legs(flat, entry["id"]))[0]["status"] == 1 and pair)
    assert modify(flat, stop["id"], stopPrice=stop["stopPrice"] - 1).body["success"]
    assert flat.find(profit["id"])["limitPrice"] == profit["limitPrice"]
    assert flat.positions()[0]["size"] == 1


@pytest.mark.parametrize(
    ("wish", "text"),
    [
        (bracket(sl=40),
         "Invalid stop loss ticks (40). Ticks should be less than zero when longing."),
        (bracket(tp=-30),
         "Invalid take profit ticks (-30). Ticks should be greater than zero when longing."),
        (bracket(sl=40, tp=30, side=1),
         "Invalid take profit ticks (30). Ticks should be less than zero when going short."),
        (bracket(sl=-40, tp=-30, side=1),
         "Invalid stop loss ticks (-40). Ticks should be greater than zero when going short."),
        (bracket(sl=-3),
         "Invalid stop loss ticks (-3). Stop loss tick value should be at least 4 ticks."),
        ({"stopLossBracket": {"ticks": -40, "type": 1}}, "Invalid stop loss type (Limit)"),
    ],
)  # fmt: skip
def test_bad_brackets_are_refused_with_the_venue_s_words(flat, wish, text):
    assert refused(flat.order(**wish)) == text


def test_brackets_need_both_of_their_members(flat):
    assert flat.order(stopLossBracket={"ticks": -40}).status == 400
