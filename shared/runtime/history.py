"""Looking into journals from outside: what was said until when, and what followed from what.

Works beside a running system, on packed days and on a torn tail, because it uses nothing but the
frames and the envelopes in them: no core is built and no event is understood.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw, Struct

from shared.runtime import journal, paths, records, wire
from shared.runtime.journal import Corrupt
from shared.runtime.rerun import HASH_BYTES

_STEP: Final = 1 << 20  # two places nearer than this are not told apart by halving
_BEHIND: Final = 8 << 20  # bytes of ticks in front of an instant: minutes of the busiest market

_effect: Final = msgspec.msgpack.Decoder(records.Input).decode


class Entry(NamedTuple):
    """One decision or event. `id` is `lane:epoch:seq`; empty for a word to a port, which has none.

    `event` is the event as a dict, its kind under `t`.
    """

    time_ns: int
    lane: str
    id: str
    kind: str
    cause: str
    event: dict[str, Any]


def lanes(root: Path) -> list[str]:
    """All lanes that have a journal of any day, packed or not."""
    return sorted({path.name.split(".journal")[0] for path in root.glob("*/*.journal*")})


def entry(lane: str, record: bytes) -> Entry | None:
    """What a record says, if it is a decision: a word to the bus or to the port."""
    if record[1] == records.SAID:
        head = wire.head(record[2:])
        event = msgspec.msgpack.decode(head.event)
        name = f"{lane}:{head.epoch}:{head.seq}"
        return Entry(head.time_ns, lane, name, event["t"], head.cause, event)
    if record[1] == records.EFFECT:
        told = _effect(record[2:])
        event = msgspec.msgpack.decode(told.event)
        return Entry(told.now_ns, lane, "", event["t"], "", event)
    return None


DECISIONS: Final = frozenset({records.SAID, records.EFFECT})


def entries(root: Path, lane: str, day: str) -> Iterator[Entry]:
    """All decisions of a lane on a day, in their order. Raises Corrupt."""
    path = journal.find(root, day, lane)
    if path is not None:
        for found in journal.frames(path, 0, DECISIONS):
            told = entry(lane, found.record)
            assert told is not None, "only decisions were asked for"
            yield told


class Session(Struct, frozen=True, kw_only=True):
    """What was decided on a day, in one word: equal hashes, equal decisions, in equal order.

    `actors`: per actor its own hash. `missing`: why a journal could not be read whole.
    """

    day: str
    decisions: int
    decision_hash: str
    actors: dict[str, str]
    missing: str = ""


def session(root: Path, day: str) -> Session:
    """The hash of a recorded day, as `tsq replay --hash` finds it again by deciding anew.

    Actors are taken in the order of their names, since between two of them there is no other that
    would be the same in every run.
    """
    actors: dict[str, str] = {}
    count, missing = 0, ""
    for lane in lanes(root):
        path = journal.find(root, day, lane)
        if lane.endswith(paths.TICKS_SUFFIX) or path is None:
            continue
        digest = hashlib.blake2s(digest_size=HASH_BYTES)
        try:
            for found in journal.frames(path, 0, DECISIONS):
                digest.update(decided(found.record))
                count += 1
        except Corrupt as error:
            missing = str(error)
        actors[lane] = digest.hexdigest()
    return Session(
        day=day, decisions=count, decision_hash=joined(actors), actors=actors, missing=missing
    )


def joined(actors: Mapping[str, str]) -> str:
    """One hash over those of all actors."""
    lines = "".join(f"{actor} {found}\n" for actor, found in sorted(actors.items()))
    return hashlib.blake2s(lines.encode(), digest_size=HASH_BYTES).hexdigest()


def decided(record: bytes) -> Raw:
    """The event of a SAID or EFFECT record, as it was encoded."""
    content = record[2:]
    return wire.head(content).event if record[1] == records.SAID else _effect(content).event


def until(root: Path, lane: str, day: str, at_ns: int) -> Iterator[Entry]:
    """What a lane said on a day up to an instant. In a lane of ticks: only the last of it, which is
    found by halving, since a day of ticks is gigabytes.
    """
    path = journal.find(root, day, lane)
    if path is None:
        return
    begin = _shortly_before(path, at_ns) if lane.endswith(paths.TICKS_SUFFIX) else 0
    for found in journal.frames(path, begin, frozenset({records.SAID})):
        if wire.head(found.record[2:]).time_ns > at_ns:
            return
        told = entry(lane, found.record)
        assert told is not None, "only what was said was asked for"
        yield told


def _shortly_before(path: Path, at_ns: int) -> int:
    """Where a frame begins, some megabytes in front of the instant."""
    size = journal.size(path)
    if size.packed:
        return 0
    low, high = 0, size.bytes
    while high - low > _STEP:
        middle = (low + high) // 2
        if _time_near(path, middle) > at_ns:
            high = middle
        else:
            low = middle
    return journal.near(path, max(0, low - _BEHIND))


def _time_near(path: Path, offset: int) -> int:
    """When the first event behind an offset was said; 0 when there is none."""
    for found in journal.frames(path, journal.near(path, offset), frozenset({records.SAID})):
        return wire.head(found.record[2:]).time_ns
    return 0
