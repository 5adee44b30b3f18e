"""One actor's lives: what it remembers over a death, other code, damage and the turn of a day."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterable

import msgspec
import pytest

from shared.events import Event, Started
from shared.runtime import disk, journal, paths, records
from shared.runtime.exits import Exit
from shared.runtime.ports import Host
from shared.runtime.replay import replay, verify
from shared.runtime.rerun import Divergence
from tests.support.bench import SETTINGS, Bench, poking, settle
from tests.support.processes import DAY
from tests.support.tellers import Days, Teller, recover, telling_bench
from tests.support.toys import Done, Loner, Poke, Rescue

bench = pytest.fixture(telling_bench)


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
    class Mute(Teller):
        mute = False

        def on(self, now_ns: int, event: Event) -> Iterable[Event]:
            return () if self.mute else super().on(now_ns, event)

    bench.live("t", Mute, poking(1, kill=True))
    Mute.mute = True
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
        while not bench.path("l", today[0]).exists():  # noqa: ASYNC110 - pulses come by a timer
            await asyncio.sleep(0.02)
        signal.raise_signal(signal.SIGTERM)

    assert bench.live("l", Loner, script) is Exit.CLEAN
    assert bench.kinds("l")[-1] == "continued"
    assert bench.kinds("l", "2026-11-19")[:2] == ["start", "snapshot"]
    assert replay(bench.var, "l", build=lambda *_: Loner()).equal
