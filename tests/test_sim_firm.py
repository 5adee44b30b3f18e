"""The firm's floors, days, locks and caps on paper; numbers like V10 name published examples."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.simulator.firm import Verdict
from services.simulator.market import Hours
from shared.domain.sessions import calendar
from shared.units import USD
from shared.venue.times import time_ns
from tests.sim_firm_stage import Paper, money
from tests.sim_stage import settings_with

# -- the floor -------------------------------------------------------------------------------------


FLOORS: list[tuple[str, str, int, str, str]] = [
    (
        "V01", "combine", 50_000,
        "50500 50000 51200 50900 52000 51500 53000",
        "48000 48500 48500 49200 49200 50000 50000 50000",
    ),
    ("V02", "combine", 100_000, "101000 100200 103500 102000",
     "97000 98000 98000 100000 100000"),
    ("V04", "express", 50_000, "1000 2000 1300 2600", "-2000 -1000 0 0 0"),
    ("V06", "combine", 50_000, "50400", "48000 48400"),
    ("V07", "combine", 50_000, "49300 49900", "48000 48000 48000"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("stage", "size", "balances", "floors"), [row[1:] for row in FLOORS], ids=[r[0] for r in FLOORS]
)
def test_floor_after_each_day(stage: str, size: int, balances: str, floors: str) -> None:
    firm = Paper(stage, size, daily_loss=False, enforced=True)
    seen = [firm.at.floor]
    for balance in balances.split():
        firm.end_day(money(balance))
        seen.append(firm.at.floor)
    assert [level // USD for level in seen] == [int(level) for level in floors.split()]


def test_v09_a_payout_is_no_loss_and_leaves_the_floor_at_zero() -> None:
    firm = Paper("express", 50_000, daily_loss=True, enforced=True)
    for balance in ("1000", "2500", "4000"):
        firm.end_day(money(balance))
    assert (firm.at.floor, firm.at.high, firm.at.cap) == (0, money("4000"), 50)
    firm.pay(money("2000"), money("2000"))
    assert (firm.at.floor, firm.at.high, firm.at.opened) == (0, money("2000"), money("2000"))
    assert firm.judge(money("2000")) is Verdict.FINE, "the drop is not a loss of the day"
    assert firm.at.cap == 30, "the tier falls at once: 2,000 is the middle one"


def test_a_first_payout_lifts_a_floor_below_zero() -> None:
    firm = Paper("express", 50_000, daily_loss=False, enforced=True)
    firm.end_day(money("1000"))
    assert firm.at.floor == money("-1000")
    firm.pay(money("500"), money("500"))
    assert firm.at.floor == 0
    firm.end_day(money("900"))
    assert firm.at.floor == 0, "and there it stays"


def test_v12_the_first_touch_counts_and_nothing_undoes_it() -> None:
    firm = Paper("combine", 50_000, daily_loss=False, enforced=True)
    firm.at.floor = money("48500")
    verdicts = [firm.judge(money(level)) for level in ("49000", "48499.99", "50200")]
    assert verdicts == [Verdict.FINE, Verdict.BREACHED, Verdict.FINE]
    firm.end_day(money("50200"))
    assert firm.at.breached
    assert not firm.at.trades


def test_touching_is_breaching_one_micro_above_is_not() -> None:
    firm = Paper("combine", 50_000, daily_loss=False, enforced=True)
    assert firm.judge(money("48000") + 1) is Verdict.FINE
    assert firm.judge(money("48000")) is Verdict.BREACHED


# -- the day ---------------------------------------------------------------------------------------


def test_v19_the_limit_is_measured_from_the_days_begin() -> None:
    firm = Paper("combine", 50_000, daily_loss=True, enforced=True)
    assert firm.judge(money("50800")) is Verdict.FINE
    assert firm.judge(money("49800")) is Verdict.FINE, "a thousand below the peak"
    assert firm.judge(money("49000.01")) is Verdict.FINE
    assert firm.judge(money("49000")) is Verdict.DAY_LOST


def test_v20_two_days_do_not_add_up() -> None:
    firm = Paper("combine", 50_000, daily_loss=True, enforced=True)
    assert firm.judge(money("49400")) is Verdict.FINE
    firm.end_day(money("49400"))
    assert firm.judge(money("48800")) is Verdict.FINE
    assert firm.at.floor == money("48000")


@pytest.mark.parametrize(
    ("before", "after", "labels"),
    [
        ("2025-11-03T16:59:59-06:00", "2025-11-03T17:00:00-06:00", ("2025-11-03", "2025-11-04")),
        ("2026-01-19T11:44:00-06:00", "2026-01-19T17:00:00-06:00", ("2026-01-19", "2026-01-20")),
    ],
    ids=["V63", "V73-holiday"],
)
def test_600_before_and_600_after_17_ct_are_two_sessions(
    before: str, after: str, labels: tuple[str, str]
) -> None:
    hours = Hours(calendar(settings_with().session))
    found = tuple(hours.day(time_ns(instant, "instant")).day for instant in (before, after))
    assert found == labels
    firm = Paper("combine", 50_000, daily_loss=True, enforced=True)
    assert firm.judge(money("49400")) is Verdict.FINE
    firm.end_day(money("49400"), days=hours.days_since(labels[0], time_ns(after, "after")))
    assert firm.judge(money("48800")) is Verdict.FINE


@pytest.mark.parametrize(("stage", "wanted"), [("combine", False), ("practice", True)])
def test_without_a_limit_no_day_is_lost(stage: str, wanted: bool) -> None:
    firm = Paper(stage, 50_000, daily_loss=wanted, enforced=True)
    assert firm.terms.daily_loss == 0
    assert firm.judge(money("48500")) is Verdict.FINE


def test_practice_has_no_floor() -> None:
    firm = Paper("practice", 150_000, daily_loss=True, enforced=True)
    assert firm.judge(money("1")) is Verdict.FINE
    assert firm.at.cap == 150


def test_a_lock_ends_with_the_day_a_breach_does_not() -> None:
    firm = Paper("combine", 50_000, daily_loss=True, enforced=True)
    assert firm.judge(money("48900")) is Verdict.DAY_LOST
    assert not firm.at.trades
    assert firm.judge(money("48850")) is Verdict.FINE, "said once"
    assert firm.judge(money("48000")) is Verdict.BREACHED, "the floor holds while locked"
    firm.end_day(money("48000"))
    assert not firm.at.trades


def test_not_enforced_is_never_judged() -> None:
    firm = Paper("combine", 50_000, daily_loss=True, enforced=False)
    assert firm.judge(0) is Verdict.FINE


# -- the cap ---------------------------------------------------------------------------------------


def test_v50_lots_of_an_express_account_follow_its_balance() -> None:
    firm = Paper("express", 50_000, daily_loss=False, enforced=True)
    seen = [firm.at.cap // 10]
    for balance in ("0", "1499.99", "1500", "2000", "2000.01", "1400"):
        firm.end_day(money(balance))
        seen.append(firm.at.cap // 10)
    assert seen == [2, 2, 2, 3, 3, 5, 2]


def test_v51_up_at_the_turn_of_the_day_only() -> None:
    firm = Paper("express", 50_000, daily_loss=False, enforced=True)
    firm.judge(money("1600"))
    assert firm.at.cap == 20
    firm.end_day(money("1600"))
    assert firm.at.cap == 30


@given(
    st.sampled_from(["combine", "express"]),
    st.sampled_from([50_000, 100_000, 150_000]),
    st.lists(st.integers(-3_000, 6_000), max_size=30),
)
def test_a_floor_never_falls_and_stops_at_the_lock(stage: str, size: int, days: list[int]) -> None:
    firm = Paper(stage, size, daily_loss=True, enforced=True)
    balance, before = firm.at.opened, firm.at.floor
    for change in days:
        balance += change * USD
        firm.end_day(balance)
        assert before <= firm.at.floor <= firm.at.lock
        assert (
            firm.at.floor >= firm.at.high - firm.terms.maximum_loss or firm.at.floor == firm.at.lock
        )
        before = firm.at.floor
