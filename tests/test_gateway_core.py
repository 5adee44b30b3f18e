"""The gateway's day as stories: coming up, contracts, new days, and what is odd."""

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
    Remark,
    Subscribe,
)
from shared.contracts import price as decimal_price
from shared.contracts import product_of
from shared.events import (
    Bar,
    BarOrigin,
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
