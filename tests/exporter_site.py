"""The exporter on a real socket: a room to serve, a site to ask, and a governor who may answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp

from scripts.rehearsal import free_port
from services.metrics_exporter.port import ExporterPort
from shared.settings import load
from tests.exporter_stage import NOW, Watch


class Room:
    """Meets `Host`; its market stands still at NOW."""

    name = "metrics_exporter"

    def __init__(self, folder: Path) -> None:
        self.run_dir = self.var_dir = folder

    def now_ns(self) -> int:
        return NOW

    def inject(self, word: Any) -> None:
        raise AssertionError("the board hears no private words")

    def relay(self, *ticks: Any) -> None:
        raise AssertionError("the exporter relays nothing")

    def note(self, text: str) -> None:
        """Nobody looks here."""

    def fail(self, why: str, code: int) -> None:
        raise AssertionError(why)


class Site:
    def __init__(self, folder: Path, session: aiohttp.ClientSession, port: int) -> None:
        self.folder, self.session, self.port = folder, session, port
        self.url = f"http://127.0.0.1:{port}"
        self.token = (folder / "control.token").read_text().strip()

    async def get(self, path: str, **more: Any) -> tuple[int, Any]:
        async with self.session.get(self.url + path, **more) as answer:
            return answer.status, await answer.json()

    async def post(self, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any]:
        sent = {"Authorization": f"Bearer {self.token}", **headers}
        async with self.session.post(self.url + path, data=body, headers=sent) as answer:
            return answer.status, await answer.json()


async def answers(session: aiohttp.ClientSession, number: int) -> bool:
    with contextlib.suppress(aiohttp.ClientError):
        async with session.get(f"http://127.0.0.1:{number}/healthz"):
            return True
    return False


@contextlib.asynccontextmanager
async def serving(folder: Path, watch: Watch | None = None) -> AsyncIterator[Site]:
    watch = watch or Watch()
    number = free_port()
    settings = load(env={"TSQ__METRICS_EXPORTER__PORT": str(number)})
    port = ExporterPort(settings, watch.board)
    running = asyncio.ensure_future(port.run(Room(folder)))
    try:
        async with aiohttp.ClientSession() as session:
            async with asyncio.timeout(60):
                while not await answers(session, number):
                    if running.done():
                        running.result()
                    await asyncio.sleep(0.01)
            yield Site(folder, session, number)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await port.stop()


def play(folder: Path, story: Callable[[Site], Coroutine[Any, Any, None]], **more: Any) -> None:
    async def run() -> None:
        async with serving(folder, **more) as site:
            await story(site)

    asyncio.run(run())
