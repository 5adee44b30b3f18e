"""The gateway's feed that says nothing: frozen, quiet by night, and told apart."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import msgspec
import pytest

from services.market_data_gateway.words import Fetch, Fetched, Rejoin, Remark
from shared.domain.bars import SPANS_S
from shared.events import (
    Bar,
    BarOrigin,
    FeedState,
    FeedStatus,
    Gap,
    Phase,
    Pulse,
    Quote,
    SessionPhase,
    Trade,
)
from shared.units import MINUTE, SECOND
from tests.gateway_stage import (
    MES,
    MNQ,
    MORNING,
    STEP_NS,
    Stage,
    assert_bars_are_true,
    assert_no_hole,
    at,
    settings,
    states,
    up,
)

HOUR = 60 * MINUTE

# -- silence ---------------------------------------------------------------------------------------


def test_a_frozen_feed_is_said_rejoined_and_repaired() -> None:
    stage = up(MORNING, "MNQ", "MES")
    stage.run(60)
    stage.rejoins = False
    stage.deaf = (MNQ, MES)
    frozen_ns, before = stage.now_ns, stage.mark()
    stage.run(6)
    status = stage.heard(FeedStatus, before)[0]
    assert status.state is FeedState.FROZEN
    assert "no quote for 5." in status.reason
    assert status.since_ns - frozen_ns <= 6 * SECOND
    assert len(stage.heard(Rejoin, before)) == 1
    stage.run(24)
    assert states(stage, before) == [FeedState.FROZEN]
    stage.disconnect("suspected")
    stage.deaf = ()
    stage.connect()
    stage.run(1)
    assert states(stage, before)[-1] is FeedState.UP
    gaps = stage.heard(Gap, before)
    assert [gap.contract for gap in gaps] == [MNQ, MES]
    for gap in gaps:
        assert gap.start_ns == frozen_ns
        assert stage.now_ns - SECOND <= gap.end_ns <= stage.now_ns
        assert gap.bars_repaired >= 30
        assert "no quote" in gap.reason
    stage.run(400)
    assert_bars_are_true(stage)
    for span_s in SPANS_S:
        assert_no_hole(stage, span_s, at("2026-11-18T15:36:00Z"), stage.now_ns)


def test_gap_and_repaired_bars_are_said_before_up() -> None:
    stage = up()
    stage.run(60)
    before = stage.mark()
    stage.disconnect()
    stage.now_ns += 90 * SECOND
    stage.connect()
    stage.run(1)
    said = [event for _, event in stage.said[before:]]
    gap = next(n for n, event in enumerate(said) if isinstance(event, Gap))
    up_at = next(
        n
        for n, event in enumerate(said)
        if isinstance(event, FeedStatus) and event.state is FeedState.UP
    )
    repaired = [
        n
        for n, event in enumerate(said)
        if isinstance(event, Bar) and event.origin is BarOrigin.REPAIRED
    ]
    assert max(repaired) < gap < up_at
    assert said[gap].bars_repaired == len(repaired)  # type: ignore[attr-defined]


def test_a_repair_that_does_not_come_holds_the_feed_down_ten_seconds_only() -> None:
    stage = up()
    stage.disconnect()
    stage.now_ns += 30 * SECOND
    stage.mute = True
    before = stage.mark()
    stage.connect()
    stage.run(9)
    assert FeedState.UP not in states(stage, before)
    stage.run(2)
    assert states(stage, before)[-1] is FeedState.UP
    (gap,) = stage.heard(Gap, before)
    assert "history did not answer" in gap.reason
    assert not gap.repaired


def test_the_venues_history_is_asked_as_soon_as_quotes_are_missed() -> None:
    """And says that the market went on, or that it did not."""
    for quiet in (False, True):
        stage = up()
        stage.run(60)
        stage.rejoins = False
        stage.deaf, stage.quiet = (MNQ,), quiet
        before = stage.mark()
        stage.run(7)
        assert states(stage, before) == [FeedState.FROZEN]
        (probe,) = [fetch for fetch in stage.heard(Fetch, before) if fetch.partial]
        assert probe.span_s == 1
        assert stage.now_ns - 8 * SECOND < probe.start_ns < probe.end_ns
        remarks = [remark.text for remark in stage.heard(Remark, before)]
        assert remarks == ([] if quiet else [f"{MNQ}: the venue traded while we heard nothing"])


def test_what_was_asked_for_in_vain_is_not_called_repaired() -> None:
    """Another contract's trouble may keep a gap open until its own repair was given up."""
    stage = up(MORNING, "MNQ", "MES")
    stage.disconnect()
    stage.now_ns += 30 * SECOND
    stage.broken = "no history"
    stage.connect()
    before = stage.mark()
    for _ in range(70):
        stage.core._state.repair_by_ns = stage.now_ns + 10 * SECOND
        stage.run(1)
    stage.core._state.repair_by_ns = 0
    stage.run(1)
    assert any("given up" in remark.text for remark in stage.heard(Remark, before))
    gaps = stage.heard(Gap, before)
    assert {gap.contract for gap in gaps} == {MNQ, MES}
    assert not any(gap.repaired for gap in gaps)


def test_trades_too_late_for_their_bars_are_told_without_filling_the_log() -> None:
    stage = up()
    stage.run(60)
    before = stage.mark()
    for _ in range(9):
        late_ns = stage.now_ns - 3_600 * SECOND
        stage.tell(Trade(contract=MNQ, price=1, size=1, venue_ns=late_ns, recv_ns=stage.now_ns))
    told = [remark.text for remark in stage.heard(Remark, before)]
    assert told == [f"{MNQ}: {n} trades came too late for their bars" for n in (1, 2, 4, 8)]
    assert not stage.heard(Bar, before)


def test_one_frozen_contract_freezes_the_feed() -> None:
    stage = up(MORNING, "MNQ", "MES")
    stage.rejoins = False
    stage.deaf = (MES,)
    stage.run(7)
    assert states(stage)[-1] is FeedState.FROZEN
    assert MES in stage.heard(FeedStatus)[-1].reason


def test_a_feed_that_wakes_by_itself_is_believed_again() -> None:
    stage = up()
    stage.rejoins = False
    stage.deaf = (MNQ,)
    stage.run(8)
    before = stage.mark()
    stage.deaf = ()
    stage.run(1)
    assert states(stage, before) == [FeedState.UP]
    assert len(stage.heard(Gap, before)) == 1


def test_rejoins_are_repeated_with_growing_pauses() -> None:
    stage = up()
    stage.deaf = (MNQ,)
    stage.run(300)
    times = [now_ns for now_ns, event in stage.said if isinstance(event, Rejoin)]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert len(times) >= 4
    assert pauses[0] >= 5 * SECOND
    assert pauses[-1] >= 60 * SECOND


class Night(Stage):
    """A market that trades fifteen contracts a minute, and a quote each four seconds or so."""

    def answer(self, word: Fetch) -> Fetched:
        self.quiet = False
        found = super().answer(word)
        self.quiet = True
        volume = 15 * word.span_s // 60
        bars = (msgspec.structs.replace(bar, volume=volume) for bar in found.bars)
        return Fetched(request=word.request, bars=() if word.partial else tuple(bars))


def rejoins_of_a_night(seed: int, hours: float) -> list[Rejoin]:
    """Begun at 23:00 in Chicago, with nothing heard of this market before."""
    stage, dice = Night("2026-11-18T05:00:10Z", settings(("MNQ",))), Random(seed)
    stage.start()
    end_ns = stage.now_ns + int(hours * HOUR)
    due_ns = stage.now_ns
    while stage.now_ns < end_ns:
        stage.now_ns += STEP_NS
        if stage.now_ns >= due_ns:
            stage.tick(MNQ)
            due_ns = stage.now_ns + int(dice.expovariate(1 / 4) * SECOND)
        stage.tell(Pulse(real_ns=stage.now_ns))
    return stage.heard(Rejoin)


@pytest.mark.parametrize("seed", range(2, 8))
def test_a_gateway_born_in_a_quiet_hour_expects_what_its_history_shows(seed: int) -> None:
    """Else it takes the first pauses for freezes, until it has heard enough to know better."""
    assert not rejoins_of_a_night(seed, hours=0.25)


def test_a_quiet_night_is_no_freeze() -> None:
    """02:00 CT: a quote each four seconds. After a first doubt the silence is believed."""
    stage = up("2026-11-18T08:00:10Z")
    stage.quiet = True
    before = stage.mark()
    for _ in range(300):
        stage.run(4)
        stage.tick(MNQ)
    assert FeedState.FROZEN not in states(stage, before)
    assert states(stage, before) in ([], [FeedState.UP])


def test_a_market_that_pauses_is_believed_after_history_was_asked() -> None:
    """A halt of ten minutes: a few doubts, then patience; every doubt ends in UP."""
    stage = up()
    stage.quiet = True
    before = stage.mark()
    for _ in range(20):
        stage.run(30)
        stage.tick(MNQ)
    frozen = states(stage, before).count(FeedState.FROZEN)
    assert 1 <= frozen <= 4
    assert states(stage, before)[-1] is FeedState.UP


def test_patience_ends_with_the_day() -> None:
    stage = up("2026-11-18T21:30:00Z")
    stage.quiet = True
    for _ in range(10):
        stage.run(50)
        stage.tick(MNQ)
    stage.quiet = False
    while stage.now_ns < at("2026-11-18T23:05:00Z"):
        stage.run(60)
    stage.rejoins = False
    stage.deaf = (MNQ,)
    stage.run(60)
    assert states(stage)[-1] is FeedState.FROZEN


def test_silence_while_the_market_is_closed_means_nothing() -> None:
    stage = up("2026-11-18T21:59:30Z")  # 15:59:30 CT
    stage.run(9)
    stage.quiet = True
    before = stage.mark()
    stage.run(3_602)
    assert states(stage, before) == []
    phases = [phase.phase for phase in stage.heard(SessionPhase, before)]
    assert phases == [Phase.CLOSED, Phase.OPEN]


def test_after_the_open_silence_counts_from_the_open() -> None:
    stage = up("2026-11-18T21:59:30Z")
    stage.run(10)
    stage.quiet, stage.rejoins = True, False
    stage.now_ns = at("2026-11-18T22:59:58Z")
    before = stage.mark()
    stage.run(4)
    assert FeedState.FROZEN not in states(stage, before)
    stage.run(60)
    assert FeedState.FROZEN in states(stage, before)


def test_started_in_a_closed_market_the_feed_is_up_without_a_quote() -> None:
    stage = Stage("2026-11-21T15:00:00Z")  # Saturday
    stage.quiet = True
    stage.start()
    stage.run(2)
    assert states(stage)[-1] is FeedState.UP
    assert stage.heard(SessionPhase)[0] == SessionPhase(
        trading_day="2026-11-23",
        phase=Phase.CLOSED,
        flat_by_ns=at("2026-11-23T21:10:00Z"),
        reopens_ns=at("2026-11-22T23:00:00Z"),
    )


def test_a_silent_tape_is_a_freeze_only_if_the_venue_traded() -> None:
    stage = up()
    stage.rejoins, stage.deaf_trades = False, True
    stage.run(59)
    assert states(stage)[-1] is FeedState.UP
    stage.run(10)
    assert states(stage)[-1] is FeedState.FROZEN
    assert "no trade heard" in stage.heard(FeedStatus)[-1].reason

    quiet = up()
    quiet.quiet = True
    for _ in range(500):
        quiet.run(1)
        quiet.deaf_trades = True
        quiet.tick(MNQ)
    assert states(quiet)[-1] is FeedState.UP


def test_a_silent_book_under_moving_quotes_is_a_freeze_once() -> None:
    """Quotes are the top of the book: one cannot move and the other be still. A connection that
    brings no depth at all misses none.
    """
    stage = up()
    stage.depth = True
    stage.run(30)
    stage.depth = False
    before = stage.mark()
    stage.run(7)
    frozen = stage.heard(FeedStatus, before)[0]
    assert frozen.state is FeedState.FROZEN
    assert "no depth for 5." in frozen.reason
    assert len(stage.heard(Rejoin, before)) == 1
    stage.run(120)
    assert states(stage, before)[-1] is FeedState.UP
    assert len(stage.heard(Rejoin, before)) == 1, "not again and again"


def test_a_still_book_under_still_quotes_is_none() -> None:
    stage = up()
    stage.depth = True
    stage.run(30)
    stage.depth, stage.quiet = False, True
    before = stage.mark()
    last = stage.heard(FeedStatus)[-1]
    assert last.state is FeedState.UP
    for _ in range(40):
        stage.now_ns += SECOND // 4
        stage.tell(Quote(contract=MNQ, bid=1, ask=2, venue_ns=stage.now_ns, recv_ns=stage.now_ns))
        stage.tell(Pulse(real_ns=stage.now_ns))
    assert FeedState.FROZEN not in states(stage, before)


def test_old_quotes_are_no_sign_of_life() -> None:
    stage = up()
    stage.rejoins, stage.deaf = False, (MNQ,)
    stale_ns = stage.now_ns
    for _ in range(100):
        stage.run(1)
        stage.tell(
            Quote(contract=MNQ, bid=1, ask=2, venue_ns=stale_ns - 11 * SECOND, recv_ns=stage.now_ns)
        )
    assert states(stage)[-1] is FeedState.FROZEN


def test_a_late_feed_is_never_up_and_says_how_late() -> None:
    stage = Stage(MORNING)
    stage.deaf = (MNQ,)
    stage.start()
    for _ in range(3):
        stage.run(1)
        late_ns = stage.now_ns - 12 * SECOND
        stage.tell(Quote(contract=MNQ, bid=1, ask=2, venue_ns=late_ns, recv_ns=stage.now_ns))
    stage.run(1)
    assert states(stage)[-1] is FeedState.DOWN
    assert "quotes are 12.0 s old" in stage.heard(FeedStatus)[-1].reason
