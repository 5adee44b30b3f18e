"""The request budget: how many requests each concern may send in a sliding minute.

The venue allows 200 requests in 60 s and 50 requests for bars in 30 s, counted in a way nobody has
published; so we count sliding windows, which hold under either. The shares are fixed and add up to
less than the whole: the router and the sentinel are separate processes and must not need to talk to
keep the promise. Safety may also use what trading and reconciliation have left; nobody may use what
belongs to safety.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

from shared.units import SECOND, Nanos
from shared.venue.outcome import Reserve

WINDOW: Final = 60 * SECOND
HISTORY_WINDOW: Final = 30 * SECOND
SHARES: Final[Mapping[Reserve, int]] = {
    Reserve.SENTINEL: 20,
    Reserve.SAFETY: 60,
    Reserve.RECONCILE: 24,
    Reserve.TRADING: 90,
    Reserve.HISTORY: 45,
}
LEAVES: Final[Mapping[Reserve, int]] = {
    Reserve.SAFETY: 0,
    Reserve.EXIT: 30,
    Reserve.RECONCILE: 30,
    Reserve.TRADING: 45,
}
"""How many of the common pot each must leave, also when safety has used up its own share: every
order that works may still fill, and a fill needs its stop placed and removed; a flatten of four
contracts cancels openers, closes, cancels stops and targets and proves it, in about thirty. Exits
and reads may be asked for all day, and what a sleeve holds has its stop meanwhile, while a stop
that is gone and a flatten have nobody else to ask.
"""
_COMMON: Final = tuple(LEAVES)
_BEYOND: Final = (Reserve.SAFETY, Reserve.EXIT)  # may use what the others have left


class Quota:
    """Sliding windows per reserve. The caller brings a monotonic `now`, nanoseconds.

    `pace`: a rehearsal at N times the speed of the wall has N times the requests in a minute, and
    the simulator allows them; at the venue it is 1.
    """

    def __init__(self, shares: Mapping[Reserve, int] = SHARES, pace: float = 1.0) -> None:
        self._pace = pace
        self._shares = {reserve: shares.get(reserve, 0) for reserve in Reserve}
        self._spent: dict[Reserve, deque[Nanos]] = {reserve: deque() for reserve in Reserve}

    def left(self, reserve: Reserve, now: Nanos) -> int:
        """Requests `reserve` may still send at once."""
        own = self._shares[reserve] - self._count(reserve, now)
        if reserve not in _COMMON:
            return max(0, own)
        common = sum(self._shares[one] - self._count(one, now) for one in _COMMON)
        common -= min(LEAVES[reserve], self._shares[Reserve.SAFETY])
        return max(0, common if reserve in _BEYOND else min(own, common))

    def take(self, reserve: Reserve, now: Nanos) -> bool:
        """Spend one request; False, and nothing spent, when none is left."""
        if self.left(reserve, now) <= 0:
            return False
        self._spent[reserve].append(now)
        return True

    def give_back(self, reserve: Reserve) -> None:
        """The last request taken never left."""
        if self._spent[reserve]:
            self._spent[reserve].pop()

    def recall(self, spent: Iterable[tuple[Nanos, int]], now: Nanos) -> None:
        """What a life before this one sent: how long ago in nanoseconds of market time, and how
        many. It counts for everybody; whose share it was is forgotten.
        """
        past = [now - int(age / self._pace) for age, count in spent for _ in range(count)]
        safety = self._spent[Reserve.SAFETY]
        self._spent[Reserve.SAFETY] = deque(sorted([*safety, *past]))

    def _count(self, reserve: Reserve, now: Nanos) -> int:
        spent = self._spent[reserve]
        window = (HISTORY_WINDOW if reserve is Reserve.HISTORY else WINDOW) / self._pace
        while spent and spent[0] <= now - window:
            spent.popleft()
        return len(spent)


def quota_of(per_minute: int, safety_reserve: int, pace: float = 1.0) -> Quota:
    """The router's quota from its two settings; trading gets what safety and reconciling leave."""
    reconcile = SHARES[Reserve.RECONCILE]
    trading = max(0, min(SHARES[Reserve.TRADING], per_minute - safety_reserve - reconcile))
    return Quota(
        {
            **SHARES,
            Reserve.SAFETY: safety_reserve,
            Reserve.RECONCILE: min(reconcile, max(0, per_minute - safety_reserve)),
            Reserve.TRADING: trading,
        },
        pace,
    )
