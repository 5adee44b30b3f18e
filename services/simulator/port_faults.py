"""What can go wrong between the venue and its clients, on request (`POST /sim/fault`).

Faults of the venue's mind (lost events, rejected orders) belong to the core, which journals them;
these here are faults of the wire and live only in this process. `amount` is a count, or
milliseconds where it says so; a new order of a kind replaces the old one and 0 ends it.
"""

from __future__ import annotations

import time
from enum import Enum
from typing import Final

from msgspec import Struct

from services.simulator.words import FaultKind


class WireFault(Enum):
    UNAUTHORISED = "UNAUTHORISED"  # so many requests get 401
    TOO_MANY = "TOO_MANY"  # so many requests get 429
    SERVER_ERROR = "SERVER_ERROR"  # so many requests get 503 and are not carried out
    ERROR_AFTER = "ERROR_AFTER"  # so many requests are carried out and answered 500
    CUT_ANSWER = "CUT_ANSWER"  # so many requests are carried out; the connection breaks instead
    GARBAGE_ANSWER = "GARBAGE_ANSWER"  # so many requests are carried out and answered with rubbish
    SLOW_ANSWERS = "SLOW_ANSWERS"  # every answer waits so many milliseconds
    DROP_HUBS = "DROP_HUBS"  # the sockets break, now
    CLOSE_HUBS = "CLOSE_HUBS"  # a close record, then the socket, now
    MUTE_HUBS = "MUTE_HUBS"  # for so many milliseconds events are lost; pings go on
    HALF_OPEN_HUBS = "HALF_OPEN_HUBS"  # for so many milliseconds nothing is sent or read at all
    REFUSE_HANDSHAKE = "REFUSE_HANDSHAKE"  # so many handshakes are refused
    HANG_HANDSHAKE = "HANG_HANDSHAKE"  # so many handshakes are never answered


COUNTED: Final = (
    WireFault.UNAUTHORISED,
    WireFault.TOO_MANY,
    WireFault.SERVER_ERROR,
    WireFault.ERROR_AFTER,
    WireFault.CUT_ANSWER,
    WireFault.GARBAGE_ANSWER,
    WireFault.REFUSE_HANDSHAKE,
    WireFault.HANG_HANDSHAKE,
)
KINDS: Final = {kind.value: kind for kind in (*WireFault, *FaultKind)}


class FaultOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /sim/fault`. `path`: only requests whose path contains it (any case).

    `hub`: `user`, `market` or empty for both.
    """

    kind: str
    amount: int = 1
    path: str = ""
    hub: str = ""


class WireFaults:
    """What is ordered and not yet used up."""

    def __init__(self) -> None:
        self._counts: dict[WireFault, tuple[int, str]] = {}
        self._until: dict[tuple[WireFault, str], float] = {}
        self.slow_s = 0.0

    def order(self, kind: WireFault, order: FaultOrder) -> None:
        if kind is WireFault.SLOW_ANSWERS:
            self.slow_s = max(0, order.amount) / 1000
        elif kind in COUNTED:
            self._counts[kind] = (max(0, order.amount), order.path.lower())
        else:
            until = time.monotonic() + max(0, order.amount) / 1000
            for hub in [order.hub] if order.hub else ["user", "market"]:
                self._until[kind, hub] = until

    def strikes(self, kind: WireFault, path: str = "") -> bool:
        """Use up one of a counted fault."""
        left, only = self._counts.get(kind, (0, ""))
        if left <= 0 or only not in path:
            return False
        self._counts[kind] = (left - 1, only)
        return True

    def lasts_s(self, kind: WireFault, hub: str) -> float:
        """Seconds a timed fault of a hub still lasts; 0 when it is over."""
        return max(0.0, self._until.get((kind, hub), 0.0) - time.monotonic())

    def shown(self) -> dict[str, float]:
        """What stands, for people."""
        counts = {kind.value: float(left) for kind, (left, _) in self._counts.items() if left}
        timed = {
            f"{kind.value}:{hub}": round(self.lasts_s(kind, hub), 3)
            for kind, hub in self._until
            if self.lasts_s(kind, hub)
        }
        return {**counts, **timed, **({"SLOW_ANSWERS": self.slow_s} if self.slow_s else {})}
