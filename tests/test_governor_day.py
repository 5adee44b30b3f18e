"""Days as the firm counts them: floors, caps, and what a clock brings.

Each table is a vector of the firm's rules.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from services.risk_governor.equity import account
from shared.events import Flatten, OrderState, OrderType, Phase, RiskLevel, VetoRule
from shared.units import HOUR, MINUTE, SECOND
from tests.governor_account import DAYS, STANDARD, Account
from tests.governor_stage import (
    BUY,
    MES,
    MNQ,
    NQ,
    OPENING,
    SELL,
    Stage,
    dollars,
    passed,
    refused,
    wide,
)

# -- the floor, day by day -------------------------------------------------------------------------


def test_v01_the_floor_of_a_combine_follows_the_best_end_of_day() -> None:
    stage = Account().opened()
    floors = [stage.state().floor]
    closes = (50_500, 50_000, 51_200, 50_900, 52_000, 51_500, 52_999)
    floors += [stage.day(balance).state().floor for balance in closes]
    assert floors == [
        dollars(amount)
        for amount in (48_000, 48_500, 48_500, 49_200, 49_200, 50_000, 50_000, 50_000)
    ]


def test_v04_an_express_account_begins_at_0_and_its_floor_stops_there() -> None:
    stage = Account(STANDARD).opened(0)
    floors = [stage.day(balance).state().floor for balance in (1_000, 2_000, 1_300, 2_600)]
    assert floors == [-dollars(1_000), 0, 0, 0]


def test_v20_two_days_are_two_days() -> None:
    stage = Account(daily_loss=900, daily_cap=0).opened()
    stage.reconcile(balance=49_400)
    assert stage.state().session_net == -dollars(600)
    stage.day(49_400)
    assert stage.state().session_net == 0
    stage.reconcile(balance=48_900)
    assert stage.names() == []
    assert stage.state().equity == dollars(48_900)


@pytest.mark.parametrize(
    ("rules", "balance", "least", "floor"),
    [
        (STANDARD, 0, 0, -2_000),  # new: never paid
        (STANDARD, 800, 0, 0),  # profit, and nobody says that it was never paid
        (STANDARD, 800, -2_000, -1_200),  # somebody says so
        ("topstep-50k-combine@2026-09", 50_300, 0, 48_300),
        ("topstep-50k-combine@2026-09", 50_300, 49_500, 49_500),  # it was higher once
    ],
)
def test_an_account_found_in_mid_life_is_taken_at_its_strictest(
    rules: str, balance: int, least: int, floor: int
) -> None:
    stage = Account(rules, floor_at_least=least).opened(balance)
    assert stage.state().floor == dollars(floor)


@pytest.mark.parametrize("stage_of", ["combine", "express-standard", "express-consistency"])
@pytest.mark.parametrize("size", [50, 100, 150])
def test_every_pack_trades_and_is_stopped_before_its_floor(size: int, stage_of: str) -> None:
    rules = f"topstep-{size}k-{stage_of}@2026-09"
    stage = Account(rules, account_position_tenths=10, drawdown_kill=1_900)
    stage.opened(size * 1_000 if stage_of == "combine" else 0)
    passed(stage.ask("trend", BUY))
    stage.bought("mean_reversion", contract=MES)
    stage.quote(MES, 20_000)
    assert stage.level() is RiskLevel.FLATTENING


def test_a_practice_account_may_begin_anywhere() -> None:
    stage = Account("topstep-50k-practice@2026-09").opened(7_000)
    passed(stage.ask("trend", BUY))


# -- the scaling plan ------------------------------------------------------------------------------


def test_v50_the_cap_of_an_express_account_follows_the_end_of_day() -> None:
    stage = Account(STANDARD).opened(0)
    caps = [stage.state().cap_tenths]
    closes = ("1499.99", 1_500, 2_000, "2000.01", 1_400)
    caps += [stage.day(balance).state().cap_tenths for balance in closes]
    assert caps == [20, 20, 30, 30, 50, 20]


def test_v51_the_cap_steps_up_at_17_00_only() -> None:
    stage = Account(STANDARD).opened(0)
    stage.reconcile(balance=1_600)
    stage.pulse()
    veto = stage.ask("trend", BUY, 3, contract=NQ)
    assert refused(veto) is VetoRule.ACCOUNT_POSITION
    assert (veto.limit, veto.actual) == (20, 30)
    assert stage.day(1_600).state().cap_tenths == 30


# -- hours -----------------------------------------------------------------------------------------


def test_leaving_costs_more_in_hours_poor_in_volume() -> None:
    stage = Stage(wide(exit_allowance_products={"MES": 7})).opened()
    stage.bought("trend")
    stage.bought("mean_reversion", contract=MES)
    assert allowance(stage) == dollars(2) + dollars("8.75")  # 4 x 0.50 and 7 x 1.25
    stage = Account(exit_allowance_products={"MES": 7}).opened()
    stage.day(50_000)  # 17:00 CT
    assert stage.governor.mind.state.thin
    stage.bought("trend")
    stage.bought("mean_reversion", contract=MES)
    assert allowance(stage) == 2 * (dollars(2) + dollars("8.75"))


def allowance(stage: Stage) -> int:
    now = account(stage.governor.mind)
    assert now is not None
    return now.allowance


def test_the_line_moves_when_the_hour_turns_with_no_quote() -> None:
    """At 15:59 the cost of leaving is 2.00; from 16:00 it is 4.00, and 898 of loss is too much."""
    late = tuple(range(24))
    stage = Stage(wide(thin_hours_ct=late, daily_loss=900)).opened()
    stage.governor.mind.state.thin = False
    stage.bought("trend")
    stage.quote(MNQ, 84_001 - 1_792)  # 896.00 + 1.22 + 2.00
    assert stage.level() is RiskLevel.ACTIVE
    stage.pulse()
    assert stage.level() is RiskLevel.FLATTENING


@pytest.mark.slow
def test_the_label_is_chicagos_also_on_a_computer_in_tokyo() -> None:
    """The same story under another zone of the computer: the same words, bit for bit."""
    code = (
        "import sys, hashlib, msgspec; from tests.governor_account import Account;"
        "stage = Account().opened(); stage.days('10', '-20', '30', '40', '50', '60');"
        "print(hashlib.sha256(stage.governor.snapshot()).hexdigest(),"
        " stage.state().trading_day)"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "TZ": zone}, check=True,
            capture_output=True, text=True, cwd=Path(__file__).parent.parent,
        ).stdout
        for zone in ("Asia/Tokyo", "America/Chicago")
    ]  # fmt: skip
    assert said[0] == said[1]
    assert said[0].split()[1] == "2026-11-26"


@pytest.mark.parametrize(
    ("label", "before", "turns", "following"),
    [
        # the clock goes forward on Sunday 2026-03-08: Friday's day ends 17:00 CST, Monday opens CDT
        ("2026-03-06", "2026-03-06T22:59:59Z", "2026-03-08T22:00:00Z", "2026-03-09"),
        # and back on Sunday 2026-11-01
        ("2026-10-30", "2026-10-30T21:59:59Z", "2026-11-01T23:00:00Z", "2026-11-02"),
        # Thanksgiving, an early close, is a day of its own
        ("2026-11-26", "2026-11-26T22:59:59Z", "2026-11-26T23:00:00Z", "2026-11-27"),
        # Christmas Eve, early; the Friday has no session; Monday opens on Sunday
        ("2026-12-24", "2026-12-24T22:59:59Z", "2026-12-27T23:00:00Z", "2026-12-28"),
    ],
)
def test_the_day_turns_by_the_exchange(label: str, before: str, turns: str, following: str) -> None:
    from shared.venue.times import time_ns

    day = DAYS.named(label)
    stage = Stage(wide(), now_ns=day.opens_ns + HOUR)
    real = stage.phase
    stage.phase = lambda phase, which=label: real(phase, which)  # type: ignore[method-assign]
    stage.opened()
    stage.phase = real  # type: ignore[method-assign]
    stage.reconcile(balance=49_700)
    stage.at(time_ns(before, "before"))
    stage.close_all()
    stage.reconcile(balance=49_700)
    assert stage.state().trading_day == label
    assert stage.state().session_net == -dollars(300)
    stage.at(time_ns(turns, "turns"))
    stage.phase(Phase.OPEN, following)
    stage.proven_flat()
    stage.reconcile(balance=49_700)
    stage.pulse()
    assert (stage.state().trading_day, stage.state().session_net) == (following, 0)
    assert stage.level() is RiskLevel.ACTIVE
    stage.quote(MNQ)
    passed(stage.ask("trend", BUY))


@pytest.mark.parametrize(
    ("label", "flat_by"),
    [
        ("2026-11-18", "2026-11-18T21:10:00Z"),
        ("2026-11-26", "2026-11-26T17:45:00Z"),  # V67
        ("2026-11-27", "2026-11-27T18:00:00Z"),  # V68
        ("2026-12-24", "2026-12-24T18:00:00Z"),  # V71
        ("2026-04-03", "2026-04-03T13:00:00Z"),  # 08:15 CT on a jobs Friday
        ("2026-03-09", "2026-03-09T20:10:00Z"),  # V57, the first day of daylight time
    ],
)
def test_the_ladder_shifts_with_the_flat_by_time(label: str, flat_by: str) -> None:
    """-10 min no entries, -5 flatten, -2 the alarm while it is not proven."""
    from shared.venue.times import time_ns

    end, day = time_ns(flat_by, "flat_by"), DAYS.named(label)
    stage = Stage(wide(), now_ns=day.opens_ns + HOUR)
    real = stage.phase
    stage.phase = lambda phase, which=label: real(phase, which)  # type: ignore[method-assign]
    stage.opened()
    stage.phase = real  # type: ignore[method-assign]
    stage.at(end - 10 * MINUTE - SECOND)
    stage.bought("trend")
    stage.at(end - 10 * MINUTE)
    assert refused(stage.ask("mean_reversion", BUY, contract=MES)) is VetoRule.SESSION
    assert not [e for e in stage.at(end - 5 * MINUTE - SECOND) if isinstance(e, Flatten)]
    assert [e for e in stage.at(end - 5 * MINUTE) if isinstance(e, Flatten)]
    stage.at(end - 2 * MINUTE - SECOND)
    assert "ALARM" not in stage.state().cause
    stage.at(end - 2 * MINUTE)
    assert "ALARM" in stage.state().cause


# -- rests and news --------------------------------------------------------------------------------


def trade(stage: Stage, lost_ticks: int) -> None:
    stage.filled(stage.ask("trend", BUY), 84_000)
    stage.filled(stage.ask_exit("trend", SELL), 84_000 - lost_ticks)


def test_three_losing_trades_in_a_row_end_in_a_rest() -> None:
    stage = Stage(wide(loss_streak=3, cooldown_s=900)).opened()
    for lost in (10, 10, -10, 10, 10):
        trade(stage, lost)
        assert stage.level() is RiskLevel.ACTIVE
    trade(stage, 0)  # its fees are a loss
    assert refused(stage.ask("trend", BUY)) is VetoRule.REDUCE_ONLY
    assert "3 losing trades in a row" in stage.state().cause
    (one,) = stage.state().latches
    assert one.until_ns == stage.now + 900 * SECOND - 2_000_000
    stage.at(stage.now + 899 * SECOND)
    assert refused(stage.ask("trend", BUY)) is VetoRule.REDUCE_ONLY
    stage.at(stage.now + 2 * SECOND)
    passed(stage.ask("trend", BUY))


def test_a_makers_trades_do_not_count_as_a_streak() -> None:
    stage = Stage(wide(loss_streak=1)).opened()
    bought = passed(stage.quote_order(BUY, 23_999))
    stage.filled(bought, 23_999)
    sold = passed(stage.quote_order(SELL, 24_001))
    stage.filled(sold, 23_990)
    assert stage.state().session_net < 0
    assert stage.level() is RiskLevel.ACTIVE


def test_news_withdraw_entries_and_end_by_themselves() -> None:
    at = "2026-11-18T10:00:00-06:00"
    stage = Stage(wide(news=news(at, "FOMC"), news_before_s=60, news_after_s=120)).opened()
    event = OPENING + 25 * MINUTE
    stage.at(event - 62 * SECOND)
    held = stage.bought("trend")
    rests = passed(stage.ask("mean_reversion", BUY, contract=MES, type=OrderType.LIMIT,
                             limit_price=23_990))  # fmt: skip
    stage.update(rests, OrderState.WORKING)
    said = stage.at(event - 60 * SECOND)
    assert stage.cancelled(said) == [rests.intent_id]
    assert refused(stage.ask("tail_hedge", BUY)) is VetoRule.REDUCE_ONLY
    assert stage.held(held.contract) == 1, "news close nothing"
    passed(stage.ask_exit("trend", SELL))
    stage.at(event + 120 * SECOND)
    assert "news: FOMC" in stage.state().cause
    stage.at(event + 121 * SECOND)
    assert stage.level() is RiskLevel.ACTIVE


def test_the_consumer_prices_have_five_minutes_whatever_is_set() -> None:
    at = "2026-11-18T10:00:00-06:00"
    stage = Stage(wide(news=news(at, "CPI"), news_before_s=0, news_after_s=0)).opened()
    event = OPENING + 25 * MINUTE
    stage.at(event - 5 * MINUTE)
    assert refused(stage.ask("trend", BUY)) is VetoRule.REDUCE_ONLY
    stage.at(event + 5 * MINUTE)
    assert refused(stage.ask("trend", BUY)) is VetoRule.REDUCE_ONLY
    stage.at(event + 5 * MINUTE + SECOND)
    passed(stage.ask("trend", BUY))


def news(at: str, kind: str) -> tuple[Any, ...]:
    from shared.sections import News

    return (News(at=at, kind=kind),)
