"""The governor's approvals: checked once more, answered once.

The checks here are not about risk (that was the governor's) but about whether the approval still
stands: its number, its deadline, whether the venue can be reached and is agreed with, and whether a
flatten has taken the contract over. Exits pass where entries do not: they need only an account.
"""

from __future__ import annotations

from services.order_router import crossing, exits, outbox
from services.order_router.desk import Desk
from services.order_router.memory import LIVE_MAX, OPENERS, RESTING, Order
from services.order_router.status import Status
from services.order_router.tags import TAG_MAX
from shared.contracts import UnknownContract, product_of
from shared.events import (
    CancelApproved,
    ModifyApproved,
    OrderApproved,
    OrderState,
    Purpose,
    VenueState,
)

ALLOWED = OPENERS | {Purpose.EXIT}


class Requests:
    """Answers OrderApproved, ModifyApproved and CancelApproved."""

    def __init__(self, desk: Desk, status: Status) -> None:
        self.desk, self.status = desk, status

    def on_order(self, approval: OrderApproved) -> None:
        desk = self.desk
        if approval.cross is not None:
            self._on_cross(approval)
            return
        if not outbox.first_time(desk, approval.intent_id):
            return  # it has its answer
        reason = self._objection(approval)
        if reason:
            outbox.refuse(desk, approval, reason)
        elif approval.purpose is Purpose.EXIT:
            exits.wish(desk, approval)
        else:
            outbox.send_approved(desk, approval, approval.size)

    def _on_cross(self, exit_: OrderApproved) -> None:
        """Both halves of a crossing are answered at the exit's word. What cannot be crossed any
        more is an exit like any other, and an entry that is refused.
        """
        desk = self.desk
        entry = crossing.entry_of(exit_)
        if entry is None or not outbox.first_time(desk, exit_.intent_id):
            return
        first = outbox.first_time(desk, entry.intent_id)
        assert first, "Invariant: the halves of a crossing are answered together"
        reason = self._objection(exit_)
        obstacle = reason or self._objection(entry) or crossing.obstacle(desk, exit_)
        if not obstacle:
            crossing.cross(desk, exit_, entry)
            return
        outbox.refuse(desk, entry, f"not crossed: {obstacle}")
        if reason:
            outbox.refuse(desk, exit_, reason)
        else:
            exits.wish(desk, exit_)

    def _objection(self, approval: OrderApproved) -> str:
        """Why the approval cannot be carried out; empty when it can."""
        desk = self.desk
        return (
            self._malformed(approval)
            or outbox.void(desk, approval.halt_no, approval.deadline_real_ns)
            or self._not_now(approval)
        )

    def _malformed(self, approval: OrderApproved) -> str:
        desk = self.desk
        if approval.purpose not in ALLOWED:
            return f"purpose {approval.purpose.value} is the router's own"
        if approval.size <= 0:
            return f"size was {approval.size}"
        if not approval.tag or len(approval.tag) > TAG_MAX:
            return f"tag was {approval.tag!r}; 1 to {TAG_MAX} characters are allowed"
        if desk.find(approval.tag) is not None:
            return f"tag {approval.tag} was used before"
        try:
            product_of(approval.contract)
        except UnknownContract as error:
            return str(error)
        return ""

    def _not_now(self, approval: OrderApproved) -> str:
        desk, state = self.desk, self.desk.state
        where, why = self.status.now()
        if state.stopping:
            return "stopping"
        if desk.saga_over(approval.contract, approval.sleeve) is not None:
            return "a flatten is under way"
        if not state.account_id or state.refused:
            return f"no account: {why}"
        if len(state.orders) >= LIVE_MAX:
            return f"{len(state.orders)} orders are live, {LIVE_MAX} allowed"
        if approval.purpose in OPENERS:
            if where is not VenueState.READY:
                return f"{where.value}: {why}" if why else where.value
            if state.silent:
                return "the governor is silent"
            if not state.can_trade:
                return "the venue says that the account may not trade"
        return ""

    def on_modify(self, approval: ModifyApproved) -> None:
        desk = self.desk
        if not outbox.first_time(desk, approval.intent_id):
            return
        order = desk.by_intent(approval.target)
        if order is None:
            return  # finished long ago; the sleeve was told
        reason = outbox.void(desk, approval.halt_no, approval.deadline_real_ns)
        reason = reason or self._unchangeable(order)
        if reason:
            desk.tell(order, f"change refused: {reason}")
            return
        outbox.change(
            desk,
            order,
            limit_price=approval.limit_price,
            stop_price=approval.stop_price,
            deadline_real_ns=approval.deadline_real_ns,
            halt_no=approval.halt_no,
            reducing=False,
        )

    def _unchangeable(self, order: Order) -> str:
        changeable = order.state in RESTING or order.state is OrderState.SUSPENDED
        if not changeable or not order.venue_id:
            return f"the order is {order.state.value}"
        if not order.still:
            return "another change is under way"
        if self.desk.saga_over(order.contract) is not None:
            return "a flatten is under way"
        return ""

    def on_cancel(self, approval: CancelApproved) -> None:
        desk = self.desk
        for key, waiting in desk.state.exits.items():
            if waiting.intent_id == approval.target:
                del desk.state.exits[key]
                outbox.refuse(desk, waiting, f"cancelled: {approval.reason}")
                return
        order = desk.by_intent(approval.target)
        if order is not None and order.live:
            outbox.want_cancel(desk, order, approval.reason or "asked for")
