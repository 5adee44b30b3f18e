"""The order table: total where the venue speaks, strict where we do, monotone everywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.orders import (
    TRANSITIONS,
    VENUE,
    Happening,
    IllegalTransition,
    move,
    shown,
)
from shared.events import TERMINAL, OrderState

S, H = OrderState, Happening
states = st.sampled_from(list(OrderState))
happenings = st.sampled_from(list(Happening))


def test_every_state_has_a_row_and_every_row_leads_to_a_state() -> None:
    assert set(TRANSITIONS) == set(OrderState)
    for row in TRANSITIONS.values():
        assert set(row) <= set(Happening)
        assert set(row.values()) <= set(OrderState)


def test_the_venue_can_never_surprise_us_except_about_an_order_never_sent() -> None:
    for state in OrderState:
        for happening in VENUE:
            if state is S.REFUSED:
                with pytest.raises(IllegalTransition):
                    move(state, happening)
            else:
                move(state, happening)


@given(states, happenings)
def test_an_illegal_move_raises_and_changes_nothing(state: OrderState, what: Happening) -> None:
    before = {key: dict(row) for key, row in TRANSITIONS.items()}
    if what not in TRANSITIONS[state]:
        with pytest.raises(IllegalTransition, match=what.value):
            move(state, what)
    assert before == TRANSITIONS


@given(states, happenings, happenings)
def test_the_same_venue_news_twice_is_the_same_as_once(
    state: OrderState, first: Happening, second: Happening
) -> None:
    if first in VENUE and state is not S.REFUSED:
        once = move(state, first)
        assert move(once, first) is once


@given(st.permutations([H.SUSPENDED, H.OPENED, H.PART_FILLED, H.FILLED, H.CANCELLED]), states)
def test_a_fill_always_counts_in_whatever_order_news_arrives(
    news: list[Happening], start: OrderState
) -> None:
    if start is S.REFUSED:
        return
    state = start
    for what in news:
        state = move(state, what)
    assert state is S.FILLED


@given(st.lists(happenings, max_size=30))
def test_a_finished_order_never_works_again_unless_it_was_wrongly_believed_gone(
    story: list[Happening],
) -> None:
    state = S.SENT
    for what in story:
        if what not in TRANSITIONS[state]:
            continue
        after = move(state, what)
        if state in TERMINAL and after not in TERMINAL:
            assert state in (S.ABSENT, S.REJECTED)
        if state is S.FILLED:
            assert after is S.FILLED
        state = after


@given(st.lists(happenings, max_size=30))
def test_nothing_but_evidence_ends_an_unknown_order(story: list[Happening]) -> None:
    state = S.UNKNOWN
    for what in story:
        if what not in TRANSITIONS[state]:
            continue
        state = move(state, what)
        if state is not S.UNKNOWN:
            assert what in VENUE or what in (H.ACCEPTED, H.NEVER_LEFT, H.PROVEN_ABSENT)
            return


@pytest.mark.parametrize(
    ("state", "what", "then"),
    [
        (S.SENT, H.FILLED, S.FILLED),  # the fill before the answer
        (S.FILLED, H.ACCEPTED, S.FILLED),  # the late answer
        (S.CANCELLING, H.FILLED, S.FILLED),  # the fill won the race
        (S.CANCELLED, H.FILLED, S.FILLED),  # news in the wrong order
        (S.CANCELLED, H.PART_FILLED, S.CANCELLED),  # the rest stays cancelled
        (S.REJECTED, H.OPENED, S.REJECTED),  # pending, told late
        (S.ABSENT, H.OPENED, S.WORKING),  # late apparition
        (S.WORKING, H.LOST, S.WORKING),  # seen on the hub, so the lost answer does not matter
        (S.WORKING, H.MISSING, S.UNKNOWN),
        (S.SENT, H.NEVER_LEFT, S.ABSENT),
    ],
)
def test_the_surprising_rows(state: OrderState, what: Happening, then: OrderState) -> None:
    assert move(state, what) is then


@pytest.mark.parametrize(
    ("state", "what"),
    [
        (S.SENT, H.CANCEL_SENT),  # no venue id is known to cancel by
        (S.SENT, H.PROVEN_ABSENT),  # only an unknown order can be absent
        (S.WORKING, H.NEVER_LEFT),  # it was seen
        (S.FILLED, H.CANCEL_SENT),
        (S.REFUSED, H.ACCEPTED),
    ],
)
def test_what_cannot_be(state: OrderState, what: Happening) -> None:
    with pytest.raises(IllegalTransition):
        move(state, what)


@given(st.sampled_from(sorted(VENUE, key=lambda h: h.value)), st.integers(0, 9), st.integers(1, 9))
def test_quantity_corrects_what_a_row_says(what: Happening, filled: int, size: int) -> None:
    if filled > size:
        with pytest.raises(AssertionError):
            shown(what, filled, size)
    elif filled == size:
        assert shown(what, filled, size) is H.FILLED
    elif filled and what is H.OPENED:
        assert shown(what, filled, size) is H.PART_FILLED
    else:
        assert shown(what, filled, size) is what
