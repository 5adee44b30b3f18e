"""Payouts, consistency, scaling, Kelly, correlation: worked numbers by their names.

V.. are the worked vectors of the rule notes.
"""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts import PRODUCTS
from shared.domain.rules import (
    consistency,
    correlation,
    kelly,
    payout,
    scaling,
    sizing,
    slices,
)
from shared.domain.rules.loss import floor_after_day, high_after_day, kill_level
from shared.units import USD, micros

STEPS = (1_500 * USD, 2_000 * USD, 3_000 * USD, 4_500 * USD)

# -- fees ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("root", "exchange", "commission", "both_sides"),
    [("ES", "2.76", "1.00", "3.78"), ("MES", "0.70", "0.50", "1.22")],
    ids=["V78-ES", "V78-MES"],
)
def test_v78_what_a_round_turn_costs(
    root: str, exchange: str, commission: str, both_sides: str
) -> None:
    parts = micros(exchange) + micros("0.02") + micros(commission)
    assert 2 * PRODUCTS[root].fee_side_micros == parts == micros(both_sides)


# -- payouts ---------------------------------------------------------------------------------------

V38 = ("150", "149.99", "400", "-300", "151", "150", "90", "200")


def test_v38_winning_days_and_the_largest_request() -> None:
    balance = wins = old_wins = 0
    eligible = []
    for text in V38:
        net = micros(text)
        balance += net
        wins += payout.is_winning_day(net, 150 * USD)
        old_wins += payout.is_winning_day(net, 200 * USD)
        eligible.append(payout.may_request((wins, 5), (0, 0), (balance, 0)))
    assert eligible == [False] * 7 + [True]
    assert balance == micros("990.99")
    assert payout.largest_request(balance, 50, 2_000 * USD, 125 * USD) == micros("495.49")
    assert old_wins == 2, "by the older 200 two days would count"


def test_v39_half_of_230_is_below_the_least_request() -> None:
    assert payout.largest_request(230 * USD, 50, 2_000 * USD, 125 * USD) == 0
    assert payout.largest_request(250 * USD, 50, 2_000 * USD, 125 * USD) == 125 * USD


@pytest.mark.parametrize(
    ("cap", "largest"),
    [(2_000, 2_000), (3_000, 3_000), (4_000, 4_000), (6_000, 4_500), (5_000, 4_500)],
    ids=["V40-standard", "V40-consistency", "V40-standard-dll", "V40-consistency-dll", "V40-seed"],
)
def test_v40_the_cap_or_half_of_9000(cap: int, largest: int) -> None:
    asked = payout.largest_request(9_000 * USD, 50, cap * USD, 125 * USD)
    assert asked == largest * USD


def test_from_the_second_payout_there_must_be_new_profit() -> None:
    cent = USD // 100
    assert not payout.may_request((5, 5), (0, 0), (0, cent))
    assert payout.may_request((5, 5), (0, 0), (cent, cent))
    assert not payout.may_request((0, 0), (2, 3), (cent, cent))


def test_v43_what_reaches_the_trader() -> None:
    assert payout.received(1_000 * USD, 90, 30 * USD) == 870 * USD
    assert payout.received(500 * USD, 90, 30 * USD) == 420 * USD


def test_v09_a_payout_moves_floor_high_and_kill_together() -> None:
    high, floor, lock = 4_000 * USD, 0, 0
    assert kill_level(high, 1_600 * USD, floor) == 2_400 * USD
    high = payout.rebased(high, 2_000 * USD)
    assert high == 2_000 * USD
    assert kill_level(high, 1_600 * USD, payout.floor_after_payout(floor, lock)) == 400 * USD
    opened = payout.rebased(4_000 * USD, 2_000 * USD)
    assert 2_000 * USD - opened == 0, "the day saw no loss"


def test_the_first_payout_lifts_a_floor_below_its_lock_for_good() -> None:
    floor = payout.floor_after_payout(-1_000 * USD, 0)
    assert floor == 0
    high = high_after_day(payout.rebased(1_000 * USD, 500 * USD), 900 * USD)
    assert floor_after_day(floor, high, 2_000 * USD, 0) == 0


# -- consistency -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("best", "total", "percent", "met"),
    [
        ("1600", "3000", 55, True),
        ("1600", "3000", 50, False),
        ("1600", "3200", 50, False),
        ("1600", "3200.01", 50, True),
        ("1700", "3090.90", 55, False),
        ("1700", "3090.91", 55, True),
        ("1650", "3000", 55, False),
        ("1650", "3000.01", 55, True),
        ("100", "300", 40, True),
        ("120", "300", 40, False),
        ("1", "0", 55, False),
        ("-5", "-10", 55, False),
    ],
    ids=["V44-55", "V44-50", "V44-at", "V44-past", "V45-below", "V45-met", "V47-exactly",
         "V47-met", "V49", "exactly-40", "no-profit", "loss"],
)  # fmt: skip
def test_the_share_of_the_best_day(best: str, total: str, percent: int, met: bool) -> None:
    assert consistency.is_consistent(micros(best), micros(total), percent) is met


@pytest.mark.parametrize(
    ("best", "percent", "shown", "meets"),
    [("1700", 55, "3090.91", "3090.91"), ("1700", 50, "3400", "3400.01"),
     ("1600", 50, "3200", "3200.01"), ("1650", 55, "3000", "3000.01")],
    ids=["V45-55", "V45-50", "V44-50", "V47"],
)  # fmt: skip
def test_the_profit_that_is_needed(best: str, percent: int, shown: str, meets: str) -> None:
    assert consistency.needed_total(micros(best), percent) == micros(shown)
    assert consistency.meeting_total(micros(best), percent) == micros(meets)


@given(st.integers(0, 500_000), st.sampled_from([40, 50, 55]))
def test_a_days_profit_up_to_the_largest_keeps_the_rule(cents: int, percent: int) -> None:
    others = cents * payout.CENT
    most = consistency.largest_day(others, percent)
    if most:
        assert consistency.is_consistent(most, others + most, percent)
    beyond = most + payout.CENT
    assert not consistency.is_consistent(beyond, others + beyond, percent)


# -- scaling ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("balance", "lots"),
    [("0", 2), ("1499.99", 2), ("1500", 3), ("2000", 3), ("2000.01", 5), ("1400", 2), ("9999", 5),
     ("-500", 2)],
    ids=lambda value: f"V50:{value}",
)  # fmt: skip
def test_v50_lots_of_the_next_session(balance: str, lots: int) -> None:
    assert scaling.scaled_tenths(micros(balance), STEPS, (2, 3, 5, 5, 5)) == lots * 10


def test_the_larger_ladder_has_its_own_steps() -> None:
    found = [
        scaling.scaled_tenths(dollars * USD, STEPS, (3, 4, 5, 10, 15))
        for dollars in (1_499, 1_500, 2_000, 2_001, 3_000, 3_001, 4_500, 4_501)
    ]
    assert found == [30, 40, 40, 50, 50, 100, 100, 150]


def test_v51_up_at_the_reset_only_down_at_once() -> None:
    assert scaling.cap_in_the_day(20, 30) == 20
    assert scaling.cap_in_the_day(50, 30) == 30


# -- Kelly -----------------------------------------------------------------------------------------


def test_v31_a_quarter_of_kelly() -> None:
    fraction = kelly.kelly_fraction(55, 45, 55 * 150, 45 * 100)  # p 0.55, b 1.5
    assert Fraction(*fraction) == Fraction(1, 4)
    assert kelly.kelly_risk(2_000 * USD, fraction) == 125 * USD


def test_v32_a_record_that_loses_bets_nothing() -> None:
    fraction = kelly.kelly_fraction(40, 60, 40 * 100, 60 * 100)  # p 0.40, b 1
    assert Fraction(*fraction) == Fraction(-1, 5)
    assert kelly.kelly_risk(2_000 * USD, fraction) == 0


@pytest.mark.parametrize("record", [(0, 0, 0, 0), (0, 5, 0, 100), (3, 0, 0, 0)])
def test_without_a_record_nothing_is_bet(record: tuple[int, int, int, int]) -> None:
    assert kelly.kelly_risk(2_000 * USD, kelly.kelly_fraction(*record)) == 0


@given(
    st.integers(1, 500), st.integers(0, 500), st.integers(1, 10**8), st.integers(0, 10**8),
    st.integers(0, 10_000 * USD),
)  # fmt: skip
def test_kelly_rounds_down_and_by_less_than_a_micro(
    wins: int, losses: int, gained: int, lost: int, bankroll: int
) -> None:
    chance = Fraction(wins, wins + losses)
    exact = chance - (1 - chance) * Fraction(lost * wins, losses * gained) if losses else chance
    if not losses:
        lost = 0
    risk = kelly.kelly_risk(bankroll, kelly.kelly_fraction(wins, losses, gained, lost))
    assert risk == max(0, int(exact / 4 * bankroll // 1))


# -- correlation -----------------------------------------------------------------------------------


def sums_of(xs: list[int], ys: list[int]) -> correlation.Sums:
    sums = correlation.EMPTY
    for x, y in zip(xs, ys, strict=True):
        sums = correlation.with_pair(sums, x, y)
    return sums


def test_v34_exactly_the_limit_is_allowed() -> None:
    sums = sums_of([1, 2, 3, 4], [2, 1, 4, 3])
    assert not correlation.exceeds(sums, 4, (3, 5))
    assert not correlation.exceeds(sums, 4, (6, 10))
    assert correlation.exceeds(sums, 4, (59, 100))


def test_unknown_counts_as_one() -> None:
    assert correlation.exceeds(sums_of([1, 2, 3], [3, 2, 1]), 4, (3, 5)), "too few samples"
    assert correlation.exceeds(sums_of([1, 1, 1], [3, 2, 1]), 3, (3, 5)), "never varied"
    assert not correlation.exceeds(sums_of([1, 2, 3], [3, 2, 1]), 3, (3, 5))


RETURNS = st.integers(-500_000, 500_000)


@given(st.lists(st.tuples(RETURNS, RETURNS), min_size=2, max_size=60), st.integers(0, 10))
def test_the_comparison_is_the_exact_one(pairs: list[tuple[int, int]], tenths: int) -> None:
    xs, ys = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    sums = sums_of(xs, ys)
    n = len(pairs)
    together = n * sums[5] - sums[1] * sums[2]
    varied = (n * sums[3] - sums[1] ** 2) * (n * sums[4] - sums[2] ** 2)
    if not varied:
        assert correlation.exceeds(sums, 2, (tenths, 10))
        return
    above = together > 0 and Fraction(together**2, varied) > Fraction(tenths**2, 100)
    assert correlation.exceeds(sums, 2, (tenths, 10)) is above


@pytest.mark.parametrize(
    ("left", "right", "more"),
    [((7, 2), (5, 2), True), ((5, 2), (7, 2), False), ((5, 2), (5, 2), False),
     ((5, 3), (3, 2), True), ((3, 2), (5, 3), False), ((10, 5), (2, 1), False),
     ((0, 1), (1, 9), False)],
)  # fmt: skip
def test_which_of_two_fractions_is_larger(
    left: tuple[int, int], right: tuple[int, int], more: bool
) -> None:
    assert correlation.is_more(left, right) is more


# -- slices ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("won", "lost", "weighs"),
    [(0, 0, 100), (5, 0, 150), (0, 5, 10), (5, 5, 100), (30, 10, 125), (10, 30, 50),
     (1, 19, 10), (2, 18, 20), (3, 2, 110)],
)  # fmt: skip
def test_what_a_sleeves_days_weigh(won: int, lost: int, weighs: int) -> None:
    assert slices.weight(won, lost) == weighs


@pytest.mark.parametrize(
    ("capital", "weights", "percent", "net", "gets"),
    [(2_000, (100, 400), 40, 0, 500), (2_000, (100, 200), 40, 0, 800),
     (2_000, (100, 400), 40, 9, 500), (2_000, (100, 400), 40, -60, 440),
     (2_000, (10, 310), 40, -100, 0), (2_000, (10, 310), 40, -64, 0),
     (2_000, (10, 310), 40, -63, 1), (0, (100, 400), 40, 0, 0), (-5, (100, 400), 40, 0, 0)],
)  # fmt: skip
def test_what_a_slice_is(
    capital: int, weights: tuple[int, int], percent: int, net: int, gets: int
) -> None:
    assert slices.slice_of(capital, weights, percent, net) == gets


@pytest.mark.parametrize(("net", "left"), [(0, 500), (70, 500), (-70, 430), (-600, -100)])
def test_a_loss_uses_a_slice_up_and_a_gain_adds_nothing(net: int, left: int) -> None:
    assert slices.left_of(500, net) == left


# -- groups, margin, recovery ----------------------------------------------------------------------


@pytest.mark.parametrize(("long", "short", "loses"), [(50_000, 20_000, 500), (20_000, 50_000, 500),
                                                      (0, 0, 0), (199, 150, 1)])  # fmt: skip
def test_a_group_loses_its_worse_side(long: int, short: int, loses: int) -> None:
    assert sizing.group_loss(long, short, 100) == loses


def test_the_margin_of_two_is_a_share_of_what_they_are_worth() -> None:
    assert sizing.margin(2, 84_000, micros("0.50"), 1_000) == micros(8_400)
    assert sizing.margin(0, 84_000, micros("0.50"), 1_000) == 0


@pytest.mark.parametrize(("limit", "half"), [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2)])
def test_half_of_a_size_is_one_at_least(limit: int, half: int) -> None:
    assert sizing.halved(limit) == half
