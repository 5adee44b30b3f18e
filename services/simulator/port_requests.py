"""A request's body as a stranger sends it, made into the venue's own struct or into its complaint.

ASP.NET is lenient where clients are sloppy: names match whatever their case, unknown members are
ignored, dates come in any ISO form (also days, and the first and last instant that .NET knows), and
optional members are sent as null, empty text or zero. It is strict where it matters: a missing
required member, a wrong type or a number too large for its type is HTTP 400 with a map from field
to complaints, before any business rule is asked.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from msgspec import NODEFAULT

from shared.venue import words
from shared.venue.answers import ENDPOINTS, Endpoint, LoginResponse, Problem
from shared.venue.times import time_ns

LOGIN_APP: Final = Endpoint("/api/Auth/loginApp", words.LoginApp, LoginResponse)
ROUTES: Final[dict[str, Endpoint]] = {
    entry.path.lower(): entry for entry in (*ENDPOINTS, LOGIN_APP)
}
BODILESS: Final = (words.Validate, words.Logout)
_TIMES: Final = {"startTime", "endTime", "startTimestamp", "endTimestamp", "createdAfter",
                 "createdBefore"}  # fmt: skip
_DECIMALS: Final = {"limitPrice", "stopPrice", "trailPrice"}  # 0 means nothing
_NESTED: Final[dict[str, type[words.Part]]] = {
    "filter": words.QueryFilter,
    "stopLossBracket": words.BracketModel,
    "takeProfitBracket": words.BracketModel,
}
_INT64: Final = {"orderId", "linkedOrderId"}  # other whole numbers are 32 bits wide
DECIMAL_MAX: Final = 7.9e28  # what a .NET decimal can hold
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_FIRST, _LAST = "1970-01-01T00:00:00Z", "2261-12-31T23:59:59Z"
_WHERE: Final = re.compile(r" - at `([^`]+)`")
REQUEST_REQUIRED: Final = ("The request field is required.",)


class BadRequest(Exception):
    """HTTP 400; `problem` is its body."""

    def __init__(self, errors: dict[str, tuple[str, ...]]) -> None:
        super().__init__(str(errors))
        self.problem = Problem(errors=errors)


def parse(body: bytes, kind: type[words.Body]) -> words.Body:
    """The request in `body`. Raises BadRequest."""
    if not body.strip() and kind in BODILESS:
        return kind()
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest({"$": (str(error),), "request": REQUEST_REQUIRED}) from None
    if not isinstance(found, dict):
        raise BadRequest({"$": ("The JSON value could not be converted.",),
                          "request": REQUEST_REQUIRED})  # fmt: skip
    plain = _known(found, kind)
    _demand(plain, kind, "")
    try:
        asked = msgspec.convert(plain, kind)
    except msgspec.ValidationError as error:
        raise BadRequest(_complaint(str(error))) from None
    _fit(plain, "")
    return asked


def _fit(plain: dict[str, Any], path: str) -> None:
    """Every number fits into its type. Raises BadRequest."""
    for name, value in plain.items():
        if isinstance(value, dict):
            _fit(value, f"{path}{name}.")
        for one in value if isinstance(value, list) else [value]:
            whole = isinstance(one, int) and name not in _DECIMALS
            bits = 63 if name in _INT64 else 31
            wide = whole and not -(1 << bits) <= one < 1 << bits
            if wide or (isinstance(one, (int, float)) and abs(one) > DECIMAL_MAX):
                kind = "Decimal" if not whole else "Int64" if bits == 63 else "Int32"
                text = f"The JSON value could not be converted to System.{kind}."
                raise BadRequest({f"$.{path}{name}": (text,), "request": REQUEST_REQUIRED})


def _instant(text: str) -> str:
    """A time as every reader of ours can read it: days begin at midnight, no year is too far."""
    if _DAY.fullmatch(text):
        text += "T00:00:00Z"
    if not _DAY.match(text) or _FIRST[:4] <= text[:4] <= _LAST[:4]:
        return text
    try:
        time_ns(f"2000{text[4:]}", "")
    except ValueError:
        return text  # complained about where every time is
    return _FIRST if text[:4] < _FIRST[:4] else _LAST


def _known(found: dict[str, Any], kind: type[words.Body] | type[words.Part]) -> dict[str, Any]:
    """Members of `kind` only, under their own names; what means "nothing" left out."""
    names = {field.encode_name.lower(): field for field in msgspec.structs.fields(kind)}
    plain: dict[str, Any] = {}
    for key, value in found.items():
        field = names.get(key.lower())
        if field is None:
            continue
        name = field.encode_name
        optional = field.default is not NODEFAULT
        if optional and (value is None or value == "" or (value == 0 and name in _DECIMALS)):
            continue
        nested = _NESTED.get(name)
        if nested is not None and isinstance(value, dict):
            value = _known(value, nested)
            if optional and value.get("ticks") == 0:
                continue
        if name in _TIMES and isinstance(value, str):
            value = _instant(value)
        plain[name] = value
    return plain


def _demand(plain: dict[str, Any], kind: type[words.Body] | type[words.Part], path: str) -> None:
    """Every required member is there and every time is one. Raises BadRequest naming all."""
    errors: dict[str, tuple[str, ...]] = {}
    for field in msgspec.structs.fields(kind):
        name = field.encode_name
        if field.required and plain.get(name) is None:
            errors[f"{path}{name}"] = (f"The {name} field is required.",)
        elif name in _TIMES and isinstance(plain.get(name), str):
            try:
                time_ns(plain[name], name)
            except ValueError:
                errors[f"$.{path}{name}"] = ("The JSON value could not be converted to DateTime.",)
    if errors:
        raise BadRequest({**errors, "request": REQUEST_REQUIRED})
    for name, nested in _NESTED.items():
        if isinstance(plain.get(name), dict):
            _demand(plain[name], nested, f"{path}{name}.")


def _complaint(text: str) -> dict[str, tuple[str, ...]]:
    where = _WHERE.search(text)
    field = where[1] if where else "$"
    return {field: (f"The JSON value could not be converted. {text}",), "request": REQUEST_REQUIRED}
