"""The exporter's stream of pictures is bounded, and what it cannot use is said clearly."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from services.metrics_exporter import http
from services.metrics_exporter.port import ExporterPort, flatten_file
from services.metrics_exporter.state import FlattenFile
from shared.runtime import paths
from shared.runtime.exits import Exit, Fatal
from shared.settings import load
from tests.exporter_site import Room, Site, play
from tests.exporter_stage import Watch

pytestmark = pytest.mark.slow


# -- the stream ----------------------------------------------------------------------------------


def test_pictures_come_by_themselves(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        async with site.session.ws_connect(site.url + "/ws", headers={"Origin": site.url}) as ws:
            pictures = [json.loads((await ws.receive(60)).data) for _ in range(3)]
        assert {picture["verdict"]["level"] for picture in pictures} == {"STALE"}

    play(tmp_path, story)


def test_the_number_of_pages_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "SOCKETS_MAX", 2)

    async def story(site: Site) -> None:
        first = await site.session.ws_connect(site.url + "/ws")
        second = await site.session.ws_connect(site.url + "/ws")
        assert (await site.get("/ws"))[0] == 503
        await first.close()
        third = await asyncio.wait_for(retry(site), 60)
        await second.close()
        await third.close()

    async def retry(site: Site) -> aiohttp.ClientWebSocketResponse:
        while True:
            with contextlib.suppress(aiohttp.WSServerHandshakeError):
                return await site.session.ws_connect(site.url + "/ws")
            await asyncio.sleep(0.02)

    play(tmp_path, story)


def test_a_page_that_takes_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "SEND_S_MAX", 0.05)

    class Deaf:
        closed = False
        sent = 0

        async def send_str(self, frame: str) -> None:
            self.sent += 1
            if self.sent == 3:
                await asyncio.Event().wait()

    class Desk:
        token = "t"

        def frame(self) -> str:
            return "first"

        async def next_frame(self) -> str:
            return "next"

    class Transport:
        aborted = False

        def abort(self) -> None:
            self.aborted = True

    deaf, transport = Deaf(), Transport()
    face: Any = http.Face(Desk())  # type: ignore[arg-type]
    asyncio.run(face._send(deaf, transport))
    assert (deaf.sent, transport.aborted) == (3, True)


# -- trouble -------------------------------------------------------------------------------------


def test_a_busy_port_is_said_clearly(tmp_path: Path) -> None:
    async def run() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            number = taken.getsockname()[1]
            settings = load(env={"TSQ__METRICS_EXPORTER__PORT": str(number)})
            port = ExporterPort(settings, Watch().board)
            with pytest.raises(Fatal, match=f"127.0.0.1:{number} is taken") as caught:
                await port.run(Room(tmp_path))
            await port.stop()
            assert caught.value.code is Exit.BUSY_PORT

    asyncio.run(run())


def test_an_unusable_trades_file_is_said_clearly(tmp_path: Path) -> None:
    (tmp_path / "trades.db").mkdir()

    async def run() -> None:
        port = ExporterPort(load(env={}), Watch().board)
        with pytest.raises(Fatal, match=r"trades\.db") as caught:
            await port.run(Room(tmp_path))
        await port.stop()
        assert caught.value.code is Exit.VAR_DIR

    asyncio.run(run())


def test_the_flatten_files_are_read_whatever_they_hold(tmp_path: Path) -> None:
    request, progress = paths.flatten_request_path(tmp_path), paths.flatten_progress_path(tmp_path)
    progress.write_text('{"id":"r1","stage":"FLAT","by":"order_router","beat":3,"detail":""}')
    assert flatten_file(tmp_path) == FlattenFile()
    request.write_text('{"id":"r2","cause":"c","who":"w"}')
    assert flatten_file(tmp_path) == FlattenFile("r2", "c", "w"), "an old progress is not ours"
    progress.write_text('{"id":"r2","stage":"CLOSING","by":"sentinel","beat":3,"detail":"d"}')
    assert flatten_file(tmp_path) == FlattenFile("r2", "c", "w", "CLOSING", "sentinel", "d")
    for garbage in (b"", b"[]", b"\xff\xfe", b'{"id": 5'):
        request.write_bytes(garbage)
        assert flatten_file(tmp_path).request_id == "unreadable"
