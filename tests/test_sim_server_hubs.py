"""The simulator's hubs through a raw WebSocket: upgrades, handshakes, invocations, events."""

from __future__ import annotations

import json

import aiohttp
import pytest

from services.simulator import port_client
from services.simulator.words import TapePush, UserPush
from shared.venue import translate, words
from shared.venue.codes import DepthKind
from shared.venue.market import DepthBook, QuoteMerger
from tests.sim_hub_stage import END, HELLO, MNQ, STAMP, on_stage
from tests.venue_stage import until

pytestmark = pytest.mark.slow

ACCOUNT = words.AccountModel(id=7, name="A", balance=50_000.0, can_trade=True, simulated=True)


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
