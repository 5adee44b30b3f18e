"""How one sleeve behaves: how often it asks, trades and is born, and how long it holds.

The firm forbids bulk trading in seconds and orders that are not meant to fill; a broken sleeve does
both without meaning to. Counts of a day begin anew with the day by themselves: whoever asks for
them names the day.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from shared.units import Lots, Micros, Nanos

OUTCOMES_REMEMBERED: Final = 100  # trades of a sleeve that count as evidence of its edge


class Conduct(Struct):
    """One sleeve. The first five are of `day`; the rest outlives it."""

    day: str = ""
    asked: int = 0  # orders, changes and cancels
    traded: Lots = 0
    trips: int = 0  # positions opened and closed
    held_ns: Nanos = 0  # in all trips
    since_ns: dict[str, Nanos] = {}  # contract -> when the position in it opened
    begun: dict[str, Micros] = {}  # contract -> what the book had made when it opened
    outcomes: list[Micros] = []  # net of the last trades
    fills_ns: list[Nanos] = []
    entries_ns: dict[str, Nanos] = {}  # contract, `-` before it for sells -> last approved entry
    births_real_ns: list[Nanos] = []

    def on(self, day: str) -> Conduct:
        """Itself, with the counts of `day`."""
        if self.day != day:
            self.day, self.asked, self.traded, self.trips, self.held_ns = day, 0, 0, 0, 0
        return self

    def filled(self, now_ns: Nanos, window_ns: Nanos) -> int:
        """Note a fill; how many there were in the window, this one counted."""
        return _noted(self.fills_ns, now_ns, window_ns)

    def born(self, real_ns: Nanos, window_ns: Nanos) -> int:
        """Note a new life; how many there were in the window, this one counted."""
        return _noted(self.births_real_ns, real_ns, window_ns)

    def opened(self, contract: str, at_ns: Nanos, worth: Micros) -> None:
        self.since_ns[contract], self.begun[contract] = at_ns, worth

    def closed(self, contract: str, at_ns: Nanos, worth: Micros) -> None:
        """A position ended: how long it was held, and what came of it."""
        since = self.since_ns.pop(contract, at_ns)
        self.held_ns += max(0, at_ns - since)
        self.trips += 1
        self.outcomes.append(worth - self.begun.pop(contract, worth))
        del self.outcomes[:-OUTCOMES_REMEMBERED]


def print_of(contract: str, side: int) -> str:
    """What makes two entries of a sleeve the same one."""
    return contract if side > 0 else "-" + contract


def _noted(instants: list[Nanos], now: Nanos, window: Nanos) -> int:
    """Add an instant, drop those out of the window; how many are left."""
    instants.append(now)
    while instants[0] <= now - window:
        instants.pop(0)
    return len(instants)
