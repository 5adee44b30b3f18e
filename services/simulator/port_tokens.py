"""Tokens and request windows of the simulated venue.

Tokens are real JWTs (HS256): some clients read `exp` and log in before every call when they
cannot. The key is kept under `<var>`, so that a restarted simulator still knows the tokens it gave,
and so is what was logged out or revoked (`port_memory.py`). A second login does not end the first.
Every name and key is accepted but a few keys, which say how a refused login is rehearsed.
"""

from __future__ import annotations

import base64
import hmac
import os
import secrets
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from shared.venue.codes import LoginError

KEY_BYTES: Final = 32
REVOKED_MAX: Final = 10_000  # logged-out tokens remembered; the oldest are forgotten
WINDOWS_MAX: Final = 1_000  # tokens whose requests are counted
REFUSED_KEYS: Final[dict[str, tuple[LoginError, str | None]]] = {
    "": (LoginError.INVALID_CREDENTIALS, None),
    "wrong": (LoginError.INVALID_CREDENTIALS, None),
    "unsigned": (
        LoginError.AGREEMENTS_NOT_SIGNED,
        "Please log into the ProjectX platform and complete the required agreements",
    ),
    "unsubscribed": (LoginError.API_SUBSCRIPTION_NOT_FOUND, None),
    "disabled": (LoginError.API_KEY_AUTHENTICATION_DISABLED, None),
}
"""API keys that are refused: (code, the venue's text)."""
_HEADER: Final = {"alg": "HS256", "typ": "JWT"}


class Claims(Struct, frozen=True):
    """What a token says; `iat` and `exp` are seconds of the wall."""

    sub: str
    jti: str
    iat: int
    exp: int


class Ended(Struct, forbid_unknown_fields=True):
    """Tokens that count no more: by name, of users up to a number, of everybody up to a number."""

    revoked: list[str] = []
    users: dict[str, int] = {}
    everybody: int = 0


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
    """Issues and checks tokens. `clock_ms`: how wrong the venue's clock is, on request; `changed`
    is called when a token has ended.
    """

    def __init__(self, key: bytes, life_s: int) -> None:
        self._key = key
        self._life_s = life_s
        self._revoked: dict[str, None] = {}
        self._users_ended: dict[str, int] = {}
        self._all_ended = 0
        self._serial = 0
        self.clock_ms = 0
        self.changed: Callable[[], None] = lambda: None

    def ended(self) -> Ended:
        return Ended(list(self._revoked), dict(self._users_ended), self._all_ended)

    def resume(self, ended: Ended) -> None:
        """Go on from what an earlier process knew."""
        self._revoked = dict.fromkeys(ended.revoked)
        self._users_ended = dict(ended.users)
        self._all_ended = ended.everybody
        self._serial = max([self._all_ended, *self._users_ended.values()])

    def _signature(self, signed: str) -> bytes:
        return hmac.digest(self._key, signed.encode(), "sha256")

    def _now(self) -> float:
        return time.time() + self.clock_ms / 1000

    def issue(self, user: str) -> str:
        """A new token; `jti` begins with a number that only grows, so that older ones can end."""
        now = int(self._now())
        name = f"{self._turn():x}-{secrets.token_urlsafe(9)}"
        claims = Claims(user, name, now, now + self._life_s)
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
        return claims if self.alive(claims) else None

    def alive(self, claims: Claims) -> bool:
        """Whether a genuine token still counts."""
        if self._now() >= claims.exp or claims.jti in self._revoked:
            return False
        try:
            born = int(claims.jti.partition("-")[0], 16)
        except ValueError:
            return False
        return born > max(self._all_ended, self._users_ended.get(claims.sub.lower(), 0))

    def revoke(self, claims: Claims) -> None:
        self._revoked[claims.jti] = None
        while len(self._revoked) > REVOKED_MAX:
            del self._revoked[next(iter(self._revoked))]
        self.changed()

    def revoke_user(self, user: str) -> None:
        """Every token given to a user so far ends."""
        self._users_ended.pop(user.lower(), None)
        self._users_ended[user.lower()] = self._turn()
        while len(self._users_ended) > REVOKED_MAX:
            del self._users_ended[next(iter(self._users_ended))]
        self.changed()

    def revoke_all(self) -> None:
        self._all_ended = self._turn()
        self.changed()

    def _turn(self) -> int:
        """A number above those of all tokens given and below those of all to come."""
        self._serial = max(self._serial + 1, time.time_ns())
        return self._serial


class Window:
    """So many requests in so many seconds, per token or user: sliding, or from fixed instants."""

    def __init__(self, limit: int, seconds: float, *, fixed: bool = False) -> None:
        self._limit = limit
        self._seconds = seconds
        self._fixed = fixed
        self._spent: dict[str, deque[float]] = {}

    def wait_s(self, who: str) -> float:
        """0 and counted, or the seconds until the next request would be allowed."""
        now = time.monotonic()
        spent = self._spent.setdefault(who, deque())
        begins = now - now % self._seconds if self._fixed else now - self._seconds
        while spent and (spent[0] < begins if self._fixed else spent[0] <= begins):
            spent.popleft()
        if len(spent) >= self._limit:
            return (begins if self._fixed else spent[0]) + self._seconds - now
        spent.append(now)
        if len(self._spent) > WINDOWS_MAX:
            del self._spent[next(iter(self._spent))]
        return 0.0
