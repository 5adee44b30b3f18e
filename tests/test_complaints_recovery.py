"""Complaints about coming back and ending: reconciling, other hands, orphans, memory, the bus."""

from __future__ import annotations

import configparser
from pathlib import Path
from random import Random

import pytest

from services.order_router import words as w
from services.order_router.port import STOP_S
from services.stage import VenueStage
from services.stage_play import truth_of
from shared.contracts import product_of
from shared.events import (
    Choice,
    DifferenceChoice,
    Event,
    Fill,
    Flatten,
    OrderType,
    Scope,
    Side,
    SleeveBook,
    Stopping,
    VenueState,
)
from shared.lab.accidents import Accidents
from shared.settings import REPO
from shared.units import MINUTE, SECOND
from shared.venue.codes import VenueOrderStatus as Status
from tests.fair_world import fair, judge
from tests.governor_stage import MNQ, Stage, wide
from tests.support.router_bench import Bench
from tests.support.router_venue import M2K

# -- 12, 13, 14, 15: reconciling, hands, orphans, the end ------------------------------------------


@pytest.mark.parametrize("way_out", ["adopt", "wait", "flatten", "nobody"])
@pytest.mark.parametrize("lots", [-2, 0, 3])
def test_complaint_12_reconciliation_blocks_or_loops(lots: int, way_out: str) -> None:
    """A crafted mismatch: printed, a bounded number of reads, and every way out leads out."""
    bench = Bench().start().run(1)
    bench.enter()
    bench.run(1)
    bench.venue.lots[MNQ] = lots
    bench.run(16)
    status = bench.status()
    assert status.state is VenueState.QUARANTINE
    assert status.reason == f"{MNQ}: books +1, venue {lots:+d}"
    reads = sum(isinstance(said, w.ReadBooks) for _, _, out in bench.tape for said in out)
    assert reads < 40, "no loop"
    if way_out in ("adopt", "wait"):
        choice = Choice[way_out.upper()]
        bench.tell(
            DifferenceChoice(
                choice=choice, difference=status.reason, by="anna", cause="x", wait_s=30
            )
        )
    elif way_out == "flatten":
        bench.tell(Flatten(halt_no=2, scope=Scope.ACCOUNT, cause="anna"))
    bench.run(20 if way_out == "adopt" else 120)
    assert bench.status().state is VenueState.READY
    assert bench.lots() == bench.venue.lots[MNQ] == (lots if way_out == "adopt" else 0)


def test_complaint_13_phantom_trades_after_a_manual_close() -> None:
    """A person closes a sleeve's position in the platform: its legs go, the sleeve is told by the
    governor, and what it won until then is its own.
    """
    bench = Bench().start().run(1)
    bench.enter(size=2)
    bench.run(1)
    bench.venue.human(MNQ, -3)
    bench.run(2)
    parts = [(fill.sleeve, fill.side * fill.size) for fill in bench.fills()]
    assert parts == [("trend", 2), ("trend", -2), ("", -1)], "attributed, and the rest by hand"
    assert not bench.resting(), "children cancelled"
    assert bench.lots() == -1
    assert bench.status().state is VenueState.READY
    bench.check_agreed()
    stage = Stage(wide()).opened()
    stage.bought("trend", 2)
    bought = stage.prices[MNQ] + 1
    told: list[Event] = []
    for lots, owner in ((2, "trend"), (1, "")):
        told += stage.trade_of(lots, bought + 8, side=Side.SELL, sleeve=owner)
    assert [it.size for it in told if isinstance(it, Fill)] == [2], "the sleeve is told its part"
    book = [it for it in told if isinstance(it, SleeveBook) and it.sleeve == "trend"][-1]
    ticks = 2 * 8
    assert (book.position, book.realised) == (0, ticks * product_of(MNQ).tick_micros)
    assert stage.governor.mind.state.ledger.held("human", MNQ) == -1


def test_complaint_14_stop_leaves_orphans_or_cancels_foreign_orders() -> None:
    """Asked to stop in each state an entry can be in: nothing of ours stays, others do."""
    for cut in range(24):
        bench = Bench().start().run(1)
        theirs = bench.venue._new(
            contract=M2K, side=Side.BUY, size=1, type=OrderType.LIMIT, limit_price=19_000,
            status=Status.OPEN,
        )  # fmt: skip
        bench.run(11)
        bench.enter(size=2)
        for _ in range(cut):
            if bench.arriving:
                bench.tell(bench.arriving.pop(0))
            elif bench.requests:
                bench.arriving.append(bench.serve(bench.requests.pop(0)))
        bench.tell(Stopping(reason="SIGTERM"))
        bench.run(20)
        assert not bench.resting(), f"orphans after {cut} steps"
        assert not bench.venue.lots.get(MNQ)
        assert [row.order_id for row in bench.resting(M2K)] == [theirs.order_id]
        assert bench.progress[-1].done


def test_complaint_15_shutdown_cut_short() -> None:
    """The stop's flatten is proven before the process ends; supervisord waits longer than that; a
    second request changes nothing. (The real signals, a log-off's too: `test_cast_real`,
    `test_runtime_processes`; a sleep: `test_router_protection`.)
    """
    bench = Bench().start().run(1)
    bench.enter(size=2)
    bench.run(1)
    for _ in range(2):
        bench.tell(Stopping(reason="SIGTERM"))
        bench.deliver()
    assert not bench.venue.lots[MNQ], "flat without a single pulse"
    bench.run(2)
    assert bench.progress[-1].done
    assert bench.progress[-1].stage == "FLAT"
    assert bench.router.may_stop()
    conf = configparser.RawConfigParser()
    conf.read(Path(REPO) / "supervisord.conf")
    waits = {name: conf.getint(name, "stopwaitsecs") for name in conf.sections() if ":" in name
             and name.startswith("program:")}  # fmt: skip
    assert waits["program:order_router"] > STOP_S
    assert waits["program:sentinel"] > STOP_S


# -- 16, 17, 18: memory, bus, supervisor -----------------------------------------------------------


def test_complaint_16_local_stops_and_order_maps_lost_at_restart() -> None:
    """A sleeve dies while it holds: its stop stays at the venue, and it owns the position again."""
    world, checks = fair()
    until_ns = world.now_ns + 5 * MINUTE
    while not any(checks.books.values()) and world.now_ns < until_ns:
        world.run(world.now_ns + SECOND // 4)
    owners = {sleeve: contract for (sleeve, contract), lots in checks.books.items() if lots}
    assert owners
    held = {row.contract: row.lots for row in truth_of(world).positions if row.lots}
    for sleeve in owners:
        world.kill(f"sleeve_{sleeve}", 3 * SECOND)
    world.run(world.now_ns + 2 * SECOND)
    now = truth_of(world)
    for row in now.positions:
        if row.lots and held.get(row.contract) == row.lots:
            stops = [o for o in now.open_orders if o.contract_id == row.contract and o.stop_price]
            assert stops, f"{row.contract} is held without a stop"
    world.run(world.now_ns + 5 * SECOND)
    for sleeve, contract in owners.items():
        core = world.players[f"sleeve_{sleeve}"].core
        memory = core.memory  # type: ignore[attr-defined]
        assert memory.authority
        assert memory.position.lots == checks.books[sleeve, contract]
    judge(world, checks)


def test_complaint_17_bus_stuck_or_lossy() -> None:
    """A fifth of all frames lost or doubled, late joiners, standing pipes, a listener frozen for
    twenty seconds: every book still ends equal to the venue's. (Real sockets, ten times the rate
    and slow consumers: `test_runtime_processes`, `test_runtime_behind`.)
    """
    world, checks = fair()
    stage = world.stage
    assert isinstance(stage, VenueStage)
    rough = Accidents(
        bus_loss=0.2, bus_duplicate=0.2, bus_delay_ns_max=SECOND // 5, clog=0.3,
        slow_join_ns_max=2 * SECOND, freeze=0.0005, freeze_ns_max=20 * SECOND,
    )  # fmt: skip
    world.accidents = stage.accidents = rough
    world.kill("risk_governor", SECOND)
    world.kill("sleeve_trend", SECOND)
    world.run(world.now_ns + 40 * SECOND)
    world.accidents = stage.accidents = Accidents()
    judge(world, checks)


def test_complaint_18_supervisor_assumptions_false() -> None:
    """Everybody dies at once and comes back in any order, two hundred times: no start order is
    relied on. (The real supervisord is killed in `test_cast_real`.)
    """
    world, checks = fair()
    dice = Random(18)
    names = [name for name in world.players if name != "simulator"]
    for _ in range(200):
        for name in names:
            world.kill(name, dice.randint(1, SECOND // 4))
        world.run(world.now_ns + SECOND // 2)
    assert world.kills >= 200 * (len(names) - 1)
    judge(world, checks)
