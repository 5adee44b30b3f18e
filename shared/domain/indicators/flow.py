"""What the book and the tape say: who is queueing, who is pushing, where volume changed hands."""

from __future__ import annotations

from msgspec import Struct

from shared.domain.indicators.window import WINDOW_MAX, Indicator
from shared.units import Lots, Ticks


def microprice(bid: Ticks, ask: Ticks, bid_size: Lots, ask_size: Lots) -> float:
    """Where the next trade is likelier: the mid, leaning away from the larger queue. Ticks.

    The mid itself where either size is unknown (0).
    """
    if bid_size <= 0 or ask_size <= 0:
        return (bid + ask) / 2
    return (bid * ask_size + ask * bid_size) / (bid_size + ask_size)


class Top(Struct):
    """Best bid and ask with their sizes."""

    bid: Ticks
    bid_size: Lots
    ask: Ticks
    ask_size: Lots


class OrderFlowImbalance(Indicator):
    """Net pressure on the best prices over the last `length` changes, contracts.

    Cont, Kukanov and Stoikov (2014): what joins the bid or leaves the ask counts up, what joins the
    ask or leaves the bid counts down. A better price counts its whole size, a worse one takes the
    whole size away.
    """

    last: Top | None = None
    pushes: list[int] = []
    total: int = 0

    def update(self, bid: Ticks, bid_size: Lots, ask: Ticks, ask_size: Lots) -> None:
        last = self.last
        self.last = Top(bid, bid_size, ask, ask_size)
        if last is None:
            return
        push = (bid_size if bid >= last.bid else 0) - (last.bid_size if bid <= last.bid else 0)
        push += (last.ask_size if ask >= last.ask else 0) - (ask_size if ask <= last.ask else 0)
        self.pushes.append(push)
        self.total += push
        if len(self.pushes) > self.length:
            self.total -= self.pushes.pop(0)

    @property
    def held(self) -> int:
        return len(self.pushes)

    @property
    def value(self) -> int:
        self._need()
        return self.total


class VolumeProfile(Indicator):
    """Contracts traded at each price over the last `length` prints or bars, and its value area.

    The point of control is the price with the most volume (of equals, the lowest). The value area
    grows from it, always to the side whose next price has more volume (of equals, upwards), until
    it holds `share_percent` of all. `bucket_ticks` prices share one row. Ticks.
    """

    bucket_ticks: int = 1
    share_percent: int = 70
    rows: list[tuple[Ticks, Lots]] = []
    volumes: dict[Ticks, Lots] = {}  # bucket -> contracts; at most `length` of them
    total: Lots = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.bucket_ticks <= WINDOW_MAX or not 1 <= self.share_percent <= 100:
            raise ValueError(
                f"volume profile with bucket_ticks {self.bucket_ticks},"
                f" share_percent {self.share_percent}"
            )

    def update(self, price: Ticks, volume: Lots) -> None:
        bucket = price // self.bucket_ticks
        self.rows.append((bucket, volume))
        self._count(bucket, volume)
        if len(self.rows) > self.length:
            old, gone = self.rows.pop(0)
            self._count(old, -gone)

    def _count(self, bucket: Ticks, volume: Lots) -> None:
        self.total += volume
        held = self.volumes.get(bucket, 0) + volume
        if held:
            self.volumes[bucket] = held
        else:
            self.volumes.pop(bucket, None)

    @property
    def held(self) -> int:
        return len(self.rows)

    @property
    def value(self) -> tuple[Ticks, Ticks, Ticks]:
        """(low of the value area, point of control, high of the value area): bucket floors."""
        self._need()
        if not self.volumes:
            price = self.rows[-1][0] * self.bucket_ticks
            return price, price, price
        buckets = sorted(self.volumes)
        volumes = [self.volumes[bucket] for bucket in buckets]
        peak = volumes.index(max(volumes))
        low, high = _area(volumes, peak, self.total * self.share_percent)
        size = self.bucket_ticks
        return buckets[low] * size, buckets[peak] * size, buckets[high] * size


def _area(volumes: list[Lots], peak: int, wanted: int) -> tuple[int, int]:
    """First and last row of the value area; `wanted` is in hundredths of a contract."""
    low = high = peak
    inside = volumes[peak]
    while inside * 100 < wanted:
        above = volumes[high + 1] if high + 1 < len(volumes) else -1
        below = volumes[low - 1] if low else -1
        if above >= below:
            high += 1
            inside += above
        else:
            low -= 1
            inside += below
    return low, high
