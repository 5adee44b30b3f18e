"""Grains and livestock close hours before the rest, and have a countdown of their own."""

from __future__ import annotations

import pytest

from shared.domain.sessions import calendar
from shared.events import Flatten, OrderState, OrderType, Purpose, RiskLevel, Scope, VetoRule
from shared.settings import load
from shared.units import MILLISECOND, MINUTE, SECOND, Nanos
from shared.venue.times import time_ns
from tests.governor_stage import BUY, MNQ, SELL, Stage, passed, refused, wide

CORN, CATTLE = "CON.F.US.ZCE.Z26", "CON.F.US.GLE.Z26"
CLOSES = {CORN: "13:20", CATTLE: "13:05"}
GRAIN = [(CORN, "ZC"), (CATTLE, "LE")]
DAYS = calendar(load(env={}).session)


def at(text: str) -> Nanos:
    return time_ns(f"2026-11-18T{text}:00-06:00", "an instant")


def opened(contract: str, root: str) -> Stage:
    stage = Stage(wide(net_stop_ticks=1)).opened()
    stage.prices[contract] = 1_800
    stage.list(root, contract)
    stage.quote(contract)
    return stage


def moment(stage: Stage, contract: str, now_ns: Nanos) -> None:
    """A pulse and fresh quotes at an instant of the day."""
    stage.at(now_ns - MILLISECOND)
    stage.quote(contract)


@pytest.mark.parametrize(("contract", "root"), GRAIN)
def test_entries_end_ten_minutes_before_their_own_close(contract: str, root: str) -> None:
    end = at(CLOSES[contract]) - 10 * MINUTE
    stage = opened(contract, root)
    stage.at(end - SECOND)
    stage.quote(contract)
    rests = passed(
        stage.ask("trend", BUY, contract=contract, type=OrderType.LIMIT, limit_price=1_795)
    )
    stage.update(rests, OrderState.WORKING)
    stage.now = end - MILLISECOND
    veto = stage.ask("trend", BUY, contract=contract)
    assert refused(veto) is VetoRule.SESSION
    assert (veto.actual, veto.detail.endswith("close early")) == (0, True)
    assert refused(stage.modify("trend", rests.intent_id, limit_price=1_796)) is VetoRule.SESSION
    assert rests.intent_id in stage.cancelled(stage.pulse()), "what rests is withdrawn"
    assert stage.level() is RiskLevel.ACTIVE
    stage.quote(MNQ)
    passed(stage.ask("tail_hedge", BUY, contract=MNQ))


@pytest.mark.parametrize(("contract", "root"), GRAIN)
def test_what_is_held_is_closed_five_minutes_before_it_and_nothing_else(
    contract: str, root: str
) -> None:
    stage = opened(contract, root)
    stage.bought("trend", contract=contract)
    stage.bought("mean_reversion", contract=MNQ)
    end = at(CLOSES[contract]) - 5 * MINUTE
    moment(stage, contract, end - SECOND)
    stage.now = end - 2 * MILLISECOND
    stage.pulse()
    assert not stage.flattens()
    stage.pulse()
    found = stage.flattens()
    assert [(it.scope, it.contract) for it in found] == [(Scope.CONTRACT, contract)]
    assert found[0].grounds is not None
    assert (found[0].grounds.rule, found[0].grounds.actual) == ("SESSION", 0)
    stage.wait(1)
    asked = [it for it in stage.heard if isinstance(it, Flatten)]
    assert len(asked) == 1, "once"


def test_what_a_hand_holds_is_its_makers() -> None:
    stage = opened(CORN, "ZC")
    stage.trade_of(1, 1_800, contract=CORN)
    moment(stage, CORN, at("13:19"))
    stage.wait(1)
    assert not [it for it in stage.heard if isinstance(it, Flatten)]


def test_an_exit_is_free_until_the_close() -> None:
    stage = opened(CORN, "ZC")
    stage.bought("trend", contract=CORN)
    moment(stage, CORN, at("13:12"))
    passed(stage.ask_exit("trend", SELL, contract=CORN))


def test_a_sleeves_quotes_go_too_and_its_stop_stays() -> None:
    stage = opened(CORN, "ZC")
    entry = stage.bought("trend", contract=CORN)
    quote = passed(
        stage.ask(
            "trend", BUY, contract=CORN, type=OrderType.LIMIT, limit_price=1_790,
            purpose=Purpose.QUOTE, stop_loss_ticks=None,
        )
    )  # fmt: skip
    stage.update(quote, OrderState.WORKING)
    stage.at(at("13:10"))
    assert entry.intent_id + "-SL" not in stage.cancelled(stage.heard)
    assert quote.intent_id in stage.cancelled(stage.heard)


@pytest.mark.parametrize(
    ("day", "group", "flat_by"),
    [
        ("2026-11-18", "index", "2026-11-18T15:10:00-06:00"),
        ("2026-11-18", "grains", "2026-11-18T13:20:00-06:00"),
        ("2026-11-18", "livestock", "2026-11-18T13:05:00-06:00"),
        ("2026-07-14", "grains", "2026-07-14T13:20:00-05:00"),  # in daylight time
        ("2026-03-09", "livestock", "2026-03-09T13:05:00-05:00"),  # the Monday after the change
        ("2026-11-27", "grains", "2026-11-27T12:00:00-06:00"),  # a day that is shorter still
        ("2026-12-24", "livestock", "2026-12-24T12:00:00-06:00"),
    ],
)
def test_the_firms_deadline_is_the_earlier_of_the_two(day: str, group: str, flat_by: str) -> None:
    assert DAYS.named(day).flat_by_of(group) == time_ns(flat_by, "flat by")


def test_at_the_end_of_the_whole_day_one_flatten_is_enough() -> None:
    stage = opened(CORN, "ZC")
    stage.bought("trend", contract=CORN)
    stage.at(at("15:05"))
    stage.wait(1)
    asked = [it for it in stage.heard if isinstance(it, Flatten)]
    assert [it.scope for it in asked] == [Scope.ACCOUNT]
