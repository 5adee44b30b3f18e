"""@microsoft/signalr, the reference client, unchanged, against a venue as strict as ASP.NET.

Needs Node and what `tests/venue/js/install` puts outside the repository; skipped aloud otherwise.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.venue.leash import Leash

HERE = Path(__file__).parent / "js"
WIRE = {"hub_ids": "strict"}
pytestmark = pytest.mark.xdist_group("javascript")
PROTOCOLS = ("json", "messagepack")
WAYS = [(protocol, skip) for protocol in PROTOCOLS for skip in (False, True)]


@pytest.fixture(scope="module")
def node():
    """One Node for all tests: its start is dearer than what they do."""
    if shutil.which("node") is None:
        pytest.skip("Node is not here")
    told = subprocess.run([HERE / "install", "where"], capture_output=True, text=True, check=True)
    folder = Path(told.stdout.strip())
    if not (folder / ".complete").exists():
        pytest.skip("the JavaScript client is not installed; run tests/venue/js/install")
    leash = Leash("node", HERE / "client.cjs", env={**os.environ, "VENUE_JS": str(folder)})
    yield leash
    leash.end()


@pytest.fixture
def client(node):
    """Opens a connection for the time of a `with`; the node has one at a time."""

    @contextmanager
    def opened(trader, hub="market", *, state="up", token=None, **options):
        wish = {"url": f"{trader.venue.url}/hubs/{hub}", "token": token or trader.token}
        node.say(["open", wish | options])
        one = Client(node)
        try:
            one.first = one.next("state")
            assert one.first["state"] == state, one.first
            yield one
        finally:
            one.say("stop")
            one.next("stopped")

    return opened


class Client:
    """A connection; `next` gives what it tells that has a member."""

    def __init__(self, leash):
        self._leash = leash

    def next(self, member, value=None):
        while True:
            told = self._leash.heard()
            assert told is not None, "Node has gone"
            if member in told and value in (None, told[member]):
                return told

    def say(self, *words):
        self._leash.say(words)

    def invoke(self, method, *arguments):
        self.say("invoke", method, *arguments)
        while True:
            told = self._leash.heard()
            assert told is not None, "Node has gone"
            if method in (told.get("done"), told.get("failed")):
                return told


@pytest.mark.parametrize(("protocol", "skip"), WAYS)
def test_quotes_prints_and_depth_arrive(client, trader, protocol, skip):
    contract = trader.contract("MNQ")
    with client(trader, protocol=protocol, skip=skip) as one:
        for what in ("Quotes", "Trades", "MarketDepth"):
            assert one.invoke(f"SubscribeContract{what}", contract)["result"] == 0
        for event, kind in (("GatewayQuote", dict), ("GatewayTrade", list), ("GatewayDepth", list)):
            about, payload = one.next("event", event)["args"]
            assert about == contract
            assert isinstance(payload, kind)


@pytest.mark.parametrize(("protocol", "skip"), WAYS)
def test_an_order_is_heard_in_the_venue_s_order(client, flat, protocol, skip):
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
def test_an_unknown_method_rejects_with_the_server_s_text(client, trader, protocol):
    with client(trader, protocol=protocol) as one:
        assert "HubException: Method does not exist." in one.invoke("SubscribeBars", "C")["why"]


def test_an_account_id_as_text_rejects(client, trader):
    with client(trader, "user") as one:
        assert "due to an error on the server" in one.invoke("SubscribeOrders", "7")["why"]


def test_a_sent_invocation_fails_silently(client, trader):
    with client(trader, "user") as one:
        one.say("send", "SubscribeOrders", "7")
        assert one.next("sent")
        assert one.invoke("SubscribeAccounts")["result"] == 0


def test_a_bad_token_is_refused_at_negotiation(client, trader):
    with client(trader, token="x.y.z", state="refused") as one:
        assert "401" in one.first["why"]


@pytest.mark.parametrize("fault", ["CLOSE_HUBS", "DROP_HUBS"])
def test_it_reconnects_by_itself_with_a_new_id(client, trader, fault):
    with client(trader) as one:
        trader.fault(fault, hub="market")
        assert one.next("state")["state"] == "reconnecting"
        assert one.next("state")["state"] == "reconnected"
        assert one.invoke("SubscribeContractQuotes", "C")["result"] == 0


def test_subscriptions_do_not_survive_a_reconnect(client, flat):
    with client(flat, "user") as one:
        one.invoke("SubscribeOrders", flat.account)
        flat.fault("DROP_HUBS", hub="user")
        one.next("state", "reconnected")
        flat.until(flat.placed(), 2)
        one.invoke("SubscribeOrders", flat.account)
        order = flat.placed(side=1)
        assert one.next("event")["args"][0]["data"]["id"] == order


def test_the_close_record_s_text_reaches_the_client(client, trader):
    with client(trader) as one:
        trader.fault("CLOSE_HUBS", hub="market")
        assert "Connection closed with an error." in one.next("state", "reconnecting")["why"]


def test_a_logged_out_client_hears_gatewaylogout_and_cannot_return(client, trader):
    with client(trader, "user") as one:
        trader.post("Auth/logout")
        assert one.next("event")["event"] == "GatewayLogout"
        assert one.next("state", "closed")


def test_a_refused_handshake_is_told(client, trader):
    trader.fault("REFUSE_HANDSHAKE")
    with client(trader, state="refused") as one:
        assert "Refused on request." in one.first["why"]


def test_maintenance_is_survived(client, trader):
    with client(trader) as one:
        trader.fault("MAINTENANCE", 30)
        assert "maintenance" in one.next("state", "reconnecting")["why"]
        assert one.next("state", "reconnected")
