"""The whole cast through the edges of a trading day and of its limits, in the World.

The countdown to the firm's flat-by time, the turn of the day at 17:00 CT, and the soft stop of the
day's loss: each ends as the venue's own books say, not as the cast believes.
"""

from __future__ import annotations

from services.risk_governor.words import Verb
from services.sleeves.base import Sleeve
from services.stage import VenueStage, cast_world
from services.stage_checks import Checks, settings_of
from services.stage_play import Person, truth_of
from shared.events import (
    Bar,
    Event,
    Fill,
    Flatten,
    OrderApproved,
    Phase,
    Purpose,
    RiskLevel,
    RiskState,
    SessionPhase,
)
from shared.lab.accidents import Accidents
from shared.lab.world import World
from shared.settings import Settings
from shared.units import MILLISECOND, MINUTE, SECOND
from shared.venue.times import time_ns


class Day(Checks):
    """Checks, and what the story of a day needs to know."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[int] = []
        self.filled: list[int] = []
        self.flattens: list[tuple[int, Flatten]] = []
        self.levels: list[tuple[int, RiskState]] = []
        self.phases: list[tuple[str, Phase]] = []

    def said(self, lane: str, seq: int, now_ns: int, event: Event) -> None:
        super().said(lane, seq, now_ns, event)
        match event:
            case OrderApproved(purpose=Purpose.ENTRY | Purpose.QUOTE):
                self.entries.append(now_ns)
            case Fill() if lane == "order_router":
                self.filled.append(now_ns)
            case Flatten():
                self.flattens.append((now_ns, event))
            case RiskState():
                self.levels.append((now_ns, event))
            case SessionPhase(trading_day=day, phase=phase):
                self.phases.append((day, phase))


def lots(world: World) -> dict[str, int]:
    return {row.contract: row.lots for row in truth_of(world).positions if row.lots}


def begin(start: str, **overrides: str) -> tuple[World, Day, int, Settings]:
    settings = settings_of(TSQ__SIMULATOR__START=start, **overrides)
    start_ns = time_ns(start, "start")
    day = Day()
    world = cast_world(settings, start_ns, seed=5, said=day.said)
    day.attend(world)
    return world, day, start_ns, settings


def test_the_countdown_ends_flat_before_the_firms_time() -> None:
    world, day, start_ns, _ = begin("2026-11-18T14:57:30-06:00")
    at_1500, at_1505 = start_ns + 150 * SECOND, start_ns + 450 * SECOND
    world.run(at_1500)
    assert day.entries, "the sleeves traded before"
    world.run(at_1505 - SECOND)
    assert max(day.entries) < at_1500, "no entry from 15:00 CT"
    world.run(at_1505 + 30 * SECOND)
    assert lots(world) == {}, "flat long before 15:08"
    live = [order for order in truth_of(world).open_orders if order.status in (1, 6, 8)]
    assert not live, "nothing rests"
    assert any(now >= at_1505 for now, _ in day.flattens), "the governor flattened at 15:05"
    world.run(at_1505 + 5 * MINUTE)
    assert lots(world) == {}
    assert max(day.entries) < at_1500
    days = [phase for _, phase in day.phases]
    assert days == [Phase.OPEN, Phase.NO_ENTRIES, Phase.FLATTEN, Phase.FLAT]


def test_an_early_close_shifts_the_countdown() -> None:
    """Friday after Thanksgiving: the exchange closes 12:15: no entries from 11:50."""
    world, day, start_ns, _ = begin("2026-11-27T11:48:00-06:00")
    world.run(start_ns + 12 * MINUTE)
    assert day.entries
    assert max(day.entries) < start_ns + 2 * MINUTE
    assert lots(world) == {}


def test_a_new_day_begins_at_17_ct_with_proof_of_flat() -> None:
    world, day, start_ns, _ = begin("2026-11-18T16:59:00-06:00")
    at_1700 = start_ns + MINUTE
    world.run(at_1700)
    assert not day.entries, "nothing is approved while the exchange is closed"
    world.run(at_1700 + 4 * MINUTE)
    assert ("2026-11-19", Phase.OPEN) in day.phases
    assert day.entries, "the new day trades"
    last = day.levels[-1][1]
    assert last.trading_day == "2026-11-19"
    assert last.level is RiskLevel.ACTIVE


def test_17_ct_is_crossed_by_each_process_at_its_own_instant() -> None:
    """Some are dead as the day turns, others hear of it seconds late, each pipe for itself: one day
    later for everybody, nothing of the old day leaves, and every book ends as the venue's.
    """
    world, day, start_ns, _ = begin("2026-11-18T16:59:50-06:00")
    day.attend(world)
    stage = world.stage
    assert isinstance(stage, VenueStage)
    world.accidents = stage.accidents = Accidents(bus_delay_ns_max=2 * SECOND)
    at_1700 = start_ns + 10 * SECOND
    for before_ms, actor, down_ms in (
        (1_000, "market_data_gateway", 3_000), (500, "order_router", 2_000),
        (0, "sleeve_trend", 4_000), (-200, "risk_governor", 1_500), (-2_000, "sentinel", 1_000),
    ):  # fmt: skip
        world.run(at_1700 - before_ms * MILLISECOND)
        world.kill(actor, down_ms * MILLISECOND)
    world.run(at_1700 + 30 * SECOND)
    world.accidents = stage.accidents = Accidents()
    world.run(at_1700 + 4 * MINUTE)
    assert min(day.entries) > at_1700
    last = day.levels[-1][1]
    assert (last.trading_day, last.level) == ("2026-11-19", RiskLevel.ACTIVE)
    Person(world, 1, 0.0).ask(Verb.FLATTEN)
    world.run(world.now_ns + MINUTE)
    day.judge()


class Loser(Sleeve):
    """Buys whenever it can, for next to nothing; the fees alone lose the day."""

    def on_bar(self, bar: Bar) -> None:
        if bar.span_s == 1 and self.idle:
            self.buy(sl_ticks=4, tp_ticks=4, reason="no reason")


def test_the_days_loss_flattens_and_halts_until_17_ct() -> None:
    """No entry begins that its stop could lose the day with; a stop that slips 14 dollars where one
    was assumed loses it all the same, and then everything ends.
    """
    world, day, start_ns, _ = begin(
        "2026-11-18T16:45:00-06:00",
        TSQ__SLEEVES__TREND__IMPLEMENTATION="tests.test_cast_days:Loser",
        TSQ__SLEEVES__MARKET_MAKER__ENABLED="false",
        TSQ__SLEEVES__MEAN_REVERSION__ENABLED="false",
        TSQ__SLEEVES__TAIL_HEDGE__ENABLED="false",
        TSQ__RISK_GOVERNOR__DAILY_LOSS="16",
        TSQ__SIMULATOR__STOP_SLIPPAGE_TICKS="28",
        TSQ__RISK_GOVERNOR__TRADES_PER_DAY="1000",
    )
    world.run(start_ns + 20 * MINUTE)
    halts = [now for now, state in day.levels if state.level is RiskLevel.HALTED]
    assert halts, "sixteen dollars are soon lost"
    assert [flatten for _, flatten in day.flattens if "loss" in flatten.cause.lower()]
    assert not [now for now in day.entries if now > halts[0]], "no entry after the halt"
    assert lots(world) == {}
    last = day.levels[-1][1]
    assert last.level is RiskLevel.HALTED
    assert last.clears == "17:00 CT"
    truth = truth_of(world)
    lost = truth.start_micros - truth.balance_micros
    assert 16_000_000 <= lost < 24_000_000, f"lost {lost} micro-dollars"
