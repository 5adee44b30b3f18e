"""The gateway's day as stories: coming up, freezing, quiet nights, gaps, restarts, new days."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest

from services.market_data_gateway.core import Gateway
from services.market_data_gateway.words import (
    Fetch,
    Fetched,
    Find,
    Found,
    HistoryBar,
    Rejoin,
    Remark,
    Subscribe,
)
from shared.contracts import price as decimal_price
from shared.contracts import product_of
from shared.domain.bars import SPANS_S
from shared.events import (
    Bar,
    BarOrigin,
    ClockJump,
    ContractListed,
    FeedState,
    FeedStatus,
    Gap,
    Phase,
    Quote,
    SessionPhase,
    Trade,
    WarmupDone,
)
from shared.units import MINUTE, SECOND
from tests.gateway_stage import Stage, at, history, offer, settings

MNQ = "CON.F.US.MNQ.Z26"
MES = "CON.F.US.MES.Z26"
MORNING = "2026-11-18T15:35:10Z"  # Wednesday 09:35:10 CT


def states(stage: Stage, since: int = 0) -> list[FeedState]:
    return [status.state for status in stage.heard(FeedStatus, since)]


def up(start: str = MORNING, *roots: str) -> Stage:
    """A gateway that has been up for twenty seconds."""
    stage = Stage(start, settings(roots or ("MNQ",)))
    stage.start()
    stage.run(20)
    assert states(stage)[-1] is FeedState.UP
    return stage


def assert_bars_are_true(stage: Stage) -> None:
    """The last word on every bar is what the market really traded; LIVE only once, in order."""
    last: dict[tuple[str, int, int], Bar] = {}
    live: dict[tuple[str, int], int] = {}
    for bar in stage.heard(Bar):
        if bar.origin is BarOrigin.LIVE:
            assert (bar.contract, bar.span_s, bar.open_ns) not in last, "LIVE came second"
            assert bar.open_ns > live.get((bar.contract, bar.span_s), 0)
            live[bar.contract, bar.span_s] = bar.open_ns
        last[bar.contract, bar.span_s, bar.open_ns] = bar
    for (_, span_s, open_ns), bar in last.items():
        (true,) = history(open_ns, open_ns + 1, span_s)
        assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (
            true.open, true.high, true.low, true.close, true.volume,
        ), bar  # fmt: skip


def assert_no_hole(stage: Stage, span_s: int, start_ns: int, end_ns: int) -> None:
    opens = {bar.open_ns for bar in stage.heard(Bar) if bar.span_s == span_s}
    length = span_s * SECOND
    expected = set(range(-(-start_ns // length) * length, end_ns - length - 5 * SECOND, length))
    assert expected <= opens, sorted(expected - opens)


# -- coming up -------------------------------------------------------------------------------------


def test_from_start_to_up() -> None:
    """Phase, DOWN, contracts looked up, listed and warmed; UP only after a quote of each."""
    stage = Stage(MORNING, settings(("MNQ", "MES")))
    stage.start()
    said = [type(event).__name__ for _, event in stage.said]
    assert said[:4] == ["SessionPhase", "FeedStatus", "Find", "Find"]
    assert [listed.contract for listed in stage.heard(ContractListed)] == [MNQ, MES]
    assert {done.contract: done.bars for done in stage.heard(WarmupDone)} == {MNQ: 7, MES: 7}
    assert states(stage)[-1] is FeedState.DOWN
    stage.deaf = (MES,)
    stage.run(1)
    assert states(stage)[-1] is FeedState.DOWN
    assert stage.heard(FeedStatus)[-1].reason == f"waiting for {MES}"
    stage.deaf = ()
    stage.run(1)
    assert states(stage)[-1] is FeedState.UP
    assert not stage.heard(Gap)  # nothing was known, so nothing was missed


def test_the_first_phase_is_said_with_its_deadlines() -> None:
    stage = Stage(MORNING)
    stage.start()
    assert stage.heard(SessionPhase) == [
        SessionPhase(
            trading_day="2026-11-18",
            phase=Phase.OPEN,
            flat_by_ns=at("2026-11-18T21:10:00Z"),
            reopens_ns=at("2026-11-18T23:00:00Z"),
        )
    ]


def test_warm_up_comes_oldest_first_and_before_its_end_is_said() -> None:
    stage = Stage(MORNING)
    stage.start()
    warm = [bar for bar in stage.heard(Bar) if bar.origin is BarOrigin.HISTORY]
    for span_s, count in ((60, 5), (300, 2)):
        opens = [bar.open_ns for bar in warm if bar.span_s == span_s]
        newest = stage.now_ns // (span_s * SECOND) * span_s * SECOND
        assert opens == [newest - n * span_s * SECOND for n in range(count, 0, -1)]
    kinds = [type(event) for _, event in stage.said if isinstance(event, Bar | WarmupDone)]
    assert kinds == [Bar] * 7 + [WarmupDone]


def test_bars_go_on_without_a_hole_after_the_warm_up() -> None:
    stage = up()
    stage.run(400)
    assert_bars_are_true(stage)
    assert_no_hole(stage, 60, at("2026-11-18T15:30:00Z"), stage.now_ns)
    assert_no_hole(stage, 300, at("2026-11-18T15:25:00Z"), stage.now_ns)
    assert_no_hole(stage, 1, at("2026-11-18T15:35:12Z"), stage.now_ns)
    forming = [bar for bar in stage.heard(Bar) if bar.open_ns == at("2026-11-18T15:35:00Z")]
    assert {bar.origin for bar in forming} == {BarOrigin.REPAIRED}  # we came in its middle


def test_a_venue_that_is_absent_is_asked_again() -> None:
    stage = Stage(MORNING)
    stage.broken = "no connection"
    stage.start()
    stage.run(60)
    finds = [now_ns for now_ns, event in stage.said if isinstance(event, Find)]
    assert 3 <= len(finds) <= 8
    pauses = [later - earlier for earlier, later in pairwise(finds)]
    assert pauses == sorted(pauses)
    assert len(stage.heard(Remark)) == 1  # said once, not at every attempt
    assert "no connection" in stage.heard(FeedStatus)[-1].reason
    stage.broken = ""
    stage.run(61)
    assert states(stage)[-1] is FeedState.UP


def test_warm_up_is_asked_for_until_it_comes() -> None:
    stage = Stage(MORNING)
    stage.mute = True
    stage.start()
    stage.tell(Found(root="MNQ", offers=(offer("MNQ"),)))
    for _ in range(12):
        for request in {fetch.request for fetch in stage.heard(Fetch)}:
            stage.tell(Fetched(request=request, failure="HTTP 429"))
        stage.run(30)
    assert not stage.heard(WarmupDone)
    stage.mute = False
    stage.run(61)
    for fetch in stage.heard(Fetch):
        stage.tell(stage.answer(fetch))
    assert [done.bars for done in stage.heard(WarmupDone)] == [7]


# -- contracts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offers", "why"),
    [
        ((), "lists no contract"),
        ((offer("MNQ", active=False),), "not active"),
        ((offer("MNQ", (2026, 11)),), "expires in 2 days, the limit is 5"),
        ((offer("MNQ", tick_nanos=500_000_000),), "tick"),
        ((offer("MNQ", tick_micros=5_000_000),), "worth 5000000e-6"),
        ((offer("MES"),), "lists no contract"),
        ((offer("MNQ", symbol_id="F.US.ENQ"),), "lists no contract"),
        ((offer("MNQ", contract="CON.F.US.MNQ"),), "lists no contract"),
        ((offer("MNQ", contract="CON.F.US.MNQ.Z2A"),), "lists no contract"),
    ],
)
def test_a_contract_that_may_not_be_traded_stays_unlisted(
    offers: tuple[object, ...], why: str
) -> None:
    """The others go on, the reason stands in the log and in the feed's status."""
    stage = Stage(MORNING, settings(("MNQ", "MES")))
    stage.offers["MNQ"] = offers  # type: ignore[assignment]
    stage.start()
    stage.run(3)
    assert [listed.contract for listed in stage.heard(ContractListed)] == [MES]
    assert states(stage)[-1] is FeedState.UP
    assert why in stage.heard(FeedStatus)[-1].reason
    assert why in stage.heard(Remark)[0].text


def test_the_next_month_is_taken_when_the_near_one_expires() -> None:
    stage = Stage("2026-12-14T15:35:00Z")  # Monday; Z26 expires on Friday
    stage.offers["MNQ"] = (offer("MNQ", (2027, 3)), offer("MNQ"))
    stage.start()
    assert [listed.contract for listed in stage.heard(ContractListed)] == ["CON.F.US.MNQ.H27"]


def test_an_old_payload_without_symbol_is_known_by_its_id() -> None:
    stage = Stage(MORNING)
    stage.offers["MNQ"] = (offer("MNQ", symbol_id=""),)
    stage.start()
    assert [listed.contract for listed in stage.heard(ContractListed)] == [MNQ]


def test_an_unknown_root_is_refused_by_name() -> None:
    stage = Stage(MORNING)
    stage.core = Gateway(settings(("XYZ",)))
    stage.offers = {"XYZ": ()}
    stage.start()
    assert "XYZ is no product of ours" in stage.heard(Remark)[0].text


def test_a_refused_root_is_listed_once_the_venue_agrees() -> None:
    stage = Stage(MORNING)
    good = stage.offers["MNQ"]
    stage.offers["MNQ"] = (offer("MNQ", tick_nanos=1),)
    stage.start()
    stage.run(5)
    assert not stage.heard(ContractListed)
    stage.offers["MNQ"] = good
    stage.run(61)
    assert states(stage)[-1] is FeedState.UP
    assert stage.heard(FeedStatus)[-1].reason == ""


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


# -- days ------------------------------------------------------------------------------------------


def test_every_phase_of_the_afternoon_is_said_once() -> None:
    stage = up("2026-11-18T20:59:30Z")
    before = stage.mark()
    while stage.now_ns < at("2026-11-18T23:01:00Z"):
        stage.run(30)
    edges = [
        (phase.trading_day, phase.phase, now_ns)
        for now_ns, phase in stage.said[before:]
        if isinstance(phase, SessionPhase)
    ]
    assert edges == [
        ("2026-11-18", Phase.NO_ENTRIES, at("2026-11-18T21:00:00Z")),
        ("2026-11-18", Phase.FLATTEN, at("2026-11-18T21:05:00Z")),
        ("2026-11-18", Phase.FLAT, at("2026-11-18T21:08:00Z")),
        ("2026-11-18", Phase.CLOSED, at("2026-11-18T22:00:00Z")),
        ("2026-11-19", Phase.OPEN, at("2026-11-18T23:00:00Z")),
    ]


def test_a_new_day_lists_and_warms_every_root_again() -> None:
    stage = up("2026-11-18T22:58:00Z")
    before = stage.mark()
    stage.run(400)
    (listed,) = stage.heard(ContractListed, before)
    assert (listed.trading_day, listed.contract) == ("2026-11-19", MNQ)
    (done,) = stage.heard(WarmupDone, before)
    assert done == WarmupDone(contract=MNQ, trading_day="2026-11-19", bars=7)
    warm = [bar for bar in stage.heard(Bar, before) if bar.origin is BarOrigin.HISTORY]
    assert max(bar.close_ns for bar in warm) == at("2026-11-18T23:00:00Z")
    assert not stage.heard(Subscribe, before)  # the stream simply goes on
    assert not stage.heard(Gap, before)
    assert states(stage, before) == []
    live = {bar.open_ns for bar in stage.heard(Bar, before) if bar.origin is BarOrigin.LIVE}
    assert not live & {bar.open_ns for bar in warm if bar.open_ns >= at("2026-11-18T23:00:00Z")}


def test_a_roll_changes_the_contract_on_the_new_day() -> None:
    stage = up("2026-12-10T22:59:00Z")
    stage.offers["MNQ"] = (offer("MNQ", (2027, 3)), offer("MNQ"))
    before = stage.mark()
    stage.run(120)  # Friday's label: seven days to expiry
    assert [listed.contract for listed in stage.heard(ContractListed, before)] == [MNQ]
    stage.now_ns = at("2026-12-11T22:59:59Z")
    stage.run(3)  # Monday's label: four days
    assert stage.heard(ContractListed)[-1].contract == "CON.F.US.MNQ.H27"
    assert stage.heard(Subscribe)[-1].contracts == ("CON.F.US.MNQ.H27",)


def test_outside_the_calendar_the_feed_is_down_and_says_why() -> None:
    stage = Stage("2028-02-01T15:00:00Z")
    stage.start()
    stage.run(120)
    assert not stage.heard(SessionPhase)
    assert states(stage) == [FeedState.DOWN]
    assert "calendar covers" in stage.heard(FeedStatus)[0].reason


# -- odds ------------------------------------------------------------------------------------------


def test_answers_nobody_asked_for_and_strange_contracts_are_ignored() -> None:
    stage = up()
    before = stage.mark()
    bar = HistoryBar(stage.now_ns // MINUTE * MINUTE, 1, 1, 1, 1, 1)
    stage.tell(Fetched(request=999, bars=(bar,)))
    stage.tell(Found(root="MNQ", offers=(offer("MNQ", (2027, 3)),)))
    stage.tell(Found(root="GC"))
    strange = "CON.F.US.ENQ.Z26"
    now_ns = stage.now_ns
    stage.tell(Quote(contract=strange, bid=1, ask=2, venue_ns=now_ns, recv_ns=now_ns))
    stage.tell(Trade(contract=strange, price=1, size=1, venue_ns=now_ns, recv_ns=now_ns))
    assert stage.said[before:] == []


def test_bars_of_history_that_do_not_belong_are_left_out() -> None:
    stage = Stage(MORNING)
    stage.mute = True
    stage.start()
    stage.tell(Found(root="MNQ", offers=(offer("MNQ"),)))
    fetch = next(fetch for fetch in stage.heard(Fetch) if fetch.span_s == 60)
    opens = (
        fetch.end_ns - MINUTE,
        fetch.end_ns,  # not closed yet
        fetch.end_ns - MINUTE + SECOND,  # off the grid
        fetch.start_ns - MINUTE,
    )
    bars = tuple(HistoryBar(open_ns, 1, 1, 1, 1, 1) for open_ns in opens)
    stage.tell(Fetched(request=fetch.request, bars=bars))
    assert [bar.open_ns for bar in stage.heard(Bar)] == [fetch.end_ns - MINUTE]


def test_what_is_listed_carries_the_ticks_of_our_table() -> None:
    (listed,) = up().heard(ContractListed)
    product = product_of(listed.contract)
    assert (listed.tick_nanos, listed.tick_micros) == (product.tick_nanos, product.tick_micros)
    assert decimal_price(1, product) == 0.25


def test_memory_stays_flat() -> None:
    stage = up()
    stage.run(60)
    small = len(stage.core.snapshot())
    for _ in range(20):
        stage.disconnect()
        stage.run(5)
        stage.connect()
        stage.run(60)
    assert len(stage.core.snapshot()) < 2 * small


def test_a_stream_that_breaks_again_and_again_piles_up_no_questions() -> None:
    stage = up()
    stage.mute = True
    broke_ns = stage.now_ns
    for _ in range(50):
        stage.disconnect()
        stage.now_ns += 7 * SECOND
        stage.connect()
        stage.run(1)
    assert len(stage.core._state.jobs) <= 9
    stage.mute = False
    stage.restart(down_s=1)
    stage.run(400)
    assert states(stage)[-1] is FeedState.UP
    assert_bars_are_true(stage)
    assert_no_hole(stage, 60, broke_ns, stage.now_ns)


def test_a_foreign_snapshot_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        Gateway(settings()).restore(msgspec.msgpack.encode({"lines": 7}))
