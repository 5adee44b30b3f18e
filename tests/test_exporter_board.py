"""The board, the verdict and the snapshot: what is shown, how old it is, and what it is called."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics_exporter import rows
from services.metrics_exporter.core import Board
from services.metrics_exporter.state import ORDERS_MAX, RECENT, FlattenFile
from services.metrics_exporter.verdict import unready, verdict
from services.metrics_exporter.view import snapshot
from shared.events import (
    AuthorityGranted,
    Bar,
    ContractListed,
    Event,
    FeedState,
    FeedStatus,
    Fill,
    FlattenProgress,
    FlattenStage,
    Gap,
    Heartbeat,
    OrderIntent,
    OrderState,
    OrderType,
    OrderUpdate,
    OrderVetoed,
    Phase,
    PositionUpdate,
    Pulse,
    Purpose,
    Quote,
    Reconciled,
    RiskLevel,
    RiskState,
    Scope,
    SessionPhase,
    Side,
    SleeveBook,
    SleeveStatus,
    VenueState,
    VenueStatus,
    VetoRule,
)
from shared.settings import load
from shared.units import HOUR, MINUTE, SECOND, USD

MNQ = "CON.F.US.MNQ.Z26"
NOW = 1_795_020_000 * SECOND  # Wednesday 18 November 2026, in the morning of Chicago
SETTINGS = load(env={})
ACTORS = (
    "market_data_gateway", "risk_governor", "order_router", "sentinel", "simulator",
    "sleeve_market_maker", "sleeve_mean_reversion", "sleeve_trend", "sleeve_tail_hedge",
)  # fmt: skip


class Watch:
    """A board and somebody who tells it things; time moves by hand."""

    def __init__(self, speed: float = 1.0) -> None:
        self.board = Board(load(env={"TSQ__SIMULATOR__SPEED": str(speed)}))
        self.real = 1_000 * SECOND
        self.market = NOW
        self.speed = speed
        self.beat = 0
        self.no = 0
        self.board.advance(self.real, self.market)

    def wait(self, seconds: float) -> None:
        self.real += int(seconds * SECOND)
        self.market += int(seconds * SECOND * self.speed)
        self.board.advance(self.real, self.market)

    def say(self, source: str, event: Event, ago_ns: int = 0) -> None:
        self.board.observe(source, 1, 1, self.market - ago_ns, event)

    def beats(self, *but: str) -> None:
        self.beat += 1
        for actor in ACTORS:
            if actor not in but:
                beat = Heartbeat(actor=actor, epoch=7, beat=self.beat, schema="", seq={})
                self.say(actor, beat)

    def risk(self, **changes: object) -> None:
        usual = RiskState(
            halt_no=1, level=RiskLevel.ACTIVE, cause="", since_ns=NOW - HOUR, equity=50_000 * USD,
            floor=48_000 * USD, kill_level=48_400 * USD, headroom=900 * USD, open_risk=50 * USD,
            trading_day="2026-11-18", next_rule="drawdown",
        )  # fmt: skip
        self.say("risk_governor", msgspec.structs.replace(usual, **changes))

    def venue(self, state: VenueState = VenueState.READY, **more: object) -> None:
        self.say("order_router", VenueStatus(no=1, state=state, **more))

    def quote(self, contract: str = MNQ, bid: int = 99_000) -> None:
        quote = Quote(
            contract=contract, bid=bid, ask=bid + 1, venue_ns=self.market, recv_ns=self.market
        )
        self.say("market_data_gateway", quote)

    def position(self, lots: int, protected: int | None = None, since: int = 0) -> None:
        covered = abs(lots) if protected is None else protected
        self.say(
            "order_router",
            PositionUpdate(
                no=1, contract=MNQ, position=lots, cost=lots * 99_000, protected=covered,
                unprotected_since_ns=since,
            ),
        )  # fmt: skip

    def healthy(self, *but: str) -> None:
        """Everything that is said at least once a second, once."""
        self.beats(*but)
        if "risk_governor" not in but:
            self.risk()
        if "order_router" not in but:
            self.venue()
        if "market_data_gateway" not in but:
            self.quote()

    def start(self) -> None:
        session = SessionPhase(
            trading_day="2026-11-18", phase=Phase.OPEN, flat_by_ns=NOW + 4 * HOUR,
            reopens_ns=NOW + 6 * HOUR,
        )  # fmt: skip
        self.say("market_data_gateway", session)
        self.say("market_data_gateway", FeedStatus(state=FeedState.UP, since_ns=NOW))
        self.healthy()

    def order(self, state: OrderState, number: int = 1, **more: object) -> None:
        self.no += 1
        update = OrderUpdate(
            no=self.no, tag=f"t1.trend.a.{number}.0", intent_id=f"trend.1.{number}", sleeve="trend",
            contract=MNQ, side=Side.BUY, size=1, filled=0, state=state, purpose=Purpose.ENTRY,
            type=OrderType.LIMIT, limit_price=99_000,
        )  # fmt: skip
        self.say("order_router", msgspec.structs.replace(update, **more))

    def fill(self, trade_id: int, source: str = "order_router", **more: object) -> None:
        fill = Fill(
            no=1, trade_id=trade_id, venue_order_id=5, tag="t", intent_id="trend.1.1",
            sleeve="trend", contract=MNQ, side=Side.BUY, size=2, price=99_000, fee=1_220_000,
            purpose=Purpose.ENTRY, venue_ns=NOW,
        )  # fmt: skip
        self.say(source, msgspec.structs.replace(fill, **more))

    def texts(self) -> str:
        return "\n".join(reason.text for reason in verdict(self.board).reasons)


@pytest.fixture
def watch() -> Watch:
    found = Watch()
    found.start()
    return found


# -- the verdict -------------------------------------------------------------------------------


def test_before_anybody_speaks_it_is_stale_not_safe() -> None:
    watch = Watch()
    assert verdict(watch.board).level == "STALE"
    assert "risk_governor was never heard" in watch.texts()
    seen = snapshot(watch.board)
    assert seen.safety.floor_distance is None
    assert seen.safety.stale
    assert seen.router_silent
    assert [row.net_dollars for row in seen.sleeves] == [None] * 4


def test_all_fresh_and_flat_is_safe(watch: Watch) -> None:
    assert verdict(watch.board).level == "SAFE"
    assert unready(watch.board) == []


def test_with_a_covered_position_it_is_still_safe(watch: Watch) -> None:
    watch.position(1)
    assert verdict(watch.board).level == "SAFE"


def test_freshness_ends_at_the_settings_limit_to_the_tenth(watch: Watch) -> None:
    watch.wait(3.0)
    assert verdict(watch.board).level == "SAFE"
    watch.wait(0.1)
    assert verdict(watch.board).level == "STALE"


def test_stale_after_is_a_setting_that_works() -> None:
    patient = Watch()
    patient.board.settings = load(env={"TSQ__METRICS_EXPORTER__STALE_AFTER_REAL_S": "30"})
    patient.start()
    patient.wait(20)
    assert verdict(patient.board).level == "SAFE"


STORIES: list[tuple[str, Callable[[Watch], None], str, str]] = [
    ("governor silent, flat", lambda w: (w.wait(4), w.healthy("risk_governor")), "STALE",
     "risk_governor silent for 4 s"),
    ("governor silent, open", lambda w: (w.position(1), w.wait(4), w.healthy("risk_governor")),
     "DANGER", "risk_governor silent for 4 s with a position open"),
    ("router silent, open", lambda w: (w.position(1), w.wait(4), w.healthy("order_router")),
     "DANGER", "order_router silent"),
    ("gateway silent, flat", lambda w: (w.wait(4), w.healthy("market_data_gateway")), "STALE",
     "market_data_gateway silent"),
    ("sentinel silent, flat", lambda w: (w.wait(4), w.healthy("sentinel")), "WATCH",
     "sentinel silent for 4 s: no second guardian"),
    ("sentinel silent, open", lambda w: (w.position(1), w.wait(4), w.healthy("sentinel")),
     "DANGER", "no second guardian"),
    ("halted and flat", lambda w: w.risk(level=RiskLevel.HALTED, cause="daily loss"), "WATCH",
     "halted: daily loss"),
    ("halted and open",
     lambda w: (w.position(1), w.risk(level=RiskLevel.HALTED, cause="daily loss")), "DANGER",
     "a position is still open"),
    ("flattening", lambda w: w.risk(level=RiskLevel.FLATTENING, cause="operator"), "WATCH",
     "flattening: operator"),
    ("exits only", lambda w: w.risk(level=RiskLevel.REDUCE_ONLY, cause="reconcile"), "WATCH",
     "exits only: reconcile"),
    ("paused", lambda w: w.risk(paused=True), "WATCH", "paused by the operator"),
    ("near", lambda w: w.risk(headroom=149 * USD), "WATCH", "headroom is down to $149.00"),
    ("no headroom, open", lambda w: (w.position(1), w.risk(headroom=0)), "DANGER",
     "no headroom left"),
    ("below the floor", lambda w: w.risk(equity=47_999 * USD), "DANGER", "the firm's floor"),
    ("open risk above cap", lambda w: w.risk(open_risk=121 * USD), "DANGER",
     "open risk $121.00 is above its cap $120"),
    ("just naked", lambda w: w.position(2, 1, w.market), "WATCH", "1 of 2 without a stop"),
    ("long naked", lambda w: w.position(2, 0, w.market - 4 * SECOND), "DANGER",
     "MNQZ6: 2 of 2 without a stop for 4 s"),
    ("quarantine", lambda w: (w.position(1), w.venue(VenueState.QUARANTINE, reason="1 or 2")),
     "DANGER", "venue quarantine: 1 or 2"),
    ("venue down, flat", lambda w: w.venue(VenueState.DOWN), "WATCH", "venue down"),
    ("disarmed", lambda w: w.venue(VenueState.DISARMED), "WATCH", "nothing is sent"),
    ("unknown order", lambda w: w.venue(unknown_orders=1), "WATCH",
     "1 order with unknown outcome"),
    ("unknown orders, open", lambda w: (w.position(1), w.venue(unknown_orders=2)), "DANGER",
     "2 orders with unknown outcome"),
    ("feed frozen", lambda w: w.say("market_data_gateway",
     FeedStatus(state=FeedState.FROZEN, since_ns=NOW, reason="silence")), "WATCH",
     "market feed frozen: silence"),
    ("quote old, open", lambda w: (w.position(1), w.wait(3.2), w.beats(), w.risk(), w.venue()),
     "DANGER", "MNQZ6: position open, quote 3 s old"),
    ("asked to flatten", lambda w: w.board.observe_files(FlattenFile("r", "why", "tsq")), "WATCH",
     "flatten asked by tsq (why): nobody has begun"),
    ("flatten by sentinel",
     lambda w: w.board.observe_files(FlattenFile("r", "why", "tsq", "CLOSING", "sentinel")),
     "WATCH", "sentinel at it (closing)"),
    ("near the flat-by time", lambda w: (w.position(1), w.wait(4 * 3600 - 900), w.healthy()),
     "WATCH", "a position is open 15 min before the flat-by time"),
    ("past the flat-by time", lambda w: (w.position(1), w.wait(4 * 3600), w.healthy()),
     "DANGER", "past the time to be flat"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("story", "level", "text"), [row[1:] for row in STORIES], ids=[row[0] for row in STORIES]
)
def test_every_state_has_its_word(
    watch: Watch, story: Callable[[Watch], None], level: str, text: str
) -> None:
    story(watch)
    found = verdict(watch.board)
    assert found.level == level, watch.texts()
    assert text in watch.texts()
    assert found.reasons[0].level == level, "worst first"


def test_a_stuck_flatten_is_danger(watch: Watch) -> None:
    stuck = FlattenProgress(
        no=1, halt_no=1, scope=Scope.ACCOUNT, stage=FlattenStage.STUCK, cause="x", detail="closed"
    )
    watch.say("order_router", stuck)
    assert verdict(watch.board).level == "DANGER"


@pytest.mark.parametrize(
    ("story", "reason"),
    [
        (lambda w: (w.wait(4), w.healthy("sentinel")), "sentinel silent for 4 s"),
        (lambda w: w.venue(VenueState.DISARMED), "venue: DISARMED"),
        (lambda w: w.say("market_data_gateway", FeedStatus(state=FeedState.DOWN, since_ns=0)),
         "market feed: DOWN"),
        (lambda w: (w.wait(4), w.beats(), w.venue()), "risk numbers: 4.0 s old"),
        (lambda w: (w.wait(4), w.beats(), w.risk()), "venue state: 4.0 s old"),
    ],
)  # fmt: skip
def test_readiness_needs_every_guardian(
    watch: Watch, story: Callable[[Watch], None], reason: str
) -> None:
    story(watch)
    assert unready(watch.board) == [reason]


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
