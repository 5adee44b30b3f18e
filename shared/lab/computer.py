"""What happens to the computer as a whole: it sleeps, its clock is set, its disk is full, its pipes
stand still. The venue is elsewhere and goes on.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from shared.events import ClockJump
from shared.lab.player import Player
from shared.units import SECOND, Nanos

if TYPE_CHECKING:
    from shared.lab.world import World


class Computer:
    """All actors but those elsewhere. `wrong`: its clock was set wrong once, see `clock`.

    When its disk is filled is thrown with dice for that alone: a World in which it does not happen
    is the one that it was before it could.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.wrong = False
        self.ahead_ns: Nanos = 0  # of the venue's clock
        self.filled_ns: Nanos = 0  # nobody finds a byte on the disk until then

    def begin(self) -> None:
        self.world.after(SECOND, self._second)

    def clock(self, player: Player) -> Nanos:
        """What an actor's clock says. Whatever it is set to, no process lets it go back."""
        world = self.world
        if player.name in world.stage.elsewhere:
            return world.now_ns
        player.clock_ns = max(player.clock_ns, world.now_ns + self.ahead_ns)
        return player.clock_ns

    def _second(self) -> None:
        """Once a second: does something happen?"""
        self.begin()
        world, dice, accidents = self.world, self.world.dice, self.world.accidents
        if world.happens(accidents.sleep):
            self._sleep(dice.randint(2 * SECOND, accidents.sleep_ns_max))
        if world.happens(accidents.clock_set):
            most_ns = accidents.clock_set_ns_max
            self._set_clock(0 if self.ahead_ns else dice.randint(-most_ns, most_ns))
        elif self.ahead_ns and not accidents.clock_set:
            self._set_clock(0)
        if world.happens(accidents.clog):
            world.bus.clog()
        if world.happens(accidents.full_disk):
            until_ns = world.now_ns + dice.randint(1, accidents.full_disk_ns_max)
            for name, player in world.players.items():
                if name not in world.stage.elsewhere and dice.random() < 0.5:
                    player.full_ns = max(until_ns, self.filled_ns)
        if accidents.filled and world.disk_dice.random() < accidents.filled:
            self.fill(world.disk_dice.randint(1, accidents.filled_ns_max))

    def fill(self, full_ns: Nanos) -> None:
        """The disk is full to the last byte: nobody records anything for so long."""
        world = self.world
        self.filled_ns = max(self.filled_ns, world.now_ns + full_ns)
        for name, player in world.players.items():
            if name not in world.stage.elsewhere:
                player.full_ns = max(player.full_ns, self.filled_ns)

    def _sleep(self, slept_ns: Nanos) -> None:
        """The computer sleeps; whoever wakes learns it first."""
        world = self.world
        for player in self._awake():
            player.thaw_ns = player.back_ns = max(player.thaw_ns, world.now_ns + slept_ns)
            jump = ClockJump(slept_ns=slept_ns)
            world.after(slept_ns, partial(self._notice, player, player.epoch, jump))

    def _set_clock(self, ahead_ns: Nanos) -> None:
        """Somebody sets the clock; everybody notices."""
        jump = ClockJump(slept_ns=ahead_ns - self.ahead_ns)
        self.wrong, self.ahead_ns = True, ahead_ns
        for player in self._awake():
            self._notice(player, player.epoch, jump)

    def _awake(self) -> list[Player]:
        world = self.world
        return [
            player
            for name, player in world.players.items()
            if player.up and name not in world.stage.elsewhere
        ]

    def _notice(self, player: Player, life: int, jump: ClockJump) -> None:
        again = partial(self._notice, player, life, jump)
        if player.epoch == life and not self.world.waits(player, again):
            self.world.tell(player, jump)
