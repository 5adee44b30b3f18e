"""A stranger at the simulator's HTTP, who knows its addresses and nothing of ours."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import aiohttp

from tests.venue_stage import serving

ORDER = {"accountId": 1, "contractId": "C", "type": 2, "side": 0, "size": 1}


class Stranger:
    """A plain HTTP client that knows nothing of ours."""

    def __init__(self, session, url, host):
        self.session, self.url, self.host = session, url, host
        self.headers = {}

    async def post(self, path, body=None, **options):
        options.setdefault("headers", self.headers)
        async with self.session.post(self.url + path, json=body, **options) as answer:
            text = await answer.text()
            return answer.status, (json.loads(text) if text[:1] in "{[" and text else text), answer

    async def get(self, path, **options):
        async with self.session.get(self.url + path, **options) as answer:
            return answer.status, await answer.text(), answer

    async def login(self, user="trader", key="k"):
        _, body, _ = await self.post("/api/Auth/loginKey", {"userName": user, "apiKey": key})
        if body["token"]:
            self.headers = {"Authorization": f"Bearer {body['token']}"}
        return body


@asynccontextmanager
async def stranger(folder, login=True, **simulator):
    async with serving(folder, **simulator) as (host, url), aiohttp.ClientSession() as session:
        one = Stranger(session, url, host)
        if login:
            await one.login()
        yield one


def on_stage(scene, folder, **options):
    async def run():
        async with stranger(folder, **options) as one:
            await scene(one)

    asyncio.run(run())
