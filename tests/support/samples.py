"""One sample of every public event, every field set to something that is not its default.

`python -m tests.support.samples` pins kinds that have no golden bytes yet; it never changes a pin.
"""

from __future__ import annotations

import json
import types
from enum import Enum
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import msgspec
from msgspec import Struct

from shared.events import PUBLIC, Event
from shared.runtime import wire

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "wire.json"


def value(kind: Any, n: int) -> Any:
    """Some value of a type; `n` makes neighbours differ."""
    if kind is bool:
        return True
    if kind is int:
        return 1_000 + n
    if kind is float:
        return n + 0.5
    if kind is str:
        return f"text-{n}"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return list(kind)[-1]
    if isinstance(kind, type) and issubclass(kind, Struct):
        return sample(kind)
    args = get_args(kind)
    if get_origin(kind) in (Union, types.UnionType):
        return value(next(arg for arg in args if arg is not types.NoneType), n)
    if get_origin(kind) is tuple:
        inner = args[:1] if args[-1] is Ellipsis else args
        return tuple(value(arg, n + i) for i, arg in enumerate(inner))
    if get_origin(kind) is dict:
        return {value(args[0], n): value(args[1], n)}
    raise AssertionError(f"no sample for {kind}")


def sample(kind: type[Struct]) -> Any:
    fields = msgspec.structs.fields(kind)
    return kind(**{field.name: value(field.type, n) for n, field in enumerate(fields)})


def envelope(event: Event) -> bytes:
    """The frame of a sample, as the bus carries it."""
    said = ("speaker", 1_795_000_000, 42, 41, 1_795_016_100_000_000_000, "gateway:1:7", event)
    return wire.frame(type(event), wire.body(said))


def pins() -> dict[str, str]:
    found: dict[str, str] = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    return found


if __name__ == "__main__":
    known = pins()
    for public in PUBLIC:
        known.setdefault(public.__name__, envelope(sample(public)).hex())
    GOLDEN.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
