"""What the market and the state of risk do to a sleeve: warming up, going blind, pulling."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from services.sleeves.base import GapPolicy
from services.sleeves.host import SleeveHost
from services.sleeves.loading import sleeve_class
from shared.events import (
    BarOrigin,
    CancelIntent,
    ClockJump,
    FeedState,
    FeedStatus,
    Flatten,
    Gap,
    PeerBack,
    PeerSilent,
    RiskLevel,
    Scope,
    Stopping,
    WarmupDone,
)
from shared.settings import load
from shared.units import SECOND
from tests.sleeves_stage import T0, Stage, settings_for
from tests.sleeves_toys import HERE, eager, is_pulled, ready, told, words

# -- warm-up ---------------------------------------------------------------------------------------


def test_history_warms_and_never_acts_and_live_bars_count_too():
    stage = eager().open()
    for number in (5, 4):
        stage.bar(90 + number, origin=BarOrigin.HISTORY, open_ns=T0 - number * SECOND)
    assert stage.host.memory.state == "WARMING"
    assert stage.host.memory.reason == "has 2 of 3 bars of 1 s"
    assert told(stage) == ["adopt 0"]
    assert words(stage) == []
    stage.second(100, quote=False)
    assert told(stage) == ["adopt 0", "start", "bar 100", "order SENT", "order WORKING"]
    assert stage.host.sleeve.view.closes == [95, 94, 100]


def test_a_history_bar_that_completes_the_warm_up_calls_no_on_bar():
    stage = eager().open()
    for number in (5, 4, 3):
        stage.bar(90 + number, origin=BarOrigin.HISTORY, open_ns=T0 - number * SECOND)
    assert told(stage)[:2] == ["adopt 0", "start"]
    assert "bar" not in " ".join(told(stage))


def test_a_missing_history_is_said():
    stage = eager().open()
    stage.tell(WarmupDone(contract=stage.contract, trading_day="2026-11-18", bars=0))
    assert stage.status is not None
    assert (stage.status.state, stage.status.reason) == ("WARMING", "has 0 of 3 bars of 1 s")


def test_a_repaired_bar_corrects_what_was_learnt():
    stage = ready()
    first = stage.now_ns - 2 * SECOND
    stage.bar(50, origin=BarOrigin.REPAIRED, open_ns=first - SECOND)
    stage.bar(60, origin=BarOrigin.REPAIRED, open_ns=first)
    assert stage.host.sleeve.view.closes == [100, 101, 102], "learnt again when next needed"
    calls = len(told(stage))
    stage.second(103, quote=False)
    assert stage.host.sleeve.view.closes == [50, 60, 102, 103]
    assert told(stage)[calls:] == ["bar 103"], "a correction is no new bar"


def test_a_late_bar_finds_its_place_and_a_doubled_one_changes_nothing():
    stage = ready()
    stage.now_ns += SECOND
    stage.second(104, quote=False)
    stage.bar(103, origin=BarOrigin.REPAIRED, open_ns=stage.now_ns - 2 * SECOND)
    stage.bar(999, origin=BarOrigin.HISTORY, open_ns=stage.now_ns - SECOND)
    stage.bar(999, open_ns=stage.now_ns - 3 * SECOND)
    stage.second(105, quote=False)
    assert stage.host.sleeve.view.closes == [100, 101, 102, 103, 104, 105]


def test_the_tape_of_bars_is_bounded():
    stage = ready()
    stage.seconds(*[100] * 50)
    assert len(stage.host.memory.tape.bars[1]) == 12
    for span in range(2, 40):
        stage.bar(100, span_s=span)
    assert len(stage.host.memory.tape.bars) <= 8


def test_a_new_contract_begins_anew():
    stage = ready()
    stage.contract = "CON.F.US.MNQ.H27"
    stage.orders.clear()
    stage.tell(stage.listed())
    assert stage.host.memory.state == "WARMING"
    assert stage.host.sleeve.view.closes == []
    stage.now_ns += SECOND
    stage.seconds(200, 201, 202)
    assert told(stage)[-4:-2] == ["start", "bar 202"]
    assert stage.intents()[-1].contract == "CON.F.US.MNQ.H27"


# -- the market or the governor is not well --------------------------------------------------------


@pytest.mark.parametrize("state", [FeedState.DOWN, FeedState.FROZEN])
def test_a_feed_that_is_not_up_pulls_entries_and_forbids_new_ones(state):
    stage = ready()
    stage.tell(FeedStatus(state=state, since_ns=stage.now_ns))
    assert is_pulled(stage)
    assert stage.host.sleeve.quote_now is None
    stage.seconds(103, 104)
    assert len(stage.intents()) == 1
    stage.tell(FeedStatus(state=FeedState.UP, since_ns=stage.now_ns))
    stage.second(105)
    assert len(stage.intents()) == 2


@pytest.mark.parametrize(
    "event",
    [
        Gap(contract="", start_ns=1, end_ns=2),
        Gap(contract="CON.F.US.MNQ.Z26", start_ns=1, end_ns=2),
        ClockJump(slept_ns=5 * SECOND),
        PeerSilent(actor="market_data_gateway"),
        Stopping(reason="SIGTERM"),
    ],
    ids=lambda e: type(e).__name__,
)
def test_blindness_pulls_entries(event):
    stage = ready()
    if isinstance(event, Stopping):
        stage = Stage("trend", settings_for("trend", f"{HERE}:Deaf")).open()
        stage.second(100)
    stage.tell(event)
    assert is_pulled(stage)


def test_a_gap_of_another_contract_is_not_ours():
    stage = ready()
    stage.tell(Gap(contract="CON.F.US.MES.Z26", start_ns=1, end_ns=2))
    assert stage.orders


def test_an_author_may_say_otherwise_about_gaps_but_not_about_the_feed():
    stage = Stage("trend", settings_for("trend", f"{HERE}:Deaf")).open()
    stage.second(100)
    stage.tell(Gap(contract="", start_ns=1, end_ns=2))
    stage.tell(stage.risk(RiskLevel.REDUCE_ONLY))
    assert stage.orders
    stage.tell(FeedStatus(state=FeedState.DOWN, since_ns=1))
    assert is_pulled(stage)


LOST = Gap(contract="", start_ns=1, end_ns=2, repaired=False)


@pytest.mark.parametrize(
    ("policy", "gap", "pulls", "waits"),
    [
        (GapPolicy.CANCEL, LOST, True, 0),
        (GapPolicy.PAUSE, LOST, True, 3),
        (GapPolicy.PAUSE, replace(LOST, repaired=True), True, 0),
        (GapPolicy.KEEP, LOST, False, 0),
    ],
)
def test_each_sleeve_has_its_own_policy_for_gaps(monkeypatch, policy, gap, pulls, waits):
    """PAUSE: no entry until as many live bars closed as it warms by, where bars were lost."""
    stage = ready()
    monkeypatch.setattr(type(stage.host.sleeve), "gap_policy", policy)
    stage.tell(gap)
    assert is_pulled(stage) is pulls
    assert stage.host.memory.cold == ({1: waits} if waits else {})
    stage.orders.clear()
    stage.host.memory.orders.clear()
    entered_after = 0
    while len(stage.intents()) < 2:
        entered_after += 1
        stage.second(110 + entered_after)
    assert entered_after == max(1, waits)


def test_the_waiting_after_lost_bars_survives_a_restart_and_not_a_new_contract():
    stage = ready()
    stage.host.memory.cold = {1: 3}
    again = SleeveHost("trend", stage.settings)
    again.restore(stage.host.snapshot())
    assert again.memory.cold == {1: 3}
    assert not again.desk.may_enter
    stage.contract = "CON.F.US.MNQ.H27"
    stage.tell(stage.listed())
    assert not stage.host.memory.cold


def test_those_who_read_bars_pause_and_those_who_read_the_book_cancel():
    sections = load(env={}).sleeves.items()
    policies = {name: sleeve_class(name, it.implementation).gap_policy for name, it in sections}
    assert policies == {
        "trend": GapPolicy.PAUSE,
        "mean_reversion": GapPolicy.PAUSE,
        "market_maker": GapPolicy.CANCEL,
        "tail_hedge": GapPolicy.CANCEL,
    }


def test_a_cancel_without_effect_is_asked_again_while_the_market_is_not_well():
    stage = ready()
    stage.mute = True
    stage.tell(FeedStatus(state=FeedState.DOWN, since_ns=1))
    for number in range(5):
        stage.now_ns += SECOND
        stage.pulse(100 + number)
    cancels = [word for word in words(stage) if isinstance(word, CancelIntent)]
    assert len(cancels) == 3


def test_an_operators_pause_counts_as_not_active():
    stage = ready()
    stage.tell(stage.risk(paused=True))
    assert is_pulled(stage)
    stage.second(103)
    assert len(stage.intents()) == 1


def test_nothing_is_said_to_a_silent_governor():
    stage = ready()
    stage.tell(PeerSilent(actor="risk_governor"))
    count = len(words(stage))
    for order in list(stage.orders):
        stage.cancel(order)
    stage.seconds(103, 104)
    assert len(words(stage)) == count
    stage.tell(PeerBack(actor="risk_governor", epoch=1))
    stage.second(105)
    assert len(words(stage)) == count + 1


@pytest.mark.parametrize(
    ("flatten", "ours"),
    [
        (Flatten(halt_no=1, scope=Scope.ACCOUNT, cause="x"), True),
        (Flatten(halt_no=1, scope=Scope.SLEEVE, cause="x", sleeve="trend"), True),
        (Flatten(halt_no=1, scope=Scope.SLEEVE, cause="x", sleeve="other"), False),
        (Flatten(halt_no=1, scope=Scope.CONTRACT, cause="x", contract="CON.F.US.MNQ.Z26"), True),
        (Flatten(halt_no=1, scope=Scope.CONTRACT, cause="x", contract="CON.F.US.MES.Z26"), False),
    ],
)
def test_a_flatten_in_our_scope_ends_entries_until_risk_is_active_again(flatten, ours):
    stage = ready()
    stage.tell(flatten)
    stage.cancel("trend.100.1")
    stage.second(103)
    assert len(stage.intents()) == (1 if ours else 2)
    stage.tell(stage.risk())
    stage.second(104)
    assert len(stage.intents()) == 2
