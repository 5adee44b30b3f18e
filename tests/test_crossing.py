"""Opposite wishes of sleeves that share a contract, met inside: who waits, at what price, one
answer each, two halves or none.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.risk_governor.core import Governor
from shared.domain.sharing import VIRTUAL, is_first_half, midpoint, part_id
from shared.events import (
    CancelIntent,
    Event,
    Fill,
    OrderApproved,
    OrderState,
    OrderVetoed,
    Purpose,
    Side,
    VetoRule,
)
from shared.settings import Settings, SettingsError, load
from shared.units import SECOND
from tests.governor_stage import BUY, MNQ, SELL, Stage, passed, wide
from tests.sharing_stage import A, B, holds

C = "market_maker"


def patient(wait_s: float = 2.0, **risk: Any) -> Settings:
    given = msgspec.structs.replace(wide(**risk), sharing={"MNQ": (A, B, C)})
    rules = msgspec.structs.replace(given.sharing_rules, cross_wait_s=wait_s)
    return msgspec.structs.replace(given, sharing_rules=rules)


@pytest.fixture
def stage() -> Stage:
    return Stage(patient()).opened()


# -- the setting -----------------------------------------------------------------------------------


def test_nobody_waits_unless_told_to() -> None:
    assert load(env={}).sharing_rules.cross_wait_s == 0
    stage = Stage(patient(0)).opened()
    holds(stage, A, BUY)
    assert passed(stage.ask(B, BUY)).cross is None


@pytest.mark.parametrize("wait_s", ["-1", "4.5"])
def test_a_wait_longer_than_a_wish_lives_refuses_to_start(wait_s: str) -> None:
    with pytest.raises(SettingsError, match="cross_wait_s"):
        load(env={"TSQ__SHARING_RULES__CROSS_WAIT_S": wait_s})


# -- the price -------------------------------------------------------------------------------------


@given(st.integers(1, 10_000), st.integers(1, 50), st.sampled_from([1, -1]))
def test_the_price_is_the_middle_in_the_exits_favour(bid: int, spread: int, side: int) -> None:
    ask = bid + spread
    price = midpoint(bid, ask, side)
    assert bid <= price <= ask
    favour = (bid + ask - 2 * price) * side
    assert favour in (0, 1), "at most half a tick, for the exit"


@given(st.integers(1, 10**6), st.sampled_from([Purpose.ENTRY, Purpose.EXIT]))
def test_the_halves_of_a_crossing_are_told_apart(number: int, purpose: Purpose) -> None:
    first, second = (part_id(-VIRTUAL - 2 * number, index) for index in (0, 1))
    halves = [is_first_half(half(None, trade_id, purpose=purpose)) for trade_id in (first, second)]
    assert halves == [True, False]
    assert not is_first_half(half(None, first, purpose=Purpose.FLATTEN)), "another made-up trade"
    assert not is_first_half(half(None, number, purpose=purpose)), "the venue's"


def half(order: OrderApproved | None, trade_id: int, **changed: Any) -> Fill:
    base: dict[str, Any] = {
        "no": 0, "trade_id": trade_id, "venue_order_id": 0, "tag": "", "intent_id": "",
        "sleeve": A, "contract": MNQ, "side": BUY, "size": 1, "price": 1, "fee": 0,
        "purpose": Purpose.ENTRY, "venue_ns": 1,
    }  # fmt: skip
    if order is not None and order.cross is not None:
        base |= {
            "tag": order.tag, "intent_id": order.intent_id, "sleeve": order.sleeve,
            "side": order.side, "size": order.size, "price": order.cross.price,
            "purpose": order.purpose,
        }  # fmt: skip
    return Fill(**(base | changed))


# -- the governor ----------------------------------------------------------------------------------


def crossing_of(said: list[Event]) -> tuple[OrderApproved, OrderApproved]:
    """(exit, entry) of the one crossing that was approved."""
    entry, exit_ = (one for one in said if isinstance(one, OrderApproved))
    assert entry.cross is not None
    assert exit_.cross is not None
    assert (entry.purpose, exit_.purpose) == (Purpose.ENTRY, Purpose.EXIT)
    assert (entry.cross.tag, exit_.cross.tag) == (exit_.tag, entry.tag)
    return exit_, entry


def leaves(stage: Stage, sleeve: str, side: Side, size: int = 1, **changed: Any) -> list[Event]:
    return stage.tell(stage.intent(sleeve, side, size, purpose=Purpose.EXIT, **changed))


def carried_out(stage: Stage, exit_: OrderApproved, entry: OrderApproved) -> list[Event]:
    """What the router says of a crossing."""
    said: list[Event] = []
    for order in (exit_, entry):
        said += stage.update(order, OrderState.SENT)
    stage.trade += 1
    for index, order in enumerate((exit_, entry)):
        trade_id = part_id(-VIRTUAL - 2 * stage.trade, index)
        said += stage.tell(half(order, trade_id, venue_ns=stage.now))
    for order in (exit_, entry):
        said += stage.update(order, OrderState.FILLED, filled=order.size)
    return said + stage.covered(MNQ)


def books(stage: Stage) -> tuple[int, int, int]:
    ledger = stage.governor.mind.state.ledger
    return ledger.held(A, MNQ), ledger.held(B, MNQ), ledger.position(MNQ)


def test_an_entry_waits_and_takes_what_another_leaves(stage: Stage) -> None:
    holds(stage, A, BUY, 2)
    assert stage.ask(B, BUY, 2, stop_loss_ticks=30) is None, "it waits"
    stage.quote(MNQ, 84_010, 84_013)
    exit_, entry = crossing_of(leaves(stage, A, SELL, 2))
    assert exit_.cross is not None
    assert exit_.cross.price == 84_012, "84 011.5, and the exit sells"
    assert exit_.cross.stop_loss_ticks == 30
    carried_out(stage, exit_, entry)
    assert books(stage) == (0, 2, 2)
    state = stage.governor.mind.state
    assert state.shared[MNQ].stops == {B: 84_012 - 30}
    assert not state.orders
    assert not state.held_back
    assert not state.naked_real_ns


def test_a_crossing_moves_no_money_of_the_account(stage: Stage) -> None:
    holds(stage, A, BUY, 2)
    holds(stage, B, SELL, 1)
    before = msgspec.structs.replace(stage.governor.mind.state.ledger.desks[MNQ].account)
    worth = before.position.cash + before.position.lots * 84_000
    stage.ask(C, BUY, 2)
    carried_out(stage, *crossing_of(leaves(stage, A, SELL, 2)))
    after = stage.governor.mind.state.ledger.desks[MNQ].account
    assert after.position.cash + after.position.lots * 84_000 == worth
    assert after.fees == before.fees


def test_nobody_is_waited_for_who_holds_the_other_side_or_nothing(stage: Stage) -> None:
    assert passed(stage.ask(B, BUY)).cross is None
    stage = Stage(patient()).opened()
    holds(stage, A, BUY)
    assert passed(stage.ask(B, SELL)).cross is None, "whoever is long sells, as this one would"


def test_a_wait_ends_with_a_judgement_as_ever(stage: Stage) -> None:
    holds(stage, A, BUY)
    assert stage.ask(B, BUY) is None
    assert not [one for one in stage.wait(1.5) if isinstance(one, OrderApproved)]
    stage.quote(MNQ)
    late = [one for one in stage.wait(1) if isinstance(one, OrderApproved)]
    assert [(one.sleeve, one.cross) for one in late] == [(B, None)]


def test_what_has_become_too_much_meanwhile_is_vetoed(stage: Stage) -> None:
    holds(stage, A, BUY)
    assert stage.ask(B, BUY) is None
    said = stage.wait(1)
    assert not [one for one in said if isinstance(one, OrderVetoed)]
    stage.governor.mind.state.listed.clear()
    said = leaves(stage, A, SELL)
    alone = [one for one in said if isinstance(one, OrderApproved)]
    assert [(one.purpose, one.cross) for one in alone] == [(Purpose.EXIT, None)], "never delayed"
    vetoed = [one for one in stage.wait(2) if isinstance(one, OrderVetoed)]
    assert [one.sleeve for one in vetoed] == [B]


def test_a_wait_is_over_when_nobody_is_left_to_wait_for(stage: Stage) -> None:
    order = holds(stage, A, BUY)
    assert stage.ask(B, BUY) is None
    stage.trade_of(1, 84_000, side=SELL, sleeve=A, tag=order.tag, purpose=Purpose.NET_STOP)
    stage.covered(MNQ)
    said = [one for one in stage.pulse() if isinstance(one, OrderApproved)]
    assert [(one.sleeve, one.cross) for one in said] == [(B, None)]


@pytest.mark.parametrize(
    ("held", "wished", "least", "crosses"),
    [(1, 1, 0, 1), (2, 1, 0, 0), (1, 2, 0, 0), (1, 2, 1, 1), (1, 3, 2, 0), (2, 3, 2, 2)],
)
def test_both_wishes_have_their_one_answer_or_there_is_no_crossing(
    stage: Stage, held: int, wished: int, least: int, crosses: int
) -> None:
    holds(stage, A, BUY, held)
    assert stage.ask(B, BUY, wished, least=least) is None
    said = [one for one in leaves(stage, A, SELL, held) if isinstance(one, OrderApproved)]
    assert [one.size for one in said] == ([crosses] * 2 if crosses else [held])


@pytest.mark.parametrize("quote", [(84_005, 84_000), (84_000, 84_000)])
def test_nothing_is_crossed_at_a_crossed_quote(stage: Stage, quote: tuple[int, int]) -> None:
    holds(stage, A, BUY)
    stage.ask(B, BUY)
    stage.quote(MNQ, *quote)
    said = [one for one in leaves(stage, A, SELL) if isinstance(one, OrderApproved)]
    assert [one.cross for one in said] == [None]


def test_nothing_is_crossed_at_an_old_quote(stage: Stage) -> None:
    stage = Stage(patient(4)).opened()
    holds(stage, A, BUY)
    stage.ask(B, BUY)
    stage.governor.mind.state.marks[MNQ].recv_ns -= 60 * SECOND
    said = [one for one in leaves(stage, A, SELL) if isinstance(one, OrderApproved)]
    assert [one.cross for one in said] == [None]


def test_an_own_exit_or_cancel_ends_the_wait_with_a_veto(stage: Stage) -> None:
    holds(stage, A, BUY)
    stage.ask(B, BUY)
    stage.quote(MNQ)
    late = [one for one in stage.wait(2) if isinstance(one, OrderApproved)]
    stage.filled(late[0], stage.prices[MNQ])
    stage.covered(MNQ)
    assert stage.ask(B, BUY) is None
    said = leaves(stage, B, SELL)
    assert [one.rule for one in said if isinstance(one, OrderVetoed)] == [VetoRule.EXPIRED]
    assert [one.cross for one in said if isinstance(one, OrderApproved)] == [None], (
        "not with itself"
    )
    wish = stage.intent(B, BUY)
    stage.tell(wish)
    gone = stage.tell(
        CancelIntent(
            intent_id=f"{B}.7.900", sleeve=B, incarnation=7, target=wish.intent_id, reason=""
        )
    )
    vetoed = [(one.intent_id, one.rule) for one in gone if isinstance(one, OrderVetoed)]
    assert vetoed == [
        (wish.intent_id, VetoRule.EXPIRED), (f"{B}.7.900", VetoRule.NO_SUCH_ORDER),
    ]  # fmt: skip


def test_a_later_entry_is_answered_after_the_one_that_waits(stage: Stage) -> None:
    holds(stage, A, BUY)
    first, second = stage.intent(B, BUY), stage.intent(B, BUY)
    assert stage.tell(first) == []
    assert stage.tell(first) == [], "said twice: it will be answered, once"
    said = [one.intent_id for one in stage.tell(second) if isinstance(one, OrderApproved)]
    assert said == [first.intent_id]
    assert list(stage.governor.mind.state.held_back) == [second.intent_id]


def test_who_owns_a_sleeve_no_more_waits_no_more(stage: Stage) -> None:
    holds(stage, A, BUY)
    stage.ask(B, BUY)
    stage.present(B, incarnation=8)
    assert not stage.governor.mind.state.held_back


def test_a_wait_survives_a_restart(stage: Stage) -> None:
    holds(stage, A, BUY)
    stage.ask(B, BUY)
    again = Governor(stage.settings)
    again.restore(stage.governor.snapshot())
    stage.governor = again
    crossing_of(leaves(stage, A, SELL))


def test_switched_off_nobody_who_still_waits_is_crossed(stage: Stage) -> None:
    holds(stage, A, BUY)
    stage.ask(B, BUY)
    off = Governor(patient(0))
    off.restore(stage.governor.snapshot())
    stage.governor = off
    said = [one for one in leaves(stage, A, SELL) if isinstance(one, OrderApproved)]
    assert [(one.sleeve, one.cross) for one in said] == [(A, None)]
    later = [one for one in stage.pulse() if isinstance(one, OrderApproved)]
    assert [(one.sleeve, one.cross) for one in later] == [(B, None)]


def test_recorded_halves_are_remembered_by_other_code(stage: Stage) -> None:
    holds(stage, A, BUY)
    wish = stage.intent(B, BUY)
    stage.tell(wish)
    other = Governor(stage.settings)
    other.restore(stage.governor.snapshot())
    for word in crossing_of(leaves(stage, A, SELL)):
        other.recall(stage.now, word)
    state = other.mind.state
    assert not state.held_back
    assert len(state.orders) == 2
    assert wish.intent_id in state.orders


SIZES = st.integers(1, 3)

WISH = st.tuples(st.sampled_from([A, B, C]), st.sampled_from(list(Side)), SIZES, st.integers(0, 2))

STORY = st.lists(st.one_of(WISH, st.none()), min_size=3, max_size=14)


@given(STORY)
def test_every_wish_has_one_answer_and_the_books_are_the_venues(story: list[Any]) -> None:
    stage, venue = Stage(patient(position=9)).opened(), 0
    asked: dict[str, int] = {}
    queue: list[Event] = []
    for step in (*story, None, None, None, None, None):
        if step is None:
            stage.quote(MNQ)
            queue += stage.wait(0.75)
        else:
            sleeve, side, size, least = step
            held = stage.governor.mind.state.ledger.held(sleeve, MNQ)
            purpose = Purpose.EXIT if held * side < 0 else Purpose.ENTRY
            wish = stage.intent(sleeve, side, size, purpose=purpose, least=min(least, size))
            asked[wish.intent_id] = 0
            queue += stage.tell(wish)
        while queue:
            word = queue.pop(0)
            if isinstance(word, OrderApproved | OrderVetoed):
                asked[word.intent_id] += 1
            if not isinstance(word, OrderApproved):
                continue
            if word.cross is None:
                stage.filled(word, stage.prices[MNQ])
                queue += stage.covered(MNQ)
                venue += word.side * word.size
            elif word.purpose is Purpose.ENTRY:
                other = queue.pop(0)
                assert isinstance(other, OrderApproved)
                asked[other.intent_id] += 1
                bid = stage.prices[MNQ]
                assert bid <= word.cross.price <= bid + 1
                queue += carried_out(stage, other, word)
            ledger = stage.governor.mind.state.ledger
            assert sum(ledger.held(name, MNQ) for name in (A, B, C)) == venue
            assert ledger.position(MNQ) == venue
    assert set(asked.values()) <= {1}, "one answer each"
