"""Where the simulator meets the world: an HTTP server that speaks the venue's dialect.

It tells the core every authenticated request (`Call`) and every 20 ms that time has passed
(`Step`), and carries the core's answers and events back. Tokens, rates and faults of the wire are
settled on this side (`port_rest.py`), hubs in `port_hubs.py`. Market time is the host's; a delay
the core asks for is market time, so it shrinks with speed.

Limits: so many connections as the process may have files, less a reserve; beyond them a newcomer is
closed at once. A connection that does not finish asking is closed too (`KEEPALIVE_S`).
"""

from __future__ import annotations

import asyncio
import errno
import resource
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from aiohttp import web

from services.simulator.port_control import Control
from services.simulator.port_faults import FaultOrder, WireFaults
from services.simulator.port_hubs import Hubs
from services.simulator.port_log import Log
from services.simulator.port_memory import BadMemory, Memory
from services.simulator.port_rest import ANSWER_PATIENCE_S, Rest
from services.simulator.port_schedule import BadSchedule, read
from services.simulator.port_shape import shape_of
from services.simulator.port_tokens import Mint, load_key
from services.simulator.tape import Teller
from services.simulator.words import (
    Answer,
    Call,
    DepthPush,
    Moved,
    QuotePush,
    Step,
    TapePush,
    Unanswered,
    UserPush,
)
from shared.core import Word
from shared.runtime.clock import ClockWriter
from shared.runtime.exits import Exit
from shared.runtime.ports import Host
from shared.settings import Settings
from shared.units import MILLISECOND, SECOND
from shared.venue import words
from shared.venue.answers import AccountsResponse, OrdersResponse, PositionsResponse, rows
from shared.venue.times import time_ns

STEP_S: Final = 0.02
TOKENS_EVERY_S: Final = 0.25  # so late a connection may notice that its token has ended
SHUTDOWN_S: Final = 1.0
KEEPALIVE_S: Final = 75.0
CONNECTIONS_MAX: Final = 4_000
FILES_RESERVED: Final = 200
BACKLOG: Final = 1_024
KEY_FILE: Final = "simulator.key"
MEMORY_FILE: Final = "simulator.wire"

_Reply = tuple[words.Body | None, float]


class _Shut(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


class Door:
    """Makes the protocol of a new connection; of one too many, a closed one.

    A connection is known to the server a moment after it was made, so those on their way count too.
    """

    def __init__(self, server: web.Server, limit: int) -> None:
        self._server = server
        self._limit = limit
        self._coming = 0

    def __call__(self) -> asyncio.Protocol:
        if len(self._server.connections) + self._coming >= self._limit:
            return _Shut()
        self._coming += 1
        asyncio.get_running_loop().call_soon(self._arrived)
        return self._server()

    def _arrived(self) -> None:
        self._coming -= 1


def connections_max() -> int:
    """As many as the process may have open files, less a reserve."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return CONNECTIONS_MAX
    return max(16, min(CONNECTIONS_MAX, soft - FILES_RESERVED))


class SimulatorPort:
    """Meets `shared.runtime.ports.Port`. `address`: where it listens, once it does."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.simulator
        wire = self._settings.wire
        self._faults = WireFaults()
        self._shape = shape_of(wire)
        self._teller = Teller()
        self._hubs = Hubs(self._faults, wire, self._shape, self._snapshot)
        self._log = Log(wire.request_log)
        self._waiting: dict[int, asyncio.Future[_Reply]] = {}
        self._call_no = time.time_ns() // 1_000_000 << 20  # never twice, also after a restart
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._second: asyncio.Server | None = None
        self._schedule: deque[tuple[int, FaultOrder]] = deque()
        self._host: Host | None = None
        self._memory: Memory | None = None
        self.address = ("", 0)

    async def run(self, host: Host) -> None:
        """Listen, and let market time pass. A busy port ends the process with a clear word."""
        self._host = host
        mint = Mint(load_key(host.var_dir / KEY_FILE), self._settings.token_life_real_s)
        if not self._resumed(host, mint):
            return
        control = Control(
            self._ask,
            self._clock,
            mint=mint,
            faults=self._faults,
            hubs=self._hubs,
            log=self._log,
            shape=self._shape,
            leap=self._leap,
        )
        rest = Rest(
            mint,
            self._ask,
            self._clock,
            faults=self._faults,
            hubs=self._hubs,
            log=self._log,
            shape=self._shape,
            settings=self._settings.wire,
            control=control.answer,
            pace=max(1.0, self._settings.speed),
        )
        self._runner = web.AppRunner(
            rest.application(),
            access_log=None,
            shutdown_timeout=SHUTDOWN_S,
            keepalive_timeout=KEEPALIVE_S,
        )
        await self._runner.setup()
        try:
            if self._planned(host) and await self._listen(host, self._runner):
                await self._pass_time(host, mint, control)
        finally:
            await self.stop()

    def _resumed(self, host: Host, mint: Mint) -> bool:
        """Take up what the wire remembers from an earlier process."""
        self._memory = memory = Memory(host.var_dir / MEMORY_FILE, mint, self._faults)
        try:
            memory.resume()
        except BadMemory as error:
            host.fail(str(error), Exit.PORT_FAILED)
            return False
        mint.changed = memory.save
        mint.clock_ms = self._faults.clock_ms
        self._shape.shift_ns = self._faults.clock_ms * MILLISECOND
        return True

    async def _pass_time(self, host: Host, mint: Mint, control: Control) -> None:
        """Market time, faults that are due, tokens that end; for ever."""
        looked_at = 0.0
        while True:
            host.inject(Step())
            while self._schedule and self._schedule[0][0] <= host.now_ns():
                await control.order(self._schedule.popleft()[1])
            if time.monotonic() - looked_at >= TOKENS_EVERY_S:
                looked_at = time.monotonic()
                self._hubs.check_tokens(mint)
                if self._memory is not None:
                    self._memory.save()
            await asyncio.sleep(STEP_S)

    def _planned(self, host: Host) -> bool:
        """Read the schedule of faults; what is past already is over."""
        path = self._settings.wire.fault_schedule
        if not path:
            return True
        try:
            plan = read(path, time_ns(self._settings.start, "simulator.start"))
        except BadSchedule as error:
            host.fail(f"[simulator.wire] fault_schedule: {error}", Exit.SETTINGS)
            return False
        self._schedule = deque(entry for entry in plan if entry[0] >= host.now_ns())
        return True

    async def _listen(self, host: Host, runner: web.AppRunner) -> bool:
        where = f"{self._settings.host}:{self._settings.port}"
        assert runner.server is not None, "Invariant: the runner is set up"
        door = Door(runner.server, connections_max())
        try:
            self._server = await asyncio.get_running_loop().create_server(
                door, self._settings.host, self._settings.port, backlog=BACKLOG
            )
        except OSError as error:
            busy = error.errno == errno.EADDRINUSE
            why = "taken by another process" if busy else str(error.strerror or error)
            host.fail(
                f"simulator address {where}: {why}; set [simulator] port or TSQ__SIMULATOR__PORT",
                Exit.BUSY_PORT if busy else Exit.PORT_FAILED,
            )
            return False
        self.address = self._server.sockets[0].getsockname()[:2]
        host.note(f"listening on {self.address[0]}:{self.address[1]}")
        clock = getattr(host, "clock", None)
        if isinstance(clock, ClockWriter):
            clock.tell()
        await self._listen_second(host, door)
        return True

    async def _listen_second(self, host: Host, door: Door) -> None:
        """Where TestMax users look. A convenience: if it is taken we say so and go on."""
        port = self._settings.second_port
        if not port:
            return
        try:
            self._second = await asyncio.get_running_loop().create_server(
                door, self._settings.host, port, backlog=BACKLOG
            )
        except OSError as error:
            host.note(f"second port {port}: {error.strerror or error}; going on without it")
            return
        host.note(f"listening on {self._settings.host}:{port} too")

    def _clock(self) -> tuple[int, float]:
        assert self._host is not None
        return self._host.now_ns(), self._settings.speed

    def _leap(self, to_ns: int) -> None:
        """Market time goes on from then, for every process."""
        clock = getattr(self._host, "clock", None)
        assert isinstance(clock, ClockWriter), "Invariant: this process keeps the market clock"
        clock.leap(to_ns)

    async def _ask(self, make: Callable[[int], Word]) -> _Reply:
        """Tell the core a word that has an answer, and wait for it."""
        assert self._host is not None
        self._call_no += 1
        number = self._call_no
        waiting: asyncio.Future[_Reply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiting
        try:
            self._host.inject(make(number))
            async with asyncio.timeout(ANSWER_PATIENCE_S):
                return await waiting
        except TimeoutError:
            return None, 0.0
        finally:
            self._waiting.pop(number, None)

    async def _snapshot(self, event: str, about: int | str) -> list[words.UserPayload]:
        """The rows that a subscription to `event` could begin with."""
        asked: words.Request
        if event == words.USER_ACCOUNT:
            asked = words.AccountSearch(only_active_accounts=False)
        elif event == words.USER_ORDER:
            asked = words.OrderSearchOpen(account_id=int(about))
        elif event == words.USER_POSITION:
            asked = words.PositionSearchOpen(account_id=int(about))
        else:
            return []
        response, _ = await self._ask(lambda call_id: Call(call_id=call_id, request=asked))
        found: Sequence[words.UserPayload] = ()
        match response:
            case AccountsResponse():
                found = rows(response.accounts)
            case OrdersResponse():
                found = rows(response.orders)
            case PositionsResponse():
                found = rows(response.positions)
        return list(found)

    def handle(self, word: Word) -> None:
        """Carry out what the core said."""
        match word:
            case Moved():
                for push in self._teller.pushes(word):
                    self.handle(push)
            case QuotePush():
                self._hubs.quote(word.contract, word.payload)
            case DepthPush():
                self._hubs.depth(word.contract, word.payload)
            case TapePush():
                self._hubs.tape(word.contract, word.payload)
            case UserPush():
                self._hubs.user(word.target, word.account_id, word.action, word.payload)
            case Answer():
                delay = word.delay_ns / SECOND / self._settings.speed
                self._reply(word.call_id, (word.response, delay))
            case Unanswered():
                self._reply(word.call_id, (None, 0.0))
            case _:
                raise AssertionError(f"the simulator's core said {type(word).__name__}")

    def _reply(self, call_id: int, reply: _Reply) -> None:
        waiting = self._waiting.get(call_id)
        if waiting is not None and not waiting.done():  # else: the caller of an earlier life
            waiting.set_result(reply)

    async def stop(self) -> None:
        """Tell the hubs' clients, then close every socket."""
        runner, self._runner = self._runner, None
        memory, self._memory = self._memory, None
        if memory is not None:
            memory.save()
        for server in (self._server, self._second):
            if server is not None:
                server.close()
        self._server = self._second = None
        if runner is not None:
            self._hubs.end("", "")
            await runner.cleanup()
