"""A closed market: what is refused and what still works."""

from __future__ import annotations

import pytest

SETTINGS = {"start": "2026-11-18T16:20:00-06:00"}  # the hour between two trading days
CLOSED = "Trading is currently unavailable. The instrument is not in an active trading status."


def test_a_market_order_is_refused_with_code_2_and_the_venue_s_words(trader):
    assert trader.order().code == (False, 2, CLOSED)


def test_a_limit_without_a_price_hears_of_the_hours_first(trader):
    assert trader.order(type=1).code == (False, 2, CLOSED)


@pytest.mark.parametrize(
    ("wish", "text"),
    [({"type": 9}, "Invalid order type specified"), ({"size": 0}, "Invalid order size specified")],
)  # fmt: skip
def test_type_and_size_come_before_the_hours(trader, wish, text):
    assert trader.order(**wish).code == (False, 2, text)


def test_the_refused_order_exists_and_its_tag_is_used(trader):
    tag = trader.tag()
    reply = trader.order(customTag=tag)
    assert trader.find(reply.body["orderId"])["status"] == 5
    assert trader.order(customTag=tag).code[2] == "Specified custom tag is already in use"


def test_questions_are_answered(trader):
    assert trader.post("Account/search", {}).body["success"]
    assert trader.open_orders() == []
    assert trader.contract()


def test_no_quote_is_pushed(trader):
    with trader.hub() as hub:
        hub.invoke("SubscribeContractQuotes", trader.contract("MNQ"))
        hub.nothing()
