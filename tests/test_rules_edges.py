"""The rules' functions at their exact edges, where nothing else happens to ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared.domain.rules.caps import fits
from shared.domain.rules.consistency import is_consistent, largest_day, share_percent
from shared.domain.rules.correlation import EMPTY, Sums, exceeds, with_pair
from shared.domain.rules.kelly import kelly_fraction
from shared.domain.rules.payout import floor_after_payout
from shared.domain.rules.sizing import largest_size
from shared.domain.rules.streak import is_entry
from shared.units import USD


def sums_of(*pairs: tuple[int, int]) -> Sums:
    sums = EMPTY
    for x, y in pairs:
        sums = with_pair(sums, x, y)
    return sums


@pytest.mark.parametrize(
    ("rule", "given", "found"),
    [
        (fits, (7, 7, 5), True),  # above a cap that fell, nothing added
        (fits, (7, 8, 5), False),
        (is_entry, (2, 2, True), False),  # nothing was added
        (is_entry, (-2, -2, True), False),
        (is_entry, (2, 3, True), True),
        (is_consistent, (-1, 0, 55), False),  # no profit is never enough
        (share_percent, (1_600 * USD, 3_000 * USD), 54),  # 53.33, rounded up
        (share_percent, (1_600 * USD, 3_200 * USD), 50),
        (share_percent, (100, 0), 0),
        (share_percent, (100, -5), 0),
        (share_percent, (-100, 5), 0),
        (largest_day, (100 * USD, 100), 0),
        (exceeds, (sums_of((0, 1), (1, 0)), 2, (6, 10)), False),  # two days are enough to differ
        (exceeds, (sums_of((0, 0), (0, 1), (1, 0), (1, 1)), 2, (0, 1)), False),  # exactly 0
        (kelly_fraction, (0, 0, 0, 0), (0, 1)),
        (kelly_fraction, (0, 0, 5, 0), (0, 1)),
        (kelly_fraction, (0, 3, 0, 300), (0, 1)),
        (floor_after_payout, (-500, -100), -100),
        (floor_after_payout, (50, 0), 50),
    ],
)
def test_a_rule_at_its_edge(rule: Callable[..., Any], given: tuple[Any, ...], found: Any) -> None:
    assert rule(*given) == found


def test_a_contract_that_costs_nothing_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError, match="costs something"):
        largest_size(100, 0)
