"""The hub session, tortured: whatever the other side does, it is up again or visibly down.

The first test pins the parts of signalrcore we replace or rely on, by their source text: a new
version must be read before it is trusted.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.metadata
import inspect
import json
import logging

import pytest
from signalrcore.hub.base_hub_connection import BaseHubConnection
from signalrcore.protocol.base_hub_protocol import BaseHubProtocol
from signalrcore.transport.base_transport import BaseTransport
from signalrcore.transport.sockets.base_socket_client import BaseSocketClient
from signalrcore.transport.websockets import websocket_transport
from signalrcore.transport.websockets.websocket_client import WebSocketClient
from signalrcore.transport.websockets.websocket_transport import WebsocketTransport

from shared.venue import signalr_attempt
from shared.venue.signalr import HubState
from shared.venue.signalr_socket import SafeSocket
from tests.signalr_stage import PATIENT, SUBSCRIPTIONS, Ear, again, play, session, threads
from tests.venue_hub import END, hub
from tests.venue_stage import until

METHODS = [method for method, _ in SUBSCRIPTIONS]

PINNED = {
    WebSocketClient._read_one_frame: "2458ea3a",
    WebSocketClient.prepare_data: "04a2f1d6",
    BaseSocketClient.__init__: "1c427a90",
    BaseSocketClient.is_connection_closed: "ae24af21",
    WebsocketTransport.create_client: "0d2adf01",
    WebsocketTransport.evaluate_handshake: "66c07a8b",
    WebsocketTransport.on_message: "8a7ef54a",
    WebsocketTransport.on_socket_open: "0b6118d5",
    WebsocketTransport.send: "ff7b0dfd",
    BaseTransport._set_state: "9c6e8e1f",
    BaseTransport.start: "dfb79a9c",
    BaseTransport.send_handshake: "2cba0a5c",
    BaseHubConnection.start: "9d656c0a",
    BaseHubProtocol.decode_handshake: "7b866aab",
    BaseHubProtocol.get_message: "33976ec2",
}


@pytest.mark.parametrize("part", PINNED, ids=lambda part: part.__qualname__)
def test_the_parts_of_signalrcore_we_rely_on_are_those_we_read(part):
    found = hashlib.sha256(inspect.getsource(part).encode()).hexdigest()[:8]
    assert found == PINNED[part]


def test_signalrcore_creates_our_socket():
    assert importlib.metadata.version("signalrcore") == "1.0.2"
    assert websocket_transport.WebSocketClient is SafeSocket
    assert "self._lock = threading.Lock()" in inspect.getsource(BaseSocketClient.__init__)


def test_signalrcore_never_logs_below_warning():
    logger = logging.getLogger("SignalRCoreClient")
    assert logger.getEffectiveLevel() >= logging.WARNING
    assert logger.handlers == []


# -- stage -----------------------------------------------------------------------------------------


pytestmark = pytest.mark.slow


# -- life ------------------------------------------------------------------------------------------


def test_up_means_every_subscription_was_confirmed():
    async def run():
        async with hub() as there, session(there.url) as (here, _, _):
            there.silent = {"SubscribeContractTrades"}
            await asyncio.sleep(0.2)
            assert not here.up
            there.silent = set()
            await until(lambda: here.up)
            assert [method for method, _ in there.invoked][-2:] == METHODS
            assert json.loads(there.handshakes[0].rstrip(END)) == {"protocol": "json", "version": 1}

    asyncio.run(run())


def test_events_arrive_whole_in_order_and_only_the_targets():
    async def scene(there, here, ear):
        for number in range(5):
            await there.event("GatewayQuote", "MNQ", {"seq": number, "bestBid": None})
            await there.event("GatewayNews", number)
        await until(lambda: len(ear.events) == 5)
        assert [args[1]["seq"] for _, args in ear.events] == [0, 1, 2, 3, 4]

    there, ear = play(scene, PATIENT)
    assert {target for target, _ in ear.events} == {"GatewayQuote"}
    assert there.tokens == ["tok1"]


def test_several_records_in_one_frame():
    async def scene(there, here, ear):
        one = json.dumps({"type": 1, "target": "GatewayQuote", "arguments": ["MNQ", {}]}) + END
        await there.say('{"type":6}' + END + one + one)
        await until(lambda: len(ear.events) == 2)

    play(scene)


def test_we_ping():
    async def scene(there, here, ear):
        await until(lambda: there.pings >= 3)

    play(scene)


def test_closing_ends_run_and_the_thread():
    async def run():
        async with hub() as there, session(there.url) as (here, ear, task):
            await until(lambda: here.up)
            await here.close()
            await task
            assert ear.states[-1] == (HubState.DOWN, "closed")

    asyncio.run(run())


def test_cancelling_ends_the_thread():
    async def run():
        async with hub() as there, session(there.url) as (here, _, task):
            await until(lambda: here.up)
            task.cancel()
            await asyncio.wait({task})
            await until(lambda: threads() == [])

    asyncio.run(run())


# -- accidents -------------------------------------------------------------------------------------


@pytest.mark.parametrize("accident", ["fin", "rst", "ws_close"])
def test_a_broken_connection(accident):
    async def scene(there, here, ear):
        done = getattr(there, accident)()
        if done is not None:
            await done
        await again(ear)

    there, ear = play(scene, PATIENT)
    assert [method for method, _ in there.invoked] == METHODS * 2
    assert ear.tokens == ["tok1", "tok2"]
    assert ear.reasons


@pytest.mark.parametrize("allow", [True, False])
def test_a_close_record(allow):
    async def scene(there, here, ear):
        await there.say(json.dumps({"type": 7, "error": "bye", "allowReconnect": allow}) + END)
        await again(ear)

    assert "close record: bye" in play(scene)[1].reasons


@pytest.mark.parametrize(
    "rubbish",
    [
        '{"type":1,"target":"Gatew' + END,
        "\x00" + END,
        "[]" + END,
        '{"type":99}' + END,
        "null" + END,
    ],
)
def test_malformed_records(rubbish):
    async def scene(there, here, ear):
        await there.say(rubbish)
        await again(ear)

    play(scene)


def test_a_silent_server_is_noticed():
    async def scene(there, here, ear):
        there.deaf = True  # answers nothing and never pings: a frozen process, a cut wire
        await until(lambda: "silent" in ear.reasons)
        there.deaf = False
        await again(ear)

    play(scene)


def test_a_server_that_is_gone_for_a_while():
    async def scene(there, here, ear):
        await there.stop()
        await until(lambda: here.attempts >= 4)
        await there.start()
        await again(ear)

    play(scene)


def test_a_rotated_token():
    async def scene(there, here, ear):
        there.valid_token = "tok4"
        there.fin()
        await again(ear)

    there, ear = play(scene, PATIENT)
    assert there.tokens == ["tok1", "tok2", "tok3", "tok4"]
    assert "401" in ear.reasons
    assert "tok" not in ear.reasons


def test_a_refused_handshake():
    async def scene(there, here, ear):
        there.refuse = "bad protocol"
        there.fin()
        await until(lambda: "handshake refused: bad protocol" in ear.reasons)
        there.refuse = ""
        await again(ear)

    play(scene)


@pytest.mark.parametrize("where", ["hang_handshake", "hang_upgrade"])
def test_a_server_that_never_answers(where):
    async def scene(there, here, ear):
        setattr(there, where, True)
        there.fin()
        await until(lambda: len(there.tokens) >= 3)
        setattr(there, where, False)
        await again(ear)

    play(scene)


def test_a_refused_subscription_is_not_up():
    async def scene(there, here, ear):
        there.failing = {"SubscribeContractTrades"}
        there.fin()
        await until(lambda: "boom" in ear.reasons)
        assert not here.up
        there.failing = set()
        await again(ear)

    play(scene)


def test_websocket_pings_and_fragments_are_no_trouble():
    async def scene(there, here, ear):
        record = json.dumps({"type": 1, "target": "GatewayQuote", "arguments": ["MNQ", {"a": 1}]})
        await there.ws_ping(b"heartbeat")
        there.fragments(record + END)
        await until(lambda: len(ear.events) == 1)
        assert ear.ups == 1

    play(scene, PATIENT)


def test_large_messages():
    async def scene(there, here, ear):
        await there.event("Bad", "x" * 4_000_000)
        await until(lambda: len(ear.events) == 1)
        assert len(ear.events[0][1][0]) == 4_000_000

    play(scene, PATIENT)


def test_a_burst_wakes_the_loop_seldom_and_loses_nothing():
    async def scene(there, here, ear):
        record = json.dumps({"type": 1, "target": "GatewayQuote", "arguments": ["MNQ", {"a": 1}]})
        for _ in range(100):
            await there.say((record + END) * 100)
        await until(lambda: len(ear.events) == 10_000)
        assert len(ear.batches) < 2_000

    play(scene, PATIENT)


def test_a_burst_too_long_for_us_ends_the_connection(monkeypatch):
    monkeypatch.setattr(signalr_attempt, "QUEUE_MAX", 50)

    async def scene(there, here, ear):
        record = json.dumps({"type": 1, "target": "GatewayQuote", "arguments": ["MNQ", {"a": 1}]})
        await there.say((record + END) * 1000)
        await again(ear)

    assert "our own loop is stuck" in play(scene)[1].reasons


def test_our_own_bug_ends_run_loudly():
    async def run():
        ear = Ear()

        def buggy(batch):
            raise ZeroDivisionError("ours")

        ear.on_events = buggy
        async with hub() as there, session(there.url, ear=ear) as (here, _, task):
            await until(lambda: here.up)
            await there.event("GatewayQuote", "MNQ", {})
            await asyncio.wait({task}, timeout=60)
            with pytest.raises(ZeroDivisionError):
                task.result()

    asyncio.run(run())


def test_a_failing_token_provider_is_trouble_of_theirs():
    async def run():
        ear, real = Ear(), Ear.token

        async def token():
            if not ear.tokens:
                await real(ear)
                raise ConnectionError("login is down")
            return await real(ear)

        ear.token = token
        async with hub() as there, session(there.url, ear=ear) as (here, _, _task):
            await until(lambda: here.up)
            assert "no token: login is down" in ear.reasons

    asyncio.run(run())
