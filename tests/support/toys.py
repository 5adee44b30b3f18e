"""Tiny actors that run as real processes: a feed, a middle and a last one, each a few lines.

The feed's port pokes its core with 1, 2, 3, ... and resumes where the core's memory says. The
middle answers every bar with an intent, the last one every intent with a veto and a word to its
port. Whatever is killed when, in the end each must have said the same as `expected` says.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from shared.core import Word
from shared.events import (
    Bar,
    Event,
    Flatten,
    Gap,
    OrderIntent,
    OrderType,
    OrderVetoed,
    PeerBack,
    PeerSilent,
    Quote,
    Scope,
    SessionPhase,
    Side,
    Started,
    Stopping,
    Trade,
    VetoRule,
)
from shared.runtime.launch import launch
from shared.runtime.ports import Host

CONTRACT = "CON.F.US.MNQ.Z26"


class Poke(Word, frozen=True, kw_only=True):
    n: int


class Ready(Word, frozen=True, kw_only=True):
    """Go on poking after `after`."""

    after: int


class Done(Word, frozen=True, kw_only=True):
    n: int


class Note(Word, frozen=True, kw_only=True):
    """Something a core wants its port to write down."""

    text: str


class Rescue(Word, frozen=True, kw_only=True):
    """A reducing act, done even when the disk is full."""

    reducing: ClassVar[bool] = True
    n: int


class Flicker(Word, frozen=True, kw_only=True):
    """A word nobody needs twice."""

    derived: ClassVar[bool] = True
    n: int


class Memory(Struct):
    count: int = 0
    total: int = 0


class Toy:
    """What all toys share."""

    subscribes: Mapping[str, tuple[type[Event], ...]] = {}
    publishes: ClassVar[tuple[type[Event], ...]] = ()
    words: ClassVar[tuple[type[Word], ...]] = ()
    watches: Mapping[str, float] = {}

    def __init__(self) -> None:
        self.state = Memory()

    def on(self, now_ns: int, event: Event) -> Iterable[Event]:
        return ()

    def recall(self, now_ns: int, said: Event) -> None:
        self.state.total += 1

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(self.state)

    def restore(self, snapshot: bytes) -> None:
        self.state = msgspec.msgpack.decode(snapshot, type=Memory)


def bar(n: int) -> Bar:
    return Bar(contract=CONTRACT, span_s=1, open_ns=n, open=n, high=n, low=n, close=n, volume=n % 7)


def quote(n: int) -> Quote:
    return Quote(contract=CONTRACT, bid=n, ask=n + 1, venue_ns=n, recv_ns=n)


class Feed(Toy):
    publishes = (Bar, SessionPhase, Quote, Trade)
    words = (Poke, Ready)

    def on(self, now_ns: int, event: Event) -> Iterator[Event]:
        if isinstance(event, Started):
            yield Ready(after=self.state.count)
        elif isinstance(event, Poke):
            self.state.count = event.n
            yield bar(event.n)


class Middle(Toy):
    subscribes = {"feed": (Bar, SessionPhase)}
    publishes = (OrderIntent,)

    def on(self, now_ns: int, event: Event) -> Iterator[Event]:
        if isinstance(event, Bar):
            self.state.count += 1
            self.state.total += event.close
            yield intent(self.state.count, self.state.total)


def intent(n: int, total: int) -> OrderIntent:
    return OrderIntent(
        intent_id=f"middle.1.{n}",
        sleeve="middle",
        incarnation=1,
        contract=CONTRACT,
        side=Side.BUY if total % 2 else Side.SELL,
        size=1 + total % 5,
        type=OrderType.MARKET,
        expires_ns=n,
        reason=f"total {total}",
    )


class Last(Toy):
    subscribes = {"middle": (OrderIntent,), "feed": (SessionPhase,)}
    publishes = (OrderVetoed,)
    words = (Done, Note, Flicker)
    watches = {"middle": 2.0, "loner": 2.0}

    def on(self, now_ns: int, event: Event) -> Iterator[Event]:
        if isinstance(event, OrderIntent):
            self.state.count += 1
            self.state.total += event.size
            yield veto(event, self.state.total)
            yield Flicker(n=self.state.count)
            yield Done(n=self.state.count)
        elif isinstance(event, PeerSilent | PeerBack):
            yield Note(text=f"{type(event).__name__} {event.actor}")


def veto(given: OrderIntent, total: int) -> OrderVetoed:
    return OrderVetoed(
        intent_id=given.intent_id,
        sleeve=given.sleeve,
        contract=given.contract,
        rule=VetoRule.SIZE,
        limit=total,
        actual=given.size,
    )


class Ticker(Toy):
    """Hears ticks and says how many, so that every loss shows."""

    subscribes = {"feed": (Quote, Bar)}
    publishes = (OrderVetoed,)
    words = (Note,)

    def on(self, now_ns: int, event: Event) -> Iterator[Event]:
        if isinstance(event, Quote):
            self.state.count += 1
            self.state.total = event.bid
            if self.state.count == 1:
                yield Note(text="hears ticks")
        elif isinstance(event, Gap):
            yield Note(text=f"gap after {self.state.count}")


class Loner(Toy):
    """No bus; half of what it does is reducing."""

    words = (Poke, Ready, Rescue, Done)

    def on(self, now_ns: int, event: Event) -> Iterator[Event]:
        if isinstance(event, Poke):
            self.state.count += 1
            yield Done(n=event.n)
            yield Rescue(n=event.n)
        elif isinstance(event, Stopping):
            yield Done(n=-1)


class Halter(Toy):
    publishes = (Flatten,)
    words = (Poke,)

    def on(self, now_ns: int, event: Event) -> Iterator[Event]:
        if isinstance(event, Poke):
            yield Flatten(halt_no=event.n, scope=Scope.ACCOUNT, cause="test")


# -- ports -----------------------------------------------------------------------------------------


class FeedPort:
    """Pokes up to TOY_POKES, TOY_PAUSE_S apart; relays a quote and a trade with each if asked."""

    def __init__(self) -> None:
        self.pokes = int(os.environ.get("TOY_POKES", "100"))
        self.pause = float(os.environ.get("TOY_PAUSE_S", "0.002"))
        self.ticks = "TOY_TICKS" in os.environ
        self.begin = -1
        self.told = asyncio.Event()

    async def run(self, host: Host) -> None:
        await self.told.wait()
        for n in range(self.begin + 1, self.pokes + 1):
            host.inject(Poke(n=n))
            if self.ticks:
                host.relay(quote(n))
            await asyncio.sleep(self.pause)
        await asyncio.Event().wait()

    def handle(self, word: Word) -> None:
        assert isinstance(word, Ready)
        self.begin = word.after
        self.told.set()

    async def stop(self) -> None:
        """Nothing to say."""


class Diary:
    """Writes down each word it is handed, with a bare append."""

    def __init__(self, name: str) -> None:
        self.path = Path(os.environ["TSQ_VAR"]) / f"{name}.diary"

    async def run(self, host: Host) -> None:
        self.host = host
        await asyncio.Event().wait()

    def handle(self, word: Word) -> None:
        with self.path.open("a") as file:
            file.write(f"{word}\n")

    async def stop(self) -> None:
        with self.path.open("a") as file:
            file.write("stopped\n")


class Board:
    """An observer that counts."""

    subscribes = {"feed": (Bar, Quote), "middle": (OrderIntent,)}
    watches = {"last": 1.0}

    pins = ""

    def __init__(self) -> None:
        self.path = Path(os.environ["TSQ_VAR"]) / "board.diary"
        self.seen = 0

    def observe(self, source: str, epoch: int, seq: int, time_ns: int, event: Event) -> None:
        with self.path.open("a") as file:
            file.write(f"{source} {seq} {type(event).__name__}\n")
        self.seen += 1

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(self.seen)

    def restore(self, content: bytes) -> None:
        self.seen = msgspec.msgpack.decode(content, type=int)


CORES: dict[str, Callable[[], Toy]] = {
    "feed": Feed,
    "middle": Middle,
    "last": Last,
    "ticker": Ticker,
    "loner": Loner,
    "halter": Halter,
}


def build(name: str, _settings: Any = None) -> Toy:
    return CORES[name]()


def port_of(name: str) -> Any:
    if name == "feed":
        return FeedPort()
    return None if name == "middle" else Diary(name)


def expected(pokes: int) -> dict[str, list[Event]]:
    """What each must have said in the end: the chain in one thread, without accidents."""
    middle, last = Middle(), Last()
    said: dict[str, list[Event]] = {"feed": [], "middle": [], "last": []}
    for n in range(1, pokes + 1):
        said["feed"].append(bar(n))
        for wish in middle.on(0, bar(n)):
            said["middle"].append(wish)
            said["last"] += [e for e in last.on(0, wish) if isinstance(e, OrderVetoed)]
    return said


if __name__ == "__main__":
    who = sys.argv.pop(1)
    if who == "board":
        launch("board", lambda _settings: (Board(), None))
    launch(who, lambda _settings: (build(who), port_of(who)))
