"""Faults by schedule: a file says what goes wrong and when, the same way at every run.

TOML or JSON. `fault` is a list of orders (`port_faults.FaultOrder`) with `at_s`, market seconds
since `[simulator] start`. `random` is a list of sources of accidents: from `from_s` to `until_s`,
on average every `every_s` seconds, one of `kinds`, with an amount from `amounts`; they are drawn
from `seed` when the file is read, so that a run can be repeated. What lies in the past when the
simulator starts (again) is over.

    seed = 7
    [[fault]]
    at_s = 30
    kind = "DROP_HUBS"
    hub = "market"
    [[random]]
    every_s = 60
    until_s = 3600
    kinds = ["TOO_MANY", "MUTE_HUBS"]
    amounts = [1, 2000]
"""

from __future__ import annotations

import random
import tomllib
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from services.simulator.port_faults import BadFault, FaultOrder, kind_of
from shared.units import SECOND, Nanos

ENTRIES_MAX: Final = 100_000
Moment = Annotated[float, Meta(ge=0)]


class BadSchedule(ValueError):
    """The file cannot be used; the message names it and what is wrong."""


class Planned(Struct, forbid_unknown_fields=True):
    """One order and its time."""

    at_s: Moment
    kind: str
    amount: int = 1
    path: str = ""
    hub: str = ""
    target: str = ""


class Source(Struct, forbid_unknown_fields=True):
    """A source of accidents; `amounts` are its least and greatest."""

    every_s: Annotated[float, Meta(gt=0)]
    until_s: Moment
    kinds: list[str]
    from_s: Moment = 0.0
    amounts: tuple[int, int] = (1, 1)
    path: str = ""
    hub: str = ""
    target: str = ""


class Plan(Struct, forbid_unknown_fields=True):
    """The file."""

    seed: int = 0
    fault: list[Planned] = []
    random: list[Source] = []


def read(path: str, start_ns: Nanos) -> list[tuple[Nanos, FaultOrder]]:
    """(market time, order), earliest first. Raises BadSchedule."""
    where = f"fault schedule {path}"
    try:
        raw = Path(path).read_bytes()
        if path.endswith(".json"):
            plan = msgspec.json.decode(raw, type=Plan)
        else:
            plan = msgspec.convert(tomllib.loads(raw.decode()), Plan)
    except OSError as error:
        raise BadSchedule(f"{where}: {error.strerror}") from None
    except (ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise BadSchedule(f"{where}: {error}") from None
    entries = [*plan.fault, *drawn(plan)]
    if len(entries) > ENTRIES_MAX:
        raise BadSchedule(f"{where}: more than {ENTRIES_MAX} faults")
    line: list[tuple[Nanos, FaultOrder]] = []
    for entry in sorted(entries, key=lambda one: one.at_s):
        order = FaultOrder(entry.kind, entry.amount, entry.path, entry.hub, entry.target)
        try:
            kind_of(order)
        except BadFault as error:
            raise BadSchedule(f"{where}: at {entry.at_s} s: {error}") from None
        line.append((start_ns + int(entry.at_s * SECOND), order))
    return line


def drawn(plan: Plan) -> list[Planned]:
    """The accidents of every source: gaps are exponential, kinds and amounts even."""
    dice = random.Random(plan.seed)  # nosec B311  repeatable accidents are the purpose
    found: list[Planned] = []
    for source in plan.random:
        at_s = source.from_s + dice.expovariate(1 / source.every_s)
        while source.kinds and at_s < source.until_s and len(found) <= ENTRIES_MAX:
            low, high = sorted(source.amounts)
            kind, amount = dice.choice(source.kinds), dice.randint(low, high)
            found.append(
                Planned(at_s, kind, amount, path=source.path, hub=source.hub, target=source.target)
            )
            at_s += dice.expovariate(1 / source.every_s)
    return found
