"""The rule functions, compiled as they stand, answer what the interpreter answers.

Monte Carlo will run them compiled; a rule that only one of both can compute would be two rules.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from types import FunctionType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.rules import (
    caps,
    conduct,
    consistency,
    correlation,
    day,
    kelly,
    loss,
    payout,
    scaling,
    sizing,
    streak,
    windows,
)
from shared.units import USD

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    numba = pytest.importorskip("numba")

OURS = "shared.domain.rules"
MONEY = st.integers(-20_000 * USD, 20_000 * USD)
POSITIVE = st.integers(1, 20_000 * USD)
LOTS = st.integers(-50, 50)
COUNT = st.integers(0, 50)
PERCENT = st.integers(1, 99)
TIME = st.integers(0, 10**15)
SHARE = st.sampled_from([day.HALF, day.NINE_TENTHS])
PAIR = st.tuples(COUNT, COUNT)
CENTS = st.integers(0, 10**8)
TICKS = st.integers(1, 200_000)
RETURN = st.integers(-500_000, 500_000)
STEPS = st.just((1_500 * USD, 2_000 * USD, 3_000 * USD, 4_500 * USD))

CASES: list[tuple[Callable[..., Any], tuple[st.SearchStrategy[Any], ...]]] = [
    (loss.high_after_day, (MONEY, MONEY)),
    (loss.floor_after_day, (MONEY, MONEY, POSITIVE, MONEY)),
    (loss.kill_level, (MONEY, POSITIVE, MONEY)),
    (loss.is_touched, (MONEY, MONEY)),
    (loss.day_is_lost, (MONEY, POSITIVE, POSITIVE)),
    (loss.slack, (MONEY, MONEY, MONEY, MONEY)),
    (day.smaller_limit, (MONEY, MONEY)),
    (day.limit_is_reached, (MONEY, MONEY)),
    (day.share_is_lost, (MONEY, MONEY, SHARE)),
    (day.needs_recovery, (MONEY, MONEY)),
    (day.is_emergency, (MONEY, MONEY)),
    (day.share_of, (POSITIVE, SHARE)),
    (day.approaches_floor, (MONEY, MONEY, POSITIVE)),
    (day.session_net, (MONEY, MONEY, MONEY)),
    (sizing.exposure, (LOTS, COUNT, COUNT)),
    (sizing.entry_cost, (COUNT, COUNT, POSITIVE, POSITIVE)),
    (sizing.held_cost, (LOTS, COUNT, POSITIVE, POSITIVE)),
    (sizing.largest_size, (MONEY, POSITIVE)),
    (sizing.price_distance, (TICKS, TICKS, TICKS)),
    (sizing.gap_ticks, (TICKS, st.integers(0, 10_000), PERCENT)),
    (sizing.exit_room, (LOTS, st.sampled_from([1, -1]), COUNT)),
    (caps.weight, (LOTS, COUNT)),
    (caps.fits, (COUNT, COUNT, COUNT)),
    (caps.smaller_cap, (COUNT, COUNT)),
    (scaling.tier_of, (MONEY, STEPS)),
    (scaling.scaled_tenths, (MONEY, STEPS, st.just((2, 3, 5, 5, 5)))),
    (scaling.cap_in_the_day, (COUNT, COUNT)),
    (payout.is_winning_day, (MONEY, POSITIVE)),
    (payout.may_request, (PAIR, PAIR, st.tuples(MONEY, MONEY))),
    (payout.largest_request, (MONEY, PERCENT, POSITIVE, POSITIVE)),
    (payout.received, (POSITIVE, PERCENT, POSITIVE)),
    (payout.floor_after_payout, (MONEY, MONEY)),
    (payout.rebased, (MONEY, MONEY)),
    (consistency.is_consistent, (MONEY, MONEY, PERCENT)),
    (consistency.share_percent, (MONEY, MONEY)),
    (consistency.needed_total, (MONEY, PERCENT)),
    (consistency.meeting_total, (MONEY, PERCENT)),
    (consistency.largest_day, (MONEY, PERCENT)),
    (streak.streak_after, (COUNT, MONEY)),
    (streak.cooldown_until, (TIME, COUNT, COUNT, TIME)),
    (streak.is_cooling, (TIME, TIME)),
    (streak.is_entry, (LOTS, LOTS, st.booleans())),
    (streak.entries_fit, (COUNT, COUNT, COUNT)),
    (windows.in_limit_zone, (TICKS, TICKS, st.just(700), st.just(200))),
    (windows.in_window, (TIME, TIME, TIME, TIME)),
    (windows.opening_passes, (COUNT, COUNT, COUNT)),
    (conduct.contracts_verdict, (COUNT, COUNT, COUNT)),
    (conduct.holds_too_briefly, (TIME, COUNT, st.integers(0, 10**10), COUNT)),
    (conduct.cancels_too_often, (COUNT, COUNT, COUNT, COUNT)),
    (kelly.kelly_fraction, (COUNT, COUNT, CENTS, CENTS)),
    (kelly.kelly_risk, (MONEY, st.tuples(st.integers(-(10**9), 10**9), st.integers(1, 10**10)))),
    (correlation.with_pair, (st.just((5, 1, 2, 3, 4, 5)), RETURN, RETURN)),
    (correlation.is_more, (PAIR.map(lambda p: (p[0], p[1] + 1)),) * 2),
]


class Compiled:
    """Compiled twins by function; a function that calls others of ours finds their twins there."""

    def __init__(self) -> None:
        self._made: dict[Callable[..., Any], Any] = {}

    def __call__(self, function: Callable[..., Any]) -> Any:
        if function not in self._made:
            names = dict(function.__globals__)
            for name in function.__code__.co_names:
                found = names.get(name)
                if isinstance(found, FunctionType) and found.__module__.startswith(OURS):
                    names[name] = self(found)
            twin = type(function)(function.__code__, names, function.__name__)
            self._made[function] = numba.njit(twin)
        return self._made[function]


compiled = Compiled()


@pytest.mark.parametrize(("function", "wishes"), CASES, ids=[case[0].__name__ for case in CASES])
def test_a_compiled_rule_is_the_rule(
    function: Callable[..., Any], wishes: tuple[st.SearchStrategy[Any], ...]
) -> None:
    twin = compiled(function)

    @settings(max_examples=60)
    @given(st.tuples(*wishes))
    def agree(given_values: tuple[Any, ...]) -> None:
        assert twin(*given_values) == function(*given_values)

    agree()


@settings(max_examples=40)
@given(st.lists(st.tuples(RETURN, RETURN), max_size=60))
def test_compiled_correlation_fits_64_bits(pairs: list[tuple[int, int]]) -> None:
    twin = compiled(correlation.exceeds)
    sums = correlation.EMPTY
    for x, y in pairs:
        sums = correlation.with_pair(sums, x, y)
    assert twin(sums, 20, (3, 5)) == correlation.exceeds(sums, 20, (3, 5))


def test_every_public_rule_is_compared() -> None:
    themes = (caps, conduct, consistency, correlation, day, kelly, loss, payout, scaling, sizing,
              streak, windows)  # fmt: skip
    public = {
        value
        for theme in themes
        for name, value in vars(theme).items()
        if callable(value) and getattr(value, "__module__", "") == theme.__name__
    }
    tested = {case[0] for case in CASES} | {correlation.exceeds, correlation.without_pair}
    assert {f.__name__ for f in public - tested} == set()
