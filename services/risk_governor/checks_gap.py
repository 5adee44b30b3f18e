"""The rule behind the guarantee: what could be held survives the gap that is declared.

A stop bounds a loss while the market trades through it. In a gap it fills beyond, and until the
account is proven flat the market may go on. So the distance between the line at which we close
everything and the nearest line of the firm must bear one gap of every contract that could be held,
each against us, stops unfilled: then the firm cannot act first as long as gaps stay inside the
declared bound. What is assumed beside it stands in docs/risk.md, and `scripts/firm_days.py` tries
it.
"""

from __future__ import annotations

from services.risk_governor.draft import Draft, Refusal
from services.risk_governor.equity import Account, Walls
from services.risk_governor.state import Mind
from shared.events import VetoRule
from shared.units import Micros


def gap_is_survivable(mind: Mind, draft: Draft) -> Refusal | None:
    room = gap_room(draft.walls, draft.account)
    loss = draft.others.gap + draft.own.gap_of(draft.worst)
    return (VetoRule.GAP, room, loss, "stops unfilled") if 0 < loss >= room else None


def gap_room(lines: Walls, now: Account) -> Micros:
    """What may be lost between the line that closes everything first and the firm's first line."""
    first, net = lines.first.at, now.session_net
    return (first if first < net else net) - lines.firm
