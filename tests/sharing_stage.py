"""Two sleeves in one contract, as tests of the governor, of the router and of crossing begin."""

from __future__ import annotations

from shared.events import Event, Fill, OrderApproved, Side
from tests.governor_stage import BUY, MNQ, Stage, passed
from tests.support.router_bench import Bench

A, B = "trend", "mean_reversion"


def holds(stage: Stage, sleeve: str, side: Side, size: int = 1, stop: int = 40) -> OrderApproved:
    order = passed(stage.ask(sleeve, side, size, stop_loss_ticks=stop))
    stage.filled(order, stage.prices[MNQ] + (1 if side is BUY else 0))
    stage.covered(MNQ)
    return order


def enter(bench: Bench, sleeve: str, side: Side, size: int = 1, stop: int = 40) -> None:
    bench.enter(side, size, sleeve=sleeve, shared=True, stop_loss_ticks=stop)
    bench.run(1)


def shares(bench: Bench) -> dict[str, int]:
    return bench.router.desk.book(MNQ).shares


def stops(bench: Bench) -> list[tuple[int, int, int | None]]:
    """(side, lots, price) of every order that works."""
    live = bench.router.desk.live(MNQ)
    return [(int(o.side), o.left, o.stop_price) for o in live]


def fills(said: list[Event]) -> list[tuple[str, int, int]]:
    return [(f.sleeve, f.side * f.size, f.fee) for f in said if isinstance(f, Fill)]
