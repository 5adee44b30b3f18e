"""A stage for wire tests: the simulator's port with a host and a core that tests hold in hand.

The core here answers every request with what the test put into `answers` (or a plain success), so
that the tests see the wire and nothing else. `serving` runs the port on a free port of loopback.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec

from services.simulator.port import SimulatorPort
from services.simulator.words import Answer, Call, Fault, Step, Truth, Unanswered
from shared import settings as house
from shared.core import Word
from shared.events import Event
from shared.settings import Settings
from shared.venue.answers import ENDPOINT_OF, Acknowledged, Response

MARKET_NS = 1_795_000_000_000_000_000


async def until(true: Callable[[], object], patience_s: float = 60.0) -> None:
    """Wait for something to become true; fails the test when it does not."""
    async with asyncio.timeout(patience_s):
        while not true():  # noqa: ASYNC110  many conditions, one loop
            await asyncio.sleep(0.005)


def settings(**simulator: object) -> Settings:
    """The house's defaults on a free port."""
    base = house.load(env={})
    changed = msgspec.structs.replace(base.simulator, **{"port": 0, **simulator})
    return msgspec.structs.replace(base, simulator=changed)


def _plain(kind: type[Response]) -> Response:
    """A success with empty lists."""
    names = {"accounts", "contracts", "bars", "orders", "positions", "trades"}
    return kind(success=True, **{name: () for name in names.intersection(kind.__struct_fields__)})


class StageHost:
    """Meets `Host`; answers calls at once with what the test wants."""

    name = "simulator"

    def __init__(self, folder: Path) -> None:
        self.run_dir = self.var_dir = folder
        self.port: SimulatorPort | None = None
        self.told: list[Word] = []
        self.steps = 0
        self.failures: list[tuple[str, int]] = []
        self.notes: list[str] = []
        self.answers: dict[type, msgspec.Struct | Callable[[Word], msgspec.Struct] | None] = {}
        self.delay_ns = 0

    def now_ns(self) -> int:
        return MARKET_NS

    def inject(self, word: Word) -> None:
        if isinstance(word, Step):
            self.steps += 1
            return
        self.told.append(word)
        assert self.port is not None
        assert isinstance(word, (Call, Truth, Fault))
        asked = type(word.request) if isinstance(word, Call) else type(word)
        kind = ENDPOINT_OF[asked].response if asked in ENDPOINT_OF else Acknowledged
        response = self.answers.get(asked, _plain(kind))
        if response is None:
            self.port.handle(Unanswered(call_id=word.call_id))
            return
        if callable(response):
            response = response(word)
        self.port.handle(
            Answer(call_id=word.call_id, response=response, delay_ns=self.delay_ns)  # type: ignore[arg-type]
        )

    def relay(self, *ticks: Event) -> None:
        raise AssertionError("the simulator relays nothing")

    def note(self, text: str) -> None:
        self.notes.append(text)

    def fail(self, why: str, code: int) -> None:
        self.failures.append((why, code))

    @property
    def calls(self) -> list[msgspec.Struct]:
        return [word.request for word in self.told if isinstance(word, Call)]


@asynccontextmanager
async def serving(folder: Path, **simulator: object) -> AsyncIterator[tuple[StageHost, str]]:
    """(host, `http://127.0.0.1:port`) while the port runs."""
    host = StageHost(folder)
    host.port = SimulatorPort(settings(**simulator))
    task = asyncio.create_task(host.port.run(host))
    try:
        while not host.port.address[1]:
            assert not task.done(), (task.exception(), host.failures)
            await asyncio.sleep(0.001)
        yield host, f"http://127.0.0.1:{host.port.address[1]}"
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
