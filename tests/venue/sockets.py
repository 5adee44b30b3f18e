"""WebSocket frames and a hub connection that know nothing of ours, so that odd bytes can go."""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
import time
from contextlib import contextmanager

END = "\x1e"
HELLO = '{"protocol":"json","version":1}' + END
PATIENCE_S = 60.0  # decides nothing: it ends what hangs
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Refused(Exception):
    """The upgrade was answered with another status."""

    def __init__(self, status, headers):
        super().__init__(status)
        self.status, self.headers = status, headers


class Socket:
    """A WebSocket, frame by frame."""

    def __init__(self, port, path, headers=None, patience_s=PATIENCE_S):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=patience_s)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket",
                 "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13",
                 *(f"{name}: {value}" for name, value in (headers or {}).items())]  # fmt: skip
        self.sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self._buffer = b""
        head = self._until(b"\r\n\r\n").decode().split("\r\n")
        self.status = int(head[0].split()[1])
        self.headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])
        }
        if self.status != 101:
            self.sock.close()
            raise Refused(self.status, self.headers)

    def _more(self):
        data = self.sock.recv(65536)
        if not data:
            raise EOFError
        self._buffer += data

    def _until(self, mark):
        while mark not in self._buffer:
            self._more()
        head, _, self._buffer = self._buffer.partition(mark)
        return head

    def _take(self, count):
        while len(self._buffer) < count:
            self._more()
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def send(self, data, kind=TEXT, final=True):
        data = data.encode() if isinstance(data, str) else data
        mask = os.urandom(4)
        size = len(data)
        length = (
            bytes([0x80 | size]) if size < 126
            else struct.pack(">BH", 0xFE, size) if size < 65536 else struct.pack(">BQ", 0xFF, size)
        )  # fmt: skip
        whole = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
        hidden = (int.from_bytes(data, "big") ^ whole).to_bytes(size, "big")
        self.sock.sendall(bytes([kind | (0x80 if final else 0)]) + length + mask + hidden)

    def receive(self):
        """(opcode, payload) of the next frame. Raises EOFError when the socket is over."""
        first, second = self._take(2)
        size = second & 0x7F
        if size == 126:
            size = struct.unpack(">H", self._take(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self._take(8))[0]
        assert first & 0x80, "one unfragmented frame each"
        assert not first & 0x70, "no compression"
        return first & 0x0F, self._take(size)

    def close(self):
        self.sock.close()


class Hub:
    """A hub connection of a stranger, JSON protocol. Pings are counted, not returned."""

    def __init__(self, socket_):
        self.socket = socket_
        self.waiting = []
        self.pings = 0
        self._number = 0
        self.closed = None

    def record(self, patience_s=PATIENCE_S, pings=False):
        """The next record; None when the connection is over."""
        self.socket.sock.settimeout(patience_s)
        while True:
            while self.waiting:
                told = json.loads(self.waiting.pop(0))
                if told.get("type") != 6 or pings:
                    return told
                self.pings += 1
            try:
                kind, data = self.socket.receive()
            except (EOFError, ConnectionError):
                return None
            if kind == CLOSE:
                self.closed = struct.unpack(">H", data[:2])[0] if data else None
                return None
            if kind in (TEXT, BINARY):
                assert data.endswith(END.encode()), "whole records only"
                self.waiting += data.decode().split(END)[:-1]

    def nothing(self, patience_s=0.2):
        try:
            told = self.record(patience_s)
        except TimeoutError:
            return
        raise AssertionError(f"heard {told}")

    def say(self, *records):
        self.socket.send("".join(json.dumps(one) + END for one in records))

    def invoke(self, method, *arguments):
        """The completion; events that come before it wait their turn."""
        self._number += 1
        number = str(self._number)
        self.say({"type": 1, "invocationId": number, "target": method,
                  "arguments": list(arguments)})  # fmt: skip
        early = []
        while (told := self.record()) is not None:
            if told.get("type") == 3 and told["invocationId"] == number:
                self.waiting = early + self.waiting
                return told
            early.append(json.dumps(told))
        raise AssertionError("the connection ended")

    def event(self, target, patience_s=PATIENCE_S):
        """Arguments of the next event of that name; others are dropped."""
        end = time.monotonic() + patience_s
        while (told := self.record(max(0.01, end - time.monotonic()))) is not None:
            if told.get("type") == 1 and told["target"] == target:
                return told["arguments"]
        raise AssertionError("the connection ended")

    def events(self, wanted, patience_s=PATIENCE_S):
        """(target, data) of user events until `wanted` of the list says enough."""
        found = []
        end = time.monotonic() + patience_s
        while not wanted(found):
            told = self.record(max(0.01, end - time.monotonic()))
            assert told is not None, "the connection ended"
            if told.get("type") == 1:
                payload = told["arguments"][-1]
                found.append((told["target"], payload))
        return found


@contextmanager
def hub(trader, name="market", query="", headers=None, hello=HELLO, token=True):
    path = f"/hubs/{name}?" + (f"access_token={trader.token}" if token else "") + query
    raw = Socket(trader.venue.port, path, headers)
    try:
        one = Hub(raw)
        if hello:
            raw.send(hello)
            assert one.record() == {}
        yield one
    finally:
        raw.close()
