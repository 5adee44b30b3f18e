"""Where price has been on average, and how far it has come since."""

from __future__ import annotations

from math import sqrt

from msgspec import Struct, field

from shared.domain.indicators.window import Indicator, Moments
from shared.units import Lots, Ticks


class Sma(Moments):
    """Plain mean of the last `length` values, ticks."""

    @property
    def value(self) -> float:
        return self.mean


class Ema(Indicator):
    """Exponential mean with weight 2 / (length + 1), begun at the first value."""

    seen: int = 0
    mean: float = 0.0

    def update(self, value: float) -> None:
        self.seen += 1
        if self.seen == 1:
            self.mean = float(value)
        else:
            self.mean += (value - self.mean) * 2 / (self.length + 1)

    @property
    def held(self) -> int:
        return self.seen

    @property
    def value(self) -> float:
        self._need()
        return self.mean


class Momentum(Indicator):
    """The close against the close `length` bars ago, ticks."""

    closes: list[Ticks] = []

    def update(self, close: Ticks) -> None:
        self.closes.append(close)
        if len(self.closes) > self.length + 1:
            del self.closes[0]

    @property
    def held(self) -> int:
        return len(self.closes) - 1

    @property
    def value(self) -> Ticks:
        self._need()
        return self.closes[-1] - self.closes[0]


class Weighed(Struct):
    """Price weighed by volume. A bar without volume weighs one contract, so that a silent market
    still has a mean. The sums are integers: the variance is exact before its one division."""

    weight: int = 0
    paid: int = 0
    squared: int = 0

    def count(self, price: Ticks, volume: Lots) -> None:
        """Take a print in, or with a negative volume out again."""
        self.weight += volume
        self.paid += volume * price
        self.squared += volume * price * price

    def mean(self) -> float:
        return self.paid / self.weight

    def deviation(self) -> float:
        return sqrt(self.weight * self.squared - self.paid * self.paid) / self.weight


class Weighing(Indicator):
    """Mean and deviation of price by volume, over whatever a subclass keeps in `sums`."""

    sums: Weighed = field(default_factory=Weighed)

    @property
    def value(self) -> float:
        self._need()
        return self.sums.mean()

    @property
    def deviation(self) -> float:
        """Volume-weighted standard deviation of price, ticks."""
        self._need()
        return self.sums.deviation()

    def score(self, price: Ticks) -> float:
        """The z-score of `price`: deviations above the mean; 0 while the market does not move."""
        deviation = self.deviation
        return (price - self.value) / deviation if deviation else 0.0


class Vwap(Weighing):
    """Rolling volume-weighted mean price and deviation over the last `length` bars, ticks."""

    rows: list[tuple[Ticks, Lots]] = []

    def update(self, price: Ticks, volume: Lots) -> None:
        volume = max(1, volume)
        self.rows.append((price, volume))
        self.sums.count(price, volume)
        if len(self.rows) > self.length:
            old_price, old_volume = self.rows.pop(0)
            self.sums.count(old_price, -old_volume)

    @property
    def held(self) -> int:
        return len(self.rows)


class SessionVwap(Weighing):
    """Volume-weighted mean since the trading day began, ticks; ready after `length` bars of it.

    `day` is whatever names the day (its opening instant, say): another one begins anew.
    """

    day: int = 0
    seen: int = 0

    def update(self, price: Ticks, volume: Lots, day: int) -> None:
        if day != self.day:
            self.day, self.seen, self.sums = day, 0, Weighed()
        self.seen += 1
        self.sums.count(price, max(1, volume))

    @property
    def held(self) -> int:
        return self.seen
