"""What forbids an order for what else is held: groups, sleeves alike, other accounts, a budget.

Stops bound a position while the market trades through them. A group that gaps takes none of its
stops, and its products go together: that loss has a limit of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.risk_governor.allocation import budget_left, weight
from services.risk_governor.draft import Draft, Refusal
from services.risk_governor.exposure import net_of, ways
from services.risk_governor.latches import in_recovery, switched_off
from services.risk_governor.members import ENTRY
from services.risk_governor.state import FAR, Mind
from shared.domain.rules.conduct import VETO, contracts_verdict
from shared.domain.rules.correlation import EMPTY, Sums, exceeds, with_pair
from shared.domain.rules.kelly import kelly_fraction, kelly_risk
from shared.domain.rules.sizing import group_loss
from shared.events import VetoRule
from shared.units import Lots, Micros

CENT = 10_000  # micro-dollars; evidence is compared in cents, so that products stay small
CERTAIN = 100  # hundredths of correlation nobody exceeds


def others_hold_alike(mind: Mind, draft: Draft) -> Refusal | None:
    """No other account of this person on the other side of a group: the firm would close both."""
    others = mind.state.others
    if others is None:
        return VetoRule.HEDGE, 0, 0, "not told yet what other accounts hold"
    if others.trouble:
        return VetoRule.HEDGE, 0, 0, others.trouble
    for row in others.rows:
        if row.group == draft.kind.group:
            against = row.short if draft.side > 0 else row.long
            if against:
                return VetoRule.HEDGE, 0, against, row.account
    return None


def sleeves_differ(mind: Mind, draft: Draft) -> Refusal | None:
    """Two sleeves that win and lose on the same days do not both go the same way.

    Directional entries alone: quotes are held for seconds and bounded by their group's stress.
    """
    limit = mind.limits.given.pretrade.correlation_percent
    if draft.purpose is not ENTRY or limit >= CERTAIN:
        return None
    alike = mind.alike.get(draft.sleeve)
    if alike is None:
        alike = mind.alike[draft.sleeve] = alike_to(mind, draft.sleeve)
    for sleeve in alike:
        if sleeve in ways(mind, draft.found)[draft.side]:
            return VetoRule.CORRELATION, limit, CERTAIN, sleeve
    return None


def sleeve_is_best(mind: Mind, draft: Draft) -> Refusal | None:
    """In recovery only the sleeves open that did best in their finished days, of those that run;
    without evidence all are alike.
    """
    if not mind.state.latches or not in_recovery(mind):
        return None
    records = mind.state.records
    weights = {
        sleeve: weight(records.get(sleeve, []))
        for sleeve in mind.settings.running_sleeves()
        if switched_off(mind, sleeve) is None
    }
    own = weight(records.get(draft.sleeve, []))
    best = max(weights, key=lambda sleeve: weights[sleeve], default=draft.sleeve)
    limit = weights.get(best, own)
    return (VetoRule.NOT_THE_BEST, limit, own, best) if own < limit else None


def alike_to(mind: Mind, first: str) -> tuple[str, ...]:
    """The sleeves whose finished days go together too much with those of one; the rule keeps them
    for the day."""
    records, asked = mind.state.records, mind.limits.given.pretrade
    ours, limit = records.get(first, []), (asked.correlation_percent, CERTAIN)
    return tuple(
        sleeve
        for sleeve in mind.settings.sleeves
        if sleeve != first
        and exceeds(_summed(ours, records.get(sleeve, [])), asked.correlation_days, limit)
    )


def _summed(ours: Sequence[Micros], theirs: Sequence[Micros]) -> Sums:
    """The finished days both have, in cents."""
    days, sums = min(len(ours), len(theirs)), EMPTY
    for one, other in zip(ours[len(ours) - days :], theirs[len(theirs) - days :], strict=True):
        sums = with_pair(sums, one // CENT, other // CENT)
    return sums


# -- sizes -----------------------------------------------------------------------------------------


def group_bears_stress(mind: Mind, draft: Draft) -> Refusal | None:
    """The group's worse side, all of it moving by the feared move at once, no stop filled."""
    limit, group = mind.limits.stress_loss, draft.kind.group
    move_bp = draft.own.rates.stress_bp
    if not move_bp:
        return VetoRule.GROUP_STRESS, limit, FAR, f"no stress is set for {group or 'this product'}"
    others = draft.others
    if others.unpriced:
        return VetoRule.GROUP_STRESS, limit, FAR, f"no price of {others.unpriced}"
    worth = draft.mark.ask * draft.kind.tick_micros
    long, short = others.long_worth + draft.long * worth, others.short_worth + draft.short * worth
    loss = group_loss(long, short, move_bp)
    return (VetoRule.GROUP_STRESS, limit, loss, group) if loss > limit else None


def contracts_are_left(mind: Mind, draft: Draft) -> Refusal | None:
    """Contracts of the account today, this order's and all that work counted."""
    limit = mind.limits.given.pretrade.contracts_per_day
    count = draft.size + draft.working() + traded_today(mind)
    if contracts_verdict(count, limit, limit) < VETO:
        return None
    return VetoRule.CONTRACTS_PER_DAY, limit, count, ""


def traded_today(mind: Mind) -> Lots:
    """Contracts of the account today; kept until something is heard that is no quote."""
    if mind.traded is None:
        mind.traded = 0
        for conduct in mind.state.conduct.values():
            if conduct.day == mind.state.day:
                mind.traded += conduct.traded
    return mind.traded


def kelly_bears(mind: Mind, draft: Draft) -> Refusal | None:
    """A quarter of Kelly on the sleeve's own trades; the bankroll is the distance to the floor."""
    given = mind.limits.given.pretrade
    if draft.sleeve not in given.kelly:
        return None
    outcomes = draft.conduct.outcomes
    if len(outcomes) < given.kelly_trades:
        return None
    gains = [net for net in outcomes if net > 0]
    lost = sum(gains) - sum(outcomes)
    edge = kelly_fraction(
        len(gains), len(outcomes) - len(gains), sum(gains) // CENT, lost // CENT
    )  # fmt: skip
    limit: Micros = kelly_risk(draft.account.equity - mind.state.floor, edge)
    risk = draft.size * draft.each
    return (VetoRule.KELLY, limit, risk, f"{len(outcomes)} trades") if risk > limit else None


def slice_bears(mind: Mind, draft: Draft) -> Refusal | None:
    """The sleeve's slice of the distance to the floor bears its day's loss and all it risks."""
    if not mind.limits.given.allocation_share_percent:
        return None
    sleeve = draft.sleeve
    risk, net = draft.others.of(mind, sleeve)
    net += net_of(mind, draft.own, sleeve)
    limit, risk = budget_left(mind, sleeve, net), risk + draft.risk
    return (VetoRule.SLEEVE_BUDGET, limit, risk, sleeve) if risk > limit else None
