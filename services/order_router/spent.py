"""What the last minute's requests were, so that a new life does not spend them again.

The venue counts the requests of a user, not of a process: a router that is killed in a busy minute
and has forgotten it sends more than the venue takes, and what is refused then may be a stop.
Counted are answers, because only they tell whether a request left; the few that were on their way
when the router died are within the venue's margin over our shares.
"""

from __future__ import annotations

from typing import Final

from services.order_router.memory import Spent, State
from services.order_router.words import (
    Books,
    CancelAnswer,
    CloseAnswer,
    ModifyAnswer,
    Outcome,
    PlaceAnswer,
    Unread,
)
from shared.events import Event
from shared.units import SECOND, Nanos
from shared.venue.quota import WINDOW

READ: Final = 4  # requests of a read: orders, positions, trades, and the history or the account
GRAIN_NS: Final = 2 * SECOND  # requests within it are counted together, as of its end
ANSWERS: Final = frozenset({PlaceAnswer, CancelAnswer, ModifyAnswer, CloseAnswer, Books, Unread})


def note(state: State, now_ns: Nanos, event: Event) -> None:
    """Count what an answer has cost."""
    cost = _cost(event)
    if not cost:
        return
    spent = state.spent
    if spent and now_ns < spent[-1].until_ns:
        spent[-1].requests += cost
        return
    state.spent = [one for one in spent if now_ns - one.until_ns < WINDOW]
    state.spent.append(Spent(until_ns=now_ns + GRAIN_NS, requests=cost))


def ages(state: State, now_ns: Nanos) -> tuple[tuple[Nanos, int], ...]:
    """How long ago, in market time, and how many; a clock set back makes them new."""
    told = [(max(0, now_ns - one.until_ns), one.requests) for one in state.spent]
    return tuple(one for one in told if one[0] < WINDOW)


def _cost(event: Event) -> int:
    match event:
        case PlaceAnswer() | CancelAnswer() | ModifyAnswer() | CloseAnswer():
            return int(event.outcome is not Outcome.NOT_SENT)
        case Books():
            return READ
        case Unread():
            return int(event.left) if event.held is not None else READ * event.left
    return 0
