"""HTTP of the simulated venue: who is asking, how often, for what; then the core is asked.

Everything that hangs on real time and on tokens is settled here (401, 429, faults of the wire, slow
answers); what the venue would think about a request is the core's. An answer that the core says is
lost keeps the caller waiting, as a lost answer does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from aiohttp import web

from services.simulator.port_faults import KINDS, FaultOrder, WireFault, WireFaults
from services.simulator.port_hubs import Hubs
from services.simulator.port_requests import ROUTES, BadRequest, parse
from services.simulator.port_tokens import WRONG_KEY, Claims, Mint, Window
from services.simulator.words import Call, Fault, FaultKind, Truth
from shared.core import Word
from shared.venue import words
from shared.venue.answers import (
    Acknowledged,
    Endpoint,
    LoginResponse,
    Problem,
    ValidateResponse,
)
from shared.venue.codes import LoginError
from shared.venue.times import time_text

BODY_MAX: Final = 1024 * 1024
BODY_PATIENCE_S: Final = 15.0
ANSWER_PATIENCE_S: Final = 60.0
RATE: Final = (200, 60.0)  # requests, seconds: per token, as the venue counts
HISTORY_RATE: Final = (50, 30.0)
HUB_PATHS: Final = {"/hubs/user": "user", "/hubs/market": "market"}
PING_PATH: Final = "/api/status/ping"
JSON: Final = "application/json"

Ask = Callable[[Callable[[int], Word]], Awaitable[tuple[words.Body | None, float]]]
"""Make a word from a call id, tell it to the core, and get (answer or None, seconds to wait)."""


class Rest:
    """Routes and answers. `ask` reaches the core, `clock` tells (market ns, speed).

    `pace`: at N times the speed of the wall a minute of the market is as long as it was to clients.
    """

    def __init__(
        self,
        mint: Mint,
        ask: Ask,
        clock: Callable[[], tuple[int, float]],
        *,
        faults: WireFaults,
        hubs: Hubs,
        pace: float = 1.0,
    ) -> None:
        self._mint = mint
        self._ask = ask
        self._clock = clock
        self._faults = faults
        self._hubs = hubs
        self._rate = Window(RATE[0], RATE[1] / pace)
        self._history_rate = Window(HISTORY_RATE[0], HISTORY_RATE[1] / pace)

    def application(self) -> web.Application:
        application = web.Application(client_max_size=BODY_MAX)
        application.router.add_route("*", "/{path:.*}", self._route)
        return application

    async def _route(self, request: web.Request) -> web.StreamResponse:
        path = request.path.lower().rstrip("/")
        if path in ROUTES:
            if request.method != "POST":
                return web.Response(status=405, headers={"Allow": "POST"})
            return await self._answer(request, path, ROUTES[path])
        if path == PING_PATH:
            return web.Response(text="pong")
        hub = HUB_PATHS.get(path.removesuffix("/negotiate"))
        if hub is not None:
            return await self._hub(request, path, hub)
        if path.startswith("/sim/"):
            return await self._sim(request, path)
        return web.Response(status=404)

    # -- who, how often ----------------------------------------------------------------------------

    def _claims(self, request: web.Request, query_too: bool = False) -> Claims | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            token = request.query.get("access_token", "") if query_too else ""
        return self._mint.check(token.strip()) if token else None

    @staticmethod
    def _stranger(request: web.Request) -> web.Response:
        told = "Bearer"
        if "Authorization" in request.headers or "access_token" in request.query:
            told = 'Bearer error="invalid_token", error_description="The token is not valid"'
        return web.Response(status=401, headers={"WWW-Authenticate": told})

    def _too_often(self, path: str, claims: Claims) -> web.Response | None:
        window = self._history_rate if path.endswith("/retrievebars") else self._rate
        wait = window.wait_s(claims.jti)
        if not wait:
            return None
        return web.Response(status=429, headers={"Retry-After": str(int(wait) + 1)})

    def _faulty(self, request: web.Request, path: str) -> web.Response | None:
        """A fault that answers instead of the venue."""
        if self._faults.strikes(WireFault.UNAUTHORISED, path):
            return self._stranger(request)
        if self._faults.strikes(WireFault.TOO_MANY, path):
            return web.Response(status=429, headers={"Retry-After": "1"})
        if self._faults.strikes(WireFault.SERVER_ERROR, path):
            return web.Response(status=503, text="Service Unavailable")
        return None

    # -- requests ----------------------------------------------------------------------------------

    async def _answer(
        self, request: web.Request, path: str, endpoint: Endpoint
    ) -> web.StreamResponse:
        claims = None
        try:
            async with asyncio.timeout(BODY_PATIENCE_S):
                body = await request.read()
        except TimeoutError:
            return web.Response(status=408)
        if (fault := self._faulty(request, path)) is not None:
            return fault
        if endpoint.request is not words.LoginKey:
            claims = self._claims(request)
            if claims is None:
                return self._stranger(request)
            if (refusal := self._too_often(path, claims)) is not None:
                return refusal
        try:
            asked = parse(body, endpoint.request)
        except BadRequest as bad:
            return _problem(bad.problem)
        response, delay = await self._obtain(asked, claims)
        await asyncio.sleep(delay + self._faults.slow_s)
        return await self._deliver(request, path, response)

    async def _obtain(
        self, asked: words.Body, claims: Claims | None
    ) -> tuple[words.Body | None, float]:
        match asked:
            case words.LoginKey():
                return self._login(asked), 0.0
            case words.Validate():
                assert claims is not None
                token = self._mint.issue(claims.sub)
                return ValidateResponse(success=True, new_token=token), 0.0
            case words.Logout():
                assert claims is not None
                self._mint.revoke(claims)
                return Acknowledged(success=True), 0.0
        user = claims.sub if claims else ""
        return await self._ask(
            lambda call_id: Call(call_id=call_id, request=asked, user=user)  # type: ignore[arg-type]
        )

    def _login(self, asked: words.LoginKey) -> LoginResponse:
        if not asked.user_name or asked.api_key in ("", WRONG_KEY):
            return LoginResponse(success=False, error_code=LoginError.INVALID_CREDENTIALS)
        return LoginResponse(success=True, token=self._mint.issue(asked.user_name))

    async def _deliver(
        self, request: web.Request, path: str, response: words.Body | None
    ) -> web.StreamResponse:
        """The answer, unless a fault of the wire takes it away after the deed."""
        if response is None:
            await asyncio.sleep(ANSWER_PATIENCE_S)
        if response is None or self._faults.strikes(WireFault.CUT_ANSWER, path):
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        if self._faults.strikes(WireFault.ERROR_AFTER, path):
            return web.Response(status=500, text="Internal Server Error")
        if self._faults.strikes(WireFault.GARBAGE_ANSWER, path):
            return web.Response(body=b'{"success":tr', content_type=JSON)
        if isinstance(response, Problem):
            return _problem(response)
        return _json(words.to_json(response))

    # -- hubs --------------------------------------------------------------------------------------

    async def _hub(self, request: web.Request, path: str, hub: str) -> web.StreamResponse:
        negotiate = path.endswith("/negotiate")
        if request.method != ("POST" if negotiate else "GET"):
            return web.Response(status=405, headers={"Allow": "POST" if negotiate else "GET"})
        if self._claims(request, query_too=True) is None:
            return self._stranger(request)
        if negotiate:
            return _negotiated(request.query.get("negotiateVersion", "0"), self._mint)
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return web.Response(status=400, text="Connection ID required")
        return await self._hubs.serve(request, hub)

    # -- for tests and demonstrations --------------------------------------------------------------

    async def _sim(self, request: web.Request, path: str) -> web.StreamResponse:
        if "Origin" in request.headers:
            return web.Response(status=403, text="not for browsers")
        if (path, request.method) == ("/sim/clock", "GET"):
            market_ns, speed = self._clock()
            shown = {"marketNs": market_ns, "market": time_text(market_ns, 9), "speed": speed}
            return _json(msgspec.json.encode(shown))
        if (path, request.method) == ("/sim/truth", "GET"):
            response, _ = await self._ask(lambda call_id: Truth(call_id=call_id))
            return _json(words.to_json(response)) if response else web.Response(status=503)
        if (path, request.method) == ("/sim/fault", "GET"):
            return _json(msgspec.json.encode(self._standing()))
        if (path, request.method) == ("/sim/fault", "POST"):
            return await self._order_fault(await request.read())
        return web.Response(status=404)

    def _standing(self) -> dict[str, Any]:
        return {"faults": self._faults.shown(), "kinds": sorted(KINDS)}

    async def _order_fault(self, body: bytes) -> web.Response:
        try:
            order = msgspec.json.decode(body, type=FaultOrder)
        except msgspec.DecodeError as error:
            return web.Response(status=400, text=f"fault: {error}\n")
        kind = KINDS.get(order.kind)
        if kind is None or order.hub not in ("", "user", "market"):
            text = f"fault: kind was {order.kind!r}, hub {order.hub!r}; kinds: {sorted(KINDS)}\n"
            return web.Response(status=400, text=text)
        if isinstance(kind, FaultKind):
            response, _ = await self._ask(
                lambda call_id: Fault(call_id=call_id, kind=kind, amount=order.amount)
            )
            return _json(words.to_json(response)) if response else web.Response(status=503)
        self._faults.order(kind, order)
        if kind is WireFault.DROP_HUBS:
            self._hubs.drop(order.hub)
        elif kind is WireFault.CLOSE_HUBS:
            self._hubs.end(order.hub, "Connection closed with an error.")
        return _json(msgspec.json.encode(self._standing()))


def _json(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, content_type=JSON, charset="utf-8")


def _problem(problem: Problem) -> web.Response:
    return web.Response(
        body=words.to_json(problem), status=problem.status, content_type="application/problem+json"
    )


def _negotiated(asked: str, mint: Mint) -> web.Response:
    """Version 1 gives a secret id beside the public one; 0 only the public one."""
    version = 1 if asked.isdigit() and int(asked) >= 1 else 0
    answer: dict[str, Any] = {"negotiateVersion": version, "connectionId": mint.connection_id()}
    if version:
        answer["connectionToken"] = mint.connection_id()
    answer["availableTransports"] = [{"transport": "WebSockets", "transferFormats": ["Text"]}]
    return _json(msgspec.json.encode(answer))
