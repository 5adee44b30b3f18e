"""What the venue itself shows while a World runs: who works twice, and what stands unprotected.

Built from the simulator's user events before anything happens to them on their way, so that it
knows what the cast cannot know yet.
"""

from __future__ import annotations

from collections.abc import Callable

from services.simulator.words import UserPush
from shared.units import Lots, Nanos
from shared.venue import words as wire
from shared.venue.codes import LIVE_STATUSES, OrderKind, PositionKind, VenueOrderStatus, VenueSide

STOPS = (OrderKind.STOP, OrderKind.TRAILING_STOP)
LEGS = ("-SL", "-TP")
SIGNS = {int(PositionKind.LONG): 1, int(PositionKind.SHORT): -1}


class VenueWatch:
    """Hears every user event of the simulator. Raises AssertionError at once where two orders work
    for one wish or a position is larger than allowed.
    """

    def __init__(self, position_max: Lots, over: Callable[[Nanos, Nanos], None]) -> None:
        """`over` is told each time without a whole stop when it has ended: from, until."""
        self.over = over
        self.position_max = position_max
        self.live: dict[int, wire.OrderModel] = {}
        self.ids: dict[str, int] = {}  # tag -> the one order that bears it
        self.working: dict[str, int] = {}  # intent -> its live order
        self.lots: dict[str, Lots] = {}
        self.bare_since: dict[str, Nanos] = {}
        self.bare_ns_max: Nanos = 0

    def pushed(self, now_ns: Nanos, push: UserPush) -> None:
        match push.payload:
            case wire.OrderModel() as order:
                self._order(order)
                self._measure(now_ns, order.contract_id)
            case wire.PositionModel() as held:
                sign = {PositionKind.LONG: 1, PositionKind.SHORT: -1}.get(
                    PositionKind(held.type), 0
                )
                self.lots[held.contract_id] = sign * held.size
                assert held.size <= self.position_max, f"beyond the limit: {held}"
                self._measure(now_ns, held.contract_id)

    def _order(self, order: wire.OrderModel) -> None:
        tag = order.custom_tag or ""
        over = order.status not in LIVE_STATUSES
        if tag:
            first = self.ids.setdefault(tag, order.id)
            assert first == order.id, f"orders {first} and {order.id} bear the tag {tag}"
        intent = intent_of(tag)
        if over:
            self.live.pop(order.id, None)
            if self.working.get(intent) == order.id:
                del self.working[intent]
            return
        self.live[order.id] = order
        if intent:
            other = self.working.setdefault(intent, order.id)
            assert other == order.id, f"orders {other} and {order.id} work for {intent}"

    def _measure(self, now_ns: Nanos, contract: str) -> None:
        lots = self.lots.get(contract, 0)
        closing = VenueSide.ASK if lots > 0 else VenueSide.BID
        covered = sum(
            order.size - (order.fill_volume or 0)
            for order in self.live.values()
            if order.contract_id == contract
            and order.side == closing
            and order.type in STOPS
            and order.status == VenueOrderStatus.OPEN
        )
        if covered < abs(lots):
            self.bare_since.setdefault(contract, now_ns)
        elif contract in self.bare_since:
            since_ns = self.bare_since.pop(contract)
            self.bare_ns_max = max(self.bare_ns_max, now_ns - since_ns)
            self.over(since_ns, now_ns)


def intent_of(tag: str) -> str:
    """What a tag of ours belongs to, whatever the attempt: "" for none."""
    if not tag.startswith("t1."):
        return ""
    leg = next((end for end in LEGS if tag.endswith(end)), "")
    return tag.removesuffix(leg).rpartition(".")[0] + leg
