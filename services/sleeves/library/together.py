"""Bars of several products, put together by the time they closed.

Two products' bars of the same minute come one after the other, and a minute without a trade may
have no bar at all. A row counts when every product has a bar that opened at the same instant;
minutes that one of them lacks are no evidence about both.
"""

from __future__ import annotations

from msgspec import Struct

from shared.events import Bar
from shared.units import Nanos, Ticks


class Together(Struct):
    """`whole`: the last bar taken completed a row. Our own product is ""."""

    opens_ns: dict[str, Nanos] = {}
    closes: dict[str, Ticks] = {}
    whole: bool = False

    def take(self, root: str, bar: Bar, roots: int) -> bool:
        """The newest bar of a product; whether all of `roots` products have this minute now."""
        self.opens_ns[root], self.closes[root] = bar.open_ns, bar.close
        same = sum(opened == bar.open_ns for opened in self.opens_ns.values())
        self.whole = same == roots
        return self.whole
