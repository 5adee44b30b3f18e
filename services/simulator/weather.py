"""Regimes of the synthetic market: what kinds of weather there are, and how long each lasts.

`auto` cycles calm, chop, trend, spike in segments of 12 to 22 seconds, so that within about a
minute every kind of strategy meets its own weather: quotes get hit (calm), price runs away from its
average and comes back (chop), it breaks out and keeps going (trend), it jumps (spike). Real days
are mostly calm; this one is for rehearsal. `day` is nearer to a real one: minutes of calm, some
chop and trend, volume that is high at the open and the close and low at night and noon, and bursts
of news at 7:30, 9:00 and 13:00 CT (or not: the dice say) and at odd moments.

Four more come only when they are asked for: `gap` (price leaps, nothing trades between, again and
again), `flash` (eight jumps away within three seconds and back), `dead` (the market trades on and
nobody is told), `limit` (it runs into the session's price limit and stays locked there: one side of
the book is empty). Any of them may be asked for at any moment, for all groups or for one, and
begins at once. Distances are per product; all arithmetic is on integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from services.simulator.dice import Dice, seed_of
from services.simulator.market_characters import CHARACTERS, Character
from shared.units import HOUR, MINUTE, SECOND, Nanos

__all__ = ["CHARACTERS", "MILLI", "REGIMES", "SETTINGS", "Character", "Weather", "settle"]

MILLI: Final = 1024  # prices inside the generator are in 1/1024 tick
REGIMES: Final = ("calm", "chop", "trend", "spike")
ASKED: Final = ("gap", "flash", "dead", "limit")
SETTINGS: Final = ("auto", "day", *REGIMES, *ASKED)
DURATION_S: Final = {
    "calm": (14, 20),
    "chop": (16, 22),
    "trend": (16, 22),
    "spike": (12, 14),
    "gap": (20, 30),
    "flash": (24, 30),
    "dead": (10, 10),
    "limit": (30, 30),
}
DAY_S: Final = {"calm": (180, 900), "chop": (60, 240), "trend": (60, 300), "spike": (12, 14)}
DAY_ODDS: Final = (75, 88, 100)  # calm below the first, chop below the second, else trend
CHOP_LEG_NS: Final = 4 * SECOND  # out, back, out on the other side, back
SPIKE_FALLS_NS: Final = 6 * SECOND  # the jump; afterwards half of it is given back
FLASH_FALLS_NS: Final = 3 * SECOND
FLASH_JUMPS: Final = 8
GAP_JUMPS: Final = 4
BEYOND: Final = 4 * MILLI  # a limit is aimed at from beyond, else it would never be reached


class Mood(Struct, frozen=True):
    """What a regime is like. `pull`: share of the distance to the target that is covered in one
    step, in 1/256. `loudness`: noise in halves of the calm noise. `busyness`: chance of a print per
    step and product, in 1/256, before clustering. `wild`: spreads widen.
    """

    pull: int = 1
    loudness: int = 2
    busyness: int = 26
    wild: bool = False


MOODS: Final = {
    "calm": Mood(),
    "chop": Mood(pull=10, busyness=34),
    "trend": Mood(pull=6, busyness=48),
    "spike": Mood(pull=12, loudness=5, busyness=90, wild=True),
    "gap": Mood(),
    "flash": Mood(pull=14, loudness=6, busyness=140, wild=True),
    "dead": Mood(),
    "limit": Mood(pull=6, busyness=60),
}

# Chance of a print by half hours from 17:00 CT, in 1/256: night, London, the open at 8:30, lunch,
# the close at 15:00.
_TIDE: Final = (
    70, 56, 60, 52, 48, 44, 40, 38, 38, 36, 36, 38, 44, 54, 66, 78, 84, 80,
    76, 72, 70, 72, 76, 80, 86, 90, 96, 104, 116, 150, 140, 420, 400, 340, 300, 260,
    220, 190, 176, 180, 190, 210, 240, 330, 380, 120,
)  # fmt: skip
_NEWS: Final = (  # since the opening, chance in percent
    (14 * HOUR + 30 * MINUTE, 60),
    (16 * HOUR, 40),
    (20 * HOUR, 10),
)


def tide(since_open: Nanos) -> int:
    """How busy a product is at this time of its session, in 1/256 of the ordinary."""
    return _TIDE[min(len(_TIDE) - 1, max(0, since_open // (30 * MINUTE)))]


def news(seed: int, group: str, opens_ns: Nanos) -> tuple[Nanos, ...]:
    """The instants at which news breaks for a group in the session that opens then."""
    dice = Dice(seed_of(seed, "news " + group, opens_ns))
    found = [opens_ns + offset for offset, odds in _NEWS if dice.below(100) < odds]
    found += [opens_ns + dice.below(22 * HOUR) for _ in range(dice.below(3))]
    return tuple(sorted(found))


class Weather(Struct):
    """The segment we are in. `sign`: the direction it takes (shared, so products correlate)."""

    setting: str
    regime: str = "calm"
    since_ns: Nanos = 0
    until_ns: Nanos = 0
    sign: int = 1

    def ask(self, setting: str, now_ns: Nanos) -> None:
        """Another setting; its first segment begins with the next step."""
        self.setting = setting
        self.until_ns = min(self.until_ns, now_ns)

    def turn(self, now_ns: Nanos, dice: Dice, away: int, breaking: Sequence[Nanos] = ()) -> None:
        """Begin the next segment; `away` (-1, 0, 1) is the side on which prices have strayed far
        from home: the next move then leads back. `breaking`: instants of news, for `day`.
        """
        durations = DURATION_S
        if self.setting == "auto":
            started = self.until_ns > 0
            place = REGIMES.index(self.regime) + started if self.regime in REGIMES else 0
            self.regime = REGIMES[place % len(REGIMES)]
        elif self.setting == "day":
            durations = DAY_S
            drawn = dice.below(100)
            self.regime = next(
                name for name, odds in zip(REGIMES, DAY_ODDS, strict=False) if drawn < odds
            )
            if any(at <= now_ns < at + SECOND for at in breaking):
                self.regime = "spike"
        else:
            self.regime = self.setting
        shortest, longest = durations[self.regime]
        self.since_ns = now_ns
        self.until_ns = now_ns + dice.between(shortest, longest) * SECOND
        if self.setting == "day":
            self.until_ns = min([self.until_ns, *(at for at in breaking if at > now_ns)])
        bits = dice.bits()
        self.sign = -away if away else (1 if bits & 1 else -1)

    def target(self, character: Character, anchor: int, now_ns: Nanos) -> int:
        """Where price is pulled to, given the slow level `anchor`, in 1/1024 tick."""
        if self.regime == "calm":
            return anchor
        since = now_ns - self.since_ns
        if self.regime == "chop":
            leg = since // CHOP_LEG_NS % 4
            offset = (self.sign, 0, -self.sign, 0)[leg]
            return anchor + offset * character.swing * MILLI
        if self.regime == "spike":
            share = 4 if since < SPIKE_FALLS_NS else 2
            return anchor + self.sign * character.jump * MILLI * share // 4
        if self.regime == "flash" and since < FLASH_FALLS_NS:
            return anchor + self.sign * character.jump * FLASH_JUMPS * MILLI
        return anchor


def settle(weather: Weather, character: Character, anchor: int, steps_per_s: int) -> int:
    """The anchor after one step: it moves in a trend, and a spike leaves half its jump behind."""
    if weather.regime == "trend":
        return anchor + weather.sign * character.drift // steps_per_s
    return anchor
