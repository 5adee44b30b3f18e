"""What the firm counts: winning days, payouts, consistency, the target, days without a trade.

Numbers like V38 name the worked examples of the firm's rules.
"""

from __future__ import annotations

import pytest

from services.simulator.firm import Verdict
from shared.units import USD
from shared.venue.times import time_ns
from tests.sim_firm_stage import Court, Paper, money
from tests.sim_stage import MES

V38 = ("150", "149.99", "400", "-300", "151", "150", "90", "200")


def paid_up(
    path: str, nets: tuple[str, ...], *, size: int = 50_000
) -> tuple[Paper, int, list[int]]:
    """An express account after days of these nets: it, its balance, what was payable after each."""
    firm, balance, seen = Paper("express", size, daily_loss=False, enforced=True, path=path), 0, []
    for net in nets:
        balance += money(net)
        firm.end_day(balance)
        seen.append(firm.at.largest_payout)
    return firm, balance, seen


def test_v38_five_winning_days_make_a_payout() -> None:
    firm, balance, seen = paid_up("standard", V38)
    assert (balance, firm.at.winning_days) == (money("990.99"), 5)
    assert seen == [0] * 7 + [money("495.49")]


def test_v39_half_of_what_is_left_is_too_little() -> None:
    firm, balance, _ = paid_up("standard", ("150",) * 5 + ("-520",))
    assert (balance, firm.at.winning_days, firm.at.largest_payout) == (money("230"), 5, 0)


@pytest.mark.parametrize(
    ("path", "daily_loss", "most"),
    [("standard", False, 2_000), ("consistency", False, 3_000), ("standard", True, 4_000),
     ("consistency", True, 4_500)],
)  # fmt: skip
def test_v40_what_9000_pay(path: str, daily_loss: bool, most: int) -> None:
    firm = Paper("express", 50_000, daily_loss=daily_loss, enforced=True, path=path)
    for balance in range(1_800, 9_001, 1_800):
        firm.end_day(balance * USD)
    assert firm.at.largest_payout == most * USD


def test_v42_the_day_of_the_request_does_not_count() -> None:
    firm, balance, _ = paid_up("standard", ("200",) * 5)
    firm.pay(money("300"), balance - money("300"))
    balance -= money("300")
    for count in range(6):
        balance += money("200")
        firm.end_day(balance)
        assert firm.at.winning_days == count
    assert firm.at.largest_payout == balance // 2


def test_from_the_second_payout_profit_must_be_new() -> None:
    firm, balance, _ = paid_up("standard", ("200",) * 5)
    firm.pay(money("200"), balance - money("200"))
    balance -= money("200")
    for net in ("-900", "150", "150", "150", "150", "150"):
        balance += money(net)
        firm.end_day(balance)
    assert firm.at.winning_days == 5
    assert balance < firm.at.basis
    assert firm.at.largest_payout == 0


def test_v49_the_consistency_path_forgets_what_was_before_the_payout() -> None:
    firm, balance, seen = paid_up("consistency", ("400", "350", "360"))
    assert seen == [0, 0, money("555")]
    firm.pay(money("555"), money("555"))
    firm.end_day(money("555"), traded=False)
    for balance in ("655", "755", "855"):
        firm.end_day(money(balance))
    assert (firm.at.best_day, firm.at.traded_days) == (money("100"), 3)
    assert firm.at.largest_payout == money("427.50")


def test_a_day_without_a_trade_counts_for_nothing_on_the_consistency_path() -> None:
    firm, balance, _ = paid_up("consistency", ("100", "90"))
    firm.end_day(balance, traded=False)
    assert (firm.at.traded_days, firm.at.largest_payout) == (2, 0)


@pytest.mark.parametrize(
    ("nets", "passed", "needed"),
    [
        (("1600", "1400"), True, "3000"),  # V44
        (("1700", "1300"), False, "3090.91"),  # V45
        (("1700", "1390.91"), True, "3090.91"),
        (("1650", "1350"), False, "3000.01"),  # V47
        (("1650", "1350.01"), True, "3000.01"),
        (("3000",), False, "5454.55"),
    ],
)
def test_the_combine_is_passed_by_target_and_consistency(
    nets: tuple[str, ...], passed: bool, needed: str
) -> None:
    firm, balance = Paper("combine", 50_000, daily_loss=False, enforced=True), money("50000")
    for net in nets:
        balance += money(net)
        firm.end_day(balance)
    assert (firm.at.passed, firm.at.needed_profit) == (passed, money(needed))


def test_the_target_is_seen_at_once_and_said_of_the_day() -> None:
    firm = Paper("combine", 50_000, daily_loss=False, enforced=True)
    assert firm.judge(money("52999.99")) is Verdict.FINE
    assert not firm.at.target_reached
    firm.judge(money("53000"))
    assert firm.at.target_reached
    assert firm.at.trades, "it forbids nothing"
    firm.end_day(money("52000"))
    assert (firm.at.target_reached, firm.at.passed) == (False, False)


def test_thirty_calendar_days_without_a_trade_are_too_many() -> None:
    firm = Paper("express", 50_000, daily_loss=False, enforced=True)
    for _ in range(10):
        firm.end_day(0, traded=False, days=3)
    assert (firm.at.idle_days, firm.at.idle) == (30, False)
    firm.end_day(0, traded=False)
    assert firm.at.idle
    firm.end_day(0, traded=True)
    assert (firm.at.idle_days, firm.at.idle) == (0, False)
    combine = Paper("combine", 50_000, daily_loss=False, enforced=True)
    combine.end_day(money("50000"), traded=False, days=99)
    assert not combine.at.idle, "a combine has no such limit"


def test_a_fill_makes_a_day_of_trading_and_weekends_count_as_calendar_days() -> None:
    court = Court()
    court.mark(MES, 6_000.0)
    assert not court.state.firm.traded
    assert court.place(MES, 0, 1).success
    assert court.state.firm.traded
    friday = time_ns("2026-11-20T17:00:01-06:00", "friday")
    court.bailiff.end_day("2026-11-18", time_ns("2026-11-18T17:00:01-06:00", "wednesday"))
    assert (court.state.firm.traded_days, court.state.firm.idle_days) == (1, 0)
    court.bailiff.end_day("2026-11-20", friday)
    assert court.state.firm.idle_days == 1
    court.bailiff.end_day("2026-11-23", time_ns("2026-11-23T17:00:01-06:00", "monday"))
    assert court.state.firm.idle_days == 4
