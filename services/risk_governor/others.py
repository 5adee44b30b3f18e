"""All contracts but one, added up: what the rules need to know of everything else.

An order moves its own contract only, so what the others come to is added up once and kept with it
until one of them changed: its books, its orders, or the quote of what is held or perhaps held
(`exposure.exposures` says so). Plain derived state, in no snapshot.
"""

from __future__ import annotations

from services.risk_governor.exposure import Exposure, net_of
from services.risk_governor.state import Mind
from shared.domain.rules.sizing import margin
from shared.units import Lots, Micros, Ticks


class Others:
    """Contracts at their worst, what they risk, what they weigh; micro-dollars and lots.

    `beyond` is what leaving an allowance farther on costs, `gap` what the declared gap would cost,
    each contract against us, `leaving` what it costs to have nothing at risk, `net` of the session
    (None: nobody can say), `unknown` orders of unknown outcome, `working` contracts of orders that
    are no stops. `same` are contracts of the same
    product in other months; `long_worth` and `short_worth`, at the ask, of the same group, where
    `unpriced` names a contract without a quote.
    """

    __slots__ = (
        "_margin", "_of", "_rows", "beyond", "gap", "leaving", "long_worth", "net", "risk", "same",
        "short_worth", "tenths", "unknown", "unpriced", "working",
    )  # fmt: skip

    def __init__(self, found: dict[str, Exposure], own: Exposure) -> None:
        risk = beyond = gap = leaving = tenths = same = unknown = long_worth = short_worth = 0
        working = 0
        net: Micros | None = 0
        kind, self.unpriced = own.kind, ""
        self._rows = [one for one in found.values() if one.contract != own.contract]
        for one in self._rows:
            net = None if net is None or one.net is None else net + one.net
            leaving += one.leaving
            unknown += one.unknown
            working += one.buys + one.sells
            worst = one.worst
            if not worst:
                continue
            risk += one.at_risk
            beyond += one.beyond
            gap += one.gap_loss
            tenths += one.tenths
            if one.kind is kind:
                same += worst
            if one.kind.group == kind.group:
                worth = one.ask * one.kind.tick_micros
                long_worth += one.long * worth
                short_worth += one.short * worth
                if one.ask <= 0:
                    self.unpriced = one.contract
        self.risk: Micros = risk
        self.beyond: Micros = beyond
        self.gap: Micros = gap
        self.net: Micros | None = net
        self.leaving: Micros = leaving
        self.tenths: int = tenths
        self.unknown: int = unknown
        self.working: Lots = working
        self.same: Lots = same
        self.long_worth: Micros = long_worth
        self.short_worth: Micros = short_worth
        self._margin: tuple[Micros, str] | None = None
        self._of: dict[str, tuple[Micros, Micros]] = {}

    def margin(self) -> tuple[Micros, str]:
        """What all of them tie up, as `tied_up`; reckoned when first asked."""
        if self._margin is None:
            parts = [tied_up(one, one.worst, one.ask) for one in self._rows if one.worst]
            troubles = [trouble for _, trouble in parts if trouble]
            self._margin = sum(part for part, _ in parts), troubles[0] if troubles else ""
        return self._margin

    def of(self, mind: Mind, sleeve: str) -> tuple[Micros, Micros]:
        """(risk, net of the session) of one sleeve in them: where it holds something or works, and
        wherever it traded; reckoned when first asked."""
        known = self._of.get(sleeve)
        if known is None:
            risk = net = 0
            for one in self._rows:
                if one.worker == sleeve or mind.state.ledger.held(sleeve, one.contract):
                    risk += one.at_risk
                net += net_of(mind, one, sleeve)
            known = self._of[sleeve] = risk, net
        return known


def others_of(mind: Mind, found: dict[str, Exposure], own: Exposure) -> Others:
    """The others of a contract, as kept; of one that was not traded today they are not kept, so
    that there are never more of them than contracts traded."""
    known = mind.others.get(own.contract)
    if known is None:
        known = Others(found, own)
        if own.contract in found:
            mind.others[own.contract] = known
    return known


def tied_up(one: Exposure, lots: Lots, ask: Ticks) -> tuple[Micros, str]:
    """The margin of so many contracts, or why nobody can say."""
    rates = one.rates
    if not rates.margin_bp:
        return 0, f"no margin is set for {one.contract}"
    if ask <= 0:
        return 0, f"no price {one.contract}"
    return margin(lots, ask, rates.tick_micros, rates.margin_bp), ""
