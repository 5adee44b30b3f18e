"""Whose wish it is and in what form: what is misshapen, repeated, late or spoken by a stranger."""

from __future__ import annotations

import msgspec
import pytest

from shared.events import OrderType, Purpose, VetoRule
from shared.units import MILLISECOND
from tests.governor_stage import BUY, MNQ, Stage, passed, refused, wide


def test_tags_write_the_incarnation_in_base_36() -> None:
    stage = Stage().opened()
    stage.present("trend", 1_795_016_100)
    approved = passed(stage.ask("trend", BUY, incarnation=1_795_016_100))
    assert approved.tag == f"t1.trend.{_base36(1_795_016_100)}.{stage.count}.1"


def _base36(number: int) -> str:
    return (
        ""
        if not number
        else _base36(number // 36) + "0123456789abcdefghijklmnopqrstuvwxyz"[number % 36]
    )


# -- form ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"size": 0}, "size"),
        ({"size": -1}, "size"),
        ({"type": OrderType.TRAILING_STOP}, "type"),
        ({"type": OrderType.JOIN_BID}, "type"),
        ({"type": OrderType.LIMIT}, "LIMIT"),
        ({"type": OrderType.STOP}, "STOP"),
        ({"type": OrderType.MARKET, "limit_price": 84_000}, "MARKET"),
        ({"type": OrderType.STOP, "stop_price": 84_010, "limit_price": 84_000}, "STOP"),
        ({"type": OrderType.LIMIT, "limit_price": 0}, "limit_price"),
        ({"type": OrderType.LIMIT, "limit_price": -5}, "limit_price"),
        ({"stop_loss_ticks": -40}, "stop_loss_ticks"),
        ({"stop_loss_ticks": 0}, "stop_loss_ticks"),
        ({"take_profit_ticks": 0}, "take_profit_ticks"),
        ({"contract": "CON.F.US.XYZ.Z26"}, "contract"),
        ({"contract": "MNQ"}, "contract"),
        ({"purpose": Purpose.NET_STOP}, "purpose"),
        ({"purpose": Purpose.FLATTEN}, "purpose"),
        ({"purpose": Purpose.QUOTE}, "quote"),
        ({"intent_id": "trend.7"}, "intent id"),
        ({"intent_id": "trend.8.1"}, "intent id"),
        ({"intent_id": "other.7.1"}, "intent id"),
        ({"intent_id": "trend.7.-1"}, "intent id"),
        ({"intent_id": ""}, "intent id"),
    ],
)
def test_misshapen_wishes_are_malformed(wrong: dict[str, object], word: str) -> None:
    stage = Stage().opened()
    veto = stage.ask("trend", BUY, **wrong)
    assert refused(veto) is VetoRule.MALFORMED
    assert word in veto.detail
    passed(stage.ask("trend", BUY))


def test_a_contract_that_is_not_the_listed_month_is_malformed() -> None:
    stage = Stage().opened()
    old = "CON.F.US.MNQ.U26"
    stage.tell(msgspec.structs.replace(_quote(stage), contract=old))
    assert refused(stage.ask("trend", BUY, contract=old)) is VetoRule.MALFORMED
    stage.list("MNQ", old)
    passed(stage.ask("trend", BUY, contract=old))


def test_a_contract_whose_tick_is_worth_something_else_is_not_traded() -> None:
    stage = Stage().opened()
    stage.list("MNQ", MNQ, tick_micros=510_000)
    assert refused(stage.ask("trend", BUY)) is VetoRule.MALFORMED
    stage.list("MNQ", MNQ)
    passed(stage.ask("trend", BUY))


def _quote(stage: Stage) -> object:
    stage.quote(MNQ)
    return stage.story[-1][1]


# -- identity --------------------------------------------------------------------------------------


def test_only_the_granted_incarnation_speaks() -> None:
    stage = Stage().opened()
    veto = stage.ask("trend", BUY, incarnation=6)
    assert refused(veto) is VetoRule.AUTHORITY
    assert (veto.limit, veto.actual) == (7, 6)
    assert refused(stage.ask("trend", BUY, incarnation=8)) is VetoRule.AUTHORITY
    stage.present("trend", 8)
    assert refused(stage.ask("trend", BUY, incarnation=7)) is VetoRule.AUTHORITY
    passed(stage.ask("trend", BUY, incarnation=8))


def test_a_sleeve_outside_the_cast_has_no_authority() -> None:
    stage = Stage().opened()
    assert stage.present("stranger") == []
    assert refused(stage.ask("stranger", BUY)) is VetoRule.AUTHORITY


def test_a_repeated_intent_gets_the_same_answer_and_one_exposure() -> None:
    stage = Stage().opened()
    wish = stage.intent("trend", BUY)
    first = stage.tell(wish)
    assert stage.tell(wish) == first
    assert len(stage.governor.mind.state.orders) == 1
    bad = stage.intent("trend", BUY, stop_loss_ticks=None)
    veto = stage.tell(bad)
    stage.quote(MNQ)
    assert stage.tell(bad) == veto


def test_an_intent_older_than_the_window_of_answers_is_a_duplicate() -> None:
    stage = Stage(wide(orders_per_window=1_000)).opened()
    wish = stage.intent("trend", BUY)
    stage.tell(wish)
    for _ in range(128):
        stage.ask("trend", BUY, stop_loss_ticks=None)
    assert len(stage.governor.mind.state.sleeves["trend"].answers) == 128
    (veto,) = stage.tell(wish)
    assert refused(veto) is VetoRule.DUPLICATE


def test_a_wish_lives_until_its_expiry_and_not_longer() -> None:
    stage = Stage().opened()
    veto = stage.ask("trend", BUY, expires_ns=stage.now)  # judged a millisecond later
    assert refused(veto) is VetoRule.EXPIRED
    assert veto.actual - veto.limit == MILLISECOND
    passed(stage.ask("trend", BUY, expires_ns=stage.now + MILLISECOND))
