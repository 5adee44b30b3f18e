"""Faults on request and by schedule, and what the truth says about them afterwards."""

from __future__ import annotations

import http.client
import json
import time
from email.utils import parsedate_to_datetime

import pytest

from services.simulator import port_rest
from services.simulator.port_schedule import BadSchedule, Plan, Source, drawn, read
from tests.venue.sockets import Refused
from tests.venue.stage import LONG_AGO, Trader, Venue, settings, wait_for

START_NS = 1_795_016_100_000_000_000


@pytest.mark.parametrize(
    ("kind", "status"),
    [("UNAUTHORISED", 401), ("TOO_MANY", 429), ("SERVER_ERROR", 503), ("BAD_GATEWAY", 502),
     ("ERROR_BEFORE", 500)],
)  # fmt: skip
def test_a_refused_order_was_never_there(flat, kind, status):
    tag = flat.tag()
    body = {"accountId": flat.account, "contractId": flat.contract(), "type": 2, "side": 0,
            "size": 1, "customTag": tag}  # fmt: skip
    flat.fault(kind, path="order/place")
    assert flat.post("Order/place", body).status == status
    row = flat.truth()["requests"][-1]
    assert (row["status"], row["fault"], row["path"]) == (status, kind, "/api/Order/place")
    assert "callId" not in row
    assert flat.post("Order/place", body).body["success"]


def lost(flat, fault, **options):
    """Place an order whose answer does not come; whether it exists all the same."""
    tag = flat.tag()
    body = {"accountId": flat.account, "contractId": flat.contract(), "type": 2, "side": 0,
            "size": 1, "customTag": tag}  # fmt: skip
    flat.fault(fault, path="order/place")
    other = Trader(flat.venue)
    other.patience(0.4)
    with pytest.raises((http.client.HTTPException, OSError)):
        other.post("Order/place", body)
    other.close()
    wait_for(lambda: flat.truth()["requests"][-1].get("outcome") in ("unanswered", "gone"))
    search = {"accountId": flat.account, "startTimestamp": LONG_AGO}
    return tag in [row["customTag"] for row in flat.post("Order/search", search).body["orders"]]


def test_a_timeout_before_the_deed(flat):
    assert not lost(flat, "HANG_BEFORE")


def test_a_timeout_after_the_deed(flat):
    assert lost(flat, "HANG_AFTER")
    row = next(row for row in flat.truth()["requests"] if row.get("fault") == "HANG_AFTER")
    assert row["callId"]
    assert row["errorCode"] == 0


def test_a_connection_cut_after_the_deed(flat):
    assert lost(flat, "CUT_ANSWER")


def test_an_answer_lost_by_the_venue_itself(flat):
    assert lost(flat, "LOSE_ANSWER")


def test_a_hung_caller_is_cut_off_in_the_end(flat, monkeypatch):
    monkeypatch.setattr(port_rest, "ANSWER_PATIENCE_S", 0.2)
    flat.fault("HANG_BEFORE")
    with pytest.raises((http.client.HTTPException, OSError)):
        flat.post("Account/search", {})


def test_an_error_after_the_deed(flat):
    flat.fault("ERROR_AFTER", path="order/place")
    reply = flat.order()
    assert reply.status == 500
    wait_for(flat.positions)


def test_rubbish_instead_of_an_answer(flat):
    flat.fault("GARBAGE_ANSWER", path="account/search")
    with pytest.raises(json.JSONDecodeError):
        flat.post("Account/search", {})


def test_slow_answers(flat):
    flat.fault("SLOW_ANSWERS", 150)
    began = time.monotonic()
    flat.post("Account/search", {})
    flat.fault("SLOW_ANSWERS", 0)
    assert time.monotonic() - began >= 0.15


def test_a_halted_market_quotes_nothing_and_takes_cancels_only(flat):
    order = flat.placed(type=1, limitPrice=flat.quote()[0] - 10)
    flat.until(order, 1)
    bought = flat.placed()
    flat.until(bought, 2)
    wait_for(flat.positions)
    where = {"accountId": flat.account, "orderId": order}
    with flat.hub() as hub:
        hub.invoke("SubscribeContractQuotes", flat.contract("MNQ"))
        flat.fault("HALT_MARKET", 60_000)
        hub.invoke("SubscribeContractQuotes", "C")
        hub.waiting.clear()
        hub.nothing(0.5)
        told = flat.order().body
        assert (told["errorCode"], "active trading status" in told["errorMessage"]) == (2, True)
        close = {"accountId": flat.account, "contractId": flat.contract()}
        assert flat.post("Position/closeContract", close).code == (False, 5, None)
        assert flat.post("Order/modify", {**where, "size": 2}).body["errorCode"] == 3
        assert flat.post("Order/cancel", where).body["success"]
        flat.fault("HALT_MARKET", 0)
        assert hub.event("GatewayQuote")
    assert flat.order(side=1).body["success"]


def test_maintenance_is_503_everywhere_and_closes_the_hubs(flat):
    with flat.hub("user") as hub:
        flat.fault("MAINTENANCE", 60_000)
        assert hub.record()["allowReconnect"] is True
        assert hub.record() is None
        reply = flat.post("Account/search", {})
        assert (reply.status, reply.headers["Content-Type"][:9]) == (503, "text/html")
        assert flat.send("GET", "/api/Status/ping").status == 503
        with pytest.raises(Refused):
            flat.hub().__enter__()
    flat.fault("MAINTENANCE", 0)
    assert flat.post("Account/search", {}).status == 200


def test_an_outage_of_one_hub_leaves_the_other(flat):
    with flat.hub("user") as user, flat.hub("market") as market:
        flat.fault("HUB_OUTAGE", 60_000, hub="user")
        assert user.record() is None
        assert market.invoke("SubscribeContractQuotes", "C")["result"] == 0
        assert flat.post("/hubs/user/negotiate").status == 503
        assert flat.post("/hubs/market/negotiate").status == 200
        with pytest.raises(Refused) as caught:
            flat.hub("user").__enter__()
        assert caught.value.status == 503
    flat.fault("HUB_OUTAGE", 0, hub="user")
    with flat.hub("user"):
        pass


def test_revoked_tokens_are_401_and_their_hubs_hear_gatewaylogout(flat):
    with flat.hub("user") as hub:
        flat.fault("REVOKE_TOKENS")
        assert hub.record()["target"] == "GatewayLogout"
    assert flat.post("Account/search", {}).status == 401
    flat.login()
    assert flat.post("Account/search", {}).status == 200


def test_a_wrong_clock_is_seen_everywhere(flat):
    right = parsedate_to_datetime(flat.post("Account/search", {}).headers["Date"])
    order = flat.find(flat.placed())
    flat.fault("WRONG_CLOCK", -3_600_000)
    try:
        wrong = parsedate_to_datetime(flat.post("Account/search", {}).headers["Date"])
        assert 3_500 < (right - wrong).total_seconds() < 3_700
        assert flat.find(order["id"])["creationTimestamp"][11:13] == "14"
        with flat.hub() as hub:
            hub.invoke("SubscribeContractQuotes", flat.contract("MNQ"))
            assert hub.event("GatewayQuote")[1]["timestamp"][11:13] == "14"
    finally:
        flat.fault("WRONG_CLOCK", 0)
    assert flat.find(order["id"])["creationTimestamp"] == order["creationTimestamp"]


# -- events ----------------------------------------------------------------------------------------


def orders_told(hub, count):
    return [
        (p["data"]["id"], p["data"]["status"]) for _, p in hub.events(lambda f: len(f) == count)
    ]


def test_dropped_sockets(flat):
    with flat.hub("user") as user, flat.hub("market") as market:
        flat.fault("DROP_HUBS", hub="market")
        assert market.record() is None
        user.nothing()


def test_closed_sockets_say_so_first(flat):
    with flat.hub("user") as hub:
        flat.fault("CLOSE_HUBS", hub="user")
        assert hub.record() == {
            "type": 7, "error": "Connection closed with an error.", "allowReconnect": True,
        }  # fmt: skip


def test_a_frozen_stream_stays_connected(flat):
    with flat.hub() as hub:
        hub.invoke("SubscribeContractQuotes", flat.contract("MNQ"))
        hub.event("GatewayQuote")
        flat.fault("MUTE_HUBS", 60_000, hub="market")
        assert hub.invoke("SubscribeContractQuotes", "C")["result"] == 0
        hub.waiting.clear()
        hub.nothing(0.5)
        flat.fault("MUTE_HUBS", 0)
        assert "symbol" in hub.event("GatewayQuote")[1]


def test_a_half_open_connection_says_nothing_and_hears_nothing(flat):
    with flat.hub() as hub:
        flat.fault("HALF_OPEN_HUBS", 2_000, hub="market")
        hub.say({"type": 1, "invocationId": "1", "target": "SubscribeContractQuotes",
                 "arguments": ["C"]})  # fmt: skip
        hub.nothing()
        assert hub.record()["result"] == 0


def test_a_lost_event(flat):
    with flat.hub("user") as hub:
        hub.invoke("SubscribeOrders", flat.account)
        flat.fault("LOSE_EVENTS", hub="user", target="GatewayUserOrder")
        order = flat.placed()
        assert orders_told(hub, 1) == [(order, 2)]


def test_a_doubled_event(flat):
    with flat.hub("user") as hub:
        hub.invoke("SubscribeOrders", flat.account)
        flat.fault("DOUBLE_EVENTS", hub="user")
        order = flat.placed()
        assert orders_told(hub, 3) == [(order, 6), (order, 6), (order, 2)]


def test_swapped_events(flat):
    with flat.hub("user") as hub:
        hub.invoke("SubscribeOrders", flat.account)
        flat.fault("SWAP_EVENTS", hub="user")
        order = flat.placed()
        assert orders_told(hub, 2) == [(order, 2), (order, 6)]


def test_delayed_events_keep_their_order(flat):
    with flat.hub("user") as hub:
        hub.invoke("SubscribeOrders", flat.account)
        flat.fault("DELAY_EVENTS", 300, hub="user")
        began = time.monotonic()
        order = flat.placed()
        told = orders_told(hub, 2)
        flat.fault("DELAY_EVENTS", 0)
        assert told == [(order, 6), (order, 2)]
        assert time.monotonic() - began >= 0.3


def test_a_refused_handshake(flat):
    flat.fault("REFUSE_HANDSHAKE")
    with flat.hub(hello="") as hub:
        hub.socket.send('{"protocol":"json","version":1}\x1e')
        assert hub.record()["error"]
        assert hub.record() is None


# -- schedule --------------------------------------------------------------------------------------

PLAN = """
seed = 3
[[fault]]
at_s = {at}
kind = "TOO_MANY"
amount = 2
path = "account/search"
[[random]]
every_s = 1000
until_s = 5000
kinds = ["SERVER_ERROR"]
"""


def test_a_scheduled_fault_comes_at_its_time(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(PLAN.format(at=2.5))
    with Venue(tmp_path, settings({"fault_schedule": str(path)})) as venue:
        one = Trader(venue)
        wait_for(lambda: one.send("GET", "/sim/fault").body["faults"] == {"TOO_MANY": 2})
        assert venue.host.now_ns() >= START_NS + 2_500_000_000
        statuses = [one.post("Account/search", {}).status for _ in range(3)]
        assert statuses == [429, 429, 200]
        one.close()


def test_a_schedule_may_be_json(tmp_path):
    path = tmp_path / "plan.json"
    path.write_text(
        json.dumps({"fault": [{"at_s": 2, "kind": "DROP_HUBS"}, {"at_s": 1, "kind": "TOO_MANY"}]})
    )
    plan = read(str(path), START_NS)
    assert [(at - START_NS) // 10**9 for at, _ in plan] == [1, 2]


def test_accidents_are_the_same_at_every_run():
    source = Source(every_s=10, until_s=1_000, kinds=["TOO_MANY", "DROP_HUBS"], amounts=(1, 9))
    first, second = (drawn(Plan(seed=5, random=[source])) for _ in range(2))
    assert first == second
    assert 50 < len(first) < 200
    assert {entry.kind for entry in first} == {"TOO_MANY", "DROP_HUBS"}
    assert drawn(Plan(seed=6, random=[source])) != first


@pytest.mark.parametrize(
    "text",
    ["[[fault]]\nat_s = 1\nkind = 'EARTHQUAKE'", "[[fault]]\nkind = 'TOO_MANY'", "x = 1", "[[",
     "[[fault]]\nat_s = -1\nkind = 'TOO_MANY'",
     "[[fault]]\nat_s = 1\nkind = 'DROP_HUBS'\nhub = 'x'",
     "[[random]]\nevery_s = 0.000001\nuntil_s = 1000000\nkinds = ['TOO_MANY']"],
)  # fmt: skip
def test_a_bad_schedule_is_refused_by_name(tmp_path, text):
    path = tmp_path / "plan.toml"
    path.write_text(text)
    with pytest.raises(BadSchedule) as caught:
        read(str(path), START_NS)
    assert str(path) in str(caught.value)


def test_a_missing_schedule_is_refused_by_name(tmp_path):
    with pytest.raises(BadSchedule):
        read(str(tmp_path / "none.toml"), START_NS)


# -- the truth -------------------------------------------------------------------------------------


def test_the_truth_has_every_request_with_its_time_and_outcome(flat):
    before = flat.truth()["requestsTotal"]
    flat.post("Order/searchOpen", {"accountId": 1})
    flat.post("Order/place", {})
    told = flat.truth(requests=2)
    assert told["requestsTotal"] == before + 2
    search, place = told["requests"]
    assert (search["status"], search["errorCode"], search["user"]) == (200, 1, "trader")
    assert (place["status"], place["outcome"]) == (400, "refused")
    assert search["atNs"] <= place["atNs"]
    assert search["number"] + 1 == place["number"]
    assert search["tookMs"] >= 0


def test_the_truth_names_open_sockets(flat):
    with flat.hub("user"):
        row = flat.truth(requests=1)["requests"][0]
        assert (row["path"], row["status"], row["user"]) == ("/hubs/user", 101, "trader")


def test_no_secret_is_in_the_truth(flat):
    flat.post("Auth/loginKey", {"userName": "u", "apiKey": "very-secret"})
    text = json.dumps(flat.truth())
    assert "very-secret" not in text
    assert flat.token not in text


def test_requests_can_be_asked_for_alone(flat):
    told = flat.send("GET", "/sim/requests?requests=1").body
    assert told.keys() == {"requestsTotal", "requests"}
    assert len(told["requests"]) == 1


@pytest.mark.parametrize("wish", ["0", "x", "-5", "9" * 40])
def test_odd_counts_of_requests_are_harmless(flat, wish):
    assert flat.send("GET", f"/sim/requests?requests={wish}").status == 200
