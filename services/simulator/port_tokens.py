"""Tokens and request windows of the simulated venue.

Tokens are real JWTs (HS256): some clients read `exp` and log in before every call when they
cannot. The key is kept under `<var>`, so that a restarted simulator still knows the tokens it gave.
A second login does not end the first. Every name and key is accepted except a key that is empty or
says `wrong`: that is how a refused login is rehearsed.
"""

from __future__ import annotations

import base64
import hmac
import os
import secrets
import time
from collections import deque
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

KEY_BYTES: Final = 32
REVOKED_MAX: Final = 10_000  # logged-out tokens remembered; the oldest are forgotten
WINDOWS_MAX: Final = 1_000  # tokens whose requests are counted
WRONG_KEY: Final = "wrong"
_HEADER: Final = {"alg": "HS256", "typ": "JWT"}


class Claims(Struct, frozen=True):
    """What a token says; `iat` and `exp` are seconds of the wall."""

    sub: str
    jti: str
    iat: int
    exp: int


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def load_key(path: Path) -> bytes:
    """The signing key at `path`, made (0600) when absent or too short."""
    try:
        key = path.read_bytes()
        if len(key) >= KEY_BYTES:
            return key
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    key = secrets.token_bytes(KEY_BYTES)
    fresh = path.with_suffix(f".{os.getpid()}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(handle, key)
    finally:
        os.close(handle)
    fresh.rename(path)
    return key


class Mint:
    """Issues and checks tokens."""

    def __init__(self, key: bytes, life_s: int) -> None:
        self._key = key
        self._life_s = life_s
        self._revoked: dict[str, None] = {}

    def _signature(self, signed: str) -> bytes:
        return hmac.digest(self._key, signed.encode(), "sha256")

    def issue(self, user: str) -> str:
        now = int(time.time())
        claims = Claims(user, secrets.token_urlsafe(9), now, now + self._life_s)
        signed = f"{_text(msgspec.json.encode(_HEADER))}.{_text(msgspec.json.encode(claims))}"
        return f"{signed}.{_text(self._signature(signed))}"

    def check(self, token: str) -> Claims | None:
        """The claims of a token that is ours, alive and not logged out; else None."""
        signed, _, signature = token.rpartition(".")
        try:
            genuine = hmac.compare_digest(_raw(signature), self._signature(signed))
            if not genuine:
                return None
            claims = msgspec.json.decode(_raw(signed.split(".")[1]), type=Claims)
        except (ValueError, IndexError, msgspec.DecodeError):
            return None
        if time.time() >= claims.exp or claims.jti in self._revoked:
            return None
        return claims

    @staticmethod
    def connection_id() -> str:
        """A random id of 22 characters, as negotiation hands them out."""
        return secrets.token_urlsafe(16)

    def revoke(self, claims: Claims) -> None:
        self._revoked[claims.jti] = None
        while len(self._revoked) > REVOKED_MAX:
            del self._revoked[next(iter(self._revoked))]


class Window:
    """So many requests in so many seconds, sliding, per token."""

    def __init__(self, limit: int, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        self._spent: dict[str, deque[float]] = {}

    def wait_s(self, who: str) -> float:
        """0 and counted, or the seconds until the next request would be allowed."""
        now = time.monotonic()
        spent = self._spent.setdefault(who, deque())
        while spent and spent[0] <= now - self._seconds:
            spent.popleft()
        if len(spent) >= self._limit:
            return spent[0] + self._seconds - now
        spent.append(now)
        if len(self._spent) > WINDOWS_MAX:
            del self._spent[next(iter(self._spent))]
        return 0.0
