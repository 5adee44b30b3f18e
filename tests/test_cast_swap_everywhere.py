"""A swap at every event of a session of the whole cast: one owner, no order twice, no trace.

Every so-many-th event and market moment, other ones for every commit; all of them are played by
`python -m scripts.campaign --swap-every 1`. `SWAP_EVENT=123` or `SWAP_MOMENT=45` plays only that
one. What the judges are worth is shown by breaking each promise on purpose.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
import pytest

from scripts import campaign
from services.risk_governor import authority, follow, intents
from services.risk_governor.answers import number_of
from services.risk_governor.state import Mind
from services.sleeves.memory import Memory
from services.stage_swap import (
    NOT_THE_OWNER,
    SWAPPED,
    Point,
    SwapAfter,
    plain,
    play_session,
    points,
    swap_at,
)
from shared.events import (
    CancelIntent,
    Event,
    Fill,
    ModifyApproved,
    ModifyIntent,
    OrderIntent,
    OrderVetoed,
    Purpose,
    SleeveBook,
    VetoRule,
)
from shared.seats import FIRST, actor_of
from shared.units import MILLISECOND, Nanos
from tests.test_cast_world import base

Patch = pytest.MonkeyPatch
EVERY = 150
OWNER = actor_of(SWAPPED, FIRST)
GOVERNOR = "risk_governor"


def chosen() -> list[Point]:
    if "SWAP_EVENT" in os.environ:
        return [Point(event=int(os.environ["SWAP_EVENT"]))]
    if "SWAP_MOMENT" in os.environ:
        return [Point(moment=int(os.environ["SWAP_MOMENT"]))]
    return [*points(EVERY, base())]


class Told(SwapAfter):
    """The session itself, to choose from."""

    def __init__(self) -> None:
        super().__init__(Point())
        self.story: list[tuple[Nanos, str, Event]] = []

    def said(self, lane: str, seq: int, now_ns: Nanos, event: Event) -> None:
        super().said(lane, seq, now_ns, event)
        self.story.append((now_ns, lane, event))

    def number(self, kind: type[Event], lane: str, reason: str = "") -> int:
        """Of the first such event about the sleeve, counted from one."""
        return next(
            number
            for number, (_, by, event) in enumerate(self.story, 1)
            if by == lane and isinstance(event, kind) and event.sleeve == SWAPPED  # type: ignore[attr-defined]
            and (not reason or getattr(event, "reason", "") == reason)
        )  # fmt: skip

    def shortly_before(self, number: int) -> int:
        """The last event that everybody has heard when that one is said."""
        until_ns = self.story[number - 1][0] - 10 * MILLISECOND
        return sum(now_ns <= until_ns for now_ns, _, _ in self.story)


@cache
def told() -> Told:
    checks = Told()
    play_session(checks)
    return checks


# -- the promise -----------------------------------------------------------------------------------


def test_in_the_session_everything_happens_that_a_sleeve_can_do() -> None:
    events = [it for _, _, it in told().story if getattr(it, "sleeve", "") == SWAPPED]
    fills = [it for it in told().fills.values() if it.sleeve == SWAPPED]
    assert {it.intent_id[-3:] for it in fills} >= {"-SL", "-TP"}, "stopped out, and at its target"
    assert {OrderIntent, ModifyIntent, CancelIntent} <= {type(it) for it in events}
    assert {it.purpose for it in fills} >= {Purpose.ENTRY, Purpose.EXIT}
    assert any(_filled_in_parts(it, fills) for it in fills)
    vetoes = {it.rule for it in events if isinstance(it, OrderVetoed)}
    kept = {*NOT_THE_OWNER, VetoRule.NO_SUCH_ORDER}
    assert vetoes <= kept, "whose entry is vetoed waits, and who takes over does not"
    assert (told().events, told().moments) == (plain().events, plain().moments)


def _filled_in_parts(fill: Fill, fills: list[Fill]) -> bool:
    same = [it for it in fills if it.intent_id and it.intent_id == fill.intent_id]
    return len(same) > 1


@pytest.mark.parametrize("at", chosen(), ids=str)
def test_a_swap_leaves_one_owner_every_order_once_and_no_trace(at: Point) -> None:
    found = swap_at(at)
    print(f"{at}, after {found.after}: {found.under_way} under way")  # noqa: T201


@pytest.mark.parametrize("kind", [OrderIntent, ModifyIntent, CancelIntent])
def test_a_wish_under_way_is_refused_and_said_again(kind: type[Event]) -> None:
    """The swap right after the wish was said, before the governor heard of it."""
    found = swap_at(Point(event=told().number(kind, OWNER)))
    assert (found.swapped, found.under_way) == (True, 1), found.after


def test_while_the_newcomer_is_not_ready_nothing_changes() -> None:
    found = swap_at(Point(event=20))
    assert not found.swapped
    assert found.rows == plain().rows


def test_a_market_moment_is_a_point_as_well() -> None:
    found = swap_at(Point(moment=plain().moments // 2))
    assert found.swapped
    assert found.after.endswith("ticks")


# -- and what it is worth --------------------------------------------------------------------------


def obey_the_old_one_once_more(patch: Patch) -> None:
    identified = intents.identified

    def late(mind: Mind, now_ns: Nanos, intent: Any) -> int:
        before = mind.state.shadows.get(intent.sleeve)
        if before and not intent.shadow and before.incarnation == intent.incarnation:
            return number_of(intent)
        return identified(mind, now_ns, intent)

    patch.setattr(intents, "identified", late)


def obey_both(patch: Patch) -> None:
    patch.setattr(intents, "identified", lambda mind, now_ns, intent: number_of(intent))


def only_say_so(patch: Patch) -> None:
    """The record names the newcomer, and the old one is judged on."""
    exchange = authority.exchange

    def said(mind: Mind, name: str, cause: str, grounds: Any = None) -> None:
        owner, shadow = mind.state.sleeves[name], mind.state.shadows[name]
        exchange(mind, name, cause, grounds)
        mind.state.sleeves[name], mind.state.shadows[name] = owner, shadow

    patch.setattr(authority, "exchange", said)


def hand_over_no_orders(patch: Patch) -> None:
    books_of = follow.books_of

    def empty(mind: Mind, sleeve: str) -> tuple[SleeveBook, ...]:
        return tuple(msgspec.structs.replace(it, working=()) for it in books_of(mind, sleeve))

    patch.setattr(follow, "books_of", empty)


def hand_over_no_book(patch: Patch) -> None:
    patch.setattr(follow, "books_of", lambda mind, sleeve: ())


def forget_what_was_asked(patch: Patch) -> None:
    patch.setattr(Memory, "take_asked", lambda *_: None)


def first_wish() -> int:
    return told().number(OrderIntent, OWNER)


def before_following() -> int:
    return told().shortly_before(told().number(ModifyIntent, OWNER, "follow"))


def before_closing() -> int:
    return told().shortly_before(told().number(OrderIntent, OWNER, "enough"))


def change_on_its_way() -> int:
    """The governor has approved that the resting order follows; the venue has not heard of it."""
    follows = told().number(ModifyIntent, OWNER, "follow")
    wish = told().story[follows - 1][2]
    assert isinstance(wish, ModifyIntent)
    return next(
        number
        for number, (_, lane, event) in enumerate(told().story, 1)
        if lane == GOVERNOR and isinstance(event, ModifyApproved)
        and event.intent_id == wish.intent_id
    )  # fmt: skip


CASES: list[tuple[Callable[[Patch], None], Callable[[], int], bool, str]] = [
    (obey_the_old_one_once_more, first_wish, True, "judged: "),
    (obey_the_old_one_once_more, first_wish, False, "not the owner's"),
    (obey_both, first_wish, True, "judged: "),
    (only_say_so, first_wish, True, "judged: "),
    (only_say_so, before_closing, False, "the owner is refused"),
    (hand_over_no_orders, before_following, False, "left a trace"),
    (hand_over_no_book, before_closing, False, "left a trace"),
    (forget_what_was_asked, change_on_its_way, False, "left a trace"),
]


@pytest.mark.parametrize(
    ("broken", "when", "probed", "caught"), CASES, ids=lambda it: getattr(it, "__name__", "")
)
def test_a_broken_promise_is_caught(
    monkeypatch: Patch, broken: Callable[[Patch], None], when: Callable[[], int], probed: bool,
    caught: str,
) -> None:  # fmt: skip
    """`probed`: a copy of the governor is asked who owns, or only what all can hear is judged."""
    point = Point(event=when())
    plain()
    broken(monkeypatch)
    if not probed:
        monkeypatch.setattr(SwapAfter, "probe", lambda _: None)
    with pytest.raises(AssertionError, match=caught):
        swap_at(point)


def test_the_campaign_says_what_came_of_its_swaps(monkeypatch: Patch) -> None:
    point = Point(event=before_closing())
    one = campaign.play_swap(point)
    assert (one.swapped, one.late, one.failure) == (True, False, "")
    assert "1 left no trace; 0 found a wish under way" in campaign.swap_summary([one], 1.0)
    hand_over_no_book(monkeypatch)
    two = campaign.play_swap(point)
    assert "left a trace" in two.failure
    assert f"broken: {point}" in campaign.swap_summary([one, two], 1.0)
