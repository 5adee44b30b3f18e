"""Whether our own limits lie inside the firm's: asked before a start, answered with a reason.

A limit of ours that is not stricter than the firm's would let the firm act first, which is what all
of this exists to prevent. One thing may be overridden, explicitly: a daily loss beyond the firm's
amount, for accounts that do not have that limit; on one that has it the firm's then binds.
"""

from __future__ import annotations

from shared.domain.rules.day import smaller_limit
from shared.domain.rules.pack import RulePack
from shared.sections import RiskGovernor
from shared.units import USD, Micros


def contradiction(given: RiskGovernor, pack: RulePack) -> str:
    """Why these settings cannot stand under this pack, with the path; empty when they can."""
    if not pack.api_allowed:
        return f"the firm allows the interface on no such account: {pack.name} - at `$.{_RULES}`"
    for name in ("session_cap", "daily_cap", "daily_loss"):
        ours = getattr(given, name)
        if ours * USD >= pack.daily_loss and not given.beyond_firm_daily_loss:
            return (
                f"risk_governor.{name} was {ours}; it must stay inside the firm's"
                f" {pack.daily_loss // USD} of {pack.name}, unless"
                " risk_governor.beyond_firm_daily_loss says otherwise"
            )
    if given.drawdown_kill * USD >= pack.maximum_loss:
        return (
            f"risk_governor.drawdown_kill was {given.drawdown_kill}; it must stay inside the"
            f" firm's {pack.maximum_loss // USD} of {pack.name}"
        )
    if pack.floor_ends and given.floor_at_least * USD > pack.start:
        return (
            f"risk_governor.floor_at_least was {given.floor_at_least}; the firm's floor of"
            f" {pack.name} never rises above {pack.start // USD}"
        )
    if given.account_position_tenths > pack.position_tenths:
        return (
            f"risk_governor.account_position_tenths was {given.account_position_tenths}; the"
            f" firm's cap of {pack.name} is {pack.position_tenths}"
        )
    if given.pretrade.limit_zone_bp < pack.zone_bp:
        return (
            f"risk_governor.pretrade.limit_zone_bp was {given.pretrade.limit_zone_bp}; the firm's"
            f" zone at a price limit of {pack.name} is {pack.zone_bp}"
        )
    return ""


_RULES = "risk_governor.rules"


def daily_limit(given: RiskGovernor, pack: RulePack) -> Micros:
    """Our daily loss limit; never beyond the firm's on an account that has one."""
    return smaller_limit(given.daily_loss * USD, pack.day_limit(given.daily_loss_limit))
