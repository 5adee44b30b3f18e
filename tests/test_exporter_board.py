"""The board: how old what it shows is, what is kept of a story, and what it remembers."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics_exporter import memory, rows
from services.metrics_exporter.core import Board
from services.metrics_exporter.state import ORDERS_MAX, RECENT, Recent
from services.metrics_exporter.verdict import verdict
from services.metrics_exporter.view import snapshot
from shared.events import (
    Bar,
    ContractListed,
    FlattenProgress,
    FlattenStage,
    Heartbeat,
    OrderState,
    OrderVetoed,
    Pulse,
    Reconciled,
    RiskLevel,
    Scope,
    SleeveStatus,
    VenueState,
    VenueStatus,
    VetoRule,
)
from shared.settings import load
from shared.units import HOUR, MINUTE, SECOND
from tests.exporter_stage import MNQ, NOW, SETTINGS, Watch, watching

watch = pytest.fixture(watching)


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
