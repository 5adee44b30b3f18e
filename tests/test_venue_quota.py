"""The request budget: no window ever holds more than promised, and safety always has its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.units import SECOND
from shared.venue.outcome import Reserve
from shared.venue.quota import LEAVES, SHARES, WINDOW, Quota, quota_of

COMMON = tuple(LEAVES)
POT = 60 + 24 + 90


def spend(quota, reserve, now, times):
    return sum(quota.take(reserve, now) for _ in range(times))


def test_shares_and_sliding():
    quota = Quota()
    assert spend(quota, Reserve.TRADING, 0, 200) == 90
    assert quota.left(Reserve.TRADING, 59 * SECOND) == 0
    assert quota.left(Reserve.TRADING, 60 * SECOND) == 90


def test_trading_cannot_touch_what_belongs_to_safety():
    quota = Quota()
    spend(quota, Reserve.TRADING, 0, 200)
    spend(quota, Reserve.RECONCILE, 0, 200)
    assert spend(quota, Reserve.SAFETY, 0, 200) == 60


def test_safety_may_use_what_the_others_left():
    quota = Quota()
    assert spend(quota, Reserve.SAFETY, 0, 400) == POT
    assert quota.left(Reserve.TRADING, 0) == 0
    assert quota.left(Reserve.SENTINEL, 0) == 20


def test_history_has_a_window_of_its_own():
    quota = Quota()
    assert spend(quota, Reserve.HISTORY, 0, 100) == 45
    assert quota.left(Reserve.HISTORY, 30 * SECOND) == 45
    assert quota.left(Reserve.TRADING, 0) == 90


def test_what_never_left_is_given_back():
    quota = Quota()
    spend(quota, Reserve.SENTINEL, 0, 20)
    quota.give_back(Reserve.SENTINEL)
    assert quota.left(Reserve.SENTINEL, 1) == 1


def test_the_settings_move_the_shares():
    assert quota_of(180, 60).left(Reserve.TRADING, 0) == 90
    assert quota_of(100, 60).left(Reserve.TRADING, 0) == 16
    assert quota_of(50, 60).left(Reserve.TRADING, 0) == 0
    assert quota_of(180, 30).left(Reserve.SAFETY, 0) == 30 + 24 + 90


@given(st.lists(st.tuples(st.sampled_from(Reserve), st.integers(0, 20)), max_size=300))
def test_no_minute_holds_more_than_all_shares(story):
    quota, now, taken = Quota(), 0, []
    for reserve, seconds in story:
        now += seconds * SECOND
        left = quota.left(reserve, now)
        if quota.take(reserve, now):
            assert left > 0
            taken.append((now, reserve))
        recent = [one for when, one in taken if when > now - 60 * SECOND and one in COMMON]
        assert len(recent) <= POT
        assert recent.count(Reserve.TRADING) <= SHARES[Reserve.TRADING]


def test_a_rehearsal_at_ten_times_the_speed_has_ten_times_the_minutes() -> None:
    quota = Quota({Reserve.TRADING: 2}, pace=10.0)
    assert quota.take(Reserve.TRADING, 0)
    assert quota.take(Reserve.TRADING, 0)
    assert not quota.take(Reserve.TRADING, 5 * SECOND)
    assert quota.take(Reserve.TRADING, 6 * SECOND)


@pytest.mark.parametrize("reserve", [Reserve.TRADING, Reserve.RECONCILE, Reserve.EXIT])
def test_nobody_takes_the_last_requests_of_stops_and_closes(reserve):
    """Safety has spent its own share and lives on what the others leave. Found by Worlds of
    quoters whose stops, and the cancels of a flatten, stayed at home for want of budget.
    """
    quota = Quota()
    spend(quota, Reserve.SAFETY, 0, POT - LEAVES[reserve])
    assert quota.left(Reserve.SAFETY, 0) == LEAVES[reserve] >= 30
    assert quota.left(reserve, 0) == 0
    assert spend(quota, reserve, 0, 1) == 0
    assert spend(quota, Reserve.SAFETY, 0, POT) == LEAVES[reserve]


def test_exits_may_use_what_the_others_left_but_not_the_last():
    quota = Quota()
    assert spend(quota, Reserve.EXIT, 0, POT) == POT - LEAVES[Reserve.EXIT]
    assert quota.left(Reserve.EXIT, WINDOW) == POT - LEAVES[Reserve.EXIT]
