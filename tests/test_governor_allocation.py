"""The distance to the floor, divided: who gets how much of it, and who pays for whom."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.risk_governor.allocation import budget_left, divide, weight
from services.risk_governor.equity import sleeve_net
from shared.events import Phase
from shared.units import SECOND, USD
from tests.governor_stage import BUY, MNQ, SELL, Stage, dollars, passed, wide

nets = st.lists(st.integers(-500 * USD, 500 * USD), max_size=10)
records = st.dictionaries(st.sampled_from("abcdef"), nets, min_size=1)


def test_without_evidence_all_weigh_the_same() -> None:
    slices = divide(2_000 * USD, {name: [] for name in "abcd"}, 40)
    assert set(slices.values()) == {500 * USD}


def test_a_loser_shrinks_faster_than_a_winner_grows() -> None:
    assert [weight(one) for one in ([], [5], [-5], [5, -5], [30, -10], [10, -30])] == [
        100, 150, 10, 100, 125, 50,
    ]  # fmt: skip


def test_a_losing_sleeve_pays_its_losses_from_its_own_slice() -> None:
    slices = divide(2_000 * USD, {"good": [100 * USD], "bad": [-100 * USD, 50 * USD]}, 100)
    assert slices["good"] == 2_000 * USD * 150 // (150 + 66)
    assert slices["bad"] == 2_000 * USD * 66 // (150 + 66) - 50 * USD


def test_no_slice_exceeds_its_share_and_nothing_is_divided_of_nothing() -> None:
    assert divide(2_000 * USD, {"one": []}, 40) == {"one": 800 * USD}
    assert divide(-5, {"one": [], "two": []}, 40) == {"one": 0, "two": 0}


@given(st.integers(0, 10_000 * USD), records, st.integers(1, 100))
def test_slices_never_exceed_the_capital_and_more_loss_never_gets_more(
    capital: int, found: dict[str, list[int]], share: int
) -> None:
    slices = divide(capital, found, share)
    assert sum(slices.values()) <= capital
    assert all(0 <= one <= capital * share // 100 for one in slices.values())
    first = sorted(found)[0]
    worse = {**found, first: [*found[first], -100 * USD]}
    assert divide(capital, worse, share)[first] <= slices[first]


def test_the_day_begins_with_slices_and_the_loss_of_the_day_uses_them() -> None:
    stage = Stage(wide(allocation_share_percent=40)).opened()
    mind = stage.governor.mind
    assert dict(stage.state().budgets) == {
        name: dollars(500) for name in ("market_maker", "mean_reversion", "tail_hedge", "trend")
    }
    stage.bought("trend")
    stage.quote(MNQ, 84_001 - 100)
    for sleeve, left in (("trend", "448.78"), ("mean_reversion", "500")):
        assert budget_left(mind, sleeve, sleeve_net(mind, sleeve, MNQ)) == dollars(left)
    assert budget_left(mind, "trend", 1) == dollars(500), "a gain adds nothing"
    assert budget_left(mind, "stranger", 0) == 0


def test_no_slices_bound_nothing() -> None:
    stage = Stage(wide(allocation_share_percent=0)).opened()
    assert stage.state().budgets == ()
    passed(stage.ask("trend", BUY))


def test_a_lost_day_is_evidence_from_the_next_on() -> None:
    stage = Stage(wide(allocation_share_percent=40, allocation_days=1)).opened()
    stage.filled(stage.ask("trend", BUY), 84_001)
    stage.filled(stage.ask_exit("trend", SELL), 83_801)  # 100 and 1.22 of fees
    stage.at(1_795_042_800 * SECOND)
    stage.phase(Phase.OPEN, "2026-11-19")
    stage.proven_flat()
    stage.reconcile(balance="49898.78")
    slices = dict(stage.state().budgets)
    capital = dollars("1898.78")
    assert slices["trend"] == 0, "61.25 of slice do not bear a loss of 101.22"
    assert slices["mean_reversion"] == capital * 100 // 310
    assert stage.governor.mind.state.records == {"trend": [-dollars("101.22")]}
