"""The life of an order, as one table.

Router, simulator and lab share it, so that they cannot disagree about what may happen to an order.
Three kinds of happening move it:

- what the *venue* shows (hub event, REST row, both late, doubled, reordered or lost at will). Venue
  truth wins: these are legal in every state but REFUSED, and stale news changes nothing. A fill
  always counts, also after a cancel, a rejection, or a proof of absence.
- what *our own request* came to: accepted, never left, outcome lost.
- what *we* do or find: a cancel is sent, a cancel failed, a complete read does not show the order,
  its absence is proven.

The last two are our own reasoning; where the table has no entry for them our picture of the order
is wrong, and `move` raises. How much was filled is no state: it is counted beside it, and only
grows. PARTIAL says "working, and something was filled".
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from shared.events import OrderState

S = OrderState


class Happening(Enum):
    """What can happen to an order."""

    __hash__ = object.__hash__  # there is one object of each; its name would cost a call

    # the venue shows it
    SUSPENDED = "SUSPENDED"  # a bracket leg waits for its entry
    OPENED = "OPENED"  # pending or open, nothing filled
    PART_FILLED = "PART_FILLED"  # open, something filled
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"  # also the answer to our own place request
    # our place request came to
    ACCEPTED = "ACCEPTED"  # the venue answered with an order id
    NEVER_LEFT = "NEVER_LEFT"  # certainly not sent
    LOST = "LOST"  # no answer, or one that proves nothing
    # we do or find
    CANCEL_SENT = "CANCEL_SENT"
    CANCEL_FAILED = "CANCEL_FAILED"  # refused, or shown open by a read begun after its end
    MISSING = "MISSING"  # a complete read, begun after it was last seen, does not show it
    PROVEN_ABSENT = "PROVEN_ABSENT"  # law 9: two reads far enough apart, connection closed


H = Happening

VENUE: Final = frozenset(
    {H.SUSPENDED, H.OPENED, H.PART_FILLED, H.FILLED, H.CANCELLED, H.EXPIRED, H.REJECTED}
)
"""Happenings shown by the venue: never illegal, except for an order that was never sent."""


class IllegalTransition(Exception):
    """Our picture of an order is wrong: halt, reconcile, then think."""


def _shown(**kept: OrderState) -> dict[Happening, OrderState]:
    """What the venue shows is where the order is, but for the happenings named."""
    moves = {
        H.SUSPENDED: S.SUSPENDED,
        H.OPENED: S.WORKING,
        H.PART_FILLED: S.PARTIAL,
        H.FILLED: S.FILLED,
        H.CANCELLED: S.CANCELLED,
        H.EXPIRED: S.EXPIRED,
        H.REJECTED: S.REJECTED,
    }
    return moves | {Happening[name]: state for name, state in kept.items()}


def _over(state: OrderState, **moved: OrderState) -> dict[Happening, OrderState]:
    """An order that is over: late news of any kind leaves it so, but for the happenings named."""
    late = dict.fromkeys([*VENUE, H.ACCEPTED, H.LOST, H.CANCEL_FAILED], state)
    return late | {Happening[name]: moved_to for name, moved_to in moved.items()}


TRANSITIONS: Final[dict[OrderState, dict[Happening, OrderState]]] = {
    # The hub may show an order, even its fill, before our own request is answered.
    S.SENT: _shown() | {H.ACCEPTED: S.WORKING, H.NEVER_LEFT: S.ABSENT, H.LOST: S.UNKNOWN},
    # Only evidence ends it: any sign of it, a late answer, or the proof that there is none.
    S.UNKNOWN: _shown()
    | {
        H.ACCEPTED: S.WORKING,
        H.NEVER_LEFT: S.ABSENT,
        H.LOST: S.UNKNOWN,
        H.MISSING: S.UNKNOWN,
        H.PROVEN_ABSENT: S.ABSENT,
    },
    # A suspended leg may be cancelled, and may fill before we see it open. A read can hide it (the
    # venue's list of open orders does), so only a complete read may call it missing.
    S.SUSPENDED: _shown()
    | {H.CANCEL_SENT: S.CANCELLING, H.CANCEL_FAILED: S.SUSPENDED, H.MISSING: S.UNKNOWN},
    # SUSPENDED after it worked is an old event: no order goes back. Our request's answer comes
    # after the hub's event as often as before it; once the order was seen it says nothing new.
    S.WORKING: _shown(SUSPENDED=S.WORKING)
    | {
        H.ACCEPTED: S.WORKING,
        H.LOST: S.WORKING,
        H.CANCEL_SENT: S.CANCELLING,
        H.CANCEL_FAILED: S.WORKING,
        H.MISSING: S.UNKNOWN,
    },
    # OPENED after a part fill is an old event.
    S.PARTIAL: _shown(SUSPENDED=S.PARTIAL, OPENED=S.PARTIAL)
    | {
        H.ACCEPTED: S.PARTIAL,
        H.LOST: S.PARTIAL,
        H.CANCEL_SENT: S.CANCELLING,
        H.CANCEL_FAILED: S.PARTIAL,
        H.MISSING: S.UNKNOWN,
    },
    # Until the cancel is answered the order can still fill: the fill wins the race. That it still
    # shows open proves nothing (the event may be older than the cancel); CANCEL_FAILED does.
    S.CANCELLING: _shown(SUSPENDED=S.CANCELLING, OPENED=S.CANCELLING, PART_FILLED=S.CANCELLING)
    | {
        H.ACCEPTED: S.CANCELLING,
        H.LOST: S.CANCELLING,
        H.CANCEL_SENT: S.CANCELLING,
        H.CANCEL_FAILED: S.WORKING,
        H.MISSING: S.UNKNOWN,
    },
    S.FILLED: _over(S.FILLED),
    # The cancel reached us first, the fill was earlier: a fill always counts. A part fill adds to
    # the count and the rest stays cancelled.
    S.CANCELLED: _over(S.CANCELLED, FILLED=S.FILLED),
    S.EXPIRED: _over(S.EXPIRED, FILLED=S.FILLED),
    # A rejected order shows on the hub as pending first, perhaps after the answer: OPENED is old
    # news. But what fills has not been rejected.
    S.REJECTED: _over(S.REJECTED, PART_FILLED=S.PARTIAL, FILLED=S.FILLED),
    # Never sent, so nothing can happen to it: any entry here would be an order without approval.
    S.REFUSED: {},
    # Late apparition: the proof was wrong. It lives again, and the router ends it at once.
    S.ABSENT: _shown()
    | {H.ACCEPTED: S.WORKING, H.NEVER_LEFT: S.ABSENT, H.LOST: S.ABSENT, H.PROVEN_ABSENT: S.ABSENT},
}

assert TRANSITIONS.keys() == set(OrderState), "Invariant: every state has a row"


def move(state: OrderState, happening: Happening) -> OrderState:
    """Where an order in `state` stands after `happening`. Raises IllegalTransition."""
    try:
        return TRANSITIONS[state][happening]
    except KeyError:
        raise IllegalTransition(
            f"{happening.value} cannot happen to a {state.value} order"
        ) from None


def shown(happening: Happening, filled: int, size: int) -> Happening:
    """`happening` as the venue shows it, corrected by how much was filled: an open order with fills
    is PART_FILLED, and one filled to its size is FILLED whatever else is said of it.
    """
    assert 0 <= filled <= size, f"Invariant: filled {filled} stays within the size {size}"
    if filled == size:
        return Happening.FILLED
    if filled and happening is Happening.OPENED:
        return Happening.PART_FILLED
    return happening
