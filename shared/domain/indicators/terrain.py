"""What kind of ground the market is on: does it get anywhere, and is it faster than usual?

Whole percents of whole sums, so that two computers never disagree about a regime by a last bit.
"""

from __future__ import annotations

from shared.domain.indicators.window import Indicator
from shared.units import Ticks

RECENT: int = 5  # the newest fifth of the moves is "now"


class Terrain(Indicator):
    """Of the last `length` moves from close to close."""

    moves: list[Ticks] = []
    last_close: Ticks | None = None

    def update(self, close: Ticks) -> None:
        if self.last_close is not None:
            self.moves.append(close - self.last_close)
            if len(self.moves) > self.length:
                del self.moves[0]
        self.last_close = close

    @property
    def held(self) -> int:
        return len(self.moves)

    @property
    def efficiency(self) -> int:
        """Distance travelled of the way walked, percent: 100 is a straight line, 0 a circle."""
        self._need()
        way = sum(abs(move) for move in self.moves)
        return 100 * abs(sum(self.moves)) // way if way else 0

    @property
    def pace(self) -> int:
        """Mean size of the newest fifth of the moves, percent of that of all; 100 if none moved."""
        self._need()
        recent = self.moves[-max(1, self.length // RECENT) :]
        way = sum(abs(move) for move in self.moves)
        now = sum(abs(move) for move in recent)
        return 100 * now * self.length // (way * len(recent)) if way else 100
