"""Order flow: goes with the side of the book that is being eaten, for seconds to minutes.

Edge. What joins the bid or leaves the ask is demand before it is a trade. Over the next seconds the
mid tends to follow that pressure (Cont, Kukanov and Stoikov 2014), measured here in multiples of
the usual queue, and only while the microprice leans the same way. The effect is a few ticks: on a
market order with fees it is thin, so the threshold is high and the trades are few.

Regime. TREND and CHOP with a full book. In WILD markets queues are pulled faster than we hear of
it. It needs depth: where the venue sends none it stays silent.

Worst day. Three stops in a row (12 ticks, 6 dollars on one MNQ, plus slippage and fees: about 24
dollars), then the governor's rest after lost trades; its bound for a sleeve's day is 150.

Fees. 2.44 ticks a round trip on MNQ and a spread of one; the target is 16.

Disabled by. A gap (the pressure is counted anew); a spread beyond `spread_ticks_max`; the rest
after each trade; everything that stops any sleeve. Seconds-long trading in bulk is against the
firm's rules: `min_hold_s` bounds its own exits and `cooldown_s` how often.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from services.sleeves.one_trade import Distance, OneTrade, Seconds
from services.sleeves.params import tunable
from shared.domain.indicators import OrderFlowImbalance, microprice
from shared.events import Bar, Depth, Gap, Side
from shared.units import SECOND, Lots

MEMORY = 64  # the usual queue is a mean over about so many books


class OrderFlow(OneTrade):
    class Params(OneTrade.Params, frozen=True):
        stop_ticks: Distance = 12
        target_ticks: Distance = 16
        time_stop_s: Seconds = 120.0
        changes: Annotated[int, Meta(ge=2, le=1_000)] = 20  # of the book that are looked back on
        pressure: Annotated[float, tunable(ge=0.1, le=50)] = 2.0  # multiples of the usual queue
        lean: Annotated[float, tunable(ge=0, le=0.5)] = 0.1  # of the microprice, in spreads
        spread_ticks_max: Annotated[int, tunable(ge=1, le=50)] = 2
        min_hold_s: Seconds = 10.0

    class State(OneTrade.State):
        flow: OrderFlowImbalance | None = None
        usual: Lots = 0  # queue at the touch, in 1/MEMORY contracts

    params: Params
    state: State

    def on_depth(self, depth: Depth) -> None:
        if not depth.bids or not depth.asks:
            return
        state = self.state
        (bid, bid_size), (ask, ask_size) = depth.bids[0], depth.asks[0]
        if state.flow is None:
            state.flow = OrderFlowImbalance(self.params.changes)
        state.flow.update(bid, bid_size, ask, ask_size)
        queue = (bid_size + ask_size) // 2
        state.usual += queue - state.usual // MEMORY if state.usual else queue * MEMORY
        if not state.flow.ready or not state.usual or not ask - bid > 0:
            return
        pressure = state.flow.value * MEMORY / state.usual
        lean = (microprice(bid, ask, bid_size, ask_size) - (bid + ask) / 2) / (ask - bid)
        if self.position:
            self._leave(pressure)
        elif self.may_begin and ask - bid <= self.params.spread_ticks_max:
            self._enter(pressure, lean)

    def on_bar(self, bar: Bar) -> None:
        self.overstayed()

    def on_data_gap(self, gap: Gap) -> None:
        super().on_data_gap(gap)
        self.state.flow = None

    def _enter(self, pressure: float, lean: float) -> None:
        params = self.params
        why = f"pressure {pressure:+.1f} queues, leaning {lean:+.2f}"
        if pressure >= params.pressure and lean >= params.lean:
            self.begin(Side.BUY, why)
        elif pressure <= -params.pressure and lean <= -params.lean:
            self.begin(Side.SELL, why)

    def _leave(self, pressure: float) -> None:
        """The pressure turned: what we went with is over."""
        held_s = (self.now_ns - self.state.held_since_ns) / SECOND
        against = pressure * self.position <= -self.params.pressure
        if against and held_s >= self.params.min_hold_s:
            self.close("the pressure turned")
