"""The HTTP face of the exporter: what may be asked, by whom, and under which headers.

Everything is for this computer only. A browser is the one client that acts for strangers, so every
request must name a loopback host (no DNS rebinding), a foreign Origin gets nothing, and acting
needs the bearer token as well. The page is our own file without any outside asset, and the content
security policy holds it to that. Answers are never cached: an old answer looks like a new one.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from services.metrics_exporter.schema import Snapshot

STATIC: Final = Path(__file__).parent / "static"
ASSETS: Final = {
    "/": "index.html", "/page.css": "page.css", "/page.js": "page.js", "/risk.js": "risk.js",
    "/earned.js": "earned.js",
}  # fmt: skip
TYPES: Final = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
BODY_BYTES_MAX: Final = 16_384
SOCKETS_MAX: Final = 16
SEND_S_MAX: Final = 2.0
SOCKET_MESSAGE_MAX: Final = 1_024
TRADES_MAX: Final = 500
TEXT_MAX: Final = 200
HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}

_json: Final = msgspec.json.Encoder().encode
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Desk(Protocol):
    """What the face asks of the process behind it."""

    token: str

    def snapshot(self) -> Snapshot: ...
    def frame(self) -> str: ...
    async def next_frame(self) -> str: ...
    def metrics(self) -> bytes: ...
    def finished_orders(self) -> list[Any]: ...
    async def trades(self, wanted: dict[str, Any]) -> list[dict[str, Any]]: ...
    async def ask_governor(self, verb: str, cause: str) -> dict[str, Any] | None: ...
    async def emergency_stop(self, cause: str) -> dict[str, Any]: ...


def answer(content: Any, status: int = 200) -> web.Response:
    return web.Response(body=_json(content), status=status, content_type="application/json")


class Face:
    """The routes. `hosts`: further names (with or without port) under which we may be called."""

    def __init__(self, desk: Desk, hosts: tuple[str, ...] = ()) -> None:
        self._desk = desk
        self._hosts = frozenset((*LOOPBACK, *hosts))
        self._sockets: set[web.WebSocketResponse] = set()
        self._assets = {
            path: ((STATIC / name).read_bytes(), TYPES[Path(name).suffix])
            for path, name in ASSETS.items()
        }

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._guard], client_max_size=BODY_BYTES_MAX)
        for path in self._assets:
            app.router.add_get(path, self._asset)
        for path, handler in {
            "/metrics": self._metrics,
            "/healthz": self._health,
            "/readyz": self._ready,
            "/ws": self._socket,
            "/api/status": self._status,
            "/api/orders": self._orders,
            "/api/trades": self._trades,
            "/api/positions": self._positions,
            "/api/risk": self._risk,
        }.items():
            app.router.add_get(path, handler)
        app.router.add_post("/api/control/start", self._start)
        app.router.add_post("/api/control/stop", self._stop)
        app.router.add_post("/api/emergency/stop", self._emergency)
        app.on_shutdown.append(self._close_sockets)
        return app

    # -- who may ask -------------------------------------------------------------------------------

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        refused = self._refused(request)
        if refused is not None:
            found: web.StreamResponse = refused
        else:
            try:
                found = await handler(request)
            except web.HTTPException as error:
                found = answer({"error": error.reason}, error.status)
        if not found.prepared:
            found.headers.update(HEADERS)
        return found

    def _refused(self, request: web.Request) -> web.Response | None:
        """Why this request is not served, if so; the token is tested last and in constant time."""
        host = request.host
        name = host if host.endswith("]") else host.rsplit(":", 1)[0]
        if name.lower() not in self._hosts:
            return answer({"error": f"host {host[:TEXT_MAX]!r} is not this computer"}, 403)
        origin = request.headers.get("Origin")
        if origin is not None and origin != f"{request.scheme}://{host}":
            return answer({"error": "another site may not ask this"}, 403)
        if request.method in {"GET", "HEAD"}:
            return None
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        right = hmac.compare_digest(given.strip().encode(), self._desk.token.encode())
        if scheme.lower() != "bearer" or not right:
            return answer({"error": "the control token is missing or wrong"}, 401)
        return None

    # -- reading -----------------------------------------------------------------------------------

    async def _asset(self, request: web.Request) -> web.Response:
        body, kind = self._assets[request.path]
        return web.Response(body=body, content_type=kind, charset="utf-8")

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(
            body=self._desk.metrics(), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4}
        )

    async def _health(self, request: web.Request) -> web.Response:
        """This process lives; it says nothing about the others."""
        return answer({"alive": True})

    async def _ready(self, request: web.Request) -> web.Response:
        reasons = self._desk.snapshot().unready
        return answer({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)

    async def _status(self, request: web.Request) -> web.Response:
        return web.Response(text=self._desk.frame(), content_type="application/json")

    async def _orders(self, request: web.Request) -> web.Response:
        now = self._desk.snapshot()
        finished = self._desk.finished_orders()
        return answer({"now": now.now, "live": now.orders, "finished": finished})

    async def _positions(self, request: web.Request) -> web.Response:
        now = self._desk.snapshot()
        return answer({"now": now.now, "positions": now.positions, "sleeves": now.sleeves})

    async def _risk(self, request: web.Request) -> web.Response:
        now = self._desk.snapshot()
        return answer(
            {
                "now": now.now,
                "verdict": now.verdict,
                "risk": now.safety,
                "reasons": now.risk,
                "flatten": now.flatten,
                "vetoes": now.vetoes,
            }
        )

    async def _trades(self, request: web.Request) -> web.Response:
        """A page of the trades table: `day`, `sleeve`, `before` (a trade id), `limit` (to 500)."""
        query = request.query
        wanted: dict[str, Any] = {name: query.get(name, "") for name in ("day", "sleeve")}
        for name, most in (("before", 2**63 - 1), ("limit", TRADES_MAX)):
            text = query.get(name)
            if text is None:
                continue
            if not text.isdecimal() or len(text) > 19 or not 1 <= int(text) <= most:
                return answer({"error": f"{name} was {text[:TEXT_MAX]!r}, not in 1 to {most}"}, 400)
            wanted[name] = int(text)
        now = self._desk.snapshot()
        trades = await self._desk.trades(wanted)
        return answer({"now": now.now, "totals": now.totals, "trades": trades})

    # -- acting ------------------------------------------------------------------------------------

    async def _start(self, request: web.Request) -> web.Response:
        """Ends a pause; a halt stays."""
        return await self._control(request, "start")

    async def _stop(self, request: web.Request) -> web.Response:
        """Pauses entries; exits and protection go on."""
        return await self._control(request, "pause")

    async def _control(self, request: web.Request, verb: str) -> web.Response:
        said = await self._desk.ask_governor(verb, await _cause(request))
        if said is None:
            return answer({"done": False, "text": "the risk governor does not answer"}, 503)
        return answer(said, 200 if said.get("done") else 409)

    async def _emergency(self, request: web.Request) -> web.Response:
        return answer(await self._desk.emergency_stop(await _cause(request)), 202)

    # -- the stream --------------------------------------------------------------------------------

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        """Snapshots twice a second. A client that does not take them is dropped, not waited for."""
        if len(self._sockets) >= SOCKETS_MAX:
            return answer({"error": f"{SOCKETS_MAX} pages are open already"}, 503)
        socket = web.WebSocketResponse(heartbeat=10, max_msg_size=SOCKET_MESSAGE_MAX)
        self._sockets.add(socket)
        sending: asyncio.Task[None] | None = None
        try:
            await socket.prepare(request)
            sending = asyncio.get_running_loop().create_task(self._send(socket, request.transport))
            async for message in socket:
                if message.type in (WSMsgType.ERROR, WSMsgType.CLOSE):
                    break
        finally:
            self._sockets.discard(socket)
            if sending is not None:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
        return socket

    async def _send(
        self, socket: web.WebSocketResponse, transport: asyncio.Transport | None
    ) -> None:
        """Every new picture, until the client goes or stops taking them; then cut it off."""
        frame = self._desk.frame()
        with contextlib.suppress(ConnectionError, RuntimeError, TimeoutError):
            while not socket.closed:
                await asyncio.wait_for(socket.send_str(frame), SEND_S_MAX)
                frame = await self._desk.next_frame()
        if transport is not None:
            transport.abort()

    async def _close_sockets(self, app: web.Application) -> None:
        for socket in [*self._sockets]:
            with contextlib.suppress(ConnectionError, RuntimeError, TimeoutError):
                await asyncio.wait_for(socket.close(code=WSCloseCode.GOING_AWAY), 0.5)


async def _cause(request: web.Request) -> str:
    """The optional `cause` of a POST body. Raises HTTPBadRequest for a body that is no object."""
    body = await request.read()
    if not body:
        return ""
    try:
        found = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise web.HTTPBadRequest(reason="the body is not a JSON object") from None
    return str(found.get("cause", ""))[:TEXT_MAX]
