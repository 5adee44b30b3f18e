"""What our account may hold, told to the other governors of this person when it changes.

Told at the approval, before the order leaves, so that another account sees it as early as can be.
On the simulator accounts are nobody's, and nothing is told.
"""

from __future__ import annotations

from services.risk_governor.exposure import exposures
from services.risk_governor.state import Mind
from services.risk_governor.words import Holding, WeHold
from shared.units import Lots, Nanos


def holdings(mind: Mind) -> tuple[Holding, ...]:
    """The worst long and short of each product group, contracts."""
    account = mind.settings.venue.account
    groups: dict[str, tuple[Lots, Lots]] = {}
    for _, one in sorted(exposures(mind).items()):
        long, short = one.sides()
        before = groups.get(one.kind.group, (0, 0))
        groups[one.kind.group] = (before[0] + long, before[1] + short)
    return tuple(
        Holding(account=account, group=group, long=long, short=short)
        for group, (long, short) in groups.items()
        if long or short
    )


def tell_others(mind: Mind, now_ns: Nanos) -> None:
    if mind.alone:
        return
    rows = holdings(mind)
    if rows != mind.state.we_hold:
        mind.state.we_hold = rows
        today = mind.today(now_ns)
        mind.out.append(WeHold(rows=rows, until_ns=now_ns if today is None else today.ends_ns))
