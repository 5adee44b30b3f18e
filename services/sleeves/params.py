"""What an author's `Params` say of themselves: type, range, default, and what may change at once.

The annotation of a parameter is the one place that says all of it, and everybody reads it there:
the settings are checked against it, `tsq tune` refuses what lies outside it, a search takes its
ranges from it, and the documentation prints it.

    class Params(Struct, frozen=True):
        window_bars: Annotated[int, Meta(ge=5, le=500)] = 20          # structural
        entry_z: Annotated[float, tunable(ge=0.5, le=10)] = 1.4       # may change while trading

A *tunable* parameter is one that only decides (a threshold, a distance, a pause): it may change at
a bar boundary. A *structural* one shapes the memory (a window, a span): changing it needs a new
life of the sleeve, because what was learnt with the old one means nothing. The contract checks hold
every sleeve to it: a tunable parameter changes neither the warm-up nor an empty view.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import NODEFAULT, Meta, Struct

TUNABLE: Final = "tunable"
"""The key in `Meta(extra=...)` that marks a parameter which may change while trading."""


KINDS_KEPT: Final = 256  # kinds of `Params` whose description is remembered


class ParamError(ValueError):
    """A change of parameters that cannot be; the message names parameter, range and value."""


class Parameter(Struct, frozen=True, kw_only=True):
    """One parameter, for people and for machines that search. None: no bound on that side."""

    name: str
    type: str  # int, float, bool, str, or "choice"
    default: Any
    low: float | None = None
    high: float | None = None
    low_open: bool = False  # the bound itself is not allowed
    high_open: bool = False
    choices: tuple[Any, ...] = ()
    tunable: bool = False
    about: str = ""

    @property
    def range(self) -> str:
        """`4 to 80`, `above 0`, `LONG or SHORT`; empty where everything of its type goes."""
        if self.choices:
            return " or ".join(str(choice) for choice in self.choices)
        low = "" if self.low is None else f"{'above ' if self.low_open else ''}{self.low:g}"
        high = "" if self.high is None else f"{'below ' if self.high_open else ''}{self.high:g}"
        if low and high:
            return f"{low} to {high}"
        return (low and (low if self.low_open else f"from {low}")) or (high and f"up to {high}")


def tunable(
    *,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    about: str = "",
) -> Meta:
    """The range of a parameter that may change at a bar boundary."""
    bounds = {"ge": ge, "gt": gt, "le": le, "lt": lt, "description": about or None}
    said: dict[str, Any] = {key: value for key, value in bounds.items() if value is not None}
    made: Meta = Meta(extra={TUNABLE: True}, **said)
    return made


_TYPES: Final[dict[type[msgspec.inspect.Type], str]] = {
    msgspec.inspect.IntType: "int",
    msgspec.inspect.FloatType: "float",
    msgspec.inspect.BoolType: "bool",
    msgspec.inspect.StrType: "str",
    msgspec.inspect.LiteralType: "choice",
    msgspec.inspect.EnumType: "choice",
}


@lru_cache(KINDS_KEPT)
def parameters(kind: type[Struct]) -> tuple[Parameter, ...]:
    """Everything known of each field of a `Params`, in their order."""
    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType), f"{kind.__name__} is no msgspec Struct"
    return tuple(_parameter(field) for field in info.fields)


def _parameter(field: msgspec.inspect.Field) -> Parameter:
    found, extra, about = field.type, {}, ""
    if isinstance(found, msgspec.inspect.Metadata):
        extra = found.extra or {}
        about = (found.extra_json_schema or {}).get("description", "")
        found = found.type
    bounds: dict[str, Any] = {}
    if isinstance(found, msgspec.inspect.IntType | msgspec.inspect.FloatType):
        bounds = {
            "low": found.ge if found.gt is None else found.gt,
            "high": found.le if found.lt is None else found.lt,
            "low_open": found.gt is not None,
            "high_open": found.lt is not None,
        }
    elif isinstance(found, msgspec.inspect.LiteralType):
        bounds = {"choices": found.values}
    elif isinstance(found, msgspec.inspect.EnumType):
        bounds = {"choices": tuple(member.value for member in found.cls)}
    return Parameter(
        name=field.encode_name,
        type=_TYPES.get(type(found), type(found).__name__),
        default=None if field.default is NODEFAULT else field.default,
        tunable=bool(extra.get(TUNABLE)),
        about=about,
        **bounds,
    )


def checked(kind: type[Struct], table: Mapping[str, Any]) -> Struct:
    """A `Params` from a table. Raises ParamError with parameter, range and value."""
    known = {parameter.name for parameter in parameters(kind)}
    for key in sorted(table):
        if key not in known:
            raise ParamError(f".{key} is unknown; there are {', '.join(sorted(known))}")
    try:
        found: Struct = msgspec.convert(dict(table), kind, strict=True)
    except msgspec.ValidationError as error:
        key = str(error).partition("$.")[2].strip("`")
        raise ParamError(f": {error}; it was {table.get(key)!r}") from None
    return found


def tuned(params: Struct, changes: Mapping[str, Any]) -> Struct:
    """`params` with `changes` to tunable ones. Raises ParamError for structural ones too.

    Ranges are checked; what a sleeve's `prepare` says of two parameters together is not, see
    `loading.retuned`.
    """
    kind = type(params)
    known = {parameter.name: parameter for parameter in parameters(kind)}
    for key in sorted(changes):
        if key in known and not known[key].tunable:
            raise ParamError(f".{key} is structural: it needs a swap, not a tune")
    return checked(kind, {**msgspec.to_builtins(params), **changes})


def parsed(kind: type[Struct], words: Mapping[str, str]) -> dict[str, Any]:
    """`{"stop_ticks": "20"}` from a command line, as the types of `kind`. Raises ParamError."""
    known = {parameter.name: parameter for parameter in parameters(kind)}
    found: dict[str, Any] = {}
    for key, word in words.items():
        if key not in known:
            raise ParamError(f".{key} is unknown; there are {', '.join(sorted(known))}")
        field = next(f for f in msgspec.structs.fields(kind) if f.encode_name == key)
        try:
            found[key] = msgspec.convert(word, field.type, strict=False)
        except msgspec.ValidationError as error:
            raise ParamError(f".{key}: {error}; it was {word!r}") from None
    return found
