"""Tail hedge: stop orders that wait outside the market and open when volatility jumps.

Edge. Futures only, so no options: their pay-off is imitated. A buy stop above and a sell stop below
the market cost nothing while nothing happens, turn into a position in the direction of a jump, and
the exit is convex: the trailing distance shrinks as profit grows, so a small move gives little
back and a large one keeps nearly all. The other sleeves lose in a jump; this one is meant to be
paid then.

Regime. Earns in jumps and crashes. Pays in the nervous calm between: each false alarm costs up to
the stop. Those losses and all fees are its premium, reported as `carry_dollars` beside what alarms
have `earned_dollars`: an insurance whose price nobody shows is a rumour.

How it waits. The distance is a multiple of the recent volatility over `horizon_s`, within bounds.
While the market is calm the pair follows it slowly (every `rearm_s`, when it has drifted
`drift_ticks`); when it is not calm nothing is moved or placed, so a jump runs into the stop instead
of chasing it ahead.

Worst day. An alarm that was false costs the bracket stop (40 ticks, 20 dollars on one MYM, plus
slippage and fees: about 22 dollars), at most once per `cooldown_s`; three in a row end in the
governor's rest, and its bound for a sleeve's day is 150. When one side opens the other is cancelled
at once; both stops lie more than a stop's distance apart, so a whipsaw within that moment closes
the first position at a known loss.

Fees. 2.44 ticks a round trip on MYM: part of the premium, told as `carry_dollars`.

Disabled by. Markets that are not calm (nothing is placed or moved then); regimes named in the
settings without the current one; the rest after an alarm; everything that stops any sleeve.
"""

from __future__ import annotations

from math import sqrt
from typing import Annotated

from msgspec import Meta, Struct

from services.sleeves.base import Sleeve
from services.sleeves.memory import Order
from services.sleeves.params import tunable
from shared.domain.indicators import VolatilityRatio
from shared.events import Bar, Fill, Quote, Side, SleeveBook
from shared.units import SECOND, USD, Micros, Nanos, Ticks

Distance = Annotated[int, tunable(ge=2, le=400)]
Seconds = Annotated[float, tunable(ge=0, le=36_000)]


class TailHedge(Sleeve):
    class Params(Struct, frozen=True):
        fast_bars: Annotated[int, Meta(ge=2, le=600)] = 5
        usual_bars: Annotated[int, Meta(ge=2, le=3_600)] = 15
        calm_ratio: Annotated[float, tunable(ge=1, le=20)] = 1.8  # fast over usual, above: not calm
        horizon_s: Annotated[float, tunable(gt=0, le=3_600)] = 20.0
        distance_multiple: Annotated[float, tunable(gt=0, le=20)] = 2.5
        distance_ticks_min: Distance = 22
        distance_ticks_max: Distance = 60
        rearm_s: Seconds = 8.0
        drift_ticks: Annotated[int, tunable(ge=1, le=200)] = 6
        stop_ticks: Annotated[int, tunable(ge=4, le=200)] = 40
        trail_ticks_min: Distance = 8
        convexity: Annotated[int, tunable(ge=1, le=1_000)] = 20  # profit that halves the trail
        trail_step_ticks: Annotated[int, tunable(ge=1, le=100)] = 6
        cooldown_s: Seconds = 90.0

    class State(Struct):
        held: int = 0
        best: Ticks = 0  # most favourable price since the alarm
        mark: Micros = 0  # earned by the book when the last alarm ended
        marked: bool = False
        alarms: int = 0
        false_alarms: int = 0
        carry: Micros = 0  # paid for false alarms, fees included
        earned: Micros = 0
        rest_until_ns: Nanos = 0

    params: Params
    state: State
    view: VolatilityRatio

    def prepare(self) -> None:
        if self.params.distance_ticks_min > self.params.distance_ticks_max:
            raise ValueError("distance_ticks_min was above distance_ticks_max")
        self.warmup = {1: self.params.fast_bars + self.params.usual_bars}

    def fresh_view(self) -> VolatilityRatio:
        return VolatilityRatio.of(self.params.fast_bars, self.params.usual_bars)

    def learn(self, bar: Bar) -> None:
        if bar.span_s == 1:
            self.view.update(bar.close)

    # -- events --------------------------------------------------------------------------------

    def on_adopt(self, book: SleeveBook) -> None:
        super().on_adopt(book)
        state = self.state
        state.held, state.best = book.position, 0
        state.mark, state.marked = self.earned, True

    def on_bar(self, bar: Bar) -> None:
        if bar.span_s == 1 and not self.position:
            self._wait()

    def on_quote(self, quote: Quote) -> None:
        if self.position:
            self._follow(quote)

    def on_fill(self, fill: Fill) -> None:
        if self.position:
            self.cancel_entries("the other side opened")
        self._notice()

    def on_position(self, book: SleeveBook) -> None:
        if self.position:
            self.cancel_entries("the other side opened")
        self._notice()
        if not book.position:
            self._settle_alarm()

    # -- waiting -------------------------------------------------------------------------------

    def _wait(self) -> None:
        quote = self.quote_now
        if quote is None or not self._calm() or self.now_ns < self.state.rest_until_ns:
            return
        distance = self._distance()
        self.number("distance_ticks", distance)
        self._arm(Side.BUY, quote.ask + distance)
        self._arm(Side.SELL, quote.bid - distance)

    def _calm(self) -> bool:
        return self.view.ready and self.view.value <= self.params.calm_ratio

    def _distance(self) -> Ticks:
        params = self.params
        usual = self.view.usual.value * sqrt(params.horizon_s)
        wish = round(params.distance_multiple * usual)
        return max(params.distance_ticks_min, min(params.distance_ticks_max, wish))

    def _arm(self, side: Side, price: Ticks) -> None:
        mine = self._armed(side)
        if mine is None:
            ask = self.buy if side is Side.BUY else self.sell
            ask(stop=price, sl_ticks=self.params.stop_ticks, reason="waiting for a jump")
        elif not mine.over and mine.stop_price is not None:
            drifted = abs(price - mine.stop_price) >= self.params.drift_ticks
            old = self.now_ns - mine.asked_ns >= self.params.rearm_s * SECOND
            if drifted and old:
                self.modify(mine.intent_id, stop=price, reason="follows the market")

    def _armed(self, side: Side) -> Order | None:
        for order in self.orders.values():
            if order.side is side and not order.protective:
                return order
        return None

    # -- an alarm ------------------------------------------------------------------------------

    def _follow(self, quote: Quote) -> None:
        """Trail at a distance that shrinks with the best profit: stop x c / (c + profit)."""
        params, state, side = self.params, self.state, 1 if self.position > 0 else -1
        price = quote.bid if side > 0 else quote.ask
        if not state.best or (price - state.best) * side > 0:
            state.best = price
        profit = max(0, round((state.best - self.entry_price) * side))
        shrunk = params.stop_ticks * params.convexity // (params.convexity + profit)
        distance = max(params.trail_ticks_min, shrunk)
        self.trail(state.best - side * distance, step=params.trail_step_ticks, reason="convex")

    def _notice(self) -> None:
        """An alarm began or ended; after an end, rest."""
        state = self.state
        if state.held == self.position:
            return
        if not self.position:
            state.rest_until_ns = self.now_ns + round(self.params.cooldown_s * SECOND)
        elif not state.held:
            state.alarms += 1
        state.held, state.best = self.position, 0

    def _settle_alarm(self) -> None:
        """Book what the alarm cost or earned, by the governor's ledger."""
        state = self.state
        if state.marked:
            result = self.earned - state.mark
            if result < 0:
                state.carry -= result
                state.false_alarms += 1
            else:
                state.earned += result
        state.mark, state.marked = self.earned, True
        self.number("alarms", state.alarms)
        self.number("false_alarms", state.false_alarms)
        self.number("carry_dollars", state.carry / USD)
        self.number("earned_dollars", state.earned / USD)
