"""Sleeves for the tests of the host: an eager one, a clumsy one, one that keeps its orders."""

from __future__ import annotations

from msgspec import Struct, field

from services.sleeves.base import Sleeve
from services.stage_busy import Busy
from shared.domain.indicators import Momentum
from shared.events import CancelIntent, SleeveStatus
from shared.seats import SECOND_LIVES
from tests.sleeves_stage import Stage, settings_for

HERE = "tests.sleeves_toys"


class Eager(Sleeve):
    """Wants to be long at every chance and remembers all it was told."""

    warmup = {1: 3}

    class State(Struct):
        told: list[str] = []

    class View(Struct):
        closes: list[int] = []
        drift: Momentum = field(default_factory=lambda: Momentum(1))

    def fresh_view(self):
        return self.View()

    def learn(self, bar):
        if bar.span_s == 1:
            self.view.closes.append(bar.close)
            self.view.drift.update(bar.close)

    def told(self, what):
        self.state.told.append(what)
        if self.idle:
            self.buy(limit=50, sl_ticks=8, reason=what)

    def on_adopt(self, book):
        self.told(f"adopt {book.position}")

    def on_start(self):
        self.told("start")

    def on_bar(self, bar):
        self.told(f"bar {bar.close}")

    def on_quote(self, quote):
        self.told(f"quote {quote.bid}")

    def on_trade(self, trade):
        self.told(f"trade {trade.price}")

    def on_order(self, update):
        self.state.told.append(f"order {update.state.value}")

    def on_fill(self, fill):
        self.state.told.append(f"fill {fill.price}, holds {self.position}")

    def on_veto(self, veto):
        self.state.told.append(f"veto {veto.rule.value}")

    def on_position(self, book):
        self.state.told.append(f"position {book.position}")

    def on_session(self, session):
        self.state.told.append(f"session {session.phase.value}")
        super().on_session(session)

    def on_stop(self, reason):
        self.told(f"stop {reason}")


class Clumsy(Sleeve):
    """Rests an order, then trips over the price in its parameters."""

    class Params(Struct, frozen=True):
        hole: int = 666

    def on_bar(self, bar):
        if bar.close == self.params.hole:
            self.sell(limit=900, sl_ticks=8)
            self.cancel(self.working[0].intent_id, "never said")
            raise RuntimeError("fell into the hole")
        if self.idle:
            self.buy(limit=50, sl_ticks=8)

    def learn(self, bar):
        if bar.close == -1:
            raise KeyError("learnt nothing")


class Deaf(Sleeve):
    """Keeps its orders whatever happens to the market: its author said so."""

    def on_bar(self, bar):
        if self.idle:
            self.buy(limit=50, sl_ticks=8)

    def on_data_gap(self, gap):
        pass

    def on_risk_state(self, risk):
        pass


class Restless(Sleeve):
    """Wants to be long at every bar, with a stop far away; leaves on the minute."""

    def on_adopt(self, book):
        super().on_adopt(book)
        self.on_bar(None)

    def on_bar(self, bar):
        if self.idle:
            self.buy(sl_ticks=40, reason="flat")
        elif bar is not None and bar.span_s == 60:
            self.close("a minute passed")


class FalseFriend(Busy):
    """Behaves while it is a shadow, and raises once it owns from the second seat."""

    def on_quote(self, quote):
        memory = self._desk.memory
        if memory.authority and memory.incarnation >= SECOND_LIVES:
            raise RuntimeError("mine at last")
        super().on_quote(quote)


class Greedy(Busy):
    """Behaves in the first seat; in the second it wants more than anybody is given."""

    contracts_max = 500

    def on_quote(self, quote):
        if self._desk.memory.incarnation < SECOND_LIVES:
            super().on_quote(quote)
        elif self.idle:
            self.buy(400, sl_ticks=8, reason="all of it")


def eager(**how) -> Stage:
    return Stage("trend", settings_for("trend", f"{HERE}:Eager"), **how)


def ready() -> Stage:
    stage = eager().open()
    stage.seconds(100, 101, 102)
    return stage


def told(stage: Stage) -> list[str]:
    return stage.host.sleeve.state.told


def words(stage: Stage) -> list:
    """What was said but statuses."""
    return [word for word in stage.said if not isinstance(word, SleeveStatus)]


def is_pulled(stage: Stage) -> bool:
    targets = [word.target for word in words(stage) if isinstance(word, CancelIntent)]
    return targets == ["trend.100.1"] and not stage.orders


def clumsy(**params) -> Stage:
    stage = Stage("trend", settings_for("trend", f"{HERE}:Clumsy", **params)).open()
    stage.seconds(100)
    assert stage.story() == ["#1 BUY 1 LIMIT at 50 sl 8"]
    return stage
