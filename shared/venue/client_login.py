"""One login for everything: a token kept fresh, renewed once for all who ask.

A token is renewed after half its life (with jitter, so that our processes do not log in together),
in the background: nobody who holds a valid token waits. Only an expired or refused token makes the
asker wait, and then all askers wait for one login. A failing login backs off. Neither the key nor a
token ever appears in a message.
"""

from __future__ import annotations

import asyncio
import base64
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from msgspec import Struct

from shared.venue.answers import LoginResponse
from shared.venue.codes import LoginError
from shared.venue.outcome import Answered, Outcome, Unknown

LIFE_WHEN_UNREADABLE_S: Final = 3_600.0
BACKOFF_FIRST_S: Final = 0.5
BACKOFF_MAX_S: Final = 30.0


class LoginRefused(Exception):
    """The venue read the credentials and said no; trying again will not help."""


class LoginFailed(Exception):
    """No token could be had now; it may be had later."""


class _Claims(Struct):
    exp: float
    iat: float | None = None


def life_s(token: str, wall_s: float) -> float:
    """Seconds a JWT will live, by its own claims; an hour when they cannot be read."""
    try:
        part = token.split(".")[1]
        claims = msgspec.json.decode(
            base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)), type=_Claims
        )
    except (IndexError, ValueError, msgspec.DecodeError):
        return LIFE_WHEN_UNREADABLE_S
    return max(0.0, claims.exp - (claims.iat if claims.iat is not None else wall_s))


class TokenKeeper:
    """Hands out a valid token. `login` asks the venue once; it must not raise for venue trouble."""

    def __init__(
        self, login: Callable[[], Awaitable[Outcome[LoginResponse]]], renew_share: float
    ) -> None:
        self._login = login
        self._renew_share = renew_share
        self._token = ""  # nosec B105 - none yet
        self._renew_at = self._expires_at = 0.0
        self._again_at = 0.0
        self._backoff = BACKOFF_FIRST_S
        self._failure = ""
        self._task: asyncio.Task[None] | None = None
        self.logins = 0

    async def token(self) -> str:
        """Raises LoginRefused or LoginFailed."""
        now = time.monotonic()
        if self._token and now < self._expires_at:
            if now >= self._renew_at and now >= self._again_at:
                self._begin()
            return self._token
        if self._task is None and now < self._again_at:
            raise LoginFailed(self._failure)  # no seconds in it: the same reason is told once
        task = self._begin()
        await asyncio.shield(task)
        return self._token

    def refuse(self, token: str) -> None:
        """The venue did not accept `token`: forget it, unless a newer one is here already."""
        if token == self._token:
            self._token = ""  # nosec B105 - none left

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _begin(self) -> asyncio.Task[None]:
        if self._task is None:
            self._task = asyncio.create_task(self._renew(), name="venue login")
            self._task.add_done_callback(self._done)
        return self._task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled():
            task.exception()  # told to those who wait; a background renewal tries again

    async def _renew(self) -> None:
        self.logins += 1
        outcome = await self._login()
        if isinstance(outcome, Answered) and outcome.ok and outcome.response.token:
            self._accept(outcome.response.token)
            return
        self._again_at = time.monotonic() + self._backoff * random.uniform(0.8, 1.2)
        self._backoff = min(BACKOFF_MAX_S, self._backoff * 2)
        if isinstance(outcome, Answered):
            self._failure = f"login refused: {_reason(outcome.response)}"
            raise LoginRefused(self._failure)
        word = "unknown" if isinstance(outcome, Unknown) else "not sent"
        self._failure = f"login {word}: {outcome.why}"
        raise LoginFailed(self._failure)

    def _accept(self, token: str) -> None:
        now, life = time.monotonic(), life_s(token, time.time())
        self._token = token
        self._expires_at = now + life
        self._renew_at = now + life * self._renew_share * random.uniform(0.9, 1.0)
        self._backoff, self._again_at, self._failure = BACKOFF_FIRST_S, 0.0, ""


def _reason(response: LoginResponse) -> str:
    try:
        name = LoginError(response.error_code).name
    except ValueError:
        name = "unknown code"
    return f"{name} ({response.error_code}) {response.error_message or ''}".strip()
