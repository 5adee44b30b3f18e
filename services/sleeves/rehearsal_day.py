"""A made-up stretch of market for any sleeve: every weather, a gap, a correction, a second product.

Not a model of anything: a walk with a changing character from a small generator of whole numbers,
so that every computer tells the same story. It is made to provoke, not to resemble: what a sleeve
earns in it means nothing. The books of the other products follow the first, late and with noise, as
related markets do; the book leans the way the price goes next, and is sometimes wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

from services.sleeves.base import Sleeve
from services.sleeves.rehearsal import Stage, rehearse
from services.sleeves.rehearsal_venue import T0
from shared.contracts import PRODUCTS, contract_id
from shared.events import Bar, BarOrigin, Depth, Gap, Phase, Trade
from shared.units import SECOND, Ticks

STEPS: Final = 300
SPELL: Final = 60  # steps of one character
GAP_AT: Final = 200
BASE: Final = 20_000  # ticks
KEPT_MAX: Final = 4
_KEPT: Final[dict[str, Stage]] = {}
"""The last days told: many checks read the same one."""


class Dice(Struct):
    """A linear congruential generator (Knuth's MMIX): whole numbers from 0 to `below` - 1."""

    seed: int

    def roll(self, below: int) -> int:
        self.seed = (self.seed * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % 2**64
        return (self.seed >> 33) % below


class Walk(Struct):
    """A price with a character that changes every `SPELL` steps: chop, trend, jump, chop, ..."""

    dice: Dice
    price: Ticks = BASE
    home: Ticks = BASE
    step: int = 0

    def next(self) -> int:
        """The next move, ticks; the price has made it."""
        spell, at = divmod(self.step, SPELL)
        self.step += 1
        noise = self.dice.roll(7) - 3
        kind = spell % 4
        if kind in (0, 2):
            move = noise + (self.home - self.price) // 6
        elif kind == 1:
            move = noise + (3 if spell % 8 < 4 else -3)
        else:
            move = noise + (25 if at == SPELL // 2 else 0)
        if kind in (1, 3):
            self.home = self.price
        self.price += move
        return move


class Candle(Struct):
    """A bar of `span_s` in the making."""

    open: Ticks = 0
    high: Ticks = 0
    low: Ticks = 0
    volume: int = 0

    def take(self, price: Ticks, volume: int) -> None:
        if not self.volume:
            self.open = self.high = self.low = price
        self.high, self.low = max(self.high, price), min(self.low, price)
        self.volume += volume


class Day:
    """Drives a stage. `step_s`: market seconds a step; the smallest span the sleeve learns from."""

    def __init__(self, stage: Stage, seed: int, warm: bool = True) -> None:
        self.stage = stage
        self.spans = sorted({1, *stage.host.sleeve.warmup})
        if len(self.spans) > 1 and 1 not in stage.host.sleeve.warmup:
            self.spans.remove(1)
        self.step_s = self.spans[0]
        self.walk = Walk(Dice(seed))
        self.noise = Dice(seed + 1)
        self.roots = ("", *stage.host.sleeve.listens)
        self.candles = {(root, span): Candle() for root in self.roots for span in self.spans}
        self.others = dict.fromkeys(stage.host.sleeve.listens, BASE)
        self.closes = dict.fromkeys(self.roots, BASE)
        if warm:
            self._history()

    def _history(self) -> None:
        """The bars it needs, of each product: one product after the other, as they come."""
        need = stage_need(self.stage)
        for root in self.roots:
            past = Walk(Dice(self.walk.dice.seed))
            for span, bars in need.items():
                for number in range(bars, 0, -1):
                    move = past.next()
                    close = past.price + (self.noise.roll(5) - 2 if root else 0)
                    self.stage.bar(
                        close,
                        opened=close - move,
                        high=max(close, close - move) + 1,
                        low=min(close, close - move) - 1,
                        span_s=span,
                        origin=BarOrigin.HISTORY,
                        open_ns=T0 - number * span * SECOND,
                        contract=self._contract(root),
                    )
                past.price = past.home = BASE

    def _contract(self, root: str) -> str:
        return contract_id(PRODUCTS[root], 2026, 12) if root else ""

    # -- steps ---------------------------------------------------------------------------------

    def run(self, steps: int = STEPS) -> None:
        for _ in range(steps):
            self.step()

    def step(self) -> None:
        """Two quotes with their book, a print, and every bar that closes; sometimes an accident."""
        stage, before = self.stage, self.walk.price
        move = self.walk.next()
        lean = max(1, 20 + 4 * move + self.noise.roll(9) - 4)
        stage.now_ns += self.step_s * SECOND // 2
        self._book(before, lean)
        stage.now_ns += self.step_s * SECOND - self.step_s * SECOND // 2
        stage.ticks += 1
        self._book(self.walk.price, max(1, 20 + self.noise.roll(9)))
        stage.print_at(self.walk.price)
        volume = 5 + abs(move) + self.noise.roll(5)
        for root in stage.host.sleeve.listens:
            gone = self.walk.price - self.others[root] + self.noise.roll(13) - 6
            self.others[root] += gone // 2
        for bar in self._closed(volume):
            stage.tell(bar)
        stage.pulse(stage.ticks * self.step_s)
        if self.walk.step == GAP_AT:
            self._accident()

    def _book(self, price: Ticks, lean: int) -> None:
        stage, sizes = self.stage, (min(lean, 60), max(1, 40 - lean))
        stage.tell(
            Depth(
                contract=stage.contract,
                bids=((price, sizes[0]), (price - 1, 30)),
                asks=((price + 1, sizes[1]), (price + 2, 30)),
                venue_ns=stage.now_ns,
                recv_ns=stage.now_ns,
            )
        )
        for side, size in enumerate(sizes):
            stage.tell(
                Trade(
                    contract=stage.contract,
                    price=price + 1 - side,
                    size=max(1, size // 4),
                    venue_ns=stage.now_ns,
                    recv_ns=stage.now_ns,
                )
            )
        stage.tick(price, sizes=sizes)

    def _closed(self, volume: int) -> Iterator[Bar]:
        """Bars of all products that close now, ours first."""
        prices = {"": self.walk.price, **self.others}
        elapsed = self.stage.ticks * self.step_s
        wick = self.noise.roll(6)
        for (root, span), candle in self.candles.items():
            before, price = self.closes[root], prices[root]
            for passed in (before, max(before, price) + wick, min(before, price) - wick, price):
                candle.take(passed, volume)
            if elapsed % span == 0:
                self.candles[root, span] = Candle()
                yield Bar(
                    contract=self._contract(root) or self.stage.contract,
                    span_s=span,
                    open_ns=self.stage.now_ns - span * SECOND,
                    open=candle.open,
                    high=candle.high,
                    low=candle.low,
                    close=prices[root],
                    volume=candle.volume,
                )
        self.closes = prices

    def _accident(self) -> None:
        """Data was missed, and an older bar turns out to have been another one."""
        stage = self.stage
        stage.tell(
            Gap(
                contract=stage.contract,
                start_ns=stage.now_ns - SECOND,
                end_ns=stage.now_ns,
                reason="rehearsed",
            )
        )
        stage.bar(
            self.walk.price,
            span_s=self.step_s,
            high=self.walk.price + 3,
            low=self.walk.price - 3,
            origin=BarOrigin.REPAIRED,
            open_ns=stage.now_ns - 2 * self.step_s * SECOND,
        )

    def end(self, steps: int = 20) -> None:
        """No entries, then the governor's flatten: the venue closes what is held."""
        self.stage.tell(self.stage.session(Phase.NO_ENTRIES))
        self.run(steps)
        self.stage.flatten()
        self.run(2)


def stage_need(stage: Stage) -> dict[int, int]:
    """Bars the sleeve asks for, by span, short spans first."""
    return dict(sorted(stage.host.sleeve.warmup.items()))


def day(kind: type[Sleeve], seed: int = 1, steps: int = STEPS, **params: Any) -> Stage:
    """A stage after a warm-up and a made-up stretch of market; to be read, for it is kept."""
    key = f"{kind.__module__}:{kind.__qualname__} {seed} {steps} {sorted(params.items())}"
    if key not in _KEPT:
        while len(_KEPT) >= KEPT_MAX:
            del _KEPT[next(iter(_KEPT))]
        stage = rehearse(kind, **params)
        Day(stage, seed).run(steps)
        _KEPT[key] = stage
    return _KEPT[key]
