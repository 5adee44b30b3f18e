"""A seeded order-book market for four index futures, in whole numbers.

Every 50 ms of market time each product takes one step: a hidden fair price (common shock, own
shock, pull to where the weather wants it) drags best bid and ask along with a little reluctance,
prints arrive in clusters and lean to the side the fair price leans to, levels that are run over are
printed through, displayed sizes breathe. Sizes at the touch lean with the fair price too, so a
microprice knows something, as it does in real books.

Not realistic: spreads are one tick but in spikes, no reaction to our own orders, hidden orders,
auctions or price limits; liquidity returns within seconds. Depth is `LEVELS` levels without holes.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from services.simulator.dice import Dice, bell, seed_of
from services.simulator.market import (
    BEAT_NS,
    LEVELS,
    REFRESH_NS,
    Book,
    Changes,
    Hours,
    Print,
    Update,
)
from services.simulator.weather import CHARACTERS, MILLI, REGIMES, Character, Weather, settle
from shared.units import MILLISECOND, SECOND, Nanos, Ticks

STEP_NS: Final = 50 * MILLISECOND
STEPS_PER_S: Final = SECOND // STEP_NS
RELUCTANCE: Final = (
    300  # in 1/1024 tick: how far beyond the best price fair value must be to move it
)
OFFSET_NS: Final = 2 * MILLISECOND  # products step one after the other
SPAN_NS: Final = 8 * MILLISECOND  # within which all products have taken a step
THROUGH_LEVELS: Final = 4  # so many run-over levels are printed, the rest is pulled


class Line(Struct):
    """One product's moving parts. `fair` and `anchor` in 1/1024 tick; `heat` clusters prints."""

    fair: int
    anchor: int
    book: Book
    heat: int = 0
    quoted_ns: Nanos = 0
    told_ns: Nanos = 0


class SyntheticState(Struct):
    """Everything a snapshot needs. `next_ns`: the step not yet taken."""

    next_ns: Nanos
    dice: Dice
    weather: Weather
    lines: dict[str, Line]


def check_regime(name: str) -> None:
    """Raises ValueError naming the setting."""
    if name != "auto" and name not in REGIMES:
        raise ValueError(f"simulator.regime was {name!r}; it is auto or one of {list(REGIMES)}")


class Synthetic:
    """The feed. `first` gives the price each product starts at (where its history ended), ticks."""

    def __init__(self, state: SyntheticState, hours: Hours) -> None:
        self.state = state
        self.roots = tuple(state.lines)
        self._hours = hours
        self._traits = [
            (CHARACTERS[root], state.lines[root], index * OFFSET_NS)
            for index, root in enumerate(self.roots)
        ]

    @classmethod
    def fresh(
        cls, seed: int, regime: str, start_ns: Nanos, first: dict[str, Ticks], *, hours: Hours
    ) -> Synthetic:
        """A market that opens at `start_ns` (or when trading next opens) at the prices `first`."""
        check_regime(regime)
        lines = {
            root: Line(price * MILLI + MILLI // 2, price * MILLI + MILLI // 2, Book(last=price))
            for root, price in first.items()
        }
        begin = hours.next_open(start_ns)
        dice = Dice(seed_of(seed, "synthetic"))
        state = SyntheticState(begin - begin % STEP_NS, dice, Weather(regime), lines)
        return cls(state, hours)

    def regime(self) -> str:
        return self.state.weather.regime

    def horizon(self) -> Nanos:
        """Nothing happens before this instant any more."""
        return self.state.next_ns

    def advance(self, until_ns: Nanos, out: list[Update]) -> None:
        state, hours = self.state, self._hours
        while state.next_ns + SPAN_NS <= until_ns:
            now = state.next_ns
            opening = hours.next_open(now)
            if opening != now:  # closed: nobody quotes until the next opening
                state.next_ns = opening - opening % STEP_NS
                if state.next_ns < opening:
                    state.next_ns += STEP_NS
                continue
            if now >= state.weather.until_ns:
                self._turn(now)
            common = bell(state.dice.bits())
            for character, line, offset in self._traits:
                out.append(self._step(character, line, now + offset, common))
            state.next_ns = now + STEP_NS

    def _turn(self, now: Nanos) -> None:
        """A new segment; what the last one did to the level stays."""
        weather = self.state.weather
        away = 0
        for character, line, _ in self._traits:
            if weather.regime == "spike":
                line.anchor = weather.target(character, line.anchor, now)
            strayed = line.anchor // MILLI - character.home
            if abs(strayed) > character.wander:
                away = 1 if strayed > 0 else -1
        weather.turn(now, self.state.dice, away)

    def _step(self, character: Character, line: Line, now: Nanos, common: int) -> Update:
        weather, dice, book = self.state.weather, self.state.dice, line.book
        draw = dice.bits()
        line.anchor = settle(weather, character, line.anchor, STEPS_PER_S)
        target = weather.target(character, line.anchor, now)
        shock = (3 * common + 2 * bell(draw)) * character.noise * weather.loudness() // 7_373
        line.fair += (target - line.fair) * weather.pull() // 256 + shock
        chance = dice.bits()
        changed: Changes = {}
        prints = self._prints(line, chance, weather.busyness(), changed)
        self._breathe(character, line, dice.bits(), changed)
        moved = self._move(character, line, chance >> 40, prints)
        changed.update(moved)
        full = now - line.told_ns >= REFRESH_NS
        if full:
            line.told_ns = now
        rows = book.rows() if full else [(*level, size) for level, size in changed.items()]
        quote = bool(moved or prints) or now - line.quoted_ns >= BEAT_NS
        if quote:
            line.quoted_ns = now
        return Update(
            character.root,
            now,
            prints,
            rows,
            quote,
            book.bid,
            book.ask,
            tuple(book.bids),
            tuple(book.asks),
            full,
        )

    @staticmethod
    def _prints(line: Line, chance: int, busyness: int, changed: Changes) -> list[Print]:
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
            wish = 1 + (chance >> (32 + 4 * part) & 3) * (chance >> (36 + 4 * part) & 3)
            size = max(1, min(wish, sizes[0] - 1))
            sizes[0] = max(1, sizes[0] - size)
            book.last = book.ask if side > 0 else book.bid
            changed[-side, book.last] = sizes[0]
            made.append((book.last, size, side))
        return made

    @staticmethod
    def _breathe(character: Character, line: Line, draw: int, changed: Changes) -> None:
        """One level a side is redrawn; the touch leans with the fair price."""
        book = line.book
        if not book.bid:
            return
        for side, sizes, bits in ((1, book.bids, draw), (-1, book.asks, draw >> 32)):
            depth = min(bits & 7, bits >> 3 & 7)
            size = 1 + character.size // 2 + (bits >> 8) % (character.size + 1)
            if depth == 0:
                lean = (line.fair * 2 - (book.bid + book.ask) * MILLI) * side
                size = max(1, size * (2 * MILLI + lean) // (2 * MILLI))
            sizes[depth] = size
            changed[side, book.bid - depth if side > 0 else book.ask + depth] = size

    def _move(self, character: Character, line: Line, draw: int, prints: list[Print]) -> Changes:
        """Let best prices follow the fair price; run-over levels print. Returns what changed."""
        book, fair = line.book, line.fair
        spread = 2 if self.state.weather.regime == "spike" and draw & 3 == 0 else 1
        if not book.bid or fair > book.ask * MILLI + RELUCTANCE:
            ask = fair // MILLI + 1
            bid = ask - spread
        elif fair < book.bid * MILLI - RELUCTANCE:
            bid = fair // MILLI
            ask = bid + spread
        else:
            return {}
        if book.bid:
            self._run_over(book, bid, ask, prints)
        fresh = [
            1 + character.size // 2 + (draw * (7 + 2 * place)) % (character.size + 1)
            for place in range(2 * LEVELS)
        ]
        return book.move(bid, ask, fresh)

    @staticmethod
    def _run_over(book: Book, bid: Ticks, ask: Ticks, prints: list[Print]) -> None:
        """Print through the levels that the new best prices leave behind."""
        if ask > book.ask:
            levels = range(min(ask - book.ask, THROUGH_LEVELS, LEVELS))
            prints.extend((book.ask + depth, book.asks[depth], 1) for depth in levels)
        elif bid < book.bid:
            levels = range(min(book.bid - bid, THROUGH_LEVELS, LEVELS))
            prints.extend((book.bid - depth, book.bids[depth], -1) for depth in levels)
        if prints:
            book.last = prints[-1][0]
