"""The gateway after a loss: connections that come back, and lives that begin anew."""

from __future__ import annotations

import pytest

from services.market_data_gateway.core import Gateway
from services.market_data_gateway.words import Found, Rejoin, Subscribe
from shared.domain.bars import SPANS_S
from shared.events import ClockJump, ContractListed, FeedState, FeedStatus, Gap, WarmupDone
from shared.units import SECOND
from tests.gateway_stage import (
    MES,
    MNQ,
    MORNING,
    Stage,
    assert_bars_are_true,
    assert_no_hole,
    at,
    offer,
    settings,
    states,
    up,
)

# -- connection ------------------------------------------------------------------------------------


def test_a_lost_connection_is_down_at_once() -> None:
    stage = up()
    before = stage.mark()
    stage.disconnect("server closed")
    assert stage.heard(FeedStatus, before) == [
        FeedStatus(state=FeedState.DOWN, since_ns=stage.now_ns, reason="server closed")
    ]


def test_connected_but_not_subscribed_is_not_up() -> None:
    stage = Stage(MORNING)
    stage.acks = False
    stage.start()
    stage.run(3)
    assert states(stage)[-1] is FeedState.DOWN


def test_the_full_quote_that_comes_while_subscribing_counts() -> None:
    """In a quiet night there may be no other for minutes."""
    stage = up()
    stage.disconnect()
    stage.tick(MNQ)
    stage.connect()
    assert states(stage)[-1] is FeedState.UP


def test_a_state_keeps_its_beginning_while_reasons_change() -> None:
    stage = up(MORNING, "MNQ", "MES")
    before = stage.mark()
    stage.disconnect()
    lost_ns = stage.now_ns
    stage.now_ns += 5 * SECOND
    stage.connect()
    stage.deaf = (MES,)
    stage.run(1)
    down = stage.heard(FeedStatus, before)
    assert len({status.reason for status in down}) == 3
    assert {status.since_ns for status in down} == {lost_ns}


def test_every_new_connection_is_subscribed_again() -> None:
    stage = up(MORNING, "MNQ", "MES")
    before = stage.mark()
    stage.disconnect()
    stage.connect()
    assert stage.heard(Subscribe, before) == [Subscribe(contracts=(MNQ, MES))]


def test_a_gap_in_closed_hours_is_none() -> None:
    stage = up("2026-11-20T21:59:00Z")  # Friday 15:59 CT
    stage.run(70)
    stage.quiet = True
    before = stage.mark()
    stage.disconnect()
    stage.now_ns = at("2026-11-22T12:00:00Z")
    stage.connect()
    stage.run(2)
    assert not stage.heard(Gap, before)
    assert states(stage, before)[-1] is FeedState.UP


def test_a_gap_over_the_weekend_counts_from_the_last_trade() -> None:
    stage = up("2026-11-20T21:50:00Z")
    broke_ns = stage.now_ns
    before = stage.mark()
    stage.disconnect()
    stage.now_ns = at("2026-11-22T23:00:30Z")
    stage.connect()
    stage.run(2)
    (gap,) = stage.heard(Gap, before)
    assert gap.start_ns == broke_ns


def test_ticks_lost_on_the_way_to_ourselves_are_a_gap() -> None:
    stage = up()
    before = stage.mark()
    stage.tell(Gap(contract="", start_ns=0, end_ns=stage.now_ns))
    stage.run(130)
    assert len(stage.heard(Gap, before)) == 1
    assert states(stage, before)[-1:] in ([], [FeedState.UP])
    assert_bars_are_true(stage)


def test_a_computer_that_slept_drops_its_connection() -> None:
    stage = up()
    stage.now_ns += 600 * SECOND
    before = stage.mark()
    stage.tell(ClockJump(slept_ns=600 * SECOND))
    assert states(stage, before)[0] is FeedState.DOWN
    assert stage.heard(Rejoin, before)
    stage.run(2)
    (gap,) = stage.heard(Gap, before)
    assert gap.end_ns - gap.start_ns >= 600 * SECOND


# -- restarts --------------------------------------------------------------------------------------


def test_a_restart_is_a_gap_and_nothing_is_listed_twice() -> None:
    stage = up()
    stage.run(100)
    before, died_ns = stage.mark(), stage.now_ns
    stage.restart(down_s=45)
    stage.run(2)
    assert not stage.heard(ContractListed, before)
    assert not stage.heard(WarmupDone, before)
    assert states(stage, before)[0] is FeedState.DOWN
    assert states(stage, before)[-1] is FeedState.UP
    (gap,) = stage.heard(Gap, before)
    assert gap.start_ns == died_ns
    assert stage.heard(Subscribe, before)[0].contracts == (MNQ,)
    stage.run(400)
    assert_bars_are_true(stage)
    for span_s in SPANS_S:
        assert_no_hole(stage, span_s, at("2026-11-18T15:36:00Z"), stage.now_ns)


@pytest.mark.parametrize("down_s", [0.25, 3, 70, 200])
@pytest.mark.parametrize("cut", range(0, 130, 7))
def test_killed_at_any_moment_no_bar_is_wrong_or_said_live_twice(cut: int, down_s: float) -> None:
    stage = Stage(MORNING)
    stage.start()
    stage.run(cut * 0.75)
    stage.restart(down_s)
    stage.run(130)
    stage.restart(down_s)
    stage.run(130)
    assert states(stage)[-1] is FeedState.UP
    assert_bars_are_true(stage)
    assert_no_hole(stage, 60, at("2026-11-18T15:35:00Z"), stage.now_ns)


def test_killed_while_questions_are_open_they_are_asked_again() -> None:
    stage = Stage(MORNING)
    stage.mute = True
    stage.start()
    stage.mute = False
    stage.restart(down_s=1)
    stage.run(3)
    assert states(stage)[-1] is FeedState.UP
    stage = Stage(MORNING)
    stage.mute = True
    stage.start()
    stage.tell(Found(root="MNQ", offers=(offer("MNQ"),)))
    stage.mute = False
    stage.restart(down_s=1)
    assert [done.bars for done in stage.heard(WarmupDone)] == [7]


def test_a_snapshot_before_every_event_changes_nothing() -> None:
    def story(cut: bool) -> list[tuple[int, object]]:
        stage = Stage(MORNING, settings(("MNQ", "MES")))
        stage.cut = cut
        stage.start()
        stage.run(70)
        stage.deaf = (MNQ,)
        stage.run(12)
        stage.deaf = ()
        stage.run(60)
        return list(stage.said)

    assert story(cut=True) == story(cut=False)


def test_after_a_change_of_code_the_record_is_believed() -> None:
    """Nothing but our own words is left: what was listed stays, bars go on without a wrong one."""
    stage = up()
    stage.run(100)
    reborn = Gateway(stage.settings)
    for now_ns, said in stage.said:
        reborn.recall(now_ns, said)
    stage.core = reborn
    before = stage.mark()
    stage.now_ns += 5 * SECOND
    stage.start()
    stage.run(130)
    assert states(stage, before)[-1] is FeedState.UP
    assert not stage.heard(ContractListed, before)
    assert_bars_are_true(stage)
    assert_no_hole(stage, 60, at("2026-11-18T15:36:00Z"), stage.now_ns)


def test_a_root_taken_out_of_the_settings_is_dropped_at_the_restart() -> None:
    stage = up(MORNING, "MNQ", "MES")
    stage.settings = settings(("MES",))
    before = stage.mark()
    stage.restart(down_s=1)
    assert stage.heard(Subscribe, before)[0].contracts == (MES,)
