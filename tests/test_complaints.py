"""What cost users of other systems their accounts, complaint by complaint, and what happens here.

Eighteen tests, one for each complaint, each named so that a person can look it up; those about
coming back and ending are in `test_complaints_recovery.py`. A complaint is told on the lowest level
that can show it: a core before a venue in integers, the whole cast in the World, or files and
sockets. Where another file goes through more of the same, its docstring is named; the real
processes are killed at every step by `python -m scripts.chaos matrix`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import permutations
from random import Random

import pytest

from services.order_router import words as w
from services.risk_governor import intents
from services.risk_governor.core import Governor
from services.risk_governor.latches import KINDS, latch, told
from services.risk_governor.words import Verb
from services.simulator.words import FaultKind
from services.stage import VenueStage, cast_world
from services.stage_checks import Checks, settings_of
from services.stage_play import truth_of
from shared.events import (
    Event,
    FeedState,
    FeedStatus,
    Fill,
    Flatten,
    Gap,
    OrderApproved,
    OrderState,
    OrderType,
    OrderVetoed,
    PositionUpdate,
    Purpose,
    RiskLevel,
    Scope,
    Side,
    VenueState,
    VetoRule,
)
from shared.settings import SettingsError, load
from shared.units import MINUTE, SECOND
from shared.venue.times import time_ns
from tests import (
    test_complaints_recovery,
    test_gateway_silence,
    test_router_interleavings,
    test_sessions,
)
from tests.fair_world import judge
from tests.governor_stage import BUY, MNQ, Stage, wide
from tests.support.router_bench import Bench
from tests.support.router_venue import M2K

UNPROTECTED_S = settings_of().risk_governor.unprotected_real_s
NEWS = ("hub order", "hub trade", "answer")
PERILS = (("", ""), *((name, "") for name in NEWS), ("", "hub order"), ("", "hub trade"))
"""What of a fill's news is lost, and what is heard twice; a request has one answer."""


def bare_s(bench: Bench) -> float:
    """For how long (real seconds) the position of MNQ was not covered, from what was told."""
    longest, since = 0, 0
    for now_ns, _, said in bench.tape:
        for event in said:
            if isinstance(event, PositionUpdate) and event.contract == MNQ:
                since = (since or now_ns) if event.unprotected_since_ns else 0
        longest = max(longest, now_ns - since if since else 0)
    return longest / SECOND


# -- 1, 2: the feed, and its watchdog --------------------------------------------------------------


def test_complaint_01_feed_frozen_while_connected() -> None:
    """The market hub stays connected and says nothing for 20 s, in the whole cast."""
    entries: list[int] = []
    feed: list[tuple[int, FeedState]] = []
    gaps: list[Gap] = []

    class Watch(Checks):
        def said(self, lane: str, seq: int, now_ns: int, event: Event) -> None:
            super().said(lane, seq, now_ns, event)
            if isinstance(event, OrderApproved) and event.purpose in (Purpose.ENTRY, Purpose.QUOTE):
                entries.append(now_ns)
            elif isinstance(event, FeedStatus):
                feed.append((now_ns, event.state))
            elif isinstance(event, Gap) and lane == "market_data_gateway":
                gaps.append(event)

    settings, checks = settings_of(), Watch()
    start_ns = time_ns(settings.simulator.start, "start")
    world = cast_world(settings, start_ns, seed=3, said=checks.said)
    checks.attend(world)
    world.run(start_ns + MINUTE)
    assert entries
    assert feed[-1][1] is FeedState.UP
    frozen_ns, stage = world.now_ns, world.stage
    assert isinstance(stage, VenueStage)
    stage.fault(FaultKind.FREEZE_MARKET, 20_000)
    world.run(frozen_ns + 19 * SECOND)
    found_ns = next(now for now, state in feed if now > frozen_ns and state is FeedState.FROZEN)
    assert found_ns - frozen_ns < 5 * SECOND
    assert not [now for now in entries if now > found_ns], "an entry into a market nobody sees"
    resting = [order.custom_tag or "" for order in truth_of(world).open_orders]
    protective = ("-SL", "-TP")
    opening = [tag for tag in resting if not tag.endswith(protective) and ".router." not in tag]
    assert not opening, "quotes are pulled"
    world.run(frozen_ns + 2 * MINUTE)
    assert feed[-1][1] is FeedState.UP
    holes = [gap for gap in gaps if gap.end_ns > frozen_ns + SECOND]
    assert {gap.contract for gap in holes} >= {MNQ, M2K}, "the hole is on record"
    assert all(gap.start_ns <= frozen_ns + SECOND for gap in holes)
    judge(world, checks)


def test_complaint_02_watchdog_kills_a_healthy_bot() -> None:
    """Eight hours flat at night: the user hub has nothing to say, the market little."""
    bench = Bench().start().run(1)
    for _ in range(8 * 3_600):
        bench.real_ns += SECOND - SECOND // 4
        bench.now_ns += SECOND - SECOND // 4
        bench.pulse()
        bench.deliver()
    heard = [event for _, event, _ in bench.tape[-200:]]
    assert not any(isinstance(event, w.OrderSeen | w.PositionSeen) for event in heard)
    said = [word for _, _, words in bench.tape for word in words]
    assert not [word for word in said if isinstance(word, w.Reconnect)], "zero reconnects"
    assert bench.status().state is VenueState.READY
    assert not test_gateway_silence.rejoins_of_a_night(seed=1, hours=8)
    test_gateway_silence.test_a_quiet_night_is_no_freeze()
    test_gateway_silence.test_silence_while_the_market_is_closed_means_nothing()


# -- 3: protection ---------------------------------------------------------------------------------


def test_complaint_03_filled_entry_seen_as_unfilled() -> None:
    """Fill before acknowledgement, lost, doubled, in every order: never naked beyond the limit."""
    for order in permutations(test_router_interleavings.FOUR):
        for missing, twice in PERILS:
            bench, news, read = test_router_interleavings.a_fill(early=False)
            news["snapshot"] = [test_router_interleavings.spliced(read, (0, 0, 0))]
            for name in order:
                words = news[name]
                lost = test_router_interleavings.lost(words[0])
                test_router_interleavings.hear(bench, lost if name == missing else words)
                test_router_interleavings.hear(bench, words if name == twice else [])
            test_router_interleavings.settle(bench)
            assert bare_s(bench) <= UNPROTECTED_S


# -- 4, 5, 6, 7: the kill switch, its meaning, its gate, its day -----------------------------------


@pytest.mark.parametrize("unsent", [True, False], ids=["requests die too", "requests arrive"])
def test_complaint_04_kill_switch_cleared_only_its_own_memory(unsent: bool) -> None:
    """The router is killed after every single step of a flatten. It ends flat at the venue."""
    for cut in range(40):
        bench = Bench().start().run(1)
        bench.enter(size=2)
        bench.quote(Side.BUY, 20_000)
        bench.run(0.5)
        assert bench.venue.lots[MNQ] == 2
        bench.tell(Flatten(halt_no=2, scope=Scope.ACCOUNT, cause="kill switch"))
        for _ in range(cut):
            if bench.arriving:
                bench.tell(bench.arriving.pop(0))
            elif bench.requests:
                bench.arriving.append(bench.serve(bench.requests.pop(0)))
        bench.restart(unsent=unsent)
        bench.run(20)
        assert not any(bench.venue.lots.values()), f"killed after {cut} steps"
        assert not bench.resting(MNQ) + bench.resting(M2K)
        assert not bench.router.desk.state.sagas, "and proven so"


@pytest.mark.parametrize("key", sorted(KINDS))
def test_complaint_05_kill_switch_semantics_unclear(key: str) -> None:
    """Each halt says cause, scope, owner, since, what it does and who ends it; a restart keeps it;
    a person's word ends it only where the record says so. (All pairs: `test_governor_latches`.)
    """
    name = f"{key}:trend" if key == "sleeve" else key
    stage = Stage(wide()).opened()
    mind = stage.governor.mind
    latch(mind, stage.now, name, "a cause")
    mind.state.latches[name].flattening = False
    record = next(one for one in told(mind) if one.key == name)
    assert record.cause
    assert record.owner
    assert record.since_ns
    assert record.clears
    assert record.sleeve == ("trend" if key == "sleeve" else "")
    again = Governor(stage.settings)
    again.restore(stage.governor.snapshot())
    assert told(again.mind) == told(mind)
    stage.operator(Verb.RESUME)
    gone = all(one.key != name for one in told(mind))
    assert gone == (record.clears == "operator")


def test_complaint_06_limit_exists_but_never_gates_live() -> None:
    """Every check on the list refuses the live wish; open losses count; no limit may be NaN."""
    for place in ("KIND_CHECKS", "SIZE_CHECKS"):
        checks = getattr(intents, place)
        for number, check in enumerate(checks):
            asked: list[str] = []

            def spy(*given: object, check: Callable[..., object] = check) -> object:
                asked.append(check.__name__)  # noqa: B023 - called within this turn only
                return check(*given)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(intents, place, (*checks[:number], spy, *checks[number + 1 :]))
                stage = Stage(wide()).opened()
                assert isinstance(stage.ask("trend", BUY), OrderApproved)
            assert asked, f"{check.__name__} was never asked"
    stage = Stage(wide(daily_loss=500)).opened()
    stage.bought("trend", 10)
    said = stage.quote(MNQ, stage.prices[MNQ] - 400)
    assert any(isinstance(event, Flatten) for event in said), "an open loss is a loss"
    assert stage.level() is RiskLevel.FLATTENING
    veto = stage.ask("trend", BUY)
    assert isinstance(veto, OrderVetoed)
    assert veto.rule is VetoRule.HALTED
    for value in ("nan", "inf", "-1"):
        with pytest.raises(SettingsError, match="daily_loss"):
            load(env={"TSQ__RISK_GOVERNOR__DAILY_LOSS": value})


def test_complaint_07_day_boundary_wrong() -> None:
    """17:00 in Chicago, whatever the season, the weekday or the computer's own zone."""
    days = test_sessions.CALENDAR
    for before, after in (
        ("2026-03-06T22:59:59Z", "2026-03-08T22:00:00Z"),  # Friday CST, Sunday open in CDT
        ("2026-10-30T21:59:59Z", "2026-11-01T23:00:00Z"),  # Friday CDT, Sunday open in CST
        ("2026-11-18T22:59:59Z", "2026-11-18T23:00:00Z"),  # any Wednesday
    ):
        old, new = (days.at(time_ns(text, "an instant")) for text in (before, after))
        assert old.day < new.day
        assert days.at(new.begins_ns - 1).day == old.day
    for instant, day in (
        ("2026-11-26T17:34:59Z", "2026-11-26"),  # Thanksgiving has a short day of its own
        ("2026-11-26T23:00:00Z", "2026-11-27"),
        ("2025-12-25T18:00:00Z", "2025-12-26"),  # Christmas has none
    ):
        assert days.at(time_ns(instant, "an instant")).day == day, instant
    test_sessions.test_the_computers_time_zone_does_not_matter()


# -- 8, 9, 10, 11: orders and fills counted once ---------------------------------------------------


def test_complaint_08_timeout_reported_as_failure_then_retried() -> None:
    """The answer to a place is lost after the venue accepted it: a thousand seeds, never two."""
    for seed in range(1_000):
        dice = Random(seed)
        bench = Bench().start().run(0.5)
        approval = bench.enter(dice.choice((Side.BUY, Side.SELL)), dice.randint(1, 2))
        request = next(r for r in bench.requests if isinstance(r, w.PlaceOrder))
        bench.requests.remove(request)
        bench.serve(request)
        if dice.random() < 0.5:
            bench.arriving.clear()
        bench.arriving.insert(dice.randint(0, len(bench.arriving)), bench.lost(request))
        if dice.random() < 0.3:
            bench.restart(unsent=dice.random() < 0.5)
        bench.tell(approval)
        bench.run(3)
        assert bench.venue.tag_attempts.count(approval.tag) == 1, seed
        assert bench.state(approval.intent_id) is OrderState.FILLED
        bench.check_agreed()


def test_complaint_09_restart_duplicates_or_flattens_positions() -> None:
    """Ten restarts in a row, under the same and under other code: one state, nothing sent."""
    for changed in (False, True):
        bench = Bench().start().run(1)
        bench.enter(size=2)
        bench.quote(Side.BUY, 19_990)
        bench.run(2)
        held, orders = dict(bench.venue.lots), len(bench.venue.orders)
        hashes = set()
        for _ in range(10):
            bench.restart(changed=changed)
            bench.run(1)
            state = bench.router.desk.state
            books = repr([(b.contract, b.position, b.shares) for b in state.books.values()])
            live = repr([(o.key, o.state, o.filled, o.size) for o in state.orders.values()])
            hashes.add(hashlib.sha256((books + live).encode()).hexdigest())
        assert len(hashes) == 1, "restart x10: one state"
        assert (bench.venue.lots, len(bench.venue.orders)) == (held, orders)
        bench.check_agreed()


def test_complaint_10_snapshot_versus_fill_race() -> None:
    """A snapshot that holds the fill, half of it or nothing, before, between and after its news.
    (All stories: `test_router_interleavings`.)
    """
    for order in permutations(test_router_interleavings.FOUR):
        test_router_interleavings.test_every_order_of_four_around_a_snapshot(
            test_router_interleavings.a_fill, early=True, order=order
        )


def test_complaint_11_fills_missed_during_a_disconnect() -> None:
    """The user hub is gone for two minutes around a fill: counted once, and READY only then."""
    bench = Bench().start().run(1)
    approval = bench.enter(type=OrderType.LIMIT, limit_price=79_990)
    bench.run(1)
    bench.tell(w.Link(up=False, reason="dropped"))
    bench.venue.move(MNQ, 79_990)
    bench.arriving.clear()
    for request in [r for r in bench.requests if isinstance(r, w.ReadBooks)]:
        bench.requests.remove(request)
        bench.tell(w.Unread(read_id=request.read_id, reason="no network"))
    for _ in range(480):
        bench.pulse()
        for request in list(bench.requests):
            bench.requests.remove(request)
            assert isinstance(request, w.ReadBooks), f"{request} while nothing can be known"
            bench.tell(bench.lost(request))
    assert bench.status().state is VenueState.DOWN
    mark = len(bench.said)
    bench.tell(w.Link(up=True))
    bench.run(3)
    after = bench.said[mark:]
    filled = next(n for n, event in enumerate(after) if isinstance(event, Fill))
    ready = next(n for n, e in enumerate(after) if getattr(e, "state", None) is VenueState.READY)
    assert filled < ready
    assert len(bench.fills()) == 1
    assert bench.state(approval.intent_id) is OrderState.FILLED
    bench.check_agreed()
    assert any(row.stop_price is not None for row in bench.resting())


# -- 16, 17, 18: memory, bus, supervisor -----------------------------------------------------------


def test_all_eighteen_are_here() -> None:
    told = [*globals(), *vars(test_complaints_recovery)]
    numbers = [int(name.split("_")[2]) for name in told if name.startswith("test_complaint_")]
    assert numbers == list(range(1, 19))
