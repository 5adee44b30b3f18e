"""What a chart reader sees: strength, turning points, a bar that swallows the one before."""

from __future__ import annotations

from msgspec import Struct

from shared.domain.indicators.window import Indicator
from shared.units import Ticks


class Rsi(Indicator):
    """Wilder's relative strength index, 0 to 100: mean gain against mean loss, smoothed."""

    seen: int = 0  # moves
    gain: float = 0.0
    loss: float = 0.0
    last_close: Ticks | None = None

    def update(self, close: Ticks) -> None:
        if self.last_close is not None:
            move = close - self.last_close
            self.seen += 1
            share = min(self.seen, self.length)
            self.gain += (max(move, 0) - self.gain) / share
            self.loss += (max(-move, 0) - self.loss) / share
        self.last_close = close

    @property
    def held(self) -> int:
        return self.seen

    @property
    def value(self) -> float:
        """50 while nothing moves."""
        self._need()
        both = self.gain + self.loss
        return 100 * self.gain / both if both else 50.0


class Swings(Indicator):
    """Turning points: a high (low) that no bar within `length` bars on either side exceeds.

    A swing is known `length` bars after it happened, never before. Of equal neighbours the first
    is the swing. The last `keep` of each kind are support (lows) and resistance (highs), ticks,
    oldest first. Ready when a first swing could be known.
    """

    keep: int = 5
    highs: list[Ticks] = []
    lows: list[Ticks] = []
    resistance: list[Ticks] = []
    support: list[Ticks] = []

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.keep <= 100:
            raise ValueError(f"swings to keep were {self.keep}, expected 1 to 100")

    def update(self, high: Ticks, low: Ticks) -> None:
        span = 2 * self.length + 1
        self.highs.append(high)
        self.lows.append(low)
        if len(self.highs) > span:
            del self.highs[0], self.lows[0]
        if len(self.highs) < span:
            return
        middle = self.length
        if self.highs.index(max(self.highs)) == middle:
            self._note(self.resistance, self.highs[middle])
        if self.lows.index(min(self.lows)) == middle:
            self._note(self.support, self.lows[middle])

    def _note(self, found: list[Ticks], price: Ticks) -> None:
        found.append(price)
        if len(found) > self.keep:
            del found[0]

    @property
    def held(self) -> int:
        return len(self.highs) // 2

    @property
    def ready(self) -> bool:
        return len(self.highs) > 2 * self.length

    @property
    def value(self) -> tuple[Ticks | None, Ticks | None]:
        """(last support, last resistance); None where none was seen yet."""
        self._need()
        low = self.support[-1] if self.support else None
        return low, self.resistance[-1] if self.resistance else None

    def support_below(self, price: Ticks) -> Ticks | None:
        """The nearest kept support at or below a price."""
        return max((level for level in self.support if level <= price), default=None)

    def resistance_above(self, price: Ticks) -> Ticks | None:
        """The nearest kept resistance at or above a price."""
        return min((level for level in self.resistance if level >= price), default=None)


class Engulfing(Struct):
    """A bar whose body swallows the opposite body before it: 1 bullish, -1 bearish, 0 neither.

    One end of the bodies may coincide, not both. A bar without a body is neither.
    """

    bodies: list[tuple[Ticks, Ticks]] = []  # the last two, (open, close)

    def update(self, open: Ticks, close: Ticks) -> None:
        self.bodies.append((open, close))
        if len(self.bodies) > 2:
            del self.bodies[0]

    @property
    def ready(self) -> bool:
        return len(self.bodies) == 2

    @property
    def value(self) -> int:
        assert self.ready, f"Invariant: read after {len(self.bodies)} of 2 bars"
        (before, after), (opened, closed) = self.bodies
        if closed > opened and after < before:
            inside = opened <= after and closed >= before
            return int(inside and (opened, closed) != (after, before))
        if closed < opened and after > before:
            inside = opened >= after and closed <= before
            return -int(inside and (opened, closed) != (after, before))
        return 0
