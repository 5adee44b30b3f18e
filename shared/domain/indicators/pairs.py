"""Two markets side by side: how one moves with the other, and how far they have come apart."""

from __future__ import annotations

from math import sqrt

from shared.domain.indicators.window import Indicator
from shared.units import Ticks


class Joint(Indicator):
    """Sums of the last `length` pairs of whole numbers: what a least-squares line is made of."""

    pairs: list[tuple[int, int]] = []
    sum_x: int = 0
    sum_y: int = 0
    sum_xx: int = 0
    sum_yy: int = 0
    sum_xy: int = 0

    def _take(self, x: int, y: int) -> None:
        self.pairs.append((x, y))
        self._count(x, y, 1)
        if len(self.pairs) > self.length:
            self._count(*self.pairs.pop(0), -1)

    def _count(self, x: int, y: int, sign: int) -> None:
        self.sum_x += sign * x
        self.sum_y += sign * y
        self.sum_xx += sign * x * x
        self.sum_yy += sign * y * y
        self.sum_xy += sign * x * y

    @property
    def held(self) -> int:
        return len(self.pairs)

    def _spreads(self) -> tuple[int, int, int]:
        """`length` squared times variance of x, variance of y, and covariance: exact."""
        self._need()
        n = self.length
        return (
            n * self.sum_xx - self.sum_x * self.sum_x,
            n * self.sum_yy - self.sum_y * self.sum_y,
            n * self.sum_xy - self.sum_x * self.sum_y,
        )

    @property
    def correlation(self) -> float:
        """Pearson's, of the pairs in the window; 0 while either stands still."""
        xx, yy, xy = self._spreads()
        return xy / sqrt(xx) / sqrt(yy) if xx and yy else 0.0


class RollingBeta(Joint):
    """Slope of the moves of `y` on the moves of `x` over the last `length` moves."""

    last: tuple[Ticks, Ticks] | None = None

    def update(self, x: Ticks, y: Ticks) -> None:
        """The closes of the same bar of both."""
        if self.last is not None:
            self._take(x - self.last[0], y - self.last[1])
        self.last = (x, y)

    @property
    def value(self) -> float:
        """0 while `x` stands still."""
        xx, _, xy = self._spreads()
        return xy / xx if xx else 0.0


class RollingSpread(Joint):
    """How far the newest `y` lies from its least-squares line on `x`, over `length` closes."""

    def update(self, x: Ticks, y: Ticks) -> None:
        """The closes of the same bar of both."""
        self._take(x, y)

    @property
    def beta(self) -> float:
        """Slope of the line, ticks of `y` a tick of `x`; 0 while `x` stands still."""
        xx, _, xy = self._spreads()
        return xy / xx if xx else 0.0

    @property
    def value(self) -> float:
        """The newest residual, ticks of `y`: positive when `y` is dear."""
        self._need()
        x, y = self.pairs[-1]
        n = self.length
        return ((n * y - self.sum_y) - self.beta * (n * x - self.sum_x)) / n

    @property
    def score(self) -> float:
        """The newest residual in deviations of all of them; 0 where the line explains all."""
        xx, yy, xy = self._spreads()
        left = yy * xx - xy * xy if xx else yy  # exact, so that a perfect line is seen as one
        deviation = sqrt(left / xx if xx else left) / self.length
        return self.value / deviation if left else 0.0
