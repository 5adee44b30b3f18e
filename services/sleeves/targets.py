"""Targets where the venue keeps none: in a contract that sleeves share.

There an entry has no bracket of its own, since the venue could not tell whose contracts its limit
closes. So the host watches: when the market is where the limit would rest, it closes at market. The
target is that of the last entry that filled. It lives in this process: while that is away, only the
net stop stands, which the venue keeps.
"""

from __future__ import annotations

from services.sleeves.memory import Memory
from shared.events import Fill, Purpose, Quote
from shared.settings import Settings


def watched(name: str, settings: Settings) -> bool:
    """Whether a sleeve's targets are the host's to watch."""
    return any(name in names for names in settings.sharing.values())


def note(memory: Memory, fill: Fill) -> None:
    """Before a fill is counted: an entry's sets the target."""
    order = memory.orders.get(fill.intent_id)
    if order is not None and fill.purpose is Purpose.ENTRY and not fill.voided:
        distance = order.target_ticks
        memory.target = fill.price + fill.side * distance if distance else 0


def is_reached(memory: Memory, quote: Quote) -> bool:
    """Whether what is held can be closed at its target or better."""
    held = memory.position.lots
    if not held:
        memory.target = 0
    if not memory.target:
        return False
    return quote.bid >= memory.target if held > 0 else 0 < quote.ask <= memory.target
