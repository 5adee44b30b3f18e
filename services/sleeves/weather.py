"""Which market a sleeve is in, and whether the settings want it to trade there.

The regime is judged by each sleeve's host from the bars of its own contract: the smallest place
that is journalled and replayed as it is, without another actor to wait for. A change is an event in
the sleeve's journal (`RegimeChanged`), said before anything it causes. A sleeve whose settings name
no `regimes` trades in all of them and says nothing of it.

Bars are judged as they first came; a correction does not change a regime that was acted on.
"""

from __future__ import annotations

from services.sleeves.desk import Desk
from shared.domain.indicators import Terrain
from shared.events import Bar, Regime, RegimeChanged
from shared.sections import Orchestrator
from shared.sections import Sleeve as Section


class Weather:
    """The gate before a sleeve's entries."""

    def __init__(self, desk: Desk, section: Section, settings: Orchestrator) -> None:
        self.desk = desk
        self.settings = settings
        self.wanted = tuple(Regime(name) for name in section.regimes)

    def settle(self) -> None:
        """A life begins: the settings may be others than those we remember from."""
        m = self.desk.memory
        if m.terrain.length != self.settings.regime_bars:
            m.terrain, m.regime = Terrain(self.settings.regime_bars), Regime.UNKNOWN
        self._shut()

    def learn(self, bar: Bar) -> None:
        """The next closed bar of our contract, of any origin."""
        settings, m = self.settings, self.desk.memory
        if bar.span_s != settings.regime_span_s:
            return
        m.terrain.update(bar.close)
        if not self.wanted or not m.terrain.ready:
            return
        found = self._judged(m.terrain)
        if found is m.regime:
            m.regime_seen = 0
            return
        m.regime_seen += 1
        if m.regime is Regime.UNKNOWN or m.regime_seen >= settings.regime_confirm_bars:
            self._change(found)

    def _judged(self, terrain: Terrain) -> Regime:
        if terrain.pace >= self.settings.wild_percent:
            return Regime.WILD
        if terrain.efficiency >= self.settings.trend_percent:
            return Regime.TREND
        return Regime.CHOP

    def _shut(self) -> None:
        """Unknown is not wanted."""
        m = self.desk.memory
        m.sheltered = bool(self.wanted) and m.regime not in self.wanted

    def _change(self, found: Regime) -> None:
        m = self.desk.memory
        m.regime, m.regime_seen = found, 0
        self._shut()
        self.desk.out.append(
            RegimeChanged(
                sleeve=self.desk.name,
                contract=m.contract,
                regime=found,
                trades=not m.sheltered,
                efficiency_percent=m.terrain.efficiency,
                pace_percent=m.terrain.pace,
            )
        )
        m.owed = True
        if m.sheltered:
            self.desk.cancel_entries(f"the market is in {found.value}")
