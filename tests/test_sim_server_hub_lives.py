"""A hub connection: how it lives, is dropped and repaired; pings, bursts, limits and faults."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest

from services.simulator import port_client, port_hubs
from shared.settings import Credentials
from shared.venue import words
from shared.venue.client import VenueClient
from shared.venue.signalr import HubSession
from tests.sim_hub_stage import END, HELLO, MNQ, on_stage
from tests.venue_stage import until

pytestmark = pytest.mark.slow


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
            await stage.fault("HALF_OPEN_HUBS", 2_000, "market")
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
