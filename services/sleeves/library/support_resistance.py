"""Support and resistance: buys a bar that was refused at a support, sells one at a resistance.

Edge. Prices at which the market turned before are where orders wait. A bar that reaches such a
level, finds them and closes away from it shows that they are still there; the stop lies just behind
the level, where the idea is wrong.

Regime. CHOP: levels hold while nobody is in a hurry. In a TREND every level breaks in the end, and
the first touch after a long run is the one that fails.

Worst day. Three stops in a row (16 ticks, 8 dollars on one MNQ, plus slippage and fees: about 30
dollars), then the governor's rest after lost trades; its bound for a sleeve's day is 150.

Fees. 2.44 ticks a round trip on MNQ; the target is 24, so a third of the trades must reach it.

Disabled by. Regimes named in the settings without the current one; the rest after each trade; no
levels yet; everything that stops any sleeve (feed, risk, session).
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from services.sleeves.one_trade import OneTrade
from services.sleeves.params import tunable
from shared.domain.indicators import Swings
from shared.events import Bar, Side


class View(Struct):
    """Levels, known `swing_bars` after they happened."""

    levels: Swings


class SupportResistance(OneTrade):
    class Params(OneTrade.Params, frozen=True):
        span_s: Annotated[int, Meta(ge=1, le=300)] = 60
        swing_bars: Annotated[int, Meta(ge=1, le=50)] = 3
        levels: Annotated[int, Meta(ge=1, le=50)] = 8  # kept of each kind
        near_ticks: Annotated[int, tunable(ge=0, le=100)] = 4  # a touch
        bounce_ticks: Annotated[int, tunable(ge=1, le=200)] = 4  # closes so far away from it

    params: Params
    view: View

    def prepare(self) -> None:
        self.warmup = {self.params.span_s: 8 * self.params.swing_bars + 1}

    def fresh_view(self) -> View:
        return View(Swings(self.params.swing_bars, keep=self.params.levels))

    def learn(self, bar: Bar) -> None:
        if bar.span_s == self.params.span_s:
            self.view.levels.update(bar.high, bar.low)

    def on_bar(self, bar: Bar) -> None:
        params, levels = self.params, self.view.levels
        if bar.span_s != params.span_s or self.overstayed() or not self.may_begin:
            return
        support = levels.support_below(bar.close)
        if support is not None:
            self.number("support_ticks", support)
            refused = bar.close - support >= params.bounce_ticks and bar.close > bar.open
            if bar.low <= support + params.near_ticks and refused:
                self.begin(Side.BUY, f"refused at support {support}")
                return
        resistance = levels.resistance_above(bar.close)
        if resistance is not None:
            self.number("resistance_ticks", resistance)
            refused = resistance - bar.close >= params.bounce_ticks and bar.close < bar.open
            if bar.high >= resistance - params.near_ticks and refused:
                self.begin(Side.SELL, f"refused at resistance {resistance}")
