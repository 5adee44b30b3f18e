"""What the router says about itself: one state for the governor's checks, one sentence for a
person.
"""

from __future__ import annotations

from services.order_router import difference
from services.order_router.desk import Desk
from shared.events import OrderState, VenueState, VenueStatus
from shared.units import SECOND, Nanos

EVERY_NS: Nanos = SECOND
NOT_YET = "not connected yet"


class Status:
    """Computes and tells VenueStatus: on every change, and about once a second."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def armed(self) -> bool:
        """On the simulator always; elsewhere until the instant the trader named."""
        desk = self.desk
        return desk.settings.simulated() or desk.now_ns < desk.state.armed_until_ns

    def now(self) -> tuple[VenueState, str]:
        """The state and its reason."""
        state = self.desk.state
        if state.refused:
            return VenueState.DOWN, state.refused
        if not state.account_id:
            return VenueState.CONNECTING, state.reason
        if not state.up and state.reason == NOT_YET:
            return VenueState.CONNECTING, state.reason
        if not state.up:
            return VenueState.DOWN, state.reason
        if not state.reconciled:
            return VenueState.RECONCILING, ""
        if state.quarantine_real_ns or state.inherited:
            return VenueState.QUARANTINE, difference.words(self.desk)
        if not self.armed():
            return VenueState.DISARMED, "tsq arm ACCOUNT_NAME"
        return VenueState.READY, "" if state.can_trade else "the venue says: may not trade"

    def unknown(self) -> int:
        orders = self.desk.state.orders.values()
        return len([order for order in orders if order.state is OrderState.UNKNOWN])

    def tell_if_changed(self) -> None:
        state = self.desk.state
        where, reason = self.now()
        now = (where, self.unknown(), reason)
        if now != state.status:
            state.status = now
            self._tell(where, reason)

    def pulse(self) -> None:
        """Once a second, also when nothing changed."""
        state = self.desk.state
        if state.real_ns - state.status_real_ns >= EVERY_NS:
            where, reason = self.now()
            state.status = (where, self.unknown(), reason)
            self._tell(where, reason)

    def _tell(self, where: VenueState, reason: str) -> None:
        desk, state = self.desk, self.desk.state
        state.status_real_ns = state.real_ns
        desk.say(
            VenueStatus(
                no=desk.number(),
                state=where,
                account=desk.settings.venue.account,
                environment=desk.settings.venue.environment,
                unknown_orders=self.unknown(),
                quota_left=state.quota_left,
                reason=reason,
            )
        )
