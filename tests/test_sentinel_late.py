"""What the venue carries out after its sender died: the sentinel stays until nothing can come."""

from __future__ import annotations

import msgspec
import pytest

from services.sentinel.files import closed_before
from services.sentinel.hands import PROOF_APART
from services.sentinel.state import CLOSED_MAX, LIFE_BEYOND, TICKS_PER_S
from services.sentinel.words import (
    Answered,
    Close,
    Leave,
    Outcome,
    Read,
    Release,
    Report,
    Requested,
    Say,
    Seize,
    Seized,
)
from shared.events import ClockJump, Event, Started, Stopping
from shared.runtime.flatten_files import Progress
from tests.sentinel_stage import MES, MNQ, SETTINGS, Scene, limit_order, stop_order

LATE_S = SETTINGS.order_router.absence_queries_apart_real_s
PATIENCE_S = SETTINGS.sentinel.router_patience_real_s
APART_S = PROOF_APART / TICKS_PER_S
BEYOND_S = LIFE_BEYOND / TICKS_PER_S


def later(late_s: float) -> Scene:
    """A scene in which the venue carries out what it was sent for `late_s`."""
    own = msgspec.structs.replace(SETTINGS.order_router, absence_queries_apart_real_s=late_s)
    return Scene(msgspec.structs.replace(SETTINGS, order_router=own))


def until(scene: Scene, kind: type[Event], most_s: float = 60.0) -> float:
    """Seconds until another word of `kind` is said."""
    known, ticks = len(scene.heard(kind)), 0
    while len(scene.heard(kind)) == known:
        scene.seconds(1 / TICKS_PER_S)
        ticks += 1
        assert ticks < most_s * TICKS_PER_S, f"no {kind.__name__}"
    return ticks / TICKS_PER_S


def holding(scene: Scene | None = None) -> Scene:
    """A position under a living router."""
    scene = scene or Scene()
    scene.seconds(2)
    scene.positions = {MNQ: 2}
    scene.orders = {7: stop_order(7, -2)}
    return scene


def killed(scene: Scene | None = None) -> Scene:
    """The sentinel has just killed a living router, because nobody served a request."""
    scene = holding(scene)
    scene.seconds(20)
    scene.tell(Requested(request_id="r", cause="operator", who="page"))
    until(scene, Seize)
    return scene


def closing_ends(outcome: Outcome) -> Scene:
    """The router is dead, and a close is answered so; the position is gone whatever it says."""
    scene = holding()
    scene.alive.discard("order_router")
    answer = scene.answer

    def told(word: Event) -> None:
        if isinstance(word, Close):
            scene.positions.pop(word.contract)
            scene.tell(Answered(no=word.no, outcome=outcome, text="as told"))
        else:
            answer(word)

    scene.answer = told  # type: ignore[method-assign]
    return scene


def test_after_a_kill_flat_is_final_only_when_nothing_can_be_carried_out_any_more() -> None:
    scene = killed()
    waited = until(scene, Release)
    assert scene.heard(Release) == [Release(request_id="r", flat=True)]
    assert LATE_S <= waited <= LATE_S + APART_S


@pytest.mark.parametrize("late_s", [3.0, 20.0, 20.1, 20.3, 20.6, 20.9])
def test_how_long_is_the_setting_of_the_routers_own_proof_of_absence(late_s: float) -> None:
    scene = killed(later(late_s))
    assert late_s <= until(scene, Release) <= late_s + APART_S + 1 / TICKS_PER_S


def test_a_router_found_dead_has_been_dead_for_as_long_as_it_was_not_seen() -> None:
    scene = holding()
    scene.alive.discard("order_router")
    until(scene, Seize)
    waited = until(scene, Release)
    left = LATE_S - PATIENCE_S + BEYOND_S
    assert left - 0.25 <= waited <= left + APART_S


def test_a_router_found_frozen_was_alive_until_it_was_killed() -> None:
    scene = holding()
    scene.frozen.add("order_router")
    until(scene, Seize)
    assert LATE_S <= until(scene, Release) <= LATE_S + APART_S


def test_a_router_dead_for_long_leaves_nothing_to_wait_for() -> None:
    scene = Scene()
    scene.seconds(2)
    scene.alive.discard("order_router")
    scene.seconds(LATE_S + BEYOND_S)
    scene.positions = {MNQ: 2}
    until(scene, Seize)
    assert until(scene, Release) <= 2 * APART_S
    assert not any("carried out" in word.detail for word in scene.heard(Report))


def test_a_computer_that_slept_knows_of_no_time_in_which_the_router_was_dead() -> None:
    scene = holding()
    scene.alive.discard("order_router")
    scene.seconds(PATIENCE_S / 2)
    scene.tell(ClockJump(slept_ns=10**12))
    until(scene, Seize)
    assert until(scene, Release) >= LATE_S - PATIENCE_S + BEYOND_S - 0.25


def test_what_is_carried_out_late_is_closed_at_once_and_said() -> None:
    scene = killed()
    scene.seconds(LATE_S / 2)
    assert len(scene.heard(Close)) == 1
    scene.positions, scene.orders = {MNQ: -2, MES: 1}, {9: limit_order(9, 3, MES)}
    scene.seconds(APART_S)
    assert [word.contract for word in scene.heard(Close)] == [MNQ, MNQ, MES]
    acts = [type(word) for word in scene.said if isinstance(word, Close | Read)]
    assert acts[-3:] == [Close, Close, Read], "as fast as the first time"
    assert scene.positions == {}
    assert scene.orders == {}
    assert any("carried out late" in word.text and word.loud for word in scene.heard(Say))
    until(scene, Release)
    assert scene.heard(Release)[-1].flat


def test_what_comes_in_the_last_moment_is_found_by_the_last_read() -> None:
    scene = killed()
    scene.seconds(LATE_S - 0.25)
    assert not scene.heard(Release)
    scene.positions = {MNQ: -2}
    until(scene, Release)
    assert len(scene.heard(Close)) == 2
    assert scene.positions == {}


def test_while_it_waits_it_keeps_the_lock_and_looks_every_second() -> None:
    scene = killed()
    scene.seconds(2)
    reads = len(scene.heard(Read))
    scene.seconds(LATE_S - 3)
    assert scene.locked
    assert len(scene.heard(Read)) - reads >= LATE_S - 4
    assert len(scene.heard(Read)) <= 2 + LATE_S / APART_S + 4, "two requests each"


def test_a_person_sees_what_is_waited_for_and_how_long() -> None:
    scene = killed()
    scene.seconds(LATE_S - 1.5)
    told = [word for word in scene.heard(Report) if "carried out" in word.detail]
    assert {word.stage for word in told} == {"PROVING"}
    assert len(told) >= LATE_S - 3, "the beat goes on"
    assert told[0].detail.endswith("10 s")
    assert told[-1].detail.endswith("2 s")
    assert sum("stays ours" in word.text for word in scene.heard(Say) if word.loud) == 1


def test_a_venue_that_cannot_be_read_proves_nothing_however_long() -> None:
    scene = killed()
    scene.seconds(2)
    scene.reachable = False
    reads = len(scene.heard(Read))
    scene.seconds(60)
    assert scene.heard(Release) == []
    assert len(scene.heard(Read)) - reads < 50, "ever more slowly"
    assert scene.heard(Report)[-1].detail.startswith("venue not readable")
    scene.positions, scene.reachable = {MNQ: -2}, True
    until(scene, Release)
    assert len(scene.heard(Close)) == 2


def test_the_venue_unreadable_for_a_moment_is_not_told_twice() -> None:
    scene = killed()
    scene.seconds(2)
    scene.reachable = False
    scene.seconds(2)
    scene.reachable = True
    until(scene, Release)
    assert sum("stays ours" in word.text for word in scene.heard(Say)) == 1


def test_our_own_request_of_unknown_outcome_is_waited_for_as_long() -> None:
    scene = closing_ends(Outcome.UNKNOWN)
    until(scene, Close)
    assert LATE_S <= until(scene, Release) <= LATE_S + 2 * APART_S


def test_what_it_closes_is_on_record_before_it_is_sent_and_until_the_end() -> None:
    """For the next router: these orders bear no tag."""
    scene = killed()
    until(scene, Close)
    at = next(i for i, word in enumerate(scene.said) if isinstance(word, Close))
    assert scene.heard(Report)[-1].closed == ((MNQ, 2),)
    told = [word for word in scene.said[:at] if isinstance(word, Report)]
    assert told[-1].closed == ((MNQ, 2),)
    scene.seconds(2)
    scene.positions = {MNQ: -1}
    until(scene, Release)
    final = scene.heard(Report)[-1]
    assert (final.stage, final.closed) == ("FLAT", ((MNQ, 2), (MNQ, -1)))


def test_each_act_tells_of_its_own_closes_only() -> None:
    scene = killed()
    until(scene, Release)
    scene.alive.add("order_router")
    scene.seconds(20)
    scene.positions = {MES: 1}
    scene.alive.discard("order_router")
    until(scene, Release)
    assert scene.heard(Report)[-1].closed == ((MES, 1),)


def test_what_is_on_record_has_a_limit_that_its_file_can_hold() -> None:
    scene = killed()
    scene.obedient = False
    scene.seconds(900)
    assert len(scene.heard(Close)) > CLOSED_MAX
    assert len(scene.heard(Report)[-1].closed) == CLOSED_MAX


def test_what_a_life_before_closed_for_the_same_request_stays_on_record() -> None:
    scene = holding()
    scene.alive.discard("order_router")
    answer = scene.answer

    def halfway(word: Event) -> None:
        if isinstance(word, Seize):
            scene.locked = True
            scene.tell(Seized(closed=((MES, -1),)))
        else:
            answer(word)

    scene.answer = halfway  # type: ignore[method-assign]
    until(scene, Release)
    assert scene.heard(Report)[-1].closed == ((MES, -1), (MNQ, 2))


@pytest.mark.parametrize(
    ("told", "closed"),
    [
        (Progress("r", "PROVING", "sentinel", 3, "", ((MNQ, 2),)), ((MNQ, 2),)),
        (Progress("r", "FLAT", "sentinel", 3, "", ((MNQ, 2),)), ()),
        (Progress("q", "PROVING", "sentinel", 3, "", ((MNQ, 2),)), ()),
        (Progress("r", "PROVING", "order_router", 3, "", ((MNQ, 2),)), ()),
        (None, ()),
    ],
)
def test_only_what_is_not_ended_goes_on(
    told: Progress | None, closed: tuple[tuple[str, int], ...]
) -> None:
    assert closed_before(told, "r") == closed


def test_a_second_close_is_on_record_before_it_is_sent_too() -> None:
    scene = killed()
    scene.obedient = False
    until(scene, Close)
    until(scene, Close)
    at = [i for i, word in enumerate(scene.said) if isinstance(word, Close)][1]
    before = scene.said[at - 1]
    assert isinstance(before, Report)
    assert before.closed == ((MNQ, 2), (MNQ, 2))


def test_a_close_that_was_refused_closed_nothing() -> None:
    scene = closing_ends(Outcome.REFUSED)
    until(scene, Release)
    assert scene.heard(Report)[-1].closed == ()


def test_asked_to_stop_it_stays_until_nothing_can_come_since_nobody_looks_after_it() -> None:
    scene = killed()
    scene.seconds(2)
    scene.tell(Stopping(reason="SIGTERM"))
    scene.seconds(LATE_S / 2)
    assert scene.heard(Leave) == []
    scene.positions = {MNQ: -2}
    until(scene, Leave)
    assert scene.positions == {}
    assert scene.heard(Release)[-1].flat


def test_asked_to_stop_its_patience_has_an_end_and_it_says_what_may_come() -> None:
    scene = killed(later(60.0))
    scene.seconds(2)
    scene.tell(Stopping(reason="SIGTERM"))
    until(scene, Leave)
    assert scene.heard(Release) == [Release(request_id="r", flat=False)]
    assert scene.heard(Say)[-1].text.endswith("may still be carried out")


def test_a_new_life_counts_from_its_own_birth() -> None:
    """It never saw the router: for all it knows the router died in the moment before."""
    scene = later(40.0)
    scene.alive.discard("order_router")
    scene.positions = {MNQ: 2}
    born = until(scene, Seize)
    assert until(scene, Release) >= 40.0 + BEYOND_S - born - 0.25
    again = Started(epoch=2, fresh=False)
    assert [type(word) for word in scene.core.on(0, again)] == [Read]
