"""What an actor refuses of its own core and port, how it ends, and the hash of what it said."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Iterable

import pytest

from shared.core import Word
from shared.events import Event, Stopping
from shared.runtime import history, paths
from shared.runtime.exits import Exit, Fatal
from shared.runtime.lock import Lock
from shared.runtime.ports import Host
from shared.runtime.pulse import _Watched
from shared.runtime.replay import cat, replay, verify
from tests.support import toys
from tests.support.bench import SETTINGS, Bench, poking
from tests.support.processes import DAY
from tests.support.tellers import Days, Teller, telling_bench
from tests.support.toys import Done, Poke

bench = pytest.fixture(telling_bench)


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


def test_a_lock_the_sentinel_has_its_hands_on_is_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ended at once it would come back by supervisord's growing pauses, long after the proof."""
    sentinel, gripped = Lock(bench.run, "sentinel"), Lock(bench.run, "order_router")
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            gripped.release()

    monkeypatch.setattr(time, "sleep", sleep)
    Lock(bench.run, "order_router").release()
    assert len(looks) == 3
    with pytest.raises(Fatal):
        Lock(bench.run, "sentinel")
    sentinel.release()
    other = Lock(bench.run, "order_router")
    sentinel.path.write_text("1\n")
    with pytest.raises(Fatal):
        Lock(bench.run, "order_router")
    assert len(looks) == 3, "a second sentinel is no hand-over, and a second router neither"
    other.release()


def test_the_wait_for_the_sentinel_has_an_end(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = [Lock(bench.run, name) for name in ("sentinel", "order_router")]
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda _: now.__setitem__(0, now[0] + 10.0))
    with pytest.raises(Fatal) as caught:
        Lock(bench.run, "order_router")
    assert (caught.value.code, now[0]) == (Exit.LOCKED, 30.0)
    for lock in held:
        lock.release()


def test_the_owner_signs_over_the_one_before_and_never_an_empty_file(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk the bytes that are there are the only ones: who gives them back may not get
    them again, and the sentinel would not know whom to stop.
    """
    path = paths.lock_path(bench.run, "t")
    path.write_bytes(b"4194304999\n")
    signed: list[bytes] = []
    real = os.ftruncate

    def cut(handle: int, size: int) -> None:
        signed.append(path.read_bytes())
        real(handle, size)

    monkeypatch.setattr(os, "ftruncate", cut)
    lock = Lock(bench.run, "t")
    assert signed[0].startswith(f"{os.getpid()}\n".encode())
    assert path.read_bytes() == f"{os.getpid()}\n".encode()
    lock.release()


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
