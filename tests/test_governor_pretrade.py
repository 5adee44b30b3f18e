"""Controls of the checklist on what is held together, on disk and on other accounts.

Each passes at its limit, refuses one beyond, and says the numbers.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from services.risk_governor.core import Governor
from services.risk_governor.words import DiskSpace, Holding, OthersHold, WeHold
from shared.events import (
    OrderApproved,
    OrderState,
    OrderType,
    OrderVetoed,
    RiskLevel,
    Scope,
    Started,
    VetoRule,
)
from shared.settings import SettingsError, load
from shared.units import SECOND, USD
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


def held_and_covered(stage: Stage, sleeve: str, **changed: Any) -> OrderApproved:
    order = stage.bought(sleeve, **changed)
    stage.wait(0.25)
    return order


# -- unset is blocked ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["order_size", "position", "trade_risk", "pretrade"])
def test_a_limit_that_is_not_set_is_no_limit_to_start_with(name: str, tmp_path: Any) -> None:
    """Nothing here has a default in code: a file without the key does not load."""
    fields = {
        field.name: field for field in msgspec.structs.fields(type(load(env={}).risk_governor))
    }
    assert fields[name].required
    given = tmp_path / "x.toml"
    given.write_text(f"[risk_governor]\n{name} = 'none'\n")
    with pytest.raises(SettingsError, match=name):
        load(given, env={})


# -- together --------------------------------------------------------------------------------------


def test_a_group_bears_its_gap() -> None:
    """1 % of an MNQ at 21,000.25 is 420.005 dollars, of an MES at 6,000.25 300.0125."""
    stage = Stage(wide(stress_loss=1_141, net_stop_ticks=1)).opened()
    stage.bought("trend", 2)
    veto = stage.ask("mean_reversion", BUY, 2, contract=MES)
    assert refused(veto) is VetoRule.GROUP_STRESS
    worth = 2 * 84_001 * 500_000 + 2 * 24_001 * 1_250_000
    assert (veto.limit, veto.actual, veto.largest) == (1_141 * USD, worth // 100, 1)
    passed(stage.ask("mean_reversion", SELL, 2, contract=MES))  # the worse side alone counts
    stage = Stage(wide(stress_loss=419)).opened()
    assert refused(stage.ask("trend", BUY)) is VetoRule.GROUP_STRESS


def test_a_group_without_a_stress_does_not_trade() -> None:
    stage = Stage(wide(stress_bp={"energy": 300})).opened()
    veto = stage.ask("trend", BUY)
    assert refused(veto) is VetoRule.GROUP_STRESS
    assert "index" in veto.detail


RECORDS = {
    "alike": ([1, 2, 3, 4], [2, 4, 6, 9]),
    "v34": ([1, 2, 3, 4], [2, 1, 4, 3]),  # 0.6 exactly
    "against": ([1, 2, 3, 4], [4, 3, 2, 1]),
    "short": ([1, 2, 3], [3, 1, 2]),
}


@pytest.mark.parametrize(
    ("days", "alike"), [("alike", True), ("v34", False), ("against", False), ("short", True)]
)
def test_two_sleeves_on_one_side_must_differ(days: str, alike: bool) -> None:
    """V34: a correlation of 0.6 exactly is allowed; fewer days than needed count as 1."""
    stage = Stage(wide(correlation_percent=60, correlation_days=4)).opened()
    ours, theirs = RECORDS[days]
    stage.governor.mind.state.records = {
        "trend": [day * USD for day in ours], "mean_reversion": [day * USD for day in theirs],
    }  # fmt: skip
    held_and_covered(stage, "trend")
    reply = stage.ask("mean_reversion", BUY, contract=MES)
    assert isinstance(reply, OrderVetoed) is alike
    if alike:
        assert refused(reply) is VetoRule.CORRELATION
        assert reply.detail == "trend"
    passed(stage.ask("mean_reversion", SELL, contract=MES))
    passed(stage.quote_order(BUY, 23_999))


def test_a_working_entry_of_another_sleeve_counts_like_a_position() -> None:
    stage = Stage(wide(correlation_percent=60, correlation_days=4)).opened()
    resting = passed(stage.ask("trend", BUY, type=OrderType.LIMIT, limit_price=83_990))
    assert refused(stage.ask("mean_reversion", BUY, contract=MES)) is VetoRule.CORRELATION
    stage.update(resting, OrderState.REFUSED)
    passed(stage.ask("mean_reversion", BUY, contract=MES))


def test_a_correlation_nobody_exceeds_is_not_asked() -> None:
    stage = Stage(wide(correlation_percent=100, correlation_days=4)).opened()
    held_and_covered(stage, "trend")
    passed(stage.ask("mean_reversion", BUY, contract=MES))


def _record(stage: Stage, wins: int, gain: int, losses: int, loss: int) -> None:
    stage.ask("trend", BUY, stop_loss_ticks=None)  # makes the sleeve's conduct known
    from services.risk_governor.habits import conduct_of

    outcomes = conduct_of(stage.governor.mind, "trend").outcomes
    outcomes += [gain * USD] * wins + [-loss * USD] * losses


def test_v31_a_quarter_of_kelly_bounds_a_trade() -> None:
    """p 0.55, b 1.5: full 0.25, a quarter 0.0625; of 2,000 to the floor 125 dollars."""
    stage = Stage(wide(kelly=("trend",), kelly_trades=20)).opened()
    _record(stage, 11, 15, 9, 10)
    veto = stage.ask("trend", BUY, 3, stop_loss_ticks=100)  # 52.22 each
    assert refused(veto) is VetoRule.KELLY
    assert (veto.limit, veto.actual, veto.largest) == (dollars(125), 3 * dollars("52.22"), 2)
    passed(stage.ask("mean_reversion", BUY, 3, contract=MES))


def test_v32_a_record_without_an_edge_does_not_trade() -> None:
    stage = Stage(wide(kelly=("trend",), kelly_trades=20)).opened()
    _record(stage, 8, 10, 12, 10)
    veto = stage.ask("trend", BUY)
    assert refused(veto) is VetoRule.KELLY
    assert (veto.limit, veto.largest) == (0, 0)


@pytest.mark.parametrize(("names", "trades"), [((), 20), (("trend",), 21)])
def test_kelly_binds_who_is_named_and_with_evidence_only(
    names: tuple[str, ...], trades: int
) -> None:
    stage = Stage(wide(kelly=names, kelly_trades=trades)).opened()
    _record(stage, 8, 10, 12, 10)
    passed(stage.ask("trend", BUY))


def test_trades_that_ended_are_the_evidence() -> None:
    stage = Stage(wide()).opened()
    stage.bought("trend")
    stage.filled(stage.ask_exit("trend", SELL), 84_021)
    assert stage.governor.mind.state.conduct["trend"].outcomes == [dollars(10) - dollars("1.22")]


def test_a_sleeve_stays_inside_its_slice() -> None:
    """40 % of 2,000 to the floor among four equal sleeves is 500 each."""
    stage = Stage(wide(allocation_share_percent=40)).opened()
    veto = stage.ask("trend", BUY, 10, stop_loss_ticks=100)
    assert refused(veto) is VetoRule.SLEEVE_BUDGET
    assert (veto.limit, veto.actual, veto.largest) == (dollars(500), 10 * dollars("52.22"), 9)
    passed(stage.ask("trend", BUY, 9, stop_loss_ticks=100))
    passed(stage.ask("mean_reversion", BUY, contract=MES))


# -- disk and other accounts -----------------------------------------------------------------------


def test_little_space_means_no_new_risk() -> None:
    stage = Stage(wide(disk_low_mb=500, disk_stop_mb=100)).opened()
    stage.tell(DiskSpace(free_mb=500))
    passed(stage.ask("trend", BUY))
    stage.tell(DiskSpace(free_mb=499))
    veto = stage.ask("trend", BUY)
    assert refused(veto) is VetoRule.DISK
    assert (veto.limit, veto.actual) == (500, 499)
    assert not stage.flattens()


def test_next_to_no_space_closes_everything_until_there_is_space() -> None:
    stage = Stage(wide(disk_low_mb=500, disk_stop_mb=100)).opened()
    stage.bought("trend")
    stage.tell(DiskSpace(free_mb=100))
    assert not stage.flattens()
    stage.tell(DiskSpace(free_mb=99))
    assert [it.scope for it in stage.flattens()] == [Scope.ACCOUNT]
    stage.close_all()
    stage.tell(DiskSpace(free_mb=499))
    stage.pulse()
    assert stage.level() is RiskLevel.REDUCE_ONLY
    stage.tell(DiskSpace(free_mb=500))
    stage.pulse()
    assert stage.level() is RiskLevel.ACTIVE


def test_after_a_start_space_and_other_accounts_must_be_told_first() -> None:
    stage = Stage(wide()).opened()
    again = Governor(stage.settings)
    again.restore(stage.governor.snapshot())
    stage.governor = again
    stage.tell(Started(epoch=stage.now // SECOND, fresh=False))
    stage.tell(stage.story[6][1])
    state = again.mind.state
    assert state.disk_mb is None
    assert state.others is None
    state.silent.clear()
    for contract in (MNQ, ES):
        stage.quote(contract)
    assert refused(stage.ask("trend", BUY)) is VetoRule.DISK
    stage.tell(DiskSpace(free_mb=10_000))
    assert refused(stage.ask("trend", BUY)) is VetoRule.HEDGE
    stage.tell(OthersHold())
    passed(stage.ask("trend", BUY))


@pytest.mark.parametrize(
    ("row", "buy", "sell"),
    [
        (("index", 0, 1), False, True),
        (("index", 1, 0), True, False),
        (("index", 1, 1), False, False),
        (("energy", 1, 1), True, True),
    ],
)
def test_no_account_of_ours_is_on_both_sides_of_a_group(
    row: tuple[str, int, int], buy: bool, sell: bool
) -> None:
    stage = Stage(wide()).opened()
    group, long, short = row
    stage.tell(OthersHold(rows=(Holding(account="B", group=group, long=long, short=short),)))
    for side, may in ((BUY, buy), (SELL, sell)):
        reply = stage.ask("trend", side)
        assert isinstance(reply, OrderApproved) is may
        if isinstance(reply, OrderVetoed):
            assert refused(reply) is VetoRule.HEDGE
            assert (reply.actual, reply.detail) == (1, "B")
        else:
            stage.update(reply, OrderState.REFUSED)


def test_what_cannot_be_read_is_no_permission() -> None:
    stage = Stage(wide()).opened()
    stage.tell(OthersHold(trouble="accounts/B.json: torn"))
    veto = stage.ask("trend", BUY)
    assert refused(veto) is VetoRule.HEDGE
    assert "torn" in veto.detail


def test_off_the_simulator_the_others_are_told_before_the_order_may_leave() -> None:
    given = wide()
    venue = msgspec.structs.replace(given.venue, environment="DEMO", account="A")
    stage = Stage(msgspec.structs.replace(given, venue=venue)).opened()
    said = stage.tell(stage.intent("trend", BUY, 2))
    kinds = [type(it) for it in said if isinstance(it, WeHold | OrderApproved)]
    assert kinds == [WeHold, OrderApproved]
    (word,) = [it for it in said if isinstance(it, WeHold)]
    assert word.rows == (Holding(account="A", group="index", long=2, short=0),)
    assert not [it for it in Stage(wide()).opened().heard if isinstance(it, WeHold)]


# -- people ----------------------------------------------------------------------------------------


def test_what_an_order_is_asked_is_not_loosened_within_a_day_either() -> None:
    stage = Stage(settings(contracts_per_day=50, disk_low_mb=900)).opened()
    looser = Governor(settings(contracts_per_day=200, disk_low_mb=100, spread_ticks=5))
    looser.restore(stage.governor.snapshot())
    asked = looser.mind.limits.given.pretrade
    assert (asked.contracts_per_day, asked.disk_low_mb, asked.spread_ticks) == (50, 900, 5)
    assert "contracts_per_day stays 50" in looser.mind.limits.kept


def test_the_defaults_let_an_ordinary_order_pass() -> None:
    passed(Stage(settings()).opened().ask("trend", BUY))
