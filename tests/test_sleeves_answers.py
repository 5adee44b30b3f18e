"""What a sleeve makes of answers: vetoes, silence, fills and books in either order, doubts."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest

from shared.events import (
    Fill,
    ModifyIntent,
    OrderState,
    OrderType,
    PeerSilent,
    Purpose,
    Side,
    SleeveBook,
    Stopping,
    VetoRule,
)
from shared.units import MILLISECOND, SECOND
from tests.sleeves_stage import Resting, maker
from tests.sleeves_toys import eager, ready, told, words

# -- answers ---------------------------------------------------------------------------------------


def test_a_veto_frees_the_slot_and_the_next_wish_waits():
    stage = eager(veto=VetoRule.OPEN_RISK).open()
    stage.seconds(*range(100, 130))
    asked = [word.expires_ns // SECOND for word in stage.intents()]
    waits = [after - before for before, after in pairwise(asked)]
    assert waits == [1, 2, 4, 8]
    assert told(stage).count("veto OPEN_RISK") == len(asked)
    assert stage.host.sleeve.idle


def test_whom_the_market_overtook_with_a_quote_asks_again_at_the_next_one():
    """A second refusal in a row is no race that was lost: its wait is that of every other."""
    stage = maker()
    stage.mute = True
    for name, order in list(stage.orders.items()):
        if order.side is Side.BUY:
            stage.cancel(name)
    begins, asked = stage.now_ns, []
    for after_ms in (0, 100, 200, 1_000, 2_099, 2_100):
        stage.now_ns, known = begins + after_ms * MILLISECOND, len(stage.intents())
        stage.tick(24_500)
        for bid in stage.intents()[known:]:
            assert (bid.side, bid.purpose) == (Side.BUY, Purpose.QUOTE)
            asked.append(after_ms)
            stage.refuse(bid.intent_id, VetoRule.QUOTE_CROSSES)
    assert asked == [0, 100, 2_100]


def test_an_unanswered_intent_is_forgotten_long_after_its_deadline():
    stage = eager().open()
    stage.mute = True
    stage.seconds(100, 101, 102)
    for number in range(1, 41):
        stage.now_ns += SECOND
        stage.pulse(100 + number)
        if number < 35:
            assert stage.host.memory.orders, f"{number} s after"
    assert not stage.host.memory.orders
    stage.tick(100)
    assert len(stage.intents()) == 2


def test_an_unanswered_intent_is_kept_while_the_governor_is_silent():
    stage = eager().open()
    stage.mute = True
    stage.seconds(100, 101, 102)
    stage.tell(PeerSilent(actor="risk_governor"))
    for number in range(1, 100):
        stage.now_ns += SECOND
        stage.pulse(100 + number)
    assert stage.host.memory.orders


def test_a_filled_entry_whose_trade_is_not_yet_told_blocks_the_next_one():
    """Order news outrun trade news at the venue: flat by the book is not flat."""
    stage = ready()
    order = stage.orders.pop("trend.100.1")
    stage.update(order, OrderState.FILLED, filled=1)
    stage.tell(stage.book())
    assert stage.host.sleeve.position == 0
    stage.seconds(103, 104, 105)
    assert len(stage.intents()) == 1


def test_fill_and_book_in_either_order_count_once():
    for fill_first in (True, False):
        stage = ready()
        order = stage.orders["trend.100.1"]
        stage.mute = True
        held = []
        fill_no = stage.no + 2
        fill = Fill(
            no=fill_no,
            trade_id=1,
            venue_order_id=1,
            tag="",
            intent_id=order.intent_id,
            sleeve="trend",
            contract=stage.contract,
            side=Side.BUY,
            size=1,
            price=50,
            fee=0,
            purpose=Purpose.ENTRY,
            venue_ns=1,
        )
        book = SleeveBook(
            sleeve="trend",
            contract=stage.contract,
            position=1,
            cost=50,
            realised=0,
            fees=0,
            router_no=fill_no,
        )
        for event in (fill, book) if fill_first else (book, fill):
            stage.tell(event)
            held.append(stage.host.sleeve.position)
        assert held == [1, 1]


def test_a_book_older_than_a_fill_is_not_believed():
    stage = ready()
    old = stage.book()
    stage.fill(stage.orders["trend.100.1"], 50)
    assert stage.host.sleeve.position == 1
    stage.tell(old)
    assert stage.host.sleeve.position == 1


@pytest.mark.parametrize("fill_first", [True, False])
def test_an_exit_carried_out_through_another_order_is_over_when_nothing_is_left(fill_first):
    """The router re-prices the take-profit, or lets the venue close: the fill bears its name."""
    stage = ready()
    stage.fill(stage.orders["trend.100.1"], 50)
    desk, leg = stage.host.desk, stage.orders["trend.100.1-SL"]
    stage.mute = True
    desk.begin(stage.now_ns)
    exit_id = desk.close()
    desk.out.clear()
    way_out = Resting(exit_id, Side.SELL, 1, OrderType.MARKET, Purpose.EXIT)
    stage.update(way_out, OrderState.SENT)
    assert not stage.host.sleeve.idle
    if fill_first:
        stage.fill(leg, 60)
        stage.update(way_out, OrderState.FILLED, filled=1)
    else:
        stage.update(way_out, OrderState.FILLED, filled=1)
        assert desk.close() == "", "on its way, though the trade is not told"
        stage.fill(leg, 60)
    assert stage.host.sleeve.position == 0
    assert stage.host.sleeve.idle


def test_a_suspended_legs_price_is_a_plan_and_binds_nobody():
    """The stop of an entry that was moved is where it works, not where it was first planned."""
    stage = ready()
    entry = stage.orders["trend.100.1"]
    leg = Resting("trend.100.1-SL", Side.SELL, 1, OrderType.STOP, Purpose.STOP_LOSS, stop=90)
    stage.orders[leg.intent_id] = leg
    stage.update(leg, OrderState.SUSPENDED)
    assert stage.host.desk.stop_leg() is None
    entry.sl = None
    stage.fill(entry, 80)
    leg.stop = 72
    stage.update(leg, OrderState.WORKING)
    stage.mute = True
    stage.tick(100)
    assert stage.host.desk.trail(80) != ""
    (moved,) = [word for word in stage.host.desk.out if isinstance(word, ModifyIntent)]
    assert moved.stop_price == 80


def test_a_voided_fill_is_taken_back():
    stage = ready()
    stage.fill(stage.orders["trend.100.1"], 50)
    assert stage.host.sleeve.position == 1
    fill = next(e for _, e in stage.heard if isinstance(e, Fill))
    voided = msgspec.structs.replace(fill, no=stage.no + 1, voided=True)
    stage.tell(voided)
    assert stage.host.sleeve.position == 0


def test_an_order_the_books_no_longer_list_is_forgotten_after_a_while():
    stage = ready()
    order = stage.orders.pop("trend.100.1")
    stage.no += 1
    stage.tell(stage.book())
    assert order.intent_id in stage.host.memory.orders, "doubted, not yet forgotten"
    for number in range(1, 40):
        stage.now_ns += SECOND
        stage.pulse(100 + number)
    assert order.intent_id not in stage.host.memory.orders


def test_a_book_older_than_an_orders_own_news_raises_no_doubt():
    stage = ready()
    old = stage.book()
    stage.no += 5
    stage.update(stage.orders["trend.100.1"], OrderState.WORKING)
    stage.tell(msgspec.structs.replace(old, working=()))
    for number in range(1, 60):
        stage.now_ns += SECOND
        stage.pulse(100 + number)
    assert "trend.100.1" in stage.host.memory.orders


def test_after_the_last_words_nothing_is_said():
    stage = ready()
    stage.tell(Stopping(reason="SIGTERM"))
    count = len(words(stage))
    for order in list(stage.orders):
        stage.cancel(order)
    stage.seconds(103, 104)
    assert len(words(stage)) == count
