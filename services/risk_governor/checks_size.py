"""What forbids an order of this size: each rule passes every size below one that passes.

So the largest that passes all of them is found by halving, and a veto can name it.
"""

from __future__ import annotations

from services.risk_governor.draft import Draft, Refusal
from services.risk_governor.latches import in_recovery
from services.risk_governor.state import Mind
from shared.domain.rules.caps import smaller_cap, weight
from shared.domain.rules.day import HALF, share_of
from shared.domain.rules.loss import is_touched
from shared.domain.rules.sizing import halved
from shared.events import VetoRule


def order_is_small(mind: Mind, draft: Draft) -> Refusal | None:
    """In recovery half of the size, and always one."""
    limit = mind.limits.given.order_size
    limit = halved(limit) if in_recovery(mind) else limit
    return (VetoRule.SIZE, limit, draft.size, "") if draft.size > limit else None


def position_is_small(mind: Mind, draft: Draft) -> Refusal | None:
    """Contracts of one product: this contract at worst, and any other month of it."""
    after = draft.others.same + (draft.long if draft.side > 0 else draft.short)
    limit = draft.own.rates.most
    return (VetoRule.POSITION, limit, after, "") if after > limit else None


def account_is_small(mind: Mind, draft: Draft) -> Refusal | None:
    """Ours, or the firm's of today where its scaling plan allows less."""
    limit = smaller_cap(mind.limits.given.account_position_tenths, mind.state.cap_tenths)
    after = draft.others.tenths + weight(draft.worst, draft.kind.mini_tenths)
    return (VetoRule.ACCOUNT_POSITION, limit, after, "") if after > limit else None


def trade_risk_is_bearable(mind: Mind, draft: Draft) -> Refusal | None:
    """In recovery half of the risk."""
    limit, risk = mind.limits.trade_risk, draft.size * draft.each
    limit = share_of(limit, HALF) if in_recovery(mind) else limit
    return (VetoRule.TRADE_RISK, limit, risk, "") if risk > limit else None


def held_risk_is_bearable(mind: Mind, draft: Draft) -> Refusal | None:
    """Of a stop moved away: what is held there may lose what one trade may. In recovery half."""
    limit, risk = mind.limits.trade_risk, draft.own.held
    limit = share_of(limit, HALF) if in_recovery(mind) else limit
    return (VetoRule.TRADE_RISK, limit, risk, "") if risk > limit else None


def open_risk_is_bearable(mind: Mind, draft: Draft) -> Refusal | None:
    limit, risk = mind.limits.open_risk, draft.open_risk
    return (VetoRule.OPEN_RISK, limit, risk, "") if risk > limit else None


def day_stays_bearable(mind: Mind, draft: Draft) -> Refusal | None:
    """The session's net if every stop filled at its worst, against every line that would close
    something; the exit fee of what is held is counted twice, cheaply on the safe side."""
    now, lines = draft.account, draft.walls
    after, line = now.session_net - draft.worst_loss, lines.first
    return (VetoRule.DAILY_LOSS, -line.at, -after, line.key) if is_touched(after, line.at) else None


def drawdown_stays_bearable(mind: Mind, draft: Draft) -> Refusal | None:
    """Equity if every stop filled at its worst, against the level of the drawdown kill."""
    now, lines = draft.account, draft.walls
    level, after = lines.kill, now.equity - draft.worst_loss
    return (VetoRule.DRAWDOWN, level, after, "") if is_touched(after, level) else None


def floor_stays_far(mind: Mind, draft: Draft) -> Refusal | None:
    """Equity if every stop filled at its worst, against the firm's floor."""
    floor, after = mind.state.floor, draft.account.equity - draft.worst_loss
    return (VetoRule.FLOOR, floor, after, "") if is_touched(after, floor) else None
