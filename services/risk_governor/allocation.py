"""How the distance to the floor is divided: each sleeve's slice, in whole micro-dollars.

The account's nominal size is no capital: what may be lost before it ends is. That distance, as it
stands when a day begins, is divided by weights from each sleeve's finished days: a sleeve without
evidence weighs 100, one that only lost 10, one that only won 150, so that a loser shrinks faster
than a winner grows. No slice exceeds a set share, and from its own slice a losing sleeve pays what
it lost in those days. The rest stays undivided.

A slice bounds what its sleeve may have lost today and still risk, together (`budget_left`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.risk_governor.equity import sleeve_nets
from services.risk_governor.latches import ALLOCATION, latch, unlatch
from services.risk_governor.state import Mind
from shared.domain.rules import slices
from shared.events import Grounds
from shared.units import Micros, Nanos, dollars


def weight(nets: Sequence[Micros]) -> int:
    """10 (only losses) over 100 (no evidence, or as much won as lost) to 150 (only gains)."""
    won = sum(net for net in nets if net > 0)
    return slices.weight(won, won - sum(nets))


def divide(
    capital: Micros, records: Mapping[str, Sequence[Micros]], share_percent: int
) -> dict[str, Micros]:
    """Each sleeve's slice of a capital (nothing, when that is negative)."""
    weights = {sleeve: weight(nets) for sleeve, nets in records.items()}
    total = sum(weights.values())
    return {
        sleeve: slices.slice_of(capital, (weights[sleeve], total), share_percent, sum(nets))
        for sleeve, nets in records.items()
    }


def allocate(mind: Mind, now_ns: Nanos) -> None:
    """Divide anew: when a day begins, and when its floor or balance was moved by a payout. A slice
    that shrank is told, as news."""
    state, share = mind.state, mind.limits.given.allocation_share_percent
    before, state.budgets = state.budgets, {}
    if not share or state.base is None:
        return
    records = {name: state.records.get(name, []) for name in sorted(mind.settings.sleeves)}
    state.budgets = divide(state.base - state.floor, records, share)
    for sleeve, micros in state.budgets.items():
        if micros < before.get(sleeve, 0):
            _tell_shrunk(mind, now_ns, sleeve, before[sleeve])


def _tell_shrunk(mind: Mind, now_ns: Nanos, sleeve: str, before: Micros) -> None:
    state, key = mind.state, f"{ALLOCATION}:{sleeve}"
    evidence = {
        "days_net_usd": sum(state.records.get(sleeve, [])),
        "distance_to_floor_usd": (state.base or 0) - state.floor,
    }
    now: Micros = state.budgets[sleeve]
    unlatch(mind, key)
    latch(
        mind, now_ns, key,
        f"{sleeve}: its slice shrinks from {dollars(before)} to {dollars(now)}",
        grounds=Grounds(rule=ALLOCATION, limit=before, actual=now, inputs=evidence),
    )  # fmt: skip


def record_day(mind: Mind) -> None:
    """Add each sleeve's finished day to its evidence. Only while the ledger is flat."""
    days = mind.limits.given.allocation_days
    for sleeve, net in sleeve_nets(mind).items():
        kept = [*mind.state.records.get(sleeve, []), net][-days:]
        mind.state.records[sleeve] = kept


def budget_left(mind: Mind, sleeve: str, net: Micros) -> Micros:
    """What a sleeve may still risk whose net of the day is `net`: its slice less its loss; a gain
    adds nothing."""
    return slices.left_of(mind.state.budgets.get(sleeve, 0), net)
