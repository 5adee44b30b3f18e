"""The rule functions, compiled as they stand, answer what the interpreter answers.

Monte Carlo will run them compiled; a rule that only one of both can compute would be two rules.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable
from pathlib import Path
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
    slices,
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
NEAR = st.integers(99_998, 100_002)
RETURN = st.integers(-500_000, 500_000)
STEPS = st.just((1_500 * USD, 2_000 * USD, 3_000 * USD, 4_500 * USD))

CASES: list[tuple[Callable[..., Any], tuple[st.SearchStrategy[Any], ...]]] = [
    (loss.high_after_day, (MONEY, MONEY)),
    (loss.floor_after_day, (MONEY, MONEY, POSITIVE, MONEY)),
    (loss.kill_level, (MONEY, POSITIVE, MONEY)),
    (loss.is_touched, (MONEY, MONEY)),
    (day.smaller_limit, (MONEY, MONEY)),
    (day.limit_is_reached, (MONEY, MONEY)),
    (day.share_is_lost, (MONEY, MONEY, SHARE)),
    (day.needs_recovery, (MONEY, MONEY)),
    (day.is_emergency, (MONEY, MONEY)),
    (day.share_of, (POSITIVE, SHARE)),
    (day.approaches_floor, (MONEY, MONEY, POSITIVE)),
    (day.session_net, (MONEY, MONEY)),
    (sizing.exposure, (LOTS, COUNT, COUNT)),
    (sizing.entry_cost, (COUNT, COUNT, POSITIVE, POSITIVE)),
    (sizing.held_cost, (LOTS, COUNT, POSITIVE, POSITIVE)),
    (sizing.largest_size, (MONEY, POSITIVE)),
    (sizing.price_distance, (TICKS, TICKS, TICKS)),
    (sizing.resting_price, (NEAR, st.sampled_from([1, -1]), NEAR, NEAR)),
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
    (conduct.contracts_verdict, (COUNT, COUNT, COUNT)),
    (conduct.holds_too_briefly, (TIME, COUNT, st.integers(0, 10**10), COUNT)),
    (kelly.kelly_fraction, (COUNT, COUNT, CENTS, CENTS)),
    (kelly.kelly_risk, (MONEY, st.tuples(st.integers(-(10**9), 10**9), st.integers(1, 10**10)))),
    (conduct.messages_allowed, (COUNT, COUNT, COUNT)),
    (windows.jumped, (TICKS, st.integers(0, 200_000), COUNT)),
    (sizing.group_loss, (POSITIVE, POSITIVE, st.integers(1, 10_000))),
    (sizing.margin, (COUNT, TICKS, st.integers(1, 32 * USD), st.integers(1, 5_000))),
    (sizing.halved, (st.integers(1, 50),)),
    (slices.weight, (MONEY.map(abs), MONEY.map(abs))),
    (slices.slice_of, (MONEY, PAIR.map(lambda p: (p[0], p[1] + 1)), PERCENT, MONEY)),
    (slices.left_of, (MONEY, MONEY)),
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


def public_rules() -> set[Callable[..., Any]]:
    themes = (caps, conduct, consistency, correlation, day, kelly, loss, payout, scaling, sizing,
              slices, streak, windows)  # fmt: skip
    return {
        value
        for theme in themes
        for name, value in vars(theme).items()
        if callable(value) and getattr(value, "__module__", "") == theme.__name__
    }


def rules_asked(path: Path) -> set[tuple[str, str]]:
    """(theme, rule) of everything from the rules that a source uses, imports alone aside."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    themes = {
        one.asname or one.name: one.name
        for node in imports for one in node.names if node.module == OURS
    }  # fmt: skip
    named = {
        one.asname or one.name: (str(node.module).rpartition(".")[2], one.name)
        for node in imports for one in node.names if str(node.module).startswith(OURS + ".")
    }  # fmt: skip
    found = set()
    for node in nodes:
        if isinstance(node, ast.Name):
            found.add(named.get(node.id, (path.stem, node.id)))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found.add((themes.get(node.value.id, ""), node.attr))
    return found


def test_every_public_rule_is_asked_by_somebody_who_acts() -> None:
    """A rule that only its tests ask is no rule: whoever acts would reckon in another way."""
    repo = Path(__file__).resolve().parent.parent
    rooms = (repo / room for room in ("services", "shared", "scripts"))
    asked = set().union(*(rules_asked(path) for room in rooms for path in room.rglob("*.py")))
    wanted = {(rule.__module__.rpartition(".")[2], rule.__name__) for rule in public_rules()}
    assert wanted - asked == set()


def test_every_public_rule_is_compared() -> None:
    public = public_rules()
    tested = {case[0] for case in CASES} | {correlation.exceeds}
    assert {f.__name__ for f in public - tested} == set()
