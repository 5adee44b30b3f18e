"""A net position in three integers that stay exact for ever.

`lots` (signed), `cost` (sum of price x signed lots of what is open, tick-lots) and `realised`
(tick-lots). Closing part of a position takes its share of the cost, rounded down; the rest of the
rounding stays in the open part, so nothing is ever lost: cash + lots x mark is always
realised + unrealised. Dollars appear only when multiplied with the contract's tick value.
"""

from __future__ import annotations

from msgspec import Struct

from shared.units import Lots, Ticks


class Position(Struct):
    """Mutable. `cash` is the control sum: minus price x signed lots over every fill, tick-lots."""

    lots: Lots = 0
    cost: int = 0
    realised: int = 0
    cash: int = 0

    def apply(self, signed_lots: Lots, price: Ticks) -> int:
        """Book a fill (buys positive). Returns what it realised, tick-lots."""
        before = self.realised
        closing = 0
        if self.lots * signed_lots < 0:
            size = min(abs(signed_lots), abs(self.lots))
            closing = size if signed_lots > 0 else -size
            share = self.cost * size // abs(self.lots)
            self.realised += -share - closing * price
            self.cost -= share
            self.lots += closing
        opening = signed_lots - closing
        self.cost += opening * price
        self.lots += opening
        self.cash -= signed_lots * price
        assert self.cash + self.cost == self.realised, "Invariant: cash paid is cost plus profit"
        assert self.lots or not self.cost, "Invariant: a flat position costs nothing"
        return self.realised - before

    def unrealised(self, mark: Ticks) -> int:
        """Profit of the open part at `mark`, tick-lots."""
        return self.lots * mark - self.cost
