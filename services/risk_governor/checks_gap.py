"""The rule behind the guarantee: what could be held survives the gap that is declared.

A stop bounds a loss while the market trades through it. In a gap it fills beyond, and until the
account is proven flat the market may go on. So the distance between the line at which we close
everything and the nearest line of the firm must bear one gap of every contract that could be held,
each against us, stops unfilled: then the firm cannot act first as long as gaps stay inside the
declared bound. What is assumed beside it stands in docs/risk.md, and `scripts/firm_days.py` tries
it.
"""

from __future__ import annotations

from services.risk_governor.checks_size import first_line
from services.risk_governor.draft import Draft, Refusal
from services.risk_governor.equity import Account
from services.risk_governor.exposure import Exposure
from services.risk_governor.state import FAR, Mind
from shared.domain.rules.sizing import gap_ticks
from shared.events import VetoRule
from shared.units import Lots, Micros


def gap_is_survivable(mind: Mind, draft: Draft) -> Refusal | None:
    assert draft.account is not None, "Invariant: equity is known before sizes are judged"
    room = gap_room(mind, draft.account)
    own = draft.own
    loss = gap_of(mind, own, max(own.sides(draft.side, draft.size)))
    for contract, one in draft.found.items():
        if contract != draft.contract:
            loss += gap_of(mind, one, one.worst)
    return (VetoRule.GAP, room, loss, "stops unfilled") if 0 < loss >= room else None


def gap_room(mind: Mind, now: Account) -> Micros:
    """What may be lost between the line that closes everything first and the firm's first line."""
    state, daily = mind.state, mind.limits.firm_daily
    assert state.base is not None, "Invariant: equity is known"
    firm = state.floor - state.base
    if daily and firm < -daily:
        firm = -daily
    return min(first_line(mind).at, now.session_net) - firm


def gap_of(mind: Mind, one: Exposure, lots: Lots) -> Micros:
    """What a gap against `lots` of a contract costs, entered, left late and paid for; nothing
    where none is assumed (0 percent)."""
    given, kind = mind.limits.given.pretrade, one.kind
    if not lots or not given.gap_percent:
        return 0
    mark, stress_bp = mind.state.marks.get(one.contract), given.stress_bp.get(kind.group)
    if mark is None or stress_bp is None:
        return FAR
    price = max(mark.bid, mark.ask, mark.settle)
    gap = gap_ticks(price, stress_bp, given.gap_percent) * kind.tick_micros
    return lots * (gap + one.tick + 2 * kind.fee_side_micros)
