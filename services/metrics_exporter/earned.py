"""Who earned what, as rows: the day's attribution (`shared/domain/attribution.py`) for the page,
the API and the metrics. A figure nobody can know yet (no closed round trip) is None, never zero.
"""

from __future__ import annotations

from typing import Final

from services.metrics_exporter.figures import money
from services.metrics_exporter.schema import AttributionView, EarnedView, SlipView
from shared.domain.attribution import Attribution, Money, Slip, Tally
from shared.units import SECOND

ACCOUNT: Final = "account"


def attribution(day: Attribution) -> AttributionView:
    """Every owner who traded, then their sum."""
    found = [_earned(owner, day.of(owner), _tally(day, owner), slipped(day, owner))
             for owner in day.owners()]  # fmt: skip
    if found:
        found.append(_earned(ACCOUNT, day.account(), _sum(day), slipped(day)))
    return AttributionView(
        trading_day=day.day,
        earned=found,
        slips=[
            SlipView(
                owner=owner,
                type=kind,
                hour=hour,
                fills=slip.fills,
                contracts=slip.lots,
                ticks=round(slip.ticks / slip.lots, 2),
                worst=slip.worst,
            )
            for (owner, kind, hour), slip in sorted(day.slips.items())
        ],
        unexplained_dollars=money(day.unexplained()),
    )


def slipped(day: Attribution, owner: str = "") -> Slip:
    """The slippage of an owner, or of all, over kinds and hours."""
    total = Slip()
    for (who, _, _), slip in day.slips.items():
        if owner in ("", who):
            total.add(slip)
    return total


def _tally(day: Attribution, owner: str) -> Tally:
    return day.tallies.get(owner) or Tally()


def _sum(day: Attribution) -> Tally:
    total = Tally()
    for tally in day.tallies.values():
        total.join(tally)
    return total


def _earned(owner: str, own: Money, tally: Tally, slip: Slip) -> EarnedView:
    some = tally.trips > 0
    return EarnedView(
        owner=owner,
        net_dollars=money(own.net) or 0.0,
        fees_dollars=money(own.fees) or 0.0,
        fills=own.fills,
        contracts=own.lots,
        trips=tally.trips,
        win_percent=round(100 * tally.wins / tally.trips, 1) if some else None,
        expectancy_dollars=money(tally.expectancy()) if some else None,
        adverse_dollars=money(tally.each(tally.adverse)) if some else None,
        favourable_dollars=money(tally.each(tally.favourable)) if some else None,
        held_s=round(tally.each(tally.held_ns) / SECOND, 1) if some else None,
        slip_ticks=round(slip.ticks / slip.lots, 2) if slip.lots else None,
    )
