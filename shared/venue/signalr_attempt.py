"""One attempt at a hub connection: a signalrcore hub that is used once and thrown away.

signalrcore does the protocol (handshake, records, invocations); everything that decides about life
and death is ours: deadlines, pings, the watchdog over received bytes, what a close record means.
Its callbacks run in its receive thread, so they only append to a queue and wake the loop once per
burst. Its own reconnection is never configured: it gets stuck for ever in three of the failures we
have rehearsed (`tests/test_venue_signalr.py`).
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final

from msgspec import Struct
from signalrcore.hub_connection_builder import HubConnectionBuilder
from signalrcore.messages.invocation_message import InvocationMessage
from signalrcore.messages.message_type import MessageType
from signalrcore.protocol.json_hub_protocol import JsonHubProtocol

from shared.venue.signalr_socket import WIRING, SafeSocket, SocketEnded, Wiring, install

install()
logging.getLogger("SignalRCoreClient").setLevel(logging.WARNING)  # DEBUG prints tokens

PING: Final = '{"type":6}\x1e'
QUEUE_MAX: Final = 200_000  # events waiting for our loop; beyond it we are too far behind to trust

Event = tuple[str, list[Any]]


@lru_cache(1)
def trust() -> ssl.SSLContext:
    """Whom we trust, read once. A context holds a megabyte of certificates that no count of Python
    objects shows, and signalrcore's cycles keep the one of every attempt alive.
    """
    return ssl.create_default_context()


class HubLimits(Struct, frozen=True, kw_only=True):
    """Deadlines of a hub connection, real seconds."""

    connect_s: float = 10.0
    invoke_s: float = 10.0
    ping_every_s: float = 10.0
    silence_s: float = 35.0  # two server pings and a margin
    backoff_first_s: float = 0.25
    backoff_max_s: float = 15.0


class HandshakeRefused(SocketEnded):
    """The server answered the handshake with an error."""


class InvocationFailed(Exception):
    """The server answered an invocation with an error."""


class _Protocol(JsonHubProtocol):  # type: ignore[misc]  # signalrcore has no types
    """JSON, version 1; a refused handshake is an exception instead of a log line."""

    def decode_handshake(self, raw_message: str) -> Any:
        answer, messages = super().decode_handshake(raw_message)
        if answer.error:
            raise HandshakeRefused(f"handshake refused: {answer.error}"[:200])
        return answer, messages


class Attempt:
    """Connects once. `dead` is set exactly once, with `why`; after that nothing is delivered."""

    def __init__(
        self,
        url: str,
        targets: frozenset[str],
        deliver: Callable[[list[Event]], None],
        limits: HubLimits,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._targets = targets
        self._deliver = deliver
        self._limits = limits
        self._queue: deque[Event] = deque()
        self._armed = False
        self._calls: dict[str, asyncio.Future[Any]] = {}
        self._call_no = 0
        self._opened = asyncio.Event()
        self.dead = asyncio.Event()
        self.why = ""
        options = {"skip_negotiation": True, "ssl_context": trust()}
        builder = HubConnectionBuilder().with_url(url, options=options)
        self._hub = builder.with_hub_protocol(_Protocol()).build()
        self._hub.on_message = self._received  # replaces signalrcore's own dispatch
        self._hub.on_open(lambda: self._poke(self._opened.set))

    # -- receive thread ----------------------------------------------------------------------------

    def _poke(self, call: Callable[..., Any], *args: Any) -> None:
        with suppress(RuntimeError):  # the loop is gone, and we with it
            self._loop.call_soon_threadsafe(call, *args)

    def _received(self, messages: list[Any]) -> None:
        for message in messages:
            if message.type == MessageType.invocation:
                if message.target in self._targets:
                    self._queue.append((message.target, message.arguments))
            elif message.type == MessageType.completion:
                self._poke(self._completed, message)
            elif message.type == MessageType.close:
                raise SocketEnded(f"close record: {message.error or 'no reason'}"[:200])
        if len(self._queue) > QUEUE_MAX:
            raise SocketEnded(f"{QUEUE_MAX} events waiting; our own loop is stuck")
        if self._queue and not self._armed:
            self._armed = True
            self._poke(self._drain)

    # -- loop thread -------------------------------------------------------------------------------

    def _drain(self) -> None:
        self._armed = False
        batch = [self._queue.popleft() for _ in range(len(self._queue))]
        if batch and not self.dead.is_set():
            self._deliver(batch)

    def _completed(self, message: Any) -> None:
        call = self._calls.pop(message.invocation_id, None)
        if call is None or call.done():
            return
        if message.error:
            call.set_exception(InvocationFailed(str(message.error)[:200]))
        else:
            call.set_result(message.result)

    def die(self, why: str) -> None:
        """End it; the first reason counts. Loop thread only."""
        if self.dead.is_set():
            return
        self.why = why
        self.dead.set()
        for call in self._calls.values():
            if not call.done():
                call.set_exception(ConnectionError(why))
        self._calls.clear()
        self._kill()

    def _kill(self) -> None:
        socket = self._socket()
        if socket is not None:
            socket.kill()

    def _socket(self) -> SafeSocket | None:
        return getattr(self._hub.transport, "_client", None)

    async def open(self) -> None:
        """Connect and shake hands in time. Raises ConnectionError with the reason."""
        wiring = Wiring(
            self._limits.connect_s,
            self._limits.silence_s,
            lambda why: self._poke(self._ended, why),
        )
        passing = WIRING.set(wiring)
        try:
            async with asyncio.timeout(self._limits.connect_s + 1.0):
                await asyncio.to_thread(self._start)
            async with asyncio.timeout(self._limits.connect_s):
                await self._first(self._opened, self.dead)
        except TimeoutError:
            self.die("connecting or shaking hands took too long")
        except (OSError, SocketEnded, ValueError) as error:
            self.die(f"{type(error).__name__}: {error}"[:200])
        finally:
            WIRING.reset(passing)
        if self.dead.is_set():
            raise ConnectionError(self.why)

    def _ended(self, why: str) -> None:
        """The receive thread is over; what it had queued was heard before."""
        self._drain()
        self.die(why)

    def _start(self) -> None:
        self._hub.start()
        if self.dead.is_set():  # given up while connecting
            self._kill()

    @staticmethod
    async def _first(*events: asyncio.Event) -> None:
        waits = [asyncio.create_task(event.wait()) for event in events]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def invoke(self, method: str, args: list[Any]) -> Any:
        """Call a hub method and await its completion.

        Raises InvocationFailed, ConnectionError, TimeoutError.
        """
        if self.dead.is_set():
            raise ConnectionError(self.why)
        self._call_no += 1
        number = str(self._call_no)
        call = self._calls[number] = self._loop.create_future()
        message = InvocationMessage(number, method, args, headers={})
        try:
            async with asyncio.timeout(self._limits.invoke_s):
                await asyncio.to_thread(self._send, self._hub.protocol.encode(message))
                return await call
        finally:
            self._calls.pop(number, None)

    def _send(self, text: str) -> None:
        socket = self._socket()
        if socket is None:
            raise ConnectionError("not connected")
        try:
            socket.send(text)
        except Exception as error:
            raise ConnectionError(f"sending failed: {error}"[:200]) from None

    async def watch(self) -> str:
        """Ping and watch until it dies; the reason."""
        next_ping = 0.0
        pause = min(1.0, self._limits.ping_every_s, self._limits.silence_s / 4)
        while not self.dead.is_set():
            now, socket = time.monotonic(), self._socket()
            if socket is not None and now - socket.last_rx > self._limits.silence_s:
                self.die(f"silent for {self._limits.silence_s:g} s")
                break
            if now >= next_ping:
                next_ping = now + self._limits.ping_every_s
                await self._ping()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self.dead.wait()
        return self.why

    async def _ping(self) -> None:
        try:
            await asyncio.to_thread(self._send, PING)
        except ConnectionError as error:
            self.die(str(error))

    async def bury(self) -> None:
        """After death: wait for the receive thread to be gone (bounded)."""
        self.die("dropped")
        socket = self._socket()
        thread = socket.recv_thread if socket is not None else None
        if thread is not None:
            await asyncio.to_thread(thread.join, 2.0)
