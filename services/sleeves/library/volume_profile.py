"""Volume profile: a close back inside the value area goes on to where most was traded.

Edge. The prices that hold most of the recent volume are where buyers and sellers agree. A market
that left them and comes back has been refused outside, and the way to the point of control is
empty of anybody who wants to stop it.

Regime. CHOP. In a TREND the value area itself moves, and the close back inside is a rest on the
way.

Worst day. Three stops in a row (20 ticks, 10 dollars on one MNQ, plus slippage and fees: about 36
dollars), then the governor's rest after lost trades; its bound for a sleeve's day is 150.

Fees. 2.44 ticks a round trip on MNQ; it enters only with `min_edge_ticks` to the point of control.

Disabled by. Regimes named in the settings without the current one; a narrow profile; the rest after
each trade; everything that stops any sleeve (feed, risk, session).
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from services.sleeves.one_trade import Distance, OneTrade
from services.sleeves.params import tunable
from shared.domain.indicators import VolumeProfile as Profile
from shared.events import Bar, Side
from shared.units import Ticks


class View(Struct):
    """The value area before the newest bar and the close before it; 0 until known."""

    profile: Profile
    low: Ticks = 0
    peak: Ticks = 0
    high: Ticks = 0
    close: Ticks = 0
    before: Ticks = 0


class VolumeProfile(OneTrade):
    class Params(OneTrade.Params, frozen=True):
        stop_ticks: Distance = 20
        target_ticks: Distance = 60  # in case the point of control is passed unseen
        span_s: Annotated[int, Meta(ge=1, le=300)] = 60
        profile_bars: Annotated[int, Meta(ge=10, le=1_000)] = 60
        bucket_ticks: Annotated[int, Meta(ge=1, le=100)] = 4
        share_percent: Annotated[int, Meta(ge=10, le=95)] = 70
        min_edge_ticks: Annotated[int, tunable(ge=1, le=200)] = 8

    params: Params
    view: View

    def prepare(self) -> None:
        self.warmup = {self.params.span_s: self.params.profile_bars + 1}

    def fresh_view(self) -> View:
        params = self.params
        return View(Profile(params.profile_bars, params.bucket_ticks, params.share_percent))

    def learn(self, bar: Bar) -> None:
        view = self.view
        if bar.span_s != self.params.span_s:
            return
        if view.profile.ready:
            view.low, view.peak, view.high = view.profile.value
            view.high += self.params.bucket_ticks - 1  # a bucket's floor; the area ends at its top
        view.before, view.close = view.close, bar.close
        view.profile.update(bar.close, bar.volume)

    def on_bar(self, bar: Bar) -> None:
        view = self.view
        if bar.span_s != self.params.span_s or not view.peak:
            return
        self.number("value_low_ticks", view.low)
        self.number("control_ticks", view.peak)
        self.number("value_high_ticks", view.high)
        if self.position:
            if (bar.close - view.peak) * self.position >= 0:
                self.close("at the point of control")
            else:
                self.overstayed()
        elif self.may_begin and abs(bar.close - view.peak) >= self.params.min_edge_ticks:
            self._enter(bar)

    def _enter(self, bar: Bar) -> None:
        view = self.view
        if view.before < view.low <= bar.close < view.peak:
            self.begin(Side.BUY, f"back above {view.low}, control at {view.peak}")
        elif view.before > view.high >= bar.close > view.peak:
            self.begin(Side.SELL, f"back below {view.high}, control at {view.peak}")
