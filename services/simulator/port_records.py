"""SignalR's JSON records as the simulated hubs read and write them.

Each record is one JSON object and a separator; several may share a frame. Texts and numbers are
those of an ASP.NET Core server, because clients were written against one.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct

SEPARATOR: Final = "\x1e"
PING: Final = '{"type":6}\x1e'
HANDSHAKE_OK: Final = "{}\x1e"
CLOSED_WITH_ERROR: Final = "Connection closed with an error."
INVOCATION, COMPLETION, STREAM_INVOCATION, PING_TYPE, CLOSE_TYPE = 1, 3, 4, 6, 7
VERSIONS: Final = (0, 1, 2)


class Handshake(Struct):
    protocol: str
    version: int = 0


class Record(Struct, rename="camel"):
    """Any record of a client; members it does not have keep their default."""

    type: int = 0
    target: str = ""
    arguments: list[Any] = []
    invocation_id: str | None = None


class Garbage(Exception):
    """What came is no record; the connection must end."""


def records(text: str) -> list[str]:
    """The whole records of a frame. Raises Garbage when it ends inside one."""
    *whole, rest = text.split(SEPARATOR)
    if rest:
        raise Garbage("a record without its end")
    return [one for one in whole if one]


def handshake(text: str) -> str:
    """Empty when the handshake is good, else what the server has against it."""
    try:
        asked = msgspec.json.decode(text, type=Handshake)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "Handshake was not a handshake record."
    if asked.protocol != "json":
        return f"The protocol '{asked.protocol}' is not supported."
    if asked.version not in VERSIONS:
        return f"The server does not support version {asked.version} of the 'json' protocol."
    return ""


def record(text: str) -> Record:
    """Raises Garbage."""
    try:
        return msgspec.json.decode(text, type=Record)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Garbage(str(error)) from None


def _written(value: dict[str, Any]) -> str:
    return msgspec.json.encode(value).decode() + SEPARATOR


def refused(why: str) -> str:
    return _written({"error": why})


def event(target: str, *arguments: Any) -> str:
    return _written({"type": INVOCATION, "target": target, "arguments": arguments})


def completed(invocation_id: str) -> str:
    return _written({"type": COMPLETION, "invocationId": invocation_id, "result": 0})


def failed(invocation_id: str, method: str, reason: str = "") -> str:
    text = f"Failed to invoke '{method}' due to an error on the server.{reason}"
    return _written({"type": COMPLETION, "invocationId": invocation_id, "error": text})


def closing(error: str, allow_reconnect: bool) -> str:
    said: dict[str, Any] = {"type": CLOSE_TYPE}
    if error:
        said["error"] = error
    if allow_reconnect:
        said["allowReconnect"] = True
    return _written(said)
