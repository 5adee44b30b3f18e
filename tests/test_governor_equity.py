"""Equity at its worst, the levels that act on it, and the bands that save the arithmetic."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.risk_governor.answers import follow_approved
from services.risk_governor.equity import account
from shared.contracts import product_of
from shared.domain.rules.day import limit_is_reached
from shared.domain.rules.loss import is_touched
from shared.events import (
    Flatten,
    OrderApproved,
    OrderState,
    OrderType,
    Purpose,
    RiskLevel,
    RiskState,
    Scope,
    Side,
)
from tests.governor_stage import BUY, ES, MES, MNQ, NQ, PRICES, SELL, Stage, dollars, wide


def test_longs_are_worth_the_bid_and_shorts_the_ask_with_the_exit_paid() -> None:
    stage = Stage(wide()).opened()
    stage.bought("trend", 2)  # at 84,001
    stage.bought("mean_reversion", 1, SELL, contract=MES)  # at 24,000
    stage.quote(MNQ, 84_011, 84_015)
    stage.quote(MES, 23_990, 23_994)
    state = stage.state()
    # +10 ticks x 2 x 0.50, +6 ticks x 1.25, and four fees each way of 0.61
    assert state.session_net == dollars(10) + dollars("7.50") - 6 * dollars("0.61")
    assert state.equity == dollars(50_000) + state.session_net


def test_a_crossed_quote_is_taken_at_its_worse_side() -> None:
    stage = Stage(wide()).opened()
    stage.bought("trend")
    stage.quote(MNQ, 84_020, 83_981)
    assert stage.state().session_net == -dollars(10) - dollars("1.22")


def test_v10_v14_the_first_breaching_mark() -> None:
    """Balance 50,300, floor 48,500, one ES bought at 6000: dead at 5964.00, not at 5964.25."""
    # ours acts far earlier, so put it out of the way: the floor alone is asked
    stage = Stage(wide(daily_loss=999)).opened()
    stage.bought("trend", contract=ES)
    mind = stage.governor.mind
    state = mind.state
    state.base, state.floor, state.high = dollars(50_300), dollars(48_500), dollars(50_500)
    bought = 24_001
    internal = []
    for points in (10, 30, "35.75", 36):
        mark = bought - int(float(points) * 4)
        state.marks[ES].bid = mark
        now = account(mind)
        assert now is not None
        internal.append(now.equity)
    assert internal == [
        dollars(amount) for amount in ("49796.22", "48796.22", "48508.72", "48496.22")
    ]
    assert [is_touched(equity, state.floor) for equity in internal] == [False, False, False, True]


def test_the_day_ends_at_900_less_the_cost_of_leaving() -> None:
    """One MNQ: fees 1.22, allowance 4 ticks = 2.00. 900 - 3.22 = 896.78: 1,794 ticks act."""
    stage = Stage(wide()).opened()
    stage.bought("trend")  # at 84,001
    stage.quote(MNQ, 84_001 - 1_793)  # 896.50 + 1.22 + 2.00 = 899.72
    assert stage.level() is RiskLevel.ACTIVE
    assert stage.said == []
    stage.quote(MNQ, 84_001 - 1_794)  # 897.00 + 3.22 = 900.22
    assert stage.level() is RiskLevel.FLATTENING
    told, flatten = stage.said
    assert isinstance(told, RiskState)
    assert isinstance(flatten, Flatten)
    assert (told.halt_no, flatten.halt_no) == (stage.state().halt_no,) * 2
    assert flatten.scope is Scope.ACCOUNT
    assert "daily loss" in flatten.cause
    assert told.clears == "17:00 CT"
    assert told.until_ns == 1_795_042_800 * 10**9  # 2026-11-18 17:00 CT
    stage.close_all()
    assert stage.level() is RiskLevel.HALTED


def test_touching_the_daily_limit_exactly_acts() -> None:
    """2 MES: fees 2.44, allowance 10.00; 355 ticks x 2.50 = 887.50: 899.94. One dollar of slack."""
    for limit, acts in ((899, True), (900, False)):
        stage = Stage(wide(daily_loss=limit)).opened()
        stage.bought("mean_reversion", 2, contract=MES)
        stage.quote(MES, 24_001 - 355)
        assert (stage.level() is RiskLevel.FLATTENING) is acts


def test_the_drawdown_kill_acts_400_above_the_floor() -> None:
    stage = Stage(wide(daily_loss=999)).opened(49_000)
    # 49,000 - 48,400 = 600: one MNQ with fees 1.22 bears 1,197 ticks (598.50), not 1,198
    state = stage.state()
    assert (state.kill_level, state.floor) == (dollars(48_400), dollars(48_000))
    stage.bought("trend")
    stage.quote(MNQ, 84_001 - 1_197)
    assert stage.level() is RiskLevel.ACTIVE
    stage.quote(MNQ, 84_001 - 1_198)
    assert stage.level() is RiskLevel.FLATTENING
    assert "drawdown" in stage.state().cause
    assert stage.state().clears == "operator"


def test_a_realised_loss_alone_ends_the_day() -> None:
    stage = Stage(wide()).opened()
    stage.filled(stage.ask("trend", BUY), 84_001 + 1_800)
    assert stage.level() is RiskLevel.FLATTENING


def test_fees_alone_move_the_day() -> None:
    """V25: ten round trips of two MNQ at one price cost 24.40."""
    stage = Stage(wide()).opened()
    for _ in range(10):
        stage.filled(stage.ask("trend", BUY, 2), 84_000)
        stage.filled(stage.ask_exit("trend", SELL, 2), 84_000)
    assert stage.state().session_net == -dollars("24.40")


def test_a_balance_below_ours_counts_and_one_above_does_not() -> None:
    stage = Stage(wide()).opened()
    stage.reconcile(balance=49_990)
    assert stage.state().session_net == -dollars(10)
    stage.reconcile(balance=50_010)
    assert stage.state().session_net == 0


def test_an_account_that_begins_below_the_kill_level_never_trades() -> None:
    stage = Stage(wide())
    with pytest.raises(AssertionError, match="drawdown"):
        stage.opened(48_400)
    assert stage.level() is RiskLevel.FLATTENING


def test_a_better_balance_than_the_size_raises_the_first_floor() -> None:
    """Where the high was before we came is not known: the balance is taken, the stricter."""
    stage = Stage(wide()).opened(51_000)
    assert (stage.state().floor, stage.state().kill_level) == (dollars(49_000), dollars(49_400))


def test_quotes_of_contracts_nobody_knows_are_ignored() -> None:
    stage = Stage().opened()
    stage.prices["CON.F.US.XX.Z26"] = 5
    assert stage.quote("CON.F.US.XX.Z26") == []
    assert "CON.F.US.XX.Z26" not in stage.governor.mind.state.marks


# -- bands -----------------------------------------------------------------------------------------


class Naive:
    """The twin: sums everything on every quote from the fills, with no band and no memory."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def acts(self) -> bool:
        state = self.stage.governor.mind.state
        assert state.base is not None
        net = allowance = 0
        for contract, desk in state.ledger.desks.items():
            kind, held = product_of(contract), desk.account.position.lots
            mark = state.marks[contract]
            price = min(mark.bid, mark.ask) if held > 0 else max(mark.bid, mark.ask)
            net += (desk.account.position.cash + held * price) * kind.tick_micros
            net -= desk.account.fees + abs(held) * kind.fee_side_micros
            allowance += abs(held) * 4 * kind.tick_micros
        return limit_is_reached(net - allowance, dollars(900)) or is_touched(
            state.base + net, state.high - dollars(1_600)
        )


moves = st.lists(
    st.tuples(st.sampled_from([MNQ, MES, NQ]), st.integers(-400, 400), st.integers(-1, 6)),
    max_size=60,
)


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([("trend", MNQ), ("mean_reversion", MES), ("tail_hedge", NQ)]),
            st.sampled_from([BUY, SELL]),
            st.integers(1, 3),
        ),
        max_size=3, unique_by=lambda entry: entry[0],
    ),
    moves,
    st.sampled_from([48_700, 49_500, 50_000]),
)  # fmt: skip
def test_the_bands_act_on_exactly_the_quote_the_naive_sum_acts_on(
    entries: list, walk: list, balance: int
) -> None:
    stage = Stage(wide(net_stop_ticks=1, exit_allowance_ticks=4)).opened(balance)
    for (sleeve, contract), side, size in entries:
        stage.trade_of(size, PRICES[contract], contract=contract, side=side, sleeve=sleeve)
    twin = Naive(stage)
    if stage.level() is not RiskLevel.ACTIVE:
        return
    for contract, move, width in walk:
        bid = stage.prices[contract] + move
        stage.quote(contract, bid, bid + width)
        if twin.acts():
            assert stage.level() is RiskLevel.FLATTENING
            return
        assert stage.level() is RiskLevel.ACTIVE


def test_a_quiet_quote_says_nothing_and_a_new_position_draws_a_new_band() -> None:
    stage = Stage(wide()).opened()
    marks = stage.governor.mind.state.marks
    assert marks[MNQ].lo == 1
    stage.bought("trend")
    assert marks[MNQ].lo == 84_001 - 1_793  # where 900 is not yet reached
    before = marks[MNQ].lo
    stage.quote(MNQ, 83_000)
    assert stage.said == []
    assert marks[MNQ].lo == before


# -- what nobody knows, and how far it is ----------------------------------------------------------


def test_an_order_of_unknown_outcome_counts_as_filled_at_its_worst() -> None:
    """Bought at the ask and two ticks of slippage, if at all; its fees wait in the allowance."""
    stage = Stage(wide(daily_loss=500)).opened()
    stage.prices[MNQ] = 84_000
    order = stage.ask("trend", BUY)
    stage.update(order, OrderState.UNKNOWN)
    assert stage.state().session_net == -dollars("1.50")  # 84,003 against a bid of 84,000
    assert stage.state().worst_equity == dollars(50_000) - dollars("1.50") - dollars("2.22")
    stage.quote(MNQ, 84_100)
    assert stage.state().session_net == 0, "unfilled is worse than a gain nobody proved"
    stage.quote(MNQ, 84_003 - 995)  # 497.50 and 2.22
    assert stage.level() is RiskLevel.ACTIVE
    assert stage.said == []
    stage.quote(MNQ, 84_003 - 996)
    assert "daily loss" in stage.state().cause


def test_an_approved_order_counts_at_the_next_quote_although_that_lies_in_the_old_band() -> None:
    """Its fees and slippage (2.22) may be all that was left before the line."""
    stage = Stage(wide(daily_loss=500)).opened()
    stage.bought("trend")
    stage.quote(MNQ, 84_001 - 992)  # 496.00 + 1.22 + 2.00
    stage.quote(MNQ, 84_001 - 993)
    assert stage.level() is RiskLevel.ACTIVE
    mind = stage.governor.mind
    order = OrderApproved(
        intent_id="trend.7.99", sleeve="trend", incarnation=7, contract=MNQ, side=BUY, size=1,
        type=OrderType.MARKET, purpose=Purpose.ENTRY, tag="t", halt_no=1, deadline_real_ns=1 << 60,
    )  # fmt: skip
    follow_approved(mind, order, reducing=False)
    stage.quote(MNQ, 84_001 - 992)
    assert stage.level() is RiskLevel.FLATTENING


def test_an_order_proven_absent_costs_nothing_any_more() -> None:
    stage = Stage(wide()).opened()
    order = stage.ask("trend", BUY)
    stage.update(order, OrderState.UNKNOWN)
    assert stage.state().session_net < 0
    stage.update(order, OrderState.ABSENT)
    assert stage.state().session_net == 0
    assert stage.state().worst_equity == dollars(50_000)


def test_an_unknown_exit_gains_nothing_that_may_not_be_there() -> None:
    stage = Stage(wide()).opened()
    stage.bought("trend")  # at 84,001
    sale = stage.ask_exit("trend", SELL, type=OrderType.LIMIT, limit_price=84_010)
    stage.update(sale, OrderState.UNKNOWN)
    stage.quote(MNQ, 84_200)
    assert stage.state().session_net == dollars(4) - dollars("1.22")  # 84,010 less the spread


@pytest.mark.parametrize("side", [BUY, SELL])
def test_the_room_names_the_very_price_at_which_the_next_rule_acts(side: Side) -> None:
    stage = Stage(wide(session_cap=100)).opened()
    stage.bought("trend", 2, side)
    stage.quote(MNQ, 84_010, 84_011)
    state = stage.state()
    assert state.next_rule == "session_cap"
    (room,) = [one for one in state.rooms if one.contract == MNQ]
    assert room.rule == "session_cap"
    assert room.ticks == -(-state.headroom // dollars(1))  # two contracts, half a dollar each
    assert room.contracts == state.headroom // dollars("22.22")  # 40 + 2 ticks and both fees
    (other,) = [one for one in state.rooms if one.contract == MES]
    assert (other.ticks, other.price) == (0, 0)
    bid = room.price if side is BUY else room.price - 1
    stage.quote(MNQ, bid + side, bid + side + 1)
    assert stage.level() is RiskLevel.ACTIVE
    stage.quote(MNQ, bid, bid + 1)
    assert stage.level() is RiskLevel.FLATTENING
