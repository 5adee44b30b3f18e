"""How the sentinel ends and begins: asked to stop, its settings, and what a restart believes."""

from __future__ import annotations

import msgspec
import pytest

from services.sentinel.words import (
    Answered,
    Close,
    Leave,
    Outcome,
    Read,
    Release,
    Requested,
    Seize,
    Seized,
)
from shared.events import Started, Stopping
from tests.sentinel_stage import MNQ, SETTINGS, Scene


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
    scene.seconds(14)
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
