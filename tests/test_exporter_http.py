"""The exporter on a real socket: who is let in, what is told, and the stop that needs nobody."""

from __future__ import annotations

import asyncio
import contextlib
import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.metrics_exporter.port import control_token
from shared.runtime import paths
from shared.runtime.exits import Fatal
from tests.exporter_site import Site, play
from tests.exporter_stage import Watch

pytestmark = pytest.mark.slow


@contextlib.asynccontextmanager
async def governor(folder: Path, answer: dict[str, Any]) -> AsyncIterator[list[dict[str, Any]]]:
    """A governor's socket that always gives the same answer; yields what it was asked."""
    asked: list[dict[str, Any]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(json.loads(await reader.readline()))
        asked[-1]["file"] = paths.flatten_request_path(folder).exists()
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(serve, paths.governor_socket_path(folder))
    async with server:
        yield asked


# -- reading -------------------------------------------------------------------------------------


def test_everything_that_can_be_read(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        assert await site.get("/healthz") == (200, {"alive": True})
        status, ready = await site.get("/readyz")
        assert status == 503
        assert "risk_governor was never heard" in ready["reasons"]
        status, now = await site.get("/api/status")
        assert (status, now["verdict"]["level"]) == (200, "STALE")
        assert (await site.get("/api/orders"))[1]["live"] == []
        assert (await site.get("/api/positions"))[1]["positions"] == []
        assert (await site.get("/api/risk"))[1]["risk"]["floor"] is None
        assert (await site.get("/api/trades"))[1]["trades"] == []
        async with site.session.get(site.url + "/metrics") as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            assert "topstepquant_verdict" in await answer.text()
        assert (await site.get("/nowhere"))[0] == 404
        assert (await site.post("/api/status"))[0] == 405

    play(tmp_path, story)


def test_fills_reach_the_table_and_its_pages(tmp_path: Path) -> None:
    watch = Watch()
    watch.start()
    for number in (1, 2, 3):
        watch.fill(number)

    async def story(site: Site) -> None:
        found: dict[str, Any] = {"trades": []}
        async with asyncio.timeout(60):
            while len(found["trades"]) < 2 or not found["totals"]:
                found = (await site.get("/api/trades?limit=2&day=2026-11-18&sleeve=trend"))[1]
                await asyncio.sleep(0.02)
        assert [row["trade_id"] for row in found["trades"]] == [3, 2]
        assert found["totals"][0]["contracts"] == 6
        older = (await site.get("/api/trades?before=2"))[1]["trades"]
        assert [row["trade_id"] for row in older] == [1]
        for bad in ("limit=0", "limit=501", "limit=x", "before=-1", "before=" + "9" * 30):
            status, said = await site.get(f"/api/trades?{bad}")
            assert status == 400
            assert bad.split("=")[0] in said["error"]

    play(tmp_path, story, watch=watch)


def test_the_page_needs_nothing_from_outside_and_is_held_to_it(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        for path, kind in (("/", "text/html"), ("/page.css", "text/css"),
                           ("/page.js", "text/javascript"),
                           ("/risk.js", "text/javascript")):  # fmt: skip
            async with site.session.get(site.url + path) as answer:
                assert answer.status == 200
                assert answer.content_type == kind
                policy = answer.headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy
                assert "unsafe" not in policy
                assert answer.headers["X-Frame-Options"] == "DENY"
                assert answer.headers["Cache-Control"] == "no-store"
                text = (await answer.text()).replace("http://www.w3.org/2000/svg", "")
                assert "http://" not in text
                assert "https://" not in text.replace('"https:"', "")
                assert "innerHTML" not in text
                assert "style=" not in text, "the policy forbids inline styles"

    play(tmp_path, story)


# -- who is let in -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost", 200), ("127.0.0.1", 200), ("[::1]", 200), ("LOCALHOST", 200),
     ("evil.example", 403), ("127.0.0.1.evil.example", 403), ("10.0.0.1", 403)],
)  # fmt: skip
def test_only_names_of_this_computer_are_answered(tmp_path: Path, host: str, status: int) -> None:
    async def story(site: Site) -> None:
        for name in (host, f"{host}:{site.port}"):
            assert (await site.get("/healthz", headers={"Host": name}))[0] == status

    play(tmp_path, story)


@pytest.mark.parametrize("path", ["/healthz", "/api/status", "/ws"])
def test_another_site_gets_nothing(tmp_path: Path, path: str) -> None:
    async def story(site: Site) -> None:
        status, said = await site.get(path, headers={"Origin": "http://evil.example"})
        assert (status, said["error"]) == (403, "another site may not ask this")
        assert (await site.get("/healthz", headers={"Origin": "null"}))[0] == 403
        assert (await site.get("/healthz", headers={"Origin": site.url}))[0] == 200

    play(tmp_path, story)


@pytest.mark.parametrize("path", ["/api/control/start", "/api/control/stop", "/api/emergency/stop"])
def test_acting_needs_the_token(tmp_path: Path, path: str) -> None:
    async def story(site: Site) -> None:
        for wrong in ("", "Bearer", "Bearer wrong", f"Basic {site.token}", f"Bearer {site.token}x",
                      "Bearer \u00e9"):  # fmt: skip
            assert (await site.post(path, Authorization=wrong))[0] == 401
        foreign = await site.post(path, Origin="http://evil.example")
        assert foreign[0] == 403
        assert (await site.post(path, body=b"[1]"))[0] == 400
        assert (await site.post(path, body=b"x" * 20_000))[0] == 413
        assert (await site.get(path))[0] == 405
        assert not paths.flatten_request_path(tmp_path).exists()

    play(tmp_path, story)


def test_the_token_is_made_once_and_for_us_alone(tmp_path: Path) -> None:
    path = tmp_path / "control.token"
    token = control_token(path)
    assert len(token) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert control_token(path) == token
    path.chmod(0o644)
    with pytest.raises(Fatal, match="others may read it"):
        control_token(path)
    path.chmod(0o600)
    path.write_text("short")
    with pytest.raises(Fatal, match="too short"):
        control_token(path)
    with pytest.raises(Fatal, match="No such file"):
        control_token(tmp_path / "nowhere" / "control.token")


# -- acting --------------------------------------------------------------------------------------


def test_the_emergency_stop_works_with_a_dead_governor(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        status, said = await site.post("/api/emergency/stop", b'{"cause": "smoke"}')
        assert status == 202
        assert said["written"]
        assert said["governor"] is None
        wish = json.loads(paths.flatten_request_path(tmp_path).read_text())
        assert wish == {"id": said["request_id"], "cause": "smoke", "who": "dashboard"}
        again = (await site.post("/api/emergency/stop"))[1]
        assert again["request_id"] == said["request_id"], "a standing request is kept"

    play(tmp_path, story)


def test_the_request_is_written_before_the_governor_is_asked(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        async with governor(tmp_path, {"done": True, "text": "flattening"}) as asked:
            status, said = await site.post("/api/emergency/stop", b"{}")
        assert status == 202
        assert said["governor"]["done"]
        assert asked == [{
            "verb": "flatten", "who": "dashboard", "cause": "emergency stop",
            "request_id": said["request_id"], "file": True,
        }]  # fmt: skip

    play(tmp_path, story)


@pytest.mark.parametrize(("path", "verb"), [("start", "start"), ("stop", "pause")])
def test_control_goes_through_the_governor(tmp_path: Path, path: str, verb: str) -> None:
    async def story(site: Site) -> None:
        assert (await site.post(f"/api/control/{path}"))[0] == 503
        async with governor(tmp_path, {"done": True, "text": "so be it"}) as asked:
            assert await site.post(f"/api/control/{path}") == (
                200, {"done": True, "text": "so be it"},
            )  # fmt: skip
            assert (asked[0]["verb"], asked[0]["file"]) == (verb, False)
        async with governor(tmp_path, {"done": False, "text": "halted"}):
            assert (await site.post(f"/api/control/{path}"))[0] == 409

    play(tmp_path, story)
