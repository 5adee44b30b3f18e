"""Trend: buys a break of the channel that momentum confirms, and lets a trailing stop end it.

Edge. Moves that leave a range with speed tend to go on for a while: stops are run, latecomers
follow. Most breaks fail and cost a little, a few run far and pay for all; the edge is the size of
the winners, not their number. So there is no target, only a stop that follows at a distance the
market itself sets (a multiple of the average true range of minute bars, within bounds).

Regime. Earns in trends and after news. Loses a little again and again in chop, where every break is
false: momentum over the last bars must confirm, and a cooldown follows every trade.

Worst day. Three stops in a row (40 ticks, 20 dollars on one MNQ each, plus slippage and fees: about
66 dollars), then the governor's rest after lost trades; its bound for a sleeve's day is 150. The
stop rests at the venue from the entry on. The trailing stop is that same order, moved: it only ever
comes nearer (the desk sees to it), so a crash leaves the position no worse protected than before. A
gap through the stop costs what the market takes.

Fees. 2.44 ticks a round trip on MNQ, against winners of many times the stop.

Disabled by. Slow breaks (`momentum_ticks`); regimes named in the settings without the current one;
the rest after each trade; everything that stops any sleeve (feed, risk, session).
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from services.sleeves.base import GapPolicy, Sleeve
from services.sleeves.params import tunable
from shared.domain.indicators import Atr, Donchian, Momentum
from shared.events import Bar, Fill, SleeveBook
from shared.units import SECOND, Nanos, Ticks


class View(Struct):
    """`low` and `high`: the channel before the newest bar, which may break it; 0 until known."""

    channel: Donchian
    momentum: Momentum
    range: Atr
    low: Ticks = 0
    high: Ticks = 0


class Trend(Sleeve):
    class Params(Struct, frozen=True):
        span_s: Annotated[int, Meta(ge=1, le=300)] = 1
        channel_bars: Annotated[int, Meta(ge=2, le=2_000)] = 20
        momentum_bars: Annotated[int, Meta(ge=1, le=500)] = 5
        momentum_ticks: Annotated[int, tunable(ge=1, le=1_000)] = 18
        atr_span_s: Annotated[int, Meta(ge=1, le=300)] = 60
        atr_bars: Annotated[int, Meta(ge=2, le=100)] = 14
        atr_multiple: Annotated[float, tunable(gt=0, le=20)] = 1.5
        trail_ticks_min: Annotated[int, tunable(ge=2, le=400)] = 20
        trail_ticks_max: Annotated[int, tunable(ge=2, le=400)] = 40
        trail_step_ticks: Annotated[int, tunable(ge=1, le=100)] = 4
        stop_ticks: Annotated[int, tunable(ge=4, le=200)] = 40
        cooldown_s: Annotated[float, tunable(ge=0, le=36_000)] = 90.0

    class State(Struct):
        held: int = 0  # as last seen, to notice the end of a trade
        best: Ticks = 0  # most favourable price since the entry
        rest_until_ns: Nanos = 0

    gap_policy = GapPolicy.PAUSE
    params: Params
    state: State
    view: View

    def prepare(self) -> None:
        params = self.params
        if params.trail_ticks_min > params.trail_ticks_max:
            raise ValueError("trail_ticks_min was above trail_ticks_max")
        bars = max(params.channel_bars, params.momentum_bars) + 1
        self.warmup = {params.atr_span_s: params.atr_bars}
        self.warmup[params.span_s] = max(bars, self.warmup.get(params.span_s, 0))

    def fresh_view(self) -> View:
        params = self.params
        return View(
            Donchian(params.channel_bars), Momentum(params.momentum_bars), Atr(params.atr_bars)
        )

    def learn(self, bar: Bar) -> None:
        view = self.view
        if bar.span_s == self.params.atr_span_s:
            view.range.update(bar.high, bar.low, bar.close)
        if bar.span_s == self.params.span_s:
            if view.channel.ready:
                view.low, view.high = view.channel.value
            view.channel.update(bar.high, bar.low)
            view.momentum.update(bar.close)

    def on_adopt(self, book: SleeveBook) -> None:
        super().on_adopt(book)
        self.state.held, self.state.best = book.position, 0

    def on_bar(self, bar: Bar) -> None:
        if bar.span_s != self.params.span_s or not self.view.high:
            return
        self.number("channel_low_ticks", self.view.low)
        self.number("channel_high_ticks", self.view.high)
        if self.position:
            self._follow(bar)
        elif self.idle and self.now_ns >= self.state.rest_until_ns:
            self._enter(bar)

    def _enter(self, bar: Bar) -> None:
        params, momentum = self.params, self.view.momentum.value
        if bar.close > self.view.high and momentum >= params.momentum_ticks:
            self.buy(sl_ticks=params.stop_ticks, reason=f"broke {self.view.high}, {momentum:+d}")
        elif bar.close < self.view.low and momentum <= -params.momentum_ticks:
            self.sell(sl_ticks=params.stop_ticks, reason=f"broke {self.view.low}, {momentum:+d}")

    def _follow(self, bar: Bar) -> None:
        """The stop follows the best price since the entry at the trailing distance."""
        state, side = self.state, 1 if self.position > 0 else -1
        reached = bar.high if side > 0 else bar.low
        if not state.best or (reached - state.best) * side > 0:
            state.best = reached
        distance = self._distance()
        self.number("trail_ticks", distance)
        self.trail(state.best - side * distance, step=self.params.trail_step_ticks, reason="trail")

    def _distance(self) -> Ticks:
        params = self.params
        wish = round(params.atr_multiple * self.view.range.value)
        return max(params.trail_ticks_min, min(params.trail_ticks_max, wish))

    def on_fill(self, fill: Fill) -> None:
        self._notice()

    def on_position(self, book: SleeveBook) -> None:
        self._notice()

    def _notice(self) -> None:
        """A trade began or ended; after an end, rest."""
        state = self.state
        if state.held and not self.position:
            state.rest_until_ns = self.now_ns + round(self.params.cooldown_s * SECOND)
        if state.held != self.position:
            state.held, state.best = self.position, 0
