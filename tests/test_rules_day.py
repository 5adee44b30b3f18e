"""The layers of a day, the floor's approach, streaks and windows: worked numbers by their names.

V.. are the worked vectors of the rule notes.
"""

from __future__ import annotations

import pytest

from shared.domain.rules import day, streak, windows
from shared.domain.rules.caps import fits, weight
from shared.domain.rules.conduct import (
    NOTIFY,
    QUIET,
    VETO,
    contracts_verdict,
    holds_too_briefly,
    messages_allowed,
)
from shared.units import MINUTE, SECOND, USD, micros
from shared.venue.times import time_ns

# -- daily limits ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "smaller"),
    [(1_000, 400, 400), (400, 1_000, 400), (0, 1_500, 1_500), (1_000, 0, 1_000), (0, 0, 0),
     (1_000, 1_500, 1_000)],
    ids=["cap", "turned", "V23-firm-off", "firm-only", "none", "V23-firm-on"],
)  # fmt: skip
def test_the_effective_limit_is_the_smallest_enabled(first: int, second: int, smaller: int) -> None:
    assert day.smaller_limit(first, second) == smaller


V21 = [  # net, recovery, session cap, emergency, daily cap, soft stop, firm's limit
    (-190, False, False, False, False, False, False),
    (-200, True, True, False, False, False, False),
    (-360, True, True, True, False, False, False),
    (-400, True, True, True, True, False, False),
    (-500, True, True, True, True, False, False),
    (-900, True, True, True, True, True, False),
    (-1_000, True, True, True, True, True, True),
]


@pytest.mark.parametrize("row", V21, ids=[f"V21:{row[0]}" for row in V21])
def test_v21_the_layers_fire_inside_out(
    row: tuple[int, bool, bool, bool, bool, bool, bool],
) -> None:
    net, effective, firm = row[0] * USD, day.smaller_limit(1_000 * USD, 400 * USD), 1_000 * USD
    assert (
        day.needs_recovery(net, effective),
        day.limit_is_reached(net, 200 * USD),
        day.is_emergency(net, effective),
        day.limit_is_reached(net, 400 * USD),
        day.share_is_lost(net, firm, day.NINE_TENTHS),
        day.limit_is_reached(net, firm),
    ) == row[1:]


@pytest.mark.parametrize(
    ("firm", "recovery", "emergency"),
    [(1_000, -500, -900), (0, -750, -1_350)],
    ids=["V23-firm-on", "V23-firm-off"],
)
def test_v23_a_looser_limit_of_ours_moves_the_shares_only_without_the_firms(
    firm: int, recovery: int, emergency: int
) -> None:
    effective = day.smaller_limit(firm * USD, 1_500 * USD)
    assert day.needs_recovery(recovery * USD, effective)
    assert not day.needs_recovery(recovery * USD + 1, effective)
    assert day.is_emergency(emergency * USD, effective)
    assert not day.is_emergency(emergency * USD + 1, effective)


def test_a_share_is_reached_where_its_amount_says() -> None:
    for limit in (1, 7, 400 * USD, 1_000 * USD - 1):
        for share in (day.HALF, day.NINE_TENTHS):
            amount = day.share_of(limit, share)
            assert day.share_is_lost(-amount - 1, limit, share)
            assert not day.share_is_lost(-amount + 1, limit, share)


def test_a_limit_that_is_not_enabled_is_never_reached() -> None:
    assert not day.limit_is_reached(-(10**12), 0)
    assert not day.share_is_lost(-(10**12), 0, day.HALF)


def test_v20_two_days_do_not_add_up() -> None:
    limit = 1_000 * USD
    first = day.session_net(49_400 * USD, 50_000 * USD)
    second = day.session_net(48_800 * USD, 49_400 * USD)
    assert (first, second) == (-600 * USD, -600 * USD)
    assert not day.limit_is_reached(first, limit)
    assert not day.limit_is_reached(second, limit)


def test_v25_fees_alone_move_the_day() -> None:
    fees = 10 * 2 * 2 * micros("0.61")
    assert day.session_net(50_000 * USD - fees, 50_000 * USD) == micros("-24.40")


@pytest.mark.parametrize(
    ("equity", "near"), [("48200.01", False), ("48200", True), ("48000", True), ("47000", True)]
)
def test_a_tenth_of_the_maximum_loss_above_the_floor(equity: str, near: bool) -> None:
    assert day.approaches_floor(micros(equity), 48_000 * USD, 2_000 * USD) is near


# -- caps ------------------------------------------------------------------------------------------


def test_v35_one_micro_beyond_the_cap() -> None:
    held = weight(2, 10) + weight(-3, 10)
    assert fits(40, held, 50)
    assert not fits(held, held + weight(1, 1), 50)
    assert fits(held, held - 10, 50), "closing any is allowed"
    assert fits(60, 55, 50), "also above a cap that fell"


# -- streaks and entries ---------------------------------------------------------------------------


def test_a_streak_of_losses_and_its_rest() -> None:
    count = 0
    for net, after in ((-1, 1), (-5, 2), (0, 0), (-1, 1), (7, 0), (-1, 1), (-1, 2), (-1, 3)):
        count = streak.streak_after(count, net)
        assert count == after
    until = streak.cooldown_until(100 * SECOND, count, 3, 15 * MINUTE)
    assert until == 100 * SECOND + 15 * MINUTE
    assert streak.is_cooling(until - 1, until)
    assert not streak.is_cooling(until, until)
    assert streak.cooldown_until(100 * SECOND, 2, 3, 15 * MINUTE) == 0
    assert streak.cooldown_until(100 * SECOND, 9, 0, 15 * MINUTE) == 0


@pytest.mark.parametrize(
    ("before", "after", "entry", "with_adds"),
    [(0, 1, True, True), (0, -2, True, True), (1, -1, True, True), (1, 2, False, True),
     (-1, -3, False, True), (2, 1, False, False), (2, 0, False, False), (0, 0, False, False)],
)  # fmt: skip
def test_what_an_entry_is(before: int, after: int, entry: bool, with_adds: bool) -> None:
    assert streak.is_entry(before, after, False) is entry
    assert streak.is_entry(before, after, True) is with_adds


def test_the_tenth_entry_passes_the_eleventh_does_not() -> None:
    assert streak.entries_fit(9, 0, 10)
    assert not streak.entries_fit(10, 0, 10)
    assert not streak.entries_fit(9, 1, 10), "one under way counts"


# -- windows ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "inside"),
    [(25_199, False), (25_200, True), (25_680, True), (22_801, False), (22_800, True)],
)
def test_v75_nothing_is_held_near_a_price_limit(price: int, inside: bool) -> None:
    assert windows.in_limit_zone(price, 24_000, 700, 200) is inside, "6000.00 in quarters"


@pytest.mark.parametrize(
    ("clock", "inside"),
    [("07:24:59", False), ("07:25:00", True), ("07:30:00", True), ("07:35:00", True),
     ("07:35:01", False)],
)  # fmt: skip
def test_v77_both_ends_of_a_release_are_inside(clock: str, inside: bool) -> None:
    release = time_ns("2026-11-10T07:30:00-06:00", "release")
    now = time_ns(f"2026-11-10T{clock}-06:00", "now")
    assert windows.in_window(now, release, 5 * MINUTE, 5 * MINUTE) is inside


@pytest.mark.parametrize(
    ("price", "was", "beyond"),
    [(10_040, 10_000, False), (10_041, 10_000, True), (9_960, 10_000, False), (9_959, 10_000, True),
     (10_000, 0, False)],
)  # fmt: skip
def test_a_jump_is_more_than_so_many_basis_points(price: int, was: int, beyond: bool) -> None:
    assert windows.jumped(price, was, 40) is beyond


# -- conduct ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("traded", "verdict"), [(99, QUIET), (100, NOTIFY), (200, NOTIFY), (201, VETO)]
)
def test_contracts_of_a_day(traded: int, verdict: int) -> None:
    assert contracts_verdict(traded, 100, 200) == verdict


@pytest.mark.parametrize(("traded", "allowed"), [(0, 500), (1, 550), (10, 1_000)])
def test_who_trades_may_say_more(traded: int, allowed: int) -> None:
    assert messages_allowed(500, 50, traded) == allowed


def test_ratios_are_judged_once_there_is_enough() -> None:
    assert not holds_too_briefly(0, 19, 5 * SECOND, 20)
    assert holds_too_briefly(20 * 5 * SECOND - 1, 20, 5 * SECOND, 20)
    assert not holds_too_briefly(20 * 5 * SECOND, 20, 5 * SECOND, 20)
