"""The trades table and the Prometheus text: each fill once, and no gauge older than it looks."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from services.metrics_exporter.metrics import Exposition
from services.metrics_exporter.state import Total, TradeRow
from services.metrics_exporter.trades import PAGE_MAX, Trades
from shared.events import (
    Fill,
    FirmStanding,
    OrderState,
    OrderVetoed,
    Purpose,
    RiskLatch,
    RiskLayer,
    RiskLevel,
    Room,
    Scope,
    Side,
    VetoRule,
)
from shared.units import USD
from tests.exporter_stage import MNQ, NOW, Watch, watching

LABELS = ("sleeve", "contract", "actor", "reason")


def row(trade_id: int, day: str = "2026-11-18", **more: object) -> TradeRow:
    fill = Fill(
        no=1, trade_id=trade_id, venue_order_id=5, tag="t1.x", intent_id="i", sleeve="trend",
        contract=MNQ, side=Side.SELL, size=2, price=99_001, fee=1_220_000,
        purpose=Purpose.EXIT, venue_ns=NOW,
    )  # fmt: skip
    return TradeRow(day, msgspec.structs.replace(fill, **more))


@pytest.fixture
def trades(tmp_path: Path) -> Iterator[Trades]:
    with closing(Trades(tmp_path / "trades.db")) as opened:
        yield opened


def test_a_trade_told_twice_is_one_row(trades: Trades) -> None:
    trades.write([row(1), row(1)])
    trades.write([row(1)])
    assert trades.totals("2026-11-18") == {"trend": Total(1, 2, 1_220_000)}


def test_a_voided_trade_stays_but_no_longer_counts(trades: Trades) -> None:
    trades.write([row(1), row(2)])
    trades.write([row(1, voided=True)])
    trades.write([row(1)])
    assert trades.totals("2026-11-18") == {"trend": Total(1, 2, 1_220_000)}
    assert [found["voided"] for found in trades.page()] == [False, True]


def test_a_row_shows_everything_in_base_units(trades: Trades) -> None:
    trades.write([row(7)])
    assert trades.page() == [
        {
            "trade_id": 7, "trading_day": "2026-11-18", "at": NOW / 1e9, "sleeve": "trend",
            "contract": MNQ, "name": "MNQZ6", "side": "SELL", "size": 2, "price": 24750.25,
            "fee_dollars": 1.22, "purpose": "EXIT", "intent_id": "i", "voided": False,
        }
    ]  # fmt: skip


def test_pages_are_bounded_newest_first_and_filtered(trades: Trades) -> None:
    trades.write([row(number) for number in range(1, PAGE_MAX + 11)])
    trades.write([row(5_000, day="2026-11-19", sleeve="")])
    newest = trades.page(limit=10_000)
    assert len(newest) == PAGE_MAX
    assert newest[0]["trade_id"] == 5_000
    assert [found["trade_id"] for found in trades.page(before=3)] == [2, 1]
    assert [found["sleeve"] for found in trades.page(day="2026-11-19")] == ["human"]
    assert len(trades.page(sleeve="trend", limit=7)) == 7
    assert trades.page(sleeve="trend' OR '1'='1") == []


def test_a_second_life_finds_what_the_first_wrote(tmp_path: Path) -> None:
    for _ in range(2):
        with closing(Trades(tmp_path / "trades.db")) as life:
            life.write([row(1)])
            assert len(life.page()) == 1


def test_a_broken_file_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "trades.db"
    path.write_bytes(b"this is no database, " * 100)
    with closing(Trades(path)) as trades:
        trades.write([row(1)])
        assert len(trades.page()) == 1
    assert (tmp_path / "trades.db.broken").exists()


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        Trades(tmp_path / "nowhere" / "trades.db")


# -- Prometheus ----------------------------------------------------------------------------------


def samples(watch: Watch) -> dict[tuple[str, ...], float]:
    """Every sample by (name, label values...), as Prometheus' own parser reads them."""
    found = {}
    for family in text_string_to_metric_families(Exposition(watch.board).text().decode()):
        for sample in family.samples:
            labels = (sample.labels.get(name) for name in LABELS)
            found[(sample.name, *filter(None, labels))] = sample.value
    return found


watch = pytest.fixture(watching)


def test_names_have_one_prefix_base_units_and_few_labels(watch: Watch) -> None:
    watch.position(1)
    watch.order(OrderState.WORKING)
    watch.fill(1)
    text = Exposition(watch.board).text().decode()
    for family in text_string_to_metric_families(text):
        assert family.name.startswith("topstepquant_")
        assert family.documentation
        for sample in family.samples:
            assert set(sample.labels) <= set(LABELS)
            assert not re.search(r"_(ms|us|ns|micros|ticks)$", sample.name)
            assert "trend.1.1" not in sample.labels.values()


def test_the_numbers_that_matter_are_there(watch: Watch) -> None:
    watch.position(1)
    latch = RiskLatch(key="recovery", cause="c", level=RiskLevel.ACTIVE, scope=Scope.ACCOUNT,
                      owner="risk_governor", since_ns=1, clears="17:00 CT")  # fmt: skip
    watch.risk(session_net=-450_000_000, latches=(latch,), payable=495_490_000, winning_days=5,
               budgets=(("trend", 500_000_000),), recovery=True,
               firm=FirmStanding(rules="express", pays=True),
               layers=(RiskLayer(rule="daily_loss", at=-900 * USD, room=450 * USD),),
               rooms=(Room(contract=MNQ, rule="daily_loss", ticks=240, price=99_000,
                           contracts=5),))  # fmt: skip
    watch.fill(1)
    watch.say("risk_governor", OrderVetoed(
        intent_id="i", sleeve="trend", contract=MNQ, rule=VetoRule.OPEN_RISK, limit=1,
        actual=2))  # fmt: skip
    watch.board.totals = {"trend": Total(1, 2, 3)}
    found = samples(watch)
    expected = {
        ("topstepquant_latch_held", "recovery"): 1.0,
        ("topstepquant_payable_dollars",): 495.49,
        ("topstepquant_floor_after_payout_dollars",): 0.0,
        ("topstepquant_alert", "recovery"): 1.0,
        ("topstepquant_winning_days",): 5.0,
        ("topstepquant_sleeve_budget_dollars", "trend"): 500.0,
        ("topstepquant_headroom_dollars",): 900.0,
        ("topstepquant_headroom_contracts",): 6.0,
        ("topstepquant_floor_dollars",): 48_000.0,
        ("topstepquant_floor_distance_dollars",): 2_000.0,
        ("topstepquant_equity_conservative_dollars",): 50_000.0,
        ("topstepquant_rule_used_ratio", "daily_loss"): 0.5,
        ("topstepquant_rule_room_dollars", "daily_loss"): 450.0,
        ("topstepquant_room_contracts", MNQ): 5.0,
        ("topstepquant_room_price_steps", MNQ): 240.0,
        ("topstepquant_alarm",): 0.0,
        ("topstepquant_recovery",): 1.0,
        ("topstepquant_open_risk_dollars",): 50.0,
        ("topstepquant_naked_position_seconds", MNQ): 0.0,
        ("topstepquant_position_contracts", MNQ): 1.0,
        ("topstepquant_contracts_traded_today", "trend"): 2.0,
        ("topstepquant_fills_total", "trend", MNQ): 1.0,
        ("topstepquant_contracts_total", "trend", MNQ): 2.0,
        ("topstepquant_vetoes_total", "trend", "OPEN_RISK"): 1.0,
        ("topstepquant_unknown_orders",): 0.0,
        ("topstepquant_feed_age_seconds", MNQ): 0.0,
        ("topstepquant_ready",): 1.0,
        ("topstepquant_verdict", "WATCH"): 1.0,
        ("topstepquant_verdict", "DANGER"): 0.0,
        ("topstepquant_risk_level", "ACTIVE"): 1.0,
        ("topstepquant_venue_state", "READY"): 1.0,
        ("topstepquant_heartbeat_age_seconds", "order_router"): 0.0,
    }
    assert {key: found.get(key) for key in expected} == expected


def test_a_stale_gauge_is_absent_not_frozen(watch: Watch) -> None:
    watch.position(1)
    watch.wait(4)
    watch.beats("order_router", "risk_governor")
    found = {key[0] for key in samples(watch)}
    gone = ("headroom_dollars", "equity_conservative_dollars", "position_contracts",
            "unknown_orders", "sleeve_net_dollars", "open_risk_dollars")  # fmt: skip
    assert not {f"topstepquant_{name}" for name in gone} & found
    assert "topstepquant_heartbeat_age_seconds" in found
    assert "topstepquant_risk_age_seconds" in found


def test_an_unknown_floor_is_absent_not_zero(watch: Watch) -> None:
    watch.risk(next_rule="", level=RiskLevel.REDUCE_ONLY, cause="starting")
    found = {key[0] for key in samples(watch)}
    assert "topstepquant_floor_dollars" not in found
    assert "topstepquant_session_net_dollars" in found


def test_an_empty_board_has_a_text_too() -> None:
    found = samples(Watch())
    assert found[("topstepquant_ready",)] == 0.0
    assert found[("topstepquant_verdict", "STALE")] == 1.0
