"""Where the simulator meets the world: an HTTP server that speaks the venue's dialect.

It tells the core every authenticated request (`Call`) and every 20 ms that time has passed
(`Step`), and carries the core's answers and events back. Tokens, rates and faults of the wire are
settled on this side (`port_rest.py`), hubs in `port_hubs.py`. Market time is the host's; a delay
the core asks for is market time, so it shrinks with speed.
"""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Callable
from typing import Final

from aiohttp import web

from services.simulator.port_faults import WireFaults
from services.simulator.port_hubs import Hubs
from services.simulator.port_rest import ANSWER_PATIENCE_S, Rest
from services.simulator.port_tokens import Mint, load_key
from services.simulator.words import (
    Answer,
    DepthPush,
    QuotePush,
    Step,
    TapePush,
    Unanswered,
    UserPush,
)
from shared.core import Word
from shared.runtime.exits import Exit
from shared.runtime.ports import Host
from shared.settings import Settings
from shared.units import SECOND
from shared.venue import words

STEP_S: Final = 0.02
SHUTDOWN_S: Final = 1.0
KEY_FILE: Final = "simulator.key"

_Reply = tuple[words.Body | None, float]


class SimulatorPort:
    """Meets `shared.runtime.ports.Port`. `address`: where it listens, once it does."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.simulator
        self._faults = WireFaults()
        self._hubs = Hubs(self._faults)
        self._waiting: dict[int, asyncio.Future[_Reply]] = {}
        self._call_no = time.time_ns() // 1_000_000 << 20  # never twice, also after a restart
        self._runner: web.AppRunner | None = None
        self._host: Host | None = None
        self.address = ("", 0)

    async def run(self, host: Host) -> None:
        """Listen, and let market time pass. A busy port ends the process with a clear word."""
        self._host = host
        mint = Mint(load_key(host.var_dir / KEY_FILE), self._settings.token_life_real_s)
        rest = Rest(
            mint,
            self._ask,
            self._clock,
            faults=self._faults,
            hubs=self._hubs,
            pace=max(1.0, self._settings.speed),
        )
        self._runner = web.AppRunner(
            rest.application(), access_log=None, shutdown_timeout=SHUTDOWN_S
        )
        await self._runner.setup()
        try:
            if await self._listen(host, self._runner):
                while True:
                    host.inject(Step())
                    await asyncio.sleep(STEP_S)
        finally:
            await self.stop()

    async def _listen(self, host: Host, runner: web.AppRunner) -> bool:
        where = f"{self._settings.host}:{self._settings.port}"
        try:
            await web.TCPSite(runner, self._settings.host, self._settings.port).start()
        except OSError as error:
            busy = error.errno == errno.EADDRINUSE
            why = "taken by another process" if busy else str(error.strerror or error)
            host.fail(
                f"simulator address {where}: {why}; set [simulator] port or TSQ__SIMULATOR__PORT",
                Exit.BUSY_PORT if busy else Exit.PORT_FAILED,
            )
            return False
        self.address = runner.addresses[0][:2]
        host.note(f"listening on {self.address[0]}:{self.address[1]}")
        return True

    def _clock(self) -> tuple[int, float]:
        assert self._host is not None
        return self._host.now_ns(), self._settings.speed

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

    def handle(self, word: Word) -> None:
        """Carry out what the core said."""
        match word:
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
        if runner is not None:
            self._hubs.end("", "")
            await runner.cleanup()
