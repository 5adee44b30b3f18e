"""The bus of a World: numbered lanes, pipes that never reorder, journals to catch up from.

It keeps the promises of the real one (an event of a main lane is heard once, in its speaker's
order, or read from the speaker's journal; a missed tick is told as a Gap and never caught up) while
frames are lost, doubled, late or stuck, and each pipe for itself, so that speakers overtake each
other. A subscriber of ticks gets only the kinds it asked for, and all of one moment at once.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from shared.events import TICKS, Event, Gap
from shared.lab.player import Player
from shared.units import Nanos

if TYPE_CHECKING:
    from shared.lab.world import World

Tick = tuple[type[Event], int, Event]  # its kind, its number within lane and kind, and itself


class Bus:
    """Lanes of all players of `world`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.logs: dict[str, list[Event]] = {}  # main lane -> all said there, index = seq - 1
        self.ticks: dict[str, int] = {}  # tick lane -> how many were relayed
        self.numbers: dict[tuple[str, type[Event]], int] = {}
        self.pipes: dict[tuple[str, str], Nanos] = {}  # (lane, hearer) -> when it is free again
        self.hearers: dict[str, list[Player]] = {}
        for player in world.players.values():
            for lane in player.takes:
                self.hearers.setdefault(lane, []).append(player)

    def join(self, player: Player) -> None:
        """A new life connects to every speaker, each connection in its own time."""
        most_ns = self.world.accidents.slow_join_ns_max
        if not most_ns:
            player.joined_ns.clear()
            return
        for lane in player.takes:
            wait_ns = self.world.dice.randint(0, most_ns)
            player.joined_ns[lane] = self.world.now_ns + wait_ns

    def clog(self) -> None:
        """A random half of the pipes stands still; each goes on when its own time has come."""
        world = self.world
        for lane, hearers in self.hearers.items():
            for player in hearers:
                if not lane.startswith(player.name) and world.dice.random() < 0.5:
                    until_ns = world.now_ns + world.dice.randint(1, world.accidents.clog_ns_max)
                    pipe = (lane, player.name)
                    self.pipes[pipe] = max(self.pipes.get(pipe, 0), until_ns)

    # -- main lanes --------------------------------------------------------------------------------

    def say(self, lane: str, event: Event) -> int:
        """Put an event on record; its number."""
        log = self.logs.setdefault(lane, [])
        log.append(event)
        return len(log)

    def post(self, lane: str, seq: int, event: Event) -> None:
        """Send it to whoever hears the lane."""
        for player in self.hearers.get(lane, ()):
            times = self._copies()
            if times and self.world.now_ns >= player.joined_ns.get(lane, 0):
                at_ns = self._arrives(lane, player.name)
                for _ in range(times):
                    self.world.after(
                        at_ns - self.world.now_ns, partial(self._hear, lane, seq, event, player)
                    )

    def _copies(self) -> int:
        accidents, dice = self.world.accidents, self.world.dice
        if accidents.bus_loss and dice.random() < accidents.bus_loss:
            return 0
        return 2 if accidents.bus_duplicate and dice.random() < accidents.bus_duplicate else 1

    def _arrives(self, lane: str, hearer: str) -> Nanos:
        """When what is sent now comes out of a pipe that keeps the order."""
        world, most_ns = self.world, self.world.accidents.bus_delay_ns_max
        at_ns = world.now_ns + (world.dice.randint(0, most_ns) if most_ns else 0)
        pipe = (lane, hearer)
        at_ns = self.pipes[pipe] = max(at_ns, self.pipes.get(pipe, 0))
        return at_ns

    def _hear(self, lane: str, seq: int, event: Event, player: Player) -> None:
        last = player.heard.get(lane, 0)
        if not player.up or seq <= last:
            return
        if self.world.waits(player, partial(self._hear, lane, seq, event, player)):
            return
        if seq == last + 1:
            self._take(player, lane, seq, event)
        else:
            self.catch_up(player, lane)

    def catch_up(self, player: Player, lane: str) -> None:
        """Read the speaker's journal to its end; ticks are never caught up."""
        log = self.logs.get(lane, ())
        while player.up and player.thaw_ns <= self.world.now_ns:
            seq = player.heard.get(lane, 0) + 1
            if seq > len(log):
                return
            self._take(player, lane, seq, log[seq - 1])

    def _take(self, player: Player, lane: str, seq: int, event: Event) -> None:
        player.hear(lane, seq)
        if type(event) in player.takes[lane]:
            self.world.step(player, event)

    # -- ticks -------------------------------------------------------------------------------------

    def relay(self, lane: str, ticks: tuple[Event, ...], *, live: bool) -> None:
        """Number what came from the venue at one moment; send it to whoever hears its kinds."""
        numbered: list[Tick] = []
        for tick in ticks:
            kind = type(tick)
            assert kind in TICKS, f"{lane} relays no {kind.__name__}"
            number = self.numbers[lane, kind] = self.numbers.get((lane, kind), 0) + 1
            numbered.append((kind, number, tick))
        accidents, world = self.world.accidents, self.world
        for player in self.hearers.get(lane, ()) if live else ():
            kinds = player.takes[lane]
            wanted = [tick for tick in numbered if tick[0] in kinds]
            if not lane.startswith(player.name):  # one's own ticks do not travel
                if accidents.bus_loss:
                    loss, roll = accidents.bus_loss, world.dice.random
                    wanted = [tick for tick in wanted if roll() >= loss]
                if world.now_ns < player.joined_ns.get(lane, 0):
                    continue
            if wanted:
                at_ns = self._arrives(lane, player.name)
                world.after(at_ns - world.now_ns, partial(self._hear_ticks, lane, wanted, player))

    def _hear_ticks(self, lane: str, ticks: list[Tick], player: Player) -> None:
        world, heard = self.world, player.ticks
        for index, (kind, number, tick) in enumerate(ticks):
            if not player.up:
                return
            if player.thaw_ns > world.now_ns:
                world.waits(player, partial(self._hear_ticks, lane, ticks[index:], player))
                return
            last = heard.get((lane, kind), 0)
            if number <= last:
                continue
            heard[lane, kind] = number
            if number > last + 1 and last:
                world.tell(player, Gap(contract="", start_ns=0, end_ns=world.now_ns))
                if not player.up:
                    return
            player.before = ("", 0)
            world.step(player, tick)
