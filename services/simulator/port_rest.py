"""HTTP of the simulated venue: who is asking, how often, for what; then the core is asked.

Everything that hangs on real time and on tokens is settled here (401, 429, faults of the wire, slow
answers); what the venue would think about a request is the core's. An answer that the core says is
lost keeps the caller waiting, as a lost answer does. `/sim` is in `port_control.py`.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any, Final

import msgspec
from aiohttp import web

from services.simulator.port_faults import WireFault, WireFaults
from services.simulator.port_hubs import Hubs
from services.simulator.port_log import Log, Row
from services.simulator.port_pull import BASE, PullDoor
from services.simulator.port_requests import ROUTES, BadRequest, parse
from services.simulator.port_shape import Shape
from services.simulator.port_tokens import REFUSED_KEYS, Claims, Mint, Window
from services.simulator.words import Call
from shared.core import Word
from shared.sections import SimulatorWire
from shared.venue import words
from shared.venue.answers import (
    Acknowledged,
    Endpoint,
    LoginResponse,
    Problem,
    Response,
    ValidateResponse,
)
from shared.venue.codes import LoginError

BODY_MAX: Final = 1024 * 1024
BODY_PATIENCE_S: Final = 15.0
ANSWER_PATIENCE_S: Final = 60.0
RATE: Final = (200, 60.0)  # requests, seconds: per token, as the venue counts
HISTORY_RATE: Final = (50, 30.0)
HUB_PATHS: Final = {"/hubs/user": "user", "/hubs/market": "market"}
PING_PATH: Final = "/api/status/ping"
JSON: Final = "application/json"
SERVER: Final = "Kestrel"
TEXT_JSON: Final = "text/json"
UNSUPPORTED: Final = "https://tools.ietf.org/html/rfc9110#section-15.5.16"
DOWN: Final = "<html><head><title>503 Service Temporarily Unavailable</title></head></html>"
INSTEAD: Final = (
    (WireFault.TOO_MANY, 429, ""),
    (WireFault.SERVER_ERROR, 503, "Service Unavailable"),
    (WireFault.BAD_GATEWAY, 502, "Bad Gateway"),
    (WireFault.ERROR_BEFORE, 500, "Internal Server Error"),
)
"""Faults that answer instead of the venue."""

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
        log: Log,
        shape: Shape,
        settings: SimulatorWire,
        control: Callable[[web.Request, str], Awaitable[web.Response]],
        pace: float = 1.0,
    ) -> None:
        self._mint = mint
        self._ask = ask
        self._clock = clock
        self._faults = faults
        self._hubs = hubs
        self._log = log
        self._shape = shape
        self._settings = settings
        self._control = control
        self._pull = PullDoor(ask, self._claims, lambda user, key: self._checked(user, key))
        fixed = settings.rate_window == "fixed"
        self._rate = Window(RATE[0], RATE[1] / pace, fixed=fixed)
        self._history_rate = Window(HISTORY_RATE[0], HISTORY_RATE[1] / pace, fixed=fixed)

    def application(self) -> web.Application:
        application = web.Application(client_max_size=BODY_MAX)
        application.router.add_route("*", "/{path:.*}", self._route)
        application.on_response_prepare.append(self._sign)
        return application

    async def _sign(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """Every answer says who serves it and what the venue thinks the time is."""
        response.headers["Server"] = SERVER
        if self._faults.clock_ms:
            told = formatdate(time.time() + self._faults.clock_ms / 1000, usegmt=True)
            response.headers["Date"] = told

    async def _route(self, request: web.Request) -> web.StreamResponse:
        """Answer, and keep a row of what became of it."""
        path = request.path.lower().rstrip("/")
        if path.startswith("/sim/"):
            return await self._control(request, path)
        row = self._log.open(self._clock()[0], request.method, request.path)
        try:
            response = await self._dispatch(request, path, row)
        except web.HTTPException as error:
            self._log.close(row, error.status, "refused")
            raise
        except BaseException:
            self._log.close(row, 0, "gone")
            raise
        self._log.close(row, response.status, "answered" if response.status < 400 else "refused")
        return response

    async def _dispatch(self, request: web.Request, path: str, row: Row) -> web.StreamResponse:
        if self._faults.lasts_s(WireFault.MAINTENANCE):
            row.fault = WireFault.MAINTENANCE.value
            return web.Response(status=503, text=DOWN, content_type="text/html")
        if path in ROUTES:
            if request.method != "POST":
                return web.Response(status=405, headers={"Allow": "POST"})
            return await self._answer(request, path, ROUTES[path], row=row)
        if path == PING_PATH:
            return self._ping(request)
        if path.startswith(BASE):
            return await self._pull.answer(request, path)
        hub = HUB_PATHS.get(path.removesuffix("/negotiate"))
        if hub is not None:
            return await self._hub(request, path, hub, row=row)
        return web.Response(status=404)

    def _ping(self, request: web.Request) -> web.Response:
        if request.method not in ("GET", "HEAD", "POST"):
            return web.Response(status=405, headers={"Allow": "GET"})
        if self._settings.ping_token and self._claims(request) is None:
            return self._stranger(request)
        return web.Response(text="pong")

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
        user = self._settings.rate_scope == "user"
        wait = window.wait_s(claims.sub.lower() if user else claims.jti)
        return _later(wait if self._settings.retry_after else -1.0) if wait else None

    def _faulty(self, request: web.Request, path: str, row: Row) -> web.Response | None:
        """A fault that answers instead of the venue."""
        if self._faults.strikes(WireFault.UNAUTHORISED, path):
            row.fault = WireFault.UNAUTHORISED.value
            return self._stranger(request)
        for kind, status, text in INSTEAD:
            if self._faults.strikes(kind, path):
                row.fault = kind.value
                return _later(1.0) if status == 429 else web.Response(status=status, text=text)
        return None

    # -- requests ----------------------------------------------------------------------------------

    async def _answer(
        self, request: web.Request, path: str, endpoint: Endpoint, *, row: Row
    ) -> web.StreamResponse:
        try:
            async with asyncio.timeout(BODY_PATIENCE_S):
                body = await request.read()
        except TimeoutError:
            return web.Response(status=408)
        if (fault := self._faulty(request, path, row)) is not None:
            return fault
        claims = None
        if endpoint.request not in (words.LoginKey, words.LoginApp):
            claims = self._claims(request)
            if claims is None:
                return self._stranger(request)
            row.user = claims.sub
            if (refusal := self._too_often(path, claims)) is not None:
                return refusal
        if body and not _is_json(request.content_type, "Content-Type" in request.headers):
            return _problem(Problem(type=UNSUPPORTED, title="Unsupported Media Type", status=415))
        try:
            asked = parse(body, endpoint.request)
        except BadRequest as bad:
            return _problem(bad.problem)
        if self._faults.strikes(WireFault.HANG_BEFORE, path):
            row.fault = WireFault.HANG_BEFORE.value
            return await self._hang(request, row)
        response, delay = await self._obtain(request, asked, claims, row=row)
        await asyncio.sleep(delay + self._faults.slow_s)
        return await self._deliver(request, path, response, row=row)

    async def _obtain(
        self, request: web.Request, asked: words.Body, claims: Claims | None, *, row: Row
    ) -> tuple[words.Body | None, float]:
        match asked:
            case words.LoginKey():
                return self._login(asked.user_name, asked.api_key, row), 0.0
            case words.LoginApp():
                if self._settings.login_app:
                    return self._login(asked.user_name, asked.password, row), 0.0
                return LoginResponse(success=False, error_code=LoginError.APP_NOT_FOUND), 0.0
            case words.Validate():
                assert claims is not None
                token = request.headers["Authorization"].partition(" ")[2].strip()
                if self._settings.validate_gives == "new":
                    token = self._mint.issue(claims.sub)
                return ValidateResponse(success=True, new_token=token), 0.0
            case words.Logout():
                assert claims is not None
                self._mint.revoke(claims)
                if self._settings.logout_ends == "user":
                    self._mint.revoke_user(claims.sub)
                return Acknowledged(success=True), 0.0
        user = claims.sub if claims else ""

        def call(call_id: int) -> Call:
            row.call_id = call_id
            return Call(call_id=call_id, request=asked, user=user)  # type: ignore[arg-type]

        return await self._ask(call)

    def _login(self, user: str, key: str, row: Row) -> words.Body:
        row.user = user
        told = self._checked(user, key)
        if not told.success:
            return told
        if self._settings.rate_counts_logins and (wait := self._rate.wait_s(user.lower())):
            return TooMany(wait_s=wait)
        if self._settings.rival_login == "logout":
            self._hubs.rival(user)
        return told

    def _checked(self, user: str, key: str) -> LoginResponse:
        """A token for whoever has a name and no key that is kept for refusals."""
        code, text = REFUSED_KEYS.get(key if user else "", (LoginError.SUCCESS, None))
        if code is not LoginError.SUCCESS:
            return LoginResponse(success=False, error_code=code, error_message=text)
        return LoginResponse(success=True, token=self._mint.issue(user))

    async def _hang(self, request: web.Request, row: Row) -> web.Response:
        """Let the caller wait until nobody would wait any longer, then break the connection."""
        row.outcome = "unanswered"
        await asyncio.sleep(ANSWER_PATIENCE_S)
        return _cut(request)

    async def _deliver(
        self, request: web.Request, path: str, response: words.Body | None, *, row: Row
    ) -> web.StreamResponse:
        """The answer, unless a fault of the wire takes it away after the deed."""
        strikes = self._faults.strikes
        if response is None:
            return await self._hang(request, row)
        if isinstance(response, Response):
            row.error_code = response.error_code
        for kind in (WireFault.HANG_AFTER, WireFault.CUT_ANSWER, WireFault.ERROR_AFTER,
                     WireFault.GARBAGE_ANSWER):  # fmt: skip
            if strikes(kind, path):
                row.fault = kind.value
                break
        match row.fault:
            case "HANG_AFTER":
                return await self._hang(request, row)
            case "CUT_ANSWER":
                row.outcome = "unanswered"
                return _cut(request)
            case "ERROR_AFTER":
                return web.Response(status=500, text="Internal Server Error")
            case "GARBAGE_ANSWER":
                return web.Response(body=b'{"success":tr', content_type=JSON)
        if isinstance(response, TooMany):
            return _later(response.wait_s if self._settings.retry_after else -1.0)
        if isinstance(response, Problem):
            return _problem(response)
        return web.Response(body=self._shape.answer(response), content_type=JSON, charset="utf-8")

    # -- hubs --------------------------------------------------------------------------------------

    async def _hub(
        self, request: web.Request, path: str, hub: str, *, row: Row
    ) -> web.StreamResponse:
        negotiate = path.endswith("/negotiate")
        if request.method != ("POST" if negotiate else "GET"):
            return web.Response(status=405, headers={"Allow": "POST" if negotiate else "GET"})
        if self._faults.lasts_s(WireFault.HUB_OUTAGE, hub):
            row.fault = WireFault.HUB_OUTAGE.value
            return web.Response(status=503, text="Service Unavailable")
        if (fault := self._faulty(request, path, row)) is not None:
            return fault
        claims = self._claims(request, query_too=True)
        if claims is None:
            return self._stranger(request)
        row.user = claims.sub
        if negotiate:
            asked = request.query.get("negotiateVersion", "0")
            return _json(msgspec.json.encode(self._hubs.negotiated(asked)))
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return web.Response(status=400, text="Connection ID required")
        row.status = 101
        return await self._hubs.serve(request, hub, claims)


class TooMany(words.Body, frozen=True, kw_only=True):
    """A login beyond the rate; never on the wire."""

    wait_s: float


def _is_json(kind: str, said: bool) -> bool:
    """What the venue takes; a request that does not say is taken too."""
    if not said:
        return True
    return kind in (JSON, TEXT_JSON) or (kind.startswith("application/") and kind.endswith("+json"))


def _later(wait_s: float) -> web.Response:
    """429; below 0 it does not say for how long."""
    headers = {} if wait_s < 0 else {"Retry-After": str(int(wait_s) + 1)}
    return web.Response(status=429, headers=headers)


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type=JSON, charset="utf-8")


def _problem(problem: Problem) -> web.Response:
    trace = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"
    plain: dict[str, Any] = words.to_plain(problem) | {"traceId": trace}
    return web.Response(
        body=msgspec.json.encode(plain),
        status=problem.status,
        content_type="application/problem+json",
    )
