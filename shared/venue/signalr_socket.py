"""The WebSocket under signalrcore, replaced: deadlines, one lock, pings answered, an end told.

signalrcore 1.0.2's own client blocks for ever on a silent peer, corrupts TLS when two threads send,
feeds WebSocket pings to the JSON parser, and cannot be woken by `close`. This subclass keeps its
interface (the transport creates it by name, see `install`) and nothing of its reading and writing.
One thread reads; any thread may send; every TLS read and write is under one lock. It is killed by
shutting the socket down; only its own thread closes the descriptor, so that no other can reuse it
under a poll.
"""

from __future__ import annotations

import base64
import os
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct
from signalrcore.transport.sockets.errors import SocketClosedError
from signalrcore.transport.websockets import websocket_transport
from signalrcore.transport.websockets.websocket_client import WebSocketClient

READ_SIZE: Final = 262_144
UPGRADE_MAX: Final = 16_384  # bytes of the HTTP answer
FRAME_MAX: Final = 16 * 1024 * 1024  # depth snapshots seen were some ten kB
TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA


class SocketEnded(Exception):
    """The connection is over; the text says how."""


class Wiring(Struct, frozen=True):
    """What one attempt tells its socket. `ended` is called once, from the receive thread."""

    connect_s: float
    silence_s: float
    ended: Callable[[str], None]


WIRING: ContextVar[Wiring] = ContextVar("wiring")
"""Set around `hub.start()`: signalrcore offers no way to hand anything to the socket it makes."""


class SafeSocket(WebSocketClient):  # type: ignore[misc]  # signalrcore has no types
    """One connection, one life."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.sock: socket.socket | None = None
        self.wiring = WIRING.get()
        self.last_rx = time.monotonic()
        self._buffer = bytearray()
        self._killed = False

    # -- opening -----------------------------------------------------------------------------------

    def connect(self) -> None:
        """Connect, upgrade, start the receive thread. Raises OSError or SocketEnded in time."""
        deadline = time.monotonic() + self.wiring.connect_s
        self.sock = self.create_socket()
        try:
            if self._killed:
                raise SocketEnded("given up")
            self.sock.sendall(self._upgrade())
            self._await_upgrade(deadline)
        except BaseException:
            self.sock.close()
            raise
        self.running = True
        self.recv_thread = threading.Thread(target=self.run, name=self.thread_name, daemon=True)
        self.recv_thread.start()

    def create_socket(self) -> socket.socket:
        parts = urlsplit(self.url)
        secure = parts.scheme in ("wss", "https")
        address = (parts.hostname or "", parts.port or (443 if secure else 80))
        plain = socket.create_connection(address, timeout=self.wiring.connect_s)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 20_000)
            if secure:
                wrapped: socket.socket = self.ssl_context.wrap_socket(
                    plain, server_hostname=parts.hostname
                )
                return wrapped
        except BaseException:
            plain.close()
            raise
        return plain

    def _upgrade(self) -> bytes:
        parts = urlsplit(self.url)
        lines = [
            f"GET {parts.path or '/'}?{parts.query} HTTP/1.1",
            f"Host: {parts.netloc.rpartition('@')[2]}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            "Sec-WebSocket-Version: 13",
            *(f"{name}: {value}" for name, value in self.headers.items()),
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def _await_upgrade(self, deadline: float) -> None:
        assert self.sock is not None
        got = bytearray()
        while b"\r\n\r\n" not in got:
            rest = deadline - time.monotonic()
            if rest <= 0 or len(got) > UPGRADE_MAX:
                raise SocketEnded("no answer to the upgrade in time")
            self.sock.settimeout(rest)
            chunk = self.sock.recv(4096)
            if not chunk:
                raise SocketEnded("closed during the upgrade")
            got += chunk
        head, _, rest_of_it = bytes(got).partition(b"\r\n\r\n")
        status = head.split(b"\r\n", 1)[0].decode("ascii", "replace")
        if status.split(" ")[1:2] != ["101"]:
            raise SocketEnded(f"upgrade refused: {status[:60]}")
        self._buffer += rest_of_it

    # -- receive thread ----------------------------------------------------------------------------

    def run(self) -> None:
        """Read until it ends, and say how it ended; nothing may escape this thread."""
        assert self.sock is not None
        why = "closed by the other side"
        try:
            self.sock.setblocking(False)
            self.on_open()
            while self.running:
                message = self._recv_frame()
                if message:
                    self.on_message(self, message)
        except (SocketEnded, SocketClosedError) as error:
            why = str(error) or why
        except Exception as error:
            why = f"{type(error).__name__}: {error}"[:200]
        finally:
            self.running = False
            with self._lock:
                self.sock.close()
            self.wiring.ended(why)

    def _recv_frame(self) -> Any:
        parts: list[bytes] = []
        size = 0
        while True:
            fin, opcode, data = self._read_one_frame()
            self.last_rx = time.monotonic()
            if opcode == CLOSE:
                raise SocketEnded(f"closed by the other side, code {_close_code(data)}")
            if opcode == PING:
                self.send(data, opcode=PONG)
            elif opcode != PONG:
                parts.append(data)
                size += len(data)
                if size > FRAME_MAX:
                    raise SocketEnded(f"message larger than {FRAME_MAX} bytes")
                if fin:
                    return self.prepare_data(b"".join(parts))

    def _recv_exactly(self, n: int) -> bytes:
        if n > FRAME_MAX:
            raise SocketEnded(f"frame of {n} bytes; at most {FRAME_MAX}")
        deadline = time.monotonic() + self.wiring.silence_s
        while len(self._buffer) < n:
            chunk, want_write = self._read_some()
            if chunk is None:
                self._wait(want_write, deadline - time.monotonic())
            elif not chunk:
                raise SocketEnded("closed by the other side")
            else:
                self._buffer += chunk
        taken = bytes(self._buffer[:n])
        del self._buffer[:n]
        return taken

    def _read_some(self) -> tuple[bytes | None, bool]:
        """(bytes or None, whether TLS must write first)."""
        assert self.sock is not None
        with self._lock:
            try:
                return self.sock.recv(READ_SIZE), False
            except (ssl.SSLWantReadError, BlockingIOError, InterruptedError):
                return None, False
            except ssl.SSLWantWriteError:
                return None, True
            except (OSError, ValueError) as error:
                raise SocketEnded(f"broken: {error}") from None

    # -- any thread --------------------------------------------------------------------------------

    def send(self, message: str | bytes, opcode: int = TEXT) -> None:
        """One masked frame, whole or not at all. Raises SocketClosedError, SocketEnded."""
        if self.is_connection_closed() or self.sock is None:
            raise SocketClosedError()
        payload = message.encode() if isinstance(message, str) else message
        waiting = memoryview(_frame(payload, opcode))
        deadline = time.monotonic() + self.wiring.connect_s
        with self._lock:
            while waiting:
                try:
                    waiting = waiting[self.sock.send(waiting) :]
                except (ssl.SSLWantWriteError, BlockingIOError):
                    self._wait(True, deadline - time.monotonic())
                except ssl.SSLWantReadError:
                    self._wait(False, deadline - time.monotonic())

    def _wait(self, want_write: bool, timeout_s: float) -> None:
        assert self.sock is not None
        try:
            poll = select.poll()
            poll.register(self.sock.fileno(), select.POLLOUT if want_write else select.POLLIN)
            ready = poll.poll(max(0.0, timeout_s) * 1000)
        except (OSError, ValueError) as error:
            raise SocketEnded(f"broken: {error}") from None
        if not ready:
            raise SocketEnded("silent for too long")

    def kill(self) -> None:
        """End it now, from any thread: shutting down wakes a reader, closing would not."""
        self._killed = True
        self.running = False
        if self.sock is not None:
            try:
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
            except OSError:
                return  # it was never connected or is gone already

    def close(self) -> None:
        """What signalrcore calls on a close record: same as ours."""
        self.kill()

    def dispose(self) -> None:
        self.kill()


def _close_code(data: bytes) -> int:
    return int.from_bytes(data[:2], "big") if len(data) >= 2 else 1005


def _frame(payload: bytes, opcode: int) -> bytes:
    size = len(payload)
    head = bytes([0x80 | opcode])
    if size <= 125:
        head += bytes([0x80 | size])
    elif size < 65_536:
        head += bytes([0xFE]) + struct.pack(">H", size)
    else:
        head += bytes([0xFF]) + struct.pack(">Q", size)
    key = os.urandom(4)
    if not size:
        return head + key
    mask = int.from_bytes((key * (size // 4 + 1))[:size], "big")
    return head + key + (int.from_bytes(payload, "big") ^ mask).to_bytes(size, "big")


def install() -> None:
    """Make signalrcore's WebSocket transport create our socket."""
    websocket_transport.WebSocketClient = SafeSocket
