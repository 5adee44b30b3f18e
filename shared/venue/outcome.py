"""What became of a request: the venue answered, it never left us, or nobody knows.

The three are different types because mixing them up costs accounts: a lost answer is not a refusal.
`Answered` includes business refusals (`response.success` is false): the venue has read the request
and said no. `Unknown` includes everything in between, also the venue's own "pending".
"""

from __future__ import annotations

from enum import Enum
from typing import Generic, TypeVar

from msgspec import Struct

from shared.venue.answers import Endpoint, Response, listless

R = TypeVar("R", bound=Response)
R_co = TypeVar("R_co", bound=Response, covariant=True)


class Reserve(Enum):
    """Whose share of the request budget a request uses."""

    __hash__ = object.__hash__  # there is one object of each; its name would cost a call

    TRADING = "TRADING"
    RECONCILE = "RECONCILE"
    SAFETY = "SAFETY"  # cancels, closes, protective stops
    EXIT = "EXIT"  # what a sleeve closes, a glance at positions: safety's share, never its last
    SENTINEL = "SENTINEL"
    HISTORY = "HISTORY"  # bars: a window of their own at the venue


class Answered(Struct, Generic[R_co], frozen=True):
    """The venue read the request and this is what it said."""

    response: R_co

    @property
    def ok(self) -> bool:
        return self.response.success


class NotSent(Struct, frozen=True):
    """No byte of the request left us; nothing can have happened."""

    why: str


class Unknown(Struct, frozen=True):
    """It may or may not have happened. `order_id`: what the venue called it, if it said."""

    why: str
    order_id: int = 0


Outcome = Answered[R_co] | NotSent | Unknown


def judged(endpoint: Endpoint, response: R) -> Answered[R] | Unknown:
    """What a readable answer means: also one by which the venue itself does not know, or that
    claims success without its list (a missing list is not an empty one).
    """
    if response.success and listless(response):
        return Unknown(f"{endpoint.path}: success without its list")
    if response.error_code in endpoint.uncertain:
        order_id = getattr(response, "order_id", None) or 0
        why = f"{endpoint.path}: code {response.error_code} {response.error_message or ''}"
        return Unknown(why.strip(), order_id)
    return Answered(response)
