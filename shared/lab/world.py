"""The whole cast in one thread, on a virtual clock, from one seed.

The World is the third host of a core, beside the process runtime and replay. It keeps the
promises of the bus and the journal (an event is heard once, in its speaker's order, or caught up;
what was heard is remembered before it is acted on) while it breaks everything those promises do
not cover: frames are lost, doubled and late, actors die at any step and come back, freeze and go
on, the computer sleeps, answers of the venue vanish. Everything random comes from one generator, so
a failing seed is a test.

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
    ClockJump,
    Event,
    Gap,
    PeerBack,
    PeerSilent,
    Pulse,
    Started,
)
from shared.lab.accidents import Accidents
from shared.lab.player import Diverged, Player
from shared.units import SECOND, Nanos

PULSE_NS = SECOND // 4
FROZEN_ELSEWHERE_NS_MAX = 4 * SECOND  # shorter than anybody's patience with an answer
encode = msgspec.msgpack.Encoder().encode
__all__ = ["Diverged", "Errand", "Stage", "World"]


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

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """Actors that are not on our computer and do not sleep when it does."""


class World:
    """Host of `cores` (name -> how to build it) before a `stage`, from `seed`.

    `said` is called with every public event as (lane, seq, now_ns, event): checkers and reports
    hang there. `decisions` counts them, `steps` what actors were told; `fingerprint()` is equal for
    equal runs. `overhear` may be set to be called with every word that goes on record for a port,
    carried out or not.
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
        self.overhear: Callable[[str, Nanos, Word], None] | None = None
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
        self.steps = 0
        self.kills = 0
        self.digest = hashlib.blake2s()
        for name in self.players:
            self._start(name)
            self._after(PULSE_NS, partial(self._pulse, name))
        self._after(SECOND, self._night)

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
        player, changed = self.players[name], False
        unsaid: tuple[Event, ...] = ()
        fresh = player.epoch == 0
        if not fresh:
            changed = self._happens(self.accidents.changed)
            unsaid = player.recover(changed=changed)
        player.up, player.epoch, player.thaw_ns = True, player.epoch + 1, 0
        player.back_ns = 0 if fresh else self.now_ns
        player.beat_ns = dict.fromkeys(player.core.watches, self.now_ns)
        self._speak(name, player.epoch, unsaid)
        self._tell(name, Started(epoch=player.epoch, fresh=fresh, changed=changed))
        for errand in self.stage.started(name, player.epoch, self.now_ns):
            self._errand(errand)
        if not fresh and self._happens(self.accidents.storm):
            self.kill(name, self.dice.randint(1, self.accidents.down_ns_max))

    def _night(self) -> None:
        """Once a second the computer may fall asleep; whoever wakes learns it first."""
        self._after(SECOND, self._night)
        if not self._happens(self.accidents.sleep):
            return
        slept_ns = self.dice.randint(2 * SECOND, self.accidents.sleep_ns_max)
        for name, player in self.players.items():
            if player.up and name not in self.stage.elsewhere:
                player.thaw_ns = player.back_ns = max(player.thaw_ns, self.now_ns + slept_ns)
                jump = partial(self._wake, name, player.epoch, ClockJump(slept_ns=slept_ns))
                self._after(slept_ns, jump)

    def _wake(self, name: str, epoch: int, jump: ClockJump) -> None:
        again = partial(self._wake, name, epoch, jump)
        if self.players[name].epoch == epoch and not self._waits(name, again):
            self._tell(name, jump)

    def _waits(self, name: str, deed: Callable[[], None]) -> bool:
        """Whether `name` is frozen; then `deed` is done when it goes on."""
        player = self.players[name]
        if not player.up or player.thaw_ns <= self.now_ns:
            return False
        self._after(player.thaw_ns - self.now_ns, deed)
        return True

    def _happens(self, rate: float) -> bool:
        return bool(rate) and self.dice.random() < rate

    def _pulse(self, name: str) -> None:
        self._after(PULSE_NS, lambda: self._pulse(name))
        player = self.players[name]
        if not player.up or player.thaw_ns > self.now_ns:
            return
        self._tell(name, Pulse(real_ns=self.now_ns - self.start_ns + SECOND))
        for speaker in player.core.subscribes:
            self._catch_up(name, speaker)
        for peer, limit_s in player.core.watches.items():
            other = self.players.get(peer)
            if other is None:
                continue
            if other.up and other.thaw_ns <= self.now_ns:
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
        self.steps += 1
        said = player.tell(self.now_ns, event)
        if self._happens(self.accidents.kill) or self._dies_acting(name, said):
            self._die(name, said)
        elif self._happens(self.accidents.freeze):
            longest_ns = self.accidents.freeze_ns_max
            if name in self.stage.elsewhere:
                longest_ns = min(longest_ns, FROZEN_ELSEWHERE_NS_MAX)
            frozen_ns = self.dice.randint(1, longest_ns)
            player.thaw_ns = player.back_ns = self.now_ns + frozen_ns
            self._speak(name, player.epoch, said, acts_ns=frozen_ns * self.dice.randint(0, 1))
        else:
            self._speak(name, player.epoch, said)

    def _dies_acting(self, name: str, said: tuple[Event, ...]) -> bool:
        """The moment at which a death is worst: what is to be done is decided."""
        if not self.accidents.kill_acting or name in self.stage.elsewhere:
            return False
        acts = any(isinstance(word, Word) for word in said)
        return acts and self._happens(self.accidents.kill_acting)

    def _die(self, name: str, said: tuple[Event, ...]) -> None:
        """The end of a process: after all was done, or recorded and nobody told, or not even
        recorded.
        """
        player = self.players[name]
        if not (self._happens(self.accidents.unsaid) and player.lose_record(said)):
            self._speak(name, player.epoch, said, heard=self.dice.random() < 0.5)
        self.kill(name, self.dice.randint(1, self.accidents.down_ns_max))

    def _speak(
        self,
        name: str,
        epoch: int,
        said: tuple[Event, ...],
        *,
        heard: bool = True,
        acts_ns: Nanos = 0,
    ) -> None:
        """What was said goes on record; unless it is not `heard`, others hear it and the port acts,
        perhaps later.
        """
        for word in said:
            if not isinstance(word, Word):
                self._say(name, word, live=heard and not acts_ns)
                continue
            if self.overhear:
                self.overhear(name, self.now_ns, word)
            if heard and acts_ns:
                self._after(acts_ns, partial(self._carry, name, epoch, word))
            elif heard:
                self._carry(name, epoch, word)

    def _carry(self, name: str, epoch: int, word: Word) -> None:
        if self.players[name].epoch != epoch or not self.players[name].up:
            return
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
        if self._waits(hearer, partial(self._hear, lane, seq, event, hearer)):
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
            if player.thaw_ns > self.now_ns:
                return
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
        if self._waits(errand.actor, partial(self._deliver, errand)):
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
