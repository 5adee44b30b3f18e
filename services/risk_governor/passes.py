"""What forbids an order whatever its price and size and the market: asked before it is wished.

Three in five of the rules of kind look only at what changes by a word of the router, the gateway, a
sleeve or a person: level and latches, peers, owners, counts, what other accounts hold. So they are
asked at the end of every such word, about the ways that sleeves asked for lately, and a wish does
not wait for them. Only passes are kept: where one of these rules would refuse, all are asked in
their order, with all that is known then. A rate is among them, because time alone makes it less;
that an entry is no repetition is not, for just after one it would never pass.

A pass ends with any such word, with whatever is approved (`Mind.forget`, `count_approval`; a cancel
is counted too), with a change of a latch, where something begins to be closed, and with the hours
of the trading day: between its opening and the last entry the clock alone forbids nothing. A rule
that looked at a price or a size would fail here, because the draft it is shown has none. Plain
derived state, in no snapshot.
"""

from __future__ import annotations

from typing import Final

from services.risk_governor.checks import ASKED_EARLY
from services.risk_governor.checks_together import traded_today
from services.risk_governor.checks_world import entries_end
from services.risk_governor.draft import Draft, first_refusal
from services.risk_governor.exposure import exposures
from services.risk_governor.members import ACTIVE
from services.risk_governor.state import Mind
from shared.units import Nanos

WAYS_MAX: Final = 4  # one for each sleeve; the oldest gives way


def is_passed(mind: Mind, draft: Draft) -> bool:
    """Whether no early rule would refuse, as was found before; else the way is remembered."""
    known = mind.passes.get(draft.way)
    if known is not None:
        begins, ends, latched = known
        if begins <= draft.now_ns < ends and latched == mind.state.latched:
            return True
    asked = mind.asked_ways
    if draft.way not in asked:
        asked[draft.way] = None
        if len(asked) > WAYS_MAX:
            del asked[next(iter(asked))]
    return False


def ask_early(mind: Mind, now_ns: Nanos) -> None:
    """Ask the early rules about the ways that were asked for lately."""
    if mind.state.level is not ACTIVE:
        return  # the first of them refuses every way
    traded_today(mind)
    found = exposures(mind)
    for way in mind.asked_ways:
        draft = Draft.early(mind, now_ns, way, found)
        if first_refusal(mind, draft, ASKED_EARLY[way[-1]]) is None:
            today = mind.today(now_ns)
            assert today is not None, "Invariant: outside the calendar no session is open"
            ends_ns = entries_end(mind, draft.kind.group, today)
            mind.passes[way] = today.opens_ns, ends_ns, mind.state.latched
