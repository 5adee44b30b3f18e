"""The governor's doors with real sockets and files: commands, the request file, the heartbeat."""

from __future__ import annotations

import asyncio
import json
import shutil
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from services.risk_governor import port as ports
from services.risk_governor.core import Governor
from services.risk_governor.port import LOOK_S, GovernorPort
from services.risk_governor.words import (
    DiskSpace,
    FlattenRequested,
    KnowPatience,
    OthersHold,
    SentinelBack,
    SentinelSilent,
)
from shared.core import Word
from shared.events import RiskLevel
from shared.runtime import flatten_files, paths
from shared.runtime.flatten_files import Progress
from shared.settings import load
from tests.governor_stage import OPENING, settings

pytestmark = pytest.mark.slow


class House:
    """A host that tells a real core and hands its words back, journal left out."""

    name = "risk_governor"

    def __init__(self, run: Path) -> None:
        self.run_dir = self.var_dir = run
        self.core = Governor(settings())
        self.port = GovernorPort(settings(sentinel_silence_real_s=0.3))
        self.told: list[Word] = []
        self.found: list[Word] = []  # by itself: space and other accounts, at every start
        self.deaf = False

    def now_ns(self) -> int:
        return OPENING

    def inject(self, word: Word) -> None:
        found = isinstance(word, DiskSpace | OthersHold)
        (self.found if found else self.told).append(word)
        if not self.deaf:
            for said in self.core.on(OPENING, word):
                if isinstance(said, Word):
                    self.port.handle(said)

    def relay(self, *ticks: object) -> None:
        raise AssertionError("a governor relays nothing")

    def note(self, text: str) -> None:
        raise AssertionError(text)

    def fail(self, why: str, code: int) -> None:
        raise AssertionError(why)

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not true():  # noqa: ASYNC110  many conditions, one loop
                await asyncio.sleep(0.01)


@asynccontextmanager
async def opened(run: Path) -> AsyncIterator[House]:
    house = House(run)
    task = asyncio.create_task(house.port.run(house))
    await house.until(paths.governor_socket_path(run).exists)
    try:
        yield house
    finally:
        await house.port.stop()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert not paths.governor_socket_path(run).exists()


def with_house(run: Path, act: Callable[[House], Awaitable[None]]) -> None:
    async def story() -> None:
        async with opened(run) as house:
            await act(house)

    asyncio.run(story())


async def say(run: Path, *lines: bytes) -> list[dict[str, Any]]:
    reader, writer = await asyncio.open_unix_connection(paths.governor_socket_path(run))
    found = []
    for line in lines:
        writer.write(line + b"\n")
        found.append(json.loads(await asyncio.wait_for(reader.readline(), 60)))
    writer.close()
    await writer.wait_closed()
    return found


def line(**content: str) -> bytes:
    return json.dumps(content).encode()


def tuning(**values: float | str) -> bytes:
    return json.dumps({"verb": "tune", "sleeve": "trend", "values": values}).encode()


def test_a_person_halts_and_resumes(tmp_path: Path) -> None:
    async def act(house: House) -> None:
        halted, resumed, again = await say(
            tmp_path,
            line(verb="halt", who="ann", cause="lunch"),
            line(verb="resume", who="ann", cause="back"),
            line(verb="resume", who="ann", cause="back"),
        )
        assert halted["done"]
        assert halted["state"]["level"] == "HALTED"
        assert resumed["done"]
        assert not again["done"]
        assert "nothing is halted" in again["text"]

    with_house(tmp_path, act)


def test_only_the_owner_may_speak(tmp_path: Path) -> None:
    async def act(house: House) -> None:
        mode = paths.governor_socket_path(tmp_path).stat().st_mode
        assert stat.S_IMODE(mode) == 0o600

    with_house(tmp_path, act)


@pytest.mark.parametrize(
    "garbage",
    [
        b"", b"hello", b"[]", b"{}", b'{"verb": "explode"}', b'{"verb": 5}', b"\xff\xfe",
        b'{"verb": "halt", "force": true}', line(verb="halt", who="a" * 501, cause="x"),
        tuning(stop_ticks=1 << 64), tuning(stop_ticks=-(1 << 63) - 1), tuning(mode="a" * 501),
        tuning(**{"a" * 501: 1}), tuning(stop_ticks=1e999),
    ],
)  # fmt: skip
def test_garbage_is_answered_and_changes_nothing(tmp_path: Path, garbage: bytes) -> None:
    async def act(house: House) -> None:
        (answer,) = await say(tmp_path, garbage)
        assert not answer["done"]
        assert answer["text"]
        assert house.told == [], "what no journal can hold is not told either"
        assert house.core.mind.state.level is RiskLevel.ACTIVE
        (answer,) = await say(tmp_path, line(verb="status"))
        assert answer["done"]

    with_house(tmp_path, act)


def test_a_line_without_end_costs_its_own_connection_only(tmp_path: Path) -> None:
    async def act(house: House) -> None:
        reader, writer = await asyncio.open_unix_connection(paths.governor_socket_path(tmp_path))
        writer.write(b"x" * 100_000)
        with suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 60) == b""
        writer.close()
        (answer,) = await say(tmp_path, line(verb="status"))
        assert answer["done"]

    with_house(tmp_path, act)


def test_more_visitors_than_allowed_are_sent_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "VISITORS_MAX", 1)

    async def act(house: House) -> None:
        where = paths.governor_socket_path(tmp_path)
        _, first = await asyncio.open_unix_connection(where)
        await house.until(lambda: house.port._visitors == 1)
        reader, second = await asyncio.open_unix_connection(where)
        assert not json.loads(await asyncio.wait_for(reader.readline(), 60))["done"]
        first.close()
        second.close()

    with_house(tmp_path, act)


def test_a_core_that_does_not_answer_is_no_consent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "ANSWER_S_MAX", 0.05)

    async def act(house: House) -> None:
        house.deaf = True
        (answer,) = await say(tmp_path, line(verb="halt", who="ann", cause="x"))
        assert not answer["done"]

    with_house(tmp_path, act)


def test_a_socket_left_by_a_killed_life_is_replaced(tmp_path: Path) -> None:
    paths.governor_socket_path(tmp_path).touch()

    async def story() -> None:
        house = House(tmp_path)
        task = asyncio.create_task(house.port.run(house))
        await house.until(paths.governor_socket_path(tmp_path).is_socket)
        (answer,) = await say(tmp_path, line(verb="status"))
        assert answer["done"]
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(story())


@pytest.mark.parametrize(
    ("content", "request_id"),
    [
        (b'{"id": "r1", "cause": "fire", "who": "ann"}', "r1"),
        (b"not json", "unreadable"),
        (b"", "unreadable"),
    ],
)
def test_a_request_file_is_told_once_whatever_is_in_it(
    tmp_path: Path, content: bytes, request_id: str
) -> None:
    async def act(house: House) -> None:
        where = paths.flatten_request_path(tmp_path)
        where.write_bytes(content)
        await house.until(lambda: bool(house.told))
        await asyncio.sleep(0.3)
        asked = [word for word in house.told if isinstance(word, FlattenRequested)]
        assert [word.request_id for word in asked] == [request_id]
        assert house.core.mind.state.level is RiskLevel.FLATTENING
        where.unlink()
        await asyncio.sleep(0.2)
        where.write_bytes(content)
        await house.until(
            lambda: sum(isinstance(word, FlattenRequested) for word in house.told) == 2
        )

    with_house(tmp_path, act)


def test_a_request_that_was_served_before_we_looked_is_told_once(tmp_path: Path) -> None:
    async def act(house: House) -> None:
        served = Progress("r9", "FLAT", "sentinel", 7)
        flatten_files.report(tmp_path, Progress("r9", "CLOSING", "sentinel", 6))
        await asyncio.sleep(0.25)
        assert not house.told
        flatten_files.report(tmp_path, served)
        await house.until(lambda: bool(house.told))
        await asyncio.sleep(0.25)
        asked = [word for word in house.told if isinstance(word, FlattenRequested)]
        assert [(word.request_id, word.done, word.before, word.who) for word in asked] == [
            ("r9", True, False, "sentinel")
        ]
        assert house.core.mind.state.level is RiskLevel.FLATTENING

    with_house(tmp_path, act)


def test_what_was_served_before_the_first_look_is_told_so(tmp_path: Path) -> None:
    async def act(house: House) -> None:
        await house.until(lambda: bool(house.told))
        (asked,) = (word for word in house.told if isinstance(word, FlattenRequested))
        assert (asked.request_id, asked.done, asked.before) == ("r9", True, True)

    flatten_files.report(tmp_path, Progress("r9", "FLAT", "sentinel", 7))
    with_house(tmp_path, act)


def test_the_sentinel_lives_while_its_file_changes(tmp_path: Path) -> None:
    async def act(house: House) -> None:
        where = paths.heartbeat_path(tmp_path, "sentinel")
        await asyncio.sleep(0.4)
        assert house.told == []  # what was there when we came proves nothing
        where.write_bytes(b"1")
        await house.until(lambda: bool(house.told))
        await house.until(lambda: len(house.told) == 2)
        assert house.told == [SentinelBack(), SentinelSilent()]
        where.write_bytes(b"2")
        await house.until(lambda: len(house.told) >= 3)
        assert house.told[2] == SentinelBack()

    paths.heartbeat_path(tmp_path, "sentinel").write_bytes(b"old")
    with_house(tmp_path, act)


def test_free_space_and_other_accounts_are_told_at_the_start(tmp_path: Path) -> None:
    async def act(house: House) -> None:
        await house.until(lambda: len(house.found) == 2)
        space = [word.free_mb for word in house.found if isinstance(word, DiskSpace)]
        assert len(space) == 1
        assert abs(space[0] - shutil.disk_usage(tmp_path).free // 2**20) < 1_000
        assert OthersHold() in house.found, "on the simulator nothing is shared"

    with_house(tmp_path, act)


def test_the_port_waits_for_the_sentinel_as_long_as_it_is_told() -> None:
    port = GovernorPort(load(env={}))
    patient = port._silent_after
    port.handle(KnowPatience(sentinel_real_s=2 * LOOK_S))
    assert port._silent_after == 2 < patient
