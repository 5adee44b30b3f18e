"""The last metre before the wire: a request's bytes, the gate they pass, and doubts about answers.

aiohttp does what is hard: it opens and keeps connections, speaks TLS and reads answers. The request
itself we write. Its general client makes each anew (address, cookies, redirects, proxies, headers)
and hands it to a task of its own, so that a turn of the loop passes between the last look and the
bytes; ours is the same text every time but for a length and a body, and nothing is awaited between
the gate and the write. A gate once passed is what separates "not sent" from "unknown".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import aiohttp
import msgspec
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest
from aiohttp.http import SERVER_SOFTWARE
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import StreamReader
from yarl import URL

CONNECTIONS: Final = 8
CONNECT_MAX_S: Final = 3.0
KEEP_S: Final = 30.0
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


class Answer(msgspec.Struct, frozen=True):
    """What came back, whole. `quiet_s`: how long the venue wants to be left alone, if it does."""

    status: int
    body: bytes
    quiet_s: float


class Way:
    """To one venue, over connections that are kept. Make it inside a running loop."""

    def __init__(self, base: URL, timeout_s: float) -> None:
        connect_s = min(CONNECT_MAX_S, timeout_s)
        self._base = base
        self._timeout_s = timeout_s
        self._limits = aiohttp.ClientTimeout(connect=timeout_s, sock_connect=connect_s)
        self._connector = aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=KEEP_S)
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=connect_s),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        loop = asyncio.get_running_loop()
        self._knock = ClientRequest("POST", base, loop=loop, session=self._session)  # whither
        self._token = ""  # nosec B105 - none yet
        self._heads: dict[str, bytes] = {}  # path -> all that comes before the length

    async def post(self, path: str, body: bytes, token: str, gate: Gate) -> Answer:
        """One attempt. Raises Held, or aiohttp.ClientError, TimeoutError, OSError, ValueError."""
        head = self._head(path, token)
        due = asyncio.get_running_loop().time() + self._timeout_s
        connection = await self._connector.connect(self._knock, traces=[], timeout=self._limits)
        try:
            protocol = connection.protocol
            assert protocol is not None, "Invariant: a connection just handed out is open"
            assert protocol.transport is not None, "Invariant: so is its transport"
            if gate.before_send is not None and (why := gate.before_send()):
                raise Held(why)
            gate.leaving = True
            protocol.transport.write(b"%b%d\r\n\r\n%b" % (head, len(body), body))
            protocol.set_response_params(read_until_eof=True)  # nothing was read meanwhile
            async with asyncio.timeout_at(due):
                answer = await _answered(protocol)
        except BaseException:
            connection.close()
            raise
        connection.release()
        return answer

    def _head(self, path: str, token: str) -> bytes:
        """Raises ValueError for a token that no header may hold."""
        if token != self._token:
            self._token, self._heads = token, {}
        found = self._heads.get(path)
        if found is None:
            found = self._heads[path] = _head(self._base / path.removeprefix("/"), token)
        return found

    async def ping(self, path: str) -> bool:
        """Whether GET of `path` is answered by 200. Raises as `post` does."""
        where = self._base / path.removeprefix("/")
        async with self._session.get(where, allow_redirects=False) as answer:
            return answer.status == 200

    async def close(self) -> None:
        await self._session.close()


def _head(url: URL, token: str) -> bytes:
    if not (token.isascii() and token.isprintable()):
        raise ValueError("the token holds characters that no header may hold")
    lines = [
        f"POST {url.raw_path} HTTP/1.1",
        f"Host: {url.host_port_subcomponent}",
        f"User-Agent: {SERVER_SOFTWARE}",
        "Accept: application/json",
        "Accept-Encoding: gzip, deflate",
        "Content-Type: application/json",
        *([f"Authorization: Bearer {token}"] if token else []),
        "Content-Length: ",
    ]
    return "\r\n".join(lines).encode("ascii")


async def _answered(protocol: ResponseHandler) -> Answer:
    """The next answer on a connection. Raises aiohttp.ClientError, ValueError."""
    try:
        message, payload = await protocol.read()
        while message.code < 200 and message.code != 101:
            message, payload = await protocol.read()
    except HttpProcessingError as error:
        raise aiohttp.ClientPayloadError(error.message) from None
    asked = message.headers.get("Retry-After", "")
    return Answer(message.code, await bounded(payload), retry_after(asked))


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


async def bounded(payload: StreamReader) -> bytes:
    """The body. Raises ValueError when it is larger than any honest answer."""
    parts: list[bytes] = []
    size = 0
    async for chunk in payload.iter_any():
        size += len(chunk)
        if size > RESPONSE_MAX:
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


def retry_after(asked: str) -> float:
    return min(RETRY_AFTER_MAX_S, float(asked)) if asked.isdigit() else RETRY_AFTER_DEFAULT_S


def named(error: BaseException) -> str:
    """A transport error in a line; it never holds headers or bodies."""
    text = str(error) or "deadline passed"
    return f"{type(error).__name__}: {text}"[:200]
