"""Two seats of one sleeve before the governor: who stands by, who was swapped in, who owns it."""

from __future__ import annotations

from typing import Any

import msgspec

from services.risk_governor.words import Outcome, Verb
from shared.events import Event, PeerBack, SleeveStatus
from shared.seats import SECOND, actors
from tests.governor_stage import MNQ, Stage, wide

OLD, NEW = 7, 1_007
FIRST_ACTOR, SECOND_ACTOR = actors("trend")


def status(seat: str, incarnation: int, state: str = "READY", reason: str = "") -> SleeveStatus:
    return SleeveStatus(
        sleeve="trend", incarnation=incarnation, contract=MNQ, state=state, reason=reason, seat=seat
    )


def stage(**swap: Any) -> Stage:
    """A governor with a newcomer of `trend` standing by."""
    given = wide()
    given = msgspec.structs.replace(given, swap=msgspec.structs.replace(given.swap, **swap))
    found = Stage(given).opened()
    found.tell(PeerBack(actor=FIRST_ACTOR, epoch=1))
    found.tell(PeerBack(actor=SECOND_ACTOR, epoch=1))
    found.tell(status(SECOND, NEW))
    return found


def swapped(**swap: Any) -> Stage:
    found = stage(**swap)
    answer = found.operator(Verb.SWAP, sleeve="trend", seat=SECOND)
    assert answer.outcome is Outcome.DONE, answer.reason
    return found


def owner(found: Stage) -> int:
    return found.governor.mind.state.sleeves["trend"].incarnation


def told(found: Stage, kind: type[Event]) -> list[Any]:
    return [event for event in found.said if type(event) is kind]
