"""The request budget: no window ever holds more than promised, and safety always has its own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.units import SECOND
from shared.venue.outcome import Reserve
from shared.venue.quota import KEPT, LAST, SHARES, WINDOW, Quota, quota_of

COMMON = (Reserve.SAFETY, Reserve.RECONCILE, Reserve.TRADING)


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
    assert spend(quota, Reserve.SAFETY, 0, 400) == 60 + 24 + 90
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
        assert len(recent) <= sum(SHARES[one] for one in COMMON)
        assert recent.count(Reserve.TRADING) <= SHARES[Reserve.TRADING]


def test_a_rehearsal_at_ten_times_the_speed_has_ten_times_the_minutes() -> None:
    quota = Quota({Reserve.TRADING: 2}, pace=10.0)
    assert quota.take(Reserve.TRADING, 0)
    assert quota.take(Reserve.TRADING, 0)
    assert not quota.take(Reserve.TRADING, 5 * SECOND)
    assert quota.take(Reserve.TRADING, 6 * SECOND)


def test_trading_stops_while_safety_can_still_answer_every_fill() -> None:
    """Safety has spent its own share and lives on what trading leaves: trading leaves it thirty.
    Found by a World of quoters whose stops stayed at home for want of budget.
    """
    quota = Quota()
    for number in range(60 + 24 + 60):
        assert quota.take(Reserve.SAFETY, number)
    assert quota.left(Reserve.SAFETY, 200) == KEPT
    assert quota.left(Reserve.TRADING, 200) == 0
    assert not quota.take(Reserve.TRADING, 200)
    assert quota.take(Reserve.SAFETY, 200)


def test_exits_leave_the_last_requests_to_stops_and_closes() -> None:
    """A sleeve that leaves and comes back all day never takes the stop of the next fill along."""
    quota = Quota()
    spent = 0
    while quota.take(Reserve.EXIT, 0):
        spent += 1
    assert spent == 60 + 24 + 90 - LAST
    assert quota.left(Reserve.SAFETY, 0) == LAST
    assert all(quota.take(Reserve.SAFETY, 0) for _ in range(LAST))
    assert not quota.take(Reserve.SAFETY, 0)
    assert quota.left(Reserve.EXIT, WINDOW) == 60 + 24 + 90 - LAST
