"""Statistical arbitrage: fades what is left of our product's moves once the others explain theirs.

Edge. Each bar's move is compared with what the betas to three related products made likely; the
rest adds up to a path of its own. That path wanders back more often than a price does. Unlike
`pairs` it looks at moves, not levels, and at a basket, so that one odd neighbour does not decide.

It trades one leg, like `pairs`: the basket is a measure, not a hedge.

Regime. CHOP. After news about our product alone the path does not come back; the time stop ends
such a trade.

Worst day. Three stops in a row (24 ticks, 12 dollars on one MNQ, plus slippage and fees: about 42
dollars), then the governor's rest after lost trades; its bound for a sleeve's day is 150.

Fees. 2.44 ticks a round trip on MNQ; it enters only with `min_edge_ticks` of path to come back.

Disabled by. Bars missing of any product of the basket; regimes named in the settings without the
current one; the rest after each trade; everything that stops any sleeve (feed, risk, session).
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from services.sleeves.library.together import Together
from services.sleeves.one_trade import Distance, OneTrade
from services.sleeves.params import tunable
from shared.domain.indicators import RollingBeta, ZScore
from shared.events import Bar, Side
from shared.units import Ticks

FINE = 1_000  # the path is kept in thousandths of a tick, so that its sums are exact


class View(Struct):
    """`path`: what the basket did not explain, added up, in thousandths of a tick."""

    betas: dict[str, RollingBeta]
    paths: ZScore
    row: Together = field(default_factory=Together)
    last: dict[str, Ticks] = {}
    path: int = 0


class StatArb(OneTrade):
    class Params(OneTrade.Params, frozen=True):
        stop_ticks: Distance = 24
        target_ticks: Distance = 60
        basket: Literal["MES M2K MYM", "MNQ M2K MYM", "MES MNQ MYM", "MES MNQ M2K"] = "MES M2K MYM"
        span_s: Annotated[int, Meta(ge=1, le=300)] = 60
        beta_bars: Annotated[int, Meta(ge=10, le=500)] = 40
        path_bars: Annotated[int, Meta(ge=10, le=500)] = 40
        entry_z: Annotated[float, tunable(ge=0.5, le=10)] = 2.0
        min_edge_ticks: Annotated[int, tunable(ge=1, le=200)] = 6

    params: Params
    view: View

    def prepare(self) -> None:
        self.listens = tuple(self.params.basket.split())
        self.warmup = {self.params.span_s: self.params.beta_bars + self.params.path_bars + 1}

    def fresh_view(self) -> View:
        betas = {root: RollingBeta(self.params.beta_bars) for root in self.listens}
        return View(betas, ZScore(self.params.path_bars))

    def learn(self, bar: Bar) -> None:
        self.learn_other("", bar)

    def learn_other(self, root: str, bar: Bar) -> None:
        view = self.view
        if bar.span_s != self.params.span_s or not view.row.take(root, bar, len(self.listens) + 1):
            return
        closes, own = view.row.closes, view.row.closes[""]
        if view.last and all(beta.ready for beta in view.betas.values()):
            likely = 0.0  # added one by one: `sum` of floats rounds otherwise since Python 3.12
            for name, beta in view.betas.items():
                likely += beta.value * (closes[name] - view.last[name])
            likely /= len(self.listens)
            view.path += (own - view.last[""]) * FINE - round(likely * FINE)
            view.paths.update(view.path)
        for name, beta in view.betas.items():
            beta.update(closes[name], own)
        view.last = dict(closes)

    def on_bar(self, bar: Bar) -> None:
        if not self.overstayed():
            self._decide(bar)

    def on_other_bar(self, root: str, bar: Bar) -> None:
        self._decide(bar)

    def _decide(self, bar: Bar) -> None:
        params, view = self.params, self.view
        if bar.span_s != params.span_s or not view.row.whole or not view.paths.ready:
            return
        z, edge = view.paths.value, view.path / FINE - view.paths.mean / FINE
        self.number("z", z)
        self.number("path_ticks", edge)
        if self.position:
            if z * self.position >= 0:
                self.close("the path came back")
        elif self.may_begin and abs(z) >= params.entry_z and abs(edge) >= params.min_edge_ticks:
            side = Side.SELL if z > 0 else Side.BUY
            self.begin(side, f"z {z:+.2f}, {edge:+.1f} ticks that the basket does not explain")
