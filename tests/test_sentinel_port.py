"""The sentinel with real files, a real lock, a process to kill, and a venue on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from services.sentinel import files, words
from services.sentinel.core import Sentinel
from services.sentinel.grip import Grip, is_router, is_router_by_ps
from services.sentinel.port import SentinelPort
from services.sentinel.venue import lots_of, order_of, outcome_of
from services.sentinel.words import Outcome
from shared.core import Word
from shared.events import Heartbeat, Pulse, Started, Stopping
from shared.runtime import flatten_files, paths
from shared.settings import Settings, load
from shared.venue import outcome
from shared.venue import words as wire
from shared.venue.answers import Acknowledged

MNQ = "CON.F.US.MNQ.Z26"
PULSE_S = 0.05

ROUTER_STAND_IN = """
import fcntl, os, sys, time
handle = os.open(sys.argv[2], os.O_RDWR | os.O_CREAT, 0o600)
fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
os.ftruncate(handle, 0)
os.write(handle, f"{os.getpid()}\\n".encode())
print("held", flush=True)
time.sleep(60)
"""


class FakeVenue:
    """Answers like the venue; remembers every mutating request in the order it came."""

    def __init__(self) -> None:
        self.positions: dict[str, int] = {}
        self.orders: dict[int, dict[str, Any]] = {}
        self.acts: list[str] = []
        self.url = ""

    @contextlib.asynccontextmanager
    async def serving(self) -> Any:
        app = web.Application()
        app.router.add_post("/api/{group}/{verb:.*}", self._answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        asked = await request.json()
        path = f"{request.match_info['group']}/{request.match_info['verb']}"
        body: dict[str, Any] = {"success": True, "errorCode": 0, "errorMessage": None}
        match path:
            case "Auth/loginKey":
                body["token"] = "token"
            case "Account/search":
                body["accounts"] = [
                    {"id": 1, "name": "OTHER", "balance": 1, "canTrade": True, "simulated": True},
                    {"id": 9, "name": "SIM-50K-1", "balance": 1, "canTrade": True,
                     "simulated": True},
                ]  # fmt: skip
            case "Order/v2/query":
                assert asked["filter"]["accountId"] == 9
                body |= {"orders": list(self.orders.values()), "totalCount": None}
            case "Position/searchOpen":
                body["positions"] = [
                    {"id": 1, "accountId": 9, "contractId": contract, "size": abs(lots),
                     "creationTimestamp": "2026-11-18T15:35:00+00:00", "averagePrice": 1.0,
                     "type": 1 if lots > 0 else 2}
                    for contract, lots in self.positions.items()
                ]  # fmt: skip
            case "Order/cancel":
                self.acts.append(f"cancel {asked['orderId']}")
                self.orders.pop(asked["orderId"], None)
            case "Position/closeContract":
                self.acts.append(f"close {asked['contractId']}")
                self.positions.pop(asked["contractId"], None)
        return web.json_response(body)


def order(number: int, side: int, kind: int, tag: str | None = None) -> dict[str, Any]:
    return {
        "id": number, "accountId": 9, "contractId": MNQ, "status": 1, "type": kind, "side": side,
        "creationTimestamp": "2026-11-18T15:35:00+00:00", "size": 1, "fillVolume": 0,
        "customTag": tag,
    }  # fmt: skip


class Stage:
    """Hosts core and port as the runtime would: pulses, injected words, effects after them."""

    name = "sentinel"

    def __init__(self, settings: Settings, run_dir: Path) -> None:
        self.run_dir = self.var_dir = run_dir
        self.core = Sentinel(settings)
        self.port = SentinelPort(settings)
        self.told: list[Word] = []
        self.failures: list[str] = []
        self.beat = 0

    def now_ns(self) -> int:
        return 0

    def inject(self, word: Word) -> None:
        self.told.append(word)
        self.tell(word)

    def relay(self, *ticks: Any) -> None:
        raise AssertionError("the sentinel relays nothing")

    def note(self, text: str) -> None:
        """Heartbeats carry it; nobody looks here."""

    def fail(self, why: str, code: int) -> None:
        self.failures.append(why)

    def tell(self, event: Any) -> None:
        for word in self.core.on(0, event):
            self.port.handle(word)  # type: ignore[arg-type]

    async def play(self, beating: set[str], until: Any, seconds: float = 20.0) -> None:
        """Pulse and let `beating` actors beat until `until()`; fails after `seconds`."""
        for _ in range(round(seconds / PULSE_S)):
            self.beat += 1
            for actor in sorted(beating):
                heartbeat = Heartbeat(actor=actor, epoch=1, beat=self.beat, schema="", seq={})
                path = paths.heartbeat_path(self.run_dir, actor)
                paths.replace(path, msgspec.msgpack.encode(heartbeat))
            self.tell(Pulse(real_ns=0))
            if until():
                return
            await asyncio.sleep(PULSE_S)
        raise AssertionError(f"did not happen within {seconds} s; told {self.told[-5:]}")


@pytest.fixture(autouse=True)
def looks_keep_pace_with_pulses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pulse here is a fifth of a real one; so is a look."""
    monkeypatch.setattr("services.sentinel.port.LOOK_S", PULSE_S)


@contextlib.asynccontextmanager
async def acting(stage: Stage) -> Any:
    running = asyncio.ensure_future(stage.port.run(stage))
    await asyncio.sleep(0)
    stage.tell(Started(epoch=1, fresh=True))
    try:
        yield stage
    finally:
        stage.tell(Stopping(reason="test"))
        await stage.port.stop()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert stage.failures == []


@pytest.fixture
def router(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds the router's lock and looks like it, then is frozen."""
    lock = str(paths.lock_path(tmp_path, "order_router"))
    process = subprocess.Popen(
        [sys.executable, "-c", ROUTER_STAND_IN, "services.order_router", lock],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    process.send_signal(signal.SIGSTOP)
    yield process
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    process.wait(10)
    process.stdout.close()


def settings_for(venue: FakeVenue) -> Settings:
    return load(env={"TSQ__VENUE__REST_URL": venue.url})


@pytest.mark.slow
def test_a_frozen_router_is_killed_and_its_position_closed_exactly_once(
    tmp_path: Path, router: subprocess.Popen[bytes]
) -> None:
    async def story() -> None:
        venue = FakeVenue()
        venue.positions = {MNQ: 1}
        venue.orders = {5: order(5, 1, 4, "t1.trend.a.1.0-SL"), 6: order(6, 0, 1, "t1.x.a.2.0")}
        async with venue.serving(), acting(Stage(settings_for(venue), tmp_path)) as stage:
            both = {"order_router", "risk_governor"}
            for actor in sorted(both):
                (tmp_path / f"{actor}.heartbeat").write_bytes(b"from a former life")
            alive = lambda: sum(isinstance(word, words.Beat) for word in stage.told) >= 4  # noqa: E731
            await stage.play(both, alive)
            assert venue.acts == []
            request = paths.flatten_request_path(tmp_path)
            await stage.play({"risk_governor"}, lambda: bool(venue.acts))
            assert router.wait(60) == -signal.SIGKILL, "dead before the first request left"
            assert json.loads(request.read_text())["who"] == "sentinel"
            await stage.play({"risk_governor"}, lambda: not request.exists())
            assert venue.acts == ["cancel 6", f"close {MNQ}", "cancel 5"]
            progress = json.loads(paths.flatten_progress_path(tmp_path).read_text())
            assert (progress["stage"], progress["by"]) == ("FLAT", "sentinel")
            grip = Grip(paths.lock_path(tmp_path, "order_router"))
            assert await grip.take() == (0, ""), "the lock was given back"
            grip.release()

    asyncio.run(story())


@pytest.mark.slow
def test_a_request_nobody_serves_is_served_and_the_lock_keeps_a_new_router_out(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        venue = FakeVenue()
        venue.positions = {MNQ: -2}
        async with venue.serving(), acting(Stage(settings_for(venue), tmp_path)) as stage:
            beats = {"risk_governor", "order_router"}
            await stage.play(beats, lambda: stage.beat > 70)
            request = paths.flatten_request_path(tmp_path)
            request.write_text('{"id":"r1","cause":"operator","who":"test"}')
            await stage.play(beats, lambda: bool(venue.acts))
            with pytest.raises(BlockingIOError):
                lock_now(paths.lock_path(tmp_path, "order_router"))
            await stage.play(beats, lambda: not request.exists())
            assert venue.acts == [f"close {MNQ}"]
            assert venue.positions == {}

    asyncio.run(story())


def lock_now(path: Path) -> None:
    with path.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.slow
def test_a_stranger_holding_the_lock_is_not_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.sentinel.grip.SEIZE_S", 0.3)
    lock = paths.lock_path(tmp_path, "order_router")
    process = subprocess.Popen(
        [sys.executable, "-c", ROUTER_STAND_IN, "something.else", str(lock)],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"held\n"
        killed, why = asyncio.run(Grip(lock).take())
        assert killed == 0
        assert str(process.pid) in why
        assert process.poll() is None
        assert not is_router(process.pid)
        assert not asyncio.run(is_router_by_ps(process.pid))
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


def test_a_lock_that_cannot_be_opened_is_not_held_and_said(tmp_path: Path) -> None:
    grip = Grip(tmp_path / "none" / "order_router.lock")
    assert asyncio.run(grip.take()) == (0, "it cannot be opened: No such file or directory")
    assert not grip.held()


@pytest.mark.slow
def test_both_ways_of_knowing_a_router_agree(router: subprocess.Popen[bytes]) -> None:
    assert is_router(router.pid)
    assert asyncio.run(is_router_by_ps(router.pid))
    assert not is_router(os.getpid())
    assert not is_router(2**22 + 1)


# -- the parts -----------------------------------------------------------------------------------


def test_only_a_change_of_a_file_is_told_and_once_a_second_at_most(tmp_path: Path) -> None:
    path = tmp_path / "x.heartbeat"
    path.write_bytes(b"old")
    file = files.Watched(path)
    assert [file.changed() for _ in range(5)] == [None] * 5
    path.write_bytes(b"1")
    assert file.changed() == b"1"
    path.write_bytes(b"2")
    assert [file.changed() for _ in range(5)] == [None, None, None, b"2", None]
    path.unlink()
    assert [file.changed() for _ in range(5)].count(b"") == 1


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"id": 5}'])
def test_a_request_that_cannot_be_read_is_still_a_request(tmp_path: Path, content: bytes) -> None:
    assert flatten_files.standing(tmp_path) is None
    paths.flatten_request_path(tmp_path).write_bytes(content)
    ask = flatten_files.standing(tmp_path)
    assert ask is not None
    assert ask.id == "unreadable"
    flatten_files.remove(tmp_path, "another")
    assert flatten_files.standing(tmp_path) is not None
    flatten_files.remove(tmp_path, "unreadable")
    assert flatten_files.standing(tmp_path) is None


def test_our_own_latch_never_replaces_a_request_that_stands(tmp_path: Path) -> None:
    files.latch_request(tmp_path, words.Seize(request_id="a", cause="first"))
    files.latch_request(tmp_path, words.Seize(request_id="b", cause="second"))
    assert flatten_files.standing(tmp_path) == flatten_files.Request("a", "first", "sentinel")


def test_our_own_progress_is_not_taken_for_the_routers(tmp_path: Path) -> None:
    report = words.Report(request_id="a", stage="CLOSING", beat=3, detail="d")
    files.write_progress(tmp_path, report)
    content = paths.flatten_progress_path(tmp_path).read_bytes()
    assert files.progress_of(content) is None
    other = content.replace(b'"sentinel"', b'"order_router"')
    assert files.progress_of(other) == words.Progressed(
        request_id="a", by="order_router", stage="CLOSING", beat=3
    )
    assert files.progress_of(b"{") is None


def row(**changes: Any) -> wire.OrderModel:
    plain = order(1, 0, 1) | changes
    return msgspec.convert(plain, wire.OrderModel)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"lots": 1}),
        ({"side": 1, "size": 3, "fillVolume": 1}, {"lots": -2}),
        ({"type": 4}, {"lots": 1, "stop": True}),
        ({"type": 5}, {"lots": 1, "stop": True}),
        ({"type": 2}, {"lots": 1, "market": True}),
        ({"customTag": "t1.trend.a.1.0-TP"}, {"lots": 1, "leg": True}),
        ({"parentOrderId": 7}, {"lots": 1, "leg": True}),
        ({"parentOrderId": None}, {"lots": 1}),
        ({"status": 8}, {"lots": 1, "suspended": True}),
        ({"status": 7}, {"lots": 1, "leaving": True}),
        ({"fillVolume": None}, {"lots": 1}),
        ({"size": 1, "fillVolume": 1}, {"lots": 1}),
        ({"limitPrice": 1.23456}, {"lots": 1}),
    ],
)
def test_an_order_row_becomes_what_the_decision_needs(
    changes: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert order_of(row(**changes)) == words.LiveOrder(order_id=1, contract=MNQ, **expected)


@pytest.mark.parametrize(("kind", "lots"), [(1, 2), (2, -2), (0, 2), (77, 2)])
def test_a_position_without_direction_is_still_open(kind: int, lots: int) -> None:
    model = wire.PositionModel(
        id=1, account_id=9, contract_id=MNQ, creation_timestamp="", type=kind, size=2,
        average_price=1.0,
    )  # fmt: skip
    assert lots_of(model) == lots


def test_outcomes_are_never_mixed_up() -> None:
    def said(success: bool, code: int) -> outcome.Outcome[Acknowledged]:
        return outcome.Answered(Acknowledged(success=success, error_code=code))

    assert outcome_of(said(True, 0), 2)[0] is Outcome.DONE
    assert outcome_of(said(False, 2), 2)[0] is Outcome.DONE
    assert outcome_of(said(False, 5), 2)[0] is Outcome.REFUSED
    assert outcome_of(outcome.NotSent("budget"), 2)[0] is Outcome.REFUSED
    assert outcome_of(outcome.Unknown("timeout"), 2)[0] is Outcome.UNKNOWN
