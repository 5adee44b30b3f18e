"""`tsq risk actions` and `tsq risk why REF`: what the governor did unasked, from its journal.

Each deed has a name to ask by: a latch its key (`session_cap`, `sleeve:trend`), a flatten
`flatten.<halt number>.<what was closed>`, a withdrawn order the id of its cancel, a roll-back
`granted.<sleeve>.<life>`, an order made smaller its intent. All carry the grounds that the governor
wrote down as it acted: the rule, its limit, what was found, what was known. Files are read and
nothing else, so it works with everything down; a journal older than the grounds has no deeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from msgspec import Struct

from shared.contracts import UnknownContract, product_of
from shared.domain.rules.explain import deed, spoken
from shared.domain.rules.telling import HALVES, NEWS, RECOVERY
from shared.events import RiskLevel

Said = dict[str, Any]


class Deed(Struct, kw_only=True):
    """Something done unasked. `limit` and `actual` in the unit of the rule's row in the book."""

    ref: str
    time_ns: int
    what: str
    cause: str
    rule: str
    limit: int
    actual: int
    largest: int
    inputs: dict[str, int]
    sentence: str

    def lines(self) -> list[str]:
        """For a terminal."""
        known = said_inputs(self.inputs)
        lines = [f"{self.what}: {self.cause}", f"BY RULE {self.rule}: {self.sentence}"]
        return [*lines, f"It knew: {known}"] if known else lines


def said_inputs(inputs: dict[str, int]) -> str:
    """`position 0, equity 49,818.99 dollars`: those named `..._usd` are micro-dollars, all others
    plain counts."""
    return ", ".join(
        f"{name.removesuffix('_usd').replace('_', ' ')}"
        f" {spoken('usd', number) if name.endswith('_usd') else number}"
        for name, number in inputs.items()
    )


def deeds(said: Iterable[Said]) -> Iterator[Deed]:
    """Every deed in what the governor said, oldest first."""
    held: dict[str, int] = {}
    for event in said:
        if event["t"] == "RiskState":
            yield from _tripped(event, held)
        elif event["t"] in TITLES and event.get("grounds"):
            yield _deed(TITLES[event["t"]](event), event["time_ns"], event["grounds"])


def _tripped(state: Said, held: dict[str, int]) -> Iterator[Deed]:
    """Latches told for the first time; `held`: key -> since when, as last told."""
    latches = {latch["key"]: latch for latch in state.get("latches", ())}
    for key, latch in latches.items():
        if held.get(key) != latch["since_ns"] and latch.get("grounds"):
            what = f"{_level(latch)} for {latch.get('sleeve') or 'the account'}"
            yield _deed((key, what, latch["cause"]), latch["since_ns"], latch["grounds"])
    held.clear()
    held.update({key: latch["since_ns"] for key, latch in latches.items()})


def _level(latch: Said) -> str:
    """The level a latch makes; of one that forbids nothing, what it is instead."""
    if latch["level"] != RiskLevel.ACTIVE.value:
        return str(latch["level"])
    return HALVES.capitalize() if latch["key"] == RECOVERY else NEWS.capitalize()


def _deed(told: tuple[str, str, str], time_ns: int, grounds: Said) -> Deed:
    ref, what, cause = told
    rule, limit, actual = grounds["rule"], grounds.get("limit", 0), grounds.get("actual", 0)
    largest = grounds.get("largest", 0)
    return Deed(
        ref=ref, time_ns=time_ns, what=what, cause=cause, rule=rule, limit=limit, actual=actual,
        largest=largest, inputs=grounds.get("inputs", {}),
        sentence=deed(rule, limit, actual, largest=largest),
    )  # fmt: skip


def _flatten(event: Said) -> tuple[str, str, str]:
    contract = event.get("contract", "")
    whom = event.get("sleeve") or (_root(contract) if contract else "account")
    return f"flatten.{event['halt_no']}.{whom}", f"Flatten {whom}", event["cause"]


def _cancel(event: Said) -> tuple[str, str, str]:
    return event["intent_id"], f"Withdrew {event['target']}", event["reason"]


def _smaller(event: Said) -> tuple[str, str, str]:
    return event["intent_id"], f"Made smaller: {event['intent_id']}", f"{event['size']} passed"


def _granted(event: Said) -> tuple[str, str, str]:
    sleeve = event["sleeve"]
    ref = f"granted.{sleeve}.{event['incarnation']}"
    return ref, f"Gave {sleeve} back to {event['incarnation']}", event.get("cause", "")


def _root(contract: str) -> str:
    try:
        return product_of(contract).root
    except UnknownContract:
        return contract


TITLES: Final[dict[str, Callable[[Said], tuple[str, str, str]]]] = {
    "Flatten": _flatten,
    "CancelApproved": _cancel,
    "OrderApproved": _smaller,
    "AuthorityGranted": _granted,
}
"""Kind -> its name to ask by, what was done, and the cause as the governor worded it."""
