"""The whole cast in one thread, on a virtual clock, from one seed.

The World is the third host of a core, beside the process runtime and replay. It keeps the
promises of the bus and the journal (an event is heard once, in its speaker's order, or caught up;
what was heard is remembered before it is acted on) while it breaks everything those promises do
not cover: frames are lost, doubled and late, actors die at any step and come back, answers of the
venue vanish. Everything random comes from one generator, so a failing seed is a test.

What stands outside the actors - here the venue - is a `Stage`: it carries out the private words
that a process would hand to its port, and brings back errands. The World knows no actor by name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from heapq import heappop, heappush
from random import Random
from typing import Protocol

import msgspec
from msgspec import Struct

from shared.core import Core, Word
from shared.events import (
    TICKS,
    Event,
    Gap,
    PeerBack,
    PeerSilent,
    Pulse,
    Started,
)
from shared.lab.accidents import Accidents
from shared.units import SECOND, Nanos

PULSE_NS = SECOND // 4
SNAPSHOT_EVERY = 200  # inputs; the tape since then is what recovery re-runs
encode = msgspec.msgpack.Encoder().encode


class Errand(Struct, frozen=True):
    """Something that reaches `actor` after `delay_ns`: a word for its core, or a tick to relay.

    `life` is the receiver's epoch it was meant for; a later life never hears it (0: any life).
    With `every_ns` it comes again and again for as long as that life lasts.
    """

    actor: str
    word: Event
    delay_ns: Nanos = 0
    life: int = 0
    every_ns: Nanos = 0


class Stage(Protocol):
    """The outside of a World."""

    def started(self, actor: str, epoch: int, now_ns: Nanos) -> Iterable[Errand]:
        """`actor`'s process came up: its port would now connect."""

    def carry(self, actor: str, epoch: int, word: Word, now_ns: Nanos) -> Iterable[Errand]:
        """Do what a core told its port."""


class Diverged(AssertionError):
    """A re-run of recorded inputs gave other words: the core is not deterministic."""


class Player:
    """One actor's process: its core, its memory of what it heard, its lanes."""

    def __init__(self, name: str, make: Callable[[], Core]) -> None:
        self.name, self.make = name, make
        self.core = make()
        self.epoch = 0
        self.up = True
        self.back_ns = 0
        self.heard: dict[str, int] = {}  # lane -> last sequence number heard
        self.silent: set[str] = set()
        self.beat_ns: dict[str, int] = {}
        self.base = self.core.snapshot()
        self.tape: list[tuple[Nanos, Event, tuple[Event, ...]]] = []

    def tell(self, now_ns: Nanos, event: Event) -> tuple[Event, ...]:
        """Let the core react and remember both sides."""
        said = tuple(self.core.on(now_ns, event))
        self.tape.append((now_ns, event, said))
        if len(self.tape) >= SNAPSHOT_EVERY:
            self.rest()
        return said

    def rest(self) -> None:
        """Take a snapshot and forget the tape before it."""
        self.base, self.tape = self.core.snapshot(), []

    def recover(self) -> None:
        """Be born again from snapshot and tape, word for word. Raises Diverged."""
        core = self.make()
        core.restore(self.base)
        for now_ns, event, said in self.tape:
            again = tuple(core.on(now_ns, event))
            if again != said:
                raise Diverged(f"{self.name}: after {event} said {again}, recorded {said}")
        assert core.snapshot() == self.core.snapshot(), (
            f"{self.name}: memory differs after a re-run"
        )
        self.core = core


class World:
    """Host of `cores` (name -> how to build it) before a `stage`, from `seed`.

    `said` is called with every public event as (lane, seq, now_ns, event): checkers and reports
    hang there. `decisions` counts them; `fingerprint()` is equal for equal runs.
    """

    def __init__(
        self,
        cores: Mapping[str, Callable[[], Core]],
        stage: Stage,
        start_ns: Nanos,
        *,
        seed: int = 0,
        accidents: Accidents | None = None,
        said: Callable[[str, int, Nanos, Event], None] | None = None,
    ) -> None:
        self.players = {name: Player(name, make) for name, make in cores.items()}
        self.stage, self.now_ns, self.start_ns = stage, start_ns, start_ns
        self.accidents = accidents or Accidents()
        self.dice = Random(seed)
        self.listener = said
        self.logs: dict[str, list[Event]] = {}  # main lane -> all said there, index = seq - 1
        self.ticks: dict[str, int] = {}  # tick lane -> last sequence number; never caught up
        self.queue: list[tuple[Nanos, int, Callable[[], None]]] = []
        self.order = 0
        self.pipe: dict[tuple[str, str], Nanos] = {}  # a ZeroMQ pipe never reorders
        self.decisions = 0
        self.kills = 0
        self.digest = hashlib.blake2s()
        for name in self.players:
            self._start(name)
            self._after(PULSE_NS, partial(self._pulse, name))

    def run(self, until_ns: Nanos) -> None:
        """Let everything happen up to and including `until_ns`."""
        while self.queue and self.queue[0][0] <= until_ns:
            self.now_ns, _, deed = heappop(self.queue)
            deed()
        self.now_ns = until_ns

    def fingerprint(self) -> str:
        """A hash over every public event in the order said."""
        return self.digest.hexdigest()

    def inject(self, actor: str, word: Event) -> None:
        """Tell `actor` a word, as its port would."""
        self._deliver(Errand(actor, word))

    def kill(self, actor: str, down_ns: Nanos) -> None:
        """End `actor`'s process now; it comes back after `down_ns`."""
        player = self.players[actor]
        if player.up:
            player.up = False
            self.kills += 1
            self._after(down_ns, lambda: self._start(actor))

    # -- processes ------------------------------------------------------------------------------

    def _start(self, name: str) -> None:
        player = self.players[name]
        fresh = player.epoch == 0
        if not fresh:
            player.recover()
        player.up, player.epoch = True, player.epoch + 1
        player.beat_ns = dict.fromkeys(player.core.watches, self.now_ns)
        self._tell(name, Started(epoch=player.epoch, fresh=fresh))
        for errand in self.stage.started(name, player.epoch, self.now_ns):
            self._errand(errand)

    def _pulse(self, name: str) -> None:
        self._after(PULSE_NS, lambda: self._pulse(name))
        player = self.players[name]
        if not player.up:
            return
        self._tell(name, Pulse(real_ns=self.now_ns - self.start_ns + SECOND))
        for speaker in player.core.subscribes:
            self._catch_up(name, speaker)
        for peer, limit_s in player.core.watches.items():
            other = self.players.get(peer)
            if other is None:
                continue
            if other.up:
                player.beat_ns[peer] = self.now_ns
                if peer in player.silent:
                    player.silent.discard(peer)
                    self._tell(name, PeerBack(actor=peer, epoch=other.epoch))
            elif (
                peer not in player.silent and self.now_ns - player.beat_ns[peer] > limit_s * SECOND
            ):
                player.silent.add(peer)
                self._tell(name, PeerSilent(actor=peer))

    def _tell(self, name: str, event: Event) -> None:
        """One step of an actor, which may be its last."""
        player = self.players[name]
        if not player.up:
            return
        said = player.tell(self.now_ns, event)
        dies = self.dice.random() < self.accidents.kill if self.accidents.kill else False
        heard_of = not dies or self.dice.random() < 0.5  # recorded, but nobody was told
        for word in said:
            if isinstance(word, Word):
                if heard_of:
                    self._carry(name, word)
            else:
                self._say(name, word, live=heard_of)
        if dies:
            self.kill(name, self.dice.randint(1, self.accidents.down_ns_max))

    def _carry(self, name: str, word: Word) -> None:
        epoch = self.players[name].epoch
        for errand in self.stage.carry(name, epoch, word, self.now_ns):
            self._errand(errand)

    # -- bus ------------------------------------------------------------------------------------

    def _say(self, name: str, event: Event, *, live: bool) -> None:
        assert isinstance(event, self.players[name].core.publishes), f"{name} may not say {event}"
        if isinstance(event, TICKS):
            lane = f"{name}.ticks"
            seq = self.ticks[lane] = self.ticks.get(lane, 0) + 1
        else:
            lane, log = name, self.logs.setdefault(name, [])
            log.append(event)
            seq = len(log)
        self.decisions += 1
        self.digest.update(encode((lane, seq, event)))
        if self.listener:
            self.listener(lane, seq, self.now_ns, event)
        if live:
            for hearer, player in self.players.items():
                if lane in player.core.subscribes:
                    self._post(lane, seq, event, hearer)

    def _post(self, lane: str, seq: int, event: Event, hearer: str) -> None:
        accidents = self.accidents
        mine = lane.startswith(hearer)  # the gateway's own ticks do not travel
        if accidents.bus_loss and not mine and self.dice.random() < accidents.bus_loss:
            return
        delay = 0
        if accidents.bus_delay_ns_max and not mine:
            delay = self.dice.randint(0, accidents.bus_delay_ns_max)
        at_ns = max(self.now_ns + delay, self.pipe.get((lane, hearer), 0))
        self.pipe[lane, hearer] = at_ns
        twice = accidents.bus_duplicate and self.dice.random() < accidents.bus_duplicate
        for _ in range(2 if twice else 1):
            self._after(at_ns - self.now_ns, partial(self._hear, lane, seq, event, hearer))

    def _hear(self, lane: str, seq: int, event: Event, hearer: str) -> None:
        player = self.players[hearer]
        last = player.heard.get(lane, 0)
        if not player.up or seq <= last:
            return
        if lane in self.ticks:
            player.heard[lane] = seq
            if seq > last + 1:
                self._tell(hearer, Gap(contract="", start_ns=0, end_ns=self.now_ns))
            self._take(hearer, lane, event)
        elif seq == last + 1:
            player.heard[lane] = seq
            self._take(hearer, lane, event)
        else:
            self._catch_up(hearer, lane)

    def _catch_up(self, hearer: str, lane: str) -> None:
        """Read the speaker's journal to its end; ticks are never caught up."""
        player, log = self.players[hearer], self.logs.get(lane, [])
        while player.up and player.heard.get(lane, 0) < len(log):
            seq = player.heard[lane] = player.heard.get(lane, 0) + 1
            self._take(hearer, lane, log[seq - 1])

    def _take(self, hearer: str, lane: str, event: Event) -> None:
        if isinstance(event, self.players[hearer].core.subscribes[lane]):
            self._tell(hearer, event)

    # -- outside --------------------------------------------------------------------------------

    def _errand(self, errand: Errand) -> None:
        self._after(errand.delay_ns, partial(self._deliver, errand))

    def _deliver(self, errand: Errand) -> None:
        player = self.players[errand.actor]
        if not player.up or (errand.life and errand.life != player.epoch):
            return
        if errand.every_ns:
            self._after(errand.every_ns, partial(self._deliver, errand))
        if isinstance(errand.word, TICKS):
            self._say(errand.actor, errand.word, live=True)
        else:
            self._tell(errand.actor, errand.word)

    def _after(self, delay_ns: Nanos, deed: Callable[[], None]) -> None:
        self.order += 1
        heappush(self.queue, (self.now_ns + delay_ns, self.order, deed))
