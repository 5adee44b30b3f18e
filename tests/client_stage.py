"""A REST client of ours before a server of a few lines, whose every answer a test decides."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from contextlib import asynccontextmanager

from aiohttp import web

from shared.settings import Credentials
from shared.venue import words
from shared.venue.client import VenueClient

SECRET = Credentials("trader", "k3y-never-shown")
ORDER = words.PlaceOrder(account_id=1, contract_id="C", type=2, side=0, size=1, custom_tag="t")
PLACED = {"orderId": 5, "success": True, "errorCode": 0, "errorMessage": None}


def jwt(life=3600.0, issued=None):
    issued = time.time() if issued is None else issued
    claims = json.dumps({"exp": issued + life, "iat": issued}).encode()
    return f"h.{base64.urlsafe_b64encode(claims).rstrip(b'=').decode()}.s"


class Venue:
    """`answer` is called for every request but logins; `seen` are (path, token, body)."""

    def __init__(self):
        self.seen = []
        self.logins = 0
        self.life = 3600.0
        self.login_answer = None
        self.answer = lambda request: web.json_response(PLACED)

    async def handle(self, request):
        body = await request.read()
        if request.path == "/api/Auth/loginKey":
            self.logins += 1
            if self.login_answer is not None:
                return await _settled(self.login_answer(request))
            return web.json_response({"token": f"{jwt(self.life)}{self.logins}", "success": True,
                                      "errorCode": 0, "errorMessage": None})  # fmt: skip
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.seen.append((request.path, token, body))
        return await _settled(self.answer(request))


async def _settled(answer):
    return await answer if asyncio.iscoroutine(answer) else answer


@asynccontextmanager
async def venue(**options):
    there = Venue()
    runner = web.AppRunner(web.Application(), access_log=None, shutdown_timeout=0.1)
    runner.app.router.add_route("*", "/{path:.*}", there.handle)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    here = VenueClient(url, SECRET, options.pop("timeout_s", 10.0), **options)
    try:
        yield there, here
    finally:
        await here.close()
        await runner.cleanup()


def told(answer, act=True, **options):
    """What the client makes of one kind of answer, and how often the venue was asked."""

    async def run():
        async with venue(**options) as (there, here):
            there.answer = answer
            outcome = await (here.place(ORDER) if act else here.positions(1))
            return outcome, there.seen

    return asyncio.run(run())


def status(code, **headers):
    return lambda request: web.Response(status=code, text="x", headers=headers)
