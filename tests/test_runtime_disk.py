"""A disk that is full: only reducing goes on, and what nobody heard is said once it is back."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from collections.abc import Iterable

import msgspec
import pytest

from shared.events import Bar, Event
from shared.runtime import disk, paths, records, wire
from shared.runtime.exits import Exit
from shared.runtime.ports import Host
from shared.runtime.replay import replay, verify
from tests.support import toys
from tests.support.bench import Bench, ScriptPort, poking, settle
from tests.support.tellers import Teller, telling_bench
from tests.support.toys import Done, Loner, Poke, Rescue

bench = pytest.fixture(telling_bench)


class FullDisk:
    """From now on no journal can be written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.patch = monkeypatch
        self.real = os.write

    def strike(self) -> None:
        def write(handle: int, content: bytes) -> int:
            where = os.readlink(f"/proc/self/fd/{handle}")
            if where.endswith(".journal"):
                raise OSError(errno.ENOSPC, "No space left on device")
            return self.real(handle, content)

        self.patch.setattr(os, "write", write)

    def lift(self) -> None:
        self.patch.setattr(os, "write", self.real)


def full_disk_script(disk: FullDisk, bench: Bench) -> object:
    async def script(host: Host) -> None:
        host.inject(Poke(n=1))
        await settle()
        paths.ballast_path(bench.var).unlink()
        disk.strike()
        host.inject(Poke(n=2))
        await settle()
        await asyncio.sleep(5)

    return script


def test_a_full_disk_stops_everything_but_reducing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = full_disk_script(FullDisk(monkeypatch), bench)
    assert bench.live("l", Loner, script) is Exit.DISK  # type: ignore[arg-type]
    assert bench.port.handled == [Done(n=1), Rescue(n=1), Rescue(n=2)]
    monkeypatch.undo()
    assert replay(bench.var, "l", build=lambda *_: Loner()).equal


def test_it_stays_until_its_core_lets_it_go(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    class Holding(Loner):
        asked = 0

        def may_stop(self) -> bool:
            type(self).asked += 1
            return type(self).asked >= 3

    script = full_disk_script(FullDisk(monkeypatch), bench)
    assert bench.live("l", Holding, script) is Exit.DISK  # type: ignore[arg-type]
    assert Holding.asked >= 3


class Holder(toys.Toy):
    """Holds something that it may not leave; says of each poke what it is and that it was."""

    publishes = (Bar,)
    words = (Poke, Done, Rescue)

    def on(self, now_ns: int, event: Event) -> Iterable[Event]:
        if isinstance(event, Poke):
            self.state.count += event.n
            return (toys.bar(event.n), Done(n=event.n), Rescue(n=event.n))
        return ()

    def may_stop(self) -> bool:
        return False


def test_when_the_disk_is_back_it_records_what_it_knows_and_says_what_nobody_heard(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = FullDisk(monkeypatch)

    async def script(host: Host) -> None:
        host.inject(Poke(n=1))
        await settle()
        paths.ballast_path(bench.var).unlink()
        full.strike()
        for n in (2, 3):
            host.inject(Poke(n=n))
            await settle()
        await asyncio.sleep(0.6)
        full.lift()
        await asyncio.sleep(5)

    assert bench.live("h", Holder, script) is Exit.DISK
    assert bench.port.handled == [Done(n=1), *(Rescue(n=n) for n in (1, 2, 3))]
    assert [bar.open for bar in bars_said(bench)] == [1]
    bench.live("h", Holder, poking(4))
    assert [bar.open for bar in bars_said(bench)] == [1, 2, 3, 4]
    assert bench.port.handled == [Done(n=4), Rescue(n=4)], "no act is done again"
    assert bench.actor is not None
    assert bench.actor.core.state.count == 10  # type: ignore[attr-defined]
    assert verify(bench.path("h")).trouble == ""
    assert replay(bench.var, "h", build=lambda *_: Holder()).equal


def test_a_disk_that_is_all_but_full_is_not_gone_back_to(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be full again with the first record: whoever holds something goes on reducing."""
    full = FullDisk(monkeypatch)

    async def script(host: Host) -> None:
        paths.ballast_path(bench.var).unlink()
        full.strike()
        host.inject(Poke(n=1))
        await settle()
        monkeypatch.setattr(disk, "free_bytes", lambda _path: 1 << 20)
        full.lift()
        await asyncio.sleep(0.8)
        host.fail("killed by the test.", Exit.CRASHED)

    assert bench.live("h", Holder, script) is Exit.CRASHED
    assert bench.kinds("h").count("start") == 1


class Forgetful(Loner):
    """Believes nothing of the life before, and says when it has finished."""

    forgets = True
    busy = False

    def may_stop(self) -> bool:
        return not type(self).busy


def test_who_forgets_begins_lives_and_stops_without_a_record(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    FullDisk(monkeypatch).strike()
    assert bench.live("f", Forgetful, poking(1, 2)) is Exit.CLEAN
    assert bench.port.handled == [Rescue(n=1), Rescue(n=2)]
    assert bench.frames("f") == [], "not a byte of it is on record"
    monkeypatch.undo()
    assert bench.live("f", Forgetful, poking(3)) is Exit.CLEAN
    assert bench.port.handled[:2] == [Done(n=3), Rescue(n=3)]
    assert replay(bench.var, "f", build=lambda *_: Forgetful()).equal


def test_who_forgets_takes_a_new_life_once_it_can_record_and_has_finished(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = FullDisk(monkeypatch)
    monkeypatch.setattr(Forgetful, "busy", True)
    lived: list[int] = []

    async def script(host: Host) -> None:
        host.inject(Poke(n=1))
        await settle()
        paths.ballast_path(bench.var).unlink()
        full.strike()
        host.inject(Poke(n=2))
        await asyncio.sleep(0.6)
        full.lift()
        lived.append(1)
        await asyncio.sleep(0.6)
        host.inject(Poke(n=3))
        await settle()
        lived.append(2)
        Forgetful.busy = False
        await asyncio.sleep(5)

    assert bench.live("f", Forgetful, script) is Exit.DISK
    assert lived == [1, 2], "neither the full disk nor its end ended it while it was busy"
    assert bench.port.handled == [Done(n=1), *(Rescue(n=n) for n in (1, 2, 3))]
    bench.live("f", Forgetful, poking(4))
    assert verify(bench.path("f")).trouble == ""
    assert replay(bench.var, "f", build=lambda *_: Forgetful()).equal


def test_a_day_whose_file_could_not_be_made_is_begun_when_there_is_room(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def none_new(path: os.PathLike[str] | str, *more: int) -> int:
        if str(path).endswith(".journal"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, *more)

    monkeypatch.setattr(os, "open", none_new)

    async def script(host: Host) -> None:
        host.inject(Poke(n=1))
        await asyncio.sleep(0.4)
        monkeypatch.undo()
        await asyncio.sleep(5)

    assert bench.live("f", Forgetful, script) is Exit.DISK
    assert bench.port.handled == [Rescue(n=1)]
    assert bench.kinds("f") == ["start", "snapshot"]
    assert bench.live("f", Forgetful, poking(2)) is Exit.CLEAN
    assert bench.port.handled[:2] == [Done(n=2), Rescue(n=2)]
    assert replay(bench.var, "f", build=lambda *_: Forgetful()).equal


def test_a_router_that_is_stopping_finishes_before_it_records_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it is at then is a flatten, and whoever stops us starts nobody to go on with it."""
    full = FullDisk(monkeypatch)

    async def script(host: Host) -> None:
        paths.ballast_path(bench.var).unlink()
        full.strike()
        host.inject(Poke(n=1))
        await settle()
        bench.port.stop = slow_stop  # type: ignore[method-assign]
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0.1)
        full.lift()

    async def slow_stop() -> None:
        await asyncio.sleep(0.8)

    assert bench.live("h", Holder, script) is Exit.CLEAN


def bars_said(bench: Bench) -> list[Bar]:
    said = [wire.head(f.record[2:]) for f in bench.frames("h") if f.record[1] == records.SAID]
    return [msgspec.msgpack.decode(one.event, type=Bar) for one in said]


def test_who_cannot_reduce_ends_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    script = full_disk_script(FullDisk(monkeypatch), bench)
    assert bench.live("t", Teller, script) is Exit.DISK  # type: ignore[arg-type]
    assert bench.port.handled == [Done(n=1)]


def test_a_port_learns_that_the_past_was_lived_through_before_the_disk_ends_the_start(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a sleeve that finds no room for a while would be taken for one that hangs on its past,
    and stay switched off when there is room again.
    """
    told: list[str] = []
    monkeypatch.setattr(ScriptPort, "remembered", lambda _: told.append("past"), raising=False)
    FullDisk(monkeypatch).strike()
    assert bench.live("t", Teller, poking(1)) is Exit.DISK
    assert told == ["past"]
    assert bench.port.handled == []


def test_halts_wait_for_the_disk_and_nothing_else_does(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fdatasync

    def sync(handle: int) -> None:
        synced.append(handle)
        real(handle)

    waits: list[int] = []

    async def script(host: Host) -> None:
        assert bench.actor is not None
        bench.actor.recorder.sync_soon = lambda: None  # type: ignore[method-assign]
        monkeypatch.setattr(os, "fdatasync", sync)
        for _ in range(2):
            before = len(synced)
            host.inject(Poke(n=1))
            await settle()
            waits.append(len(synced) - before)
        signal.raise_signal(signal.SIGTERM)

    bench.live("h", toys.Halter, script)
    bench.live("t", Teller, script)
    assert waits == [1, 1, 0, 0]
