"""Sleeves that trade all the time, for Worlds: what a day of the real ones does, within seconds.

The house's sleeves wait for their moment, and a World of fifteen seconds would mostly watch them
wait. These enter, add, leave in parts, trail, change and withdraw one after the other, by nothing
but a count, so that every kind of order is under way while things go wrong. They know nothing about
markets and are never composed into a cast that trades.
"""

from __future__ import annotations

from functools import cache

from msgspec import Struct
from msgspec.structs import replace

from services.sleeves.base import Sleeve
from shared.events import Quote, SleeveBook
from shared.settings import Settings, load
from shared.units import Ticks

EVERY = 6  # quotes between two ideas
FAR = 40  # ticks of a stop and a target
NEAR = 6


class Counted(Struct):
    """All they remember."""

    count: int = 0

    def idea(self, ideas: int) -> int:
        """The next of so many ideas; -1 while it is not yet time for one."""
        self.count += 1
        return self.count // EVERY % ideas if self.count % EVERY == 0 else -1


class Busy(Sleeve):
    """Entries with brackets, and every way to leave again."""

    contracts_max = 3
    State = Counted
    state: Counted

    def on_quote(self, quote: Quote) -> None:
        idea = self.state.idea(8)
        if idea < 0:
            return
        if self.idle:
            self._enter(idea, quote)
        elif not self.position:
            self._change_mind(idea, quote)
        elif idea in (0, 5):
            self.close("enough")
        elif idea == 2:
            self._leave_in_part(quote)
        elif idea in (3, 6):
            self.trail(quote.bid - NEAR if self.position > 0 else quote.ask + NEAR)

    def _enter(self, idea: int, quote: Quote) -> None:
        stop, target = (FAR, FAR) if idea % 3 else (NEAR, NEAR)
        if idea in (1, 2):
            self.buy(2, sl_ticks=stop, tp_ticks=target, least=1, reason="up")
        elif idea in (4, 5):
            self.sell(1, sl_ticks=stop, tp_ticks=target, reason="down")
        elif idea == 6:
            self.buy(1, limit=quote.bid, sl_ticks=stop, tp_ticks=target, reason="wait below")
        elif idea == 7:
            self.sell(1, stop=quote.bid - 2, sl_ticks=stop, tp_ticks=target, reason="break")

    def _change_mind(self, idea: int, quote: Quote) -> None:
        for order in self.working:
            if idea % 2:
                self.cancel(order.intent_id, "too long")
            elif order.limit_price is not None:
                self.modify(order.intent_id, limit=quote.bid, reason="follow")

    def _leave_in_part(self, quote: Quote) -> None:
        if self.position > 1:
            self.sell(1, limit=quote.bid, reason="half")
        elif self.position == 1:
            self.sell(1, limit=quote.ask + 1, reason="patiently")


class BusyQuoter(Sleeve):
    """Quotes at the touch, and moves them at every chance."""

    contracts_max = 2
    State = Counted
    state: Counted

    def on_quote(self, quote: Quote) -> None:
        idea = self.state.idea(7)
        if idea < 0:
            return
        if idea == 6:
            self.quote(None, None, reason="pause")
        else:
            bid = quote.bid if self.position < self.contracts_max else None
            ask = quote.ask if self.position > -self.contracts_max else None
            self.quote(bid, ask, size=1, reason="touch")


class Plan(Struct):
    """Where a `Planned` is: how many quotes it saw, and the bid when its step began."""

    count: int = 0
    bid: Ticks = 0


class Planned(Sleeve):
    """Wants one thing after the other, each for a few quotes, and asks until it has it.

    What it wants follows from the quotes alone, and what it asks from that and from what it holds.
    So whoever takes over wants the same, and what was refused is asked again at the next quote.
    """

    contracts_max = 3
    State = Plan
    state: Plan

    def on_adopt(self, book: SleeveBook) -> None:
        """What rests is part of the plan, whoever asked for it."""

    def on_quote(self, quote: Quote) -> None:
        plan = self.state
        step, begins = divmod(plan.count, STEP)
        if not begins:
            plan.bid = quote.bid
        plan.count += 1
        STEPS[step % len(STEPS)](self)

    def _up(self) -> None:
        if self.idle:
            self.buy(2, sl_ticks=FAR, tp_ticks=FAR, reason="up")

    def _tighten(self) -> None:
        if self.position > 0:
            self.trail(self.state.bid - 2 * NEAR)

    def _press(self) -> None:
        if self.position > 0:
            self.trail(self.state.bid - 1)

    def _leave_in_part(self) -> None:
        if self.position == 2 and not self.working:
            self.sell(1, limit=self.state.bid - NEAR, reason="half")

    def _leave(self) -> None:
        self.flatten("enough")

    def _wait_below(self) -> None:
        if self.idle:
            self.buy(1, limit=self.state.bid - 2 * NEAR, sl_ticks=FAR, tp_ticks=FAR, reason="wait")

    def _follow(self) -> None:
        for order in self.working:
            if order.limit_price != self.state.bid - NEAR:
                self.modify(order.intent_id, limit=self.state.bid - NEAR, reason="follow")

    def _withdraw(self) -> None:
        self.cancel_all("too long")

    def _break(self) -> None:
        if self.idle:
            self.sell(1, stop=self.state.bid - 1, sl_ticks=FAR, tp_ticks=NEAR, reason="break")

    def _down(self) -> None:
        if self.idle:
            self.sell(1, sl_ticks=4, tp_ticks=FAR, reason="down, until it turns")

    def _hold(self) -> None:
        """Whatever there is stays."""


STEP = 3  # quotes
STEPS = (
    Planned._up, Planned._tighten, Planned._leave_in_part, Planned._leave, Planned._wait_below,
    Planned._follow, Planned._withdraw, Planned._up, Planned._press, Planned._hold, Planned._leave,
    Planned._down, Planned._hold, Planned._leave, Planned._break, Planned._hold, Planned._leave,
)  # fmt: skip


HERE = "services.stage_busy"
BUSY = {
    "TSQ__SLEEVES__TREND__IMPLEMENTATION": f"{HERE}:Busy",
    "TSQ__SLEEVES__MEAN_REVERSION__IMPLEMENTATION": f"{HERE}:Busy",
    "TSQ__SLEEVES__MARKET_MAKER__IMPLEMENTATION": f"{HERE}:BusyQuoter",
    "TSQ__SLEEVES__TAIL_HEDGE__IMPLEMENTATION": f"{HERE}:BusyQuoter",
    "TSQ__RISK_GOVERNOR__TRADES_PER_DAY": "10000",
    "TSQ__RISK_GOVERNOR__LOSS_STREAK": "1000",
    "TSQ__RISK_GOVERNOR__SLEEVE_LOSS": "0",
    "TSQ__RISK_GOVERNOR__QUOTED_PER_DAY": "10000",
    "TSQ__RISK_GOVERNOR__ORDERS_PER_WINDOW": "1000",
    "TSQ__RISK_GOVERNOR__OPEN_RISK": "1000",
    "TSQ__RISK_GOVERNOR__PRETRADE__ACCOUNT_ORDERS_PER_WINDOW": "1000",
    "TSQ__RISK_GOVERNOR__PRETRADE__STRESS_LOSS": "100000",
    "TSQ__RISK_GOVERNOR__PRETRADE__REPEAT_S": "0",
    "TSQ__RISK_GOVERNOR__PRETRADE__MESSAGES_FREE": "100000",
    "TSQ__RISK_GOVERNOR__PRETRADE__FILLS_PER_WINDOW": "1000",
    "TSQ__RISK_GOVERNOR__PRETRADE__CONTRACTS_PER_DAY": "10000",
    "TSQ__RISK_GOVERNOR__PRETRADE__HOLD_TRIPS": "10000",
    "TSQ__RISK_GOVERNOR__PRETRADE__BIRTHS": "1000",
}
"""Settings under which the busy ones are let do what they do."""


MARKETS = 1_000


def settings_for(seed: int, market: int | None = None) -> Settings:
    """The cast of a seed (in one of four the house's own sleeves, else the busy ones) before a
    market of its own, or before `market` (0: the settings' own).
    """
    market = 1 + seed % MARKETS if market is None else market
    settings = _of_kind(busy=seed % 4 != 0)
    if not market:
        return settings
    return replace(settings, simulator=replace(settings.simulator, seed=market))


@cache
def _of_kind(*, busy: bool) -> Settings:
    return load(env=BUSY if busy else {})


def rough_s_for(seed: int) -> int:
    """How long a seed's accidents last: the house's sleeves take their time."""
    return 40 if seed % 4 == 0 else 12
