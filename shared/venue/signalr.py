"""A hub session: connected and subscribed, or visibly not, for as long as it runs.

One attempt after the other (`signalr_attempt.py`), each with a fresh token and all subscriptions
made anew; it is UP only when every subscription has been confirmed. What happened between two
attempts is lost for good, so after every UP the owner takes a REST snapshot. Waiting times grow
with jitter; `suspect` drops and reconnects at once, from every state, without ever making two.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from enum import Enum
from typing import Any, Final
from urllib.parse import quote

from shared.venue.client_http import safe_url
from shared.venue.client_login import LoginFailed, LoginRefused
from shared.venue.signalr_attempt import Attempt, Event, HubLimits, InvocationFailed

Subscription = tuple[str, tuple[Any, ...]]
STABLE_S: Final = 5.0  # a connection that lived this long resets the back-off


class HubState(Enum):
    UP = "UP"  # connected and every subscription confirmed
    DOWN = "DOWN"


class HubSession:
    """`on_events` gets what arrived, in order, in the loop's thread; an exception in it ends `run`.

    `targets`: event names to deliver. `subscriptions`: (method, arguments), repeated after every
    reconnect. `token_provider` is asked before every attempt.
    """

    def __init__(
        self,
        url: str,
        token_provider: Callable[[], Awaitable[str]],
        targets: Iterable[str],
        subscriptions: Iterable[Subscription],
        *,
        on_events: Callable[[list[Event]], None],
        on_state: Callable[[HubState, str], None],
        limits: HubLimits | None = None,
    ) -> None:
        self._url = str(safe_url(url, ("ws", "wss")))
        self._token_provider = token_provider
        self._targets = frozenset(targets)
        self._subscriptions: dict[Subscription, None] = dict.fromkeys(subscriptions)
        self._on_events = on_events
        self._on_state = on_state
        self._limits = limits or HubLimits()
        self._attempt: Attempt | None = None
        self._closing = asyncio.Event()
        self._hurry = asyncio.Event()
        self._bug: Exception | None = None
        self.up = False
        self.attempts = 0

    # -- for the owner -----------------------------------------------------------------------------

    async def run(self) -> None:
        """Stay connected until `close` or cancellation. Raises only what `on_events` raised."""
        backoff = self._limits.backoff_first_s
        loop = asyncio.get_running_loop()
        while not self._closing.is_set():
            began = loop.time()
            why = await self._one_life()
            if self._bug is not None:
                raise self._bug
            if self._closing.is_set():
                break
            self._on_state(HubState.DOWN, why)
            if loop.time() - began > STABLE_S:
                backoff = self._limits.backoff_first_s
            await self._pause(backoff)
            backoff = min(self._limits.backoff_max_s, backoff * 2)
        self._on_state(HubState.DOWN, "closed")

    async def close(self) -> None:
        """End `run`; returns at once."""
        self._closing.set()
        self._hurry.set()
        self._drop("closed")

    def suspect(self, reason: str) -> None:
        """Something is wrong with this connection: drop it and try again now."""
        self._hurry.set()
        self._drop(f"suspected: {reason}")

    async def subscribe(self, method: str, *args: Any) -> None:
        """Add a subscription; made now if UP, and after every reconnect."""
        self._subscriptions[(method, args)] = None
        await self._invoke_if_up(method, list(args))

    async def unsubscribe(self, method: str, undo: str, *args: Any) -> None:
        """Drop the subscription made by `method` by invoking `undo`."""
        self._subscriptions.pop((method, args), None)
        await self._invoke_if_up(undo, list(args))

    # -- how ---------------------------------------------------------------------------------------

    async def _invoke_if_up(self, method: str, args: list[Any]) -> None:
        attempt = self._attempt
        if attempt is None or not self.up:
            return
        try:
            await attempt.invoke(method, args)
        except (InvocationFailed, ConnectionError, TimeoutError) as error:
            attempt.die(f"{method}: {error or 'no completion in time'}")

    def _drop(self, why: str) -> None:
        if self._attempt is not None:
            self._attempt.die(why)

    async def _one_life(self) -> str:
        """One attempt from token to death; the reason it ended."""
        self.attempts += 1
        self._hurry.clear()
        try:
            token = await self._token_provider()
        except (LoginFailed, LoginRefused, ConnectionError, TimeoutError) as error:
            return f"no token: {error}"
        if self._closing.is_set():
            return "closed"
        url = f"{self._url}?access_token={quote(token)}"
        attempt = self._attempt = Attempt(url, self._targets, self._heard, self._limits)
        try:
            await attempt.open()
            await self._subscribe_all(attempt)
            self.up = True
            self._on_state(HubState.UP, f"attempt {self.attempts}")
            return await attempt.watch()
        except (InvocationFailed, ConnectionError) as error:
            return str(error)
        except TimeoutError:
            return "a subscription was not confirmed in time"
        finally:
            self.up = False
            self._attempt = None
            await attempt.bury()

    async def _subscribe_all(self, attempt: Attempt) -> None:
        done: set[Subscription] = set()
        while waiting := [one for one in self._subscriptions if one not in done]:
            for method, args in waiting:
                await attempt.invoke(method, list(args))
                done.add((method, args))

    def _heard(self, batch: list[Event]) -> None:
        try:
            self._on_events(batch)
        except Exception as error:  # a bug of ours must end us loudly, not vanish in a callback
            self._bug = error
            self._drop("our own handler raised")

    async def _pause(self, seconds: float) -> None:
        """Back-off; `suspect` and `close` cut it short, but never below the first step."""
        await asyncio.sleep(self._limits.backoff_first_s * random.uniform(0.7, 1.3))
        rest = seconds * random.uniform(0.7, 1.3) - self._limits.backoff_first_s
        if rest > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(rest):
                    await self._hurry.wait()
