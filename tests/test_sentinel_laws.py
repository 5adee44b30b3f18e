"""What holds for the sentinel in any story, and which orders may stay while it acts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.sentinel.core import Sentinel
from services.sentinel.saga import CloseTry, can_open, may_close
from services.sentinel.words import (
    Cancel,
    Close,
    LiveOrder,
    Outcome,
    Progressed,
    Release,
    Requested,
    Seize,
    Withdrawn,
)
from shared.events import ClockJump, Event, Stopping
from tests.sentinel_stage import MES, MNQ, SETTINGS, Scene, limit_order, stop_order

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
