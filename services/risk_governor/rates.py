"""What one contract costs, whatever is held of it: the settings and the product as plain sums.

Hangs on nothing but the limits in force and the hour (leaving costs more where volume is poor), so
`exposure` works it out once for each contract and keeps it until one of the two changes.
"""

from __future__ import annotations

from typing import Final

from services.risk_governor.equity import exit_ticks
from services.risk_governor.state import FAR, Mark, Mind
from shared.contracts import Product
from shared.domain.rules.sizing import entry_cost, gap_ticks, held_cost
from shared.units import Lots, Micros, Ticks

UNQUOTED: Final = Mark(0, 0, 0, settle=-1)
"""Stands for the quote of a contract that has none; differs from every real one, never changed."""


class Rates:
    """Of one contract, micro-dollars. `tick`: to leave it an allowance beyond the mark; `entered`:
    to enter it and leave at once; `bare`: to hold it under the net stop. `most` may be held of it;
    `margin_bp` of its worth is tied up (0: nobody said how much).
    """

    __slots__ = (
        "bare", "entered", "fee", "gap_percent", "kind", "margin_bp", "most", "net_stop",
        "slippage", "stress_bp", "tick", "tick_micros",
    )  # fmt: skip

    def __init__(self, mind: Mind, kind: Product) -> None:
        given, asked = mind.limits.given, mind.limits.given.pretrade
        self.kind = kind
        self.tick_micros: Micros = kind.tick_micros
        self.fee: Micros = kind.fee_side_micros
        self.slippage: Ticks = given.slippage_ticks
        self.net_stop: Ticks = given.net_stop_ticks
        self.tick: Micros = exit_ticks(mind, kind) * kind.tick_micros
        self.entered = entry_cost(0, given.slippage_ticks, kind.tick_micros, kind.fee_side_micros)
        self.bare: Micros = self.held(given.net_stop_ticks)
        self.stress_bp = asked.stress_bp.get(kind.group)
        self.margin_bp = asked.margin_bp.get(kind.group, 0)
        self.gap_percent = asked.gap_percent
        self.most: Lots = mind.limits.position_of(kind.root)

    def entry(self, stop: Ticks | None) -> Micros:
        """Loss of one contract entered and stopped `stop` ticks away; None: under the net stop."""
        return self.entered + (self.net_stop if stop is None else stop) * self.tick_micros

    def held(self, distance: Ticks) -> Micros:
        """Loss of one held contract whose stop works so far from the mark."""
        return held_cost(distance, self.slippage, self.tick_micros, self.fee)

    def gap(self, mark: Mark) -> Micros:
        """What the declared gap costs one contract, entered, left late and paid for; nothing where
        none is assumed (0 percent), FAR where nobody can say."""
        if not self.gap_percent:
            return 0
        if self.stress_bp is None or mark is UNQUOTED:
            return FAR
        price = mark.bid if mark.bid > mark.ask else mark.ask
        if mark.settle > price:
            price = mark.settle
        gap = gap_ticks(price, self.stress_bp, self.gap_percent) * self.tick_micros
        return gap + self.tick + 2 * self.fee
