"""HTTP of pull replays, under `/api/topstep-sim`: what a notebook posts becomes a `PullCall`.

Paths are `<controller>/<action>` as at the gateway, matched whatever their case; every gateway
request works here too, and may leave out the account: then it is about the caller's latest replay.
Tokens are the simulator's own (any key is taken, `Auth/login` or `Auth/loginKey`). There is no rate
limit: the loop of a notebook is not the traffic of an exchange.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from aiohttp import web

from services.simulator.port_requests import BadRequest, parse
from services.simulator.port_tokens import Claims
from services.simulator.pull_words import (
    CloseAll,
    PullPlace,
    ReplayEnd,
    ReplayJumpTo,
    ReplayPause,
    ReplayPlay,
    ReplaySpeed,
    ReplayStart,
    ReplayStatus,
    ReplayStep,
)
from services.simulator.words import PullCall
from shared.core import Word
from shared.venue import words
from shared.venue.answers import ENDPOINTS, Problem

BASE: Final = "/api/topstep-sim/"
LOGINS: Final = ("auth/login", "auth/loginkey")
ROUTES: Final[dict[str, type[words.Body]]] = {
    **{
        entry.path.lower().removeprefix("/api/"): entry.request
        for entry in ENDPOINTS
        if not entry.path.startswith("/api/Auth/")
    },
    "replay/start": ReplayStart,
    "replay/step": ReplayStep,
    "replay/next": ReplayStep,
    "replay/nextbar": ReplayStep,
    "replay/play": ReplayPlay,
    "replay/speed": ReplaySpeed,
    "replay/pause": ReplayPause,
    "replay/jumpto": ReplayJumpTo,
    "replay/status": ReplayStatus,
    "replay/end": ReplayEnd,
    "order/place": PullPlace,
    "position/closeall": CloseAll,
}

Ask = Callable[[Callable[[int], Word]], Awaitable[tuple[words.Body | None, float]]]


class PullDoor:
    """`claims` says who asks (None: nobody we know), `login` makes an answer to a name and key."""

    def __init__(
        self,
        ask: Ask,
        claims: Callable[[web.Request], Claims | None],
        login: Callable[[str, str], words.Body],
    ) -> None:
        self._ask = ask
        self._claims = claims
        self._login = login

    async def answer(self, request: web.Request, path: str) -> web.Response:
        """`path` in small letters, with `BASE`."""
        action = path.removeprefix(BASE)
        if action not in ROUTES and action not in LOGINS:
            return web.Response(status=404)
        if request.method != "POST":
            return web.Response(status=405, headers={"Allow": "POST"})
        body = await request.read()
        try:
            if action in LOGINS:
                asked = parse(_filled(body, words.LoginKey), words.LoginKey)
                assert isinstance(asked, words.LoginKey), "Invariant: parsed as asked"
                return _json(self._login(asked.user_name, asked.api_key))
            claims = self._claims(request)
            if claims is None:
                return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})
            wish = parse(_filled(body, ROUTES[action]), ROUTES[action])
        except BadRequest as bad:
            return _json(bad.problem, 400)
        response, _ = await self._ask(
            lambda call_id: PullCall(call_id=call_id, request=wish, user=claims.sub)  # type: ignore[arg-type]
        )
        if response is None:
            return web.Response(status=503)
        return _json(response, 400 if isinstance(response, Problem) else 200)


def _filled(body: bytes, kind: type[words.Body]) -> bytes:
    """The body as JSON; empty is `{}`, and a missing account is 0: the caller's latest replay."""
    try:
        found: Any = msgspec.json.decode(body) if body.strip() else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body  # complained about where every body is
    if isinstance(found, dict) and "account_id" in kind.__struct_fields__:
        names = {str(name).lower() for name, value in found.items() if value is not None}
        if "accountid" not in names:
            found["accountId"] = 0
    return msgspec.json.encode(found)


def _json(body: words.Body, status: int = 200) -> web.Response:
    return web.Response(
        body=words.to_json(body), content_type="application/json", charset="utf-8", status=status
    )
