"""Lives of an account by the engine: what counts toward a payout or a pass, to the cent."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from shared import rulebook
from shared.domain.rules.account import (
    BREACH,
    FIRM_DAY,
    TARGET,
    Own,
    State,
    Terms,
    begin,
    cap_of,
    end_day,
    is_idle,
    look,
    needed_profit,
    passed,
    pay,
    payable,
    terms_of,
    traded,
    with_latched,
)
from shared.domain.rules.pack import NEVER
from shared.units import USD, Micros, micros

CENT = USD // 100


def terms_for(stage: str, *, daily_loss: bool = False) -> Terms:
    return terms_of(rulebook.pack(f"topstep-50k-{stage}@2026-09").rules, daily_loss, Own())


STANDARD, CONSISTENCY = terms_for("express-standard"), terms_for("express-consistency")
COMBINE = terms_for("combine", daily_loss=True)


def lived(terms: Terms, nets: Sequence[str], state: State | None = None) -> tuple[State, Micros]:
    """The account after days with a trade and these nets, and its balance."""
    state = begin(terms) if state is None else state
    balance = state.opened
    for net in nets:
        balance += micros(net)
        state = end_day(terms, traded(state), balance, 1)
    return state, balance


# -- days ------------------------------------------------------------------------------------------


def test_a_day_counts_when_it_traded_and_wins_from_the_least_on() -> None:
    state, _ = lived(STANDARD, ["150", "149.99", "-300", "150.01"])
    assert (state.winning, state.trading, state.best) == (2, 4, micros("150.01"))
    idle = end_day(STANDARD, begin(STANDARD), 200 * USD, 1)
    assert (idle.winning, idle.trading, idle.idle) == (0, 0, 1)


def test_days_without_a_trade_add_up_until_one_is_made() -> None:
    state = begin(STANDARD)
    for days in (1, 3, STANDARD.idle_days - 4):
        state = end_day(STANDARD, state, 0, days)
    assert not is_idle(STANDARD, state)
    assert is_idle(STANDARD, end_day(STANDARD, state, 0, 1))
    assert end_day(STANDARD, traded(state), 0, 1).idle == 0
    assert not is_idle(STANDARD._replace(idle_days=0), end_day(STANDARD, state, 0, 1))


def test_the_day_of_a_payout_counts_for_nothing() -> None:
    state, balance = lived(STANDARD, ["200"] * 5)
    state = pay(STANDARD, state, 200 * USD, balance - 200 * USD)
    state = end_day(STANDARD, traded(state), balance, 1)
    assert (state.winning, state.trading) == (0, 0)


def test_a_cap_is_scaled_only_where_the_plan_holds_and_never_beyond_the_account_s() -> None:
    plan = STANDARD._replace(position_tenths=50)
    assert [cap_of(plan, dollars * USD) for dollars in (0, 1_500, 2_001)] == [20, 30, 50]
    assert cap_of(plan._replace(scaled=False), 0) == 50
    assert cap_of(plan._replace(position_tenths=25), 2_001 * USD) == 25


# -- payouts ---------------------------------------------------------------------------------------


def test_v38_a_payout_may_be_asked_for_after_the_eighth_day() -> None:
    nets = ["150.00", "149.99", "400", "-300", "151", "150", "90", "200"]
    for days in range(8):
        state, balance = lived(STANDARD, nets[:days])
        assert payable(STANDARD, state, balance) == 0
    state, balance = lived(STANDARD, nets)
    assert payable(STANDARD, state, balance) == micros("495.49")


def test_nothing_is_paid_by_a_combine_or_to_an_account_that_is_locked_or_over() -> None:
    state, balance = lived(STANDARD, ["200"] * 5)
    assert payable(STANDARD, state, balance) == 500 * USD
    assert payable(STANDARD._replace(paid=False), state, balance) == 0
    for latched in (BREACH, FIRM_DAY):
        assert payable(STANDARD, with_latched(state, latched), balance) == 0
    assert payable(STANDARD, with_latched(state, TARGET), balance) == 500 * USD


@pytest.mark.parametrize(("gain", "amount"), [("0", "0"), ("0.01", "400")])
def test_from_the_second_payout_on_there_must_be_profit_since_the_last(
    gain: str, amount: str
) -> None:
    state, balance = lived(STANDARD, ["200"] * 5)
    state = pay(STANDARD, state, 200 * USD, balance - 200 * USD)
    state = end_day(STANDARD, state, state.opened, 1)
    state, balance = lived(STANDARD, ["200"] * 5, state)
    gone = balance - state.basis - micros(gain)
    assert payable(STANDARD, state, balance - gone) == micros(amount)


def test_the_consistency_path_asks_for_a_small_best_day_too() -> None:
    even, balance = lived(CONSISTENCY, ["200", "200", "200"])
    assert payable(CONSISTENCY, even, balance) == 300 * USD
    exact, balance = lived(CONSISTENCY, ["400", "300", "300"])  # exactly 40 %
    assert payable(CONSISTENCY, exact, balance) == 0
    assert payable(STANDARD._replace(winning_days=3), exact, balance) == 500 * USD


# -- passing ---------------------------------------------------------------------------------------


def test_the_target_is_reached_at_its_last_cent() -> None:
    state = begin(COMBINE)
    assert look(COMBINE, state, 53_000 * USD - CENT)[1] & TARGET == 0
    assert look(COMBINE, state, 53_000 * USD)[1] == TARGET
    assert look(STANDARD, begin(STANDARD), NEVER)[1] & TARGET == 0


@pytest.mark.parametrize(
    ("nets", "today", "needed"),
    [
        ([], "0", "3000"),
        (["-500"], "0", "3000"),
        (["1600", "1400"], "0", "3000"),  # V44: 53.33 % of 3,000
        (["1700"], "0", "3090.91"),  # V45
        (["100"], "1700", "3090.91"),  # today's counts
    ],
)
def test_what_is_needed_grows_with_the_best_day(nets: list[str], today: str, needed: str) -> None:
    state, balance = lived(COMBINE, nets)
    assert needed_profit(COMBINE, state, balance + micros(today)) == micros(needed)


def test_where_there_is_no_target_nothing_is_needed_and_nothing_passes() -> None:
    state, balance = lived(CONSISTENCY, ["400"])
    assert needed_profit(CONSISTENCY, state, balance) == 0
    assert not passed(CONSISTENCY, state, balance)
    free = COMBINE._replace(consistent=False)
    assert needed_profit(free, lived(free, ["2900"])[0], 52_900 * USD) == 3_000 * USD


def test_an_account_passes_at_exactly_what_is_needed_and_never_after_a_breach() -> None:
    state, balance = lived(COMBINE, ["1600", "1400"])
    assert balance == 53_000 * USD
    assert passed(COMBINE, state, balance)
    assert not passed(COMBINE, state, balance - CENT)
    assert not passed(COMBINE, with_latched(state, BREACH), balance)
