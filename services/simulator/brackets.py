"""What may be asked of a bracket, with the venue's own texts, and the two legs it becomes.

`ticks` is signed, from the entry's fill price: a long entry has its stop below (negative) and its
target above; a short one the other way. A bracket with 0 ticks is none (clients send them empty).
An account in Position Brackets mode takes none from a client (`guards.py` protects it).
"""

from __future__ import annotations

from typing import Final

from services.simulator.accounts import Order
from shared.events import OrderState
from shared.venue.codes import OrderKind, VenueSide
from shared.venue.words import BracketModel, PlaceOrder

TICKS_MIN: Final = 4
POSITION_BRACKETS: Final = (
    "Brackets cannot be used with Position Brackets. You must enable Auto OCO Brackets."
)
STOP_KINDS: Final = (OrderKind.STOP, OrderKind.TRAILING_STOP)


def wanted(request: PlaceOrder, unsigned: bool) -> tuple[BracketModel | None, BracketModel | None]:
    """(stop-loss, take-profit) asked for; None for one that asks for nothing. With `unsigned` the
    ticks are read as distances, whatever their sign.
    """
    buys = request.side != VenueSide.ASK
    found: list[BracketModel | None] = []
    for bracket, above in (
        (request.stop_loss_bracket, not buys),
        (request.take_profit_bracket, buys),
    ):
        if bracket is None or not bracket.ticks:
            found.append(None)
        elif unsigned:
            distance = abs(bracket.ticks)
            ticks = distance if above else -distance
            found.append(BracketModel(ticks=ticks, type=bracket.type))
        else:
            found.append(bracket)
    return found[0], found[1]


def refusal(
    side: int, stop: BracketModel | None, profit: BracketModel | None, auto_oco: bool
) -> str | None:
    """The venue's complaint about a pair of brackets; `side` is the entry's (1 buys)."""
    if not auto_oco and (stop is not None or profit is not None):
        return POSITION_BRACKETS
    if stop is not None:
        if stop.type not in STOP_KINDS:
            return f"Invalid stop loss type ({_kind_name(stop.type)})"
        wrong = _wrong("stop loss", stop.ticks, side, -side)
        if wrong:
            return wrong
    if profit is not None:
        if profit.type != OrderKind.LIMIT:
            return f"Invalid take profit type ({_kind_name(profit.type)})"
        return _wrong("take profit", profit.ticks, side, side)
    return None


def _wrong(what: str, ticks: int, side: int, sign: int) -> str | None:
    """Sign first, then the least distance. `sign`: the one the ticks must have."""
    if ticks * sign <= 0:
        than = "greater" if sign > 0 else "less"
        way = "longing" if side > 0 else "going short"
        return f"Invalid {what} ticks ({ticks}). Ticks should be {than} than zero when {way}."
    if abs(ticks) < TICKS_MIN:
        name = what.capitalize()
        return (
            f"Invalid {what} ticks ({ticks}). {name} tick value should be at least"
            f" {TICKS_MIN} ticks."
        )
    return None


def _kind_name(kind: int) -> str:
    known = [item.name for item in OrderKind if item == kind]
    return known[0].title().replace("_", "") if known else str(kind)


def legs(
    entry: Order,
    stop: BracketModel | None,
    profit: BracketModel | None,
    ids: tuple[int, int],
) -> tuple[Order | None, Order | None]:
    """The suspended legs (stop-loss, take-profit) of an entry; links both ways are set here."""
    made: list[Order | None] = []
    for bracket, leg_id, suffix in ((stop, ids[0], "-SL"), (profit, ids[1], "-TP")):
        if bracket is None:
            made.append(None)
            continue
        leg = Order(
            id=leg_id,
            account=entry.account,
            contract=entry.contract,
            kind=bracket.type,
            side=-entry.side,
            size=entry.size,
            created_ns=entry.created_ns,
            updated_ns=entry.created_ns,
            state=OrderState.SUSPENDED,
            trail=bracket.ticks,
            tag=None if entry.tag is None else entry.tag + suffix,
            parent=entry.id,
        )
        made.append(leg)
    stop_leg, profit_leg = made
    if stop_leg is not None:
        entry.stop_leg = stop_leg.id
    if profit_leg is not None:
        entry.profit_leg = profit_leg.id
    if stop_leg is not None and profit_leg is not None:
        stop_leg.sibling, profit_leg.sibling = profit_leg.id, stop_leg.id
    return stop_leg, profit_leg
