"""A small SignalR hub that misbehaves on request, to torture clients with.

Like ASP.NET it answers handshakes, completes invocations and pings; everything else is what a test
asks for: breaking, freezing, refusing, rubbish. It runs in the test's own loop.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiohttp import WSMsgType, web

END = "\x1e"


class Hub:
    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.invoked: list[tuple[str, list[object]]] = []
        self.handshakes: list[str] = []
        self.pings = 0
        self.sockets: list[web.WebSocketResponse] = []
        self.transports: list[asyncio.Transport] = []
        self.valid_token = ""
        self.refuse = ""
        self.hang_upgrade = self.hang_handshake = self.deaf = False
        self.failing: set[str] = set()
        self.silent: set[str] = set()
        self.port = 0
        self._runner: web.AppRunner | None = None

    # -- life --------------------------------------------------------------------------------------

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/hub", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """As if the process were killed."""
        self.rst()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/hub"

    # -- one connection ----------------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        token = request.query.get("access_token", "")
        self.tokens.append(token)
        if self.hang_upgrade:
            await asyncio.sleep(60)
        if self.valid_token and token != self.valid_token:
            return web.Response(status=401)
        ws = web.WebSocketResponse(compress=False, autoping=True, max_msg_size=0)
        await ws.prepare(request)
        assert request.transport is not None
        first = await ws.receive()
        if first.type is not WSMsgType.TEXT:
            return ws
        self.handshakes.append(first.data)
        if self.hang_handshake:
            await ws.receive()
            return ws
        await ws.send_str(json.dumps({"error": self.refuse} if self.refuse else {}) + END)
        if self.refuse:
            return ws
        self.sockets.append(ws)
        self.transports.append(request.transport)
        alive = asyncio.create_task(self._keep_alive(ws))
        try:
            async for message in ws:
                if message.type is WSMsgType.TEXT and not self.deaf:
                    for record in message.data.split(END):
                        if record:
                            await self._obey(ws, json.loads(record))
        finally:
            alive.cancel()
            place = self.sockets.index(ws)
            del self.sockets[place], self.transports[place]
        return ws

    async def _keep_alive(self, ws: web.WebSocketResponse) -> None:
        with suppress(ConnectionError):
            while True:
                await asyncio.sleep(0.1)
                if not self.deaf:
                    await ws.send_str('{"type":6}' + END)

    async def _obey(self, ws: web.WebSocketResponse, record: dict[str, object]) -> None:
        if record.get("type") == 6:
            self.pings += 1
        if record.get("type") != 1:
            return
        method = str(record["target"])
        self.invoked.append((method, list(record["arguments"])))  # type: ignore[call-overload]
        if method in self.silent:
            return
        answer: dict[str, object] = {"type": 3, "invocationId": record["invocationId"]}
        answer.update({"error": "boom"} if method in self.failing else {"result": 0})
        await ws.send_str(json.dumps(answer) + END)

    # -- accidents ---------------------------------------------------------------------------------

    async def say(self, text: str) -> None:
        for ws in self.sockets:
            await ws.send_str(text)

    async def event(self, target: str, *arguments: object, times: int = 1) -> None:
        record = json.dumps({"type": 1, "target": target, "arguments": arguments}) + END
        for _ in range(times):
            await self.say(record)

    def fin(self) -> None:
        for transport in list(self.transports):
            transport.close()

    def rst(self) -> None:
        for transport in list(self.transports):
            sock = transport.get_extra_info("socket")
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()

    async def ws_close(self) -> None:
        await asyncio.gather(*(ws.close(code=1001) for ws in list(self.sockets)))

    async def ws_ping(self, payload: bytes) -> None:
        for ws in self.sockets:
            await ws.ping(payload)

    def fragments(self, text: str) -> None:
        """One message in three fragments with a ping between them."""
        data = text.encode()
        third = len(data) // 3
        parts = [data[:third], data[third : 2 * third], data[2 * third :]]
        frames = _frame(1, parts[0], final=False) + _frame(9, b"hb", final=True)
        frames += _frame(0, parts[1], final=False) + _frame(0, parts[2], final=True)
        for transport in self.transports:
            transport.write(frames)


def _frame(opcode: int, data: bytes, *, final: bool) -> bytes:
    size = bytes([len(data)]) if len(data) < 126 else bytes([126]) + struct.pack(">H", len(data))
    return bytes([(0x80 if final else 0) | opcode]) + size + data


@asynccontextmanager
async def hub() -> AsyncIterator[Hub]:
    there = Hub()
    await there.start()
    try:
        yield there
    finally:
        await there.stop()
