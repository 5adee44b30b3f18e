"""What forbids an order for the money it would tie up: margin against what the account has.

The venue's account record carries a balance and nothing else: no margin, no buying power. So both
are reckoned here. What a contract ties up is a share of what it is worth now, by product group, set
well above what the exchange asks; nothing is offset between contracts. What the account has is its
size at the firm (50K) and what was won or lost: an express account begins at a balance of 0, with
the same size.
"""

from __future__ import annotations

from services.risk_governor.draft import Draft, Refusal
from services.risk_governor.others import tied_up
from services.risk_governor.state import FAR, Mind
from shared.events import VetoRule
from shared.units import Micros


def margin_is_there(mind: Mind, draft: Draft) -> Refusal | None:
    """Every contract that could be held, each side's worse, at its margin: within the funds."""
    funds: Micros = mind.limits.beside_equity + draft.account.equity
    own, trouble = tied_up(draft.own, draft.worst, draft.mark.ask)
    elsewhere, theirs = draft.others.margin()
    if trouble or theirs:
        return VetoRule.MARGIN, funds, FAR, trouble or theirs
    needed: Micros = own + elsewhere
    return (VetoRule.MARGIN, funds, needed, "") if needed > funds else None
