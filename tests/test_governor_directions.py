"""A day can only become stricter: every setting of risk has a direction, or a reason for none."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from services.risk_governor.core import Governor
from services.risk_governor.directions import NEITHER, TIGHTER, tighter
from services.risk_governor.limits import Limits, values_in, values_of
from services.risk_governor.words import KnowPatience
from shared.domain.rules.pack import RulePack
from shared.events import RiskState, Started
from shared.sections import PreTrade, RiskGovernor, Session
from shared.settings import Settings, load
from shared.units import SECOND, USD
from tests.governor_stage import OPENING, Stage, settings
from tests.test_governor_latches import new_day

SMALLER, LARGER = "topstep-50k-combine@2026-09", "topstep-100k-combine@2026-09"


def test_looser_settings_wait_for_17_00_and_tighter_ones_do_not() -> None:
    stage = Stage(settings(daily_cap=300, trades_per_day=10)).opened()
    looser = Governor(settings(daily_cap=400, session_cap=0, trades_per_day=5))
    looser.restore(stage.governor.snapshot())
    given = looser.mind.limits.given
    assert (given.daily_cap, given.session_cap, given.trades_per_day) == (300, 200, 5)
    assert "daily_cap stays 300 until 17:00 CT (the settings say 400)" in looser.mind.limits.kept
    stage.governor = looser
    stage.pulse(SECOND)
    assert dict(stage.state().limits)["daily_cap"] == 300
    assert "session_cap stays 200" in stage.state().kept
    new_day(stage)
    given = looser.mind.limits.given
    assert (given.daily_cap, given.session_cap, given.trades_per_day) == (400, 0, 5)
    assert stage.state().kept == ""


def test_looser_settings_wait_also_where_no_snapshot_can_be_read() -> None:
    stage = Stage(settings(daily_cap=300)).opened()
    said = [event for event in stage.heard if isinstance(event, RiskState)][-1]
    folded = Governor(settings(daily_cap=400))
    told_before = [*stage.story]
    for now, event in told_before:
        folded.on(now, event)
    folded.recall(stage.now, said)
    assert folded.mind.limits.given.daily_cap == 300


def test_every_key_of_risk_has_a_direction_or_a_reason_for_none() -> None:
    sections = (("", RiskGovernor), ("pretrade.", PreTrade), ("session.", Session))
    keys = {
        prefix + name
        for prefix, section in (*sections, ("rules.", RulePack))
        for name in section.__struct_fields__
    }
    assert not set(TIGHTER) & set(NEITHER)
    assert keys == set(TIGHTER) | set(NEITHER), "add it to services/risk_governor/directions.py"
    assert all(len(reason) > 20 for reason in NEITHER.values())


LOOSE_AND_TIGHT: dict[str, tuple[Any, Any]] = {
    "quote_age_s": (4.0, 2.0),
    "window_s": (5.0, 20.0),
    "approval_real_s": (4.0, 1.0),
    "unprotected_real_s": (9.0, 2.0),
    "blind_grace_s": (60.0, 5.0),
    "difference_grace_s": (600.0, 30.0),
    "daily_loss_limit": (False, True),
    "beyond_firm_daily_loss": (True, False),
    "bank_target": (False, True),
    "floor_at_least": (-2_000, 0),
    "drawdown_high": ("end_of_day", "running"),
    "consistency": ("notify", "stop"),
    "news": ([], [{"at": "2026-12-10T07:30:00-06:00", "kind": "CPI"}]),
    "thin_hours_ct": ([17], [17, 18]),
    "exit_allowance_products": ({}, {"CL": 8}),
    "pretrade.order_types": (["MARKET", "LIMIT"], ["LIMIT"]),
    "pretrade.kelly": ([], ["trend"]),
    "pretrade.kelly_trades": (60, 30),
    "pretrade.hold_trips": (40, 20),
    "pretrade.correlation_days": (5, 9),
    "pretrade.clock_skew_s": (9.0, 5.0),
    "pretrade.jump_s": (1.0, 5.0),
    "pretrade.stress_bp": ({"index": 100, "energy": 300}, {"index": 200}),
    "session.no_entries_before_s": (600, 900),
    "rules.maximum_loss": (3_000 * USD, 2_000 * USD),
    "rules.product_contracts": ({}, {"MNQ": 2}),
    "rules.scaling_minis": ([3, 4, 5], [2, 3, 5]),
    "rules.floor_ends": (False, True),
    "rules.zone_bp": (200, 300),
    "order_size": (4, 3),
    "daily_cap": (0, 400),
    "slippage_ticks": (1, 2),
}


@pytest.mark.parametrize("path", LOOSE_AND_TIGHT)
def test_the_tighter_of_two_is_found_in_either_order(path: str) -> None:
    loose, tight = LOOSE_AND_TIGHT[path]
    assert tighter({path: loose}, {path: tight}) == {path: tight}
    assert tighter({path: tight}, {path: loose}) == {path: tight}
    assert tighter({path: tight}, {}) == {path: tight} == tighter({}, {path: tight})


def test_what_neither_side_alone_contains_is_joined() -> None:
    assert TIGHTER["news"]([1, 2], [2, 3]) == [1, 2, 3]
    assert TIGHTER["exit_allowance_products"]({"CL": 8}, {"CL": 4, "MGC": 6}) == {"CL": 8, "MGC": 6}
    assert TIGHTER["rules.product_contracts"]({"CL": 3}, {"MGC": 6, "CL": 1}) == {"CL": 1, "MGC": 6}
    assert TIGHTER["pretrade.stress_bp"]({"a": 1, "b": 5}, {"b": 4, "c": 9}) == {"b": 5}


@pytest.mark.parametrize("path", sorted(TIGHTER))
def test_a_value_is_as_tight_as_itself(path: str) -> None:
    value = values_of(load(env={}))[path]
    assert TIGHTER[path](value, value) == value


def session_of(given: Settings, **changed: int) -> Settings:
    return msgspec.structs.replace(given, session=msgspec.structs.replace(given.session, **changed))


def restarted(stage: Stage, given: Settings) -> Stage:
    """The same memory under other settings."""
    other = Governor(given)
    other.restore(stage.governor.snapshot())
    stage.governor = other
    stage.tell(Started(epoch=stage.now // SECOND + 9, fresh=False, changed=True))
    return stage


def test_what_is_no_whole_number_waits_for_17_00_too() -> None:
    at = "2026-11-19T10:00:00-06:00"
    strict = settings(
        quote_age_s=2.0, drawdown_high="running", consistency="stop", thin_hours_ct=(9, 17),
        order_types=("LIMIT",), news=({"at": at, "kind": "FOMC"},),
    )  # fmt: skip
    strict = msgspec.convert(msgspec.to_builtins(strict), Settings)
    stage = restarted(
        Stage(session_of(strict, no_entries_before_s=1_200)).opened(),
        session_of(settings(), no_entries_before_s=600),
    )
    limits, mind = stage.governor.mind.limits, stage.governor.mind
    given = limits.given
    assert (given.quote_age_s, given.drawdown_high, given.consistency) == (2.0, "running", "stop")
    assert (given.pretrade.order_types, len(limits.news)) == (("LIMIT",), 1)
    assert {9, 17} <= set(given.thin_hours_ct)
    today = mind.today(stage.now)
    assert today is not None
    assert today.flatten_ns - today.no_entries_ns == 900 * SECOND
    assert "quote_age_s stays 2.0 until 17:00 CT (the settings say 3.0)" in stage.state().kept
    new_day(stage)
    given = mind.limits.given
    assert (given.quote_age_s, given.drawdown_high, mind.limits.news) == (3.0, "end_of_day", ())
    assert stage.state().kept == ""


def test_patience_with_the_silent_waits_for_17_00_too() -> None:
    """The runtime asks after the memory is back, and the port is told."""
    patient = settings()
    given = patient.risk_governor
    strict = settings(
        router_silence_real_s=given.router_silence_real_s / 2,
        sleeve_silence_real_s=given.sleeve_silence_real_s / 2,
        sentinel_silence_real_s=given.sentinel_silence_real_s / 2,
    )
    stage = restarted(Stage(strict).opened(), patient)
    watches = stage.governor.watches
    assert watches == Governor(strict).watches
    assert watches != Governor(patient).watches
    told = [it for it in stage.heard if isinstance(it, KnowPatience)]
    assert told == [KnowPatience(sentinel_real_s=given.sentinel_silence_real_s / 2)]
    assert "router_silence_real_s stays" in stage.state().kept
    new_day(stage)
    assert stage.governor.watches == Governor(patient).watches


def test_another_pack_loosens_nothing_within_the_day() -> None:
    wide_open = {"rules": LARGER, "account_position_tenths": 100, "drawdown_kill": 2_500}
    stage = restarted(Stage(settings(rules=SMALLER)).opened(), settings(**wide_open))
    limits = stage.governor.mind.limits
    assert (limits.pack.maximum_loss, limits.firm_daily) == (2_000 * USD, 1_000 * USD)
    assert (limits.pack.position_tenths, limits.given.drawdown_kill) == (50, 1_600)
    assert "rules.maximum_loss stays" in stage.state().kept
    new_day(stage)
    assert stage.governor.mind.limits.pack.maximum_loss == 3_000 * USD


def test_a_tighter_pack_holds_at_once() -> None:
    stage = restarted(Stage(settings(rules=LARGER)).opened(100_000), settings(rules=SMALLER))
    limits = stage.governor.mind.limits
    assert (limits.pack.maximum_loss, limits.firm_daily) == (2_000 * USD, 1_000 * USD)
    assert stage.state().kept == ""


def test_a_lifes_first_word_and_a_days_tell_all_limits_and_others_do_not() -> None:
    stage = Stage(settings()).opened()
    stage.wait(2)
    states = [event for event in stage.heard if isinstance(event, RiskState)]
    assert states[0].bounds
    assert not states[-1].bounds
    told = values_in(states[0].limits, states[0].bounds)
    assert told == values_of(stage.settings)
    before = len(stage.heard)
    new_day(stage)
    assert any(event.bounds for event in stage.heard[before:] if isinstance(event, RiskState))


def test_they_hold_also_where_no_snapshot_can_be_read() -> None:
    stage = Stage(settings(quote_age_s=2.0)).opened()
    folded = Governor(settings(quote_age_s=3.0))
    for event in [event for event in stage.heard if isinstance(event, RiskState)]:
        folded.recall(OPENING, event)
    assert folded.mind.limits.given.quote_age_s == 2.0


def test_limits_are_the_settings_where_nothing_was_held() -> None:
    given = settings()
    limits = Limits(given)
    assert (limits.given, limits.pack, limits.session) == (
        given.risk_governor, given.rules(), given.session,
    )  # fmt: skip
    assert limits.kept == ""
