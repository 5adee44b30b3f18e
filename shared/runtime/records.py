"""What stands in a journal: seven kinds of record, each a msgpack array (kind, content).

The first byte of every record is the same and the second is its kind, so a reader sorts records
without decoding them. `SAID` holds the very bytes of the bus. `HEARD` holds no events, only which
ones: every event is stored once, in its speaker's journal, and read from there again in recovery
and replay.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from shared.core import Core
from shared.events import RUNTIME, Event, Gap

START, HEARD, INPUT, SAID, EFFECT, SNAPSHOT, CONTINUED = range(7)
NAMES: Final = ("start", "heard", "input", "said", "effect", "snapshot", "continued")
PREFIX: Final = tuple(bytes((0x92, kind)) for kind in range(len(NAMES)))


class Place(Struct, frozen=True, array_like=True):
    """A point in a lane's journals: `birth` is the epoch of the file's first record, because a file
    of the same day that was set aside and begun anew must not be read from the old offset.
    """

    day: str = ""
    birth: int = 0
    offset: int = 0

    def is_at(self, other: Place) -> bool:
        """Whether this is the other place or behind it."""
        return (self.day, self.offset) >= (other.day, other.offset)


class Mark(Struct, array_like=True):
    """How far a lane was heard. `kinds`: per topic (kind and product), in a tick lane only."""

    epoch: int = 0
    seq: int = 0
    place: Place = Place()
    kinds: dict[str, int] = {}


class Start(Struct, frozen=True, kw_only=True):
    """A process began, or a day's file. Everything a replay needs to build the same core.

    `lanes` are what numbers in HEARD records point to. `seq`: last one used in this lane before.
    `turned`: not a new process, only a new day.
    """

    actor: str
    lane: str
    epoch: int
    day: str
    now_ns: int
    seq: int
    schema: dict[str, dict[str, str]]
    code: str
    settings: str
    values: Raw
    lanes: tuple[str, ...] = ()
    fresh: bool = False
    changed: bool = False
    turned: bool = False


class Memory(Struct, kw_only=True):
    """All a process must remember: its core's, and the runtime's own.

    `seq` and `prevs`: last sequence numbers used, per lane and (lane, topic). `own`: where each of
    our own journals stood; `heard`: how far each lane was heard; `lanes`: what numbers in HEARD
    records point to. `unsaid`: decided and still to be said: time, cause, kind, event.
    """

    core: bytes
    now_ns: int
    epoch: int
    code: str
    settings: str
    seq: dict[str, int]
    prevs: dict[str, dict[str, int]]
    own: dict[str, Place]
    heard: dict[str, Mark]
    lanes: tuple[str, ...]
    unsaid: list[tuple[int, str, str, Raw]] = []


class Input(Struct, frozen=True, array_like=True):
    """A private word, or one of the runtime's own events, was told to the core; of an effect, what
    the core told its port and because of what (`cause`, as on the bus; "" for an input).
    """

    now_ns: int
    event: Raw
    cause: str = ""


class Heard(Struct, frozen=True, array_like=True):
    """`spans` is flat: lane number, epoch, first, last, and again, in the order heard."""

    now_ns: int
    spans: list[int]


_encode: Final = msgspec.msgpack.Encoder().encode
start_of: Final = msgspec.msgpack.Decoder(Start).decode
heard_of: Final = msgspec.msgpack.Decoder(Heard).decode
input_of: Final = msgspec.msgpack.Decoder(Input).decode
memory_of: Final = msgspec.msgpack.Decoder(Memory).decode
day_of: Final = msgspec.msgpack.Decoder(str).decode


def pack(kind: int, content: Any) -> bytes:
    return PREFIX[kind] + _encode(content)


def kind_of(record: bytes) -> int:
    """Which kind a record is. Raises ValueError for bytes that are no record."""
    if len(record) < 3 or record[0] != 0x92 or record[1] >= len(NAMES):
        raise ValueError(f"record began with {record[:2]!r}, which is no kind of ours")
    return record[1]


def input_decoder(core: Core | type[Core]) -> msgspec.msgpack.Decoder[Event]:
    """Decodes whatever an INPUT or EFFECT record of this core's journal may hold."""
    kinds: list[type[Event]] = [*RUNTIME, Gap, *core.words]
    return msgspec.msgpack.Decoder(union(tuple(kinds)))


def union(kinds: tuple[type[Event], ...]) -> Any:
    """The type "one of these", made at run time."""
    joined: Any = kinds[0]
    for kind in kinds[1:]:
        joined = joined | kind
    return joined
