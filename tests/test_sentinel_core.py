"""The sentinel's mind as stories: when it acts, when it must not, and that it acts exactly once."""

from __future__ import annotations

import pytest

from services.sentinel.words import (
    Beat,
    Cancel,
    Close,
    LiveOrder,
    Progressed,
    Read,
    Release,
    Report,
    Requested,
    Say,
    Seize,
    Withdrawn,
)
from shared.events import ClockJump, Pulse
from tests.sentinel_stage import MES, MNQ, Scene, limit_order, stop_order


def test_while_all_is_well_it_only_reads_now_and_then() -> None:
    scene = Scene()
    scene.positions = {MNQ: 1}
    scene.seconds(120)
    assert scene.mutations() == []
    assert 12 <= len(scene.heard(Read)) <= 14, "two requests a read, well under 20 a minute"


def test_a_silent_router_with_a_position_is_flattened_exactly_once() -> None:
    scene = Scene()
    scene.seconds(3)
    scene.positions = {MNQ: 2}
    scene.orders = {7: stop_order(7, -2), 8: limit_order(8, 1)}
    scene.alive.discard("order_router")
    scene.seconds(60)
    kinds = [type(word) for word in scene.said if isinstance(word, Seize | Cancel | Close)]
    assert kinds == [Seize, Cancel, Close, Cancel], "openers, then the position, then its stop"
    assert scene.heard(Close)[0].contract == MNQ
    assert scene.positions == {}
    assert scene.orders == {}
    assert [word.flat for word in scene.heard(Release)] == [True]
    assert scene.heard(Report)[-1].stage == "FLAT"


def test_a_router_that_is_only_frozen_is_killed_before_anything_is_sent() -> None:
    scene = Scene()
    scene.positions = {MNQ: 1}
    scene.seconds(2)
    scene.core.on(0, Beat(actor="order_router", epoch=1, beat=99))
    for _ in range(22):
        scene.tell(Beat(actor="risk_governor", epoch=1, beat=scene.beat))
        scene.tell(Pulse(real_ns=0))
    first = next(word for word in scene.said if isinstance(word, Seize | Cancel | Close))
    assert isinstance(first, Seize)
    assert "order_router" not in scene.alive
    scene.alive.add("order_router")  # supervisord's new copy
    scene.seconds(60)
    assert len(scene.heard(Close)) == 1


@pytest.mark.parametrize(
    ("silent", "positions", "orders", "acts"),
    [
        ("order_router", {}, {}, False),
        ("order_router", {MNQ: 1}, {}, True),
        ("order_router", {}, {5: limit_order(5, 1)}, True),
        ("risk_governor", {}, {}, False),
        ("risk_governor", {MNQ: -1}, {}, True),
        ("risk_governor", {}, {5: limit_order(5, -1)}, True),
        ("", {MNQ: 1}, {5: limit_order(5, 1)}, False),
    ],
)
def test_it_takes_silence_and_something_open(
    silent: str, positions: dict[str, int], orders: dict[int, LiveOrder], acts: bool
) -> None:
    scene = Scene()
    scene.seconds(2)
    scene.positions, scene.orders = dict(positions), dict(orders)
    scene.alive.discard(silent)
    scene.seconds(45)
    assert bool(scene.mutations()) is acts
    assert bool(scene.heard(Seize)) is acts


@pytest.mark.parametrize(("actor", "patience"), [("order_router", 5), ("risk_governor", 8)])
def test_patience_is_kept_to_the_tick(actor: str, patience: int) -> None:
    scene = Scene()
    scene.seconds(1)
    scene.positions = {MNQ: 1}
    scene.alive.discard(actor)
    scene.tell(Beat(actor=actor, epoch=1, beat=77))
    scene.seconds(patience - 0.25)
    assert scene.heard(Seize) == []
    scene.seconds(0.5)
    assert len(scene.heard(Seize)) == 1


def test_at_start_up_a_router_that_never_lived_gets_its_grace() -> None:
    scene = Scene()
    scene.alive.clear()
    scene.positions = {MNQ: 1}
    scene.seconds(29)
    assert scene.heard(Seize) == []
    scene.seconds(3)
    assert len(scene.heard(Close)) == 1


def test_a_clean_stop_without_position_is_nobodys_business() -> None:
    scene = Scene()
    scene.seconds(5)
    scene.alive.clear()
    scene.seconds(300)
    assert scene.heard(Seize) == []
    assert len(scene.heard(Read)) <= 60, "it keeps to twenty requests a minute"


def test_a_venue_that_is_down_makes_it_neither_act_nor_shout_when_nothing_was_open() -> None:
    scene = Scene()
    scene.seconds(5)
    scene.reachable = False
    scene.alive.clear()
    scene.seconds(60)
    assert scene.heard(Seize) == []
    assert [word for word in scene.heard(Say) if word.loud] == []


def test_a_venue_that_is_down_with_a_position_open_is_said_aloud_and_tried_again() -> None:
    scene = Scene()
    scene.positions = {MNQ: 1}
    scene.seconds(15)
    scene.reachable = False
    scene.alive.discard("order_router")
    scene.seconds(30)
    assert scene.heard(Seize) == [], "the lock is of no use without a venue"
    assert any(word.loud and "cannot be read" in word.text for word in scene.heard(Say))
    scene.reachable = True
    scene.seconds(10)
    assert len(scene.heard(Close)) == 1
    assert scene.positions == {}


def test_the_venue_goes_away_halfway_and_comes_back() -> None:
    scene = Scene()
    scene.positions = {MNQ: 1}
    scene.obedient = False
    scene.seconds(2)
    scene.alive.discard("order_router")
    scene.seconds(7)
    closes = len(scene.heard(Close))
    scene.reachable = False
    scene.seconds(20)
    assert len(scene.heard(Close)) == closes, "no close without a fresh read"
    assert scene.heard(Release) == []
    scene.reachable = scene.obedient = True
    scene.seconds(20)
    assert scene.heard(Release)[-1].flat


def test_a_request_without_progress_is_served() -> None:
    scene = Scene()
    scene.positions = {MNQ: 1, MES: -2}
    scene.seconds(20)
    scene.tell(Requested(request_id="r1", cause="operator", who="tsq"))
    scene.seconds(4)
    assert scene.heard(Seize) == []
    scene.seconds(8)
    assert sorted(word.contract for word in scene.heard(Close)) == [MES, MNQ]
    assert scene.heard(Release) == [], "what the router sent may still be carried out"
    scene.seconds(6)
    assert scene.heard(Release) == [Release(request_id="r1", flat=True)]


def test_a_request_that_makes_progress_is_left_to_the_router() -> None:
    scene = Scene()
    scene.positions = {MNQ: 1}
    scene.seconds(20)
    scene.tell(Requested(request_id="r1", cause="operator", who="tsq"))
    for beat in range(40):
        scene.tell(Progressed(request_id="r1", by="order_router", stage="CLOSING", beat=beat))
        scene.seconds(1)
    assert scene.heard(Seize) == []
    scene.tell(Withdrawn())
    scene.seconds(30)
    assert scene.heard(Seize) == []


def test_an_unserved_request_is_proven_flat_even_where_nothing_is_open() -> None:
    scene = Scene()
    scene.seconds(20)
    scene.tell(Requested(request_id="r2", cause="operator", who="page"))
    scene.seconds(18)
    assert scene.mutations() == []
    assert scene.heard(Release) == [Release(request_id="r2", flat=True)]


def test_a_moving_flatten_of_the_router_survives_the_governors_silence() -> None:
    scene = Scene()
    scene.positions = {MNQ: 1}
    scene.seconds(20)
    scene.alive.discard("risk_governor")
    for beat in range(30):
        scene.tell(Progressed(request_id="", by="order_router", stage="CLOSING", beat=beat))
        scene.seconds(1)
    assert scene.heard(Seize) == []
    scene.seconds(10)
    assert len(scene.heard(Close)) == 1, "when it stops moving, patience ends"


def test_a_laptop_that_slept_wakes_to_full_patience() -> None:
    scene = Scene()
    scene.positions = {MNQ: 1}
    scene.seconds(5)
    scene.alive.clear()
    scene.seconds(3)
    scene.tell(ClockJump(slept_ns=3_600_000_000_000))
    scene.alive = {"order_router", "risk_governor"}
    scene.seconds(30)
    assert scene.heard(Seize) == []


def test_without_the_lock_nothing_is_sent_and_it_tries_again() -> None:
    scene = Scene()
    scene.positions = {MNQ: 1}
    scene.lockable = False
    scene.seconds(2)
    scene.alive.discard("order_router")
    scene.seconds(20)
    assert scene.mutations() == []
    assert 3 <= len(scene.heard(Seize)) <= 10
    scene.lockable = True
    scene.seconds(5)
    assert len(scene.heard(Close)) == 1


def test_a_router_that_comes_back_before_the_lock_is_taken_keeps_its_job() -> None:
    scene = Scene()
    scene.positions = {MNQ: 1}
    scene.lockable = False
    scene.seconds(2)
    scene.alive.discard("order_router")
    scene.seconds(6)
    scene.alive.add("order_router")
    scene.lockable = True
    scene.seconds(2)
    seized = len(scene.heard(Seize))
    scene.tell(Withdrawn())
    scene.seconds(20)
    assert len(scene.heard(Seize)) == seized
    assert scene.mutations() == []


def test_a_close_that_shows_no_effect_is_not_repeated_hastily() -> None:
    scene = Scene()
    scene.positions = {MNQ: 1}
    scene.obedient = False
    scene.seconds(2)
    scene.alive.discard("order_router")
    while not scene.heard(Close):
        scene.seconds(0.25)
    scene.seconds(1.75)
    assert len(scene.heard(Close)) == 1
    scene.seconds(6)
    assert 2 <= len(scene.heard(Close)) <= 4


def test_a_close_on_its_way_is_waited_for() -> None:
    scene = Scene()
    scene.positions = {MNQ: 1}
    scene.orders = {9: LiveOrder(order_id=9, contract=MNQ, lots=-1, market=True)}
    scene.seconds(2)
    scene.alive.discard("order_router")
    scene.seconds(10)
    assert scene.mutations() == []
    scene.positions, scene.orders = {}, {}
    scene.seconds(5)
    assert scene.mutations() == []
    assert scene.heard(Release)[-1].flat


def test_a_deaf_venue_does_not_eat_the_quota() -> None:
    scene = Scene()
    scene.positions = {MNQ: 1}
    scene.orders = {9: limit_order(9, 1)}
    scene.obedient = False
    scene.seconds(2)
    scene.alive.discard("order_router")
    scene.seconds(60)
    assert 2 * len(scene.heard(Read)) + len(scene.mutations()) <= 160
    assert scene.heard(Close), "an order that will not go does not keep the position open"
    scene.seconds(10)
    assert scene.heard(Report)[-1].stage == "STUCK"


def test_reports_beat_at_least_once_a_second_while_it_acts() -> None:
    scene = Scene()
    scene.positions = {MNQ: 1}
    scene.obedient = False
    scene.seconds(2)
    scene.alive.discard("order_router")
    scene.seconds(26)
    beats = [word.beat for word in scene.heard(Report)]
    assert len(beats) >= 20
    assert beats == sorted(set(beats))


def test_it_leaves_for_a_new_life_only_where_nothing_is_the_matter() -> None:
    scene = Scene()
    scene.positions[MNQ] = 1
    scene.seconds(5)
    assert scene.core.may_stop()
    scene.alive.discard("risk_governor")
    scene.seconds(6)
    assert scene.core.may_stop()
    scene.reachable = False
    scene.seconds(3)
    assert not scene.core.may_stop(), "the governor is silent, and what is open is being asked"
    scene.reachable = True
    scene.seconds(2)
    assert not scene.core.may_stop(), "it acts"
    scene.seconds(10)
    assert not scene.positions
    assert not scene.core.may_stop(), "it is flat, and still nobody else looks"
    scene.alive |= {"risk_governor", "order_router"}
    scene.seconds(2)
    assert scene.core.may_stop()
