"""A sleeve whose code ended its process: the past is taken over without it, thrice is enough."""

from __future__ import annotations

import time

import pytest

from services.sleeves.host import SleeveHost
from services.sleeves.lives import Lives
from services.sleeves.mind import Skip
from shared.events import OrderIntent, Started
from tests.sleeves_stage import Stage
from tests.sleeves_toys import eager, told, words


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """Seconds since 1970, to be moved by hand."""
    now = [1_800_000_000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    return now


def life(tmp_path, *, code: str = "a", end: str = "", born: bool = True) -> Skip | None:
    """One life from its start to its end; how it had to take its past over."""
    lives = Lives(tmp_path, "sleeve_x", code)
    found = lives.skip()
    lives.begin()
    if born:
        lives.born()
    if end:
        lives.ended(end)
    return found


# -- the record ------------------------------------------------------------------------------------


def test_a_life_that_the_guard_ended_is_not_run_again(tmp_path, clock) -> None:
    assert life(tmp_path, end="STUCK") is None
    found = life(tmp_path)
    assert found is not None
    assert (found.until, found.off) == (int(clock[0]) - 1, False)
    assert "STUCK" in found.why
    assert life(tmp_path) is None, "the life after that was a good one"


def test_three_within_five_minutes_stay_off_and_later_it_may_try_again(tmp_path, clock) -> None:
    life(tmp_path, end="STUCK")
    clock[0] += 100
    life(tmp_path, end="MEMORY")
    clock[0] += 100
    assert not life(tmp_path, end="STUCK").off
    found = life(tmp_path, born=False)
    assert found.off
    assert "STUCK; 3 within 300 s" in found.why
    assert life(tmp_path).off, "a kill before it was born changes nothing"
    assert life(tmp_path, end="STUCK") is None, "who restarts it tries again"
    assert life(tmp_path).off, "once"
    clock[0] += 300
    assert life(tmp_path) is None


def test_three_ends_far_apart_are_no_crash_loop(tmp_path, clock) -> None:
    for _ in range(6):
        found = life(tmp_path, end="STUCK")
        assert found is None or not found.off
        clock[0] += 200


def test_starts_that_do_not_live_through_the_journal_are_skipped_then_off(tmp_path, clock) -> None:
    found = [life(tmp_path, born=False) for _ in range(6)]
    assert [it is not None for it in found] == [False, False, True, True, True, True]
    assert [it.off for it in found[2:]] == [False, False, True, True]
    assert life(tmp_path, born=True) is not None
    assert life(tmp_path) is None


def test_other_code_is_given_a_chance_and_garbage_is_no_record(tmp_path, clock) -> None:
    life(tmp_path, end="STUCK")
    assert life(tmp_path, code="b") is None
    for garbage in (b"", b"{}", b"[1]", b'[{"at_s":1}]', b"\xff" * 99, b"[" * 10_000):
        (tmp_path / "sleeve_x.lives").write_bytes(garbage)
        assert life(tmp_path) is None


def test_a_folder_that_cannot_be_written_ends_nobody(tmp_path, clock) -> None:
    assert life(tmp_path / "absent", end="STUCK") is None
    assert life(tmp_path / "absent") is None


# -- the life after --------------------------------------------------------------------------------

NOT_AGAIN = Skip(until=150, why="its code was ended (STUCK)")


def after(stage: Stage, skip: Skip, *, snapshot: bool = True) -> SleeveHost:
    """A host that takes over what `stage` lived through, without asking the author's code."""
    host = SleeveHost(stage.name, stage.settings, "", skip)
    assert host.skips
    heard = stage.heard
    if snapshot:
        host.restore(stage.host.snapshot())
    else:
        for now_ns, event in heard:
            host.on(now_ns, event)
    return host


@pytest.mark.parametrize("snapshot", [True, False])
def test_the_author_is_not_asked_about_the_past_and_knows_nothing_of_it(snapshot: bool) -> None:
    stage = eager().open()
    stage.seconds(100, 101, 102, 103)
    assert len(told(stage)) > 4
    host = after(stage, NOT_AGAIN, snapshot=snapshot)
    assert host.sleeve.state.told == []
    assert host.sleeve.view.closes == []
    assert host.memory.position == stage.host.memory.position
    assert host.memory.tape == stage.host.memory.tape
    stage.host = host
    stage.tell(Started(epoch=200, fresh=False, changed=True))
    assert host.memory.incarnation == 200
    assert not told(stage), "not before the governor grants it"
    stage.grant()
    assert host.memory.note == NOT_AGAIN.why
    stage.tell(stage.session())
    stage.seconds(104)
    assert told(stage)[0] == "adopt 0"
    assert host.sleeve.view.closes[-2:] == [103, 104], "learnt again from the bars"
    assert any(isinstance(word, OrderIntent) for word in words(stage))


def test_one_that_stays_off_says_so_and_is_never_called() -> None:
    stage = eager().open()
    stage.seconds(100, 101, 102, 103)
    stage.host = after(stage, Skip(until=150, why="3 times", off=True))
    stage.tell(Started(epoch=200, fresh=False, changed=True))
    stage.grant()
    said = len(stage.said)
    stage.seconds(*range(104, 110))
    assert not any(isinstance(word, OrderIntent) for word in stage.said[said:])
    assert not stage.orders, "what rested was pulled"
    assert stage.status is not None
    assert stage.status.state == "PAUSED"
    assert stage.status.reason == (
        "off: 3 times; until a new day, other code, or a restart of its process"
    )
    assert told(stage) == []


def test_the_life_after_is_replayed_from_the_memory_it_brought_along() -> None:
    stage = eager().open()
    stage.seconds(100, 101, 102, 103)
    stage.host = after(stage, NOT_AGAIN)
    brought, number = stage.host.snapshot(), len(stage.heard)
    stage.tell(Started(epoch=200, fresh=False, changed=True))
    stage.grant()
    stage.seconds(104, 105, 106)
    replayed = SleeveHost(stage.name, stage.settings)
    replayed.restore(brought)
    for now_ns, event in stage.heard[number:]:
        list(replayed.on(now_ns, event))
    assert replayed.snapshot() == stage.host.snapshot()


def test_starts_of_the_past_do_not_wake_the_author() -> None:
    stage = eager().open()
    host = SleeveHost(stage.name, stage.settings, "", Skip(until=300, why="hung"))
    for now_ns, event in stage.heard:
        host.on(now_ns, event)
    for epoch in (200, 300):
        host.on(stage.now_ns, Started(epoch=epoch, fresh=False, changed=True))
        assert host.memory.hung == "hung"
    host.on(stage.now_ns, Started(epoch=301, fresh=False, changed=True))
    assert (host.memory.hung, host.memory.note) == ("", "hung")
