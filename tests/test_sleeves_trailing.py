"""A trailing stop never loosens, whatever the market, the answers and the author's wishes are."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.events import ModifyIntent, OrderType, Purpose, Side, VetoRule
from shared.units import SECOND
from tests.sleeves_stage import Resting, Stage, settings_for

START = 48_200
wishes = st.integers(START - 60, START + 60)
happenings = st.lists(
    st.one_of(
        st.tuples(st.just("market"), st.integers(-12, 12)),
        st.tuples(st.just("trail"), wishes),
        st.tuples(st.just("time"), st.integers(1, 3)),
        st.tuples(st.just("answer"), st.sampled_from(["moved", "vetoed", "silence"])),
    ),
    max_size=40,
)


def holding(side: Side) -> Stage:
    """A tail hedge that holds one contract with its stop 40 ticks away; nothing else happens."""
    stage = Stage("tail_hedge", settings_for("tail_hedge")).open()
    stage.mute = True
    stage.tick(START)
    entry = Resting("tail_hedge.1.1", side, 1, OrderType.MARKET, Purpose.ENTRY, sl=40)
    stage.orders[entry.intent_id] = entry
    stage.fill(entry, START)
    return stage


def moves(stage: Stage) -> list[int]:
    found = [word.stop_price for word in stage.said if isinstance(word, ModifyIntent)]
    return [price for price in found if price is not None]


@pytest.mark.parametrize("side", list(Side))
@given(story=happenings)
@settings(max_examples=150, deadline=None)
def test_the_stop_only_comes_nearer_and_stays_outside_the_market(side, story):
    stage, price = holding(side), START
    leg = stage.orders["tail_hedge.1.1-SL"]
    desk = stage.host.desk
    for what, value in story:
        if what == "market":
            price += value
            stage.tick(price)
        elif what == "time":
            stage.now_ns += value * SECOND
            stage.pulse(stage.now_ns / SECOND)
        elif what == "trail":
            before = len(desk.out)
            desk.begin(stage.now_ns)
            desk.trail(value)
            for word in desk.out[before:]:
                assert isinstance(word, ModifyIntent)
                stage.said.append(word)
                outside = stage.quote.bid - word.stop_price if side is Side.BUY else 0
                outside = outside if side is Side.BUY else word.stop_price - stage.quote.ask
                assert outside > 0, "a stop inside the market would trade at once"
            desk.out.clear()
        elif leg.intent_id in stage.orders:
            answer(stage, leg, value)
        if leg.intent_id not in stage.orders:
            break
    asked = moves(stage)
    nearer = [price * side for price in asked]
    assert nearer == sorted(nearer)
    assert all((price - (START - 40 * side)) * side > 0 for price in asked)


def answer(stage: Stage, leg: Resting, how: str) -> None:
    """The governor and the venue answer the last wish, refuse it, or say nothing."""
    wish = stage.host.memory.orders[leg.intent_id].change
    asked = moves(stage)
    if not wish or how == "silence":
        return
    if how == "vetoed":
        stage.refuse(wish, VetoRule.PRICE_COLLAR)
    else:
        leg.stop = asked[-1]
        stage.update(leg, leg.state)


@pytest.mark.parametrize("side", list(Side))
def test_a_vetoed_move_may_be_asked_again_at_the_same_price(side):
    stage = holding(side)
    stage.said.clear()
    stage.now_ns += SECOND
    stage.tick(START + 30 * side)
    first = moves(stage)
    leg = stage.orders["tail_hedge.1.1-SL"]
    answer(stage, leg, "vetoed")
    stage.now_ns += SECOND
    stage.tick(START + 30 * side)
    assert moves(stage) == first * 2
    answer(stage, leg, "moved")
    stage.now_ns += SECOND
    stage.tick(START + 20 * side)
    assert moves(stage) == first * 2, "the market came back: the stop stays"


def test_a_step_smaller_than_asked_for_is_not_worth_a_request():
    stage = holding(Side.BUY)
    desk = stage.host.desk
    desk.begin(stage.now_ns)
    assert desk.trail(START - 38, step=4) == ""
    assert desk.trail(START - 36, step=4) != ""


def test_without_a_quote_a_position_or_a_stop_nothing_is_trailed():
    stage = Stage("tail_hedge", settings_for("tail_hedge")).open()
    desk = stage.host.desk
    desk.begin(stage.now_ns)
    assert desk.trail(START) == ""
    held = holding(Side.BUY)
    held.host.memory.quote = None
    assert held.host.desk.trail(START - 10) == ""
    bare = holding(Side.BUY)
    bare.cancel("tail_hedge.1.1-SL")
    assert bare.host.desk.trail(START - 10) == ""
