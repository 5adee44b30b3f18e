"""Momentum breakout: goes with a close beyond the channel that came with volume and strength.

Edge. A range that ends on more volume than usual ends because somebody wants to be elsewhere, and
those on the wrong side must follow. Unlike `trend` it does not trail: it takes a fixed multiple of
its risk and is gone, because most breaks travel once and come back.

Regime. TREND and the first minutes after news. In CHOP a break is the edge of the range, bought at
its worst price.

Worst day. Three stops in a row (20 ticks, 10 dollars on one MNQ, plus slippage and fees: about 36
dollars), then the governor's rest after lost trades; its bound for a sleeve's day is 150.

Fees. 2.44 ticks a round trip on MNQ; the target is 40, so 38 of 100 trades must reach it.

Disabled by. Regimes named in the settings without the current one; the rest after each trade;
ordinary volume; everything that stops any sleeve (feed, risk, session).
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from services.sleeves.one_trade import Distance, OneTrade
from services.sleeves.params import tunable
from shared.domain.indicators import Donchian, Rsi, Sma
from shared.events import Bar, Side
from shared.units import Ticks


class View(Struct):
    """`low` and `high`: the channel before the newest bar; `usual`: volume before it, 0 unknown."""

    channel: Donchian
    volume: Sma
    strength: Rsi
    low: Ticks = 0
    high: Ticks = 0
    usual: float = 0.0


class Breakout(OneTrade):
    class Params(OneTrade.Params, frozen=True):
        stop_ticks: Distance = 20
        target_ticks: Distance = 40
        span_s: Annotated[int, Meta(ge=1, le=300)] = 60
        channel_bars: Annotated[int, Meta(ge=2, le=500)] = 20
        strength_bars: Annotated[int, Meta(ge=2, le=200)] = 14
        volume_multiple: Annotated[float, tunable(ge=0, le=20)] = 1.2
        strength: Annotated[float, tunable(ge=50, le=100)] = 60.0  # RSI for longs, 100 less it

    params: Params
    view: View

    def prepare(self) -> None:
        bars = max(self.params.channel_bars, self.params.strength_bars) + 1
        self.warmup = {self.params.span_s: bars}

    def fresh_view(self) -> View:
        params = self.params
        return View(
            Donchian(params.channel_bars), Sma(params.channel_bars), Rsi(params.strength_bars)
        )

    def learn(self, bar: Bar) -> None:
        view = self.view
        if bar.span_s != self.params.span_s:
            return
        if view.channel.ready:
            view.low, view.high = view.channel.value
            view.usual = view.volume.value
        view.channel.update(bar.high, bar.low)
        view.volume.update(bar.volume)
        view.strength.update(bar.close)

    def on_bar(self, bar: Bar) -> None:
        params, view = self.params, self.view
        if bar.span_s != params.span_s or self.overstayed() or not self.may_begin:
            return
        if not view.high or not view.strength.ready:
            return
        strength = view.strength.value
        self.number("strength", strength)
        if bar.volume < params.volume_multiple * view.usual:
            return
        how = f"volume {bar.volume} against {view.usual:.0f}, strength {strength:.0f}"
        if bar.close > view.high and strength >= params.strength:
            self.begin(Side.BUY, f"broke {view.high}, {how}")
        elif bar.close < view.low and strength <= 100 - params.strength:
            self.begin(Side.SELL, f"broke {view.low}, {how}")
