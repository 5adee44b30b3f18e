"""Dice with a memory (splitmix64): the same market on every machine and after every restart.

The state is one integer and belongs into the snapshot. `mix` is the same function without memory:
it turns names (seed, product, minute) into random bits, so that history can be asked for in any
order and never changes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from struct import Struct as StructFormat
from typing import Final, NamedTuple

from msgspec import Struct

MASK: Final = (1 << 64) - 1
GOLDEN: Final = 0x9E3779B97F4A7C15
LANE: Final = 128  # bits
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


class Lanes(NamedTuple):
    """What so many 64-bit numbers need to be reckoned side by side; a product fits its lane, and
    what a shift brings over from the next one is masked away.
    """

    mask: int  # of the 64 bits that count
    ones: int
    strides: int  # how far each throw's state is from the first's
    unpack: Callable[[bytes], tuple[int, ...]]


@lru_cache
def _lanes(count: int) -> Lanes:
    ones = sum(1 << LANE * at for at in range(count))
    strides = sum(((at + 1) * GOLDEN & MASK) << LANE * at for at in range(count))
    return Lanes(ones * MASK, ones, strides, StructFormat(f"<{'Q8x' * count}").unpack)


class Dice(Struct):
    """A stream of random integers. Mutable; equal `state`, equal future."""

    state: int

    def bits(self) -> int:
        """64 random bits."""
        self.state = state = (self.state + GOLDEN) & MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
        return state ^ (state >> 31)

    def draw(self, count: int) -> tuple[int, ...]:
        """So many times `bits`, all at once: side by side in one wide number, a lane each."""
        lanes = _lanes(count)
        mask = lanes.mask
        value = (self.state * lanes.ones + lanes.strides) & mask
        value = ((value ^ (value >> 30)) & mask) * 0xBF58476D1CE4E5B9 & mask
        value = ((value ^ (value >> 27)) & mask) * 0x94D049BB133111EB & mask
        value = (value ^ (value >> 31)) & mask
        self.state = (self.state + count * GOLDEN) & MASK
        return lanes.unpack(value.to_bytes(count * LANE // 8, "little"))

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
