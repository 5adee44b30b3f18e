"""The sentinel's mind as stories: when it acts, when it must not, and that it acts exactly once."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sentinel.core import Sentinel
from services.sentinel.saga import CloseTry, can_open, may_close
from services.sentinel.words import (
    Answered,
    Beat,
    Books,
    Cancel,
    Close,
    Leave,
    LiveOrder,
    NotSeized,
    Outcome,
    Progressed,
    Read,
    Release,
    Report,
    Requested,
    Say,
    Seize,
    Seized,
    Unreadable,
    Withdrawn,
)
from shared.events import ClockJump, Event, Pulse, Started, Stopping
from shared.settings import Settings, load

MNQ = "CON.F.US.MNQ.Z26"
MES = "CON.F.US.MES.Z26"
SETTINGS = load(env={})


def stop_order(number: int, lots: int, contract: str = MNQ) -> LiveOrder:
    return LiveOrder(order_id=number, contract=contract, lots=lots, stop=True, leg=True)


def limit_order(number: int, lots: int, contract: str = MNQ) -> LiveOrder:
    return LiveOrder(order_id=number, contract=contract, lots=lots)


class Scene:
    """A sentinel beside a venue that obeys it, a router that can be killed, and a clock."""

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.core = Sentinel(settings)
        self.positions: dict[str, int] = {}
        self.orders: dict[int, LiveOrder] = {}
        self.reachable = self.obedient = self.lockable = True
        self.alive = {"order_router", "risk_governor"}
        self.locked = False
        self.said: list[Event] = []
        self.beat = 0
        self.tell(Started(epoch=1, fresh=True))

    def tell(self, event: Event) -> None:
        for word in self.core.on(0, event):
            self.said.append(word)
            self.answer(word)

    def answer(self, word: Event) -> None:
        match word:
            case Read(no=no) if self.reachable:
                orders = tuple(self.orders.values())
                self.tell(Books(no=no, orders=orders, positions=tuple(self.positions.items())))
            case Read(no=no):
                self.tell(Unreadable(no=no, reason="refused"))
            case Seize() if self.lockable:
                killed = 4711 if "order_router" in self.alive else 0
                self.alive.discard("order_router")
                self.locked = True
                self.tell(Seized(killed=killed))
            case Seize():
                self.tell(NotSeized(reason="held by a stranger"))
            case Cancel(no=no, order_id=order_id):
                assert self.locked, "a cancel without the lock"
                if self.obedient:
                    self.orders.pop(order_id, None)
                self.tell(Answered(no=no, outcome=Outcome.DONE))
            case Close(no=no, contract=contract):
                assert self.locked, "a close without the lock"
                if self.obedient:
                    self.positions.pop(contract, None)
                self.tell(Answered(no=no, outcome=Outcome.DONE))
            case Release():
                self.locked = False

    def seconds(self, count: float) -> None:
        for tick in range(round(count * 4)):
            if tick % 4 == 0:
                self.beat += 1
                for actor in sorted(self.alive):
                    self.tell(Beat(actor=actor, epoch=1, beat=self.beat))
            self.tell(Pulse(real_ns=0))

    def heard(self, kind: type[Event]) -> list[Event]:
        return [word for word in self.said if type(word) is kind]

    def mutations(self) -> list[Event]:
        return [word for word in self.said if isinstance(word, Cancel | Close)]


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
    scene.seconds(10)
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


def test_an_unknown_outcome_makes_the_proof_slower() -> None:
    scene = Scene()
    scene.seconds(2)
    core = scene.core
    scene.alive.discard("order_router")
    scene.positions = {MNQ: 1}
    answer = scene.answer

    def doubtful(word: Event) -> None:
        if isinstance(word, Close):
            scene.positions.pop(word.contract)
            scene.tell(Answered(no=word.no, outcome=Outcome.UNKNOWN, text="timeout"))
        else:
            answer(word)

    scene.answer = doubtful  # type: ignore[method-assign]
    scene.seconds(9)
    assert scene.heard(Close)
    assert scene.heard(Release) == []
    scene.seconds(6)
    assert scene.heard(Release)[-1].flat
    assert core.snapshot()


def test_asked_to_stop_while_watching_it_leaves_at_once() -> None:
    scene = Scene()
    scene.positions = {MNQ: 1}
    scene.seconds(5)
    scene.tell(Stopping(reason="SIGTERM"))
    assert scene.heard(Leave) == [Leave()]
    assert scene.mutations() == []


def test_asked_to_stop_while_acting_it_leaves_when_flat() -> None:
    scene = Scene()
    scene.positions = {MNQ: 1}
    scene.obedient = False
    scene.seconds(2)
    scene.alive.discard("order_router")
    scene.seconds(7)
    scene.tell(Stopping(reason="SIGTERM"))
    scene.seconds(2)
    assert scene.heard(Leave) == []
    scene.obedient = True
    scene.seconds(10)
    assert scene.heard(Leave) == [Leave()]
    assert scene.heard(Release)[-1].flat


def test_asked_to_stop_it_does_not_wait_for_ever_and_leaves_the_wish_standing() -> None:
    scene = Scene()
    scene.positions = {MNQ: 1}
    scene.obedient = False
    scene.seconds(2)
    scene.alive.discard("order_router")
    scene.seconds(7)
    scene.tell(Stopping(reason="SIGTERM"))
    scene.seconds(30)
    assert scene.heard(Release)[-1].flat is False
    assert scene.heard(Leave) == [Leave()]


@pytest.mark.parametrize(("flatten", "closes"), [(True, 1), (False, 0)])
def test_flatten_on_stop_is_a_setting_that_works(flatten: bool, closes: int) -> None:
    own = msgspec.structs.replace(SETTINGS.sentinel, flatten_on_stop=flatten)
    scene = Scene(msgspec.structs.replace(SETTINGS, sentinel=own))
    scene.positions = {MNQ: 1}
    scene.seconds(5)
    scene.tell(Stopping(reason="SIGTERM"))
    scene.seconds(10)
    assert len(scene.heard(Close)) == closes
    assert scene.heard(Leave) == [Leave()]


@pytest.mark.parametrize(
    ("name", "value", "silent"),
    [("router_patience_real_s", 12.0, "order_router"),
     ("governor_patience_real_s", 12.0, "risk_governor")],
)  # fmt: skip
def test_patience_is_a_setting_that_works(name: str, value: float, silent: str) -> None:
    own = msgspec.structs.replace(SETTINGS.sentinel, **{name: value})
    scene = Scene(msgspec.structs.replace(SETTINGS, sentinel=own))
    scene.positions = {MNQ: 1}
    scene.seconds(2)
    scene.alive.discard(silent)
    scene.seconds(10)
    assert scene.heard(Seize) == []
    scene.seconds(5)
    assert len(scene.heard(Close)) == 1


def test_the_patience_for_requests_is_a_setting_that_works() -> None:
    own = msgspec.structs.replace(SETTINGS.sentinel, request_patience_real_s=12.0)
    scene = Scene(msgspec.structs.replace(SETTINGS, sentinel=own))
    scene.seconds(20)
    scene.tell(Requested(request_id="r", cause="c", who="w"))
    scene.seconds(11)
    assert scene.heard(Seize) == []
    scene.seconds(3)
    assert len(scene.heard(Seize)) == 1


def test_after_a_restart_nothing_old_is_believed() -> None:
    scene = Scene()
    scene.positions = {MNQ: 1}
    scene.obedient = False
    scene.seconds(2)
    scene.alive.discard("order_router")
    scene.seconds(7)
    again = Scene()
    again.core.restore(scene.core.snapshot())
    again.alive.clear()
    said = [*again.core.on(0, Started(epoch=2, fresh=False))]
    assert [type(word) for word in said] == [Read]
    assert [*again.core.on(0, Answered(no=3, outcome=Outcome.DONE))] == []
    assert [*again.core.on(0, Seized(killed=1))] == [Release(request_id="", flat=False)]


# -- which orders may stay -----------------------------------------------------------------------


def test_protection_stays_and_everything_else_goes_first() -> None:
    orders = (
        stop_order(1, -1),
        LiveOrder(order_id=2, contract=MNQ, lots=-1, leg=True),
        limit_order(3, -1),
        limit_order(4, 1),
        stop_order(5, -1),
        stop_order(6, 1, MES),
        LiveOrder(order_id=7, contract=MES, lots=-1, suspended=True),
        LiveOrder(order_id=8, contract=MNQ, lots=-1, market=True),
        LiveOrder(order_id=9, contract=MNQ, lots=1, leaving=True),
    )
    assert [order.order_id for order in can_open(orders, {MNQ: 1})] == [3, 4, 5, 6]


def test_may_close_is_patient_by_outcome() -> None:
    def tried(outcome: Outcome | None, lots: int = 1, reads: int = 2) -> CloseTry:
        return CloseTry(lots=lots, outcome=outcome, tick=100, reads=reads)

    assert may_close(None, 1, tick=0)
    assert not may_close(tried(None), 1, tick=999)
    assert not may_close(tried(Outcome.DONE), 1, tick=107)
    assert may_close(tried(Outcome.DONE), 1, tick=108)
    assert not may_close(tried(Outcome.DONE, reads=1), 1, tick=108)
    assert not may_close(tried(Outcome.UNKNOWN), 1, tick=115)
    assert may_close(tried(Outcome.UNKNOWN), 1, tick=116)
    assert may_close(tried(Outcome.REFUSED), 1, tick=104)
    assert not may_close(tried(Outcome.UNKNOWN, lots=2), 1, tick=103)
    assert may_close(tried(Outcome.UNKNOWN, lots=2), 1, tick=104)


@given(
    st.lists(st.tuples(st.integers(-3, 3).filter(bool), st.booleans(), st.booleans()), max_size=6),
    st.integers(-3, 3),
)
def test_what_may_stay_can_never_enlarge_the_position(
    made: list[tuple[int, bool, bool]], held: int
) -> None:
    orders = tuple(
        LiveOrder(order_id=n, contract=MNQ, lots=lots, stop=stop, leg=leg)
        for n, (lots, stop, leg) in enumerate(made)
    )
    positions = {MNQ: held} if held else {}
    going = {order.order_id for order in can_open(orders, positions)}
    staying = [order for order in orders if order.order_id not in going]
    assert all(order.lots * held < 0 for order in staying)
    for stop in (True, False):
        assert sum(abs(o.lots) for o in staying if o.stop is stop) <= abs(held)


# -- laws over any story -------------------------------------------------------------------------

ACTS = st.sampled_from(
    ["second", "second", "second", "half", "kill router", "kill governor", "router back",
     "governor back", "open", "quote", "venue down", "venue up", "no lock", "lock", "deaf",
     "obedient", "request", "progress", "withdraw", "sleep", "stop"]
)  # fmt: skip


def play(scene: Scene, act: str, number: int) -> None:
    """One act of a story; a router cannot come back while its lock is held by another."""
    contract, lots = (MNQ if number % 2 else MES), (1 if number % 3 else -2)
    told: dict[str, Event] = {
        "request": Requested(request_id=f"r{number}", cause="x", who="y"),
        "progress": Progressed(request_id="r", by="order_router", stage="CLOSING", beat=number),
        "withdraw": Withdrawn(),
        "sleep": ClockJump(slept_ns=1),
        "stop": Stopping(reason="SIGTERM"),
    }
    switches = {
        "venue down": ("reachable", False), "venue up": ("reachable", True),
        "no lock": ("lockable", False), "lock": ("lockable", True),
        "deaf": ("obedient", False), "obedient": ("obedient", True),
    }  # fmt: skip
    if act in told:
        scene.tell(told[act])
    elif act in switches:
        setattr(scene, *switches[act])
    elif act in {"second", "half"}:
        scene.seconds(3 if act == "second" else 0.5)
    elif act.startswith("kill"):
        scene.alive.discard("order_router" if "router" in act else "risk_governor")
    elif act == "governor back":
        scene.alive.add("risk_governor")
    elif act == "router back" and not scene.locked:
        scene.alive.add("order_router")
    elif act == "open":
        scene.positions[contract] = lots
    elif act == "quote":
        scene.orders[number] = limit_order(number, lots, contract)


@given(st.lists(ACTS, max_size=40))
def test_no_story_makes_it_send_without_the_lock_or_close_what_is_not_there(
    story: list[str],
) -> None:
    """Scene asserts the lock on every mutating request; here: each close met a position."""
    scene = Scene()
    answer = scene.answer

    def strict(word: Event) -> None:
        if isinstance(word, Close):
            assert word.contract in scene.positions, "closed what the venue does not hold"
        if isinstance(word, Cancel):
            assert word.order_id in scene.orders, "cancelled what the venue does not list"
        answer(word)

    scene.answer = strict  # type: ignore[method-assign]
    for number, act in enumerate(story):
        play(scene, act, number)
    releases = [word for word in scene.heard(Release) if word.flat]
    assert len(releases) <= len(scene.heard(Seize))


@given(st.lists(ACTS, max_size=30), st.integers(0, 30))
def test_a_snapshot_is_all_there_is(story: list[str], cut: int) -> None:
    whole, first = Scene(), Scene()
    for number, act in enumerate(story[:cut]):
        play(whole, act, number)
        play(first, act, number)
    fresh = Sentinel(SETTINGS)
    fresh.restore(first.core.snapshot())
    first.core = fresh
    for number, act in enumerate(story[cut:], cut):
        play(whole, act, number)
        play(first, act, number)
    assert whole.said == first.said


@given(st.lists(ACTS, max_size=30))
def test_when_everything_obeys_again_it_ends_flat_and_lets_go(story: list[str]) -> None:
    scene = Scene()
    for number, act in enumerate(story):
        if act != "stop":
            play(scene, act, number)
    scene.reachable = scene.obedient = scene.lockable = True
    scene.alive.clear()
    scene.seconds(100)
    assert scene.positions == {}
    assert scene.orders == {}
    assert not scene.locked
