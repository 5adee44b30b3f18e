"""What can go wrong between the venue and its clients, on request or by schedule.

Faults of the venue's mind (rejected orders, a halted market) belong to the core, which journals
them; these here are faults of the wire, which `port_memory.py` keeps over a restart. `amount` is a
count, or milliseconds where it says so; a new order of a kind replaces the old one and 0 ends it.
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
    ERROR_BEFORE = "ERROR_BEFORE"  # so many requests get 500 and are not carried out
    BAD_GATEWAY = "BAD_GATEWAY"  # so many requests get 502 and are not carried out
    HANG_BEFORE = "HANG_BEFORE"  # so many requests are not carried out and never answered
    ERROR_AFTER = "ERROR_AFTER"  # so many requests are carried out and answered 500
    HANG_AFTER = "HANG_AFTER"  # so many requests are carried out and never answered
    CUT_ANSWER = "CUT_ANSWER"  # so many requests are carried out; the connection breaks instead
    GARBAGE_ANSWER = "GARBAGE_ANSWER"  # so many requests are carried out and answered with rubbish
    SLOW_ANSWERS = "SLOW_ANSWERS"  # every answer waits so many milliseconds
    WRONG_CLOCK = "WRONG_CLOCK"  # the venue's clock is so many milliseconds off; may be negative
    MAINTENANCE = "MAINTENANCE"  # for so many milliseconds everything is 503 and hubs are closed
    REVOKE_TOKENS = "REVOKE_TOKENS"  # every token given so far ends, now
    DROP_HUBS = "DROP_HUBS"  # the sockets break, now
    CLOSE_HUBS = "CLOSE_HUBS"  # a close record, then the socket, now
    HUB_OUTAGE = "HUB_OUTAGE"  # the sockets break; for so many milliseconds new ones get 503
    MUTE_HUBS = "MUTE_HUBS"  # for so many milliseconds events are lost; pings go on
    HALF_OPEN_HUBS = "HALF_OPEN_HUBS"  # for so many milliseconds nothing is sent or read at all
    DELAY_EVENTS = "DELAY_EVENTS"  # every event of a hub waits so many milliseconds
    LOSE_EVENTS = "LOSE_EVENTS"  # so many events of a hub are lost
    DOUBLE_EVENTS = "DOUBLE_EVENTS"  # so many events of a hub come twice
    SWAP_EVENTS = "SWAP_EVENTS"  # so many events of a hub come after the one behind them
    REFUSE_HANDSHAKE = "REFUSE_HANDSHAKE"  # so many handshakes are refused
    HANG_HANDSHAKE = "HANG_HANDSHAKE"  # so many handshakes are never answered


COUNTED: Final = (
    WireFault.UNAUTHORISED,
    WireFault.TOO_MANY,
    WireFault.SERVER_ERROR,
    WireFault.ERROR_BEFORE,
    WireFault.BAD_GATEWAY,
    WireFault.HANG_BEFORE,
    WireFault.ERROR_AFTER,
    WireFault.HANG_AFTER,
    WireFault.CUT_ANSWER,
    WireFault.GARBAGE_ANSWER,
    WireFault.LOSE_EVENTS,
    WireFault.DOUBLE_EVENTS,
    WireFault.SWAP_EVENTS,
    WireFault.REFUSE_HANDSHAKE,
    WireFault.HANG_HANDSHAKE,
)
TIMED: Final = (
    WireFault.MAINTENANCE,
    WireFault.HUB_OUTAGE,
    WireFault.MUTE_HUBS,
    WireFault.HALF_OPEN_HUBS,
)
KINDS: Final[dict[str, WireFault | FaultKind]] = {
    kind.value: kind for kind in (*WireFault, *FaultKind)
}
HUBS: Final = ("user", "market")


class FaultOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /sim/fault`. `path`: only requests whose path contains it (any case).

    `hub`: `user`, `market` or empty for both. `target`: only events of that name.
    """

    kind: str
    amount: int = 1
    path: str = ""
    hub: str = ""
    target: str = ""


class BadFault(ValueError):
    """An order for a fault that there is not; the message names what is wrong."""


def kind_of(order: FaultOrder) -> WireFault | FaultKind:
    """Raises BadFault."""
    kind = KINDS.get(order.kind)
    if kind is None or order.hub not in ("", *HUBS):
        raise BadFault(f"kind was {order.kind!r}, hub {order.hub!r}; kinds: {sorted(KINDS)}")
    return kind


class Counted(Struct, forbid_unknown_fields=True):
    """What is left of a counted fault."""

    left: int
    order: FaultOrder


class Standing(Struct, forbid_unknown_fields=True):
    """Everything that stands. `until`: "kind:hub" -> milliseconds of the wall; delays by hub."""

    counts: dict[str, Counted] = {}
    until: dict[str, int] = {}
    delays: dict[str, int] = {}
    slow_ms: int = 0
    clock_ms: int = 0


class WireFaults:
    """What is ordered and not yet used up."""

    def __init__(self) -> None:
        self._counts: dict[WireFault, tuple[int, FaultOrder]] = {}
        self._until: dict[tuple[WireFault, str], float] = {}
        self._delay_s: dict[str, float] = {}
        self.slow_s = 0.0
        self.clock_ms = 0

    def standing(self) -> Standing:
        """What a restart must not end."""
        gap = time.time() - time.monotonic()
        return Standing(
            counts={kind.value: Counted(*row) for kind, row in self._counts.items() if row[0] > 0},
            until={
                f"{kind.value}:{hub}": round((until + gap) * 10) * 100
                for (kind, hub), until in self._until.items()
                if until > time.monotonic()
            },
            delays={hub: round(delay * 1000) for hub, delay in self._delay_s.items() if delay},
            slow_ms=round(self.slow_s * 1000),
            clock_ms=self.clock_ms,
        )

    def resume(self, standing: Standing) -> None:
        """Go on with what stood when an earlier process ended."""
        gap = time.time() - time.monotonic()
        self._counts = {
            WireFault(kind): (row.left, row.order) for kind, row in standing.counts.items()
        }
        for name, until_ms in standing.until.items():
            kind, _, hub = name.partition(":")
            self._until[WireFault(kind), hub] = until_ms / 1000 - gap
        self._delay_s = {hub: delay / 1000 for hub, delay in standing.delays.items()}
        self.slow_s = standing.slow_ms / 1000
        self.clock_ms = standing.clock_ms

    def order(self, kind: WireFault, order: FaultOrder) -> None:
        """Let it stand; what has to happen at once is done by whom it concerns."""
        amount = max(0, order.amount)
        hubs = (order.hub,) if order.hub else HUBS
        if kind is WireFault.SLOW_ANSWERS:
            self.slow_s = amount / 1000
        elif kind is WireFault.WRONG_CLOCK:
            self.clock_ms = order.amount
        elif kind is WireFault.DELAY_EVENTS:
            self._delay_s.update(dict.fromkeys(hubs, amount / 1000))
        elif kind in COUNTED:
            self._counts[kind] = (amount, order)
        elif kind in TIMED:
            until = time.monotonic() + amount / 1000
            self._until.update({(kind, hub): until for hub in hubs})

    def strikes(self, kind: WireFault, path: str = "") -> bool:
        """Use up one of a counted fault of requests."""
        left, order = self._counts.get(kind, (0, _NO_ORDER))
        if left <= 0 or order.path.lower() not in path:
            return False
        self._counts[kind] = (left - 1, order)
        return True

    def strikes_event(self, kind: WireFault, hub: str, target: str) -> bool:
        """Use up one of a counted fault of events."""
        left, order = self._counts.get(kind, (0, _NO_ORDER))
        if left <= 0 or order.hub not in ("", hub) or order.target not in ("", target):
            return False
        self._counts[kind] = (left - 1, order)
        return True

    def delay_s(self, hub: str) -> float:
        """How long every event of a hub waits."""
        return self._delay_s.get(hub, 0.0)

    def lasts_s(self, kind: WireFault, hub: str = HUBS[0]) -> float:
        """Seconds a timed fault of a hub still lasts; 0 when it is over."""
        return max(0.0, self._until.get((kind, hub), 0.0) - time.monotonic())

    def shown(self) -> dict[str, float]:
        """What stands, for people."""
        shown = {kind.value: float(left) for kind, (left, _) in self._counts.items() if left}
        for kind, hub in self._until:
            if left := self.lasts_s(kind, hub):
                shown[f"{kind.value}:{hub}"] = round(left, 3)
        for hub, delay in self._delay_s.items():
            if delay:
                shown[f"{WireFault.DELAY_EVENTS.value}:{hub}"] = delay
        if self.slow_s:
            shown[WireFault.SLOW_ANSWERS.value] = self.slow_s
        if self.clock_ms:
            shown[WireFault.WRONG_CLOCK.value] = self.clock_ms / 1000
        return shown


_NO_ORDER: Final = FaultOrder(kind="")
