"""What moves inside one product's book: prints, breathing sizes, best prices that follow.

Functions of a `Line` and random bits; who lives when and why is `market_synthetic.py`.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from services.simulator.dice import Dice
from services.simulator.market import LEVELS, Book, Changes, Print
from services.simulator.market_characters import Character
from services.simulator.weather import MILLI
from shared.units import Lots, Nanos, Ticks

RELUCTANCE: Final = (
    300  # in 1/1024 tick: how far beyond the best price fair value must be to move it
)
THROUGH_LEVELS: Final = 4  # so many run-over levels are printed, the rest is pulled


class Line(Struct):
    """One product's moving parts. `fair` and `anchor` in 1/1024 tick; `heat` clusters prints.

    `dice`: its own, None for the four that share. `low`, `high`: the session's limits.
    """

    fair: int
    anchor: int
    book: Book
    heat: int = 0
    quoted_ns: Nanos = 0
    told_ns: Nanos = 0
    dice: Dice | None = None
    low: Ticks = 0
    high: Ticks = 0


def within(line: Line, changed: Changes) -> tuple[tuple[Lots, ...], tuple[Lots, ...]]:
    """The displayed sizes; what lies beyond a limit is taken out of the book."""
    book = line.book
    if not line.high or (book.bid - LEVELS >= line.low and book.ask + LEVELS <= line.high):
        return tuple(book.bids), tuple(book.asks)
    room = (
        max(0, min(LEVELS, book.bid - line.low + 1)),
        max(0, min(LEVELS, line.high - book.ask + 1)),
    )
    for side, sizes, depths in ((1, book.bids, room[0]), (-1, book.asks, room[1])):
        for depth in range(depths, LEVELS):
            sizes[depth] = 0
            price = book.bid - depth if side > 0 else book.ask + depth
            changed[side, price] = 0
    return tuple(book.bids[: room[0]]), tuple(book.asks[: room[1]])


def prints(line: Line, chance: int, busyness: int, changed: Changes) -> list[Print]:
    """Nought to two prints at the touch. A print makes the next one likelier for a while."""
    book = line.book
    line.heat = line.heat * 7 // 8
    if not book.bid or (chance & 0xFF) >= busyness + line.heat:
        return []
    line.heat += 24
    lean = line.fair - (book.bid + book.ask) * MILLI // 2  # within about a tick either way
    made: list[Print] = []
    for part in range(2 if (chance >> 8 & 0xFF) < line.heat else 1):
        side = 1 if (chance >> (16 + 8 * part) & 0xFF) < 128 + lean // 10 else -1
        sizes = book.asks if side > 0 else book.bids
        if not sizes[0]:  # locked at a limit: only the other side can be hit
            side, sizes = -side, book.bids if side > 0 else book.asks
        wish = 1 + (chance >> (32 + 4 * part) & 3) * (chance >> (36 + 4 * part) & 3)
        size = max(1, min(wish, sizes[0] - 1))
        sizes[0] = max(1, sizes[0] - size)
        book.last = book.ask if side > 0 else book.bid
        changed[-side, book.last] = sizes[0]
        made.append((book.last, size, side))
    return made


def breathe(character: Character, line: Line, draw: int, changed: Changes) -> None:
    """One level a side is redrawn; the touch leans with the fair price."""
    book = line.book
    if not book.bid:
        return
    usual = character.size
    for side, sizes, bits in ((1, book.bids, draw), (-1, book.asks, draw >> 32)):
        depth, other = bits & 7, bits >> 3 & 7
        if other < depth:
            depth = other
        size = 1 + usual // 2 + (bits >> 8) % (usual + 1)
        if depth == 0:
            lean = (line.fair * 2 - (book.bid + book.ask) * MILLI) * side
            size = max(1, size * (2 * MILLI + lean) // (2 * MILLI))
        if not sizes[depth]:  # beyond a limit
            continue
        sizes[depth] = size
        changed[side, book.bid - depth if side > 0 else book.ask + depth] = size


def move(character: Character, line: Line, draw: int, told: list[Print], *, wild: bool) -> Changes:
    """Let best prices follow the fair price; run-over levels print. Returns what changed."""
    book, fair = line.book, line.fair
    if book.bid * MILLI - RELUCTANCE <= fair <= book.ask * MILLI + RELUCTANCE and book.bid:
        return {}
    spread = 2 if wild and draw & 3 == 0 else 1
    if not book.bid or fair > book.ask * MILLI + RELUCTANCE:
        ask = fair // MILLI + 1
        bid = ask - spread
    else:
        bid = fair // MILLI
        ask = bid + spread
    if book.bid:
        _run_over(book, bid, ask, told)
    fresh = (
        1 + character.size // 2 + (draw * (7 + 2 * place)) % (character.size + 1)
        for place in range(2 * LEVELS)
    )
    return book.move(bid, ask, fresh)


def _run_over(book: Book, bid: Ticks, ask: Ticks, prints: list[Print]) -> None:
    """Print through the levels that the new best prices leave behind."""
    if ask > book.ask:
        levels = range(min(ask - book.ask, THROUGH_LEVELS, LEVELS))
        prints.extend(
            (book.ask + depth, book.asks[depth], 1) for depth in levels if book.asks[depth]
        )
    elif bid < book.bid:
        levels = range(min(book.bid - bid, THROUGH_LEVELS, LEVELS))
        prints.extend(
            (book.bid - depth, book.bids[depth], -1) for depth in levels if book.bids[depth]
        )
    if prints:
        book.last = prints[-1][0]
