"""What an actor says reaches its log in words a trader reads, once, and ticks stay silent."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from loguru import logger

from shared.events import (
    Cross,
    Fill,
    OrderApproved,
    OrderType,
    OrderVetoed,
    PositionUpdate,
    Purpose,
    Quote,
    RiskLatch,
    RiskLevel,
    RiskState,
    Scope,
    Side,
    VetoRule,
)
from shared.runtime.narrator import Narrator

MNQ = "CON.F.US.MNQ.Z26"


@pytest.fixture
def lines() -> Iterator[list[str]]:
    heard: list[str] = []
    sink = logger.add(lambda message: heard.append(message.record["message"]), level="INFO")
    yield heard
    logger.remove(sink)


def fill(no: int) -> Fill:
    return Fill(
        no=no,
        trade_id=no,
        venue_order_id=5,
        tag="t1.trend.a.1.1",
        intent_id="trend.1.1",
        sleeve="trend",
        contract=MNQ,
        side=Side.BUY,
        size=1,
        price=101_602,
        fee=610_000,
        purpose=Purpose.ENTRY,
        venue_ns=0,
    )


def position(contract: str, lots: int, protected: int) -> PositionUpdate:
    return PositionUpdate(no=1, contract=contract, position=lots, cost=0, protected=protected)


def test_a_fill_is_told_in_the_venues_prices(lines: list[str]) -> None:
    Narrator((Fill, Quote)).tell(fill(7))
    assert lines == ["fill 7 t1.trend.a.1.1: BUY 1 CON.F.US.MNQ.Z26 at 25400.50"]


def test_a_veto_says_limit_actual_and_what_would_pass(lines: list[str]) -> None:
    veto = OrderVetoed(
        intent_id="greedy.1.1",
        sleeve="greedy",
        contract=MNQ,
        rule=VetoRule.SIZE,
        limit=3,
        actual=5,
        largest=3,
    )
    Narrator((OrderVetoed,)).tell(veto)
    assert lines == ["greedy.1.1 vetoed: SIZE, limit 3, actual 5; 3 would pass"]


def test_an_approval_says_when_it_trades_inside(lines: list[str]) -> None:
    cross = Cross(price=101_602, intent_id="fast.1.1", sleeve="fast", incarnation=1, tag="t1.f.1.1")
    approval = OrderApproved(
        intent_id="slow.1.1", sleeve="slow", incarnation=1, contract=MNQ, side=Side.SELL, size=1,
        type=OrderType.MARKET, purpose=Purpose.EXIT, tag="t1.s.1.1", halt_no=1, deadline_real_ns=9,
    )  # fmt: skip
    told = msgspec.structs.replace(approval, cross=cross)
    for word in (approval, told):
        Narrator((OrderApproved,)).tell(word)
    order = "slow.1.1 approved: SELL 1 CON.F.US.MNQ.Z26 MARKET (EXIT) as t1.s.1.1"
    assert lines == [order, f"{order}, inside with fast at 25400.50"]


def test_repeated_states_are_told_when_they_change(lines: list[str]) -> None:
    narrator = Narrator((RiskState,))
    active = RiskState(halt_no=1, level=RiskLevel.ACTIVE, cause="", since_ns=0)
    halted = RiskState(halt_no=2, level=RiskLevel.HALTED, cause="daily loss", since_ns=0)
    for state in (active, active, halted, halted):
        narrator.tell(state)
    assert len(lines) == 2
    assert "HALTED: daily loss" in lines[1]


def test_each_contract_has_its_own_last_word(lines: list[str]) -> None:
    narrator = Narrator((PositionUpdate,))
    mes = "CON.F.US.MES.Z26"
    for contract, lots, protected in ((MNQ, 1, 0), (mes, 1, 1), (MNQ, 1, 0), (mes, 1, 1)):
        narrator.tell(position(contract, lots, protected))
    assert len(lines) == 2
    assert lines[0].endswith("UNPROTECTED")


def test_ticks_and_the_governors_copies_are_silent(lines: list[str]) -> None:
    quote = Quote(contract=MNQ, bid=1, ask=2, venue_ns=0, recv_ns=0)
    Narrator((Quote,)).tell(quote)
    Narrator((OrderApproved, Fill)).tell(fill(8))
    assert lines == []


def test_news_and_their_end_are_told_once_each(lines: list[str]) -> None:
    """A payout or a target forbids nothing, so the level stays: it is told all the same."""
    narrator = Narrator((RiskState,))
    active = RiskState(halt_no=1, level=RiskLevel.ACTIVE, cause="", since_ns=0)
    payout = RiskLatch(
        key="payout", cause="up to 495.49 may be asked for", level=RiskLevel.ACTIVE,
        scope=Scope.ACCOUNT, owner="risk_governor", since_ns=1, clears="17:00 CT",
    )  # fmt: skip
    told = msgspec.structs.replace(active, latches=(payout,))
    for state in (active, told, told, active):
        narrator.tell(state)
    assert len(lines) == 3
    assert "ALERT payout: up to 495.49 may be asked for" in lines[1]


def test_a_new_life_says_again_that_it_is_halted(lines: list[str]) -> None:
    halted = RiskState(halt_no=2, level=RiskLevel.HALTED, cause="daily loss", since_ns=0)
    for _ in range(2):
        Narrator((RiskState,)).tell(halted)
    assert len(lines) == 2
