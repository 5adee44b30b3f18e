"""The bus of a World: numbered lanes, pipes that never reorder, journals to catch up from.

It keeps the promises of the real one (an event of a main lane is heard once, in its speaker's
order, or read from the speaker's journal; a missed tick is told as a Gap and never caught up) while
frames are lost, doubled, late or stuck, and each pipe for itself, so that speakers overtake each
other. A subscriber of ticks gets only the kinds it asked for, and all of one moment at once.

What arrives at several hearers in one instant, one after the other, is one entry of the World's
queue. What a core says it would not react to (`shared/core.py`, `Choosy`) is counted as heard
and not told; `tests/test_cast_world.py` shows that nothing else is different.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from shared.events import TICKS, Event, Gap
from shared.lab.player import Kinds, Player
from shared.units import Nanos

if TYPE_CHECKING:
    from shared.lab.accidents import Accidents
    from shared.lab.world import World

Tick = tuple[type[Event], int, Event]  # its kind, its number within lane and kind, and itself
Listener = tuple[Player, int, bool]  # to which of a lane's kinds, and whether they are his own


def below(dice: Random, limit: int) -> int:
    """The number that `dice.randrange(limit)` would be, without its questions."""
    bits, wide = dice.getrandbits, limit.bit_length()
    found = bits(wide)
    while found >= limit:
        found = bits(wide)
    return found


NOBODY = ("", 0)


class Frame:
    """Ticks of one moment for hearers of the same kinds."""

    __slots__ = ("_places", "ends", "starts", "ticks", "whole")

    def __init__(self, ticks: list[Tick]) -> None:
        self.ticks = ticks
        self._places: dict[str, list[int]] = {}
        self.starts: dict[type[Event], int] = {}  # of each kind, the number before its first
        self.ends: dict[type[Event], int] = {}  # and that of its last
        self.whole = True  # whether nothing is missing between
        starts, ends = self.starts, self.ends
        for kind, number, _ in ticks:
            if kind not in starts:
                starts[kind] = number - 1
            elif number != ends[kind] + 1:
                self.whole = False
            ends[kind] = number

    def places(self) -> dict[str, list[int]]:
        """Where a contract's ticks stand."""
        if not self._places:
            for place, (_, _, tick) in enumerate(self.ticks):
                contract: str = getattr(tick, "contract", "")
                self._places.setdefault(contract, []).append(place)
        return self._places

    def follows(self, heard: dict[type[Event], int]) -> bool:
        """Whether nothing is missing after what was heard of each kind."""
        for kind, start in self.starts.items():
            if heard.get(kind, start) != start:
                return False
        return self.whole


class Bus:
    """Lanes of all players of `world`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rough_ns: Nanos = 0  # from then on nobody joins and nothing is in any pipe
        # main lane -> all said there, index = seq - 1
        self.logs: dict[str, list[Event]] = defaultdict(list)
        self.ticks: dict[str, int] = {}  # tick lane -> how many were relayed
        self.numbers: dict[str, dict[type[Event], int]] = {}  # tick lane -> how many of each kind
        self.hearers: dict[str, list[Player]] = {}
        for player in world.players.values():
            for lane in player.takes:
                self.hearers.setdefault(lane, []).append(player)
        self.whole: dict[str, Sequence[Kinds]] = {
            lane: tuple(dict.fromkeys(player.takes[lane] for player in hearers))
            for lane, hearers in self.hearers.items()
        }  # what is heard of a lane together
        self.listeners: dict[str, Sequence[Listener]] = {
            lane: tuple(
                (player, self.whole[lane].index(player.takes[lane]), lane.startswith(player.name))
                for player in hearers
            )
            for lane, hearers in self.hearers.items()
        }

    def join(self, player: Player) -> None:
        """A new life connects to every speaker, each connection in its own time."""
        most_ns = self.world.accidents.slow_join_ns_max
        if not most_ns:
            player.joined_ns.clear()
            return
        for lane in player.takes:
            wait_ns = self.world.dice.randint(0, most_ns)
            player.joined_ns[lane] = self.world.now_ns + wait_ns
        self.rough_ns = max(self.rough_ns, self.world.now_ns + most_ns)

    def clog(self) -> None:
        """A random half of the pipes stands still; each goes on when its own time has come."""
        world = self.world
        for lane, hearers in self.hearers.items():
            for player in hearers:
                if not lane.startswith(player.name) and world.dice.random() < 0.5:
                    until_ns = world.now_ns + world.dice.randint(1, world.accidents.clog_ns_max)
                    player.pipes[lane] = max(player.pipes.get(lane, 0), until_ns)
                    self.rough_ns = max(self.rough_ns, until_ns)

    # -- main lanes --------------------------------------------------------------------------------

    def say(self, lane: str, event: Event) -> int:
        """Put an event on record; its number."""
        log = self.logs[lane]
        log.append(event)
        return len(log)

    def post(self, lane: str, seq: int, event: Event) -> None:
        """Send it to whoever hears the lane."""
        hearers = self.hearers.get(lane)
        if not hearers:
            return
        world, now_ns = self.world, self.world.now_ns
        accidents = world.accidents
        sure = not (accidents.bus_loss or accidents.bus_duplicate)
        most_ns, hop_ns = accidents.bus_delay_ns_max, accidents.bus_hop_ns
        if self._smooth(now_ns, most_ns) and sure:
            world.after(hop_ns, partial(self._hear_all, lane, seq, event, hearers))
            return
        together: list[Player] = []
        then_ns = now_ns
        for player in hearers:
            times = 1 if sure else self._copies(accidents)
            if times and now_ns >= player.joined_ns.get(lane, 0):
                at_ns = now_ns + hop_ns
                if most_ns or player.pipes:
                    at_ns = max(at_ns, self._arrives(lane, player, most_ns))
                if at_ns != then_ns and together:
                    deed = partial(self._hear_all, lane, seq, event, together)
                    world.after(then_ns - now_ns, deed)
                    together = []
                then_ns = at_ns
                together.append(player)
                if times > 1:
                    together.append(player)
        if together:
            world.after(then_ns - now_ns, partial(self._hear_all, lane, seq, event, together))

    def _hear_all(self, lane: str, seq: int, event: Event, players: list[Player]) -> None:
        now_ns = self.world.now_ns
        for player in players:
            if player.up and player.thaw_ns <= now_ns and player.heard.get(lane, 0) == seq - 1:
                self._take(player, lane, seq, event)  # as nearly always
            else:
                self._hear(lane, seq, event, player)

    def _smooth(self, now_ns: Nanos, most_ns: Nanos) -> bool:
        """Whether every pipe brings at once what is sent now. Asked of all that is sent, because it
        notes until when something may be in one.
        """
        if most_ns:
            self.rough_ns = max(self.rough_ns, now_ns + most_ns)
            return False
        return now_ns >= self.rough_ns

    def _copies(self, accidents: Accidents) -> int:
        dice = self.world.dice
        if accidents.bus_loss and dice.random() < accidents.bus_loss:
            return 0
        return 2 if accidents.bus_duplicate and dice.random() < accidents.bus_duplicate else 1

    def _arrives(self, lane: str, player: Player, most_ns: Nanos) -> Nanos:
        """When what is sent now comes out of a pipe that keeps the order, `most_ns` late at most
        for itself.
        """
        at_ns, pipes = self.world.now_ns, player.pipes
        free_ns = pipes.get(lane, 0)
        if most_ns:
            at_ns += below(self.world.dice, most_ns + 1)
            pipes[lane] = free_ns if free_ns > at_ns else at_ns
        elif 0 < free_ns <= at_ns:
            del pipes[lane]  # nothing is in it any more
        return free_ns if free_ns > at_ns else at_ns

    def _hear(self, lane: str, seq: int, event: Event, player: Player) -> None:
        last = player.heard.get(lane, 0)
        if not player.up or seq <= last:
            return
        if player.thaw_ns > self.world.now_ns:
            self.world.waits(player, partial(self._hear, lane, seq, event, player))
        elif seq == last + 1:
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
        if type(event) not in player.takes[lane]:
            return
        heeds = player.heeding
        if heeds and not heeds(self.world.clock(player), event) and self.undisturbed(player, 1):
            self._pass(player, 1)
        else:
            self.world.step(player, event)

    # -- ticks -------------------------------------------------------------------------------------

    def relay(self, lane: str, ticks: tuple[Event, ...], *, live: bool) -> None:
        """Number what came from the venue at one moment; send it to whoever hears its kinds."""
        numbers = self.numbers.setdefault(lane, dict.fromkeys(TICKS, 0))
        numbered: list[Tick] = []
        for tick in ticks:
            kind = type(tick)
            assert kind in numbers, f"{lane} relays no {kind.__name__}"
            number = numbers[kind] = numbers[kind] + 1
            numbered.append((kind, number, tick))
        if not live or lane not in self.listeners:
            return
        world, now_ns = self.world, self.world.now_ns
        accidents, then_ns = world.accidents, now_ns
        loss, most_ns = accidents.bus_loss, accidents.bus_delay_ns_max
        hop_ns = accidents.bus_hop_ns
        frames = [
            Frame([tick for tick in numbered if tick[0] in kinds])
            if len(kinds) < len(TICKS)
            else Frame(numbered)
            for kinds in self.whole[lane]
        ]
        if self._smooth(now_ns, most_ns) and not loss:
            whole = [(frames[which], player) for player, which, _ in self.listeners[lane]]
            world.after(hop_ns, partial(self._hear_frames, lane, whole))
            return
        together: list[tuple[Frame, Player]] = []
        for player, which, own in self.listeners[lane]:
            frame = frames[which]
            if not own:  # one's own ticks do not travel
                if loss:
                    roll = world.dice.random
                    kept = [tick for tick in frame.ticks if roll() >= loss]
                    frame = frame if len(kept) == len(frame.ticks) else Frame(kept)
                if now_ns < player.joined_ns.get(lane, 0):
                    continue
            if frame.ticks:
                at_ns = now_ns + hop_ns
                if most_ns or player.pipes:
                    at_ns = max(at_ns, self._arrives(lane, player, most_ns))
                if at_ns != then_ns and together:
                    world.after(then_ns - now_ns, partial(self._hear_frames, lane, together))
                    together = []
                then_ns = at_ns
                together.append((frame, player))
        if together:
            world.after(then_ns - now_ns, partial(self._hear_frames, lane, together))

    def _hear_frames(self, lane: str, frames: Sequence[tuple[Frame, Player]]) -> None:
        for frame, player in frames:
            if not (player.up and frame.ticks):
                continue
            heard = player.ticks[lane]
            if frame.follows(heard) and self.undisturbed(player, len(frame.ticks)):
                self._hear_whole(lane, frame, player)
            else:
                self._hear_ticks(lane, frame.ticks, player)

    def _hear_whole(self, lane: str, frame: Frame, player: Player) -> None:
        """A frame during which nothing happens to the process unless by what it says; where its
        core minds one contract only, that is all it is told, for as long as it says so.
        """
        world, minds, ticks = self.world, player.minding, frame.ticks
        clock_ns = world.clock(player)
        contract = minds(clock_ns) if minds else None
        done, every = 0, range(len(ticks))  # steps that are counted
        player.before = NOBODY
        for place in every if contract is None else frame.places().get(contract, ()):
            if place and minds and minds(clock_ns) != contract:
                self._pass(player, place - done)
                done = place
                break
            said = player.react(clock_ns, ticks[place][2])
            if said:
                self._pass(player, place + 1 - done)
                done = place + 1
                world.act(player, ticks[place][2], said)
                if not player.up or player.thaw_ns > world.now_ns:
                    break
                player.before = NOBODY
        else:
            self._pass(player, len(ticks) - done)
            player.ticks[lane].update(frame.ends)
            return
        for kind, number, _ in ticks[:done]:
            player.ticks[lane][kind] = number
        self._hear_ticks(lane, ticks[done:], player)

    def undisturbed(self, player: Player, ticks: int) -> bool:
        """Whether nothing happens to the process in so many steps, unless by what it does."""
        now_ns, then = self.world.now_ns, self.world.steps + ticks
        return (
            then < self.world.kill_step
            and then < self.world.freeze_step
            and player.inputs + ticks < player.every
            and player.full_ns <= now_ns
            and player.thaw_ns <= now_ns
        )

    def _pass(self, player: Player, ticks: int) -> None:
        """So many steps are over, undisturbed: these, or such as would change nothing."""
        self.world.steps += ticks
        if not player.spoiled:
            player.inputs += ticks

    def _hear_ticks(self, lane: str, ticks: list[Tick], player: Player) -> None:
        world, heard = self.world, player.ticks[lane]
        for index, (kind, number, tick) in enumerate(ticks):
            if not player.up:
                return
            if player.thaw_ns > world.now_ns:
                world.waits(player, partial(self._hear_ticks, lane, ticks[index:], player))
                return
            last = heard.get(kind, 0)
            if number <= last:
                continue
            heard[kind] = number
            if number > last + 1 and last:
                world.tell(player, Gap(contract="", start_ns=0, end_ns=world.now_ns))
                if not player.up:
                    return
            player.before = NOBODY
            world.step(player, tick)
