"""Engulfing bars: a bar that swallows the one before at the end of a run, traded its way.

Edge. A body that opens within the last one and closes beyond its open takes back everything the
other side had won in a bar. Anywhere that is noise; at the lowest low (highest high) of a while,
after a run, it shows that the run met more than it could move.

Regime. The end of a TREND, and WILD markets that calm down. In narrow CHOP bars engulf each other
for no reason, so a body must be worth `body_multiple` of the usual range.

Worst day. Three stops in a row (20 ticks, 10 dollars on one MNQ, plus slippage and fees: about 36
dollars), then the governor's rest after lost trades; its bound for a sleeve's day is 150.

Fees. 2.44 ticks a round trip on MNQ; the target is 30.

Disabled by. Regimes named in the settings without the current one; small bodies; the rest after
each trade; everything that stops any sleeve (feed, risk, session).
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from services.sleeves.one_trade import Distance, OneTrade
from services.sleeves.params import tunable
from shared.domain.indicators import Atr, Donchian, Engulfing
from shared.events import Bar, Side


class View(Struct):
    """The run, and the last two bars: the pattern counts where they hold the run's extreme."""

    pattern: Engulfing
    run: Donchian
    pair: Donchian
    range: Atr


class EngulfingBars(OneTrade):
    class Params(OneTrade.Params, frozen=True):
        stop_ticks: Distance = 20
        target_ticks: Distance = 30
        span_s: Annotated[int, Meta(ge=1, le=300)] = 60
        run_bars: Annotated[int, Meta(ge=3, le=500)] = 12
        range_bars: Annotated[int, Meta(ge=2, le=100)] = 14
        body_multiple: Annotated[float, tunable(ge=0, le=10)] = 0.6  # of the average true range

    params: Params
    view: View

    def prepare(self) -> None:
        self.warmup = {self.params.span_s: max(self.params.run_bars, self.params.range_bars) + 1}

    def fresh_view(self) -> View:
        params = self.params
        return View(Engulfing(), Donchian(params.run_bars), Donchian(2), Atr(params.range_bars))

    def learn(self, bar: Bar) -> None:
        view = self.view
        if bar.span_s == self.params.span_s:
            view.pattern.update(bar.open, bar.close)
            view.run.update(bar.high, bar.low)
            view.pair.update(bar.high, bar.low)
            view.range.update(bar.high, bar.low, bar.close)

    def on_bar(self, bar: Bar) -> None:
        view = self.view
        if bar.span_s != self.params.span_s or self.overstayed() or not self.may_begin:
            return
        if not (view.run.ready and view.range.ready and view.pattern.ready):
            return
        body = abs(bar.close - bar.open)
        if body < self.params.body_multiple * view.range.value:
            return
        (run_low, run_high), (low, high) = view.run.value, view.pair.value
        if view.pattern.value > 0 and low == run_low:
            self.begin(Side.BUY, f"a body of {body} ticks swallowed the last one at the low {low}")
        elif view.pattern.value < 0 and high == run_high:
            self.begin(
                Side.SELL, f"a body of {body} ticks swallowed the last one at the high {high}"
            )
