"""Journals written record by record, for tests that damage, turn and follow them."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Raw

from shared.runtime import journal, records
from shared.runtime.journal import Journal
from shared.runtime.records import Start

LIMIT = 1 << 16


def record(n: int, size: int = 20) -> bytes:
    return records.pack(records.INPUT, (n, "x" * size))


def start(epoch: int = 1, *, day: str = "2026-11-18", seq: int = 0) -> bytes:
    return records.pack(
        records.START,
        Start(
            actor="a",
            lane="a",
            epoch=epoch,
            day=day,
            now_ns=1,
            seq=seq,
            schema={},
            code="c",
            settings="s",
            values=Raw(msgspec.msgpack.encode({})),
        ),
    )


def written(path: Path, *recorded: bytes) -> list[int]:
    """Write records; returns the offsets at which each ends."""
    file, ends = Journal(path, LIMIT), []
    for one in recorded:
        file.append(one)
        ends.append(file.size)
    file.close()
    return ends


def contents(path: Path, offset: int = 0) -> list[bytes]:
    return [found.record for found in journal.frames(path, offset)]
