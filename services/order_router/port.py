"""Where the router meets the venue: REST through one client, the user hub, two files of a flatten.

It decides nothing. Each word of the core becomes a task that ends in exactly one answer. The last
look before an order leaves is here, because only here it is known when the bytes go: past its
deadline, under an older halt number, or across a dropped connection, they stay. The venue may be
absent for days: the port keeps trying and says so; it never ends because of the venue.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, Final

from loguru import logger

from services.order_router.asking import Asker, Gate, seen
from services.order_router.life import STOP_REQUEST
from services.order_router.words import (
    AccountsSeen,
    FlattenRequested,
    Join,
    KnowHalt,
    KnowSpent,
    Link,
    ModifyOrder,
    PlaceOrder,
    Reconnect,
    ReportProgress,
    SentinelClosed,
)
from shared.core import Word
from shared.runtime import flatten_files
from shared.runtime.clock import SleepDetector
from shared.runtime.exits import Exit, Fatal
from shared.runtime.flatten_files import Progress
from shared.runtime.lock import HANDS
from shared.runtime.ports import Host
from shared.settings import Settings, credentials
from shared.units import SECOND
from shared.venue import translate
from shared.venue import words as wire
from shared.venue.client import VenueClient
from shared.venue.quota import quota_of
from shared.venue.signalr import HubSession, HubState

HUB_PATH: Final = "/hubs/user"
LOOK_S: Final = 0.1  # for a flatten.request
KNOCK_S: Final = 2.0  # between two tries to find the account
STOP_S: Final = 20.0  # for a proof of flat when asked to stop
US: Final = "order_router"


class RouterPort:
    """Meets `shared.runtime.ports.Port`."""

    def __init__(self, settings: Settings) -> None:
        """Raises SettingsError when the credentials are missing."""
        self._settings = settings
        self._credentials = credentials(settings)
        self._host: Host | None = None
        self._asker: Asker | None = None
        self._session: HubSession | None = None
        self._hub: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._halt_no = -1
        self._sleep = SleepDetector(watch_wall=not settings.simulated())
        self._awake_ns = 0  # approvals made before a sleep may reach us until then (monotonic)
        self._drops = 0  # connections dropped on purpose; a request does not outlive one
        self._asked_id = ""
        self._stopped: asyncio.Event = asyncio.Event()
        self._closing = False
        self._bug: asyncio.Future[None] | None = None

    # -- life ----------------------------------------------------------------------------------

    async def run(self, host: Host) -> None:
        venue, limits = self._settings.venue, self._settings.order_router
        self._host = host
        self._bug = asyncio.get_running_loop().create_future()
        client = VenueClient(
            self._settings.rest_url(),
            self._credentials,
            venue.request_timeout_real_s,
            quota=quota_of(limits.quota_per_minute, limits.safety_reserve, self._settings.pace()),
            renew_share=venue.login_before_expiry,
        )
        self._asker = Asker(client)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._knock(host, self._asker))
                group.create_task(self._watch_request(host))
                group.create_task(self._wait_for_bugs())
        finally:
            await self._close(client)

    async def stop(self) -> None:
        """Wait for the core's proof of flat, bounded. Raises Fatal (NOT_FLAT) without it."""
        try:
            await asyncio.wait_for(self._stopped.wait(), STOP_S)
        except TimeoutError:
            raise Fatal(f"not proven flat within {STOP_S:g} s.", Exit.NOT_FLAT) from None
        finally:
            self._closing = True

    async def _close(self, client: VenueClient) -> None:
        self._closing = True
        if self._session is not None:
            await self._session.close()
        running = [*self._tasks, *([self._hub] if self._hub else [])]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await client.close()

    async def _wait_for_bugs(self) -> None:
        """A bug of ours in a task ends the process loudly."""
        assert self._bug is not None, "Invariant: made by `run`"
        await self._bug

    # -- what the core says --------------------------------------------------------------------

    def handle(self, word: Word) -> None:
        asker = self._asker
        assert asker is not None, "Invariant: the port runs before the core speaks"
        exchange = asker.answer(word, self._gate)
        if exchange is not None:
            self._spawn(exchange)
            return
        match word:
            case KnowHalt(halt_no=halt_no):
                self._halt_no = max(self._halt_no, halt_no)
            case KnowSpent():
                asker.client.recall(word.spent, time.monotonic_ns())
            case Join():
                asker.account_id = word.account_id
                self._join(word, asker.client)
            case Reconnect(reason=reason):
                self._reconnect(reason, asker.client)
            case ReportProgress():
                self._report(word)

    def _gate(self, word: PlaceOrder | ModifyOrder) -> Gate:
        """The last look as the bytes leave; a reason keeps them here."""
        drops = self._drops

        def why() -> str | None:
            self._look_for_sleep()
            if drops != self._drops:
                return "the connection was dropped before it left"
            if word.deadline_real_ns and time.monotonic_ns() < self._awake_ns:
                return "the computer slept since it was approved"
            late_ns = time.monotonic_ns() - word.deadline_real_ns
            if word.deadline_real_ns and late_ns > 0:
                return f"deadline passed {late_ns // 1_000_000} ms before it left"
            if 0 <= word.halt_no < self._halt_no:
                return f"halt number {word.halt_no} is void, {self._halt_no} holds"
            return None

        return why

    def _look_for_sleep(self) -> None:
        """Notice a sleep of the computer before anybody is told of it: deadlines stood still
        meanwhile, so for as long as an approval lives none is believed.
        """
        if self._sleep.slept_ns():
            life_ns = int(self._settings.risk_governor.approval_real_s * SECOND)
            self._awake_ns = time.monotonic_ns() + life_ns

    def _spawn(self, work: Coroutine[Any, Any, Word]) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, work: Coroutine[Any, Any, Word]) -> None:
        host = self._host
        assert host is not None, "Invariant: the port runs before the core speaks"
        try:
            host.inject(await work)
        except Exception as error:
            if self._bug is not None and not self._bug.done():
                self._bug.set_exception(error)

    # -- the account and its hub ---------------------------------------------------------------

    async def _knock(self, host: Host, asker: Asker) -> None:
        """Look for the account until the core has joined it; the venue may be away."""
        told = ""
        while not self._closing:
            if self._session is None:
                word = await asker.accounts()
                if isinstance(word, AccountsSeen):
                    told = ""
                    host.inject(word)
                elif word.reason != told:
                    told = word.reason
                    host.note(f"venue: {told}"[:200])
                    host.inject(word)
                    logger.warning("the venue cannot be used: {}", told)
            await asyncio.sleep(KNOCK_S)

    def _join(self, word: Join, client: VenueClient) -> None:
        """Open the hub for an account; an older session ends."""
        old, old_task = self._session, self._hub
        account = word.account_id
        session = self._session = HubSession(
            self._settings.hub_url().rstrip("/") + HUB_PATH,
            client.token,
            (*wire.USER_TARGETS, wire.LOGOUT),
            (
                ("SubscribeAccounts", ()),
                ("SubscribeOrders", (account,)),
                ("SubscribePositions", (account,)),
                ("SubscribeTrades", (account,)),
            ),
            on_events=self._on_events,
            on_state=lambda state, why: self._on_state(session, state, why),
        )
        logger.info("trading account {} ({})", word.name, account)
        self._hub = asyncio.get_running_loop().create_task(self._run_hub(session, old, old_task))

    async def _run_hub(
        self, session: HubSession, old: HubSession | None, old_task: asyncio.Task[None] | None
    ) -> None:
        if old is not None and old_task is not None:
            await old.close()
            await asyncio.gather(old_task, return_exceptions=True)
        try:
            await session.run()
        except Exception as error:
            if self._bug is not None and not self._bug.done():
                self._bug.set_exception(error)

    def _on_state(self, session: HubSession, state: HubState, why: str) -> None:
        host = self._host
        assert host is not None, "Invariant: the hub runs within `run`"
        if session is not self._session or (self._closing and state is HubState.DOWN):
            return
        if state is HubState.UP:
            logger.info("user hub up, {}", why)
            host.note("")
            host.inject(Link(up=True))
            return
        logger.warning("user hub down: {}", why)
        host.note(f"user hub down: {why}"[:200])
        host.inject(Link(up=False, reason=why[:200]))

    def _on_events(self, events: list[tuple[str, list[Any]]]) -> None:
        host = self._host
        assert host is not None, "Invariant: the hub runs within `run`"
        for target, args in events:
            if target == wire.LOGOUT:
                logger.warning("the venue sent GatewayLogout")
                if self._session is not None:
                    self._session.suspect("logged out")
                continue
            try:
                row = translate.user_event(target, args).row
            except ValueError as error:
                logger.warning("a {} cannot be read; the next read must do: {}", target, error)
                continue
            host.inject(seen(row))

    def _reconnect(self, reason: str, client: VenueClient) -> None:
        logger.warning("new connections to the venue: {}", reason)
        self._drops += 1
        if self._session is not None:
            self._session.suspect(reason)
        self._spawn_quietly(client.drop())

    def _spawn_quietly(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- the files of a flatten ----------------------------------------------------------------

    async def _watch_request(self, host: Host) -> None:
        """Tell first what the sentinel did for a dead router, then each request once per life; one
        that cannot be read is still a wish to be flat.
        """
        done = flatten_files.progress(host.run_dir)
        if done is not None and done.by == HANDS and done.closed:
            host.inject(SentinelClosed(request_id=done.id, beat=done.beat, closed=done.closed))
        while True:
            ask = flatten_files.standing(host.run_dir)
            if ask is None:
                self._asked_id = ""
            elif ask.id != self._asked_id:
                self._asked_id = ask.id
                logger.critical("flatten.request {}: {} by {}", ask.id, ask.cause, ask.who)
                host.inject(FlattenRequested(request_id=ask.id, cause=ask.cause, who=ask.who))
            self._look_for_sleep()
            await asyncio.sleep(LOOK_S)

    def _report(self, word: ReportProgress) -> None:
        host = self._host
        assert host is not None, "Invariant: the port runs before the core speaks"
        if word.done or word.beat % 10 == 1:
            logger.info("flatten {}: {} {}", word.request_id, word.stage, word.detail)
        if word.request_id == STOP_REQUEST:
            if word.done:
                self._stopped.set()
            return
        flatten_files.report(
            host.run_dir,
            Progress(word.request_id, word.stage, US, word.beat, word.detail),
        )
        if word.done:
            flatten_files.remove(host.run_dir, word.request_id)
