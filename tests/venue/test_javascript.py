"""@microsoft/signalr, the reference client, unchanged, against a venue as strict as ASP.NET.

Needs Node and what `tests/venue/js/install` puts outside the repository; skipped aloud otherwise.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "js"
WIRE = {"hub_ids": "strict"}
PROTOCOLS = ("json", "messagepack")
WAYS = [(protocol, skip) for protocol in PROTOCOLS for skip in (False, True)]


@pytest.fixture(scope="module", autouse=True)
def installed():
    if shutil.which("node") is None:
        pytest.skip("Node is not here")
    told = subprocess.run([HERE / "install", "where"], capture_output=True, text=True, check=True)
    folder = Path(told.stdout.strip())
    if not (folder / ".complete").exists():
        pytest.skip("the JavaScript client is not installed; run tests/venue/js/install")
    os.environ["VENUE_JS"] = str(folder)
    yield
    del os.environ["VENUE_JS"]


class Client:
    """The process; `next` gives what it tells that has a member."""

    def __init__(self, process):
        self._process = process
        self._told = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            self._told.put(json.loads(line))

    def next(self, member, value=None):
        while True:
            told = self._told.get(timeout=20)
            if member in told and value in (None, told[member]):
                return told

    def say(self, *words):
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()

    def invoke(self, method, *arguments):
        self.say("invoke", method, *arguments)
        while True:
            told = self._told.get(timeout=20)
            if method in (told.get("done"), told.get("failed")):
                return told

    def end(self):
        self._process.stdin.close()
        self._process.wait(20)
        self._reader.join(5)
        self._process.stdout.close()


@contextmanager
def client(trader, hub="market", protocol="json", skip=False, token=None, state="up"):
    wish = {"url": f"{trader.venue.url}/hubs/{hub}", "protocol": protocol, "skip": skip,
            "token": token or trader.token}  # fmt: skip
    process = subprocess.Popen(
        ["node", HERE / "client.cjs", json.dumps(wish)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    one = Client(process)
    try:
        one.first = one.next("state")
        assert one.first["state"] == state, one.first
        yield one
    finally:
        one.end()


@pytest.mark.parametrize(("protocol", "skip"), WAYS)
def test_quotes_prints_and_depth_arrive(trader, protocol, skip):
    contract = trader.contract("MNQ")
    with client(trader, protocol=protocol, skip=skip) as one:
        for what in ("Quotes", "Trades", "MarketDepth"):
            assert one.invoke(f"SubscribeContract{what}", contract)["result"] == 0
        for event, kind in (("GatewayQuote", dict), ("GatewayTrade", list), ("GatewayDepth", list)):
            about, payload = one.next("event", event)["args"]
            assert about == contract
            assert isinstance(payload, kind)


@pytest.mark.parametrize(("protocol", "skip"), WAYS)
def test_an_order_is_heard_in_the_venue_s_order(flat, protocol, skip):
    with client(flat, "user", protocol=protocol, skip=skip) as one:
        one.invoke("SubscribeAccounts")
        for what in ("Orders", "Positions", "Trades"):
            assert one.invoke(f"Subscribe{what}", flat.account)["result"] == 0
        order = flat.placed()
        told = [one.next("event") for _ in range(5)]
        assert [row["event"].removeprefix("Gateway") for row in told] == [
            "UserOrder", "UserOrder", "UserTrade", "UserPosition",
            "UserAccount",
        ]  # fmt: skip
        assert told[0]["args"][0]["data"]["id"] == order


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_unknown_method_rejects_with_the_server_s_text(trader, protocol):
    with client(trader, protocol=protocol) as one:
        assert "HubException: Method does not exist." in one.invoke("SubscribeBars", "C")["why"]


def test_an_account_id_as_text_rejects(trader):
    with client(trader, "user") as one:
        assert "due to an error on the server" in one.invoke("SubscribeOrders", "7")["why"]


def test_a_sent_invocation_fails_silently(trader):
    with client(trader, "user") as one:
        one.say("send", "SubscribeOrders", "7")
        assert one.next("sent")
        assert one.invoke("SubscribeAccounts")["result"] == 0


def test_a_bad_token_is_refused_at_negotiation(trader):
    with client(trader, token="x.y.z", state="refused") as one:
        assert "401" in one.first["why"]


@pytest.mark.parametrize("fault", ["CLOSE_HUBS", "DROP_HUBS"])
def test_it_reconnects_by_itself_with_a_new_id(trader, fault):
    with client(trader) as one:
        trader.fault(fault, hub="market")
        assert one.next("state")["state"] == "reconnecting"
        assert one.next("state")["state"] == "reconnected"
        assert one.invoke("SubscribeContractQuotes", "C")["result"] == 0


def test_subscriptions_do_not_survive_a_reconnect(flat):
    with client(flat, "user") as one:
        one.invoke("SubscribeOrders", flat.account)
        flat.fault("DROP_HUBS", hub="user")
        one.next("state", "reconnected")
        flat.until(flat.placed(), 2)
        one.invoke("SubscribeOrders", flat.account)
        order = flat.placed(side=1)
        assert one.next("event")["args"][0]["data"]["id"] == order


def test_the_close_record_s_text_reaches_the_client(trader):
    with client(trader) as one:
        trader.fault("CLOSE_HUBS", hub="market")
        assert "Connection closed with an error." in one.next("state", "reconnecting")["why"]


def test_a_logged_out_client_hears_gatewaylogout_and_cannot_return(trader):
    with client(trader, "user") as one:
        trader.post("Auth/logout")
        assert one.next("event")["event"] == "GatewayLogout"
        assert one.next("state", "closed")


def test_a_refused_handshake_is_told(trader):
    trader.fault("REFUSE_HANDSHAKE")
    with client(trader, state="refused") as one:
        assert "Refused on request." in one.first["why"]


def test_maintenance_is_survived(trader):
    with client(trader) as one:
        trader.fault("MAINTENANCE", 30)
        assert "maintenance" in one.next("state", "reconnecting")["why"]
        assert one.next("state", "reconnected")
