"""Two small cores whose lives the tests of an actor tell: one knows its starts, one turns days."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from shared.events import Bar, Event, Phase, SessionPhase, Started
from shared.runtime import lanes
from shared.runtime.recovery import Recovered, Recovery
from tests.support import toys
from tests.support.bench import SETTINGS, Bench, bench_in
from tests.support.toys import Done, Poke

PINS = {"settings": SETTINGS.fingerprint()}


def telling_bench(tmp_path: Path) -> Iterator[Bench]:
    Teller.told = []
    yield from bench_in(tmp_path)


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
