"""What the governor says of itself, in the words of people: one vocabulary for everybody who shows
it (`tsq status`, `tsq risk show`, the page and its API), so that the same thing has one name.

Names come from the book of rules. Who may end a latch follows from the row of its kind; how, from
the book, with the command to type where a person may. Numbers are left to whoever shows them.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from shared.domain.rules.book import BOOK
from shared.domain.rules.explain import numbers
from shared.events import Grounds, RiskLatch, RiskLayer, RiskLevel, RiskState
from shared.units import Micros

LEVELS: Final[dict[RiskLevel, str]] = {
    RiskLevel.ACTIVE: "active",
    RiskLevel.REDUCE_ONLY: "exits only",
    RiskLevel.FLATTENING: "flattening",
    RiskLevel.HALTED: "halted",
}
"""What each level is called."""

WHO: Final[dict[str, str]] = {
    "new account": "nobody",
    "operator": "a person",
    "17:00 CT": "17:00 CT",
    "reconcile": "by itself",
    "feed": "by itself",
    "disk space": "by itself",
    "time": "by itself",
}
"""Who ends a latch, by its word `clears`."""

CHOICES: Final[dict[str, str]] = {
    "difference": (
        "or choose: tsq resume --adopt --cause WHY (the venue is right), tsq resume --wait --cause"
        " WHY (I am looking), tsq flatten"
    ),
}
"""What a person may choose instead of waiting for what ends a latch by itself."""

HALVES: Final = "half size"
NEWS: Final = "news"
RECALLED: Final = "recalled"
RECOVERY: Final = "recovery"
DRAWDOWN: Final = "drawdown"


class Held(Struct, frozen=True, kw_only=True):
    """A latch as people are told it. `does`: what it means for its scope now."""

    key: str
    name: str
    does: str
    scope: str  # `account`, or the sleeve
    cause: str
    owner: str
    who: str  # may end it
    how: str
    since_ns: int
    until_ns: int
    binds: bool  # it forbids something
    alarm: bool
    rule: str  # a row of the book
    numbers: str  # its limit and what was found, in words


def kind_of(key: str) -> str:
    """The kind behind a latch's key: `sleeve` for `sleeve:trend`."""
    return key.partition(":")[0]


def name_of(rule: str) -> str:
    """What a rule or a latch is called: `Session cap` for `session_cap`."""
    entry = BOOK.get(kind_of(rule))
    return entry.name if entry is not None else rule.replace("_", " ")


def level_word(state: RiskState) -> str:
    """The account's level in a word or two; a pause is no level, but it is said beside it."""
    return LEVELS[state.level] + (", paused" if state.paused else "")


def held(latch: RiskLatch) -> Held:
    """A latch in the words of people."""
    binds = latch.level is not RiskLevel.ACTIVE
    halves = HALVES if latch.key == RECOVERY else NEWS
    grounds = latch.grounds or Grounds(rule=kind_of(latch.key))
    return Held(
        key=latch.key,
        name=name_of(latch.key),
        does=LEVELS[latch.level] if binds else halves,
        scope=latch.sleeve or "account",
        cause=latch.cause,
        owner=latch.owner.replace("_", " "),
        who=" and ".join(dict.fromkeys(WHO.get(by, by) for by in latch.clears.split(" and "))),
        how=_how(latch),
        since_ns=latch.since_ns,
        until_ns=latch.until_ns,
        binds=binds,
        alarm=latch.alarm,
        rule=grounds.rule,
        numbers=in_numbers(grounds),
    )


def in_numbers(grounds: Grounds) -> str:
    """The numbers behind something that was done unasked, in words."""
    return numbers(grounds.rule, grounds.limit, grounds.actual, largest=grounds.largest)


def _how(latch: RiskLatch) -> str:
    """What ends it, with the command where a person may give it."""
    kind = kind_of(latch.key)
    entry = BOOK.get(kind)
    text = latch.clears if entry is None or kind == RECALLED else entry.clears
    if "operator" not in latch.clears:
        return f"{text}; {CHOICES[kind]}" if kind in CHOICES else text
    whom = f" --sleeve {latch.sleeve}" if latch.sleeve else ""
    command = f"tsq resume{whom} --cause WHY"
    proof = ", after the proof of flat" if latch.level is RiskLevel.FLATTENING else ""
    condition = ", once equity is above the level again" if latch.key == DRAWDOWN else ""
    return f"{command}{condition}{proof}"


def all_held(state: RiskState) -> list[Held]:
    """Every latch, those that bind first, in the order they were tripped."""
    return sorted(map(held, state.latches), key=lambda one: (not one.alarm, not one.binds))


def alarms(state: RiskState) -> list[str]:
    """What a person must look at now."""
    return [latch.cause for latch in state.latches if latch.alarm]


def nearest_first(state: RiskState) -> list[RiskLayer]:
    """The lines of loss, the nearest first, then those of profit."""
    return sorted(state.layers, key=lambda layer: (layer.gain, layer.room))


def used_percent(layer: RiskLayer) -> int:
    """How much of the way to a line is gone: 0 at the day's beginning, 100 where it acts."""
    whole = abs(layer.at)
    left: Micros = max(0, min(layer.room, whole))
    return 100 if not whole else (whole - left) * 100 // whole
