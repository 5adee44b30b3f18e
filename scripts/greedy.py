"""A sleeve for the demo that asks for more than it may have, and takes what is offered instead.

It stands in for mean reversion there, to show a veto with the size that would have passed; it is
also what a sleeve by another author looks like.
"""

from __future__ import annotations

from msgspec import Struct

from services.sleeves.base import Sleeve
from shared.events import Bar, OrderVetoed


class Greedy(Sleeve):
    """Edge: none. Regime: the demo. Worst case: its stop, 16 ticks."""

    contracts_max = 5

    class State(Struct):
        asked: bool = False

    def on_bar(self, bar: Bar) -> None:
        if bar.span_s == 1 and not self.state.asked:
            self.state.asked = bool(self.buy(5, sl_ticks=16, tp_ticks=16, reason="greed"))

    def on_veto(self, veto: OrderVetoed) -> None:
        if veto.largest:
            self.set_timer("modest", 2.0)
            self.log(f"{veto.rule.value}: {veto.largest} would pass")

    def on_timer(self, name: str) -> None:
        self.buy(1, sl_ticks=16, tp_ticks=16, reason="modesty")
