"""The World keeps the bus's promises, whatever it breaks: shown with toy cores that count.

A teller counts pulses aloud, a keeper writes down what it hears and asks its stage for a stamp per
number. Whatever is lost, doubled, late or killed, the keeper ends with every number once, in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import msgspec
import pytest

from shared.core import Word
from shared.events import (
    ClockJump,
    Event,
    Flatten,
    Gap,
    PeerBack,
    PeerSilent,
    Pulse,
    Quote,
    Scope,
    Started,
)
from shared.lab.accidents import Accidents
from shared.lab.player import SILENT
from shared.lab.world import Diverged, Errand, World
from shared.units import MILLISECOND, SECOND


class Ask(Word, frozen=True, kw_only=True):
    number: int


class Stamp(Word, frozen=True, kw_only=True):
    number: int


class Teller:
    subscribes: ClassVar[dict[str, tuple[type[Event], ...]]] = {}
    publishes = (Flatten, Quote)
    words = ()
    watches: ClassVar[dict[str, float]] = {}

    def __init__(self) -> None:
        self.count = 0

    def on(self, now_ns: int, event: Event) -> Iterable[Event]:
        if not isinstance(event, Pulse):
            return ()
        self.count += 1
        number = self.count
        return (
            Flatten(halt_no=number, scope=Scope.ACCOUNT, cause="toy"),
            Quote(contract="x", bid=number, ask=number + 1, venue_ns=now_ns, recv_ns=now_ns),
        )

    def recall(self, now_ns: int, said: Event) -> None:
        """A toy is never folded."""

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(self.count)

    def restore(self, snapshot: bytes) -> None:
        self.count = msgspec.msgpack.decode(snapshot, type=int)


class Book(msgspec.Struct):
    heard: list[int] = []
    stamped: list[int] = []
    ticks: list[int] = []
    gaps: int = 0
    lives: int = 0


class Keeper:
    subscribes: ClassVar[dict[str, tuple[type[Event], ...]]] = {
        "teller": (Flatten,),
        "teller.ticks": (Quote,),
    }
    publishes = ()
    words = (Ask, Stamp)
    watches: ClassVar[dict[str, float]] = {"teller": 1.0}

    def __init__(self) -> None:
        self.book = Book()

    def on(self, now_ns: int, event: Event) -> Iterable[Event]:
        match event:
            case Flatten(halt_no=number):
                self.book.heard.append(number)
                return (Ask(number=number),)
            case Stamp(number=number):
                self.book.stamped.append(number)
            case Quote(bid=bid):
                self.book.ticks.append(bid)
            case Gap():
                self.book.gaps += 1
            case Started():
                self.book.lives += 1
        return ()

    def recall(self, now_ns: int, said: Event) -> None:
        """A toy is never folded."""

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(self.book)

    def restore(self, snapshot: bytes) -> None:
        self.book = msgspec.msgpack.decode(snapshot, type=Book)


class Stage:
    elsewhere = ()

    def attend(self, world: World) -> None:
        self.world = world

    def started(self, actor: str, epoch: int, now_ns: int) -> None:
        """A toy has nothing to connect to."""

    def carry(self, actor: str, words: Sequence[Word], now_ns: int) -> None:
        life = self.world.players[actor].epoch
        for word in words:
            assert isinstance(word, Ask)
            stamp = Stamp(number=word.number)
            self.world.send(Errand(actor, stamp, 5 * MILLISECOND, life))


CORES: dict[str, Any] = {"teller": Teller, "keeper": Keeper}


def world(seed: int, accidents: Accidents | None = None, cores: Any = CORES) -> World:
    return World(cores, Stage(), SECOND, seed=seed, accidents=accidents)


def test_fair_weather_hears_everything_at_once() -> None:
    it = world(0)
    it.run(61 * SECOND + 10 * MILLISECOND)
    book = it.players["keeper"].core.book  # type: ignore[attr-defined]
    assert book.heard == list(range(1, 241))
    assert book.stamped == book.heard
    assert book.ticks == book.heard
    assert book.gaps == 0


@pytest.mark.parametrize("seed", range(25))
def test_accidents_lose_and_double_nothing_that_matters(seed: int) -> None:
    rough = Accidents(
        bus_loss=0.2, bus_duplicate=0.2, bus_delay_ns_max=700 * MILLISECOND, kill=0.02
    )
    it = world(seed, rough)
    it.run(61 * SECOND)
    it.accidents = Accidents()
    it.run(66 * SECOND)
    book, teller = it.players["keeper"].core.book, it.players["teller"].core  # type: ignore[attr-defined]
    assert book.heard == list(range(1, teller.count + 1))  # type: ignore[attr-defined]
    assert len(set(book.stamped)) == len(book.stamped), "an effect was carried out twice"
    assert book.ticks == sorted(set(book.ticks)), "ticks may be missed, never repeated"
    assert book.gaps > 0, "a missed tick is said"
    assert it.kills > 0


@pytest.mark.parametrize("seed", range(10))
def test_freezing_sleeping_and_dying_unrecorded_lose_nothing_either(seed: int) -> None:
    rough = Accidents(
        bus_loss=0.1,
        kill=0.02,
        unsaid=0.5,
        storm=0.3,
        freeze=0.02,
        freeze_ns_max=5 * SECOND,
        sleep=0.05,
        sleep_ns_max=4 * SECOND,
    )
    it = world(seed, rough)
    it.run(61 * SECOND)
    it.accidents = Accidents()
    it.run(80 * SECOND)
    book, teller = it.players["keeper"].core.book, it.players["teller"].core  # type: ignore[attr-defined]
    assert book.heard == list(range(1, teller.count + 1))  # type: ignore[attr-defined]
    assert len(set(book.stamped)) == len(book.stamped), "an effect was carried out twice"
    assert it.kills > 0


@pytest.mark.parametrize("seed", range(10))
def test_stuck_pipes_late_joiners_torn_records_and_full_disks_lose_nothing_either(
    seed: int,
) -> None:
    rough = Accidents(
        clog=0.5,
        slow_join_ns_max=2 * SECOND,
        kill=0.02,
        torn=0.7,
        slow_disk=0.1,
        full_disk=0.1,
        full_disk_ns_max=4 * SECOND,
    )
    it = world(seed, rough)
    it.run(61 * SECOND)
    it.accidents = Accidents()
    it.run(80 * SECOND)
    book, teller = it.players["keeper"].core.book, it.players["teller"].core  # type: ignore[attr-defined]
    assert book.heard == list(range(1, teller.count + 1))  # type: ignore[attr-defined]
    assert len(set(book.stamped)) == len(book.stamped), "an effect was carried out twice"
    assert book.ticks == sorted(set(book.ticks)), "ticks may be missed, never repeated"
    assert it.kills > 0


def test_whoever_may_only_reduce_lives_on_without_a_record_and_forgets_it() -> None:
    """What is asked on a full disk is done if it reduces; the next life has heard nothing of it."""

    class Plea(Ask, frozen=True, kw_only=True):
        reducing: ClassVar[bool] = True

    class Reducer(Keeper):
        words = (Ask, Plea, Stamp)

        def on(self, now_ns: int, event: Event) -> Iterable[Event]:
            said = super().on(now_ns, event)
            return [word for it in said for word in (it, Plea(number=-it.number))]

        def may_stop(self) -> bool:
            return len(self.book.heard) >= 8

    it = world(0, cores={"teller": Teller, "keeper": Reducer})
    it.run(SECOND + 10)
    keeper = it.players["keeper"]
    heard = list(keeper.core.book.heard)  # type: ignore[attr-defined]
    keeper.full_ns = it.now_ns + 4 * SECOND
    it.run(2 * SECOND - 1)
    stamped = keeper.core.book.stamped  # type: ignore[attr-defined]
    assert keeper.spoiled
    assert set(stamped) >= {-number for number in keeper.core.book.heard[:-1]}  # type: ignore[attr-defined]
    assert not set(stamped) & {number for number in keeper.core.book.heard[len(heard) :]}  # type: ignore[attr-defined]
    it.run(6 * SECOND)
    assert keeper.epoch == 2
    assert not keeper.spoiled
    teller = it.players["teller"].core
    assert keeper.core.book.heard == list(range(1, teller.count + 1))  # type: ignore[attr-defined]


def test_a_disk_that_is_back_is_written_at_once_and_what_nobody_heard_is_said() -> None:
    class Plea(Word, frozen=True, kw_only=True):
        reducing: ClassVar[bool] = True

    class Holder(Keeper):
        words = (Ask, Plea, Stamp)
        publishes = (Flatten,)

        def on(self, now_ns: int, event: Event) -> Iterable[Event]:
            number = len(self.book.heard)
            for _ in super().on(now_ns, event):
                yield Flatten(halt_no=number, scope=Scope.ACCOUNT, cause="toy")

        def may_stop(self) -> bool:
            return False

    told: list[int] = []

    def said(lane: str, seq: int, now_ns: int, event: Event) -> None:
        if lane == "keeper" and isinstance(event, Flatten):
            told.append(event.halt_no)

    it = World({"teller": Teller, "keeper": Holder}, Stage(), SECOND, said=said)
    it.run(SECOND + 10)
    keeper = it.players["keeper"]
    before = list(told)
    keeper.full_ns = it.now_ns + 2 * SECOND
    it.run(2 * SECOND)
    assert keeper.spoiled
    assert told == before, "nobody hears what is not on record"
    it.run(5 * SECOND)
    assert not keeper.spoiled
    assert keeper.epoch == 2
    teller = it.players["teller"].core
    assert told == list(range(teller.count))  # type: ignore[attr-defined]


def test_a_held_lock_keeps_a_process_from_starting() -> None:
    it = world(0)
    it.run(2 * SECOND)
    assert it.hold("keeper")
    it.run(5 * SECOND)
    assert not it.players["keeper"].up
    it.release("keeper")
    it.run(6 * SECOND)
    assert it.players["keeper"].up


def test_a_frozen_actor_hears_later_what_it_missed_and_is_missed_meanwhile() -> None:
    it = world(0)
    it.run(2 * SECOND)
    keeper, teller = it.players["keeper"], it.players["teller"]
    keeper.thaw_ns = 5 * SECOND
    it.run(5 * SECOND - 1)
    before = len(keeper.core.book.heard)  # type: ignore[attr-defined]
    assert before == 4, "nothing is heard while frozen"
    it.run(6 * SECOND)
    assert len(keeper.core.book.heard) == teller.core.count  # type: ignore[attr-defined]
    teller.thaw_ns = 9 * SECOND
    it.run(8 * SECOND)
    assert keeper.lives == {"teller": SILENT}
    it.run(10 * SECOND)
    assert keeper.lives == {"teller": 1}


def test_a_sleep_is_told_to_everybody_at_waking() -> None:
    it = world(1, Accidents(sleep=1.0, sleep_ns_max=2 * SECOND))
    it.run(2 * SECOND)
    it.accidents = Accidents()
    it.run(8 * SECOND)
    jumps = [event for _, event, _ in it.players["keeper"].tape if isinstance(event, ClockJump)]
    assert jumps
    assert jumps[0].slept_ns >= 2 * SECOND


def test_what_died_unrecorded_is_said_in_the_next_life_and_changed_code_takes_records() -> None:
    class Scribe(Keeper):
        def recall(self, now_ns: int, said: Event) -> None:
            assert isinstance(said, Ask)
            self.book.stamped.append(-said.number)

    it = world(0, cores={"teller": Teller, "keeper": Scribe})
    it.run(SECOND + 10)
    keeper = it.players["keeper"]
    event = Flatten(halt_no=77, scope=Scope.ACCOUNT, cause="toy")
    said = keeper.tell(it.now_ns, event)
    assert keeper.lose_record(said)
    assert keeper.recover() == said
    assert keeper.recover() == (), "said once"
    assert keeper.lose_record(said)
    assert keeper.recover(changed=True) == said, "nobody could tell it again"
    assert keeper.core.book.stamped[-1] == -77  # type: ignore[attr-defined]
    keeper.hear("teller", keeper.heard.get("teller", 0) + 1)
    assert keeper.lose_record(keeper.tell(it.now_ns, event))
    before = keeper.heard["teller"]
    assert keeper.recover(changed=True) == ()
    assert keeper.heard["teller"] == before - 1, "it will be heard again"
    keeper.before = ("", 0)
    keeper.tell(it.now_ns, msgspec.structs.replace(event, halt_no=78))
    keeper.recover(changed=True)
    assert keeper.core.book.stamped[-1] == -78  # type: ignore[attr-defined]


def test_equal_seeds_give_equal_worlds_and_others_do_not() -> None:
    prints = []
    for seed in (3, 3, 4):
        it = world(seed, Accidents(bus_loss=0.1, kill=0.02))
        it.run(30 * SECOND)
        prints.append((it.fingerprint(), it.kills))
    assert prints[0] == prints[1]
    assert prints[0] != prints[2]


def test_a_core_that_rolls_dice_is_caught() -> None:
    calls = [0]

    class Moody(Teller):
        def on(self, now_ns: int, event: Event) -> Iterable[Event]:
            calls[0] += 1
            self.count = calls[0]
            return super().on(now_ns, event)

    it = world(0, cores={"teller": Moody, "keeper": Keeper})
    it.run(3 * SECOND)
    it.kill("teller", SECOND)
    with pytest.raises(Diverged, match="teller"):
        it.run(9 * SECOND)


@pytest.mark.parametrize(
    ("down_ns", "heard_of"),
    [
        (SECOND // 2, ["PeerBack 1", "PeerBack 2"]),
        (3 * SECOND, ["PeerBack 1", "PeerSilent", "PeerBack 2"]),
    ],
)
def test_a_dead_teller_is_missed_and_each_life_welcomed(down_ns: int, heard_of: list[str]) -> None:
    """Also a life that came back before anybody missed the one before: it must be counted."""
    heard: list[str] = []

    class Watcher(Keeper):
        def on(self, now_ns: int, event: Event) -> Iterable[Event]:
            if isinstance(event, PeerSilent):
                heard.append("PeerSilent")
            elif isinstance(event, PeerBack):
                heard.append(f"PeerBack {event.epoch}")
            return super().on(now_ns, event)

    it = world(0, cores={"teller": Teller, "keeper": Watcher})
    it.run(3 * SECOND)
    it.kill("teller", down_ns)
    it.run(9 * SECOND)
    assert heard == heard_of
