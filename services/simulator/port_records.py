"""SignalR's records as the simulated hubs read and write them, in JSON and in MessagePack.

JSON records are objects, each with a separator behind it; MessagePack records are arrays, each with
its length before it. Several of either may share a frame; one spread over two frames ends the
connection, because the clients we know never send one. Texts and numbers are those of an ASP.NET
Core server, because clients were written against one. The handshake is JSON in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

import msgspec
from msgspec import Struct

SEPARATOR: Final = b"\x1e"
HANDSHAKE_OK: Final = b"{}" + SEPARATOR
CLOSED_WITH_ERROR: Final = "Connection closed with an error."
NO_METHOD: Final = " HubException: Method does not exist."
INVOCATION, COMPLETION, STREAM_INVOCATION, PING_TYPE, CLOSE_TYPE = 1, 3, 4, 6, 7
VERSIONS: Final = (0, 1, 2)
PREFIX_MAX: Final = 5  # bytes of a MessagePack record's length
_ERROR, _RESULT = 1, 3  # what a MessagePack completion holds
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Garbage(Exception):
    """What came is no record; the connection must end."""


class Handshake(Struct):
    protocol: str
    version: int = 0


class Record(Struct, rename="camel"):
    """Any record of a client; members it does not have keep their default."""

    type: int = 0
    target: str = ""
    arguments: list[Any] = []
    invocation_id: str | None = None


class Codec(Protocol):
    """One of the two protocols. `read` raises Garbage; everything else makes a record."""

    name: str
    binary: bool
    ping: bytes

    def read(self, data: bytes) -> list[Record]: ...
    def event(self, target: str, arguments: Sequence[Any]) -> bytes: ...
    def completed(self, invocation_id: str) -> bytes: ...
    def failed(self, invocation_id: str, method: str, reason: str = "") -> bytes: ...
    def closing(self, error: str, allow_reconnect: bool) -> bytes: ...


def _complaint(method: str, reason: str) -> str:
    return f"Failed to invoke '{method}' due to an error on the server.{reason}"


class JsonCodec:
    """Text frames."""

    name = "json"
    binary = False
    ping = b'{"type":6}' + SEPARATOR

    def read(self, data: bytes) -> list[Record]:
        *whole, rest = data.split(SEPARATOR)
        if rest:
            raise Garbage("a record without its end")
        try:
            return [msgspec.json.decode(one, type=Record) for one in whole if one]
        except _UNREADABLE as error:
            raise Garbage(str(error)) from None

    def event(self, target: str, arguments: Sequence[Any]) -> bytes:
        return _written({"type": INVOCATION, "target": target, "arguments": arguments})

    def completed(self, invocation_id: str) -> bytes:
        return _written({"type": COMPLETION, "invocationId": invocation_id, "result": 0})

    def failed(self, invocation_id: str, method: str, reason: str = "") -> bytes:
        error = _complaint(method, reason)
        return _written({"type": COMPLETION, "invocationId": invocation_id, "error": error})

    def closing(self, error: str, allow_reconnect: bool) -> bytes:
        said: dict[str, Any] = {"type": CLOSE_TYPE}
        if error:
            said["error"] = error
        if allow_reconnect:
            said["allowReconnect"] = True
        return _written(said)


class PackCodec:
    """Binary frames."""

    name = "messagepack"
    binary = True
    ping = b"\x02\x91\x06"

    def read(self, data: bytes) -> list[Record]:
        found: list[Record] = []
        at = 0
        while at < len(data):
            at, length = _length(data, at)
            if at + length > len(data):
                raise Garbage("a record without its end")
            found.append(_unpacked(data[at : at + length]))
            at += length
        return found

    def event(self, target: str, arguments: Sequence[Any]) -> bytes:
        return _packed([INVOCATION, {}, None, target, arguments, []])

    def completed(self, invocation_id: str) -> bytes:
        return _packed([COMPLETION, {}, invocation_id, _RESULT, 0])

    def failed(self, invocation_id: str, method: str, reason: str = "") -> bytes:
        return _packed([COMPLETION, {}, invocation_id, _ERROR, _complaint(method, reason)])

    def closing(self, error: str, allow_reconnect: bool) -> bytes:
        return _packed([CLOSE_TYPE, error or None, allow_reconnect])


JSON: Final = JsonCodec()
PACK: Final = PackCodec()
CODECS: Final[dict[str, Codec]] = {"json": JSON, "messagepack": PACK}


def _written(value: dict[str, Any]) -> bytes:
    return msgspec.json.encode(value) + SEPARATOR


def _packed(value: list[Any]) -> bytes:
    body = msgspec.msgpack.encode(value)
    left = len(body)
    prefix = bytearray()
    while left > 0x7F:
        prefix.append(left & 0x7F | 0x80)
        left >>= 7
    prefix.append(left)
    return bytes(prefix) + body


def _length(data: bytes, at: int) -> tuple[int, int]:
    """(where the record begins, its length), from the prefix at `at`. Raises Garbage."""
    length = 0
    for place in range(PREFIX_MAX):
        if at + place >= len(data):
            raise Garbage("a length without its end")
        length |= (data[at + place] & 0x7F) << (7 * place)
        if data[at + place] < 0x80:
            return at + place + 1, length
    raise Garbage("a length of more than five bytes")


def _unpacked(body: bytes) -> Record:
    """Raises Garbage for what is no record; unknown kinds pass, as in JSON."""
    try:
        row = msgspec.msgpack.decode(body)
    except (*_UNREADABLE, ValueError) as error:
        raise Garbage(str(error)) from None
    if not isinstance(row, list) or not row or type(row[0]) is not int:
        raise Garbage("a record that is no array with a kind")
    if row[0] not in (INVOCATION, STREAM_INVOCATION):
        return Record(type=row[0])
    if len(row) < 5:
        raise Garbage(f"an invocation of {len(row)} members")
    number, target, arguments = row[2:5]
    good = isinstance(target, str) and isinstance(arguments, list)
    if not good or not (number is None or isinstance(number, str)):
        raise Garbage("an invocation with members of wrong types")
    return Record(row[0], target, arguments, number)


class Event:
    """An event on its way to many, encoded once per protocol."""

    def __init__(self, target: str, *arguments: Any) -> None:
        self.target = target
        self._arguments = arguments
        self._made: dict[str, bytes] = {}

    def record(self, codec: Codec) -> bytes:
        made = self._made.get(codec.name)
        if made is None:
            made = self._made[codec.name] = codec.event(self.target, self._arguments)
        return made


def first_record(data: bytes) -> tuple[bytes, bytes]:
    """The handshake in a client's first frame, and what came behind it. Raises Garbage."""
    first, end, rest = data.partition(SEPARATOR)
    if not end:
        raise Garbage("a handshake without its end")
    return first, rest


def handshake(text: bytes) -> tuple[Codec | None, str]:
    """(protocol, "") of a good handshake, else (None, what the server has against it)."""
    try:
        asked = msgspec.json.decode(text, type=Handshake)
    except _UNREADABLE:
        return None, "Handshake was not a handshake record."
    codec = CODECS.get(asked.protocol)
    if codec is None:
        return None, f"The protocol '{asked.protocol}' is not supported."
    if asked.version not in VERSIONS:
        text_of = f"version {asked.version} of the '{asked.protocol}' protocol"
        return None, f"The server does not support {text_of}."
    return codec, ""


def refused(why: str) -> bytes:
    return _written({"error": why})
