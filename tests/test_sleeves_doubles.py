"""No interleaving of answers makes a sleeve hold, or risk holding, more than it may.

The governor's lane keeps its order, but everything on it may be late: the venue has filled what
the sleeve still believes asked, an order is known filled before its trade is told, a book is old.
The truth is kept here and checked after every step.
"""

from __future__ import annotations

from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from services.sleeves.base import Sleeve
from shared.events import (
    Event,
    Fill,
    OrderIntent,
    OrderState,
    OrderUpdate,
    OrderVetoed,
    Purpose,
    Side,
    SleeveBook,
    VetoRule,
    WorkingOrder,
)
from shared.units import SECOND
from tests.sleeves_stage import Stage, settings_for

STEPS = ("bar", "decide", "decide", "fill", "deliver", "deliver", "deliver", "deliver")


class Flipper(Sleeve):
    """In whenever it is out, out whenever it is in: the worst customer there is."""

    class State(Struct):
        entries: int = 0

    def on_bar(self, bar):
        if self.position:
            self.close("out")
        elif self.buy(sl_ticks=8, reason="in"):
            self.state.entries += 1


class Truth:
    """What really is: position, orders at the venue, wishes not yet judged, news not yet told."""

    def __init__(self) -> None:
        self.stage = Stage("trend", settings_for("trend", "tests.test_sleeves_doubles:Flipper"))
        self.stage.mute = True
        self.stage.open()
        self.stage.tick(100)
        self.position = 0
        self.cost = 0
        self.no = 0
        self.trades = 0
        self.judged = 0
        self.working: list[OrderIntent] = []
        self.news: deque[Event] = deque()

    def undecided(self) -> list[OrderIntent]:
        return self.stage.intents()[self.judged :]

    def update(self, order: OrderIntent, state: OrderState, filled: int = 0) -> OrderUpdate:
        self.no += 1
        return OrderUpdate(
            no=self.no,
            tag="",
            intent_id=order.intent_id,
            sleeve="trend",
            contract=order.contract,
            side=order.side,
            size=1,
            filled=filled,
            state=state,
            purpose=order.purpose,
            type=order.type,
        )

    def book(self) -> SleeveBook:
        rows = tuple(
            WorkingOrder(
                intent_id=order.intent_id,
                side=order.side,
                size=1,
                filled=0,
                purpose=order.purpose,
                state=OrderState.WORKING,
            )
            for order in self.working
        )
        return SleeveBook(
            sleeve="trend",
            contract=self.stage.contract,
            position=self.position,
            cost=self.cost,
            realised=0,
            fees=0,
            working=rows,
            router_no=self.no,
        )

    # -- steps ---------------------------------------------------------------------------------

    def bar(self, choice: int) -> None:
        self.stage.now_ns += SECOND // 4
        self.stage.bar(100, open_ns=self.stage.now_ns - SECOND)

    def decide(self, choice: int) -> None:
        if not self.undecided():
            return
        order = self.undecided()[0]
        self.judged += 1
        if choice % 4 == 0:
            veto = OrderVetoed(
                intent_id=order.intent_id,
                sleeve="trend",
                contract=order.contract,
                rule=VetoRule.OPEN_RISK,
                limit=0,
                actual=1,
            )
            self.news.append(veto)
            return
        self.working.append(order)
        unknown = choice % 4 == 1
        self.news.append(self.update(order, OrderState.UNKNOWN if unknown else OrderState.SENT))
        self.news.append(self.book())

    def fill(self, choice: int) -> None:
        if not self.working:
            return
        order = self.working.pop(0)
        if choice % 5 == 0:
            self.news.append(self.update(order, OrderState.CANCELLED))
            self.news.append(self.book())
            return
        over = self.update(order, OrderState.FILLED, filled=1)
        before = self.book()
        self.position += order.side
        self.cost += 100 * order.side
        self.no += 1
        self.trades += 1
        traded = Fill(
            no=self.no,
            trade_id=self.trades,
            venue_order_id=0,
            tag="",
            intent_id=order.intent_id,
            sleeve="trend",
            contract=order.contract,
            side=order.side,
            size=1,
            price=100,
            fee=0,
            purpose=order.purpose,
            venue_ns=self.stage.now_ns,
        )
        after = self.book()
        stories = ([over, before, traded, after], [over, traded, after], [over, after, traded])
        self.news.extend(stories[choice % 3])

    def deliver(self, choice: int) -> None:
        if self.news:
            self.stage.tell(self.news.popleft())

    def check(self) -> None:
        open_orders = [*self.working, *self.undecided()]
        buys = sum(1 for order in open_orders if order.side is Side.BUY)
        sells = sum(1 for order in open_orders if order.side is Side.SELL)
        assert self.position + buys <= 1, "a second entry could fill"
        assert self.position - sells >= 0, "an exit could turn the position"
        assert all(o.purpose is Purpose.EXIT for o in open_orders if o.side is Side.SELL)


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 59)), max_size=120))
@settings(max_examples=300, deadline=None)
def test_late_answers_never_make_a_sleeve_double(story):
    truth = Truth()
    for step, choice in story:
        getattr(truth, step)(choice)
        truth.check()
    assert truth.stage.host.memory.fault == ""


def test_the_worst_customer_is_served_again_and_again():
    """The property above is not true because nothing happens."""
    truth = Truth()
    for _ in range(400):
        for step in ("bar", "decide", "fill", "deliver", "deliver", "deliver", "deliver"):
            getattr(truth, step)(3 + 4 * 15)
            truth.check()
    assert truth.stage.host.sleeve.state.entries > 50
