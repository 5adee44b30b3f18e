"""The switches of [simulator.wire]: older shapes, stricter and laxer manners, open questions."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from tests.venue.sockets import HELLO, Refused, Socket
from tests.venue.stage import Trader, Venue, settings, wait_for
from tests.venue.test_hub_events import has_account, listening
from tests.venue.test_login import claims
from tests.venue.test_orders import CLASSIC_15


@pytest.fixture
def dressed(tmp_path):
    """A venue of other manners, and a trader there."""

    @contextmanager
    def dress(wire, **simulator):
        with Venue(tmp_path, settings(wire, **simulator)) as venue:
            one = Trader(venue)
            try:
                yield one
            finally:
                one.close()

    return dress


def user_events(trader, act):
    with trader.hub("user") as hub:
        listening(hub, trader.account)
        act()
        return hub.events(has_account)


# -- classic ---------------------------------------------------------------------------------------


def test_classic_user_events_are_flat(dressed):
    with dressed({"profile": "classic"}) as trader:
        events = user_events(trader, lambda: trader.placed())
        assert all("action" not in payload and "id" in payload for _, payload in events)


def test_classic_rows_have_documented_members_only(dressed):
    with dressed({"profile": "classic"}) as trader:
        entry = trader.placed(stopLossBracket={"ticks": -60, "type": 4})
        trader.until(entry, 2)
        wait_for(trader.positions)
        assert all(row.keys() == CLASSIC_15 for row in trader.query().body["orders"])
        assert trader.positions()[0].keys() == {
            "id", "accountId", "contractId", "creationTimestamp", "type", "size", "averagePrice",
        }  # fmt: skip
        assert "commissions" not in trader.trades()[0]


def test_classic_events_have_documented_members_only(dressed):
    with dressed({"profile": "classic"}) as trader:
        events = user_events(
            trader, lambda: trader.placed(stopLossBracket={"ticks": -60, "type": 4})
        )
        for name, payload in events:
            if name == "GatewayUserOrder":
                assert payload.keys() <= CLASSIC_15
            if name == "GatewayUserPosition":
                assert "contractDisplayName" not in payload


def test_classic_quotes_are_always_full(dressed):
    with dressed({"profile": "classic"}) as trader, trader.hub() as hub:
        hub.invoke("SubscribeContractQuotes", trader.contract("MNQ"))
        told = [hub.event("GatewayQuote")[1] for _ in range(8)]
        assert all({"symbol", "bestBid", "bestAsk", "volume"} <= quote.keys() for quote in told)
        assert all("contract" not in quote for quote in told)


def test_classic_prints_have_the_members_old_clients_need(dressed):
    with dressed({"profile": "classic"}) as trader, trader.hub() as hub:
        hub.invoke("SubscribeContractTrades", trader.contract("MNQ"))
        [row] = hub.event("GatewayTrade")[1]
        assert row.keys() == {"symbolId", "price", "timestamp", "type", "volume"}


def test_a_switch_overrides_the_profile(dressed):
    wire = {"profile": "classic", "user_events": "wrapped", "members": "all"}
    with dressed(wire) as trader:
        events = user_events(trader, lambda: trader.placed())
        assert all(payload.keys() == {"action", "data"} for _, payload in events)
        assert "contractDisplayName" in wait_for(trader.positions)[0]


# -- shapes ----------------------------------------------------------------------------------------


def test_flat_events_with_all_members(dressed):
    with dressed({"user_events": "flat"}) as trader:
        events = user_events(trader, lambda: trader.placed())
        position = next(payload for name, payload in events if name == "GatewayUserPosition")
        assert position["contractDisplayName"] == "MESZ26"


def test_arrays_may_end_with_a_null(dressed):
    with dressed({"null_rows": True}) as trader, trader.hub() as hub:
        contract = trader.contract("MNQ")
        hub.invoke("SubscribeContractTrades", contract)
        assert hub.event("GatewayTrade")[1][-1] is None
        hub.invoke("SubscribeContractMarketDepth", contract)
        assert hub.event("GatewayDepth")[1][-1] is None


def test_rows_may_come_as_single_objects(dressed):
    with dressed({"rows": "objects"}) as trader, trader.hub() as hub:
        contract = trader.contract("MNQ")
        hub.invoke("SubscribeContractTrades", contract)
        assert hub.event("GatewayTrade")[1]["price"] > 0
        hub.invoke("SubscribeContractMarketDepth", contract)
        assert hub.event("GatewayDepth")[1]["type"] == 6


def test_a_level_may_tell_its_size_twice(dressed):
    with dressed({"current_volume": "size"}) as trader, trader.hub() as hub:
        hub.invoke("SubscribeContractMarketDepth", trader.contract())
        _, levels = hub.event("GatewayDepth")
        assert any(row["volume"] for row in levels)
        assert all(row["currentVolume"] == row["volume"] for row in levels)


def test_ping_may_need_a_token(dressed):
    with dressed({"ping_token": True}) as trader:
        assert trader.send("GET", "/api/Status/ping").status == 401
        assert trader.send("GET", "/api/Status/ping", headers=trader.headers()).status == 200


def test_missing_members_may_be_null(dressed):
    with dressed({"missing_members": "null"}) as trader:
        row = trader.until(trader.placed(), 2)
        assert row.keys() > CLASSIC_15
        assert row["parentOrderId"] is row["trailDistance"] is row["linkedOrderId"] is None


# -- manners ---------------------------------------------------------------------------------------


def test_strict_ids_are_404_when_unknown(dressed):
    with dressed({"hub_ids": "strict"}) as trader:
        path = f"/hubs/user?access_token={trader.token}&id=stale"
        with pytest.raises(Refused) as caught:
            Socket(trader.venue.port, path)
        assert caught.value.status == 404


@pytest.mark.parametrize("version", ["", "?negotiateVersion=1"])
def test_strict_ids_open_one_socket(dressed, version):
    with dressed({"hub_ids": "strict"}) as trader:
        told = trader.post(f"/hubs/user/negotiate{version}").body
        number = told.get("connectionToken", told["connectionId"])
        path = f"/hubs/user?access_token={trader.token}&id={number}"
        first = Socket(trader.venue.port, path)
        first.send(HELLO)
        assert first.receive()[1] == b"{}\x1e"
        with pytest.raises(Refused) as caught:
            Socket(trader.venue.port, path)
        assert caught.value.status == 409
        first.close()


def test_strict_ids_still_let_negotiation_be_skipped(dressed):
    with dressed({"hub_ids": "strict"}) as trader, trader.hub():
        pass


def test_a_public_id_of_version_1_opens_nothing_when_strict(dressed):
    with dressed({"hub_ids": "strict"}) as trader:
        told = trader.post("/hubs/user/negotiate?negotiateVersion=1").body
        with pytest.raises(Refused):
            Socket(
                trader.venue.port,
                f"/hubs/user?access_token={trader.token}&id={told['connectionId']}",
            )


ALIASED = [
    "SubscribeToAccount",
    "SubscribeToOrders",
    "SubscribeToPositions",
    "SubscribeToUserTrades",
]


def test_the_five_wrong_names_of_one_client_can_be_understood(dressed):
    with dressed({"method_aliases": True}) as trader, trader.hub("user") as hub:
        assert hub.invoke("SubscribeToAccounts")["result"] == 0
        for name in ALIASED:
            assert hub.invoke(name, trader.account)["result"] == 0
        trader.placed()
        assert len({name for name, _ in hub.events(has_account)}) == 4


@pytest.mark.parametrize("name", ALIASED)
def test_the_wrong_names_are_unknown_otherwise(trader, name):
    with trader.hub("user") as hub:
        assert "Method does not exist" in hub.invoke(name, 1)["error"]


def test_account_ids_as_text_can_be_understood(dressed):
    with dressed({"text_account_ids": True}) as trader, trader.hub("user") as hub:
        assert hub.invoke("SubscribeOrders", str(trader.account))["result"] == 0
        trader.placed()
        assert hub.event("GatewayUserOrder")
        for odd in ("", "x", "-1", "9" * 30, "\u0661"):
            assert "error" in hub.invoke("SubscribeOrders", odd)


def test_a_subscription_can_begin_with_the_account(dressed):
    with dressed({"user_snapshot": "account"}) as trader, trader.hub("user") as hub:
        hub.invoke("SubscribeAccounts")
        [told] = hub.event("GatewayUserAccount")
        assert told["data"]["id"] == trader.account


def test_a_subscription_can_begin_with_everything(dressed):
    with dressed({"user_snapshot": "all"}) as trader:
        order = trader.placed(type=1, limitPrice=trader.quote()[0] - 10)
        trader.until(order, 1)
        trader.until(trader.placed(), 2)
        wait_for(trader.positions)
        with trader.hub("user") as hub:
            hub.invoke("SubscribeOrders", trader.account)
            assert hub.event("GatewayUserOrder")[0]["data"]["id"] == order
            hub.invoke("SubscribePositions", trader.account)
            assert hub.event("GatewayUserPosition")[0]["data"]["size"] == 1


# -- tokens and rates ------------------------------------------------------------------------------


def let_pass(trader, seconds):
    """The venue's clock goes ahead; a test that slept would race with what it does meanwhile."""
    trader.fault("WRONG_CLOCK", seconds * 1_000)


def test_a_token_ends_after_its_life_for_rest_and_hubs(dressed):
    with dressed({}, token_life_real_s=600) as trader, trader.hub("user") as hub:
        let_pass(trader, 300)
        assert hub.invoke("SubscribeAccounts")["result"] == 0
        assert trader.post("Account/search", {}).status == 200
        let_pass(trader, 601)
        assert hub.record()["target"] == "GatewayLogout"
        assert hub.record()["allowReconnect"] is True
        assert hub.record() is None
        assert trader.post("Account/search", {}).status == 401
        assert trader.post("Auth/validate").status == 401
        assert trader.login().body["success"]


def test_hubs_may_outlive_their_token(dressed):
    with dressed({"token_end": "keep"}, token_life_real_s=600) as trader, trader.hub() as hub:
        let_pass(trader, 601)
        assert trader.post("Account/search", {}).status == 401
        hub.nothing(0.6)  # longer than the venue takes to look at tokens
        assert hub.invoke("SubscribeContractQuotes", "C")["result"] == 0


def test_hubs_may_be_closed_without_gatewaylogout(dressed):
    with dressed({"token_end": "close"}) as trader, trader.hub() as hub:
        trader.post("Auth/logout")
        assert hub.record()["type"] == 7


def test_validate_before_the_end_gives_a_token_that_lives_longer(dressed):
    with dressed({}, token_life_real_s=60) as trader:
        let_pass(trader, 2)
        fresh = trader.post("Auth/validate").body["newToken"]
        assert claims(fresh)["exp"] > claims(trader.token)["exp"]


def test_validate_may_give_the_same_token(dressed):
    with dressed({"validate_gives": "same"}) as trader:
        assert trader.post("Auth/validate").body["newToken"] == trader.token


def test_a_logout_may_end_every_token_of_the_user(dressed):
    with dressed({"logout_ends": "user"}) as trader:
        first = trader.token
        trader.login(user="TRADER")
        trader.post("Auth/logout")
        reply = trader.post("Account/search", {}, Authorization=f"Bearer {first}")
        assert reply.status == 401
        trader.login()
        assert trader.post("Account/search", {}).status == 200


def test_a_rival_login_may_log_the_hubs_out(dressed):
    with dressed({"rival_login": "logout"}) as trader, trader.hub("user") as hub:
        trader.login()
        assert hub.record()["target"] == "GatewayLogout"


def test_the_app_login_can_be_allowed(dressed):
    with dressed({"login_app": True}) as trader:
        body = dict.fromkeys(("userName", "password", "deviceId", "appId", "verifyKey"), "x")
        assert trader.post("Auth/loginApp", body).body["token"]
        assert trader.post("Auth/loginApp", {**body, "password": "wrong"}).code[:2] == (False, 3)


def spend(trader, count, path="Account/search"):
    return [trader.post(path, {}).status for _ in range(count)]


def test_the_201st_request_of_a_minute_is_429(trader):
    assert set(spend(trader, 200)) == {200}
    reply = trader.post("Account/search", {})
    assert (reply.status, reply.body) == (429, "")
    assert 0 < int(reply.headers["Retry-After"]) <= 60


def test_the_51st_history_request_of_half_a_minute_is_429_and_others_go_on(trader):
    assert 429 not in spend(trader, 50, "History/retrieveBars")
    reply = trader.post("History/retrieveBars", {})
    assert reply.status == 429
    assert 0 < int(reply.headers["Retry-After"]) <= 30
    assert trader.post("Account/search", {}).status == 200


def test_rates_are_counted_per_token_by_default(trader):
    spend(trader, 200)
    trader.login()
    assert trader.post("Account/search", {}).status == 200


def test_rates_may_be_counted_per_user(dressed):
    with dressed({"rate_scope": "user"}) as trader:
        spend(trader, 200)
        trader.login()
        assert trader.post("Account/search", {}).status == 429
        trader.login(user="somebody else")
        assert trader.post("Account/search", {}).status == 200


def test_logins_may_count(dressed):
    with dressed({"rate_counts_logins": True, "retry_after": False}) as trader:
        last = [trader.post("Auth/loginKey", {"userName": "x", "apiKey": "k"}) for _ in range(201)]
        assert (last[-2].status, last[-1].status) == (200, 429)
        assert "Retry-After" not in last[-1].headers


def test_windows_may_be_fixed(dressed):
    with dressed({"rate_window": "fixed"}) as trader:
        assert 429 in spend(trader, 401)
