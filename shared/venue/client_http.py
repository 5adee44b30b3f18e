"""The last metre before the wire: the gate a request passes as it leaves, and doubts about answers.

aiohttp has no hook between "a connection stands" and "the bytes go out"; its request class is the
place, and the gate of the attempt reaches it through a context variable. A gate once passed
is what separates "not sent" from "unknown".
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Final

import aiohttp
import msgspec
from aiohttp.client_reqrep import ClientRequest
from yarl import URL

RESPONSE_MAX: Final = 16 * 1024 * 1024  # 20,000 bars are about 2 MB
RETRY_AFTER_DEFAULT_S: Final = 2.0
RETRY_AFTER_MAX_S: Final = 60.0
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")

BeforeSend = Callable[[], str | None]


class Held(Exception):
    """`before_send` said no."""


class Gate:
    """Travels with one attempt: asked as the bytes leave, remembers that they did."""

    def __init__(self, before_send: BeforeSend | None) -> None:
        self.before_send = before_send
        self.leaving = False


GATE: ContextVar[Gate | None] = ContextVar("gate", default=None)


class GatedRequest(ClientRequest):
    async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        gate = GATE.get()
        if gate is not None:
            why = gate.before_send() if gate.before_send else None
            if why:
                raise Held(why)
            gate.leaving = True
        return await super().send(conn)


def safe_url(text: str, schemes: tuple[str, ...] = ("http", "https")) -> URL:
    """A base address: encrypted, or on this very computer. Raises ValueError otherwise."""
    url = URL(text)
    if url.scheme not in schemes or not url.host:
        raise ValueError(f"address was {text!r}; expected {schemes[1]}://host")
    if url.scheme == schemes[0] and url.host not in LOOPBACK:
        raise ValueError(f"address was {text!r}; only {schemes[1]} may leave this computer")
    if url.user or url.password:
        raise ValueError("address holds a password; credentials belong in the environment")
    return url


async def bounded(answer: aiohttp.ClientResponse) -> bytes:
    """The body. Raises ValueError when it is larger than any honest answer."""
    parts: list[bytes] = []
    size = 0
    async for chunk in answer.content.iter_any():
        size += len(chunk)
        if size > RESPONSE_MAX:
            answer.close()
            raise ValueError(f"answer is larger than {RESPONSE_MAX} bytes")
        parts.append(chunk)
    return b"".join(parts)


def problem(body: bytes) -> str | None:
    """What a problem-details body complains about; None when it is no such body."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if not isinstance(found, dict) or not (found.get("status") == 400 or "errors" in found):
        return None
    return f"HTTP 400: {found.get('errors') or found.get('detail') or found.get('title')}"[:300]


def retry_after(answer: aiohttp.ClientResponse) -> float:
    said = answer.headers.get("Retry-After", "")
    return min(RETRY_AFTER_MAX_S, float(said)) if said.isdigit() else RETRY_AFTER_DEFAULT_S


def named(error: BaseException) -> str:
    """A transport error in a line; it never holds headers or bodies."""
    text = str(error) or "deadline passed"
    return f"{type(error).__name__}: {text}"[:200]
