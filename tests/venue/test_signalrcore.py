"""signalrcore, the Python client most bots use: both protocols, negotiated and not, unchanged."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager

import pytest
from signalrcore.hub_connection_builder import HubConnectionBuilder
from signalrcore.protocol.json_hub_protocol import JsonHubProtocol
from signalrcore.protocol.messagepack_protocol import MessagePackHubProtocol
from signalrcore.transport.websockets import websocket_transport
from signalrcore.transport.websockets.websocket_client import WebSocketClient

from tests.venue.sockets import PATIENCE_S
from tests.venue.stage import wait_for


@pytest.fixture(autouse=True)
def as_it_is(monkeypatch):
    """Our own sessions put a socket of ours into signalrcore for the whole process; not here."""
    monkeypatch.setattr(websocket_transport, "WebSocketClient", WebSocketClient)


PROTOCOLS = {"json": JsonHubProtocol, "messagepack": MessagePackHubProtocol}


@contextmanager
def connected(trader, hub="market", protocol="json", skip=False, **options):
    """A hub connection that is open; `heard` collects (event, arguments)."""
    scheme = "ws" if skip else "http"
    url = f"{scheme}://127.0.0.1:{trader.venue.port}/hubs/{hub}"
    told = {"access_token_factory": lambda: trader.token, "skip_negotiation": skip, **options}
    if skip:
        url += f"?access_token={trader.token}"
    builder = HubConnectionBuilder().with_url(url, options=told)
    builder.configure_logging(logging.CRITICAL).with_hub_protocol(PROTOCOLS[protocol]())
    connection = builder.build()
    opened, errors, heard = threading.Event(), [], []
    connection.on_open(opened.set)
    connection.on_error(errors.append)
    for event in ("GatewayQuote", "GatewayTrade", "GatewayDepth", "GatewayUserOrder",
                  "GatewayUserTrade", "GatewayLogout"):  # fmt: skip
        connection.on(event, lambda arguments, event=event: heard.append((event, arguments)))
    connection.start()
    assert opened.wait(PATIENCE_S), "it never opened"
    connection.heard, connection.errors = heard, errors
    try:
        yield connection
    finally:
        stopper = threading.Thread(target=connection.stop, daemon=True)
        stopper.start()  # it waits for the peer's next byte, so the venue hangs up
        trader.fault("DROP_HUBS")
        stopper.join(PATIENCE_S)
        assert not stopper.is_alive(), "it never stopped"


def invoke(connection, method, *arguments):
    """The completion of an invocation."""
    done = []
    connection.invoke(method, list(arguments), done.append)
    return wait_for(lambda: done and done[0])


WAYS = [(protocol, skip) for protocol in PROTOCOLS for skip in (False, True)]


@pytest.mark.parametrize(("protocol", "skip"), WAYS)
def test_quotes_prints_and_depth_arrive(trader, protocol, skip):
    contract = trader.contract("MNQ")
    with connected(trader, protocol=protocol, skip=skip) as connection:
        for what in ("Quotes", "Trades", "MarketDepth"):
            connection.send(f"SubscribeContract{what}", [contract])
        wanted = {"GatewayQuote", "GatewayTrade", "GatewayDepth"}
        wait_for(lambda: {event for event, _ in connection.heard} == wanted)
        for event, arguments in list(connection.heard):
            assert arguments[0] == contract
            assert isinstance(arguments[1], dict if event == "GatewayQuote" else list)


@pytest.mark.parametrize(("protocol", "skip"), WAYS)
def test_an_order_is_heard(flat, protocol, skip):
    with connected(flat, "user", protocol=protocol, skip=skip) as connection:
        invoke(connection, "SubscribeOrders", flat.account)
        invoke(connection, "SubscribeTrades", flat.account)
        order = flat.placed()
        wait_for(lambda: any(event == "GatewayUserTrade" for event, _ in connection.heard))
        statuses = [
            arguments[0]["data"]["status"]
            for event, arguments in connection.heard
            if event == "GatewayUserOrder" and arguments[0]["data"]["id"] == order
        ]
        assert statuses == [6, 2]


def test_a_completion_carries_the_result_0(trader):
    with connected(trader) as connection:
        done = invoke(connection, "SubscribeContractQuotes", "C")
        assert (done.result, done.error) == (0, None)


def test_an_unknown_method_reaches_on_error(trader):
    with connected(trader) as connection:
        connection.send("SubscribeBars", ["C", "1m"])
        wait_for(lambda: connection.errors)
        assert "Method does not exist" in connection.errors[0].error


def test_an_account_id_as_text_reaches_on_error(trader):
    with connected(trader, "user") as connection:
        connection.send("SubscribeOrders", [str(trader.account)])
        wait_for(lambda: connection.errors)


def test_a_bad_token_is_refused_at_negotiation(trader):
    url = f"http://127.0.0.1:{trader.venue.port}/hubs/user"
    connection = (
        HubConnectionBuilder()
        .with_url(url, options={"access_token_factory": lambda: "x.y.z"})
        .configure_logging(logging.CRITICAL)
        .build()
    )
    with pytest.raises(Exception, match="401"):
        connection.start()


def test_a_burst_of_a_thousand_quotes_is_heard_whole(trader):
    from tests.venue.test_bad_input import flood

    with connected(trader) as connection:
        invoke(connection, "SubscribeContractQuotes", "CON.F.US.MES.Z26")
        flood(trader.venue, 1_000)

        def poured():
            prices = [arguments[1].get("bestBid", 1e9) for _, arguments in list(connection.heard)]
            return [price for price in prices if price < 250]

        wait_for(lambda: len(poured()) >= 1_000)
        assert poured() == [number * 0.25 for number in range(1_000)]
