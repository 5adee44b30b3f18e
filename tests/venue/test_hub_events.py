"""Hubs: what is pushed, in which order, with which members; ends of tokens."""

from __future__ import annotations

import re
import time

from tests.venue.stage import Trader, wait_for

HUB_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?\+00:00")
USER = ("GatewayUserOrder", "GatewayUserTrade", "GatewayUserPosition", "GatewayUserAccount")


def listening(hub, account):
    hub.invoke("SubscribeAccounts")
    for what in ("Orders", "Positions", "Trades"):
        hub.invoke(f"Subscribe{what}", account)


def heard(flat, act, enough):
    """User events that follow from `act`, until `enough` of them."""
    with flat.hub("user") as hub:
        listening(hub, flat.account)
        act()
        return hub.events(enough)


def status(event):
    return event[1]["data"]["status"] if event[0] == "GatewayUserOrder" else None


def rows(events, target):
    return [payload["data"] for name, payload in events if name == target]


def has_account(events):
    return any(name == "GatewayUserAccount" for name, _ in events)


# -- user ------------------------------------------------------------------------------------------


def test_a_market_order_is_told_as_order_order_trade_position_account(flat):
    events = heard(flat, lambda: flat.placed(), has_account)
    assert [name for name, _ in events] == [
        "GatewayUserOrder", "GatewayUserOrder", "GatewayUserTrade", "GatewayUserPosition",
        "GatewayUserAccount",
    ]  # fmt: skip
    assert [status(event) for event in events[:2]] == [6, 2]


def test_user_events_are_wrapped_in_action_and_data(flat):
    events = heard(flat, lambda: flat.placed(), has_account)
    assert all(payload.keys() == {"action", "data"} for _, payload in events)
    actions = {name: payload["action"] for name, payload in events}
    assert actions == dict(zip(USER, (1, 0, 1, 1), strict=True))


def test_members_without_a_value_are_left_out(flat):
    events = heard(flat, lambda: flat.placed(), has_account)
    for _, payload in events:
        assert None not in payload["data"].values()
    first = rows(events, "GatewayUserOrder")[0]
    assert not {"limitPrice", "stopPrice", "filledPrice", "customTag"} & first.keys()
    assert "profitAndLoss" not in rows(events, "GatewayUserTrade")[0]


def test_hub_times_have_an_offset_and_at_most_seven_digits(flat):
    events = heard(flat, lambda: flat.placed(), has_account)
    for row in rows(events, "GatewayUserOrder") + rows(events, "GatewayUserTrade"):
        assert HUB_TIME.fullmatch(row["creationTimestamp"])


def test_an_order_event_names_its_update_time_and_symbol(flat):
    events = heard(flat, lambda: flat.placed(), has_account)
    for row in rows(events, "GatewayUserOrder"):
        assert row["updateTimestamp"]
        assert row["symbolId"] == "F.US.MES"


def test_a_flat_position_is_type_0_size_0_with_its_price_and_action_2(flat):
    flat.until(flat.placed(), 2)
    before = wait_for(flat.positions)[0]
    events = heard(flat, lambda: flat.placed(side=1), has_account)
    action, row = next((p["action"], p["data"]) for n, p in events if n == "GatewayUserPosition")
    assert (action, row["type"], row["size"]) == (2, 0, 0)
    assert row["averagePrice"] == before["averagePrice"]


def test_a_closing_trade_carries_its_profit(flat):
    flat.until(flat.placed(), 2)
    events = heard(flat, lambda: flat.placed(side=1), has_account)
    assert isinstance(rows(events, "GatewayUserTrade")[0]["profitAndLoss"], float)


def test_the_account_event_has_the_new_balance(flat):
    events = heard(flat, lambda: flat.placed(), has_account)
    told = rows(events, "GatewayUserAccount")[0]
    found = flat.post("Account/search", {"onlyActiveAccounts": True}).body["accounts"]
    assert told["balance"] == next(row["balance"] for row in found if row["id"] == told["id"])


def test_a_limit_order_is_told_pending_then_open(flat):
    price = flat.quote()[0] - 10
    events = heard(
        flat, lambda: flat.placed(type=1, limitPrice=price), lambda found: len(found) == 2
    )
    assert [status(event) for event in events] == [6, 1]


def test_a_rejection_is_told_without_a_reason(flat):
    events = heard(flat, lambda: flat.order(size=0), lambda found: len(found) == 1)
    assert status(events[0]) == 5
    assert events[0][1]["data"]["fillVolume"] == 0


def test_a_cancel_is_told(flat):
    order = flat.placed(type=1, limitPrice=flat.quote()[0] - 10)
    flat.until(order, 1)

    def cancel():
        flat.post("Order/cancel", {"accountId": flat.account, "orderId": order})

    events = heard(flat, cancel, lambda found: len(found) == 1)
    assert (status(events[0]), events[0][1]["data"]["id"]) == (3, order)


def bracketed(flat):
    """Events of a market entry with both legs, until both are open."""
    wish = {"stopLossBracket": {"ticks": 60, "type": 4},
            "takeProfitBracket": {"ticks": -60, "type": 1}}  # fmt: skip
    return heard(
        flat, lambda: flat.placed(side=1, **wish), lambda found: [*map(status, found)].count(1) == 2
    )


def test_legs_are_told_around_their_entry_suspended(flat):
    events = bracketed(flat)
    first = [event for event in events if event[0] == "GatewayUserOrder"][:3]
    assert [status(event) for event in first] == [8, 6, 8]
    assert [event[1]["data"]["type"] for event in first] == [4, 2, 1]


def test_suspended_legs_tell_distance_and_parent_but_no_price(flat):
    orders = rows(bracketed(flat), "GatewayUserOrder")
    stop, entry, profit = orders[:3]
    assert (stop["trailDistance"], stop["trailPrice"]) == (60, 15.0)
    assert (profit["trailDistance"], profit["trailPrice"]) == (-60, -15.0)
    assert stop["parentOrderId"] == profit["parentOrderId"] == entry["id"]
    assert profit["linkedOrderId"] == stop["id"]
    assert not {"stopPrice", "limitPrice"} & (stop.keys() | profit.keys())


def test_the_target_opens_before_the_stop_after_the_fill(flat):
    events = bracketed(flat)
    names = [name for name, _ in events]
    opened = [event[1]["data"]["type"] for event in events if status(event) == 1]
    assert opened == [1, 4]
    assert names.index("GatewayUserAccount") < names.index("GatewayUserOrder", 4)


def test_when_a_leg_fills_its_sibling_is_cancelled_after_the_trade(flat):
    wish = {"stopLossBracket": {"ticks": -100, "type": 4},
            "takeProfitBracket": {"ticks": 100, "type": 1}}  # fmt: skip
    with flat.hub("user") as hub:
        listening(hub, flat.account)
        flat.placed(**wish)
        hub.events(lambda found: [*map(status, found)].count(1) == 2)
        stop = next(row for row in flat.open_orders() if row["type"] == 4)
        profit = next(row for row in flat.open_orders() if row["type"] == 1)
        price = flat.quote()[0] - 5  # which fills, wherever the market has gone meanwhile
        flat.post("Order/modify", {"accountId": flat.account, "orderId": profit["id"],
                                   "limitPrice": price})  # fmt: skip
        events = hub.events(lambda found: 3 in map(status, found))
    names = [name for name, _ in events]
    assert events[-1][1]["data"]["id"] == stop["id"]
    assert "GatewayUserTrade" in names


def test_events_of_other_accounts_are_not_heard(flat):
    with flat.hub("user") as hub:
        hub.invoke("SubscribeOrders", flat.account + 1)
        flat.until(flat.placed(), 2)
        hub.nothing()


def test_without_a_subscription_nothing_is_heard(flat):
    with flat.hub("user") as hub:
        flat.until(flat.placed(), 2)
        hub.nothing()


def test_an_unsubscription_ends_the_events(flat):
    with flat.hub("user") as hub:
        hub.invoke("SubscribeOrders", flat.account)
        hub.invoke("UnsubscribeOrders", flat.account)
        flat.until(flat.placed(), 2)
        hub.nothing()


def test_subscribing_twice_does_not_double_events(flat):
    with flat.hub("user") as hub:
        hub.invoke("SubscribeTrades", flat.account)
        hub.invoke("SubscribeTrades", flat.account)
        flat.until(flat.placed(), 2)
        assert hub.event("GatewayUserTrade")
        hub.nothing()


def test_nothing_is_replayed_after_a_reconnect(flat):
    with flat.hub("user") as hub:
        hub.invoke("SubscribeOrders", flat.account)
    flat.until(flat.placed(), 2)
    with flat.hub("user") as hub:
        hub.invoke("SubscribeOrders", flat.account)
        hub.nothing()


# -- market ----------------------------------------------------------------------------------------


def test_the_first_quote_is_full_and_later_ones_sparse(trader):
    contract = trader.contract("MNQ")
    with trader.hub() as hub:
        hub.invoke("SubscribeContractQuotes", contract)
        about, first = hub.event("GatewayQuote")
        assert about == contract
        assert {"symbol", "lastPrice", "bestBid", "bestAsk", "change", "changePercent", "open",
                "high", "low", "volume", "lastUpdated", "timestamp", "contract",
                } == first.keys()  # fmt: skip
        later = [hub.event("GatewayQuote")[1] for _ in range(20)]
        assert any(len(quote) < 8 for quote in later)
        assert all({"symbol", "timestamp", "lastUpdated"} <= quote.keys() for quote in later)


def test_a_quote_names_the_symbol_without_a_month(trader):
    with trader.hub() as hub:
        hub.invoke("SubscribeContractQuotes", trader.contract("NQ"))
        hub.invoke("SubscribeContractQuotes", trader.contract("MNQ"))
        assert hub.event("GatewayQuote")[1]["symbol"] in ("F.US.MNQ", "F.US.ENQ")


def test_a_quote_s_volume_is_the_session_s_total(trader):
    with trader.hub() as hub:
        hub.invoke("SubscribeContractQuotes", trader.contract("MNQ"))
        volumes = [quote["volume"] for quote in (hub.event("GatewayQuote")[1] for _ in range(40))
                   if "volume" in quote]  # fmt: skip
        assert volumes == sorted(volumes)


def test_prints_come_in_arrays_of_one(trader):
    with trader.hub() as hub:
        hub.invoke("SubscribeContractTrades", trader.contract("MNQ"))
        for _ in range(3):
            [row] = hub.event("GatewayTrade")[1]
            assert row.keys() == {"symbolId", "price", "timestamp", "type", "volume", "contractId"}
            assert row["type"] in (0, 1)
            assert row["volume"] > 0


def test_depth_comes_in_arrays_and_begins_with_a_reset(trader):
    with trader.hub() as hub:
        hub.invoke("SubscribeContractMarketDepth", trader.contract("MNQ"))
        rows_ = hub.event("GatewayDepth")[1]
        assert rows_[0]["type"] == 6
        assert {row["type"] for row in rows_[1:]} == {1, 2}
        for row in rows_:
            assert {"timestamp", "type", "price", "volume", "currentVolume"} <= row.keys()


def test_a_standing_book_is_not_crossed(trader):
    time.sleep(0.5)
    with trader.hub() as hub:
        hub.invoke("SubscribeContractMarketDepth", trader.contract("MNQ"))
        rows_ = hub.event("GatewayDepth")[1]
        bids = [row["price"] for row in rows_ if row["type"] == 2]
        asks = [row["price"] for row in rows_ if row["type"] == 1]
        assert max(bids) < min(asks)


def test_one_connection_hears_several_contracts(trader):
    with trader.hub() as hub:
        wanted = {trader.contract("MES"), trader.contract("MNQ")}
        for contract in wanted:
            hub.invoke("SubscribeContractQuotes", contract)
        found = set()
        while found != wanted:
            found.add(hub.event("GatewayQuote")[0])


def test_a_contract_that_is_not_known_is_silence(trader):
    with trader.hub() as hub:
        assert hub.invoke("SubscribeContractQuotes", "CON.F.US.NOPE.Z26")["result"] == 0
        hub.nothing()


def test_no_event_carries_an_invocation_id(trader):
    with trader.hub() as hub:
        hub.invoke("SubscribeContractQuotes", trader.contract("MNQ"))
        while (told := hub.record())["type"] != 1:
            pass
        assert told.keys() == {"type", "target", "arguments"}


# -- tokens ----------------------------------------------------------------------------------------


def test_a_logout_ends_the_hubs_of_that_token_with_gatewaylogout_and_a_close(venue, trader):
    other = Trader(venue)
    with trader.hub("user") as mine, other.hub("user") as theirs:
        trader.post("Auth/logout")
        told = mine.record()
        assert (told["target"], told["arguments"]) == ("GatewayLogout", [])
        told = mine.record()
        assert (told["type"], told["allowReconnect"]) == (7, True)
        assert mine.record() is None
        theirs.nothing(0.4)
    other.close()


def test_a_second_login_leaves_the_first_one_s_hubs_alone(trader):
    with trader.hub("user") as hub:
        trader.login()
        hub.nothing(0.4)
