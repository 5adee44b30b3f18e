"""Streaming indicators: `update`, `value`, `ready`; equal to their batch formulas.

They are msgspec structs, so they live inside a sleeve's memory and travel with its snapshot. Prices
go in as ticks and rolling sums are kept as integers: a window that has moved a million times holds
exactly what a fresh one would, where float sums drift and a restart would show. A float appears at
the last division (or `sqrt`), which IEEE 754 rounds equally on every machine; `Ema` and `Atr` are
recursive by definition and are floats throughout, computed in one fixed order.

`value` before `ready` is an assertion error: a half-filled window is not a small opinion but none.
"""

from __future__ import annotations

from math import sqrt

from msgspec import Struct

from shared.units import Lots, Ticks

WINDOW_MAX = 10_000  # bars; beyond it a window is a mistake in the parameters


def microprice(bid: Ticks, ask: Ticks, bid_size: Lots, ask_size: Lots) -> float:
    """Where the next trade is likelier: the mid, leaning away from the larger queue. Ticks.

    The mid itself where either size is unknown (0).
    """
    if bid_size <= 0 or ask_size <= 0:
        return (bid + ask) / 2
    return (bid * ask_size + ask * bid_size) / (bid_size + ask_size)


def _checked(length: int) -> None:
    if not 1 <= length <= WINDOW_MAX:
        raise ValueError(f"indicator length was {length}, expected 1 to {WINDOW_MAX}")


class Ema(Struct):
    """Exponential mean with weight 2 / (length + 1), begun at the first value."""

    length: int
    seen: int = 0
    mean: float = 0.0

    def __post_init__(self) -> None:
        _checked(self.length)

    def update(self, value: float) -> None:
        self.seen += 1
        if self.seen == 1:
            self.mean = float(value)
        else:
            self.mean += (value - self.mean) * 2 / (self.length + 1)

    @property
    def ready(self) -> bool:
        return self.seen >= self.length

    @property
    def value(self) -> float:
        assert self.ready, f"Invariant: read after {self.length} updates, was {self.seen}"
        return self.mean


class Atr(Struct):
    """Wilder's average true range, ticks: the mean of the first `length` ranges, then smoothed."""

    length: int
    seen: int = 0
    mean: float = 0.0
    last_close: Ticks | None = None

    def __post_init__(self) -> None:
        _checked(self.length)

    def update(self, high: Ticks, low: Ticks, close: Ticks) -> None:
        last = close if self.last_close is None else self.last_close
        true_range = max(high, last) - min(low, last)
        self.seen += 1
        share = min(self.seen, self.length)
        self.mean += (true_range - self.mean) / share
        self.last_close = close

    @property
    def ready(self) -> bool:
        return self.seen >= self.length

    @property
    def value(self) -> float:
        assert self.ready, f"Invariant: read after {self.length} updates, was {self.seen}"
        return self.mean


class Vwap(Struct):
    """Rolling volume-weighted mean price and deviation over the last `length` bars, ticks.

    A bar without volume weighs one contract, so that a silent market still has a mean. The sums
    are integers, so the variance is exact before its one division.
    """

    length: int
    rows: list[tuple[Ticks, Lots]] = []
    weight: int = 0
    paid: int = 0
    squared: int = 0

    def __post_init__(self) -> None:
        _checked(self.length)

    def update(self, price: Ticks, volume: Lots) -> None:
        volume = max(1, volume)
        self.rows.append((price, volume))
        self._count(price, volume)
        if len(self.rows) > self.length:
            old_price, old_volume = self.rows.pop(0)
            self._count(old_price, -old_volume)

    def _count(self, price: Ticks, volume: int) -> None:
        self.weight += volume
        self.paid += volume * price
        self.squared += volume * price * price

    @property
    def ready(self) -> bool:
        return len(self.rows) >= self.length

    @property
    def value(self) -> float:
        assert self.ready, f"Invariant: read after {self.length} bars, was {len(self.rows)}"
        return self.paid / self.weight

    @property
    def deviation(self) -> float:
        """Volume-weighted standard deviation of price in the window, ticks."""
        assert self.ready, f"Invariant: read after {self.length} bars, was {len(self.rows)}"
        spread = self.weight * self.squared - self.paid * self.paid
        return sqrt(spread) / self.weight

    def score(self, price: Ticks) -> float:
        """The z-score of `price`: deviations above the mean; 0 while the market does not move."""
        deviation = self.deviation
        return (price - self.value) / deviation if deviation else 0.0


class Donchian(Struct):
    """Highest high and lowest low of the last `length` bars, ticks."""

    length: int
    highs: list[Ticks] = []
    lows: list[Ticks] = []

    def __post_init__(self) -> None:
        _checked(self.length)

    def update(self, high: Ticks, low: Ticks) -> None:
        self.highs.append(high)
        self.lows.append(low)
        if len(self.highs) > self.length:
            del self.highs[0], self.lows[0]

    @property
    def ready(self) -> bool:
        return len(self.highs) >= self.length

    @property
    def value(self) -> tuple[Ticks, Ticks]:
        """(low, high) of the channel."""
        assert self.ready, f"Invariant: read after {self.length} bars, was {len(self.highs)}"
        return min(self.lows), max(self.highs)


class RealisedVolatility(Struct):
    """Root mean square of the last `length` moves from close to close, ticks a bar."""

    length: int
    moves: list[Ticks] = []
    squared: int = 0
    last_close: Ticks | None = None

    def __post_init__(self) -> None:
        _checked(self.length)

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
    def ready(self) -> bool:
        return len(self.moves) >= self.length

    @property
    def value(self) -> float:
        assert self.ready, f"Invariant: read after {self.length} moves, was {len(self.moves)}"
        return sqrt(self.squared / self.length)


class Momentum(Struct):
    """The close against the close `length` bars ago, ticks."""

    length: int
    closes: list[Ticks] = []

    def __post_init__(self) -> None:
        _checked(self.length)

    def update(self, close: Ticks) -> None:
        self.closes.append(close)
        if len(self.closes) > self.length + 1:
            del self.closes[0]

    @property
    def ready(self) -> bool:
        return len(self.closes) > self.length

    @property
    def value(self) -> Ticks:
        assert self.ready, f"Invariant: read after {self.length + 1} bars, was {len(self.closes)}"
        return self.closes[-1] - self.closes[0]
