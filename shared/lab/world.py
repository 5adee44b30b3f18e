"""The whole cast in one thread, on a virtual clock, from one seed.

The World is the third host of a core, beside the process runtime and replay. It keeps the
promises of the bus and the journal (an event is heard once, in its speaker's order, or caught up;
what was heard is remembered before it is acted on) while it breaks everything those promises do
not cover: frames are lost, doubled, late and stuck, actors die at any step and come back, freeze
and go on, disks are slow or full, the computer sleeps, answers vanish: all of it from one seed.

What stands outside the actors - here the venue - is a `Stage`: it carries out the private words
that a process would hand to its port, and brings back errands. The World knows no actor by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from heapq import heappop, heappush
from random import Random
from typing import Protocol

from msgspec import Struct

from shared.core import Core, Word
from shared.events import TICKS, Event, Pulse, Started
from shared.lab.accidents import Accidents
from shared.lab.bus import Bus
from shared.lab.computer import Computer
from shared.lab.digest import Digest
from shared.lab.player import SILENT, Diverged, Player
from shared.units import SECOND, Nanos

PULSE_NS = SECOND // 4
FROZEN_ELSEWHERE_NS_MAX = 4 * SECOND  # shorter than anybody's patience with an answer
NEVER = 1 << 62
__all__ = ["Diverged", "Errand", "Stage", "World"]


class Errand(Struct, frozen=True):
    """Something that reaches `actor` after `delay_ns`: a word for its core, or ticks to relay.

    `life` is the receiver's epoch it was meant for; a later life never hears it (0: any life).
    With `every_ns` it comes again and again for as long as that life lasts.
    """

    actor: str
    word: Event | tuple[Event, ...]
    delay_ns: Nanos = 0
    life: int = 0
    every_ns: Nanos = 0


class Stage(Protocol):
    """The outside of a World."""

    def attend(self, world: World) -> None:
        """The World is about to begin; `world.send` and `world.after` are how to act on it."""

    def started(self, actor: str, epoch: int, now_ns: Nanos) -> None:
        """`actor`'s process came up: its port would now connect."""

    def carry(self, actor: str, words: Sequence[Word], now_ns: Nanos) -> None:
        """Do what a core told its port in one step."""

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """Actors that are not on our computer and do not sleep when it does."""


class World:
    """Host of `cores` (name -> how to build it) before a `stage`, from `seed`.

    `said` is called with every event of a main lane as (lane, seq, now_ns, event): checkers and
    reports hang there. `decisions` counts these and the market events relayed, `ticks` the latter,
    `steps` what actors were told; `fingerprint()` is equal for equal runs. `overhear` may be set to
    be called with every word that goes on record for a port, carried out or not.
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
        self.dice = Random(seed)
        self.disk_dice = Random(seed ^ 0xF111)
        self.decisions = self.steps = self.ticks = self.kills = self.freezes = 0
        self.accidents = accidents or Accidents()
        self.listener = said
        self.queue: list[tuple[Nanos, int, Callable[[], None]]] = []
        self.order = 0
        self.digest = Digest()
        self.bus, self.computer = Bus(self), Computer(self)
        stage.attend(self)
        for name, player in self.players.items():
            self._start(player)
            self.after(PULSE_NS, partial(self._pulse, name))
        self.computer.begin()

    @property
    def accidents(self) -> Accidents:
        return self._accidents

    @accidents.setter
    def accidents(self, accidents: Accidents) -> None:
        """Other weather from now on."""
        self._accidents = accidents
        self.kill_step = self._step_of_next(accidents.kill)
        self.freeze_step = self._step_of_next(accidents.freeze)

    def run(self, until_ns: Nanos) -> None:
        """Let everything happen up to and including `until_ns`."""
        queue = self.queue
        while queue and queue[0][0] <= until_ns:
            self.now_ns, _, deed = heappop(queue)
            deed()
        self.now_ns = until_ns

    def fingerprint(self) -> str:
        """A hash over every public event in the order said."""
        return self.digest.hexdigest()

    def inject(self, actor: str, word: Event) -> None:
        """Tell `actor` a word, as its port would."""
        self._deliver(Errand(actor, word))

    def after(self, delay_ns: Nanos, deed: Callable[[], None]) -> None:
        self.order += 1
        heappush(self.queue, (self.now_ns + delay_ns, self.order, deed))

    def waits(self, player: Player, deed: Callable[[], None]) -> bool:
        """Whether `player` is frozen; then `deed` is done when it goes on."""
        if not player.up or player.thaw_ns <= self.now_ns:
            return False
        self.after(player.thaw_ns - self.now_ns, deed)
        return True

    # -- dice --------------------------------------------------------------------------------------

    def happens(self, rate: float) -> bool:
        return bool(rate) and self.dice.random() < rate

    def _step_of_next(self, rate: float) -> int:
        """At which step something of this rate happens next: one throw instead of many."""
        return self.steps + self.dice.randint(1, int(2 / rate)) if rate else NEVER

    # -- processes ---------------------------------------------------------------------------------

    def kill(self, actor: str, down_ns: Nanos) -> None:
        """End `actor`'s process now; it comes back after `down_ns`."""
        player = self.players[actor]
        if player.up:
            player.up = False
            self.kills += 1
            self.after(down_ns, partial(self._start, player))

    def hold(self, actor: str) -> bool:
        """Kill `actor` and keep its lock: it may not start. Returns whether it was alive."""
        player = self.players[actor]
        alive, player.held = player.up, True
        self.kill(actor, PULSE_NS)
        return alive

    def release(self, actor: str) -> None:
        self.players[actor].held = False

    def _start(self, player: Player) -> None:
        full = player.full_ns > self.now_ns
        if player.held or (full and not player.forgets):  # it tries, and ends again
            self.after(PULSE_NS, partial(self._start, player))
            return
        changed, fresh = False, player.epoch == 0
        unsaid: tuple[Event, ...] = ()
        if not fresh:
            here = player.name not in self.stage.elsewhere
            changed = (here and self.happens(self.accidents.changed)) or player.untold
            changed = changed and not full  # met by the first life that can record it
            unsaid = player.recover(changed=changed)
        if full:
            player.begin_unrecorded(unsaid)
        player.up, player.epoch, player.thaw_ns, player.untold = True, player.epoch + 1, 0, False
        player.back_ns = 0 if fresh else self.now_ns
        player.beat_ns = dict.fromkeys(player.core.watches, self.now_ns)
        player.lives = dict.fromkeys(player.core.watches, 0)
        self.bus.join(player)
        self.stage.started(player.name, player.epoch, self.now_ns)
        self._speak(player, unsaid)
        self.tell(player, Started(epoch=player.epoch, fresh=fresh, changed=changed))
        for lane in player.takes:
            self.bus.catch_up(player, lane)
        if not fresh and self.happens(self.accidents.storm):
            self.kill(player.name, self.dice.randint(1, self.accidents.down_ns_max))

    def _pulse(self, name: str) -> None:
        self.after(PULSE_NS, partial(self._pulse, name))
        player = self.players[name]
        if not player.up or player.thaw_ns > self.now_ns:
            return
        self.tell(player, Pulse(real_ns=self.now_ns - self.start_ns + SECOND))
        for speaker in player.takes:
            if player.heard.get(speaker, 0) < len(self.bus.logs.get(speaker, ())):
                self.bus.catch_up(player, speaker)
        for peer, limit_s in player.core.watches.items():
            other = self.players.get(peer)
            if other is not None:
                seen = other.epoch if other.up and other.thaw_ns <= self.now_ns else SILENT
                if sign := player.watch(peer, seen, self.now_ns, limit_s):
                    self.tell(player, sign)
        self._end_without_disk(player)

    def _end_without_disk(self, player: Player) -> None:
        """Who lives without a record ends as soon as it can have one, or nothing depends on it. Who
        forgets needs none, and first finishes what it is at.
        """
        if not (player.up and player.spoiled):
            return
        may_stop: Callable[[], bool] | None = getattr(player.core, "may_stop", None)
        free = may_stop is None or may_stop()
        if player.full_ns <= self.now_ns:
            if free or not player.forgets:
                player.record_again()
                self.kill(player.name, PULSE_NS)
        elif free and not player.forgets:
            self.kill(player.name, PULSE_NS)

    # -- a step ------------------------------------------------------------------------------------

    def tell(self, player: Player, event: Event) -> None:
        """A step whose cause is no event of a main lane."""
        player.before = ("", 0)
        self.step(player, event)

    def clock(self, player: Player) -> Nanos:
        """What an actor takes the time to be."""
        return self.computer.clock(player) if self.computer.wrong else self.now_ns

    def step(self, player: Player, event: Event) -> None:
        """One step of an actor, which may be its last."""
        if not player.up:
            return
        if player.full_ns > self.now_ns and not player.spoiled and not self._can_write(player):
            return
        self.steps += 1
        said = player.tell(self.clock(player), event)
        if self.steps >= self.kill_step:
            self.kill_step = self._step_of_next(self.accidents.kill)
            self._die(player, event, said)
        elif self.steps >= self.freeze_step:
            self.freeze_step = self._step_of_next(self.accidents.freeze)
            self._freeze(player, said)
        elif said:
            self.act(player, event, said)

    def _can_write(self, player: Player) -> bool:
        """What was heard cannot be recorded: whoever has nothing to reduce ends, unheard."""
        if player.only_reduces:
            player.spoil()
            return True
        player.unhear()
        self.kill(player.name, PULSE_NS)
        return False

    def act(self, player: Player, event: Event, said: tuple[Event, ...]) -> None:
        """Let be done and heard what was said of `event`, unless an accident is in the way."""
        accidents = self.accidents
        acts_ns = 0
        if (accidents.kill_acting or accidents.slow_disk) and self._acts(player, said):
            if self.happens(accidents.kill_acting):  # the moment a death is worst
                self._die(player, event, said)
                return
            if self.happens(accidents.slow_disk):
                acts_ns = self.dice.randint(1, accidents.slow_disk_ns_max)
                player.thaw_ns = player.back_ns = self.now_ns + acts_ns
        self._speak(player, said, acts_ns=acts_ns)

    def _acts(self, player: Player, said: tuple[Event, ...]) -> bool:
        """Whether something is about to be done by a port of ours."""
        here = player.name not in self.stage.elsewhere
        return here and any(isinstance(word, Word) for word in said)

    def _freeze(self, player: Player, said: tuple[Event, ...]) -> None:
        self.freezes += 1
        longest_ns = self.accidents.freeze_ns_max
        if player.name in self.stage.elsewhere:
            longest_ns = min(longest_ns, FROZEN_ELSEWHERE_NS_MAX)
        frozen_ns = self.dice.randint(1, longest_ns)
        player.thaw_ns = player.back_ns = self.now_ns + frozen_ns
        self._speak(player, said, acts_ns=frozen_ns * self.dice.randint(0, 1))

    def _die(self, player: Player, event: Event, said: tuple[Event, ...]) -> None:
        """The end of a process: after all was done, or recorded and nobody told, or not even
        recorded, or not even heard. Journals elsewhere are not ours to tear.
        """
        if player.name in self.stage.elsewhere:
            self._speak(player, said, heard=self.dice.random() < 0.5)
        elif self.happens(self.accidents.torn) and player.tear(event):
            pass  # nothing of it ever was
        elif not (self.happens(self.accidents.unsaid) and player.lose_record(said)):
            self._speak(player, said, heard=self.dice.random() < 0.5)
        self.kill(player.name, self.dice.randint(1, self.accidents.down_ns_max))

    def _speak(
        self, player: Player, said: tuple[Event, ...], *, heard: bool = True, acts_ns: Nanos = 0
    ) -> None:
        """What was said goes on record; unless it is not `heard`, others hear it and the port acts,
        perhaps later. Without a record only what reduces is done.
        """
        words: list[Word] = []
        for word in said:
            if not isinstance(word, Word):
                if player.spoiled:
                    player.lost.append(word)
                else:
                    self._say(player, word, live=heard and not acts_ns)
            elif not player.spoiled or getattr(type(word), "reducing", False):
                if self.overhear:
                    self.overhear(player.name, self.now_ns, word)
                words.append(word)
        if words and heard and acts_ns:
            self.after(acts_ns, partial(self._carry, player, player.epoch, words))
        elif words and heard:
            self._carry(player, player.epoch, words)

    def _carry(self, player: Player, epoch: int, words: list[Word]) -> None:
        if player.epoch == epoch and player.up:
            self.stage.carry(player.name, words, self.now_ns)

    def _say(self, player: Player, event: Event, *, live: bool) -> None:
        lane = player.name
        assert type(event) in player.publishes, f"{lane} may not say {event}"
        if isinstance(event, TICKS):
            self._relay(player, (event,), live=live)
            return
        seq = self.bus.say(lane, event)
        self.decisions += 1
        self.digest.note((lane, seq, event))
        if self.listener:
            self.listener(lane, seq, self.now_ns, event)
        if live:
            self.bus.post(lane, seq, event)

    # -- outside -----------------------------------------------------------------------------------

    def send(self, errand: Errand) -> None:
        """Bring something to an actor from outside."""
        self.after(errand.delay_ns, partial(self._deliver, errand))

    def _deliver(self, errand: Errand) -> None:
        player = self.players[errand.actor]
        if not player.up or (errand.life and errand.life != player.epoch):
            return
        if player.thaw_ns > self.now_ns and self.waits(player, partial(self._deliver, errand)):
            return
        if errand.every_ns:
            self.after(errand.every_ns, partial(self._deliver, errand))
        if isinstance(errand.word, tuple):
            self._relay(player, errand.word)
        else:
            self.tell(player, errand.word)

    def _relay(self, player: Player, ticks: tuple[Event, ...], *, live: bool = True) -> None:
        lane = f"{player.name}.ticks"
        before = self.bus.ticks.get(lane, 0)
        self.bus.ticks[lane] = before + len(ticks)
        self.digest.note((lane, before, ticks))
        self.decisions += len(ticks)
        self.ticks += len(ticks)
        self.bus.relay(lane, ticks, live=live)
