"""Coming back under other code: nothing that was heard is left unanswered, nothing is said twice.

A journal is cut at every byte and taken over by other code. What is on record is a fact; what was
heard behind it and never answered is answered by the next life, in the order heard.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import pytest

from shared.events import Bar, Event, OrderIntent, Started
from shared.runtime import lanes, paths, records, wire
from shared.runtime.exits import Exit
from shared.runtime.ports import Host
from shared.runtime.records import EFFECT
from shared.runtime.recovery import Recovered, Recovery
from shared.settings import Settings
from tests.support import toys
from tests.support.bench import SETTINGS, Bench, bench_in, poking, settle
from tests.support.hearing import Speaker
from tests.support.processes import DAY
from tests.support.toys import Done, Loner, Poke, Rescue, bar
from tests.test_runtime_behind import hears

OTHER = msgspec.structs.replace(
    SETTINGS, runtime=msgspec.structs.replace(SETTINGS.runtime, inbox_limit=77_777)
)


class Answerer(toys.Toy):
    """Answers each bar with an intent and an act, both named after the bar."""

    subscribes = {"feed": (Bar,)}
    publishes = (OrderIntent,)
    words = (Poke, Done)
    begun: list[Started] = []

    def on(self, now_ns: int, event: Event) -> Iterable[Event]:
        if isinstance(event, Started):
            type(self).begun.append(event)
        if isinstance(event, Bar):
            self.state.count += 1
            return (toys.intent(event.close, 0), Done(n=event.close))
        return ()

    def recall(self, now_ns: int, said: Event) -> None:
        if isinstance(said, Done):
            self.state.total = said.n


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    Answerer.begun = []
    yield from bench_in(tmp_path)


@pytest.fixture
def speaker(bench: Bench) -> Speaker:
    return Speaker(bench.root)


def recover(bench: Bench, name: str, core: type[toys.Toy], settings: Settings = OTHER) -> Recovered:
    return Recovery(
        bench.var, name, core, code=lanes.code_hash(core()), settings=settings.fingerprint()
    ).run()


def answers(bench: Bench) -> list[int]:
    """The acts on record, in order."""
    decode = records.input_decoder(Answerer).decode
    acts = [records.input_of(f.record[2:]) for f in bench.frames("a") if f.record[1] == EFFECT]
    return [done.n for done in (decode(act.event) for act in acts) if isinstance(done, Done)]


def intents(bench: Bench) -> list[str]:
    said = [wire.head(f.record[2:]) for f in bench.frames("a") if f.record[1] == records.SAID]
    return [msgspec.msgpack.decode(one.event, type=OrderIntent).intent_id for one in said]


def a_batch(bench: Bench, speaker: Speaker, bars: int) -> None:
    """A life that hears some bars in one drain, answers them all and is killed."""

    async def script(host: Host) -> None:
        await settle()
        hears(bench, *[speaker.say(bar(n)) for n in range(1, bars + 1)])
        await settle()
        host.fail("killed by the test.", Exit.CRASHED)

    bench.live("a", Answerer, script)
    paths.snapshot_path(bench.var, DAY, "a").unlink(missing_ok=True)


def test_every_event_of_a_torn_batch_is_answered_once_by_the_next_life(
    bench: Bench, speaker: Speaker
) -> None:
    a_batch(bench, speaker, 4)
    path = bench.path("a")
    whole = path.read_bytes()
    heard = next(f for f in bench.frames("a") if f.record[1] == records.HEARD)
    assert answers(bench) == [1, 2, 3, 4]
    for cut in range(heard.end, len(whole) + 1, 29):
        path.write_bytes(whole[:cut])
        paths.snapshot_path(bench.var, DAY, "a").unlink(missing_ok=True)
        assert bench.live("a", Answerer, poking(), settings=OTHER) is Exit.CLEAN
        assert answers(bench) == [1, 2, 3, 4], cut
        assert intents(bench) == [f"middle.1.{n}" for n in range(1, 5)], cut
        assert Answerer.begun[-1].changed
        assert bench.actor is not None
        assert bench.actor.core.state.count == 4  # type: ignore[attr-defined]


def test_what_was_heard_and_never_answered_is_heard_again_after_the_beginning(
    bench: Bench, speaker: Speaker
) -> None:
    """An opening is decided only by a core that knows it has been away."""
    a_batch(bench, speaker, 3)
    first = next(f for f in bench.frames("a") if f.record[1] == records.SAID)
    os.truncate(bench.path("a"), first.offset)
    found = recover(bench, "a", Answerer)
    assert (found.changed, found.unsaid, found.heard) == (True, [], {})
    bench.live("a", Answerer, poking(), settings=OTHER)
    kinds = bench.kinds("a")
    again = kinds.index("start", 1)
    assert kinds[again : again + 5] == ["start", "snapshot", "input", "heard", "said"]


class Other(Answerer):
    """Says the act first."""

    def on(self, now_ns: int, event: Event) -> Iterable[Event]:
        return tuple(reversed(tuple(super().on(now_ns, event))))


def test_what_was_half_said_by_code_that_says_it_otherwise_is_all_that_counts(
    bench: Bench, speaker: Speaker
) -> None:
    a_batch(bench, speaker, 2)
    said = [f for f in bench.frames("a") if f.record[1] == records.SAID]
    os.truncate(bench.path("a"), said[0].end)
    found = recover(bench, "a", Other)
    assert (found.unsaid, found.heard["feed"].seq) == ([], 1)
    assert [type(one.event) for one in recover(bench, "a", Answerer).unsaid] == [Done]


def test_an_input_nobody_can_tell_again_is_decided_and_its_words_are_said_first(
    bench: Bench,
) -> None:
    bench.live("l", Loner, poking(1, 2, kill=True))
    path = bench.path("l")
    whole = path.read_bytes()
    poke = [f for f in bench.frames("l") if b"Poke" in f.record][-1]
    paths.snapshot_path(bench.var, DAY, "l").unlink()
    for cut in range(poke.end, len(whole) + 1):
        path.write_bytes(whole[:cut])
        recorded = bench.kinds("l").count("effect")
        unsaid = [one.event for one in recover(bench, "l", Loner).unsaid]
        assert unsaid == [Done(n=1), Rescue(n=1), Done(n=2), Rescue(n=2)][recorded:]
    os.truncate(path, poke.end)
    bench.live("l", Loner, poking(), settings=OTHER)
    assert bench.port.handled[:2] == [Done(n=2), Rescue(n=2)]


def test_a_life_that_died_before_it_was_told_of_itself_leaves_all_of_it_to_the_next(
    bench: Bench,
) -> None:
    """Two deaths: the second after the record of a beginning, before anything else."""
    bench.live("l", Loner, poking(1, kill=True))
    path = bench.path("l")
    poke = next(f for f in bench.frames("l") if b"Poke" in f.record)
    paths.snapshot_path(bench.var, DAY, "l").unlink()
    os.truncate(path, poke.end)
    bench.live("l", Loner, poking(), settings=OTHER)
    memory = next(f for f in bench.frames("l") if f.record[1] == records.SNAPSHOT)
    paths.snapshot_path(bench.var, DAY, "l").unlink()
    os.truncate(path, memory.end)
    for settings in (OTHER, SETTINGS):
        found = recover(bench, "l", Loner, settings=settings)
        assert found.changed, "nobody has been told yet"
        assert [one.event for one in found.unsaid] == [Done(n=1), Rescue(n=1)]


def test_a_first_life_that_died_before_it_was_told_is_still_the_first(bench: Bench) -> None:
    bench.live("a", Answerer, poking(kill=True))
    start = bench.frames("a")[0]
    paths.snapshot_path(bench.var, DAY, "a").unlink()
    os.truncate(bench.path("a"), start.end)
    bench.live("a", Answerer, poking())
    assert Answerer.begun[-1].fresh
