"""One actor's lives: what it remembers, what it refuses, and how it ends."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import pytest

from shared.core import Word
from shared.events import Bar, Event, Phase, SessionPhase, Started, Stopping
from shared.runtime import disk, history, journal, lanes, paths, records, wire
from shared.runtime.exits import Exit, Fatal
from shared.runtime.lock import Lock
from shared.runtime.ports import Host
from shared.runtime.pulse import _Watched
from shared.runtime.recovery import Recovered, Recovery
from shared.runtime.replay import cat, replay, verify
from shared.runtime.rerun import Divergence
from tests.support import toys
from tests.support.bench import SETTINGS, Bench, poking, settle
from tests.support.processes import DAY
from tests.support.toys import Done, Loner, Poke, Rescue

PINS = {"settings": SETTINGS.fingerprint()}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    shutil.rmtree(made.run)


class Teller(toys.Toy):
    """Remembers every Started it was told."""

    words = (Poke, Done)
    told: list[Started] = []

    def on(self, now_ns: int, event: Event) -> Iterable[Event]:
        if isinstance(event, Started):
            type(self).told.append(event)
        if isinstance(event, Poke):
            self.state.count += event.n
            return (Done(n=self.state.count),)
        return ()

    def recall(self, now_ns: int, said: Event) -> None:
        assert isinstance(said, Done)
        self.state.total = said.n


class Days(toys.Toy):
    """Turns the trading day at each tenth poke."""

    publishes = (Bar, SessionPhase)
    words = (Poke,)

    def on(self, now_ns: int, event: Event) -> Iterator[Event]:
        if isinstance(event, Poke):
            self.state.count += 1
            yield toys.bar(event.n)
            if event.n % 10 == 0:
                yield phase(f"2026-11-{18 + event.n // 10}")


def phase(day: str) -> SessionPhase:
    return SessionPhase(trading_day=day, phase=Phase.OPEN, flat_by_ns=0, reopens_ns=0)


def recover(bench: Bench, name: str, core: type[toys.Toy], code: str = "") -> Recovered:
    return Recovery(
        bench.var, name, core, code=code or lanes.code_hash(core()), settings=PINS["settings"]
    ).run()


@pytest.fixture(autouse=True)
def forget() -> None:
    Teller.told = []


# -- lives -----------------------------------------------------------------------------------------


def test_a_clean_life_and_the_next(bench: Bench) -> None:
    assert bench.live("t", Teller, poking(1, 2)) is Exit.CLEAN
    assert bench.port.handled == [Done(n=1), Done(n=3)]
    assert bench.port.stopped
    assert bench.live("t", Teller, poking(10)) is Exit.CLEAN
    assert bench.port.handled == [Done(n=13)]
    first, second = (start for start in bench.starts("t"))
    assert (first.fresh, second.fresh, second.changed) == (True, False, False)
    assert second.epoch > first.epoch
    assert Teller.told[0] == Started(epoch=first.epoch, fresh=True)
    assert Teller.told[-1] == Started(epoch=second.epoch, fresh=False)
    assert not paths.ballast_path(bench.var).stat().st_size < disk.BALLAST_BYTES
    assert replay(bench.var, "t", build=lambda *_: Teller()).compared == 3


def test_everything_is_journalled_before_it_is_said(bench: Bench) -> None:
    seen: list[list[str]] = []

    async def script(host: Host) -> None:
        host.inject(Poke(n=1))
        await settle()
        signal.raise_signal(signal.SIGTERM)

    class Looking(Teller):
        def on(self, now_ns: int, event: Event) -> Iterable[Event]:
            seen.append(bench.kinds("t"))
            return super().on(now_ns, event)

    bench.live("t", Looking, script)
    assert seen[0] == ["start", "input"], "the core hears after the journal"
    assert bench.kinds("t")[:2] == ["start", "input"]
    assert bench.kinds("t").count("effect") == 1


def test_a_journal_cut_at_every_byte_gives_back_exactly_what_was_decided(bench: Bench) -> None:
    assert bench.live("l", Loner, poking(1, 2, 3)) is Exit.CLEAN
    path = bench.path("l")
    whole = path.read_bytes()
    frames = bench.frames("l")
    decided = [
        records.input_of(frame.record[2:]).event
        for frame in frames
        if frame.record[1] == records.EFFECT
    ]
    paths.snapshot_path(bench.var, DAY, "l").unlink()
    assert len(decided) == 7
    for cut in range(frames[0].end, len(whole) + 1):
        path.write_bytes(whole[:cut])
        found = recover(bench, "l", Loner)
        recorded = sum(
            1 for frame in frames if frame.record[1] == records.EFFECT and frame.end <= cut
        )
        unsaid = [msgspec.msgpack.encode(said.event) for said in found.unsaid]
        assert unsaid == [bytes(one) for one in decided[recorded : recorded + len(unsaid)]], cut
        inputs = [frame for frame in frames if frame.record[1] == records.INPUT]
        pokes = [frame for frame in inputs if b"Poke" in frame.record and frame.end <= cut]
        last = [frame for frame in inputs if b"Stopping" in frame.record and frame.end <= cut]
        assert recorded + len(unsaid) == 2 * len(pokes) + len(last), cut


def test_what_was_decided_and_not_said_is_said_first(bench: Bench) -> None:
    bench.live("l", Loner, poking(1, kill=True))
    path = bench.path("l")
    effects = [frame for frame in bench.frames("l") if frame.record[1] == records.EFFECT]
    os.truncate(path, effects[0].offset)
    bench.live("l", Loner, poking(2))
    assert bench.port.handled[:4] == [Done(n=1), Rescue(n=1), Done(n=2), Rescue(n=2)]
    kinds = bench.kinds("l")
    second = kinds.index("start", 1)
    assert kinds[second : second + 4] == ["start", "effect", "effect", "input"]
    assert replay(bench.var, "l", build=lambda *_: Loner()).equal


def test_a_torn_snapshot_costs_time_and_nothing_else(bench: Bench) -> None:
    bench.live("t", Teller, poking(1, 2))
    snap = paths.snapshot_path(bench.var, DAY, "t")
    whole = snap.read_bytes()
    for content in (whole[:-1], whole[:7], b"", b"x" * 50, whole[:-1] + b"?"):
        snap.write_bytes(content)
        found = recover(bench, "t", Teller)
        assert msgspec.msgpack.decode(found.core.snapshot())["count"] == 3
        assert not found.fresh
        assert found.rerun >= 4, "it was re-run from the top"
    snap.write_bytes(whole)
    assert recover(bench, "t", Teller).rerun == 0


def test_a_snapshot_ahead_of_its_journal_is_not_believed(bench: Bench) -> None:
    """A power cut may keep the small file and lose the end of the large one."""
    bench.live("t", Teller, poking(1, 2))
    last = [frame for frame in bench.frames("t") if b"Poke" in frame.record][-1]
    os.truncate(bench.path("t"), last.offset)
    assert msgspec.msgpack.decode(recover(bench, "t", Teller).core.snapshot())["count"] == 1


def test_another_code_folds_and_never_decides_again(bench: Bench) -> None:
    bench.live("t", Teller, poking(1, 2, kill=True))
    found = recover(bench, "t", Teller, code="other")
    assert (found.changed, found.fresh, found.unsaid) == (True, False, [])
    assert msgspec.msgpack.decode(found.core.snapshot()) == {"count": 3, "total": 3}


def test_other_settings_count_as_other_code_and_replay_still_follows(bench: Bench) -> None:
    bench.live("t", Teller, poking(1, 2))
    runtime = msgspec.structs.replace(SETTINGS.runtime, inbox_limit=77)
    changed = msgspec.structs.replace(SETTINGS, runtime=runtime)
    bench.live("t", Teller, poking(4), settings=changed)
    assert Teller.told[-1].changed
    assert bench.kinds("t").count("snapshot") == 1
    bench.live("t", Teller, poking(5), settings=changed)
    assert not Teller.told[-1].changed
    report = replay(bench.var, "t", build=lambda *_: Teller())
    assert (report.equal, report.compared, report.skipped, report.starts) == (True, 4, 0, 3)


class Newer(Teller):
    """Cannot read the older memory; `brittle` cannot even be told its events."""

    brittle = False

    def restore(self, snapshot: bytes) -> None:
        raise ValueError("another form of memory")

    def on(self, now_ns: int, event: Event) -> Iterable[Event]:
        assert not (self.brittle and isinstance(event, Poke)), "nothing I know"
        return super().on(now_ns, event)


def test_unreadable_memory_is_folded_from_the_journal_or_else_begun_afresh(bench: Bench) -> None:
    bench.live("t", Teller, poking(1, 2))
    epoch = bench.starts("t")[0].epoch
    found = recover(bench, "t", Newer, code="newer")
    assert (found.fresh, found.changed) == (False, True)
    assert msgspec.msgpack.decode(found.core.snapshot()) == {"count": 3, "total": 3}

    class Brittle(Newer):
        brittle = True

    found = recover(bench, "t", Brittle, code="newer")
    assert (found.fresh, found.changed, found.epoch) == (True, True, epoch)
    assert msgspec.msgpack.decode(found.core.snapshot()) == {"count": 0, "total": 0}


class Moody(Teller):
    """Says something else the second time."""

    mood = 0

    def on(self, now_ns: int, event: Event) -> Iterable[Event]:
        said = tuple(super().on(now_ns, event))
        return tuple(Done(n=one.n + self.mood) for one in said if isinstance(one, Done))


def test_a_core_that_is_not_deterministic_is_named(bench: Bench) -> None:
    Moody.mood = 0
    bench.live("t", Moody, poking(1, 2, kill=True))
    Moody.mood = 1
    paths.snapshot_path(bench.var, DAY, "t").unlink()
    effect = next(frame for frame in bench.frames("t") if frame.record[1] == records.EFFECT)
    with pytest.raises(Divergence, match=rf"offset {effect.offset}: .*Done\(n=1\).*Done\(n=2\)"):
        recover(bench, "t", Moody)
    assert bench.live("t", Moody, poking(3)) is Exit.DIVERGED
    report = replay(bench.var, "t", build=lambda *_: Moody())
    assert report.difference is not None
    assert "Done(n=1)" in report.difference.expected
    assert "Done(n=2)" in report.difference.got
    assert (report.compared, report.skipped) == (0, 0)


def test_silence_where_the_journal_speaks_is_a_divergence_too(bench: Bench) -> None:
    bench.live("t", Teller, poking(1, kill=True))

    class Mute(Teller):
        def on(self, now_ns: int, event: Event) -> Iterable[Event]:
            return ()

    report = replay(bench.var, "t", build=lambda *_: Mute())
    assert report.difference is not None
    assert report.difference.got == "nothing"


# -- damage ----------------------------------------------------------------------------------------


def test_damage_in_the_middle_sets_the_file_aside_and_begins_afresh(bench: Bench) -> None:
    bench.live("t", Teller, poking(1, 2))
    path = bench.path("t")
    hurt = next(frame for frame in bench.frames("t") if b"Poke" in frame.record)
    content = bytearray(path.read_bytes())
    content[hurt.offset + 12] ^= 0xFF
    path.write_bytes(content)
    paths.snapshot_path(bench.var, DAY, "t").unlink()
    assert verify(path).trouble.startswith(f"journal {path}, offset {hurt.offset}")
    assert bench.live("t", Teller, poking(3)) is Exit.CORRUPT
    aside = path.with_name("t.journal.corrupt-1")
    assert aside.read_bytes() == bytes(content)
    assert not path.exists()
    assert bench.live("t", Teller, poking(7)) is Exit.CLEAN
    assert (Teller.told[-1].fresh, Teller.told[-1].changed) == (True, True)
    assert bench.port.handled == [Done(n=7)]
    assert bench.live("t", Teller, poking(1)) is Exit.CLEAN
    assert not Teller.told[-1].fresh, "the loss is told once"
    assert bench.port.handled == [Done(n=8)]


def test_a_lost_today_is_not_replaced_by_yesterday(bench: Bench) -> None:
    bench.live("d", Days, poking(*range(1, 15)))
    today = bench.path("d", "2026-11-19")
    journal.quarantine(today)
    found = recover(bench, "d", Days)
    assert (found.fresh, found.changed, found.day) == (True, True, "")


# -- days ------------------------------------------------------------------------------------------


def test_days_turn_by_an_event_and_carry_the_memory_over(bench: Bench) -> None:
    bench.live("d", Days, poking(*range(1, 25), kill=True))
    bench.live("d", Days, poking(*range(25, 36)))
    days = ["2026-11-18", "2026-11-19", "2026-11-20", "2026-11-21"]
    assert journal.days(bench.root, "d") == days
    assert bench.kinds("d", days[0])[-1] == "continued"
    assert bench.kinds("d", days[1])[:2] == ["start", "snapshot"]
    whole = replay(bench.var, "d", build=lambda *_: Days())
    assert (whole.equal, whole.compared, whole.skipped) == (True, 38, 0)
    for day in days:
        alone = replay(bench.var, "d", day, build=lambda *_: Days())
        assert alone.equal, alone
        assert alone.compared > 0
    seq = [verify(path) for day in days if (path := journal.find(bench.root, day, "d")) is not None]
    assert [(one.first_seq, one.last_seq) for one in seq] == [(1, 11), (12, 22), (23, 33), (34, 38)]
    assert not any(one.trouble or one.torn for one in seq)


@pytest.mark.parametrize("left", ["nothing", "start only", "start and half a snapshot"])
def test_a_death_while_the_day_turns_is_repaired(bench: Bench, left: str) -> None:
    bench.live("d", Days, poking(*range(1, 11), kill=True))
    new = bench.path("d", "2026-11-19")
    frames = bench.frames("d", "2026-11-19")
    paths.snapshot_path(bench.var, "2026-11-19", "d").unlink()
    if left == "nothing":
        new.unlink()
    else:
        os.truncate(new, frames[0].end if left == "start only" else frames[1].end - 3)
    bench.live("d", Days, poking(11, 12))
    assert bench.kinds("d", "2026-11-19")[:2] == ["start", "snapshot"]
    report = replay(bench.var, "d", build=lambda *_: Days())
    assert (report.equal, report.compared) == (True, 13)


def test_without_sessions_the_day_turns_by_the_clock(bench: Bench) -> None:
    today = [DAY]

    async def script(host: Host) -> None:
        assert bench.actor is not None
        bench.actor._day_of = lambda _now: today[0]
        await asyncio.sleep(0.3)
        today[0] = "2026-11-19"
        await asyncio.sleep(0.6)
        signal.raise_signal(signal.SIGTERM)

    assert bench.live("l", Loner, script) is Exit.CLEAN
    assert bench.kinds("l")[-1] == "continued"
    assert bench.kinds("l", "2026-11-19")[:2] == ["start", "snapshot"]
    assert replay(bench.var, "l", build=lambda *_: Loner()).equal


# -- the disk --------------------------------------------------------------------------------------


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


def bars_said(bench: Bench) -> list[Bar]:
    said = [wire.head(f.record[2:]) for f in bench.frames("h") if f.record[1] == records.SAID]
    return [msgspec.msgpack.decode(one.event, type=Bar) for one in said]


def test_who_cannot_reduce_ends_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    script = full_disk_script(FullDisk(monkeypatch), bench)
    assert bench.live("t", Teller, script) is Exit.DISK  # type: ignore[arg-type]
    assert bench.port.handled == [Done(n=1)]


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


# -- laws of ours ----------------------------------------------------------------------------------


def test_a_core_may_only_say_what_it_declared(bench: Bench) -> None:
    class Blurting(Teller):
        def on(self, now_ns: int, event: Event) -> Iterable[Event]:
            return (toys.bar(1),) if isinstance(event, Poke) else ()

    assert bench.live("t", Blurting, poking(1)) is Exit.CRASHED
    assert bench.kinds("t").count("said") == 0


def test_a_core_that_raises_ends_the_process(bench: Bench) -> None:
    class Raising(Teller):
        def on(self, now_ns: int, event: Event) -> Iterable[Event]:
            assert not isinstance(event, Poke), "an invariant"
            return ()

    assert bench.live("t", Raising, poking(1)) is Exit.CRASHED
    assert bench.port.handled == []


def test_a_port_that_raises_or_leaves_ends_the_process(bench: Bench) -> None:
    async def broken(host: Host) -> None:
        await asyncio.sleep(0)
        raise OSError("no route")

    assert bench.live("t", Teller, broken) is Exit.PORT_FAILED

    async def busy(host: Host) -> None:
        raise Fatal("port 8787 is taken", Exit.BUSY_PORT)

    assert bench.live("t", Teller, busy) is Exit.BUSY_PORT


def test_a_port_may_be_slow_to_stop_and_goes_on_working_meanwhile(bench: Bench) -> None:
    class Closing(Teller):
        def on(self, now_ns: int, event: Event) -> Iterable[Event]:
            if isinstance(event, Stopping):
                return (Done(n=-1),)
            return super().on(now_ns, event)

    class SlowPort:
        handled: list[Word] = []

        async def run(self, host: Host) -> None:
            self.host = host
            signal.raise_signal(signal.SIGTERM)
            await asyncio.Event().wait()

        def handle(self, word: Word) -> None:
            self.handled.append(word)

        async def stop(self) -> None:
            self.host.inject(Poke(n=5))
            await asyncio.sleep(0.05)
            signal.raise_signal(signal.SIGTERM)
            await asyncio.sleep(0.05)
            self.host.inject(Poke(n=6))

    port = SlowPort()

    async def life() -> Exit:
        from shared.runtime.actor import Actor

        actor = Actor(
            "t",
            SETTINGS,
            lambda _settings: (Closing(), port),
            var=bench.var,
            run=bench.run,
            day_of=lambda _now: DAY,
        )
        return await actor.run()

    assert asyncio.run(life()) is Exit.CLEAN
    assert port.handled == [Done(n=-1), Done(n=5), Done(n=11)]


def test_one_copy_by_lock(bench: Bench) -> None:
    lock = Lock(bench.run, "t")
    with pytest.raises(Fatal, match=f"already running .pid {os.getpid()}.") as caught:
        Lock(bench.run, "t")
    assert caught.value.code is Exit.LOCKED
    lock.release()
    Lock(bench.run, "t").release()


def test_records_for_people(bench: Bench) -> None:
    bench.live("d", Days, poking(1))
    lines = list(cat(bench.path("d")))
    assert lines[0].kind == "start"
    said = next(line for line in lines if line.kind == "said")
    assert said.content["source"] == "d"
    assert said.content["event"]["t"] == "Bar"
    found = verify(bench.path("d"))
    assert (found.records["said"], found.first_seq, found.last_seq, found.trouble) == (1, 1, 1, "")


def test_the_hash_of_a_session_is_found_again_by_replaying_it(bench: Bench) -> None:
    bench.live("d", Days, poking(1, 2, kill=True))
    bench.live("d", Days, poking(3))
    bench.live("t", Teller, poking(1, 2))
    recorded = history.session(bench.root, DAY)
    again = {
        "d": replay(bench.var, "d", build=lambda *_: Days()).decision_hash,
        "t": replay(bench.var, "t", build=lambda *_: Teller()).decision_hash,
    }
    assert recorded.actors == again
    assert recorded.decision_hash == history.joined(again)
    assert (recorded.decisions, recorded.missing) == (5, "")
    bench.live("t", Teller, poking(1))
    later = history.session(bench.root, DAY)
    assert later.actors["d"] == recorded.actors["d"]
    assert later.decision_hash != recorded.decision_hash


def test_the_hash_hangs_on_the_order(bench: Bench) -> None:
    found = []
    for pokes in ((1, 2), (2, 1)):
        shutil.rmtree(bench.root, ignore_errors=True)
        bench.live("d", Days, poking(*pokes))
        found.append(history.session(bench.root, DAY).decision_hash)
    assert found[0] != found[1]


def test_replay_of_nobody(bench: Bench) -> None:
    with pytest.raises(FileNotFoundError, match="no journal of ghost"):
        replay(bench.var, "ghost", build=lambda *_: Teller())


class Wary(Teller):
    """Its patience is part of what it remembers."""

    @property
    def watches(self) -> dict[str, float]:  # type: ignore[override]
        return {"feed": 4.0 - min(self.state.count, 3)}


def test_patience_is_asked_once_the_memory_is_back(bench: Bench) -> None:
    bench.live("t", Wary, poking(1, 2))
    assert bench.actor is not None
    bench.live("t", Wary, poking())
    [watched] = bench.actor.watches._peers.values()
    assert watched.limit == _Watched(1.0, on_bus=False).limit != _Watched(4.0, on_bus=False).limit
