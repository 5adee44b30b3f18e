"""The bands inside which no quote can reach a line, so that a quote costs a comparison.

What may still be lost (or won) before the nearest line acts is shared equally among the contracts
that can move equity, and each share is cut to what is left to its own sleeve; each gets the prices
at which its share would be used up. While every quote stays inside its band the changes together
are below the slack, so no line can have been reached: the band is exact, not an approximation, and
`tests/test_governor_equity.py` compares it with the naive sum.
"""

from __future__ import annotations

from services.risk_governor.equity import Account, mark_of, nearest, room_to, walls
from services.risk_governor.exposure import Exposure
from services.risk_governor.latches import switched_off
from services.risk_governor.state import FAR, Mind, product
from shared.domain.rules.sizing import entry_cost, largest_size
from shared.events import Room
from shared.units import Lots, Micros

Slopes = dict[str, tuple[Lots, Lots]]
"""Contract -> contracts that lose when it falls, and when it rises, at worst."""


def slopes(mind: Mind) -> Slopes:
    """Counted from the books and orders."""
    found = {
        contract: (max(0, lots), max(0, -lots))
        for contract, lots in mind.state.ledger.positions().items()
    }
    for order in mind.state.orders.values():
        if order.worst_price is not None and order.leaves():
            fall, rise = found.get(order.contract, (0, 0))
            if order.side > 0:
                fall += order.leaves()
            else:
                rise += order.leaves()
            found[order.contract] = fall, rise
    return found


def slopes_kept(found: dict[str, Exposure]) -> Slopes:
    """The same, from what is kept of every contract."""
    return {one.contract: (one.fall, one.rise) for one in found.values() if one.fall or one.rise}


def rebox(mind: Mind, now: Account | None, nets: dict[str, Micros], moving: Slopes) -> None:
    """Draw every contract's band anew, after anything that moved equity, lines or positions."""
    marks, ledger = mind.state.marks, mind.state.ledger
    for contract in mind.state.shared:  # where each book loses by itself, not only the net position
        long, short = ledger.sides(contract)
        if long or short:
            fall, rise = moving.get(contract, (0, 0))
            moving[contract] = max(fall, long), max(rise, short)
    mind.unboxed = False
    for quoted in marks.values():
        quoted.lo, quoted.hi = 1, FAR
    if not moving:
        return
    loss, gain = rooms_left(mind, now)
    each, won = loss // len(moving), gain // len(moving)
    held = _held_by(mind) if nets else {}
    for contract, (fall, rise) in moving.items():
        mark = marks.get(contract)
        if mark is None:
            continue
        lost = min(each, _sleeve_room(mind, contract, nets, held)) if nets else each
        if lost <= 0 or won <= 0:
            mark.lo, mark.hi = FAR, -FAR
            continue
        tick = product(contract).tick_micros
        falls, rises = fall * tick, rise * tick
        low, high = (mark.bid, mark.ask) if mark.bid < mark.ask else (mark.ask, mark.bid)
        # How far the price may move before a room is used up by what loses, or wins, by it.
        low -= min((lost - 1) // falls if falls else FAR, (won - 1) // rises if rises else FAR)
        high += min((lost - 1) // rises if rises else FAR, (won - 1) // falls if falls else FAR)
        mark.lo, mark.hi = low if low > 1 else 1, high


def unbox(mind: Mind) -> None:
    """Let the next quote of anything be judged: what it would cost to leave has grown. No band
    counts until all are drawn anew."""
    mind.unboxed = True


def unbox_marks(mind: Mind) -> None:
    """Before marks are written down: bands that do not count are not in them."""
    if mind.unboxed:
        for mark in mind.state.marks.values():
            mark.lo, mark.hi = FAR, -FAR


def rooms_left(mind: Mind, now: Account | None) -> tuple[Micros, Micros]:
    """What may be lost and won before the next line that has not tripped yet, at most FAR."""
    base = mind.state.base
    if now is None or base is None:
        return -1, -1
    loss, gain = walls(mind, base).rooms(now, tuple(mind.state.latches))
    most = mind.state.peak - now.equity + 1 if mind.limits.running else FAR
    return loss if loss < FAR else FAR, gain if gain < most else most


def _held_by(mind: Mind) -> dict[str, int]:
    """In how many contracts each owner holds something."""
    counts: dict[str, int] = {}
    for desk in mind.state.ledger.desks.values():
        for owner, book in desk.owners.items():
            if book.position.lots:
                counts[owner] = counts.get(owner, 0) + 1
    return counts


def _sleeve_room(
    mind: Mind, contract: str, nets: dict[str, Micros], held: dict[str, int]
) -> Micros:
    """What the sleeves in a contract may still lose, each over all that it holds."""
    limit, room = mind.limits.sleeve_loss, FAR
    desk, latches = mind.state.ledger.desks.get(contract), mind.state.latches
    for owner, book in desk.owners.items() if desk is not None else ():
        if not book.position.lots or owner not in nets:
            continue
        if not latches or switched_off(mind, owner) is None:
            left = (nets[owner] + limit) // held[owner]
            room = left if left < room else room
    return room


def rooms(mind: Mind, now: Account | None) -> tuple[Room, ...]:
    """For each contract quoted: how far to the next line if it alone moves, and what still fits."""
    if now is None or mind.state.base is None:
        return ()
    line, moving, given = nearest(mind, now), slopes(mind), mind.limits.given
    left, found = room_to(line, now), []
    for contract, mark in mind.state.marks.items():
        kind, (fall, rise) = product(contract), moving.get(contract, (0, 0))
        ticks = price = 0
        lots = max(fall, rise)
        if lots and mark.usable():
            ticks = max(0, -(-left // (lots * kind.tick_micros)))
            price = mark_of(mark, 1) - ticks if fall >= rise else mark_of(mark, -1) + ticks
        cost = entry_cost(
            given.net_stop_ticks, given.slippage_ticks, kind.tick_micros, kind.fee_side_micros
        )
        found.append(
            Room(
                contract=contract, rule=line.key, ticks=ticks, price=price,
                contracts=largest_size(left, cost),
            )
        )  # fmt: skip
    return tuple(found)
