"""What every indicator has in common: a checked length, and no value before it is ready."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

WINDOW_MAX: Final = 10_000  # bars; beyond it a window is a mistake in the parameters


class Indicator(Struct):
    """`length` is what it looks back on, in updates. Raises ValueError for an absurd one."""

    length: int

    def __post_init__(self) -> None:
        if not 1 <= self.length <= WINDOW_MAX:
            raise ValueError(f"indicator length was {self.length}, expected 1 to {WINDOW_MAX}")

    @property
    def held(self) -> int:
        """How much of its length it has seen; every kind counts in its own way."""
        return 0

    @property
    def ready(self) -> bool:
        return self.held >= self.length

    def _need(self) -> None:
        assert self.ready, f"Invariant: read with {self.held} of {self.length} seen"


class Moments(Indicator):
    """Sums of the last `length` whole numbers: what a mean and a deviation are made of."""

    rows: list[int] = []
    total: int = 0
    squared: int = 0

    def update(self, value: int) -> None:
        self.rows.append(value)
        self.total += value
        self.squared += value * value
        if len(self.rows) > self.length:
            old = self.rows.pop(0)
            self.total -= old
            self.squared -= old * old

    @property
    def held(self) -> int:
        return len(self.rows)

    @property
    def mean(self) -> float:
        self._need()
        return self.total / self.length

    @property
    def spread(self) -> int:
        """`length` squared times the variance: exact, 0 if and only if nothing moved."""
        self._need()
        return self.length * self.squared - self.total * self.total
