"""What a class must be before it is asked anything: mistakes that would otherwise say nothing.

A handler that is a coroutine is never run, a warm-up on bars that nobody builds never ends, a gap
policy written as a word is none, a size of zero never trades: each looks like a sleeve that waits.
So they are told where the class is named, by what is wrong and what would be right.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from services.sleeves.base import GapPolicy, Sleeve
from shared.domain.bars import SPANS_S

WARMUP_MAX: Final = 10_000  # bars of a span: seven days of minutes
LATER: Final = (
    inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction,
)  # fmt: skip
CALLED: Final = ("prepare", "fresh_view", "learn", "learn_other")


def wrong_class(kind: type[Sleeve]) -> str:
    """What is wrong with a class by itself; "" if nothing is."""
    for name in ("Params", "State"):
        found = getattr(kind, name)
        if not (isinstance(found, type) and issubclass(found, Struct)):
            return f"{name} was {found!r}, expected a msgspec Struct"
    if not kind.Params.__struct_config__.frozen:
        return "Params was not frozen, expected Struct, frozen=True"
    for name in ("contracts_max", "state_version"):
        if not _whole(value := getattr(kind, name), 1):
            return f"{name} was {value!r}, expected a whole number from 1"
    if not isinstance(kind.gap_policy, GapPolicy):
        return f"gap_policy was {kind.gap_policy!r}, expected a GapPolicy"
    for name in (*CALLED, *(name for name in vars(Sleeve) if name.startswith("on_"))):
        handler = getattr(kind, name)
        if not callable(handler):
            return f"{name} was {handler!r}, expected a method"
        if any(is_one(handler) for is_one in LATER):
            return f"{name} is async or yields, expected one that answers at once"
    return ""


def wrong_wishes(sleeve: Sleeve) -> str:
    """What is wrong with the bars it asks for; "" if nothing is."""
    warmup: Any = sleeve.warmup
    if not isinstance(warmup, Mapping):
        return f"warmup was {warmup!r}, expected bars by span, as {{60: 20}}"
    spans = ", ".join(map(str, SPANS_S))
    for span_s, need in warmup.items():
        if type(span_s) is not int or span_s not in SPANS_S:
            return f"warmup asks for bars of {span_s!r} s, there are bars of {spans}"
        if not _whole(need, 0) or need > WARMUP_MAX:
            return f"warmup asks for {need!r} bars of {span_s} s, expected 0 to {WARMUP_MAX}"
    listens: Any = sleeve.listens
    if not isinstance(listens, tuple | list) or not all(isinstance(it, str) for it in listens):
        return f'listens was {listens!r}, expected a tuple of products, as ("MES",)'
    if len(set(listens)) < len(listens):
        return f"listens names one product twice: {', '.join(listens)}"
    return ""


def _whole(value: object, least: int) -> bool:
    return type(value) is int and value >= least
