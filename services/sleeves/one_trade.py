"""A base for sleeves that hold one trade at a time: bracket, time stop, rest between two trades.

What differs between most directional sleeves is when they begin; how a trade lives and ends is the
same, and is here. Subclass it, put your own parameters beside these, call `begin`.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Struct

from services.sleeves.base import GapPolicy, Sleeve
from services.sleeves.memory import Handle
from services.sleeves.params import tunable
from shared.events import Fill, Side, SleeveBook
from shared.units import SECOND, Nanos

Seconds = Annotated[float, tunable(ge=0, le=36_000)]
Distance = Annotated[int, tunable(ge=4, le=400)]


class OneTrade(Sleeve):
    """`begin` a trade when `may_begin`; it ends by its bracket, `close`, or after `time_stop_s`."""

    gap_policy = GapPolicy.PAUSE

    class Params(Struct, frozen=True):
        stop_ticks: Distance = 16
        target_ticks: Distance = 24
        time_stop_s: Seconds = 900.0
        cooldown_s: Seconds = 90.0

    class State(Struct):
        held_since_ns: Nanos = 0  # 0: flat
        rest_until_ns: Nanos = 0

    params: Any
    state: Any

    @property
    def may_begin(self) -> bool:
        """Flat, nothing on its way, and rested since the last trade."""
        return self.idle and self.now_ns >= self.state.rest_until_ns

    def begin(self, side: Side, reason: str) -> Handle:
        """At market, with the bracket of the parameters."""
        ask = self.buy if side is Side.BUY else self.sell
        return ask(
            sl_ticks=self.params.stop_ticks, tp_ticks=self.params.target_ticks, reason=reason
        )

    def overstayed(self) -> bool:
        """Closes a trade that neither came nor went in time; whether it did."""
        held_s = (self.now_ns - self.state.held_since_ns) / SECOND
        if not self.position or held_s < self.params.time_stop_s:
            return False
        self.close("time stop")
        return True

    def on_adopt(self, book: SleeveBook) -> None:
        super().on_adopt(book)
        since = self.state.held_since_ns or self.now_ns  # a shadow saw it begin
        self.state.held_since_ns = since if book.position else 0

    def on_fill(self, fill: Fill) -> None:
        self._account_time()

    def on_position(self, book: SleeveBook) -> None:
        self._account_time()

    def _account_time(self) -> None:
        state = self.state
        if self.position and not state.held_since_ns:
            state.held_since_ns = self.now_ns
        elif not self.position and state.held_since_ns:
            state.held_since_ns = 0
            state.rest_until_ns = self.now_ns + round(self.params.cooldown_s * SECOND)
