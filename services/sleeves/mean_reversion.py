"""Mean reversion: fades a stalled stretch away from the rolling VWAP, exits at the mean.

Edge. Over seconds to minutes much of a move is one hurried participant; when he is done the price
comes back to where most volume traded. The z-score of the price against a rolling volume-weighted
mean measures the stretch in its own deviations; the stall (no progress over the last bars) says
that he may be done. Both are needed: a stretch that still runs is a trend.

Regime. Earns in chop and after overshoots. Loses in a trend that pauses and goes on: each
pause looks like a stall. `min_edge_ticks` keeps it out where the way back would not pay the spread
and fees, and the cooldown keeps one trend from costing more than one trade per `cooldown_s`.

Worst day. Three stops in a row (16 ticks, 20 dollars on one MES each, plus slippage and fees: about
66 dollars), then the governor's rest after lost trades; its bound for a sleeve's day is 150. The
bracket rests at the venue from the moment of entry, so a dead computer changes nothing. A price
that neither returns nor runs is left after `time_stop_s`. A far target is in the bracket too, for
the case that the mean is reached while nobody is looking.

Fees. 0.98 ticks a round trip on MES; it enters only with `min_edge_ticks` to the mean.

Disabled by. No stall; too short a way back; regimes named in the settings without the current one;
the rest after each trade; everything that stops any sleeve (feed, risk, session).
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from services.sleeves.one_trade import OneTrade, Seconds
from services.sleeves.params import tunable
from shared.domain.indicators import Momentum, Vwap
from shared.events import Bar, Side


class View(Struct):
    mean: Vwap
    progress: Momentum


class MeanReversion(OneTrade):
    class Params(OneTrade.Params, frozen=True):
        time_stop_s: Seconds = 45.0
        span_s: Annotated[int, Meta(ge=1, le=300)] = 1
        window_bars: Annotated[int, Meta(ge=5, le=2_000)] = 20
        entry_z: Annotated[float, tunable(ge=0.5, le=10)] = 1.4
        stall_bars: Annotated[int, Meta(ge=1, le=100)] = 2
        stall_ticks: Annotated[int, tunable(ge=0, le=100)] = 4
        min_edge_ticks: Annotated[int, tunable(ge=1, le=200)] = 6

    params: Params
    view: View

    def prepare(self) -> None:
        self.warmup = {self.params.span_s: self.params.window_bars}

    def fresh_view(self) -> View:
        return View(Vwap(self.params.window_bars), Momentum(self.params.stall_bars))

    def learn(self, bar: Bar) -> None:
        if bar.span_s == self.params.span_s:
            self.view.mean.update(bar.close, bar.volume)
            self.view.progress.update(bar.close)

    def on_bar(self, bar: Bar) -> None:
        if bar.span_s != self.params.span_s or not self.view.progress.ready:
            return
        z = self.view.mean.score(bar.close)
        self.number("z", z)
        self.number("vwap_ticks", self.view.mean.value)
        if self.position:
            self._leave(bar)
        elif self.may_begin:
            self._enter(bar, z)

    def _enter(self, bar: Bar, z: float) -> None:
        params = self.params
        edge = abs(bar.close - self.view.mean.value)
        stalled = abs(self.view.progress.value) <= params.stall_ticks
        if abs(z) < params.entry_z or edge < params.min_edge_ticks or not stalled:
            return
        side = Side.SELL if z > 0 else Side.BUY
        self.begin(side, f"z {z:+.2f}, {edge:.1f} ticks from the mean, stalled")

    def _leave(self, bar: Bar) -> None:
        if (bar.close - self.view.mean.value) * self.position >= 0:
            self.close("back at the mean")
        else:
            self.overstayed()
