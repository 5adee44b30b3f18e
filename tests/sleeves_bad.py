"""Sleeves that break the contract, one way each: what the checks are there to find.

Edge. None. The card of this module is whole but for one paragraph, which is what `has_a_card` sees.
"""

from __future__ import annotations

import time
from typing import Annotated

from msgspec import Meta, Struct

from services.sleeves.base import Sleeve
from services.sleeves.params import tunable
from shared.events import OrderIntent, OrderType, Side


class Quiet(Sleeve):
    """Buys where nothing rests, so that there is something to say."""

    warmup = {1: 2}

    def on_bar(self, bar):
        if self.idle:
            self.buy(limit=bar.close - 500, sl_ticks=8)


class Clocked(Quiet):
    def on_start(self):
        self.log(f"it is {time.time():.0f}")


class Unbounded(Quiet):
    class Params(Struct, frozen=True):
        stop_ticks: int = 8


class FalselyTunable(Quiet):
    class Params(Struct, frozen=True):
        bars: Annotated[int, tunable(ge=1, le=50)] = 2

    def prepare(self):
        self.warmup = {1: self.params.bars}


class Contradictory(Quiet):
    class Params(Struct, frozen=True):
        bars: Annotated[int, Meta(ge=1, le=50)] = 2

    def prepare(self):
        raise ValueError("it never works")


class LearnsIntoState(Quiet):
    class State(Struct):
        seen: int = 0

    def learn(self, bar):
        self.state.seen += 1


class LearnsByOrigin(Quiet):
    class State(Struct):
        nothing: int = 0

    def fresh_view(self):
        return self.State()

    def learn(self, bar):
        self.view.nothing += bar.origin.value == "LIVE"


class SharedMemory(Quiet):
    """A list of the class: neither saved nor forgotten."""

    seen: list = []

    def on_bar(self, bar):
        SharedMemory.seen.append(bar.close)
        if self.idle:
            self.buy(limit=bar.close - 500 - len(SharedMemory.seen), sl_ticks=8)


class OwnMemory(Quiet):
    """An attribute of its own: lost in a restart."""

    def prepare(self):
        self.seen = 0

    def on_bar(self, bar):
        self.seen += 1
        self.log(f"{self.seen} bars")


class KeepsBlindOrders(Quiet):
    def on_data_gap(self, gap):
        """It knows better."""


class Stopless(Quiet):
    def on_bar(self, bar):
        if self.idle:
            self.buy(limit=bar.close - 500)


class Chatty(Quiet):
    contracts_max = 50

    def on_quote(self, quote):
        for _ in range(6):
            self.buy(limit=quote.bid - 500, sl_ticks=8)


class Late(Quiet):
    """Goes around the verbs, which know the hour."""

    def on_quote(self, quote):
        if not self._desk.market_is_well:
            self._desk.out.append(
                OrderIntent(
                    intent_id="trend.100.999", sleeve="trend", incarnation=100,
                    contract=quote.contract, side=Side.BUY, size=1, type=OrderType.MARKET,
                    expires_ns=0, reason="", stop_loss_ticks=8,
                )
            )  # fmt: skip


class Hides(Quiet):
    """Calls one handler from another, and says something else of what it raised."""

    def on_quote(self, quote):
        """Nothing: until it falls."""

    def on_trade(self, trade):
        try:
            self.on_quote(None)
        except RuntimeError:
            raise KeyError("it was nothing") from None


class Forgetful(Quiet):
    """Waits anew whenever it is handed a sleeve, so that a swap shows."""

    class State(Struct):
        bars: int = 0

    def on_adopt(self, book):
        self.state.bars = 0

    def on_bar(self, bar):
        self.state.bars += 1
        if self.state.bars % 5 == 0:
            if self.position:
                self.close()
            elif self.idle:
                self.buy(sl_ticks=80)
