"""Regimes of the synthetic market: who lives in which weather, and for how long.

`auto` cycles calm, chop, trend, spike in segments of 12 to 22 seconds, so that within about a
minute every kind of strategy meets its own weather: quotes get hit (calm), price runs away from its
average and comes back (chop), it breaks out and keeps going (trend), it jumps (spike). Real days
are mostly calm; this one is for rehearsal. Distances are per product, in 1/1024 tick, because the
four index futures differ in ticks per move. All arithmetic is on integers.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from services.simulator.dice import Dice
from shared.units import SECOND, Nanos

MILLI: Final = 1024  # prices inside the generator are in 1/1024 tick
REGIMES: Final = ("calm", "chop", "trend", "spike")
DURATION_S: Final = {"calm": (14, 20), "chop": (16, 22), "trend": (16, 22), "spike": (12, 14)}
CHOP_LEG_NS: Final = 4 * SECOND  # out, back, out on the other side, back
SPIKE_FALLS_NS: Final = 6 * SECOND  # the jump; afterwards half of it is given back


class Character(Struct, frozen=True):
    """How one product moves. Distances in ticks, `noise` in 1/1024 tick per step of 50 ms."""

    root: str
    home: int  # where it starts, ticks
    noise: int
    swing: int  # of an excursion in chop
    drift: int  # per second in a trend, in 1/1024 tick
    jump: int  # of a spike
    size: int  # typical displayed size of a level
    wander: int  # the farthest it may trend away from home


CHARACTERS: Final = {
    character.root: character
    for character in (
        Character("MES", 27_600, 230, 16, 700, 16, 24, 1_200),
        Character("MNQ", 101_600, 560, 12, 6_600, 50, 8, 4_400),
        Character("M2K", 24_500, 260, 6, 400, 12, 6, 1_000),
        Character("MYM", 48_200, 400, 10, 1_400, 80, 6, 2_000),
    )
}


class Weather(Struct):
    """The segment we are in. `sign`: the direction it takes (shared, so products correlate)."""

    setting: str
    regime: str = "calm"
    since_ns: Nanos = 0
    until_ns: Nanos = 0
    sign: int = 1

    def turn(self, now_ns: Nanos, dice: Dice, away: int) -> None:
        """Begin the next segment; `away` (-1, 0, 1) is the side on which prices have strayed far
        from home: the next move then leads back.
        """
        if self.setting == "auto":
            started = self.until_ns > 0
            place = REGIMES.index(self.regime) + started
            self.regime = REGIMES[place % len(REGIMES)]
        else:
            self.regime = self.setting
        shortest, longest = DURATION_S[self.regime]
        self.since_ns = now_ns
        self.until_ns = now_ns + dice.between(shortest, longest) * SECOND
        bits = dice.bits()
        self.sign = -away if away else (1 if bits & 1 else -1)

    def target(self, character: Character, anchor: int, now_ns: Nanos) -> int:
        """Where price is pulled to, given the slow level `anchor`, in 1/1024 tick."""
        since = now_ns - self.since_ns
        if self.regime == "chop":
            leg = since // CHOP_LEG_NS % 4
            offset = (self.sign, 0, -self.sign, 0)[leg]
            return anchor + offset * character.swing * MILLI
        if self.regime == "spike":
            share = 4 if since < SPIKE_FALLS_NS else 2
            return anchor + self.sign * character.jump * MILLI * share // 4
        return anchor

    def pull(self) -> int:
        """Share of the distance to the target that is covered in one step, in 1/256."""
        return {"calm": 1, "chop": 10, "trend": 6, "spike": 12}[self.regime]

    def loudness(self) -> int:
        """Noise in halves of the calm noise."""
        return {"calm": 2, "chop": 2, "trend": 2, "spike": 5}[self.regime]

    def busyness(self) -> int:
        """Chance of a print per step and product, in 1/256, before clustering."""
        return {"calm": 26, "chop": 34, "trend": 48, "spike": 90}[self.regime]


def settle(weather: Weather, character: Character, anchor: int, steps_per_s: int) -> int:
    """The anchor after one step: it moves in a trend, and a spike leaves half its jump behind."""
    if weather.regime == "trend":
        return anchor + weather.sign * character.drift // steps_per_s
    return anchor
