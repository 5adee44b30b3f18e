"""The simulated venue's two SignalR hubs, as an ASP.NET Core server would serve them.

One `HubClient` per socket: a reader that obeys, a writer that drains a bounded queue. Subscriptions
belong to the connection and die with it. Events that wait longer than the queue is long end the
connection, and the client is told why: a consumer that cannot keep up must not be left with an old
picture. Quotes are full at first and sparse afterwards, per connection and contract.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import msgspec
from aiohttp import WSMsgType, web

from services.simulator import port_records as wire
from services.simulator.port_faults import WireFault, WireFaults
from shared.venue import words
from shared.venue.codes import DepthKind

HANDSHAKE_S: Final = 15.0
PING_EVERY_S: Final = 15.0
CLIENT_SILENCE_S: Final = 30.0  # armed by the client's first ping
MESSAGE_MAX: Final = 32 * 1024  # what ASP.NET accepts from a client
QUEUE_MAX: Final = 50_000  # records; some minutes of four busy contracts
FRAME_MAX: Final = 64 * 1024  # characters; some clients refuse a frame above a megabyte
GOODBYE_S: Final = 1.0
CLIENTS_MAX: Final = 500

USER_METHODS: Final = {
    "Accounts": words.USER_ACCOUNT,
    "Orders": words.USER_ORDER,
    "Positions": words.USER_POSITION,
    "Trades": words.USER_TRADE,
}
MARKET_METHODS: Final = {
    "ContractQuotes": words.QUOTE,
    "ContractTrades": words.TAPE,
    "ContractMarketDepth": words.DEPTH,
}
Topic = tuple[str, int | str]
"""An event name and what it is about: an account id, a contract, or "" for all."""


def _methods(hub: str) -> dict[str, tuple[bool, str]]:
    """Lower-case method name -> (subscribe or not, event)."""
    names = USER_METHODS if hub == "user" else MARKET_METHODS
    found: dict[str, tuple[bool, str]] = {}
    for tail, event in names.items():
        found[f"subscribe{tail}".lower()] = (True, event)
        found[f"unsubscribe{tail}".lower()] = (False, event)
    return found


METHODS: Final = {hub: _methods(hub) for hub in ("user", "market")}


class HubClient:
    """One connected client."""

    def __init__(self, hub: str, faults: WireFaults, greet: Callable[[Topic], list[str]]) -> None:
        self.hub = hub
        self.topics: set[Topic] = set()
        self._faults = faults
        self._greet = greet
        self._socket = web.WebSocketResponse(
            heartbeat=None, compress=False, max_msg_size=MESSAGE_MAX
        )
        self._queue: deque[str] = deque()
        self._wake = asyncio.Event()
        self._last: dict[str, dict[str, Any]] = {}
        self._heard_at = 0.0
        self._pings = False
        self._over = ""
        self._transport: asyncio.Transport | None = None

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Until either side has enough."""
        await self._socket.prepare(request)
        self._transport = request.transport
        writer: asyncio.Task[None] | None = None
        try:
            extra = await self._shake_hands()
            if extra is None:
                return self._socket
            writer = asyncio.create_task(self._write())
            for text in extra:
                self._obey(wire.record(text))
            await self._read()
        except wire.Garbage:
            self.end(wire.CLOSED_WITH_ERROR, allow_reconnect=False)
        finally:
            if writer is not None:
                await self._finish(writer)
            await self._close_socket()
        return self._socket

    async def _finish(self, writer: asyncio.Task[None]) -> None:
        """Let the writer say its last word, not for long."""
        self._over = self._over or "gone"
        self._wake.set()
        done, _ = await asyncio.wait({writer}, timeout=GOODBYE_S)
        if not done:
            writer.cancel()
            self.abort()
        await asyncio.gather(writer, return_exceptions=True)

    async def _close_socket(self) -> None:
        with suppress(TimeoutError, ConnectionError, RuntimeError):
            async with asyncio.timeout(GOODBYE_S):
                await self._socket.close()

    # -- handshake ---------------------------------------------------------------------------------

    async def _shake_hands(self) -> list[str] | None:
        """Records that came with the handshake; None when there was none or it was refused."""
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                text = await self._receive()
        except TimeoutError:
            return None
        if text is None:
            return None
        first, *rest = wire.records(text) or [""]
        if self._faults.strikes(WireFault.HANG_HANDSHAKE):
            await self._receive()
            return None
        why = wire.handshake(first)
        if self._faults.strikes(WireFault.REFUSE_HANDSHAKE):
            why = "Refused on request."
        await self._socket.send_str(wire.refused(why) if why else wire.HANDSHAKE_OK)
        return None if why else rest

    async def _receive(self) -> str | None:
        """The text of the next message, whichever frame it came in; None when it is over."""
        message = await self._socket.receive()
        if message.type is WSMsgType.TEXT:
            return str(message.data)
        if message.type is WSMsgType.BINARY:
            try:
                return bytes(message.data).decode()
            except UnicodeDecodeError:
                raise wire.Garbage("bytes that are no text") from None
        return None

    # -- reading -----------------------------------------------------------------------------------

    async def _read(self) -> None:
        self._heard_at = time.monotonic()
        while not self._over:
            text = await self._receive()
            if text is None:
                return
            await asyncio.sleep(self._faults.lasts_s(WireFault.HALF_OPEN_HUBS, self.hub))
            self._heard_at = time.monotonic()
            for one in wire.records(text):
                self._obey(wire.record(one))

    def _obey(self, said: wire.Record) -> None:
        if said.type == wire.PING_TYPE:
            self._pings = True
        elif said.type == wire.INVOCATION:
            self._invoke(said)
        elif said.type == wire.STREAM_INVOCATION and said.invocation_id:
            self.send(wire.failed(said.invocation_id, said.target))
        elif said.type == wire.CLOSE_TYPE:
            self._over = "closed by the client"
            self._wake.set()

    def _invoke(self, said: wire.Record) -> None:
        answer, greetings = self._changed(said)
        if said.invocation_id is not None:
            self.send(answer)
        for record in greetings:
            self.send(record)

    def _changed(self, said: wire.Record) -> tuple[str, list[str]]:
        """Carry out a (un)subscription; its completion and the state it begins with."""
        number = said.invocation_id or ""
        found = METHODS[self.hub].get(said.target.lower())
        if found is None:
            unknown = " HubException: Method does not exist."
            return wire.failed(number, said.target, unknown), []
        subscribe, event = found
        topic = self._topic(event, said.arguments)
        if topic is None:
            return wire.failed(number, said.target), []
        if not subscribe:
            self.topics.discard(topic)
            return wire.completed(number), []
        news = topic not in self.topics
        self.topics.add(topic)
        if event == words.QUOTE:
            self._last.pop(str(topic[1]), None)
        return wire.completed(number), self._greet(topic) if news else []

    def _topic(self, event: str, arguments: list[Any]) -> Topic | None:
        """None when the arguments do not bind: wrong count or type."""
        if event == words.USER_ACCOUNT:
            return (event, "") if not arguments else None
        if len(arguments) != 1:
            return None
        about = arguments[0]
        wanted = int if self.hub == "user" else str
        return (event, about) if type(about) is wanted else None

    # -- writing -----------------------------------------------------------------------------------

    def send(self, record: str) -> None:
        """Queue a record; too many waiting ends the connection."""
        if self._over:
            return
        if len(self._queue) >= QUEUE_MAX:
            self._queue.clear()
            self.end("The client is too slow: its queue of events is full.", allow_reconnect=True)
            return
        self._queue.append(record)
        self._wake.set()

    def quote(self, contract: str, payload: dict[str, Any]) -> None:
        """A quote, cut down to what changed since the last one of this connection."""
        before = self._last.get(contract)
        self._last[contract] = payload
        if before is not None:
            always = ("symbol", "timestamp", "lastUpdated", "contract")
            payload = {
                key: value
                for key, value in payload.items()
                if key in always or before.get(key) != value
            }
        self.send(wire.event(words.QUOTE, contract, payload))

    def muted(self) -> bool:
        return self._faults.lasts_s(WireFault.MUTE_HUBS, self.hub) > 0

    def end(self, error: str, allow_reconnect: bool) -> None:
        """A close record, then the socket."""
        if self._over:
            return
        self._queue.append(wire.closing(error, allow_reconnect))
        self._over = error or "closed"
        self._wake.set()

    def abort(self) -> None:
        """Break the connection without a word."""
        self._over = self._over or "dropped"
        self._wake.set()
        if self._transport is not None:
            self._transport.abort()

    async def _write(self) -> None:
        """Drain the queue, one frame per burst; ping when idle; leave when it is over."""
        with suppress(ConnectionError, RuntimeError):
            while True:
                self._wake.clear()
                if not self._queue and not self._over:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(PING_EVERY_S):
                            await self._wake.wait()
                await asyncio.sleep(self._faults.lasts_s(WireFault.HALF_OPEN_HUBS, self.hub))
                if self._pings and time.monotonic() - self._heard_at > CLIENT_SILENCE_S:
                    self.abort()
                if not self._queue and not self._over:
                    self._queue.append(wire.PING)
                if self._queue:
                    await self._socket.send_str(self._frame())
                if self._over and not self._queue:
                    await self._close_socket()
                    return

    def _frame(self) -> str:
        """Waiting records, as many as a frame should hold and at least one."""
        taken = [self._queue.popleft()]
        size = len(taken[0])
        while self._queue and size + len(self._queue[0]) <= FRAME_MAX:
            taken.append(self._queue.popleft())
            size += len(taken[-1])
        return "".join(taken)


class Hubs:
    """Everyone connected, and who hears what."""

    def __init__(self, faults: WireFaults) -> None:
        self._faults = faults
        self._clients: set[HubClient] = set()
        self._books: dict[str, dict[tuple[bool, float], words.DepthPayload]] = {}

    async def serve(self, request: web.Request, hub: str) -> web.StreamResponse:
        if len(self._clients) >= CLIENTS_MAX:
            return web.Response(status=503, text=f"{CLIENTS_MAX} clients are connected already")
        client = HubClient(hub, self._faults, self._greeting)
        self._clients.add(client)
        try:
            return await client.serve(request)
        finally:
            self._clients.discard(client)

    def _hearers(self, hub: str, topic: Topic) -> list[HubClient]:
        return [
            client
            for client in self._clients
            if client.hub == hub and topic in client.topics and not client.muted()
        ]

    def user(self, target: str, account_id: int, action: int, payload: words.UserPayload) -> None:
        """A user event, wrapped as the venue wraps it."""
        topic: Topic = (target, "" if target == words.USER_ACCOUNT else account_id)
        record = wire.event(target, {"action": action, "data": words.to_hub(payload)})
        for client in self._hearers("user", topic):
            client.send(record)

    def quote(self, contract: str, payload: words.QuotePayload) -> None:
        hearers = self._hearers("market", (words.QUOTE, contract))
        if hearers:
            plain = msgspec.to_builtins(payload)
            for client in hearers:
                client.quote(contract, plain)

    def tape(self, contract: str, prints: tuple[words.TapePayload, ...]) -> None:
        self._tell_market(words.TAPE, contract, prints)

    def depth(self, contract: str, levels: tuple[words.DepthPayload, ...]) -> None:
        self._remember(contract, levels)
        self._tell_market(words.DEPTH, contract, levels)

    def _tell_market(self, event: str, contract: str, rows: tuple[words.Part, ...]) -> None:
        """Nothing is encoded when nobody listens: at a hundred times the speed that counts."""
        hearers = self._hearers("market", (event, contract))
        if hearers:
            record = wire.event(event, contract, rows)
            for client in hearers:
                client.send(record)

    def _remember(self, contract: str, levels: tuple[words.DepthPayload, ...]) -> None:
        """The standing book, so that a newcomer begins with all of it."""
        book = self._books.setdefault(contract, {})
        for level in levels:
            if level.type == DepthKind.RESET:
                book.clear()
            elif level.type in (DepthKind.ASK, DepthKind.BID):
                key = (level.type == DepthKind.BID, level.price)
                book.pop(key, None)
                if level.volume:
                    book[key] = level

    def _greeting(self, topic: Topic) -> list[str]:
        """What a new market subscription begins with."""
        event, contract = topic
        if event == words.DEPTH and isinstance(contract, str) and self._books.get(contract):
            levels = list(self._books[contract].values())
            reset = msgspec.structs.replace(
                levels[0], type=int(DepthKind.RESET), price=0.0, volume=0
            )
            return [wire.event(event, contract, [reset, *levels])]
        return []

    def drop(self, hub: str) -> None:
        for client in self._of(hub):
            client.abort()

    def end(self, hub: str, error: str) -> None:
        for client in self._of(hub):
            client.end(error, allow_reconnect=True)

    def _of(self, hub: str) -> list[HubClient]:
        return [client for client in self._clients if hub in ("", client.hub)]

    @property
    def connected(self) -> int:
        return len(self._clients)
