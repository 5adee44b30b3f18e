"""Who speaks for a sleeve: one owner at every instant, changed by one record, and changed back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from services.risk_governor.core import Governor
from services.risk_governor.latches import switch_off
from services.risk_governor.words import OperatorAnswer, Outcome, Verb
from shared.events import (
    AuthorityGranted,
    CancelIntent,
    Event,
    Grounds,
    ModifyIntent,
    OrderApproved,
    OrderState,
    OrderVetoed,
    ParamsTuned,
    PeerSilent,
    ShadowAdmitted,
    VetoRule,
)
from shared.seats import NO_LIFE, NOBODY, SECOND, actor_of, actors, incarnation_of, seat_of
from tests.governor_seats import (
    FIRST_ACTOR,
    NEW,
    OLD,
    SECOND_ACTOR,
    owner,
    stage,
    status,
    swapped,
    told,
)
from tests.governor_stage import BUY, MES, MNQ, SELL, Stage, passed, refused, wide


def owners(found: Stage) -> list[int]:
    """At most one."""
    one = found.governor.mind.state.sleeves.get("trend")
    return [one.incarnation] if one else []


# -- standing by -----------------------------------------------------------------------------------


def test_a_newcomer_in_the_other_seat_is_shown_the_books_and_owns_nothing() -> None:
    found = Stage(wide()).opened()
    found.bought()
    (word,) = found.tell(status(SECOND, NEW))
    assert isinstance(word, ShadowAdmitted)
    assert (word.incarnation, word.seat) == (NEW, SECOND)
    assert [book.position for book in word.books] == [1]
    assert owner(found) == OLD
    assert refused(found.ask("trend", BUY, incarnation=NEW, shadow=True)) is VetoRule.SHADOW
    passed(found.ask_exit("trend", SELL))


def test_whatever_a_shadow_says_is_refused_as_such() -> None:
    found = stage()
    order = found.bought()
    stop = order.intent_id + "-SL"
    ids = {"sleeve": "trend", "incarnation": NEW, "target": stop, "reason": "", "shadow": True}
    for number, wish in enumerate(
        (
            CancelIntent(intent_id=f"trend.{NEW}.1", **ids),
            ModifyIntent(intent_id=f"trend.{NEW}.2", expires_ns=found.now + 1, stop_price=5, **ids),
        )
    ):
        (veto,) = found.tell(wish)
        assert isinstance(veto, OrderVetoed), number
        assert veto.rule is VetoRule.SHADOW
    found.ask_exit("trend", SELL, incarnation=NEW, shadow=True)
    assert refused(found.said[0]) is VetoRule.SHADOW


def test_only_the_first_seat_gets_a_sleeve_nobody_ever_owned() -> None:
    found = Stage(wide())
    (word,) = found.tell(status(SECOND, NEW))
    assert isinstance(word, ShadowAdmitted)
    (word,) = found.tell(status("", OLD))
    assert isinstance(word, AuthorityGranted)
    assert owner(found) == OLD


def test_lives_of_the_two_seats_never_share_a_number() -> None:
    epochs = (1, 100, 1_795_000_000, (1 << 40) - 1)
    assert not {incarnation_of("", it) for it in epochs} & {
        incarnation_of(SECOND, it) for it in epochs
    }
    assert [seat_of(actor) for actor in (*actors("a.b"), "order_router")] == [
        ("a", SECOND), ("a.b", SECOND), ("", ""),
    ]  # fmt: skip
    assert seat_of(actor_of("tail_hedge", "")) == ("tail_hedge", "")


# -- the change ------------------------------------------------------------------------------------


def test_a_swap_is_one_record_with_book_and_orders_and_the_old_one_is_refused() -> None:
    found = stage()
    found.bought()
    on_its_way = passed(found.ask("trend", BUY))
    found.operator(Verb.SWAP, sleeve="trend", seat=SECOND)
    (granted,), (shadow,) = told(found, AuthorityGranted), told(found, ShadowAdmitted)
    assert (granted.incarnation, granted.seat) == (NEW, SECOND)
    assert granted.cause == "swap by ann: test"
    assert (shadow.incarnation, shadow.seat) == (OLD, "")
    (book,) = granted.books
    assert book.position == 1
    working = {order.intent_id: order.state for order in book.working}
    assert working.pop(on_its_way.intent_id) is OrderState.SENT, "approved, not yet answered"
    assert list(working) == ["trend.7.1-SL"]
    assert refused(found.ask("trend", BUY)) is VetoRule.AUTHORITY
    passed(found.ask_exit("trend", SELL, incarnation=NEW))


def test_a_change_and_a_cancel_on_their_way_are_handed_over_until_the_router_tells() -> None:
    found = stage()
    resting = found.bought()
    stop = f"{resting.intent_id}-SL"
    found.modify("trend", stop, stop_price=83_990)
    entry = passed(found.ask("trend", BUY))
    found.cancel("trend", entry.intent_id)
    found.operator(Verb.SWAP, sleeve="trend", seat=SECOND)
    (granted,) = told(found, AuthorityGranted)
    assert (granted.changing, granted.leaving) == ((stop,), (entry.intent_id,))
    found.update(resting, OrderState.WORKING, intent_id=stop, size=1, stop_price=83_990)
    found.update(entry, OrderState.CANCELLED)
    found.operator(Verb.SWAP, sleeve="trend", seat="")
    (granted,) = told(found, AuthorityGranted)
    assert (granted.changing, granted.leaving) == ((), ())


def test_a_wish_made_as_a_shadow_is_never_obeyed_however_late_it_comes() -> None:
    found = stage()
    wish = found.intent("trend", BUY, incarnation=NEW, shadow=True)
    found.operator(Verb.SWAP, sleeve="trend", seat=SECOND)
    (veto,) = found.tell(wish)
    assert refused(veto) is VetoRule.SHADOW


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda it: it.tell(status(SECOND, NEW, "WARMING", "3 of 9 bars")), "WARMING: 3 of 9 bars"),
        (lambda it: it.tell(status(SECOND, NEW, "PAUSED", "raised")), "PAUSED: raised"),
        (lambda it: it.tell(PeerSilent(actor=SECOND_ACTOR)), "sleeve_trend.b is silent"),
        (lambda it: it.governor.mind.state.shadows.clear(), "sleeve_trend.b is not heard"),
    ],
)
def test_a_newcomer_that_cannot_trade_is_refused(spoil: Callable[[Stage], Any], why: str) -> None:
    found = stage()
    spoil(found)
    answer = found.operator(Verb.SWAP, sleeve="trend", seat=SECOND)
    assert (answer.outcome, owner(found)) == (Outcome.REFUSED, OLD)
    assert why in answer.reason


def test_a_swap_names_a_sleeve_and_a_seat_that_does_not_own_it() -> None:
    found = stage()
    assert "no sleeve 'x'" in found.operator(Verb.SWAP, sleeve="x", seat=SECOND).reason
    assert "owns trend already" in found.operator(Verb.SWAP, sleeve="trend", seat="").reason


def test_a_sleeve_that_did_not_run_is_added_the_same_way() -> None:
    found = Stage(wide()).opened()
    del found.governor.mind.state.sleeves["trend"]
    found.tell(status(SECOND, NEW))
    assert found.operator(Verb.SWAP, sleeve="trend", seat=SECOND).outcome is Outcome.DONE
    passed(found.ask("trend", BUY, incarnation=NEW))
    assert "trend" not in found.governor.mind.state.probation, "there is nobody to go back to"


def removed(found: Stage) -> OperatorAnswer:
    answer = found.operator(Verb.REMOVE, sleeve="trend")
    assert answer.outcome is Outcome.DONE, answer.reason
    return answer


def test_a_removed_sleeve_is_closed_and_owned_by_nobody() -> None:
    found = stage()
    found.bought()
    answer = removed(found)
    assert not [row for row in answer.seats if row.sleeve == "trend" and row.owner]
    (granted,) = told(found, AuthorityGranted)
    assert (granted.incarnation, granted.seat) == (NO_LIFE, NOBODY)
    assert [word.sleeve for word in found.flattens()] == ["trend"]
    for incarnation in (OLD, NEW):
        assert refused(found.ask("trend", BUY, incarnation=incarnation)) is VetoRule.AUTHORITY
    assert refused(found.ask("trend", BUY, incarnation=NO_LIFE)) is VetoRule.MALFORMED
    passed(found.ask("mean_reversion", BUY, contract=MES))
    answer = found.operator(Verb.REMOVE, sleeve="trend")
    assert (answer.outcome, answer.reason) == (Outcome.REFUSED, "nobody owns 'trend'")
    assert "nobody owns" in found.operator(Verb.TUNE, sleeve="trend", values={"a": 1}).reason


def test_no_process_of_a_removed_sleeve_gets_it_back_by_itself() -> None:
    found = stage()
    removed(found)
    for seat, life in (("", OLD), ("", OLD + 1), (SECOND, NEW + 1)):
        assert all(isinstance(word, ShadowAdmitted) for word in found.tell(status(seat, life)))
    found.governor.restore(found.governor.snapshot())
    assert owner(found) == NO_LIFE
    later = Governor(found.settings)
    for word in found.heard:
        later.recall(found.now, word)
    assert later.mind.state.sleeves["trend"].seat == NOBODY
    for word in found.tell(PeerSilent(actor=FIRST_ACTOR)):
        assert not isinstance(word, AuthorityGranted)


@pytest.mark.parametrize("seat", ["", SECOND])
def test_a_removed_sleeve_is_added_by_a_swap_into_either_seat(seat: str) -> None:
    found = stage()
    life = {"": OLD + 1, SECOND: NEW + 1}[seat]
    removed(found)
    found.tell(status(seat, life))
    found.proven_flat()
    answer = found.operator(Verb.SWAP, sleeve="trend", seat=seat)
    assert answer.outcome is Outcome.DONE, answer.reason
    assert owner(found) == life
    assert "sleeve:trend" not in found.governor.mind.state.latches
    passed(found.ask("trend", BUY, incarnation=life))


def test_a_removed_sleeve_is_not_added_before_it_is_flat() -> None:
    found = stage()
    found.bought()
    removed(found)
    found.tell(status(SECOND, NEW + 1))
    answer = found.operator(Verb.SWAP, sleeve="trend", seat=SECOND)
    assert (answer.outcome, answer.reason) == (
        Outcome.REFUSED, "trend was removed and is not proven flat yet",
    )  # fmt: skip
    assert owner(found) == NO_LIFE


def test_what_switched_a_sleeve_off_before_its_removal_outlives_it() -> None:
    found = stage()
    switch_off(
        found.governor.mind, found.now, "trend", "it lost too much", grounds=Grounds(rule="sleeve")
    )
    removed(found)
    found.tell(status(SECOND, NEW + 1))
    found.proven_flat()
    assert found.operator(Verb.SWAP, sleeve="trend", seat=SECOND).outcome is Outcome.DONE
    assert refused(found.ask("trend", BUY, incarnation=NEW + 1)) is VetoRule.SLEEVE_OFF


def test_flat_first_closes_what_is_held_and_waits_for_a_person() -> None:
    found = stage()
    found.bought()
    found.operator(Verb.SWAP, sleeve="trend", seat=SECOND, flatten=True)
    assert [word.sleeve for word in found.flattens()] == ["trend"]
    assert owner(found) == NEW
    assert refused(found.ask("trend", BUY, incarnation=NEW)) is VetoRule.SLEEVE_OFF


def test_everybody_may_ask_who_owns_what() -> None:
    found = swapped()
    rows = {(it.sleeve, it.seat): it for it in found.operator(Verb.SEATS, who="", cause="").seats}
    assert rows["trend", SECOND].owner
    assert rows["trend", SECOND].watched > 0
    assert not rows["trend", ""].owner
    assert rows["tail_hedge", ""].owner


# -- one owner at every instant --------------------------------------------------------------------


def session(found: Stage) -> list[Event]:
    """A little session of `trend`: in, protected, out, in again."""
    order = found.bought()
    found.quote(MNQ, 84_040)
    exit_order = found.ask_exit("trend", SELL)
    found.filled(exit_order, 84_040)
    found.update(order, OrderState.CANCELLED, intent_id=order.intent_id + "-SL", size=1)
    found.reconcile()
    found.ask("trend", BUY)
    found.pulse()
    return [event for _, event in found.story]


def judged(found: Stage, incarnation: int, number: int) -> bool:
    """Whether this life's wish is judged at all (and not refused for who it is)."""
    wish = found.intent(
        "trend", BUY, incarnation=incarnation, intent_id=f"trend.{incarnation}.{number}"
    )
    answers = [word for word in found.tell(wish) if isinstance(word, OrderApproved | OrderVetoed)]
    return not (isinstance(answers[0], OrderVetoed) and answers[0].rule is VetoRule.AUTHORITY)


def test_a_swap_at_every_event_of_a_session_leaves_exactly_one_owner() -> None:
    story = session(stage())
    for cut in range(len(story)):
        found = Stage(wide())
        for number, event in enumerate(story):
            found.tell(event)
            if number == cut:
                found.operator(Verb.SWAP, sleeve="trend", seat=SECOND)
            found.governor.restore(found.governor.snapshot())
            state = found.governor.mind.state
            known = [one for part in (state.sleeves, state.shadows) for n, one in part.items()
                     if n == "trend"]  # fmt: skip
            assert len(known) == len({one.seat for one in known}), "one in each seat"
        owners = [judged(found, life, 900 + cut) for life in (OLD, NEW)]
        assert owners.count(True) == 1, f"swapped after event {cut}: {owners}"


def test_what_was_held_and_worked_is_the_same_whoever_owns_it() -> None:
    story = session(stage())
    plain = Stage(wide())
    for event in story:
        plain.tell(event)
    for cut in range(len(story)):
        found = Stage(wide())
        for number, event in enumerate(story):
            if number == cut:
                found.operator(Verb.SWAP, sleeve="trend", seat=SECOND)
                if NEW in owners(found):  # and back, so that the rest of the story is obeyed
                    found.operator(Verb.SWAP, sleeve="trend", seat="")
            found.tell(event)
        assert found.governor.mind.state.ledger == plain.governor.mind.state.ledger
        assert found.governor.mind.state.orders.keys() == plain.governor.mind.state.orders.keys()


def test_an_answered_wish_is_not_obeyed_again_after_there_and_back() -> None:
    found = stage()
    wish = found.intent("trend", BUY)
    (first,) = [it for it in found.tell(wish) if isinstance(it, OrderApproved)]
    found.operator(Verb.SWAP, sleeve="trend", seat=SECOND)
    found.tell(status("", OLD))
    found.operator(Verb.SWAP, sleeve="trend", seat="")
    assert owner(found) == OLD
    assert found.tell(wish) == [first], "the same answer, nothing counted twice"
    assert len([it for it in found.heard if isinstance(it, OrderApproved)]) == 2


# -- memory ----------------------------------------------------------------------------------------


def test_under_other_code_the_owner_is_who_the_record_says() -> None:
    found = swapped()
    found.bought(incarnation=NEW)
    later = Governor(found.settings)
    for word in found.heard:
        later.recall(found.now, word)
    state = later.mind.state
    assert (state.sleeves["trend"].incarnation, state.sleeves["trend"].seat) == (NEW, SECOND)
    assert state.shadows["trend"].incarnation == OLD


# -- tuning ----------------------------------------------------------------------------------------


def test_a_tune_is_told_to_the_owner_and_its_own_word_is_shown() -> None:
    found = swapped()
    answer = found.operator(Verb.TUNE, sleeve="trend", values={"stop_ticks": 20})
    (word,) = told(found, ParamsTuned)
    assert (word.incarnation, word.values, word.by) == (NEW, {"stop_ticks": 20}, "ann")
    assert answer.reason == "sleeve_trend.b is told"
    found.tell(
        msgspec.structs.replace(
            status(SECOND, NEW), tuned={"stop_ticks": 20}, tune_no=word.no, untuned=""
        )
    )
    (row,) = [it for it in found.operator(Verb.SEATS).seats if it.owner and it.sleeve == "trend"]
    assert (row.tuned, row.asked_no, row.tune_no) == ({"stop_ticks": 20}, word.no, word.no)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"sleeve": "x", "values": {"a": 1}}, "nobody owns 'x'"),
        ({"sleeve": "trend"}, "1 to 16 parameters"),
        ({"sleeve": "trend", "values": {str(n): n for n in range(17)}}, "1 to 16 parameters"),
    ],
)
def test_a_tune_names_an_owned_sleeve_and_a_few_parameters(asked: dict[str, Any], why: str) -> None:
    found = stage()
    answer = found.operator(Verb.TUNE, **asked)
    assert answer.outcome is Outcome.REFUSED
    assert why in answer.reason
    assert not told(found, ParamsTuned)
