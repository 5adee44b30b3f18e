"""A sleeve for rehearsals: it walks an order through its whole life again and again.

In turn it buys at market and joins the bid, holds what it got for some seconds behind a bracket,
and leaves. It wants to earn nothing: `scripts/matrix.py` needs every step of an order's life within
seconds, which no sleeve with an opinion offers.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from services.sleeves.base import Sleeve
from shared.events import Bar


class Drill(Sleeve):
    """Enters, holds, leaves; counts one-second bars."""

    class Params(Struct, frozen=True):
        size: Annotated[int, Meta(ge=1, le=3)] = 2
        rest_bars: Annotated[int, Meta(ge=1, le=60)] = 4
        hold_bars: Annotated[int, Meta(ge=1, le=60)] = 5
        stop_ticks: Annotated[int, Meta(ge=4, le=400)] = 40

    class State(Struct):
        waited: int = 0
        rounds: int = 0

    contracts_max = 3

    def on_bar(self, bar: Bar) -> None:
        if bar.span_s != 1:
            return
        self.state.waited += 1
        if self.idle:
            self._enter()
        elif self.position and self.state.waited >= self.params.hold_bars:
            self.state.waited = 0
            self.close("the drill's end")
        elif self.working and self.state.waited >= 2 * self.params.hold_bars:
            self.cancel_entries("the market did not come")

    def _enter(self) -> None:
        quote = self.quote_now
        if quote is None or self.state.waited < self.params.rest_bars:
            return
        limit = quote.bid if self.state.rounds % 2 else None
        self.state.waited, self.state.rounds = 0, self.state.rounds + 1
        far = self.params.stop_ticks
        self.buy(self.params.size, limit=limit, sl_ticks=far, tp_ticks=2 * far, reason="drill")
