"""The simulator's hubs through a raw WebSocket: what third parties' clients will see."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import aiohttp
import pytest

from services.simulator import port_client, port_hubs
from services.simulator.words import DepthPush, QuotePush, TapePush, UserPush
from shared.settings import Credentials
from shared.venue import translate, words
from shared.venue.client import VenueClient
from shared.venue.codes import DepthKind
from shared.venue.market import DepthBook, QuoteMerger
from shared.venue.signalr import HubSession
from tests.venue_stage import serving, until

pytestmark = pytest.mark.slow
MNQ = "CON.F.US.MNQ.Z26"
END = "\x1e"
STAMP = "2026-11-18T15:35:00.1234567+00:00"
HELLO = '{"protocol":"json","version":1}' + END
ACCOUNT = words.AccountModel(id=7, name="A", balance=50_000.0, can_trade=True, simulated=True)
TRADE = words.TradeModel(
    id=5, account_id=7, contract_id=MNQ, creation_timestamp=STAMP, price=100.25, fees=0.61, side=0,
    size=1, order_id=11,
)  # fmt: skip


class Raw:
    """A WebSocket and the records that came through it."""

    def __init__(self, ws):
        self.ws = ws
        self.waiting = []

    async def record(self, patience_s=3.0):
        while not self.waiting:
            async with asyncio.timeout(patience_s):
                message = await self.ws.receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                return None
            assert message.data.endswith(END)
            self.waiting += message.data.split(END)[:-1]
        return json.loads(self.waiting.pop(0))

    async def nothing(self):
        with pytest.raises(TimeoutError):
            await self.record(0.15)

    async def say(self, *records):
        await self.ws.send_str("".join(json.dumps(record) + END for record in records))

    async def invoke(self, method, *arguments, number="1"):
        await self.say(
            {"type": 1, "invocationId": number, "target": method, "arguments": list(arguments)}
        )
        return await self.record()


class Stage:
    def __init__(self, host, url, session, token):
        self.host, self.url, self.session, self.token = host, url, session, token

    @asynccontextmanager
    async def raw(self, hub="market", query="", hello=HELLO, **options):
        url = f"{self.url}/hubs/{hub}?access_token={self.token}{query}"
        async with self.session.ws_connect(url, **options) as ws:
            one = Raw(ws)
            if hello:
                await ws.send_str(hello)
                assert await one.record() == {}
            yield one

    def quote(self, **members):
        payload = words.QuotePayload(symbol="F.US.MNQ", timestamp=STAMP, **members)
        self.host.port.handle(QuotePush(contract=MNQ, payload=payload))

    def depth(self, *levels):
        rows = tuple(
            words.DepthPayload(timestamp=STAMP, type=int(kind), price=price, volume=volume)
            for kind, price, volume in levels
        )
        self.host.port.handle(DepthPush(contract=MNQ, payload=rows))

    def trade(self, account=7):
        push = UserPush(target=words.USER_TRADE, account_id=account, action=0, payload=TRADE)
        self.host.port.handle(push)

    async def fault(self, kind, amount=1, hub=""):
        body = {"kind": kind, "amount": amount, "hub": hub}
        async with self.session.post(f"{self.url}/sim/fault", json=body) as answer:
            assert answer.status == 200


def on_stage(scene, folder):
    async def run():
        async with serving(folder) as (host, url), aiohttp.ClientSession() as session:
            body = {"userName": "u", "apiKey": "k"}
            async with session.post(f"{url}/api/Auth/loginKey", json=body) as answer:
                token = (await answer.json())["token"]
            await scene(Stage(host, url, session, token))

    asyncio.run(run())


# -- negotiate and upgrade -------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/hubs/user/negotiate", "/Hubs/Market/negotiate/"])
def test_negotiation(tmp_path, path):
    async def scene(stage):
        headers = {"Authorization": f"Bearer {stage.token}"}
        for query, version in (("", 0), ("?negotiateVersion=0", 0), ("?negotiateVersion=1", 1),
                               ("?negotiateVersion=2", 1), ("?negotiateVersion=x", 0)):  # fmt: skip
            async with stage.session.post(stage.url + path + query, headers=headers) as answer:
                told = await answer.json()
            assert told["negotiateVersion"] == version
            assert ("connectionToken" in told) == bool(version)
            assert len(told["connectionId"]) >= 22
            assert told["availableTransports"] == [
                {"transport": "WebSockets", "transferFormats": ["Text", "Binary"]}
            ]
        async with stage.session.get(stage.url + path) as answer:
            assert answer.status == 405

    on_stage(scene, tmp_path)


def test_strangers_are_refused_on_negotiate_and_upgrade(tmp_path):
    async def scene(stage):
        async with stage.session.post(f"{stage.url}/hubs/user/negotiate") as answer:
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        for query in ("", "?access_token=x.y.z"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await stage.session.ws_connect(f"{stage.url}/hubs/user{query}")
            assert caught.value.status == 401

    on_stage(scene, tmp_path)


def test_upgrades_in_every_form(tmp_path):
    async def scene(stage):
        headers = {"Authorization": f"Bearer {stage.token}"}
        for path in ("/hubs/market", "/hubs/market/", "/hubs/market?id=stale", "/HUBS/market"):
            async with stage.session.ws_connect(stage.url + path, headers=headers) as ws:
                await ws.send_str(HELLO)
                assert (await ws.receive()).data == "{}" + END
        async with stage.session.get(f"{stage.url}/hubs/market", headers=headers) as answer:
            assert answer.status == 400

    on_stage(scene, tmp_path)


def test_no_compression_and_nothing_before_the_handshake(tmp_path):
    async def scene(stage):
        async with stage.raw(hello="", compress=15) as one:
            assert one.ws.compress == 0
            await one.nothing()

    on_stage(scene, tmp_path)


# -- handshake -------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [0, 1, 2])
def test_handshake_in_a_binary_frame_with_an_invocation_behind_it(tmp_path, version):
    async def scene(stage):
        async with stage.raw(hello="") as one:
            call = {"type": 1, "invocationId": "9", "target": "SubscribeContractQuotes",
                    "arguments": [MNQ], "headers": {"Authorization": "x"}}  # fmt: skip
            hello = {"version": version, "protocol": "json"}
            frame = json.dumps(hello) + END + json.dumps(call) + END
            await one.ws.send_bytes(frame.encode())
            assert await one.record() == {}
            assert await one.record() == {"type": 3, "invocationId": "9", "result": 0}

    on_stage(scene, tmp_path)


@pytest.mark.parametrize(
    "hello", ['{"protocol":"xml","version":1}' + END, "{}" + END, "rubbish" + END]
)
def test_a_handshake_that_is_refused_says_why(tmp_path, hello):
    async def scene(stage):
        async with stage.raw(hello="") as one:
            await one.ws.send_str(hello)
            assert (await one.record())["error"]
            assert await one.record() is None

    on_stage(scene, tmp_path)


def test_a_handshake_that_never_comes(tmp_path, monkeypatch):
    monkeypatch.setattr(port_client, "HANDSHAKE_S", 0.1)

    async def scene(stage):
        async with stage.raw(hello="") as one:
            assert await one.record() is None

    on_stage(scene, tmp_path)


# -- invocations -----------------------------------------------------------------------------------


def test_subscriptions_are_completed_with_zero(tmp_path):
    async def scene(stage):
        done = {"type": 3, "invocationId": "1", "result": 0}
        async with stage.raw("user") as one:
            assert await one.invoke("SubscribeAccounts") == done
            for method in ("SubscribeOrders", "SubscribePositions", "SubscribeTrades",
                           "subscribetrades", "UnsubscribeOrders"):  # fmt: skip
                assert await one.invoke(method, 7) == done
        async with stage.raw() as one:
            for what in ("Quotes", "Trades", "MarketDepth"):
                assert await one.invoke(f"SubscribeContract{what}", MNQ) == done

    on_stage(scene, tmp_path)


@pytest.mark.parametrize("arguments", [["7"], [], [7, 8], [None], [True], [7.5]])
def test_arguments_that_do_not_bind(tmp_path, arguments):
    async def scene(stage):
        async with stage.raw("user") as one:
            told = await one.invoke("SubscribeOrders", *arguments)
            assert told["error"] == (
                "Failed to invoke 'SubscribeOrders' due to an error on the server."
            )
            assert (await one.invoke("SubscribeOrders", 7))["result"] == 0  # still open

    on_stage(scene, tmp_path)


def test_unknown_methods(tmp_path):
    async def scene(stage):
        async with stage.raw() as one:
            told = await one.invoke("SubscribeOrders", 7)
            assert told["error"] == (
                "Failed to invoke 'SubscribeOrders' due to an error on the server."
                " HubException: Method does not exist."
            )
            await one.say({"type": 1, "target": "Nothing", "arguments": []})  # no id: no answer
            await one.nothing()
            await one.say({"type": 4, "invocationId": "5", "target": "x", "arguments": []})
            assert (await one.record())["invocationId"] == "5"

    on_stage(scene, tmp_path)


@pytest.mark.parametrize("kind", [2, 3, 5, 6, 8, 9, 42])
def test_records_that_mean_nothing_to_us(tmp_path, kind):
    async def scene(stage):
        async with stage.raw() as one:
            await one.say({"type": kind, "invocationId": "1", "sequenceId": 3, "novelty": []})
            assert (await one.invoke("SubscribeContractQuotes", MNQ))["result"] == 0

    on_stage(scene, tmp_path)


@pytest.mark.parametrize("rubbish", ["{" + END, "no end", '{"type":"x"}' + END, "[]" + END])
def test_garbage_closes_that_connection_only(tmp_path, rubbish):
    async def scene(stage):
        async with stage.raw() as other, stage.raw() as one:
            await one.ws.send_str(rubbish)
            assert await one.record() == {"type": 7, "error": "Connection closed with an error."}
            assert await one.record() is None
            assert (await other.invoke("SubscribeContractQuotes", MNQ))["result"] == 0

    on_stage(scene, tmp_path)


def test_a_client_that_says_goodbye(tmp_path):
    async def scene(stage):
        async with stage.raw() as one:
            await one.say({"type": 7})
            assert await one.record() is None
        await until(lambda: stage.host.port._hubs.connected == 0)

    on_stage(scene, tmp_path)


# -- events ----------------------------------------------------------------------------------------


def test_user_events_are_wrapped_and_hold_no_nulls(tmp_path):
    async def scene(stage):
        async with stage.raw("user") as one, stage.raw("user") as other:
            await one.invoke("SubscribeTrades", 7)
            await other.invoke("SubscribeTrades", 8)
            stage.trade()
            told = await one.record()
            assert told["target"] == "GatewayUserTrade"
            assert told["arguments"][0]["action"] == 0
            data = told["arguments"][0]["data"]
            assert "profitAndLoss" not in data
            assert None not in data.values()
            assert translate.user_event(told["target"], told["arguments"]).row.price == 401
            await other.nothing()

    on_stage(scene, tmp_path)


def test_account_events_go_to_all_who_asked(tmp_path):
    async def scene(stage):
        async with stage.raw("user") as one:
            await one.invoke("SubscribeAccounts")
            push = UserPush(target=words.USER_ACCOUNT, account_id=7, action=1, payload=ACCOUNT)
            stage.host.port.handle(push)
            assert (await one.record())["arguments"][0]["data"]["balance"] == 50_000.0

    on_stage(scene, tmp_path)


def test_quotes_are_full_once_and_sparse_afterwards(tmp_path):
    async def scene(stage):
        async with stage.raw() as one, stage.raw() as late:
            await one.invoke("SubscribeContractQuotes", MNQ)
            stage.quote(best_bid=100.0, best_ask=100.25, open=99.0)
            stage.quote(best_bid=100.0, best_ask=100.5, open=99.0)
            await late.invoke("SubscribeContractQuotes", MNQ)
            stage.quote(best_bid=100.25, best_ask=100.5, open=99.0)
            full, ask, bid = [await one.record() for _ in range(3)]
            assert full["arguments"][0] == MNQ
            assert full["arguments"][1]["open"] == 99.0
            assert ask["arguments"][1] == {
                "symbol": "F.US.MNQ", "bestAsk": 100.5, "timestamp": STAMP,
            }  # fmt: skip
            assert "bestAsk" not in bid["arguments"][1]
            assert (await late.record())["arguments"][1]["open"] == 99.0
            merger = QuoteMerger()
            merged = [merger.merge(told["arguments"], 1) for told in (full, ask, bid)]
            assert [(quote.bid, quote.ask) for quote in merged] == [
                (400, 401), (400, 402), (401, 402),
            ]  # fmt: skip

    on_stage(scene, tmp_path)


def test_subscribing_again_makes_the_next_quote_full(tmp_path):
    async def scene(stage):
        async with stage.raw() as one:
            for _ in range(2):
                await one.invoke("SubscribeContractQuotes", MNQ)
                stage.quote(best_bid=100.0, best_ask=100.25)
                assert "bestBid" in (await one.record())["arguments"][1]
            await one.invoke("UnsubscribeContractQuotes", MNQ)
            stage.quote(best_bid=99.0, best_ask=100.25)
            await one.nothing()

    on_stage(scene, tmp_path)


def test_prints_and_depth_are_arrays(tmp_path):
    async def scene(stage):
        async with stage.raw() as one:
            await one.invoke("SubscribeContractTrades", MNQ)
            tape = (words.TapePayload(price=100.0, timestamp=STAMP, type=0, volume=2),)
            stage.host.port.handle(TapePush(contract=MNQ, payload=tape))
            told = await one.record()
            assert told["target"] == "GatewayTrade"
            assert told["arguments"][1] == [
                {"price": 100.0, "timestamp": STAMP, "type": 0, "volume": 2}
            ]

    on_stage(scene, tmp_path)


def test_a_newcomer_begins_with_the_whole_book(tmp_path):
    async def scene(stage):
        stage.depth(
            (DepthKind.BID, 100.0, 5), (DepthKind.BID, 99.75, 4), (DepthKind.ASK, 100.25, 3)
        )
        stage.depth((DepthKind.BID, 99.75, 0), (DepthKind.ASK, 100.25, 7))
        async with stage.raw() as one:
            await one.invoke("SubscribeContractMarketDepth", MNQ)
            book = DepthBook(MNQ)
            book.fold((await one.record())["arguments"])
            assert book.top(9, 1).bids == ((400, 5),)
            assert book.top(9, 1).asks == ((401, 7),)
            stage.depth((DepthKind.BID, 99.5, 1))
            book.fold((await one.record())["arguments"])
            assert len(book.top(9, 1).bids) == 2

    on_stage(scene, tmp_path)


# -- life ------------------------------------------------------------------------------------------


def test_the_server_pings_when_idle(tmp_path, monkeypatch):
    monkeypatch.setattr(port_client, "PING_EVERY_S", 0.1)

    async def scene(stage):
        async with stage.raw() as one:
            assert await one.record() == {"type": 6}
            assert await one.record() == {"type": 6}

    on_stage(scene, tmp_path)


def test_silence_counts_only_after_the_first_ping(tmp_path, monkeypatch):
    monkeypatch.setattr(port_client, "PING_EVERY_S", 0.05)
    monkeypatch.setattr(port_client, "CLIENT_SILENCE_S", 0.3)

    async def scene(stage):
        async with stage.raw() as quiet, stage.raw() as pinger:
            await pinger.say({"type": 6})
            while await pinger.record() is not None:
                pass
            assert await quiet.record() == {"type": 6}
            assert (await quiet.invoke("SubscribeContractQuotes", MNQ)) is not None

    on_stage(scene, tmp_path)


def test_a_slow_consumer_is_told_and_dropped(tmp_path, monkeypatch):
    monkeypatch.setattr(port_client, "QUEUE_MAX", 50)

    async def scene(stage):
        async with stage.raw() as one:
            await one.invoke("SubscribeContractQuotes", MNQ)
            for number in range(200):
                stage.quote(best_bid=100.0 + number, best_ask=400.25)
            told = await one.record()
            assert told["type"] == 7
            assert "too slow" in told["error"]
            assert told["allowReconnect"]
            assert await one.record() is None

    on_stage(scene, tmp_path)


def test_a_burst_comes_in_frames_of_bearable_size(tmp_path, monkeypatch):
    monkeypatch.setattr(port_client, "FRAME_MAX", 1_000)

    async def scene(stage):
        async with stage.raw() as one:
            await one.invoke("SubscribeContractQuotes", MNQ)
            for number in range(200):
                stage.quote(best_bid=100.0 + number, best_ask=400.25)
            bids = []
            while len(bids) < 200:
                message = await one.ws.receive()
                assert len(message.data) <= 1_000
                records = [json.loads(text) for text in message.data.split(END)[:-1]]
                bids += [told["arguments"][1]["bestBid"] for told in records]
            assert bids == [100.0 + number for number in range(200)]

    on_stage(scene, tmp_path)


def test_the_number_of_clients_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(port_hubs, "CLIENTS_MAX", 1)

    async def scene(stage):
        async with stage.raw():
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                async with stage.raw():
                    pass
            assert caught.value.status == 503
        await until(lambda: stage.host.port._hubs.connected == 0)
        async with stage.raw():
            pass

    on_stage(scene, tmp_path)


def test_stopping_tells_everyone(tmp_path):
    async def scene(stage):
        async with stage.raw() as one:
            await stage.host.port.stop()
            assert (await one.record())["type"] == 7

    on_stage(scene, tmp_path)


# -- faults ----------------------------------------------------------------------------------------


def test_hubs_can_be_dropped_and_closed_by_kind(tmp_path):
    async def scene(stage):
        async with stage.raw("user") as user, stage.raw() as market:
            await stage.fault("DROP_HUBS", hub="market")
            assert await market.record() is None
            await stage.fault("CLOSE_HUBS", hub="user")
            assert await user.record() == {
                "type": 7, "error": "Connection closed with an error.", "allowReconnect": True,
            }  # fmt: skip

    on_stage(scene, tmp_path)


def test_a_muted_hub_stays_open_and_loses_events(tmp_path):
    async def scene(stage):
        async with stage.raw() as one:
            await one.invoke("SubscribeContractQuotes", MNQ)
            stage.quote(best_bid=99.0, best_ask=100.25)
            await one.record()
            await stage.fault("MUTE_HUBS", 60_000, "market")
            stage.quote(best_bid=99.25, best_ask=100.25)
            await one.nothing()
            await one.say({"type": 6})
            await stage.fault("MUTE_HUBS", 0, "market")
            stage.quote(best_bid=99.5, best_ask=100.25)
            assert (await one.record())["arguments"][1]["bestBid"] == 99.5

    on_stage(scene, tmp_path)


def test_a_half_open_hub_answers_nothing_until_it_heals(tmp_path):
    async def scene(stage):
        async with stage.raw() as one:
            await stage.fault("HALF_OPEN_HUBS", 500, "market")
            await one.say({"type": 1, "invocationId": "1", "target": "SubscribeContractQuotes",
                           "arguments": [MNQ]})  # fmt: skip
            await one.nothing()
            assert (await one.record())["result"] == 0

    on_stage(scene, tmp_path)


def test_handshakes_can_be_refused_and_left_hanging(tmp_path):
    async def scene(stage):
        await stage.fault("REFUSE_HANDSHAKE")
        async with stage.raw(hello="") as one:
            await one.ws.send_str(HELLO)
            assert "error" in await one.record()
        await stage.fault("HANG_HANDSHAKE")
        async with stage.raw(hello="") as one:
            await one.ws.send_str(HELLO)
            await one.nothing()
        async with stage.raw():
            pass

    on_stage(scene, tmp_path)


# -- our own client --------------------------------------------------------------------------------


def test_our_session_survives_what_the_simulator_can_do(tmp_path):
    async def scene(stage):
        client = VenueClient(stage.url, Credentials("u", "k"), 2.0)
        heard = []
        session = HubSession(
            stage.url.replace("http", "ws") + "/hubs/user", client.token, [words.USER_TRADE],
            [("SubscribeTrades", (7,))], on_events=heard.extend,
            on_state=lambda state, reason: None,
        )  # fmt: skip
        task = asyncio.create_task(session.run())
        try:
            for fault in ("DROP_HUBS", "CLOSE_HUBS", "REFUSE_HANDSHAKE", "DROP_HUBS"):
                await until(lambda: session.up)
                before = len(heard)
                stage.trade()
                await until(lambda before=before: len(heard) == before + 1)
                lives = session.attempts
                await stage.fault(fault)
                if fault == "REFUSE_HANDSHAKE":
                    session.suspect("test")
                await until(lambda lives=lives: session.attempts > lives)
            await until(lambda: session.up)
        finally:
            await session.close()
            await task
            await client.close()

    on_stage(scene, tmp_path)
