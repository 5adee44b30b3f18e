"""The simulated venue's two SignalR hubs, as an ASP.NET Core server would serve them.

Who is connected, who hears what, and what happens to an event between the core and its hearers:
its shape (`port_shape.py`), its encoding (once per protocol, however many listen), and the faults
that are ordered. Quotes are full at first and sparse afterwards: a client that was told the last
quote of a contract is told what changed since, any other is told all of it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import msgspec
from aiohttp import web

from services.simulator.port_client import HubClient, Manners, Topic
from services.simulator.port_faults import WireFault, WireFaults
from services.simulator.port_records import Event
from services.simulator.port_shape import Shape
from services.simulator.port_tokens import Claims, Mint
from shared.sections import SimulatorWire
from shared.venue import words
from shared.venue.codes import DepthKind, HubAction

CLIENTS_MAX: Final = 500
LATE_MAX: Final = 50_000  # events of a hub that wait on request; beyond it the oldest goes
IDS_MAX: Final = 10_000  # negotiated and not used
ID_LIFE_S: Final = 60.0
SESSION_OVER: Final = "The session has ended."
_BIDS: Final = (DepthKind.BID, DepthKind.BEST_BID, DepthKind.NEW_BEST_BID)
_ASKS: Final = (DepthKind.ASK, DepthKind.BEST_ASK, DepthKind.NEW_BEST_ASK)
_BEST: Final = _BIDS[1:] + _ASKS[1:]

_Late = tuple[float, Topic, Event, Iterable[HubClient]]
Snapshot = Callable[[str, int | str], Awaitable[list[words.UserPayload]]]
"""The rows that a subscription to a user event could begin with."""


class Ids:
    """Connection ids that negotiation gave away: each opens one socket, and not for ever."""

    def __init__(self) -> None:
        self._waiting: dict[str, float] = {}
        self._open: set[str] = set()

    @staticmethod
    def new() -> str:
        """A random id of 22 characters."""
        return secrets.token_urlsafe(16)

    def give(self) -> str:
        made = self.new()
        self._waiting[made] = time.monotonic() + ID_LIFE_S
        while len(self._waiting) > IDS_MAX:
            del self._waiting[next(iter(self._waiting))]
        return made

    def take(self, asked: str) -> int:
        """The status by which a strict server refuses a socket with this id; 0 if it does not."""
        if asked in self._open:
            return 409
        if self._waiting.pop(asked, 0.0) < time.monotonic():
            return 404
        self._open.add(asked)
        return 0

    def free(self, asked: str) -> None:
        self._open.discard(asked)


class Hubs:
    """Everyone connected, and who hears what."""

    def __init__(
        self, faults: WireFaults, settings: SimulatorWire, shape: Shape, snapshot: Snapshot
    ) -> None:
        self._faults = faults
        self._settings = settings
        self._shape = shape
        self._snapshot = snapshot
        self._manners = Manners(settings.method_aliases, settings.text_account_ids)
        self._strict = settings.hub_ids == "strict"
        self._ids = Ids()
        self._clients: set[HubClient] = set()
        self._books: dict[str, dict[tuple[bool, float], words.DepthPayload]] = {}
        self._quotes: dict[str, tuple[int, dict[str, Any]]] = {}
        self._held: dict[str, tuple[Topic, Event]] = {}
        self._late: dict[str, deque[_Late]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    # -- connections -------------------------------------------------------------------------------

    def negotiated(self, asked: str) -> dict[str, Any]:
        """Version 1 gives a secret id beside the public one; 0 only the public one."""
        version = 1 if asked.isascii() and asked.isdigit() and int(asked[:9]) >= 1 else 0
        answer: dict[str, Any] = {"negotiateVersion": version}
        if version:
            answer |= {"connectionId": self._ids.new(), "connectionToken": self._ids.give()}
        else:
            answer["connectionId"] = self._ids.give()
        formats = ["Text", "Binary"]
        answer["availableTransports"] = [{"transport": "WebSockets", "transferFormats": formats}]
        return answer

    async def serve(self, request: web.Request, hub: str, claims: Claims) -> web.StreamResponse:
        if len(self._clients) >= CLIENTS_MAX:
            return web.Response(status=503, text=f"{CLIENTS_MAX} clients are connected already")
        asked = request.query.get("id", "")
        if self._strict and asked and (status := self._ids.take(asked)):
            return web.Response(status=status)
        client = HubClient(
            hub, claims, faults=self._faults, greet=self._greeting, manners=self._manners
        )
        self._clients.add(client)
        try:
            return await client.serve(request)
        finally:
            self._clients.discard(client)
            self._ids.free(asked)

    @property
    def connected(self) -> int:
        return len(self._clients)

    def _of(self, hub: str) -> list[HubClient]:
        return [client for client in self._clients if hub in ("", client.hub)]

    def drop(self, hub: str) -> None:
        for client in self._of(hub):
            client.abort()

    def end(self, hub: str, error: str) -> None:
        for client in self._of(hub):
            client.end(error, allow_reconnect=True)

    def check_tokens(self, mint: Mint) -> None:
        """End the connections whose token has, as the settings say."""
        if self._settings.token_end == "keep":  # nosec B105 - a way to end
            return
        for client in self._of(""):
            if not mint.alive(client.claims):
                self._log_out(client)

    def rival(self, user: str) -> None:
        """Somebody logged in under the name of these connections."""
        for client in self._of(""):
            if client.claims.sub.lower() == user.lower():
                self._log_out(client)

    def _log_out(self, client: HubClient) -> None:
        if self._settings.token_end != "close":  # nosec B105 - a way to end
            client.tell(Event(words.LOGOUT))
        client.end(SESSION_OVER, allow_reconnect=True)

    # -- events ------------------------------------------------------------------------------------

    def user(self, target: str, account_id: int, action: int, payload: words.UserPayload) -> None:
        topic: Topic = (target, "" if target == words.USER_ACCOUNT else account_id)
        if self._hearers("user", topic):
            self._tell("user", topic, self._shape.user(target, action, payload))

    def quote(self, contract: str, payload: words.QuotePayload) -> None:
        topic: Topic = (words.QUOTE, contract)
        hearers = self._hearers("market", topic)
        if not hearers:
            return
        number, before = self._quotes.get(contract, (0, None))
        plain: dict[str, Any] = msgspec.to_builtins(payload)
        self._quotes[contract] = (number + 1, plain)
        newcomers = [client for client in hearers if client.seen.get(contract) != number]
        for client in hearers:
            client.seen[contract] = number + 1
        if len(newcomers) < len(hearers):
            sparse = self._shape.quote(contract, plain, before)
            self._tell("market", topic, sparse, but=newcomers)
        if newcomers:
            full = self._shape.quote(contract, plain, None)
            for client in newcomers:
                client.tell(full)

    def tape(self, contract: str, prints: tuple[words.TapePayload, ...]) -> None:
        self._tell_rows(words.TAPE, contract, prints)

    def depth(self, contract: str, levels: tuple[words.DepthPayload, ...]) -> None:
        self._remember(contract, levels)
        self._tell_rows(words.DEPTH, contract, levels)

    def _tell_rows(self, event: str, contract: str, rows: tuple[words.Part, ...]) -> None:
        """Nothing is encoded when nobody listens: at a hundred times the speed that counts."""
        topic: Topic = (event, contract)
        if self._hearers("market", topic):
            for one in self._shape.rows(event, contract, rows):
                self._tell("market", topic, one)

    def _hearers(self, hub: str, topic: Topic) -> list[HubClient]:
        return [
            client
            for client in self._clients
            if client.hub == hub and topic in client.topics and not client.muted()
        ]

    def _tell(self, hub: str, topic: Topic, event: Event, but: Iterable[HubClient] = ()) -> None:
        """Send an event to all who hear it, unless a fault has other plans for it."""
        strikes = self._faults.strikes_event
        if strikes(WireFault.LOSE_EVENTS, hub, event.target):
            return
        if hub not in self._held and strikes(WireFault.SWAP_EVENTS, hub, event.target):
            self._held[hub] = (topic, event)
            return
        line = [(topic, event)]
        if strikes(WireFault.DOUBLE_EVENTS, hub, event.target):
            line.append((topic, event))
        if hub in self._held:
            line.append(self._held.pop(hub))
        delay = self._faults.delay_s(hub)
        late = self._late.setdefault(hub, deque())
        for about, one in line:
            if not delay and not late:
                self._deliver(hub, about, one, but)
                continue
            due = time.monotonic() + delay
            late.append((max(due, late[-1][0]) if late else due, about, one, but))
            if len(late) > LATE_MAX:
                self._deliver(hub, *late.popleft()[1:])
            if len(late) == 1:
                asyncio.get_running_loop().call_later(delay, self._deliver_late, hub)

    def _deliver_late(self, hub: str) -> None:
        """What is due of the events that wait, and a look at the next one when it is."""
        late, now = self._late[hub], time.monotonic()
        while late and late[0][0] <= now:
            self._deliver(hub, *late.popleft()[1:])
        if late:
            asyncio.get_running_loop().call_later(late[0][0] - now, self._deliver_late, hub)

    def _deliver(self, hub: str, topic: Topic, event: Event, but: Iterable[HubClient] = ()) -> None:
        for client in self._hearers(hub, topic):
            if client not in but:
                client.tell(event)

    # -- what a subscription begins with -----------------------------------------------------------

    def _greeting(self, client: HubClient, topic: Topic) -> list[Event]:
        """Events for one who has just subscribed; those that need the core come later."""
        event, about = topic
        if event == words.DEPTH and isinstance(about, str) and self._books.get(about):
            levels = list(self._books[about].values())
            reset = msgspec.structs.replace(
                levels[0], type=int(DepthKind.RESET), price=0.0, volume=0
            )
            return self._shape.rows(event, about, (reset, *levels))
        wish = self._settings.user_snapshot
        if client.hub == "user" and (
            wish == "all" or (wish == "account" and event == words.USER_ACCOUNT)
        ):
            task = asyncio.get_running_loop().create_task(self._begin_with(client, topic))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return []

    async def _begin_with(self, client: HubClient, topic: Topic) -> None:
        for row in await self._snapshot(*topic):
            client.tell(self._shape.user(topic[0], HubAction.UPDATE.value, row))

    def _remember(self, contract: str, levels: tuple[words.DepthPayload, ...]) -> None:
        """The standing book, so that a newcomer begins with all of it."""
        book = self._books.setdefault(contract, {})
        for level in levels:
            if level.type == DepthKind.RESET:
                book.clear()
                continue
            bid = level.type in _BIDS
            if not bid and level.type not in _ASKS:
                continue
            if level.type in _BEST:
                sign = 1 if bid else -1
                better = [
                    key for key in book if key[0] == bid and (key[1] - level.price) * sign > 0
                ]
                for key in better:
                    del book[key]
            key = (bid, level.price)
            book.pop(key, None)
            if level.volume:
                kind = DepthKind.BID if bid else DepthKind.ASK
                book[key] = msgspec.structs.replace(level, type=int(kind))
