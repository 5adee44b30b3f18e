"""How widely price moves: ranges, channels, deviations."""

from __future__ import annotations

from math import sqrt

from msgspec import Struct

from shared.domain.indicators.averages import Ema
from shared.domain.indicators.window import Indicator, Moments
from shared.units import Ticks


class Atr(Indicator):
    """Wilder's average true range, ticks: the mean of the first `length` ranges, then smoothed."""

    seen: int = 0
    mean: float = 0.0
    last_close: Ticks | None = None

    def update(self, high: Ticks, low: Ticks, close: Ticks) -> None:
        last = close if self.last_close is None else self.last_close
        true_range = max(high, last) - min(low, last)
        self.seen += 1
        share = min(self.seen, self.length)
        self.mean += (true_range - self.mean) / share
        self.last_close = close

    @property
    def held(self) -> int:
        return self.seen

    @property
    def value(self) -> float:
        self._need()
        return self.mean


class Donchian(Indicator):
    """Highest high and lowest low of the last `length` bars, ticks."""

    highs: list[Ticks] = []
    lows: list[Ticks] = []

    def update(self, high: Ticks, low: Ticks) -> None:
        self.highs.append(high)
        self.lows.append(low)
        if len(self.highs) > self.length:
            del self.highs[0], self.lows[0]

    @property
    def held(self) -> int:
        return len(self.highs)

    @property
    def value(self) -> tuple[Ticks, Ticks]:
        """(low, high) of the channel."""
        self._need()
        return min(self.lows), max(self.highs)


class RealisedVolatility(Indicator):
    """Root mean square of the last `length` moves from close to close, ticks a bar."""

    moves: list[Ticks] = []
    squared: int = 0
    last_close: Ticks | None = None

    def update(self, close: Ticks) -> None:
        if self.last_close is not None:
            move = close - self.last_close
            self.moves.append(move)
            self.squared += move * move
            if len(self.moves) > self.length:
                old = self.moves.pop(0)
                self.squared -= old * old
        self.last_close = close

    @property
    def held(self) -> int:
        return len(self.moves)

    @property
    def value(self) -> float:
        self._need()
        return sqrt(self.squared / self.length)


class VolatilityRatio(Struct):
    """The last moves' volatility over what is usual, itself at least one tick a bar.

    Usual is the exponential mean of the volatilities before the newest one, so that a jump is
    measured against the market it broke into.
    """

    fast: RealisedVolatility
    usual: Ema
    found: float = 0.0
    ready: bool = False

    @classmethod
    def of(cls, length: int, usual_length: int) -> VolatilityRatio:
        return cls(RealisedVolatility(length), Ema(usual_length))

    def update(self, close: Ticks) -> None:
        self.fast.update(close)
        if self.fast.ready:
            pace = self.fast.value
            self.ready = self.usual.ready
            self.found = pace / max(1.0, self.usual.mean)
            self.usual.update(pace)

    @property
    def value(self) -> float:
        assert self.ready, "Invariant: a ratio needs what is usual"
        return self.found


class Bollinger(Moments):
    """Mean of the last `length` closes with `width` population deviations on either side, ticks."""

    width: float = 2.0

    @property
    def value(self) -> tuple[float, float, float]:
        """(lower band, mean, upper band)."""
        reach = self.width * sqrt(self.spread) / self.length
        return self.mean - reach, self.mean, self.mean + reach


class ZScore(Moments):
    """How many population deviations the newest value lies above the mean of the last `length`."""

    @property
    def value(self) -> float:
        """0 while nothing moves."""
        spread = self.spread
        return (self.length * self.rows[-1] - self.total) / sqrt(spread) if spread else 0.0
