"""What the honest venue keeps of an order and of a flatten; see `firm_venue`."""

from __future__ import annotations

from msgspec import Struct

from shared.events import Flatten, OrderApproved, OrderType, Purpose, Scope
from shared.units import Lots, Ticks


class Working(Struct):
    """An order at the venue; `left` contracts may still fill."""

    intent_id: str
    tag: str
    sleeve: str
    contract: str
    side: int
    size: Lots
    left: Lots
    purpose: Purpose
    type: OrderType
    limit: Ticks | None = None
    stop: Ticks | None = None
    stop_loss: Ticks | None = None
    parent: str = ""


class Job(Struct):
    """A flatten under way, `age` seconds old."""

    order: Flatten
    age: int = 0

    def covers(self, sleeve: str, contract: str) -> bool:
        scope = self.order.scope
        if scope is Scope.CONTRACT:
            return contract == self.order.contract
        return scope is Scope.ACCOUNT or sleeve == self.order.sleeve


def order_of(approved: OrderApproved) -> Working:
    return Working(
        intent_id=approved.intent_id, tag=approved.tag, sleeve=approved.sleeve,
        contract=approved.contract, side=int(approved.side), size=approved.size,
        left=approved.size, purpose=approved.purpose, type=approved.type,
        limit=approved.limit_price, stop=approved.stop_price,
        stop_loss=approved.stop_loss_ticks,
    )  # fmt: skip
