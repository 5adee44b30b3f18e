"""The layers of loss, strictest inside: each one acts, at its own number, and does what it says.

The vectors are worked examples of the firm's rules and of ours; a table's row is read as a trader
would: where the session's net stands, and what holds from there on.
"""

from __future__ import annotations

from typing import Any

import pytest

from services.risk_governor.equity import account, lines, reached
from services.risk_governor.latches import in_recovery, switch_off
from services.risk_governor.limits import Limits
from shared.events import CancelApproved, Flatten, Grounds, OrderState, RiskLevel, VetoRule
from shared.units import USD
from tests.governor_stage import (
    BUY,
    ES,
    MES,
    MNQ,
    SELL,
    Stage,
    dollars,
    passed,
    refused,
    settings,
    wide,
)

CAPS = {"session_cap": 200, "daily_cap": 400, "recovery_percent": 50, "emergency_percent": 90}
FREE = {**CAPS, "exit_allowance_ticks": 0, "slippage_ticks": 0}


def net_is(stage: Stage, amount: int | str) -> set[str]:
    """Put the session's net where the row says, by the venue's balance; the latches it trips."""
    base = stage.governor.mind.state.base
    assert base is not None
    stage.reconcile(balance=f"{base / USD + float(amount):.2f}")
    return set(stage.governor.mind.state.latches)


def keys(stage: Stage) -> set[str]:
    return set(stage.governor.mind.state.latches)


def test_v21_the_layers_in_their_order() -> None:
    stage = Stage(wide(**FREE)).opened()
    expected = {
        "-190": set(),
        "-199.99": set(),
        "-200": {"recovery", "session_cap"},
        "-359.99": {"recovery", "session_cap"},
        "-360": {"recovery", "session_cap", "emergency_stop"},
        "-400": {"recovery", "session_cap", "emergency_stop", "daily_cap"},
        "-500": {"recovery", "session_cap", "emergency_stop", "daily_cap"},
        "-900": {"recovery", "session_cap", "emergency_stop", "daily_cap", "daily_loss"},
        "-1000": {
            "recovery", "session_cap", "emergency_stop", "daily_cap", "daily_loss",
            "firm_daily_loss",
        },
    }  # fmt: skip
    for amount, latches in expected.items():
        assert net_is(stage, amount) == latches, amount


@pytest.mark.parametrize(
    ("layer", "at", "latch", "rests", "clears"),
    [
        ({"session_cap": 200}, -200, "session_cap", RiskLevel.REDUCE_ONLY, "17:00 CT"),
        ({"daily_cap": 400}, -400, "daily_cap", RiskLevel.HALTED, "17:00 CT"),
        ({"daily_loss": 900}, -900, "daily_loss", RiskLevel.HALTED, "17:00 CT"),
        ({"daily_cap": 400, "emergency_percent": 90}, -360, "emergency_stop",
         RiskLevel.HALTED, "17:00 CT"),
        ({"daily_cap": 400, "recovery_percent": 50}, -200, "recovery", RiskLevel.ACTIVE, ""),
    ],
)  # fmt: skip
def test_each_layer_acts_at_its_own_number(
    layer: dict[str, Any], at: int, latch: str, rests: RiskLevel, clears: str
) -> None:
    stage = Stage(wide(exit_allowance_ticks=0, **layer)).opened()
    stage.filled(stage.ask("trend", BUY), 84_000)
    assert latch not in net_is(stage, at + 2)
    assert latch not in keys(stage)
    stage.filled(stage.ask_exit("trend", SELL), 84_000)
    assert latch not in net_is(stage, f"{at + 0.01:.2f}")
    assert latch in net_is(stage, at)
    stage.close_all()
    assert stage.level() is rests
    assert stage.state().clears == clears


@pytest.mark.parametrize(
    ("layer", "acts"),
    [("session_cap", 200), ("daily_cap", 400), ("daily_loss", 900)],
)
def test_a_loss_limit_closes_what_is_held_before_it(layer: str, acts: int) -> None:
    """One MNQ: 1.22 of fees, four ticks (2.00) to leave: acts 3.22 before the number."""
    stage = Stage(wide(**{layer: acts})).opened()
    stage.bought("trend")
    ticks = (acts * 100 - 322) // 50
    assert not [event for event in stage.quote(MNQ, 84_001 - ticks) if isinstance(event, Flatten)]
    (flatten,) = [
        event for event in stage.quote(MNQ, 84_001 - ticks - 1) if isinstance(event, Flatten)
    ]
    assert layer.replace("_", " ") in flatten.cause
    assert refused(stage.ask("mean_reversion", BUY, contract=MES)) is VetoRule.HALTED


def test_recovery_halves_and_lets_trade_until_17_00() -> None:
    stage = Stage(wide(daily_cap=400, recovery_percent=50)).opened()
    net_is(stage, -200)
    assert in_recovery(stage.governor.mind)
    assert stage.state().recovery
    assert stage.level() is RiskLevel.ACTIVE
    net_is(stage, 0)
    assert in_recovery(stage.governor.mind), "a recovered loss does not end it"


def test_recovery_halves_size_and_risk() -> None:
    half = {"daily_cap": 400, "recovery_percent": 50, "emergency_percent": 0}
    for recovers, size, risk in ((False, 9, 100), (True, 4, 50)):
        stage = Stage(wide(**half, order_size=9, trade_risk=100)).opened()
        if recovers:
            net_is(stage, -200)
            stage.quote(MNQ)
        veto = stage.ask("trend", BUY, 10)
        assert (refused(veto), veto.limit) == (VetoRule.SIZE, size)
        veto = stage.ask("trend", BUY, 1, stop_loss_ticks=300)
        assert (refused(veto), veto.limit) == (VetoRule.TRADE_RISK, dollars(risk))


@pytest.mark.parametrize("capped", [False, True])
def test_recovery_withdraws_what_was_sized_for_the_whole_day(capped: bool) -> None:
    """Its sleeve may ask again, for half; where a cap flattens the router cancels by itself."""
    cap = {"session_cap": 200} if capped else {"session_cap": 0}
    stage = Stage(wide(daily_cap=400, recovery_percent=50, emergency_percent=0, **cap)).opened()
    quote = passed(stage.quote_order(BUY, 23_990))
    stage.update(quote, OrderState.WORKING)
    net_is(stage, -200)
    (said, *more) = [
        it for it in stage.heard if isinstance(it, CancelApproved) and it.target == quote.intent_id
    ] or [None]
    assert not more
    if capped:
        assert said is None
        return
    assert said is not None
    assert said.grounds is not None
    assert said.grounds.rule == "recovery"
    assert stage.level() is RiskLevel.ACTIVE
    stage.quote(MNQ)
    passed(stage.quote_order(BUY, 23_991))


@pytest.mark.parametrize(
    ("days", "open_to"),
    [
        ({}, {"trend", "mean_reversion"}),
        ({"trend": [90], "mean_reversion": [-10, 20]}, {"trend"}),
        ({"trend": [-90], "mean_reversion": [-10, 5]}, set()),
        (
            {"trend": [-9], "mean_reversion": [-10, 5], "market_maker": [-9], "tail_hedge": [-9]},
            {"mean_reversion"},
        ),
        ({"trend": [-90]}, {"mean_reversion"}),
        ({"trend": [50], "mean_reversion": [70]}, {"trend", "mean_reversion"}),
        ({"tail_hedge": [50]}, set()),
    ],
)
def test_in_recovery_the_best_sleeves_open_and_no_other(
    days: dict[str, list[int]], open_to: set[str]
) -> None:
    """Who won as much as another of what he turned over is as good."""
    for recovers in (False, True):
        stage = Stage(
            wide(daily_cap=400, recovery_percent=50, emergency_percent=0, session_cap=0)
        ).opened()
        stage.governor.mind.state.records = {
            sleeve: [day * USD for day in each] for sleeve, each in days.items()
        }
        if recovers:
            net_is(stage, -200)
            stage.quote(MNQ)
        for sleeve, contract in (("trend", MNQ), ("mean_reversion", MES)):
            answer = stage.ask(sleeve, BUY, contract=contract)
            if sleeve in open_to or not recovers:
                stage.update(passed(answer), OrderState.REFUSED)
            else:
                assert refused(answer) is VetoRule.NOT_THE_BEST
                assert answer.actual < answer.limit


def test_in_recovery_a_sleeve_that_is_switched_off_is_not_compared_with() -> None:
    stage = Stage(wide(daily_cap=400, recovery_percent=50, emergency_percent=0)).opened()
    mind = stage.governor.mind
    mind.state.records = {"tail_hedge": [50 * USD]}
    net_is(stage, -200)
    stage.quote(MNQ)
    assert refused(stage.ask("trend", BUY)) is VetoRule.NOT_THE_BEST
    lives = Grounds(rule="sleeve", limit=3, actual=3)
    switch_off(mind, stage.now, "tail_hedge", "too many lives", grounds=lives)
    passed(stage.ask("trend", BUY))


def test_near_the_floor_everything_is_closed() -> None:
    """Ten percent of 2,000 above the floor of 48,000: 48,200, less the cost of leaving."""
    stage = Stage(wide(drawdown_kill=1_900)).opened(49_000)
    stage.bought("trend")
    stage.quote(MNQ, 84_001 - 1_593)  # 796.50 + 1.22 + 2.00 = 799.72
    assert stage.level() is RiskLevel.ACTIVE
    stage.quote(MNQ, 84_001 - 1_594)
    assert keys(stage) == {"near_floor"}
    assert stage.level() is RiskLevel.FLATTENING
    stage.close_all()
    assert stage.level() is RiskLevel.REDUCE_ONLY


def test_v17_fees_and_open_profit_count() -> None:
    """The firm's own 1,000 of a day, with nothing of ours before it."""
    stage = Stage(
        wide(daily_loss=2_000, beyond_firm_daily_loss=True, account_position_tenths=50,
             exit_allowance_ticks=0, slippage_ticks=0)
    ).opened()  # fmt: skip
    stage.prices[MNQ] = 84_000
    stage.filled(stage.ask("trend", BUY, 5), 84_000)
    stage.filled(stage.ask_exit("trend", SELL, 5), 83_920)
    assert stage.state().session_net == -dollars("206.10")
    stage.filled(stage.ask("mean_reversion", BUY, contract=ES), 24_000)
    # ours counts the exit's fee of 1.89 too, so each mark stands that much lower than the firm's
    for mark, net, hit in (
        (23_960, "709.88", False),
        (23_937, "997.38", False),
        (23_936, "1009.88", True),
    ):
        stage.quote(ES, mark)
        assert stage.state().session_net == -dollars(net)
        assert ("firm_daily_loss" in keys(stage)) is hit


def test_v19_the_day_is_measured_from_its_start_and_not_from_its_peak() -> None:
    stage = Stage(wide(daily_loss=999)).opened()
    net_is(stage, 800)
    assert net_is(stage, -200) == set()


def test_v12_the_first_touch_counts_and_a_later_gain_undoes_nothing() -> None:
    stage = Stage(wide(daily_loss=5_000, beyond_firm_daily_loss=True, drawdown_kill=1_999,
                       approach_percent=1)).opened("50500")  # fmt: skip
    assert stage.state().floor == dollars(48_500)
    assert "floor" not in net_is(stage, -1_500)
    assert "floor" in net_is(stage, "-2000.01")
    assert "floor" in net_is(stage, -300)
    assert "new account" in stage.state().clears


def test_v14_the_internal_measure_leads_by_the_cost_of_leaving() -> None:
    stage = Stage(wide(daily_loss=999)).opened("50300")
    stage.filled(stage.ask("trend", BUY, contract=ES), 24_000)
    for mark, equity in ((23_960, "49796.22"), (23_880, "48796.22")):
        stage.quote(ES, mark)
        assert stage.state().equity == dollars(equity)
        assert stage.state().worst_equity == dollars(equity) - dollars(50)  # 4 ticks of 12.50


@pytest.mark.parametrize(("equity", "fires"), [("49400.01", False), ("49400.00", True)])
def test_v26_the_kill_is_1600_below_the_best_end_of_day(equity: str, fires: bool) -> None:
    far = {"daily_loss": 5_000, "beyond_firm_daily_loss": True, "approach_percent": 1}
    stage = Stage(wide(**far)).opened(51_000)
    assert (stage.state().floor, stage.state().kill_level) == (dollars(49_000), dollars(49_400))
    net_is(stage, f"{float(equity) - 51_000:.2f}")
    assert ("drawdown" in keys(stage)) is fires


def test_a_running_high_pulls_the_kill_up_within_the_day() -> None:
    for high, kill in (("end_of_day", 48_400), ("running", 48_900)):
        stage = Stage(wide(drawdown_high=high)).opened()
        stage.bought("trend")
        stage.quote(MNQ, 84_001 + 1_000)  # +500
        level = stage.state().kill_level
        assert level - dollars(kill) in (0, -dollars("1.22"))


def test_v23_a_limit_beyond_the_firms_is_refused_unless_wanted() -> None:
    far = {"session_cap": 0, "daily_cap": 1_500, "daily_loss": 1_600}
    with pytest.raises(
        ValueError, match=r"daily_cap was 1500; it must stay inside the firm's 1000"
    ):
        limits_of(**far)
    limits = limits_of(**far, beyond_firm_daily_loss=True)
    assert limits.effective == dollars(1_000), "the firm's own is the smaller"
    assert (limits.share(50), limits.share(90)) == (dollars(500), dollars(900))
    limits = limits_of(**far, beyond_firm_daily_loss=True, daily_loss_limit=False)
    assert (limits.effective, limits.share(50), limits.share(90)) == (
        dollars(1_500), dollars(750), dollars(1_350),
    )  # fmt: skip


def limits_of(**risk: Any) -> Limits:
    return Limits(settings(**risk))


def test_the_effective_limit_is_the_smallest_daily_one_and_not_the_sessions() -> None:
    assert limits_of().effective == dollars(400)
    assert limits_of(daily_cap=0).effective == dollars(1_000)
    assert limits_of(daily_cap=0, daily_loss_limit=False).effective == dollars(900)


def test_every_line_that_is_set_is_drawn_and_none_that_is_not() -> None:
    stage = Stage(settings(profit_stop=300)).opened()
    assert [line.key for line in lines(stage.governor.mind)] == [
        "floor", "drawdown", "near_floor", "firm_daily_loss", "daily_loss", "daily_cap",
        "emergency_stop", "session_cap", "recovery", "profit_target", "profit_stop",
        "consistency",
    ]  # fmt: skip
    off = Stage(wide()).opened()
    assert [line.key for line in lines(off.governor.mind)] == [
        "floor", "drawdown", "near_floor", "firm_daily_loss", "daily_loss", "profit_target",
        "consistency",
    ]  # fmt: skip


def test_a_profit_stop_ends_the_day_with_its_profit() -> None:
    stage = Stage(wide(profit_stop=100)).opened()
    stage.bought("trend")  # at 84,001; 1.22 of fees
    stage.quote(MNQ, 84_001 + 202)
    assert stage.level() is RiskLevel.ACTIVE
    stage.quote(MNQ, 84_001 + 203)  # 101.50 - 1.22
    assert keys(stage) == {"profit_stop"}
    assert stage.level() is RiskLevel.FLATTENING


def test_reached_lines_and_rooms_agree() -> None:
    stage = Stage(settings()).opened()
    mind = stage.governor.mind
    net_is(stage, "-200")
    now = account(mind)
    assert now is not None
    assert [line.key for line in reached(mind, now)] == ["session_cap", "recovery"]
    passed_none = stage.ask("trend", BUY)
    assert refused(passed_none) in (VetoRule.HALTED, VetoRule.REDUCE_ONLY)
    stage.proven_flat()
    assert refused(stage.ask("trend", BUY)) is VetoRule.REDUCE_ONLY
