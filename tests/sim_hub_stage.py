"""A raw WebSocket before the simulator's hubs: bytes out, every frame that comes back in hand."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import aiohttp
import pytest

from services.simulator.words import DepthPush, QuotePush, UserPush
from shared.venue import words
from tests.venue_stage import serving

MNQ = "CON.F.US.MNQ.Z26"

END = "\x1e"

STAMP = "2026-11-18T15:35:00.1234567+00:00"

HELLO = '{"protocol":"json","version":1}' + END

TRADE = words.TradeModel(
    id=5, account_id=7, contract_id=MNQ, creation_timestamp=STAMP, price=100.25, fees=0.61, side=0,
    size=1, order_id=11,
)  # fmt: skip


class Raw:
    """A WebSocket and the records that came through it."""

    def __init__(self, ws):
        self.ws = ws
        self.waiting = []

    async def record(self, patience_s=60.0):
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
