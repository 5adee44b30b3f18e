"""The board and its snapshot: what is shown, how old it is, what is kept of a story."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics_exporter import memory, rows
from services.metrics_exporter.core import Board
from services.metrics_exporter.metrics import Exposition
from services.metrics_exporter.state import ORDERS_MAX, RECENT, Recent
from services.metrics_exporter.verdict import verdict
from services.metrics_exporter.view import snapshot
from shared.events import (
    AuthorityGranted,
    Bar,
    ContractListed,
    FlattenProgress,
    FlattenStage,
    Gap,
    Heartbeat,
    OrderIntent,
    OrderState,
    OrderType,
    OrderVetoed,
    PositionUpdate,
    Pulse,
    Reconciled,
    Regime,
    RegimeChanged,
    RiskLevel,
    Scope,
    Side,
    SleeveBook,
    SleeveStatus,
    VenueState,
    VenueStatus,
    VetoRule,
)
from shared.seats import NO_LIFE, NOBODY
from shared.settings import load
from shared.units import HOUR, MINUTE, SECOND, USD
from tests.exporter_stage import ACTORS, MNQ, NOW, SETTINGS, Watch


@pytest.fixture
def watch() -> Watch:
    found = Watch()
    found.start()
    return found


# -- ages --------------------------------------------------------------------------------------


def test_what_was_caught_up_is_as_old_as_it_is() -> None:
    watch = Watch()
    watch.say("order_router", VenueStatus(no=1, state=VenueState.READY), ago_ns=60 * SECOND)
    assert watch.board.venue is not None
    assert watch.board.age_s(watch.board.venue) == 60.0
    assert watch.board.stale(watch.board.venue)


def test_what_was_read_before_the_clock_was_known_is_as_old_as_it_is() -> None:
    board = Board(SETTINGS)
    board.observe("order_router", 1, 1, NOW - MINUTE, VenueStatus(no=1, state=VenueState.READY))
    board.advance(500 * SECOND, NOW)
    assert board.venue is not None
    assert board.age_s(board.venue) == 60.0
    board.advance(501 * SECOND, NOW)
    assert board.age_s(board.venue) == 60.0, "the market stood still"


def test_ages_are_real_seconds_whatever_the_speed() -> None:
    watch = Watch(speed=10.0)
    watch.start()
    watch.wait(2.0)
    assert watch.board.risk is not None
    assert watch.board.age_s(watch.board.risk) == 2.0
    watch.say("order_router", VenueStatus(no=1, state=VenueState.READY), ago_ns=50 * SECOND)
    assert watch.board.venue is not None
    assert watch.board.age_s(watch.board.venue) == 5.0


def test_a_standing_market_does_not_keep_values_fresh(watch: Watch) -> None:
    watch.board.advance(watch.real + 10 * SECOND, watch.market)
    assert verdict(watch.board).level == "STALE"


def test_a_heartbeat_told_twice_is_one_beat(watch: Watch) -> None:
    watch.wait(2.0)
    beat = Heartbeat(actor="sentinel", epoch=7, beat=watch.beat, schema="", seq={})
    watch.say("sentinel", beat)
    assert watch.board.life_age_s("sentinel") == 2.0
    watch.say("sentinel", msgspec.structs.replace(beat, epoch=8, beat=1))
    assert watch.board.life_age_s("sentinel") == 0.0
    assert watch.board.lives["sentinel"].restarts == 1


def test_what_is_said_only_on_change_is_confirmed_by_its_speakers_heartbeat(watch: Watch) -> None:
    watch.position(1)
    watch.wait(60)
    watch.healthy()
    row = rows.positions(watch.board)[0]
    assert (row.changed_s, row.age_s, row.stale) == (60.0, 0.0, False)
    watch.wait(4)
    watch.healthy("order_router")
    row = rows.positions(watch.board)[0]
    assert (row.age_s, row.stale) == (4.0, True)


# -- folding -----------------------------------------------------------------------------------


def test_orders_and_fills_are_the_routers_word_alone(watch: Watch) -> None:
    watch.order(OrderState.WORKING)
    watch.fill(1)
    watch.fill(1, source="risk_governor")
    again = msgspec.structs.replace(
        next(iter(watch.board.orders.values())).value, state=OrderState.FILLED
    )
    watch.say("risk_governor", again)
    assert len(watch.board.orders) == 1
    assert len(watch.board.fills_waiting) == 1
    assert watch.board.counts.contracts == {("trend", MNQ): 2}


def test_a_finished_order_leaves_the_live_ones(watch: Watch) -> None:
    watch.order(OrderState.SENT)
    watch.order(OrderState.WORKING)
    watch.order(OrderState.WORKING)
    watch.order(OrderState.CANCELLED)
    assert watch.board.orders == {}
    assert watch.board.counts.orders == {
        ("trend", "SENT"): 1, ("trend", "WORKING"): 1, ("trend", "CANCELLED"): 1,
    }  # fmt: skip
    assert [row.state for row in rows.finished_orders(watch.board)] == ["CANCELLED"]


def test_orders_made_by_hand_are_kept_apart(watch: Watch) -> None:
    for number in (1, 2):
        watch.order(OrderState.WORKING, tag="", intent_id="", sleeve="", venue_order_id=number)
    assert len(rows.orders(watch.board)) == 2


def test_reconciliation_is_complete(watch: Watch) -> None:
    watch.order(OrderState.WORKING, 1)
    watch.order(OrderState.WORKING, 2)
    watch.order(OrderState.WORKING, 3, intent_id="")
    watch.say(
        "order_router",
        Reconciled(no=9, as_of_ns=NOW, live=("trend.1.2", "t1.trend.a.3.0"), positions=(),
                   balance=0, difference="MNQ 1 or 2"),
    )  # fmt: skip
    assert [row.tag for row in rows.orders(watch.board)] == ["t1.trend.a.2.0", "t1.trend.a.3.0"]
    assert watch.board.counts.mismatches == 1


def test_everything_is_bounded(watch: Watch) -> None:
    for number in range(ORDERS_MAX + 50):
        watch.order(OrderState.WORKING, number)
        watch.fill(number)
        watch.say(
            "risk_governor",
            OrderVetoed(intent_id="x", sleeve=f"s{number}", contract=MNQ, rule=VetoRule.SIZE,
                        limit=3, actual=4),
        )  # fmt: skip
        watch.say(f"sleeve_{number}", SleeveStatus(
            sleeve=f"s{number}", incarnation=1, contract=MNQ, state="READY"))  # fmt: skip
    assert len(watch.board.orders) == ORDERS_MAX
    assert len(watch.board.recent.fills) == RECENT
    assert len(watch.board.recent.vetoes) == RECENT
    assert len(watch.board.cards) <= 33


def test_a_fill_belongs_to_its_trading_day(watch: Watch) -> None:
    watch.fill(1)
    watch.fill(2, venue_ns=NOW + 12 * HOUR)
    watch.fill(3, venue_ns=0)
    days = [row.day for row in watch.board.fills_waiting]
    assert days == ["2026-11-18", "2026-11-19", ""]


def test_a_flatten_is_timed_in_real_seconds() -> None:
    watch = Watch(speed=4.0)
    watch.start()
    progress = FlattenProgress(
        no=1, halt_no=1, scope=Scope.ACCOUNT, stage=FlattenStage.CANCELLING, cause="operator"
    )
    watch.say("order_router", progress)
    watch.wait(1.5)
    seen = snapshot(watch.board).flatten
    assert seen is not None
    assert (seen.stage, seen.seconds, seen.by) == ("CANCELLING", 1.5, "order_router")
    watch.say("order_router", msgspec.structs.replace(progress, stage=FlattenStage.FLAT))
    assert watch.board.flatten_seconds == 1.5
    assert snapshot(watch.board).flatten is None
    assert watch.board.counts.flattens == 1


def test_a_new_contract_month_replaces_the_old_one(watch: Watch) -> None:
    for contract in (MNQ, "CON.F.US.MNQ.H27"):
        watch.say("market_data_gateway", ContractListed(
            root="MNQ", contract=contract, name="", tick_nanos=1, tick_micros=1,
            trading_day="2026-11-18"))  # fmt: skip
        watch.quote(contract)
    assert [row.name for row in rows.market(watch.board)] == ["MNQH7"]
    assert MNQ not in watch.board.quotes


def test_one_minute_closes_make_the_little_chart(watch: Watch) -> None:
    watch.say("market_data_gateway", ContractListed(
        root="MNQ", contract=MNQ, name="", tick_nanos=1, tick_micros=1,
        trading_day="2026-11-18"))  # fmt: skip
    for minute in (1, 2, 2, 1, 3):
        watch.say("market_data_gateway", Bar(
            contract=MNQ, span_s=60, open_ns=NOW + minute * MINUTE, open=4, high=9, low=1,
            close=minute * 4, volume=1))  # fmt: skip
    watch.say("market_data_gateway", Bar(
        contract=MNQ, span_s=1, open_ns=NOW + HOUR, open=4, high=9, low=1, close=400,
        volume=1))  # fmt: skip
    row = rows.market(watch.board)[0]
    assert (row.closes, row.digits) == ([1.0, 2.0, 3.0], 2)


# -- figures -----------------------------------------------------------------------------------


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


KINDS = st.sampled_from(
    ["wait", "healthy", "mute", "long", "short", "flat", "naked", "work", "done", "fill", "halt",
     "jump", "pulse"]
)  # fmt: skip


@given(st.lists(KINDS, max_size=30), st.sampled_from([1.0, 10.0]))
def test_no_story_breaks_the_picture_or_calls_silence_safe(story: list[str], speed: float) -> None:
    watch = Watch(speed)
    told: dict[str, Callable[[], object]] = {
        "wait": lambda: watch.wait(1.7),
        "healthy": watch.start,
        "mute": lambda: watch.healthy("order_router"),
        "long": lambda: watch.position(2),
        "short": lambda: watch.position(-1),
        "flat": lambda: watch.position(0),
        "naked": lambda: watch.position(1, 0, watch.market),
        "work": lambda: watch.order(OrderState.WORKING),
        "done": lambda: watch.order(OrderState.FILLED),
        "fill": lambda: watch.fill(len(watch.board.fills_waiting)),
        "halt": lambda: watch.risk(level=RiskLevel.HALTED, cause="x"),
        "jump": lambda: watch.board.advance(0, 0),
        "pulse": lambda: watch.say("metrics_exporter", Pulse(real_ns=1)),
    }
    for act in story:
        told[act]()
        seen = snapshot(watch.board)
        assert msgspec.json.decode(msgspec.json.encode(seen), type=type(seen)) == seen
        if watch.board.silent("order_router") or watch.board.silent("risk_governor"):
            assert seen.verdict.level in {"STALE", "DANGER"}
        if seen.verdict.level == "SAFE":
            assert all(not row.stale and not row.unprotected_s for row in seen.positions)
    again = Board(watch.board.settings)
    again.restore(watch.board.snapshot())
    again.advance(watch.board.real_ns, watch.board.now_ns)
    assert snapshot(again) == snapshot(watch.board), "a death is not seen"
    assert again.snapshot() == watch.board.snapshot()


def test_nothing_the_board_knows_is_left_out_of_its_memory() -> None:
    """Files and sums are read again by the port; the rest comes with the settings."""
    found_again = {"flatten_file", "totals", "real_ns", "now_ns"}
    given = {"settings", "subscribes", "watches", "speed", "pins"}
    known = {name for name in vars(Board(SETTINGS)) if not name.startswith("_")}
    queues = {"bars", "recent", "fills_waiting"}
    assert known - found_again - given == {*memory.Kept.__struct_fields__, *queues}
    assert memory.Past.__struct_fields__ == Recent.__struct_fields__


def test_a_memory_that_cannot_be_read_changes_nothing(watch: Watch) -> None:
    before = watch.board.snapshot()
    with pytest.raises(msgspec.MsgspecError):
        watch.board.restore(before[:-1])
    assert watch.board.snapshot() == before


@pytest.mark.parametrize(
    ("setting", "value", "same"),
    [
        ("RISK_GOVERNOR__TRADES_PER_DAY", "7", True),
        ("METRICS_EXPORTER__STALE_AFTER_REAL_S", "9.0", True),
        ("SIMULATOR__SPEED", "4.0", False),
        ("VENUE__ACCOUNT", "another", False),
    ],
)
def test_only_settings_that_change_what_is_learned_begin_the_day_anew(
    setting: str, value: str, same: bool
) -> None:
    """A full day takes ten seconds to read again; a looser limit is no reason to."""
    other = load(env={f"TSQ__{setting}": value})
    assert other.fingerprint() != load(env={}).fingerprint(), "it is another setting"
    assert (Board(other).pins == Board(load(env={})).pins) is same
