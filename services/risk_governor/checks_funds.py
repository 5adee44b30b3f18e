"""What forbids an order for the money it would tie up: margin against what the account has.

The venue's account record carries a balance and nothing else: no margin, no buying power. So both
are reckoned here. What a contract ties up is a share of what it is worth now, by product group, set
well above what the exchange asks; nothing is offset between contracts. What the account has is its
size at the firm (50K) and what was won or lost: an express account begins at a balance of 0, with
the same size.
"""

from __future__ import annotations

from services.risk_governor.draft import KNOWN, Draft, Refusal
from services.risk_governor.state import FAR, Mind
from shared.domain.rules.windows import WHOLE
from shared.events import VetoRule
from shared.units import USD, Lots, Micros


def margin_is_there(mind: Mind, draft: Draft) -> Refusal | None:
    """Every contract that could be held, each side's worse, at its margin: within the funds."""
    assert draft.account is not None, KNOWN
    limits = mind.limits
    funds: Micros = limits.pack.size * USD + draft.account.equity - limits.start
    shares, needed = limits.given.pretrade.margin_bp, 0
    others = [one for one in draft.found.values() if one.worst and one is not draft.own]
    for one in (draft.own, *others):
        mine = one is draft.own
        lots: Lots = draft.worst if mine else one.worst
        share = shares.get(one.kind.group, 0)
        ask = draft.mark.ask if mine else one.ask
        if not share or ask <= 0:
            what = "price" if share else "margin is set for"
            return VetoRule.MARGIN, funds, FAR, f"no {what} {one.contract}"
        needed += lots * ask * one.kind.tick_micros * share // WHOLE
    return (VetoRule.MARGIN, funds, needed, "") if needed > funds else None
