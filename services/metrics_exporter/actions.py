"""What was done without being asked: latches tripped and ended, contracts closed, orders withdrawn.

Read off the words of governor and router. Nobody says "I did this": a latch that is told for the
first time was tripped at its own instant, one that is told no more has ended.
"""

from __future__ import annotations

from typing import Final

from services.metrics_exporter.figures import short_name
from services.metrics_exporter.state import Action, Recent, Seen
from shared.domain.rules.telling import held, in_numbers, kind_of, name_of
from shared.events import (
    CancelApproved,
    Flatten,
    FlattenProgress,
    Grounds,
    RiskLatch,
    RiskState,
    Scope,
)

GOVERNOR: Final = "risk governor"
ROUTER: Final = "order router"
OWN: Final = "risk_governor."  # begins the ids of what the governor does of its own accord


def on_risk(recent: Recent, seen: Seen[RiskState]) -> None:
    """Compare the latches told with those told before."""
    now = {latch.key: latch for latch in seen.value.latches}
    for key, latch in recent.latches.items():
        if key not in now or now[key].since_ns != latch.since_ns:
            _add(recent, Action(seen.source_ns, f"{_title(latch)} ended", latch.cause, GOVERNOR))
    for key, latch in now.items():
        known = recent.latches.get(key)
        if known is None or known.since_ns != latch.since_ns:
            told = held(latch)
            what = f"{_title(latch)}: {told.does}"
            deed = Action(latch.since_ns, what, told.cause, told.owner)
            deed.rule, deed.numbers = told.rule, told.numbers
            _add(recent, deed)
    recent.latches = now


def on_flatten(recent: Recent, seen: Seen[Flatten]) -> None:
    """A contract's own flatten; those of wider scope are told by their latch."""
    if seen.value.scope is Scope.CONTRACT:
        what = f"Flatten {short_name(seen.value.contract)}"
        deed = Action(seen.source_ns, what, seen.value.cause, GOVERNOR)
        _add(recent, _grounded(deed, seen.value.grounds))


def on_proof(recent: Recent, seen: Seen[FlattenProgress]) -> None:
    told = seen.value
    scope = told.sleeve or (short_name(told.contract) if told.contract else "account")
    what = f"Proven flat: {scope.replace('_', ' ')}"
    _add(recent, Action(seen.source_ns, what, told.cause, ROUTER))


def on_cancel(recent: Recent, seen: Seen[CancelApproved]) -> None:
    """Only what the governor withdraws by itself; a sleeve's own wish is no news."""
    if seen.value.intent_id.startswith(OWN):
        what = f"Orders withdrawn: {seen.value.sleeve.replace('_', ' ')}"
        deed = Action(seen.source_ns, what, seen.value.reason, GOVERNOR)
        _add(recent, _grounded(deed, seen.value.grounds))


def _grounded(deed: Action, grounds: Grounds | None) -> Action:
    """With its rule and numbers; an older governor told none."""
    if grounds is not None:
        deed.rule, deed.numbers = grounds.rule, in_numbers(grounds)
    return deed


def _title(latch: RiskLatch) -> str:
    name = name_of(latch.key)
    whom = latch.key.partition(":")[2].replace("_", " ")
    return f"{name} ({whom})" if kind_of(latch.key) != latch.key else name


def _add(recent: Recent, deed: Action) -> None:
    """Newest first; the same again only counts."""
    last = recent.actions[0] if recent.actions else None
    if last is not None and (last.what, last.why) == (deed.what, deed.why):
        last.times, last.at_ns, last.numbers = last.times + 1, deed.at_ns, deed.numbers
        return
    recent.actions.appendleft(deed)
