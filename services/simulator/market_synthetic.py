"""A seeded order-book market for any of the products, in whole numbers.

Every 50 ms of market time each product takes one step: a hidden fair price (common shock of its
group, own shock, pull to where the weather wants it) drags best bid and ask along with a little
reluctance, prints arrive in clusters and lean to the side the fair price leans to, levels that are
run over are printed through, displayed sizes breathe. Sizes at the touch lean with the fair price
too, so a microprice knows something, as it does in real books. Followers (`FAMILIES`) have no fair
price of their own: their lead's, and a basis.

The four micro index futures draw from one stream of dice in a fixed order; every other product has
dice of its own, every other group weather of its own. So a product's market under a seed does not
depend on what else is quoted (a follower's does on whether its lead is). Cost is linear: one step
of one product, whatever the others do. Prices never leave the session's limits; beyond
them there are no levels, and a market that leans on one has an empty side.

Not realistic: spreads are one tick but in spikes, no reaction to our own orders, hidden orders or
auctions; liquidity returns within seconds. Depth is `LEVELS` levels without holes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from services.simulator import market_flow as flow
from services.simulator.dice import Dice, bell, seed_of
from services.simulator.market import (
    BEAT_NS,
    REFRESH_NS,
    Book,
    Changes,
    Hours,
    Update,
    withdrawn,
)
from services.simulator.market_characters import (
    CHARACTERS,
    FAMILIES,
    WINDOWS,
    Character,
    character,
    convert,
    limits,
)
from services.simulator.market_flow import Line
from services.simulator.weather import (
    BEYOND,
    GAP_JUMPS,
    MILLI,
    MOODS,
    SETTINGS,
    Weather,
    news,
    settle,
    tide,
)
from shared.contracts import PRODUCTS
from shared.units import MILLISECOND, SECOND, Nanos, Ticks

STEP_NS: Final = 50 * MILLISECOND
STEPS_PER_S: Final = SECOND // STEP_NS
OFFSET_NS: Final = 2 * MILLISECOND  # the four step one after the other
SPAN_NS: Final = 8 * MILLISECOND  # within which they all have taken a step
NEXT_NS: Final = MILLISECOND // 2  # the others follow, closer together
DRAWS: Final = 3  # of a product's step: where price drifts, what prints, which size breathes


_LEADS_FIRST: Final = sorted(PRODUCTS, key=lambda root: root in FAMILIES)
_RANKS: Final = {root: rank for rank, root in enumerate(_LEADS_FIRST)}
"""The order in which products step, the four apart; fixed, so that instants do not shift."""


class Climate(Struct):
    """A group's weather and the dice it is drawn from."""

    weather: Weather
    dice: Dice


class SyntheticState(Struct):
    """Everything a snapshot needs. `next_ns`: the step not yet taken. `weather` and `dice` are
    those of the index futures; `wished` is the setting last seen, so that weather ordered since
    then survives a restart.
    """

    next_ns: Nanos
    dice: Dice
    weather: Weather
    lines: dict[str, Line]
    climates: dict[str, Climate] = {}
    seed: int = 0
    wished: str = ""


def check_regime(name: str, what: str = "simulator.regime") -> None:
    """Raises ValueError naming the setting."""
    if name not in SETTINGS:
        raise ValueError(f"{what} was {name!r}; it is one of {list(SETTINGS)}")


class Trait(Struct, frozen=True):
    """A line with what does not change about it."""

    character: Character
    line: Line
    offset: Nanos
    climate: Climate
    group: str
    lead: Line | None


class Synthetic:
    """The feed. `first` gives the price each product starts at (where its history ended), ticks."""

    def __init__(self, state: SyntheticState, hours: Hours) -> None:
        self.state = state
        self.roots = tuple(state.lines)
        self._hours = hours
        self._index = Climate(state.weather, state.dice)
        four = [root for root in state.lines if state.lines[root].dice is None]
        others = [root for root in state.lines if state.lines[root].dice is not None]
        others.sort(key=_RANKS.__getitem__)
        self._four = [self._trait(root, at * OFFSET_NS) for at, root in enumerate(four)]
        self._others = [self._trait(root, SPAN_NS + _RANKS[root] * NEXT_NS) for root in others]
        self._span = SPAN_NS + ((_RANKS[others[-1]] + 1) * NEXT_NS if others else 0)

    def _trait(self, root: str, offset: Nanos) -> Trait:
        group = PRODUCTS[root].group
        lines = self.state.lines
        return Trait(
            character=character(root),
            line=lines[root],
            offset=offset,
            climate=self.state.climates.get(group, self._index),
            group=group,
            lead=lines.get(FAMILIES.get(root, "")),
        )

    @classmethod
    def fresh(
        cls, seed: int, regime: str, start_ns: Nanos, first: dict[str, Ticks], *, hours: Hours
    ) -> Synthetic:
        """A market that opens at `start_ns` (or when trading next opens) at the prices `first`."""
        check_regime(regime)
        lines: dict[str, Line] = {}
        climates: dict[str, Climate] = {}
        for root, price in first.items():
            fair = price * MILLI + MILLI // 2
            line = lines[root] = Line(fair, fair, Book(last=price))
            line.low, line.high = limits(root, price)
            if root in CHARACTERS:
                continue
            line.dice = Dice(seed_of(seed, "synthetic " + root))
            group = PRODUCTS[root].group
            if group != "index" and group not in climates:
                dice = Dice(seed_of(seed, "synthetic " + group))
                climates[group] = Climate(Weather(regime), dice)
        begin = hours.next_open(start_ns)
        state = SyntheticState(
            begin - begin % STEP_NS,
            Dice(seed_of(seed, "synthetic")),
            Weather(regime),
            lines,
            climates,
            seed,
            regime,
        )
        return cls(state, hours)

    def regime(self) -> str:
        return self.state.weather.regime

    def regimes(self) -> dict[str, str]:
        """The weather of every group."""
        climates = self.state.climates
        return {"index": self.regime()} | {
            group: climate.weather.regime for group, climate in climates.items()
        }

    def wish(self, regime: str) -> None:
        """The setting, as of this start; one that has not changed leaves later orders alone."""
        if regime != self.state.wished:
            self.state.wished = regime
            self.order(regime)

    def order(self, regime: str, group: str = "") -> None:
        """Other weather from the next step on, for all groups or one. Raises ValueError."""
        check_regime(regime, "regime")
        state = self.state
        known = {"index": self._index} | state.climates
        if group and group not in known:
            raise ValueError(f"group was {group!r}; quoted here are {list(known)}")
        for climate in [known[group]] if group else known.values():
            climate.weather.ask(regime, state.next_ns)

    def horizon(self) -> Nanos:
        """Nothing happens before this instant any more."""
        return self.state.next_ns

    def advance(self, until_ns: Nanos, out: list[Update]) -> None:
        state, hours = self.state, self._hours
        while state.next_ns + self._span <= until_ns:
            now = state.next_ns
            opening = hours.next_open(now)
            if opening != now:  # closed: nobody quotes until the next opening
                self._reopen()
                state.next_ns = opening - opening % STEP_NS
                if state.next_ns < opening:
                    state.next_ns += STEP_NS
                continue
            if now >= state.weather.until_ns:
                self._turn(now, "index", self._index)
            first, *draws = state.dice.draw(1 + DRAWS * len(self._four))
            common = bell(first)
            at = 0
            for trait in self._four:
                drawn = draws[at : at + DRAWS]
                at += DRAWS
                out.append(self._step(trait, now + trait.offset, common, drawn))
            if self._others:
                self._step_others(now, common, out)
            state.next_ns = now + STEP_NS

    def skip(self, until_ns: Nanos) -> None:
        """Leave out everything up to then; prices stay where they are."""
        state, hours = self.state, self._hours
        if hours.day(until_ns).day != hours.day(state.next_ns).day:
            self._reopen()
        state.next_ns = max(state.next_ns, until_ns + -until_ns % STEP_NS)

    def _step_others(self, now: Nanos, common: int, out: list[Update]) -> None:
        commons = {"index": common}
        for group, climate in self.state.climates.items():
            if now >= climate.weather.until_ns:
                self._turn(now, group, climate)
            commons[group] = bell(climate.dice.bits())
        for trait in self._others:
            dice, at_ns = trait.line.dice, now + trait.offset
            assert dice is not None, "Invariant: only the four share their dice"
            if trait.group in WINDOWS and not self._hours.trades(trait.group, now):
                if trait.line.book.bid:
                    out.append(withdrawn(trait.character.root, at_ns, trait.line.book))
                continue
            out.append(self._step(trait, at_ns, commons[trait.group], dice.draw(DRAWS)))

    def _reopen(self) -> None:
        """Between two sessions: the last price is the settlement, and limits hang on it."""
        for root, line in self.state.lines.items():
            line.low, line.high = limits(root, line.book.last)

    def _members(self, climate: Climate) -> Iterable[Trait]:
        return (
            trait for some in (self._four, self._others) for trait in some
            if trait.climate is climate
        )  # fmt: skip

    def _turn(self, now: Nanos, group: str, climate: Climate) -> None:
        """A new segment; what the last one did to the level stays."""
        weather = climate.weather
        away = 0
        for trait in self._members(climate):
            line, nature = trait.line, trait.character
            if weather.regime == "spike":
                line.anchor = weather.target(nature, line.anchor, now)
            strayed = line.anchor // MILLI - nature.home
            if line.dice is None and abs(strayed) > nature.wander:
                away = 1 if strayed > 0 else -1
        breaking: tuple[Nanos, ...] = ()
        if weather.setting == "day":
            breaking = news(self.state.seed, group, self._hours.day(now).opens_ns)
        weather.turn(now, climate.dice, away, breaking)
        if weather.regime == "gap":
            for trait in self._members(climate):
                self._leap(trait, weather.sign)

    @staticmethod
    def _leap(trait: Trait, sign: int) -> None:
        """Price is elsewhere and nothing was traded between: the old levels are pulled."""
        line = trait.line
        distance = trait.character.jump * GAP_JUMPS
        line.anchor += sign * distance * MILLI
        line.fair = line.anchor
        book = line.book
        book.bid = book.ask = 0
        book.bids, book.asks = [], []
        line.told_ns = 0  # the whole book is told with the next step

    def _step(self, trait: Trait, now: Nanos, common: int, drawn: Sequence[int]) -> Update:
        nature, line, weather = trait.character, trait.line, trait.climate.weather
        book, mood = line.book, MOODS[weather.regime]
        draw, chance, breath = drawn
        self._drift(trait, now, common, draw)
        busyness = mood.busyness
        if line.dice is not None or weather.setting == "day":
            opens_ns = self._hours.day(now).opens_ns
            busyness = busyness * nature.pace * tide(now - opens_ns) // 65_536
        changed: Changes = {}
        prints = flow.prints(line, chance, busyness, changed)
        flow.breathe(nature, line, breath, changed)
        moved = flow.move(nature, line, chance >> 40, prints, wild=mood.wild)
        if moved:
            changed.update(moved)
        bids, asks = flow.within(line, changed)
        full = now - line.told_ns >= REFRESH_NS
        if full:
            line.told_ns = now
        rows = (
            book.rows() if full
            else [(side, price, size) for (side, price), size in changed.items()]
        )  # fmt: skip
        quote = bool(moved or prints) or now - line.quoted_ns >= BEAT_NS
        if quote:
            line.quoted_ns = now
        return Update(
            nature.root,
            now,
            prints,
            rows,
            quote,
            book.bid,
            book.ask,
            bids,
            asks,
            full,
            line.low,
            line.high,
            weather.regime == "dead",
        )

    @staticmethod
    def _drift(trait: Trait, now: Nanos, common: int, draw: int) -> None:
        """Move the fair price, within the session's limits."""
        nature, line, weather = trait.character, trait.line, trait.climate.weather
        regime = weather.regime
        if trait.lead is not None:
            basis = bell(draw) // 4
            root = nature.root
            fair = convert(trait.lead.fair, FAMILIES[root], root) + basis
            line.anchor = convert(trait.lead.anchor, FAMILIES[root], root)
        else:
            if regime == "trend":
                line.anchor = settle(weather, nature, line.anchor, STEPS_PER_S)
            if line.dice is not None:
                strayed = line.anchor - nature.home * MILLI
                if abs(strayed) > nature.wander * MILLI:
                    line.anchor -= (1 if strayed > 0 else -1) * nature.drift // STEPS_PER_S
            if regime == "limit":
                edge = line.high * MILLI + BEYOND if weather.sign > 0 else line.low * MILLI - BEYOND
                target = edge
            else:
                target = weather.target(nature, line.anchor, now)
            mood = MOODS[regime]
            shock = (3 * common + 2 * bell(draw)) * nature.noise * mood.loudness // 7_373
            fair = line.fair + (target - line.fair) * mood.pull // 256 + shock
        if line.high:
            highest, lowest = line.high * MILLI + MILLI - 1, (line.low - 1) * MILLI
            fair = highest if fair > highest else lowest if fair < lowest else fair
        line.fair = fair
