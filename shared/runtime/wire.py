"""The bytes of the house: one frame on the bus, and the form of every event in it.

A frame is `topic NUL body`: the topic is the event's class name, for ZeroMQ's prefix filter, and
the body is the msgpack array (source lane, epoch, seq, prev, time_ns, cause, event). One part
instead of two, because a multipart message costs three times as much to send. The envelope is an
array (fixed for ever), the event a map (fields may be appended). The very same body bytes are the
`said` record of the speaker's journal, so what was caught up cannot differ from what was heard.

Ticks come many at once and each of their hearers wants one product, so a frame of a tick lane is a
bundle: the topic is `kind.symbol`, the body an array of whole envelopes. It holds ticks of one
product that follow each other, and its topic names the weightiest kind in it (in the order of
`TICKS`): whoever wants a kind subscribes to it and to the weightier ones. `prev` counts by topic.

Two processes may differ in age. Each pins the form of all kinds in its journal; a hearer compares
the kinds it hears and stops if it could misunderstand one.
"""

from __future__ import annotations

import hashlib
import types
from collections.abc import Iterable, Sequence
from enum import Enum
from functools import cache, lru_cache
from typing import Any, Final, Generic, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Raw, Struct

from shared.events import PUBLIC, TICKS, Event, Heartbeat

E = TypeVar("E")


class Envelope(Struct, Generic[E], frozen=True, array_like=True):
    """`seq` counts all events of the lane, `prev` is the seq of its previous event of this kind;
    in a tick lane of this kind and product.
    """

    source: str
    epoch: int
    seq: int
    prev: int
    time_ns: int
    cause: str
    event: E


class _Tag(Struct, frozen=True):
    t: str
    contract: str = ""


_encode: Final = msgspec.msgpack.Encoder().encode
_head: Final = msgspec.msgpack.Decoder(Envelope[Raw]).decode
_tag: Final = msgspec.msgpack.Decoder(_Tag).decode

TOPICS: Final[dict[type[Event], bytes]] = {kind: kind.__name__.encode() for kind in PUBLIC}
_HEADS: Final = {kind: topic + b"\0" for kind, topic in TOPICS.items()}
HEARTBEAT: Final = _HEADS[Heartbeat]


def body(envelope: tuple[str, int, int, int, int, str, Event]) -> bytes:
    """(source, epoch, seq, prev, time_ns, cause, event) as bytes."""
    return _encode(envelope)


def frame(kind: type[Event], encoded: bytes) -> bytes:
    return _HEADS[kind] + encoded


def head(encoded: bytes) -> Envelope[Raw]:
    """The envelope with its event left alone. Raises msgspec.ValidationError or DecodeError."""
    return _head(encoded)


def kind_of(event: Raw) -> str:
    """The class name inside an encoded event."""
    return _tag(event).t


@cache
def opener(kind: type[Event]) -> msgspec.msgpack.Decoder[Envelope[Any]]:
    """The decoder of whole envelopes that carry `kind`; made once."""
    return msgspec.msgpack.Decoder(Envelope[kind])  # type: ignore[valid-type]


# -- bundles of ticks ------------------------------------------------------------------------------

BUNDLE_MAX: Final = 64  # ticks in one frame
RANKS: Final = {kind: rank for rank, kind in enumerate(TICKS)}
_TICK_NAMES: Final = frozenset(kind.__name__ for kind in TICKS)
_bundle_of: Final = msgspec.msgpack.Decoder(
    list[Envelope[Union[TICKS]]]  # type: ignore[valid-type]  # noqa: UP007 - made at run time
).decode
_heads_of: Final = msgspec.msgpack.Decoder(list[Envelope[Raw]]).decode


@lru_cache(maxsize=1024)
def symbol_of(contract: str) -> str:
    """The venue's code of the product, the whole name where it is none of the venue's."""
    parts = contract.split(".")
    return parts[3] if len(parts) == 5 else contract


@lru_cache(maxsize=4096)
def tick_topic(kind: str, contract: str) -> str:
    """By what the ticks of a lane are counted and chosen: kind and product."""
    return f"{kind}.{symbol_of(contract)}"


def tick_topic_of(event: Raw) -> str:
    """The topic of an encoded tick."""
    tag = _tag(event)
    return tick_topic(tag.t, tag.contract)


def bundle(topic: str, bodies: Sequence[bytes]) -> bytes:
    """One frame of up to `BUNDLE_MAX` ticks."""
    count = len(bodies)
    opening = bytes((0x90 | count,)) if count < 16 else b"\xdc" + count.to_bytes(2, "big")
    return b"".join((topic.encode(), b"\0", opening, *bodies))


def bundles(ticks: Sequence[Event], bodies: Sequence[bytes]) -> list[bytes]:
    """Frames that hold `bodies`, which are those of `ticks`, in their order."""
    frames: list[bytes] = []
    run: list[bytes] = []
    symbol, rank, topic = "", 0, ""  # of the run
    for tick, body in zip(ticks, bodies, strict=True):
        contract: str = tick.contract  # type: ignore[attr-defined]
        its, kind = symbol_of(contract), type(tick)
        if run and (its != symbol or len(run) == BUNDLE_MAX):
            frames.append(bundle(topic, run))
            run = []
        if not run or RANKS[kind] < rank:
            symbol, rank, topic = its, RANKS[kind], tick_topic(kind.__name__, contract)
        run.append(body)
    if run:
        frames.append(bundle(topic, run))
    return frames


def ticks_in(encoded: bytes) -> Iterable[Envelope[Any]]:
    """The envelopes of a bundle, without kinds that only a younger speaker knows. Raises
    msgspec.ValidationError or DecodeError.
    """
    try:
        return _bundle_of(encoded)
    except msgspec.ValidationError:
        heads = _heads_of(encoded)
        known = [it for it in heads if kind_of(it.event) in _TICK_NAMES]
        if len(known) == len(heads):
            raise
        return _bundle_of(_encode(known))


# -- the form of events ----------------------------------------------------------------------------

Form = dict[str, str]  # field -> type, with a question mark where it has a default


def _type_name(kind: Any) -> str:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "enum:" + "|".join(str(member.value) for member in kind)
    if isinstance(kind, type) and issubclass(kind, Struct):
        inner = ",".join(f"{field}:{name}" for field, name in form(kind).items())
        return "{" + inner + "}"
    if kind is None or kind is types.NoneType:
        return "none"
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return " or ".join(sorted(_type_name(arg) for arg in args))
    if origin is not None:
        return f"{origin.__name__}[{','.join(_type_name(arg) for arg in args)}]"
    return str(getattr(kind, "__name__", kind))


def form(kind: type[Struct]) -> Form:
    """What a decoder of `kind` insists on, field by field."""
    return {
        field.encode_name: _type_name(field.type)
        + ("" if field.default is NODEFAULT and field.default_factory is NODEFAULT else "?")
        for field in msgspec.structs.fields(kind)
    }


FORMS: Final[dict[str, Form]] = {kind.__name__: form(kind) for kind in PUBLIC}
FINGERPRINT: Final = hashlib.blake2s(
    msgspec.json.encode(FORMS, order="sorted"), digest_size=8
).hexdigest()


def misunderstanding(kind: str, theirs: dict[str, Form]) -> str:
    """Why our code would misread their `kind`; empty when it would not.

    A field that only they have is skipped by our decoder, one that only we have needs a default. A
    kind they do not know is one they never say.
    """
    spoken = theirs.get(kind)
    if spoken is None:
        return ""
    for name, ours in FORMS[kind].items():
        other = spoken.get(name)
        if other is None:
            if not ours.endswith("?"):
                return f"{kind}.{name} is missing in their form and has no default in ours"
        elif not _fits(ours.rstrip("?"), other.rstrip("?")):
            return f"{kind}.{name} is {other} in their form and {ours} in ours"
    return ""


def _fits(ours: str, theirs: str) -> bool:
    if ours.startswith("enum:") and theirs.startswith("enum:"):
        return set(theirs[5:].split("|")) <= set(ours[5:].split("|"))
    return ours == theirs
