"""Pairs: trades one product back to where another one says it should be.

Edge. Two index futures share most of what moves them. When our product stands several deviations
from its least-squares line on the other, over a window in which they did move together, the
difference is more often flow in one of them than news about it, and closes.

It trades one leg. A sleeve owns one contract, so the other product is a measure, not a hedge: what
is left is half a pair, with the whole market's risk for the time it is held. The stop is therefore
near and the time short. Two sleeve names can trade both legs, each listening to the other (same
parameters, products exchanged); they enter apart, are not netted by the firm, and the governor's
correlation limits count them.

Regime. CHOP. When one index leaves the others for a reason the line is simply wrong: `correlation`
keeps it out once that shows.

Worst day. Three stops in a row (24 ticks, 12 dollars on one MNQ, plus slippage and fees: about 42
dollars), then the governor's rest after lost trades; its bound for a sleeve's day is 150.

Fees. 2.44 ticks a round trip on MNQ; it enters only with `min_edge_ticks` to the line.

Disabled by. No bars of the other product; correlation below the limit; regimes named in the
settings without the current one; the rest after each trade; everything that stops any sleeve.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from services.sleeves.library.together import Together
from services.sleeves.one_trade import Distance, OneTrade
from services.sleeves.params import tunable
from shared.domain.indicators import RollingSpread
from shared.events import Bar, Side


class View(Struct):
    spread: RollingSpread
    row: Together = field(default_factory=Together)


class Pairs(OneTrade):
    class Params(OneTrade.Params, frozen=True):
        stop_ticks: Distance = 24
        target_ticks: Distance = 60
        other: Literal["MES", "MNQ", "M2K", "MYM", "ES", "NQ", "RTY", "YM"] = "MES"
        span_s: Annotated[int, Meta(ge=1, le=300)] = 60
        window_bars: Annotated[int, Meta(ge=10, le=500)] = 60
        entry_z: Annotated[float, tunable(ge=0.5, le=10)] = 2.0
        exit_z: Annotated[float, tunable(ge=0, le=5)] = 0.25
        correlation: Annotated[float, tunable(ge=-1, le=1)] = 0.5
        min_edge_ticks: Annotated[int, tunable(ge=1, le=200)] = 6

    params: Params
    view: View

    def prepare(self) -> None:
        if self.params.exit_z >= self.params.entry_z:
            raise ValueError("exit_z was not below entry_z")
        self.listens = (self.params.other,)
        self.warmup = {self.params.span_s: self.params.window_bars}

    def fresh_view(self) -> View:
        return View(RollingSpread(self.params.window_bars))

    def learn(self, bar: Bar) -> None:
        self.learn_other("", bar)

    def learn_other(self, root: str, bar: Bar) -> None:
        view = self.view
        if bar.span_s == self.params.span_s and view.row.take(root, bar, 2):
            view.spread.update(view.row.closes[self.params.other], view.row.closes[""])

    def on_bar(self, bar: Bar) -> None:
        if not self.overstayed():
            self._decide(bar)

    def on_other_bar(self, root: str, bar: Bar) -> None:
        self._decide(bar)

    def _decide(self, bar: Bar) -> None:
        params, spread = self.params, self.view.spread
        if bar.span_s != params.span_s or not self.view.row.whole or not spread.ready:
            return
        z, edge = spread.score, spread.value
        self.number("z", z)
        self.number("beta", spread.beta)
        self.number("correlation", spread.correlation)
        if self.position:
            if z * self.position >= -params.exit_z:
                self.close("back at the line")
        elif spread.correlation >= params.correlation:
            self._enter(z, edge)

    def _enter(self, z: float, edge: float) -> None:
        params = self.params
        if self.may_begin and abs(z) >= params.entry_z and abs(edge) >= params.min_edge_ticks:
            side = Side.SELL if z > 0 else Side.BUY
            self.begin(side, f"z {z:+.2f}, {edge:+.1f} ticks from {params.other}'s line")
