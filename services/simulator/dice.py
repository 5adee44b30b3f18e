"""Dice with a memory (splitmix64): the same market on every machine and after every restart.

The state is one integer and belongs into the snapshot. `mix` is the same function without memory:
it turns names (seed, product, minute) into random bits, so that history can be asked for in any
order and never changes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from msgspec import Struct

MASK: Final = (1 << 64) - 1
GOLDEN: Final = 0x9E3779B97F4A7C15
NAMES_KEPT: Final = 1_024  # a row is asked for by one name again and again


def mix(value: int) -> int:
    """64 well-mixed bits of any integer."""
    value = (value * GOLDEN + 0x632BE59BD9B4E019) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def seed_of(seed: int, name: str, number: int = 0) -> int:
    """A seed of its own for each name under one seed; `number` tells members of a row apart."""
    return mix(_seed_of_name(seed, name) ^ (number & MASK))


@lru_cache(NAMES_KEPT)
def _seed_of_name(seed: int, name: str) -> int:
    value = mix(seed)
    for letter in name:
        value = mix(value ^ ord(letter))
    return value


class Dice(Struct):
    """A stream of random integers. Mutable; equal `state`, equal future."""

    state: int

    def bits(self) -> int:
        """64 random bits."""
        self.state = state = (self.state + GOLDEN) & MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
        return state ^ (state >> 31)

    def draw(self, count: int) -> list[int]:
        """So many times `bits`, faster."""
        state, drawn = self.state, []
        for _ in range(count):
            state = (state + GOLDEN) & MASK
            value = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
            value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
            drawn.append(value ^ (value >> 31))
        self.state = state
        return drawn

    def below(self, limit: int) -> int:
        """0 <= result < limit. The bias of the remainder is below limit / 2**64."""
        return self.bits() % limit

    def between(self, low: int, high: int) -> int:
        """low <= result <= high."""
        return low + self.bits() % (high - low + 1)


def bell(bits: int) -> int:
    """A bell-shaped integer from 48 bits: mean 0, deviation 1024 (three uniforms added)."""
    total = (bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF)
    return (total - 98_302) * 1024 // 32_768


class Delay(Struct, frozen=True):
    """How long something is under way: `base_ns`, and at random more.

    Uniform: up to `spread_ns` more. Otherwise an exponential tail with that mean, cut at eleven
    times it: most are quick and some are very late, as networks are.
    """

    base_ns: int
    spread_ns: int
    tail: bool = False

    def draw(self, dice: Dice) -> int:
        if not self.tail:
            return self.base_ns + dice.below(self.spread_ns + 1)
        bits = dice.bits()
        halvings, rest = 0, bits >> 10
        while bits & 1 and halvings < 10:  # how often a coin falls the same way: a geometric tail
            bits >>= 1
            halvings += 1
        return self.base_ns + self.spread_ns * (halvings * 1_024 + rest % 1_024) * 651 // 1_000_000
