"""Where the gateway meets the venue: the market hub, contract search and history.

It decides nothing. Hub events go through the tick filter and are relayed, each with the market time
at which we received it; questions of the core are asked one after the other (history has a request
limit of its own) and every one is answered, with a reason if it failed. The venue may be absent for
days: the hub session keeps trying, failed questions come back as words, and the process stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from loguru import logger

from services.market_data_gateway.asking import answer, failed
from services.market_data_gateway.ticks import TARGETS, Reject, TickFilter, side_by_side
from services.market_data_gateway.words import (
    Fetch,
    Find,
    HubDown,
    HubUp,
    Rejoin,
    Remark,
    Subscribe,
    Subscribed,
)
from shared.core import Word
from shared.events import Event
from shared.runtime.ports import Host
from shared.settings import Settings, credentials
from shared.venue import words
from shared.venue.client import VenueClient
from shared.venue.quota import Quota
from shared.venue.signalr import HubSession, HubState

HUB_PATH: Final = "/hubs/market"
STREAMS: Final = (
    ("SubscribeContractQuotes", "UnsubscribeContractQuotes"),
    ("SubscribeContractTrades", "UnsubscribeContractTrades"),
    ("SubscribeContractMarketDepth", "UnsubscribeContractMarketDepth"),
)
REPORT_EVERY_S: Final = 10.0
QUESTIONS_MAX: Final = 100


class GatewayPort:
    """Meets `shared.runtime.ports.Port`."""

    def __init__(self, settings: Settings) -> None:
        """Raises SettingsError when the credentials are missing."""
        self._settings = settings
        self._credentials = credentials(settings)
        self._filter = TickFilter(settings.market_data_gateway)
        self._questions: asyncio.Queue[Find | Fetch] = asyncio.Queue(QUESTIONS_MAX)
        self._wishes: asyncio.Queue[Subscribe] = asyncio.Queue(QUESTIONS_MAX)
        self._wanted: tuple[str, ...] = ()
        self._closing = False
        self._rejects: dict[str, tuple[int, str]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._host: Host | None = None
        self._client: VenueClient | None = None
        self._session: HubSession | None = None

    # -- life --------------------------------------------------------------------------------------

    async def run(self, host: Host) -> None:
        venue = self._settings.venue
        self._host = host
        client = self._client = VenueClient(
            self._settings.rest_url(),
            self._credentials,
            venue.request_timeout_real_s,
            quota=Quota(pace=self._settings.pace()),
            renew_share=venue.login_before_expiry,
        )
        session = self._session = HubSession(
            self._settings.hub_url().rstrip("/") + HUB_PATH,
            client.token,
            (*TARGETS, words.LOGOUT),
            (),
            on_events=self._on_events,
            on_state=self._on_state,
        )
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(session.run())
                group.create_task(self._ask(host, client))
                group.create_task(self._subscribe(host, session))
                group.create_task(self._report())
        finally:
            await self._close()

    async def stop(self) -> None:
        await self._close()

    async def _close(self) -> None:
        self._closing = True
        if self._session is not None:
            await self._session.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.close()

    def handle(self, word: Word) -> None:
        """Carry out what the core said."""
        match word:
            case Find() | Fetch():
                self._enqueue(word)
            case Subscribe():
                self._wishes.put_nowait(word)
            case Rejoin(reason=reason):
                logger.warning("new connection to the market hub: {}", reason)
                if self._session is not None and self._client is not None:
                    self._session.suspect(reason)
                    self._spawn(self._client.drop())
            case Remark(text=text):
                logger.warning("{}", text)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- the hub -----------------------------------------------------------------------------------

    def _on_events(self, events: list[tuple[str, list[Any]]]) -> None:
        host = self._host
        assert host is not None, "Invariant: the session runs within `run`"
        recv_ns = host.now_ns()
        heard: list[Event] = []
        for target, args in events:
            if target == words.LOGOUT:
                self._logged_out("the venue sent GatewayLogout")
                continue
            ticks, rejects = self._filter.take(target, args, recv_ns)
            heard += ticks
            for reject in rejects:
                self._count(reject)
        host.relay(*side_by_side(heard))

    def _on_state(self, state: HubState, why: str) -> None:
        host = self._host
        assert host is not None, "Invariant: the session runs within `run`"
        if self._closing:
            return
        if state is HubState.UP:
            logger.info("market hub up, {}", why)
            host.note("")
            host.inject(HubUp())
            return
        self._filter.reset()  # not when UP: the full quotes of this connection came before
        logger.warning("market hub down: {}", why)
        host.note(f"market hub down: {why}"[:200])
        host.inject(HubDown(reason=why[:200]))
        if "401" in why:
            self._logged_out(why)

    def _logged_out(self, why: str) -> None:
        """A harmless request finds out whether the token still holds, and renews it if not."""
        logger.warning("token in doubt: {}", why)
        if self._session is not None and self._client is not None:
            self._session.suspect("logged out")
            self._spawn(self._touch(self._client))

    async def _touch(self, client: VenueClient) -> None:
        await client.contracts_available()

    async def _subscribe(self, host: Host, session: HubSession) -> None:
        """Make the subscriptions what the core wants, then say that they are."""
        while True:
            wish = await self._wishes.get()
            gone = [contract for contract in self._wanted if contract not in wish.contracts]
            new = [contract for contract in wish.contracts if contract not in self._wanted]
            self._wanted = wish.contracts
            self._filter.allow(wish.contracts)
            attempt = session.attempts
            for make, undo in STREAMS:
                for contract in gone:
                    await session.unsubscribe(make, undo, contract)
                for contract in new:  # the session repeats the others by itself
                    await session.subscribe(make, contract)
            if session.up and session.attempts == attempt:
                for contract in wish.contracts:
                    host.inject(Subscribed(contract=contract))

    # -- questions ---------------------------------------------------------------------------------

    def _enqueue(self, question: Find | Fetch) -> None:
        """Where the venue does not keep up, the oldest question is answered with a failure."""
        if self._questions.full() and self._host is not None:
            oldest = self._questions.get_nowait()
            why = f"{QUESTIONS_MAX} questions were waiting"
            asyncio.get_running_loop().call_soon(self._host.inject, failed(oldest, why))
        self._questions.put_nowait(question)

    async def _ask(self, host: Host, client: VenueClient) -> None:
        """One question after the other: the answers are never needed at once."""
        while True:
            host.inject(await answer(await self._questions.get(), client))

    # -- what was dropped --------------------------------------------------------------------------

    def _count(self, reject: Reject) -> None:
        key = f"{reject.target} {reject.contract}".strip()
        number, _ = self._rejects.get(key, (0, ""))
        self._rejects[key] = (number + 1, reject.why)

    async def _report(self) -> None:
        """What was dropped, at most one line per stream and interval."""
        while True:
            await asyncio.sleep(REPORT_EVERY_S)
            rejects, self._rejects = self._rejects, {}
            for stream, (number, why) in rejects.items():
                logger.warning("dropped {} of {}; the last: {}", number, stream, why)
