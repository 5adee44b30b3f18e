"""The figures of the board's snapshot: what a trader asks for first, and what each card shows."""

from __future__ import annotations

import msgspec
import pytest

from services.metrics_exporter import rows
from services.metrics_exporter.metrics import Exposition
from services.metrics_exporter.view import snapshot
from shared.events import (
    AuthorityGranted,
    Gap,
    OrderIntent,
    OrderType,
    OrderVetoed,
    PositionUpdate,
    Regime,
    RegimeChanged,
    Side,
    SleeveBook,
    SleeveStatus,
    VetoRule,
)
from shared.seats import NO_LIFE, NOBODY
from shared.units import SECOND, USD
from tests.exporter_stage import ACTORS, MNQ, Watch, watching

watch = pytest.fixture(watching)


def test_the_first_numbers_a_trader_asks_for(watch: Watch) -> None:
    watch.position(2)
    safe = snapshot(watch.board).safety
    assert safe.floor_distance == 2000.0
    assert safe.floor_distance_ticks == 2000, "two MNQ lose one dollar a tick"
    assert safe.floor_distance_trades == 13
    assert (safe.headroom, safe.open_risk, safe.open_risk_limit) == (900.0, 50.0, 120.0)
    assert safe.seconds_to_flat == 4 * 3600
    assert safe.trading_day == "2026-11-18"


def test_a_position_is_marked_at_the_side_it_is_closed_at(watch: Watch) -> None:
    watch.position(-2)
    row = rows.positions(watch.board)[0]
    assert (row.name, row.position, row.entry, row.mark) == ("MNQZ6", -2, 24750.0, 24750.25)
    assert row.open_dollars == -1.0


def test_a_sleeve_shows_what_its_books_are_worth(watch: Watch) -> None:
    book = SleeveBook(
        sleeve="trend", contract=MNQ, position=1, cost=98_990, realised=20 * USD, fees=1_220_000
    )
    watch.say("risk_governor", AuthorityGranted(sleeve="trend", incarnation=5, books=(book,)))
    watch.say("sleeve_trend", SleeveStatus(
        sleeve="trend", incarnation=5, contract=MNQ, state="READY", numbers={"carry": -1.5},
    ))  # fmt: skip
    intent = OrderIntent(
        intent_id="i", sleeve="trend", incarnation=5, contract=MNQ, side=Side.BUY, size=1,
        type=OrderType.MARKET, expires_ns=0, reason="",
    )  # fmt: skip
    watch.say("sleeve_trend", intent)
    watch.say("sleeve_trend", book)
    row = next(row for row in rows.sleeves(watch.board) if row.sleeve == "trend")
    assert row.net_dollars == 20.0 - 1.22 + 5.0
    assert (row.authority, row.position, row.intents, row.numbers) == (True, 1, 1, {"carry": -1.5})


def card(watch: Watch) -> rows.SleeveView:
    return next(row for row in rows.sleeves(watch.board) if row.sleeve == "trend")


def test_the_market_a_sleeve_is_in_is_the_one_its_owner_judged(watch: Watch) -> None:
    assert (card(watch).regime, card(watch).sheltered) == ("", False)
    watch.say("sleeve_trend", regime(Regime.CHOP, trades=False))
    watch.say("sleeve_trend.b", regime(Regime.WILD, trades=True))
    watch.say("sleeve_market_maker", regime(Regime.TREND, trades=True))
    assert (card(watch).regime, card(watch).sheltered) == ("CHOP", True)
    watch.say("risk_governor", AuthorityGranted(sleeve="trend", incarnation=9, seat="b"))
    assert (card(watch).regime, card(watch).sheltered) == ("WILD", False)
    text = Exposition(watch.board).text().decode()
    assert 'topstepquant_sleeve_regime{reason="WILD",sleeve="trend"} 1' in text
    assert 'topstepquant_sleeve_sheltered{sleeve="trend"} 0' in text


def regime(found: Regime, *, trades: bool) -> RegimeChanged:
    return RegimeChanged(
        sleeve="trend", contract=MNQ, regime=found, trades=trades, efficiency_percent=9,
        pace_percent=90,
    )  # fmt: skip


def test_a_removed_sleeve_is_shown_as_that_and_its_process_is_not_missed(watch: Watch) -> None:
    before = [row.actor for row in rows.processes(watch.board)]
    watch.say("risk_governor", AuthorityGranted(sleeve="trend", incarnation=NO_LIFE, seat=NOBODY))
    assert card(watch).state == "REMOVED"
    after = [row.actor for row in rows.processes(watch.board)]
    assert [actor for actor in after if "trend" in actor] == [
        actor for actor in before if actor in watch.board.lives and "trend" in actor
    ]


@pytest.mark.parametrize(
    ("rule", "limit", "actual", "shown"),
    [
        (VetoRule.OPEN_RISK, 120 * USD, 171_500_000, (120.0, 171.5, "$")),
        (VetoRule.FEED, 3 * SECOND, 4_500_000_000, (3.0, 4.5, "s")),
        (VetoRule.SIZE, 3, 4, (3.0, 4.0, "contracts")),
        (VetoRule.HALTED, 3, 4, (3.0, 4.0, "")),
    ],
)
def test_a_veto_shows_limit_actual_and_what_would_pass(
    watch: Watch, rule: VetoRule, limit: int, actual: int, shown: tuple[float, float, str]
) -> None:
    watch.say("risk_governor", OrderVetoed(
        intent_id="i", sleeve="trend", contract=MNQ, rule=rule, limit=limit, actual=actual,
        largest=2))  # fmt: skip
    row = snapshot(watch.board).vetoes[0]
    assert (row.limit, row.actual, row.unit) == shown
    assert row.largest == 2


def test_every_process_of_the_cast_is_listed_even_if_never_heard(watch: Watch) -> None:
    watch.wait(4)
    watch.healthy("sleeve_trend")
    found = {row.actor: row for row in snapshot(watch.board).processes}
    assert set(found) == set(ACTORS)
    assert found["sleeve_trend"].silent
    assert not found["order_router"].silent
    assert {row.actor for row in snapshot(Watch().board).processes} == set(ACTORS)


def test_the_snapshot_survives_unknown_contracts(watch: Watch) -> None:
    watch.say("order_router", PositionUpdate(
        no=1, contract="CON.F.US.CL.Z26", position=1, cost=5, protected=1))  # fmt: skip
    watch.fill(1, contract="something else")
    watch.say("market_data_gateway", Gap(contract="", start_ns=0, end_ns=1))
    seen = snapshot(watch.board)
    assert [row.name for row in seen.positions] == ["CON.F.US.CL.Z26"]
    assert seen.fills[0].price is None
    assert msgspec.json.encode(seen)
