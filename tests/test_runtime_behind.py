"""Falling behind: others have their turns meanwhile; who never gets to the end starts again."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import pytest

from scripts.replay import line_of
from shared.events import Bar, Event, Started
from shared.runtime import hearing, journal
from shared.runtime.exits import Exit
from shared.runtime.ports import Host
from shared.runtime.replay import replay
from shared.settings import Settings
from tests.support import toys
from tests.support.bench import SETTINGS, Bench, Script, bench_in, poking, settle
from tests.support.hearing import Speaker, next_day
from tests.support.processes import DAY
from tests.support.toys import Poke, bar


class Hearer(toys.Toy):
    """Remembers, over all its lives, what it was told."""

    subscribes = {"feed": (Bar,)}
    words = (Poke,)
    told: list[Event] = []

    def on(self, now_ns: int, event: Event) -> Iterable[Event]:
        if isinstance(event, Bar | Poke | Started):
            type(self).told.append(event)
        return ()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    Hearer.told = []
    yield from bench_in(tmp_path)


@pytest.fixture
def speaker(bench: Bench) -> Speaker:
    return Speaker(bench.root)


def heard() -> list[Bar]:
    return [event for event in Hearer.told if isinstance(event, Bar)]


def hears(bench: Bench, *frames: bytes) -> None:
    """These come from the bus, in one drain."""
    assert bench.actor is not None
    for frame in frames:
        bench.actor._take(frame)
    bench.actor._drained()


def test_the_port_and_timers_have_their_turns_between_two_pieces(
    bench: Bench, speaker: Speaker
) -> None:
    said = 4 * hearing.TURN_EVENTS

    async def script(host: Host) -> None:
        await settle()
        for n in range(said):
            speaker.say(bar(n))
        hears(bench, speaker.beat())
        n = 0
        while len(heard()) < said:
            n += 1
            host.inject(Poke(n=n))
            await asyncio.sleep(0)
        signal.raise_signal(signal.SIGTERM)

    assert bench.live("t", Hearer, script) is Exit.CLEAN
    assert heard() == [bar(n) for n in range(said)]
    order = [type(event) for event in Hearer.told]
    first, last = order.index(Bar), len(order) - order[::-1].index(Bar)
    assert order[first:last].count(Poke) >= 3, "one after each piece but the last"
    assert replay(bench.var, "t", build=lambda *_: Hearer()).equal


def promised(speaker: Speaker, bench: Bench, count: int) -> Script:
    """The speaker's heartbeat claims so much more than its journal holds."""

    async def script(host: Host) -> None:
        await settle()
        hears(bench, speaker.beat(seq={"feed": speaker.seq + count}))

    return script


def limits(inbox: int, behind_s: float) -> Settings:
    runtime = msgspec.structs.replace(
        SETTINGS.runtime, inbox_limit=inbox, behind_limit_real_s=behind_s
    )
    return msgspec.structs.replace(SETTINGS, runtime=runtime)


@pytest.mark.parametrize(("inbox", "behind_s"), [(100, 60.0), (100_000, 0.5)])
def test_too_far_or_too_long_behind_ends_on_purpose_and_the_next_life_goes_on(
    bench: Bench, speaker: Speaker, inbox: int, behind_s: float
) -> None:
    speaker.say(bar(1))
    script = promised(speaker, bench, 101)
    given = limits(inbox, behind_s)
    assert bench.live("t", Hearer, script, settings=given) is Exit.LAGGED
    speaker.say(bar(2))
    assert bench.live("t", Hearer, poking(), settings=given) is Exit.CLEAN
    assert heard() == [bar(1), bar(2)]


def test_an_actor_away_longer_than_days_are_kept_only_reduces_until_reconciled(
    bench: Bench, speaker: Speaker
) -> None:
    speaker.say(bar(1))
    bench.live("t", Hearer, poking())
    speaker.say(bar(2))
    next_day(speaker, "2026-11-19")
    speaker.say(bar(3))
    (bench.root / DAY / "feed.journal").unlink()
    assert bench.live("t", Hearer, poking()) is Exit.CLEAN
    assert heard() == [bar(1), bar(3)]
    starts = [event for event in Hearer.told if isinstance(event, Started)]
    assert [start.changed for start in starts] == [False, True]
    assert bench.live("t", Hearer, poking()) is Exit.CLEAN
    assert not [event for event in Hearer.told if isinstance(event, Started)][-1].changed
    assert journal.days(bench.root, "t") == [DAY]


def test_events_that_a_tail_needs_were_removed(bench: Bench, speaker: Speaker) -> None:
    """Killed, so its tail must be told again, but the words in it are no more: it folds its own."""
    speaker.say(bar(1))
    bench.live("t", Hearer, poking(1, kill=True))
    next_day(speaker, "2026-11-19")
    (bench.root / DAY / "feed.journal").unlink()
    (bench.root / DAY / "t.snap").unlink()
    assert bench.live("t", Hearer, poking()) is Exit.CLEAN
    assert [event for event in Hearer.told if isinstance(event, Started)][-1].changed


def test_the_oldest_day_kept_may_need_the_end_of_a_removed_one(
    bench: Bench, speaker: Speaker
) -> None:
    """It is named and left out, and the days after it are judged; a hole elsewhere is a hole."""
    speaker.say(bar(1))
    bench.live("t", Hearer, poking(1))
    next_day(speaker, "2026-11-19")
    speaker.say(bar(2))
    bench.live("t", Hearer, poking(2), day="2026-11-19")
    whole = replay(bench.var, "t", build=lambda *_: Hearer())
    assert (whole.equal, whole.leaning, whole.days) == (True, "", (DAY, "2026-11-19"))
    kept = (bench.root / DAY / "feed.journal").read_bytes()
    (bench.root / DAY / "feed.journal").unlink()
    told = replay(bench.var, "t", build=lambda *_: Hearer())
    assert (told.equal, told.leaning, told.days) == (True, DAY, ("2026-11-19",))
    assert 0 < told.told < whole.told
    alone = replay(bench.var, "t", DAY, build=lambda *_: Hearer())
    assert (alone.leaning, alone.days) == (DAY, ()), "nothing is left of it to judge"
    assert "UNKNOWN" in line_of(alone)
    (bench.root / "2026-11-19" / "feed.journal.corrupt-1").write_bytes(b"")
    assert not replay(bench.var, "t", build=lambda *_: Hearer()).equal, "damaged is not removed"
    (bench.root / "2026-11-19" / "feed.journal.corrupt-1").unlink()
    (bench.root / DAY / "feed.journal").write_bytes(kept)
    (bench.root / "2026-11-19" / "feed.journal").unlink()
    torn = replay(bench.var, "t", build=lambda *_: Hearer())
    assert torn.difference is not None
    assert (torn.difference.got, torn.leaning) == ("a hole", "")


def test_a_day_under_a_form_of_settings_that_is_no_more_is_other_codes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.live("t", Hearer, poking(1))
    monkeypatch.setattr("shared.runtime.replay.Settings", int)
    told = replay(bench.var, "t", build=lambda *_: Hearer())
    assert (told.equal, told.compared) == (True, 0)
