"""Market time: never back, still without a lease, resumed where it stopped; sleep is noticed."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.runtime import clock, paths
from shared.runtime.clock import ClockWriter, Reading, SharedClock, SleepDetector, WallClock
from shared.units import SECOND

START = 1_795_016_100 * SECOND


class Now:
    """The computer's clocks, in our hands."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.wall = 1_800_000_000 * SECOND
        self.mono = 5_000 * SECOND
        self.boot = 6_000 * SECOND
        patch.setattr(time, "time_ns", lambda: self.wall)
        patch.setattr(time, "monotonic_ns", lambda: self.mono)
        patch.setattr(time, "clock_gettime_ns", lambda _which: self.boot)

    def pass_s(self, seconds: float) -> None:
        for name in ("wall", "mono", "boot"):
            setattr(self, name, getattr(self, name) + int(seconds * SECOND))


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Now:
    return Now(monkeypatch)


def write(run: Path, **changes: object) -> None:
    mono = time.monotonic_ns()
    reading = Reading(
        generation=1,
        market_ns=START,
        mono_ns=mono,
        speed=2.0,
        lease_mono_ns=mono + 3 * SECOND,
        boot_id=clock.boot_id(),
    )
    reading = msgspec.structs.replace(reading, **changes)
    paths.clock_path(run).write_bytes(msgspec.json.encode(reading))


def test_the_wall_never_goes_back(now: Now) -> None:
    wall = WallClock()
    first = wall.now_ns()
    now.wall -= 3_600 * SECOND
    assert wall.now_ns() == first
    now.wall += 3_601 * SECOND
    assert wall.now_ns() == first + SECOND
    wall.not_before(first + 9 * SECOND)
    assert wall.now_ns() == first + 9 * SECOND


def test_market_time_runs_at_its_speed_and_stands_without_a_lease(tmp_path: Path, now: Now) -> None:
    shared = SharedClock(tmp_path)
    assert not shared.live()
    assert shared.now_ns() == 0
    write(tmp_path)
    shared.refresh()
    assert shared.live()
    now.pass_s(1.5)
    assert shared.now_ns() == START + 3 * SECOND
    now.pass_s(10)
    assert shared.now_ns() == START + 6 * SECOND, "three real seconds of lease, at speed two"
    assert not shared.live()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"generation":1}', b'{"market_ns":"soon"}']
)
def test_a_garbled_clock_changes_nothing(tmp_path: Path, now: Now, content: bytes) -> None:
    write(tmp_path)
    shared = SharedClock(tmp_path)
    paths.clock_path(tmp_path).write_bytes(content)
    shared.refresh()
    now.pass_s(1)
    assert shared.now_ns() == START + 2 * SECOND
    paths.clock_path(tmp_path).unlink()
    shared.refresh()
    assert shared.now_ns() == START + 2 * SECOND


def test_a_clock_of_another_boot_is_not_believed(tmp_path: Path, now: Now) -> None:
    write(tmp_path, boot_id="yesterday")
    assert not SharedClock(tmp_path).live()


@given(st.lists(st.integers(-100, 100), max_size=20))
def test_no_sequence_of_readings_turns_time_back(jumps: list[int]) -> None:
    shared = SharedClock(Path("/nowhere"))
    last = 0
    for jump in jumps:
        mono = time.monotonic_ns()
        shared._reading = Reading(
            generation=1,
            market_ns=START + jump * SECOND,
            mono_ns=mono,
            speed=1.0,
            lease_mono_ns=mono,
            boot_id="",
        )
        told = shared.now_ns()
        assert told >= last
        last = told


def test_writer_and_readers_agree_through_stop_freeze_and_resumption(
    tmp_path: Path, now: Now
) -> None:
    writer = ClockWriter(tmp_path, START, 4.0)
    assert writer.now_ns() == START
    now.pass_s(5)
    assert writer.now_ns() == START, "time begins when the process is ready"
    asyncio.run(writer.wait())
    shared = SharedClock(tmp_path)
    for _ in range(12):
        now.pass_s(0.25)
        writer.refresh()
        shared.refresh()
        assert shared.now_ns() == writer.now_ns()
    assert writer.now_ns() == START + 12 * SECOND
    now.pass_s(60)
    frozen = shared.now_ns()
    assert frozen <= START + 26 * SECOND
    assert writer.now_ns() == frozen, "a frozen simulator has a frozen market"
    writer.refresh()
    now.pass_s(1)
    shared.refresh()
    assert shared.now_ns() == writer.now_ns() == frozen + 4 * SECOND
    again = ClockWriter(tmp_path, START, 4.0)
    again.not_before(writer.now_ns())
    now.pass_s(3_600)
    asyncio.run(again.wait())
    assert again.now_ns() == frozen + 4 * SECOND, "dead time is skipped"
    assert again.generation > writer.generation


def test_nobody_goes_by_a_clock_before_its_simulator_can_be_reached(
    tmp_path: Path, now: Now
) -> None:
    """One whose address another cast's simulator has would else send its cast to trade there."""
    writer = ClockWriter(tmp_path, START, 1.0, shy=True)
    asyncio.run(writer.wait())
    now.pass_s(1)
    writer.refresh()
    shared = SharedClock(tmp_path)
    now.pass_s(1)
    assert not shared.live()
    writer.tell()
    shared.refresh()
    assert shared.live()
    assert shared.now_ns() == writer.now_ns() == START + 2 * SECOND


def test_waiting_ends_when_a_simulator_comes(tmp_path: Path) -> None:
    async def story() -> None:
        shared = SharedClock(tmp_path)
        waiting = asyncio.create_task(shared.wait())
        await asyncio.sleep(0.12)
        assert not waiting.done()
        write(tmp_path, lease_mono_ns=time.monotonic_ns() + 3_600 * SECOND)
        await asyncio.wait_for(waiting, 60)
        assert shared.now_ns() >= START

    asyncio.run(story())


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="only Linux has the clock")
def test_sleep_is_what_boottime_has_and_monotonic_has_not(now: Now) -> None:
    detector = SleepDetector(watch_wall=False)
    now.pass_s(30)
    assert detector.slept_ns() == 0
    now.boot += 90 * SECOND
    now.wall += 90 * SECOND
    assert detector.slept_ns() == 90 * SECOND
    assert detector.slept_ns() == 0, "told once"
    now.boot += SECOND // 2
    assert detector.slept_ns() == 0


def test_the_wall_is_watched_off_the_simulator(now: Now) -> None:
    sim, real = SleepDetector(watch_wall=False), SleepDetector(watch_wall=True)
    now.wall -= 7 * SECOND
    assert sim.slept_ns() == 0
    assert real.slept_ns() == -7 * SECOND
    for _ in range(100):
        now.pass_s(0.25)
        now.wall += SECOND // 50
        assert real.slept_ns() == 0, "a slewed clock is no jump"
