"""Market maker: rests one order on each side of a fair price and lives on the difference.

Edge. Whoever trades at once pays the spread; whoever waits receives it. The fair price is the
microprice (the mid, leaning away from the larger queue), which knows a little of the next move, so
the side about to be run over is quoted a little farther away. What is held leans the quotes towards
getting rid of it. A round trip on M2K costs 2.4 ticks of fees, so the quotes rest 3 ticks out: on a
market one tick wide, quoting the touch pays the exchange and nobody else.

Regime. Earns in calm and in chop with a full book. Loses in a trend and in a jump, where only the
losing side fills. So it stands aside while the last seconds are wilder than usual (`spike_ratio`),
while the spread is abnormal, and outside normal trading; it never holds more than one contract.

Worst day. A fill just before a jump, again and again: each loss is bounded by the stop the router
keeps at the venue for the net position (40 ticks, 20 dollars on M2K, plus slippage), the day by the
governor's 150 dollars for a sleeve. Nothing else is at risk: one contract, one side filled.

Fees. 2.44 ticks a round trip on M2K, hence `half_spread_ticks` of 3.

Disabled by. Wild seconds, wide spreads, regimes named in the settings without the current one, a
day's contracts, its own conduct (below), everything that stops any sleeve; and on real accounts
unless the settings give consent (`real_accounts`).

Conduct. The firm reviews holding times of seconds in bulk, and orders not meant to trade. After a
fill the other side is pulled and comes back after `min_hold_s`; a quote rests `min_rest_s` before
it follows the market; a day's trading is bounded by `contracts_per_day`. It measures itself: the
day's `mean_hold_s`, `cancels_per_fill` and `contracts_today` are in its status, and once
`conduct_sample` trades (or the cancels allowed for so many) show a mean hold below
`mean_hold_s_min`, or more cancels per fill than `cancels_per_fill_max`, it only works off what it
holds for the rest of the day. What is still held after `max_hold_s` is closed at market: a maker
does not invest.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from services.sleeves.base import Sleeve
from services.sleeves.params import tunable
from shared.domain.indicators import VolatilityRatio, microprice
from shared.events import (
    Bar,
    Depth,
    Fill,
    OrderState,
    OrderUpdate,
    Purpose,
    Quote,
    SessionPhase,
    Side,
    SleeveBook,
)
from shared.units import SECOND, Lots, Nanos, Ticks

Seconds = Annotated[float, tunable(ge=0, le=3_600)]


class MarketMaker(Sleeve):
    consent = "two-sided quoting at this pace is what the firm reviews (docs/sleeves.md)"

    class Params(Struct, frozen=True):
        half_spread_ticks: Annotated[float, tunable(ge=0.5, le=50)] = 3.0
        skew_ticks: Annotated[float, tunable(ge=0, le=50)] = 0.5  # per contract held
        requote_ticks: Annotated[int, tunable(ge=1, le=50)] = 2
        spread_ticks_max: Annotated[int, tunable(ge=1, le=100)] = 8
        min_rest_s: Seconds = 3.0
        min_hold_s: Seconds = 5.0
        max_hold_s: Seconds = 30.0
        contracts_per_day: Annotated[int, tunable(ge=0, le=1_000)] = 60
        conduct_sample: Annotated[int, tunable(ge=1, le=1_000)] = 10  # trades that show a habit
        mean_hold_s_min: Seconds = 4.0
        cancels_per_fill_max: Annotated[float, tunable(ge=1, le=1_000)] = 50.0
        fast_bars: Annotated[int, Meta(ge=2, le=600)] = 4
        usual_bars: Annotated[int, Meta(ge=2, le=3_600)] = 15
        spike_ratio: Annotated[float, tunable(ge=1, le=100)] = 2.5
        spike_pause_s: Seconds = 6.0

    class State(Struct):
        day: str = ""
        contracts: Lots = 0  # traded on `day`, as the three below
        trips: int = 0  # positions opened and closed
        held_ns: Nanos = 0  # in all trips
        cancels: int = 0
        held_since_ns: Nanos = 0  # 0: flat
        aside_until_ns: Nanos = 0
        bid_size: Lots = 0  # the book's top as last seen, for quotes that come without sizes
        ask_size: Lots = 0
        top: tuple[Ticks, Ticks] = (0, 0)

    params: Params
    state: State
    view: VolatilityRatio

    def prepare(self) -> None:
        self.warmup = {1: self.params.fast_bars + self.params.usual_bars}

    def fresh_view(self) -> VolatilityRatio:
        return VolatilityRatio.of(self.params.fast_bars, self.params.usual_bars)

    def learn(self, bar: Bar) -> None:
        if bar.span_s == 1:
            self.view.update(bar.close)

    # -- events --------------------------------------------------------------------------------

    def on_adopt(self, book: SleeveBook) -> None:
        super().on_adopt(book)
        since = self.state.held_since_ns or self.now_ns  # a shadow saw it begin
        self.state.held_since_ns = since if book.position else 0

    def on_bar(self, bar: Bar) -> None:
        if bar.span_s != 1:
            return
        if self.view.ready and self.view.value > self.params.spike_ratio:
            self.state.aside_until_ns = self.now_ns + round(self.params.spike_pause_s * SECOND)
            self.quote(None, None, reason="the market is wild")
        if self.position and self._held_s() >= self.params.max_hold_s:
            self.close("held long enough")
        self._show_conduct()

    def on_depth(self, depth: Depth) -> None:
        if depth.bids and depth.asks:
            state = self.state
            (bid, state.bid_size), (ask, state.ask_size) = depth.bids[0], depth.asks[0]
            state.top = (bid, ask)

    def on_quote(self, quote: Quote) -> None:
        params, state = self.params, self.state
        spread = quote.ask - quote.bid
        if not 0 < spread <= params.spread_ticks_max:
            self.quote(None, None, reason=f"spread is {spread} ticks")
        elif self.now_ns >= state.aside_until_ns:
            bid, ask = self._prices(quote, self._fair(quote))
            self.quote(self._patient(Side.BUY, bid), self._patient(Side.SELL, ask))

    def on_fill(self, fill: Fill) -> None:
        state = self.state
        state.contracts += fill.size
        if not self.position:
            self._trip_ended()
        elif not state.held_since_ns:
            state.held_since_ns = self.now_ns
            self.quote(None, None, reason="hold before working out")

    def on_order_cancelled(self, update: OrderUpdate) -> None:
        if update.purpose in (Purpose.QUOTE, Purpose.EXIT):
            self.state.cancels += 1

    def on_position(self, book: SleeveBook) -> None:
        if not book.position:
            self._trip_ended()
        elif not self.state.held_since_ns:
            self.state.held_since_ns = self.now_ns

    def on_session(self, session: SessionPhase) -> None:
        super().on_session(session)
        if session.trading_day != self.state.day:
            state = self.state
            state.day, state.contracts = session.trading_day, 0
            state.trips = state.held_ns = state.cancels = 0

    # -- conduct -------------------------------------------------------------------------------

    def _trip_ended(self) -> None:
        state = self.state
        if state.held_since_ns:
            state.trips += 1
            state.held_ns += self.now_ns - state.held_since_ns
            state.held_since_ns = 0

    def _mean_hold_s(self) -> float:
        return self.state.held_ns / max(1, self.state.trips) / SECOND

    def _cancels_per_fill(self) -> float:
        return self.state.cancels / max(1, self.state.contracts)

    def _conduct_is_well(self) -> bool:
        """Whether the day so far would please the firm; with few trades there is no habit yet."""
        params, state = self.params, self.state
        hasty = state.trips >= params.conduct_sample and (
            self._mean_hold_s() < params.mean_hold_s_min
        )
        many = state.cancels >= params.conduct_sample * params.cancels_per_fill_max
        return not hasty and not (many and self._cancels_per_fill() > params.cancels_per_fill_max)

    def _show_conduct(self) -> None:
        self.number("contracts_today", self.state.contracts)
        self.number("cancels_per_fill", self._cancels_per_fill())
        if self.state.trips:
            self.number("mean_hold_s", self._mean_hold_s())
        if not self._conduct_is_well():
            self.log("only works off what it holds: the day's holding time or cancels are too bad")

    # -- thinking ------------------------------------------------------------------------------

    def _fair(self, quote: Quote) -> float:
        """Microprice, leaning against what we hold; sizes from the quote, else from the book."""
        sizes = (quote.bid_size, quote.ask_size)
        if 0 in sizes and self.state.top == (quote.bid, quote.ask):
            sizes = (self.state.bid_size, self.state.ask_size)
        fair = microprice(quote.bid, quote.ask, *sizes)
        return fair - self.params.skew_ticks * self.position

    def _prices(self, quote: Quote, fair: float) -> tuple[Ticks | None, Ticks | None]:
        """Bid and ask we want to rest, never crossing the market; None where we want none."""
        bid: Ticks | None = min(int((fair - self.params.half_spread_ticks) // 1), quote.ask - 1)
        ask: Ticks | None = max(-int((-fair - self.params.half_spread_ticks) // 1), quote.bid + 1)
        if self.position:
            waiting = self._held_s() < self.params.min_hold_s
            return (
                None if self.position > 0 or waiting else bid,
                None if self.position < 0 or waiting else ask,
            )
        if self.state.contracts >= self.params.contracts_per_day or not self._conduct_is_well():
            return None, None
        return bid, ask

    def _patient(self, side: Side, wish: Ticks | None) -> Ticks | None:
        """The wish, or where we already rest while that is near enough or too young to move."""
        mine = self.resting(side)
        if wish is None or mine is None or mine.limit_price is None:
            return wish
        young = self.now_ns - mine.asked_ns < self.params.min_rest_s * SECOND
        near = abs(mine.limit_price - wish) < self.params.requote_ticks
        unsettled = mine.state not in (OrderState.WORKING, OrderState.PARTIAL)
        return mine.limit_price if young or near or unsettled else wish

    def _held_s(self) -> float:
        return (self.now_ns - self.state.held_since_ns) / SECOND
