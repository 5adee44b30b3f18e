"""The verdict: what it is called and for which reasons, over everything the board was told."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from msgspec.structs import replace

from services.metrics_exporter.state import FlattenFile
from services.metrics_exporter.verdict import unready, verdict
from services.metrics_exporter.view import snapshot
from shared.events import (
    FeedState,
    FeedStatus,
    FlattenProgress,
    FlattenStage,
    RiskLatch,
    RiskLevel,
    Scope,
    SleeveStatus,
    VenueState,
)
from shared.settings import load
from shared.units import SECOND, USD
from tests.exporter_stage import NOW, Watch, watching

watch = pytest.fixture(watching)
STATUS = SleeveStatus(sleeve="trend", incarnation=1, contract="C", state="READY")


# -- the verdict -------------------------------------------------------------------------------


def test_before_anybody_speaks_it_is_stale_not_safe() -> None:
    watch = Watch()
    assert verdict(watch.board).level == "STALE"
    assert "risk_governor was never heard" in watch.texts()
    seen = snapshot(watch.board)
    assert seen.safety.floor_distance is None
    assert seen.safety.stale
    assert seen.router_silent
    assert [row.net_dollars for row in seen.sleeves] == [None] * 4


def test_all_fresh_and_flat_is_safe(watch: Watch) -> None:
    assert verdict(watch.board).level == "SAFE"
    assert unready(watch.board) == []


def test_a_sleeve_in_trouble_is_a_reason_to_look(watch: Watch) -> None:
    watch.say("sleeve_trend", replace(STATUS, trouble="on_bar raised ZeroDivisionError"))
    assert verdict(watch.board).level == "WATCH"
    assert watch.texts() == "sleeve trend: on_bar raised ZeroDivisionError"
    watch.say("sleeve_trend", STATUS)
    assert verdict(watch.board).level == "SAFE"


def test_with_a_covered_position_it_is_still_safe(watch: Watch) -> None:
    watch.position(1)
    assert verdict(watch.board).level == "SAFE"


def test_freshness_ends_at_the_settings_limit_to_the_tenth(watch: Watch) -> None:
    watch.wait(3.0)
    assert verdict(watch.board).level == "SAFE"
    watch.wait(0.1)
    assert verdict(watch.board).level == "STALE"


def test_stale_after_is_a_setting_that_works() -> None:
    patient = Watch()
    patient.board.settings = load(env={"TSQ__METRICS_EXPORTER__STALE_AFTER_REAL_S": "30"})
    patient.start()
    patient.wait(20)
    assert verdict(patient.board).level == "SAFE"


def latch(key: str, cause: str, level: RiskLevel, **more: object) -> RiskLatch:
    usual = RiskLatch(key=key, cause=cause, level=level, scope=Scope.ACCOUNT, owner="risk_governor",
                      since_ns=NOW, clears="17:00 CT")  # fmt: skip
    return msgspec.structs.replace(usual, **more)


ALARM = latch("session", "ALARM: late", RiskLevel.FLATTENING, alarm=True)
OFF = latch("sleeve:trend", "lost 150", RiskLevel.HALTED, scope=Scope.SLEEVE, sleeve="trend")
HALF = latch("recovery", "half is lost", RiskLevel.ACTIVE)

STORIES: list[tuple[str, Callable[[Watch], None], str, str]] = [
    ("governor silent, flat", lambda w: (w.wait(4), w.healthy("risk_governor")), "STALE",
     "risk_governor silent for 4 s"),
    ("governor silent, open", lambda w: (w.position(1), w.wait(4), w.healthy("risk_governor")),
     "DANGER", "risk_governor silent for 4 s with a position open"),
    ("router silent, open", lambda w: (w.position(1), w.wait(4), w.healthy("order_router")),
     "DANGER", "order_router silent"),
    ("gateway silent, flat", lambda w: (w.wait(4), w.healthy("market_data_gateway")), "STALE",
     "market_data_gateway silent"),
    ("sentinel silent, flat", lambda w: (w.wait(4), w.healthy("sentinel")), "WATCH",
     "sentinel silent for 4 s: no second guardian"),
    ("sentinel silent, open", lambda w: (w.position(1), w.wait(4), w.healthy("sentinel")),
     "DANGER", "no second guardian"),
    ("halted and flat", lambda w: w.risk(level=RiskLevel.HALTED, cause="daily loss"), "WATCH",
     "halted: daily loss"),
    ("halted and open",
     lambda w: (w.position(1), w.risk(level=RiskLevel.HALTED, cause="daily loss")), "DANGER",
     "a position is still open"),
    ("flattening", lambda w: w.risk(level=RiskLevel.FLATTENING, cause="operator"), "WATCH",
     "flattening: operator"),
    ("exits only", lambda w: w.risk(level=RiskLevel.REDUCE_ONLY, cause="reconcile"), "WATCH",
     "exits only: reconcile"),
    ("paused", lambda w: w.risk(paused=True), "WATCH", "paused by the operator"),
    ("near", lambda w: w.risk(headroom=149 * USD), "WATCH",
     "headroom is down to $149.00, next is the drawdown kill"),
    ("alarm", lambda w: w.risk(level=RiskLevel.FLATTENING, cause="ALARM: late", latches=(ALARM,)),
     "DANGER", "ALARM: late"),
    ("sleeve off", lambda w: w.risk(latches=(OFF,)), "WATCH", "sleeve switched off: lost 150"),
    ("day's trades", lambda w: w.risk(trades_today=4, limits=(("trades_per_day", 4),)), "WATCH",
     "all 4 directional entries of the day are made"),
    ("recovery", lambda w: w.risk(latches=(HALF,)), "WATCH", "recovery mode: half is lost"),
    ("no headroom, flattening",
     lambda w: (w.position(1), w.risk(headroom=0, level=RiskLevel.FLATTENING, cause="cap")),
     "WATCH", "flattening: cap"),
    ("no headroom, open", lambda w: (w.position(1), w.risk(headroom=0)), "DANGER",
     "no headroom left"),
    ("below the floor", lambda w: w.risk(equity=47_999 * USD), "DANGER", "the firm's floor"),
    ("open risk above cap", lambda w: w.risk(open_risk=121 * USD), "DANGER",
     "open risk $121.00 is above its cap $120"),
    ("just naked", lambda w: w.position(2, 1, w.market), "WATCH", "1 of 2 without a stop"),
    ("long naked", lambda w: w.position(2, 0, w.market - 4 * SECOND), "DANGER",
     "MNQZ6: 2 of 2 without a stop for 4 s"),
    ("quarantine", lambda w: (w.position(1), w.venue(VenueState.QUARANTINE, reason="1 or 2")),
     "DANGER", "venue quarantine: 1 or 2"),
    ("venue down, flat", lambda w: w.venue(VenueState.DOWN), "WATCH", "venue down"),
    ("disarmed", lambda w: w.venue(VenueState.DISARMED), "WATCH", "nothing is sent"),
    ("unknown order", lambda w: w.venue(unknown_orders=1), "WATCH",
     "1 order with unknown outcome"),
    ("unknown orders, open", lambda w: (w.position(1), w.venue(unknown_orders=2)), "DANGER",
     "2 orders with unknown outcome"),
    ("feed frozen", lambda w: w.say("market_data_gateway",
     FeedStatus(state=FeedState.FROZEN, since_ns=NOW, reason="silence")), "WATCH",
     "market feed frozen: silence"),
    ("quote old, open", lambda w: (w.position(1), w.wait(3.2), w.beats(), w.risk(), w.venue()),
     "DANGER", "MNQZ6: position open, quote 3 s old"),
    ("asked to flatten", lambda w: w.board.observe_files(FlattenFile("r", "why", "tsq")), "WATCH",
     "flatten asked by tsq (why): nobody has begun"),
    ("flatten by sentinel",
     lambda w: w.board.observe_files(FlattenFile("r", "why", "tsq", "CLOSING", "sentinel")),
     "WATCH", "sentinel at it (closing)"),
    ("near the flat-by time", lambda w: (w.position(1), w.wait(4 * 3600 - 900), w.healthy()),
     "WATCH", "a position is open 15 min before the flat-by time"),
    ("past the flat-by time", lambda w: (w.position(1), w.wait(4 * 3600), w.healthy()),
     "DANGER", "past the time to be flat"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("story", "level", "text"), [row[1:] for row in STORIES], ids=[row[0] for row in STORIES]
)
def test_every_state_has_its_word(
    watch: Watch, story: Callable[[Watch], None], level: str, text: str
) -> None:
    story(watch)
    found = verdict(watch.board)
    assert found.level == level, watch.texts()
    assert text in watch.texts()
    assert found.reasons[0].level == level, "worst first"


def test_a_stuck_flatten_is_danger(watch: Watch) -> None:
    stuck = FlattenProgress(
        no=1, halt_no=1, scope=Scope.ACCOUNT, stage=FlattenStage.STUCK, cause="x", detail="closed"
    )
    watch.say("order_router", stuck)
    assert verdict(watch.board).level == "DANGER"


@pytest.mark.parametrize(
    ("story", "reason"),
    [
        (lambda w: (w.wait(4), w.healthy("sentinel")), "sentinel silent for 4 s"),
        (lambda w: w.venue(VenueState.DISARMED), "venue: DISARMED"),
        (lambda w: w.say("market_data_gateway", FeedStatus(state=FeedState.DOWN, since_ns=0)),
         "market feed: DOWN"),
        (lambda w: (w.wait(4), w.beats(), w.venue()), "risk numbers: 4.0 s old"),
        (lambda w: (w.wait(4), w.beats(), w.risk()), "venue state: 4.0 s old"),
    ],
)  # fmt: skip
def test_readiness_needs_every_guardian(
    watch: Watch, story: Callable[[Watch], None], reason: str
) -> None:
    story(watch)
    assert unready(watch.board) == [reason]
