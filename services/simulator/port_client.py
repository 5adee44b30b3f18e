"""One client of a simulated hub: a reader that obeys, a writer that drains a bounded queue.

Subscriptions belong to the connection and die with it. Events that wait longer than the queue is
long end the connection, and the client is told why: a consumer that cannot keep up must not be left
with an old picture. A client that does not read even its farewell is cut off after a while.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final

from aiohttp import WSMsgType, web
from msgspec import Struct

from services.simulator import port_records as wire
from services.simulator.port_faults import WireFault, WireFaults
from services.simulator.port_tokens import Claims
from shared.venue import words

HANDSHAKE_S: Final = 15.0
PING_EVERY_S: Final = 15.0
CLIENT_SILENCE_S: Final = 30.0  # armed by the client's first ping
MESSAGE_MAX: Final = 32 * 1024  # what ASP.NET accepts from a client
QUEUE_MAX: Final = 50_000  # records; some minutes of four busy contracts
QUEUE_BYTES_MAX: Final = 32 * 1024 * 1024  # of them; hearers of one event share its bytes
FRAME_MAX: Final = 64 * 1024  # bytes; some clients refuse a frame above a megabyte
TOPICS_MAX: Final = 1_000  # subscriptions of one connection
GOODBYE_S: Final = 1.0
FAREWELL_S: Final = 5.0  # for a client that reads slowly to hear why it is ended
TOO_SLOW: Final = "The client is too slow: its queue of events is full."

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
ALIASES: Final = {
    "subscribetoaccounts": words.USER_ACCOUNT,
    "subscribetoaccount": words.USER_ACCOUNT,
    "subscribetoorders": words.USER_ORDER,
    "subscribetopositions": words.USER_POSITION,
    "subscribetousertrades": words.USER_TRADE,
}
"""Names that one widely copied client calls; unknown to the venue."""

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


class Manners(Struct, frozen=True):
    """How forgiving the hubs are: names that do not exist, account ids as text."""

    aliases: bool = False
    text_ids: bool = False


Greet = Callable[["HubClient", Topic], Iterable[wire.Event]]


class HubClient:
    """One connected client. `seen`: the number of the last quote it was told, by contract."""

    def __init__(
        self, hub: str, claims: Claims, *, faults: WireFaults, greet: Greet, manners: Manners
    ) -> None:
        self.hub = hub
        self.claims = claims
        self.topics: set[Topic] = set()
        self.seen: dict[str, int] = {}
        self._faults = faults
        self._greet = greet
        self._manners = manners
        self._codec: wire.Codec = wire.JSON
        self._socket = web.WebSocketResponse(
            heartbeat=None, compress=False, max_msg_size=MESSAGE_MAX
        )
        self._queue: deque[bytes] = deque()
        self._queued = 0  # bytes
        self._wake = asyncio.Event()
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
            for said in self._codec.read(extra):
                self._obey(said)
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

    async def _shake_hands(self) -> bytes | None:
        """What came behind the handshake; None when there was none or it was refused."""
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                data = await self._receive()
        except TimeoutError:
            return None
        if data is None:
            return None
        if self._faults.strikes(WireFault.HANG_HANDSHAKE):
            await self._receive()
            return None
        first, rest = wire.first_record(data)
        codec, why = wire.handshake(first)
        if self._faults.strikes(WireFault.REFUSE_HANDSHAKE):
            why = "Refused on request."
        if codec is None or why:
            await self._socket.send_frame(wire.refused(why), WSMsgType.TEXT)
            return None
        self._codec = codec
        await self._send_frame(wire.HANDSHAKE_OK)
        return rest

    async def _receive(self) -> bytes | None:
        """The next message, whichever frame it came in; None when it is over."""
        message = await self._socket.receive()
        if message.type is WSMsgType.TEXT:
            return str(message.data).encode()
        return bytes(message.data) if message.type is WSMsgType.BINARY else None

    # -- reading -----------------------------------------------------------------------------------

    async def _read(self) -> None:
        self._heard_at = time.monotonic()
        while not self._over:
            data = await self._receive()
            if data is None:
                return
            await asyncio.sleep(self._faults.lasts_s(WireFault.HALF_OPEN_HUBS, self.hub))
            self._heard_at = time.monotonic()
            for said in self._codec.read(data):
                self._obey(said)

    def _obey(self, said: wire.Record) -> None:
        if said.type == wire.PING_TYPE:
            self._pings = True
        elif said.type == wire.INVOCATION:
            self._invoke(said)
        elif said.type == wire.STREAM_INVOCATION and said.invocation_id:
            self.send(self._codec.failed(said.invocation_id, said.target, wire.NO_METHOD))
        elif said.type == wire.CLOSE_TYPE:
            self._over = "closed by the client"
            self._wake.set()

    def _invoke(self, said: wire.Record) -> None:
        answer, greetings = self._changed(said)
        if said.invocation_id is not None:
            self.send(answer)
        for event in greetings:
            self.tell(event)

    def _changed(self, said: wire.Record) -> tuple[bytes, Iterable[wire.Event]]:
        """Carry out a (un)subscription; its completion and the events it begins with."""
        number, name = said.invocation_id or "", said.target.lower()
        found = METHODS[self.hub].get(name)
        if found is None and self._manners.aliases and self.hub == "user" and name in ALIASES:
            found = (True, ALIASES[name])
        if found is None:
            return self._codec.failed(number, said.target, wire.NO_METHOD), ()
        subscribe, event = found
        aliased = name in ALIASES
        topic = self._topic(
            event, [] if aliased and event == words.USER_ACCOUNT else said.arguments
        )
        if topic is None:
            return self._codec.failed(number, said.target), ()
        if not subscribe:
            self.topics.discard(topic)
            return self._codec.completed(number), ()
        news = topic not in self.topics
        if news and len(self.topics) >= TOPICS_MAX:
            return self._codec.failed(number, said.target), ()
        self.topics.add(topic)
        if event == words.QUOTE:
            self.seen.pop(str(topic[1]), None)
        return self._codec.completed(number), self._greet(self, topic) if news else ()

    def _topic(self, event: str, arguments: list[Any]) -> Topic | None:
        """None when the arguments do not bind: wrong count or type."""
        if event == words.USER_ACCOUNT:
            return (event, "") if not arguments else None
        if len(arguments) != 1:
            return None
        about = arguments[0]
        if self.hub == "market":
            return (event, about) if type(about) is str else None
        if self._manners.text_ids and isinstance(about, str) and about.isascii():
            about = int(about) if about.isdigit() and len(about) < 20 else None
        return (event, about) if type(about) is int else None

    # -- writing -----------------------------------------------------------------------------------

    def tell(self, event: wire.Event) -> None:
        self.send(event.record(self._codec))

    def send(self, record: bytes) -> None:
        """Queue a record; too many waiting ends the connection."""
        if self._over:
            return
        if len(self._queue) >= QUEUE_MAX or self._queued + len(record) > QUEUE_BYTES_MAX:
            self._queue.clear()
            self._queued = 0
            self.end(TOO_SLOW, allow_reconnect=True)
            return
        self._push(record)
        self._wake.set()

    def _push(self, record: bytes) -> None:
        self._queue.append(record)
        self._queued += len(record)

    @property
    def backlog(self) -> tuple[int, int]:
        """(records, bytes) that wait."""
        return len(self._queue), self._queued

    def muted(self) -> bool:
        return self._faults.lasts_s(WireFault.MUTE_HUBS, self.hub) > 0

    def end(self, error: str, allow_reconnect: bool) -> None:
        """A close record, then the socket; a client that does not read it is cut off."""
        if self._over:
            return
        self._push(self._codec.closing(error, allow_reconnect))
        self._over = error or "closed"
        self._wake.set()
        asyncio.get_running_loop().call_later(FAREWELL_S, self.abort)

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
                    self._push(self._codec.ping)
                if self._queue:
                    await self._send_frame(self._frame())
                if self._over and not self._queue:
                    await self._close_socket()
                    return

    async def _send_frame(self, data: bytes) -> None:
        kind = WSMsgType.BINARY if self._codec.binary else WSMsgType.TEXT
        await self._socket.send_frame(data, kind)

    def _frame(self) -> bytes:
        """Waiting records, as many as a frame should hold and at least one."""
        taken = [self._queue.popleft()]
        size = len(taken[0])
        while self._queue and size + len(self._queue[0]) <= FRAME_MAX:
            taken.append(self._queue.popleft())
            size += len(taken[-1])
        self._queued -= size
        return b"".join(taken)
