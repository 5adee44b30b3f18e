"""Days that are over: packed two days back, removed when they are too old.

A reader never notices the difference: `journal.find` and `journal.frames` take either form. A file
is replaced only by a whole one that has reached the disk, so a kill leaves the old or the new.
"""

from __future__ import annotations

import contextlib
import gzip
import os
from pathlib import Path
from typing import Final

from shared.runtime import journal

KEEP_PLAIN: Final = 2  # days of journals left uncompressed
_CHUNK: Final = 1 << 20


def compress(root: Path, lane: str, keep: int = KEEP_PLAIN) -> list[Path]:
    """Pack all but the last `keep` days of `lane`; returns the new files."""
    made = []
    for day in journal.days(root, lane)[:-keep]:
        plain = root / day / f"{lane}.journal"
        if not plain.exists():
            continue
        packed = plain.with_name(plain.name + ".gz")
        partial = packed.with_name(packed.name + ".part")
        with plain.open("rb") as source, gzip.open(partial, "wb", compresslevel=6) as sink:
            while chunk := source.read(_CHUNK):
                sink.write(chunk)
        with partial.open("rb") as written:
            os.fsync(written)  # before the plain file goes: a power cut must leave one of the two
        partial.rename(packed)
        plain.unlink()
        made.append(packed)
    return made


def forget(root: Path, lane: str, keep: int) -> list[Path]:
    """Remove `lane`'s journals and snapshots of all but its last `keep` days, and days that nobody
    has files of any more; returns the journals removed. What was set aside as damaged stays.
    """
    assert keep > KEEP_PLAIN, "Invariant: what a recovery may need is kept"
    gone = []
    for day in journal.days(root, lane)[:-keep]:
        folder = root / day
        for name in (f"{lane}.snap", f"{lane}.journal", f"{lane}.journal.gz"):
            path = folder / name
            if path.exists():
                path.unlink()
                gone.append(path)
        with contextlib.suppress(OSError):
            folder.rmdir()
    return [path for path in gone if path.suffix != ".snap"]


def unpack(packed: Path) -> None:
    """The other way, for an owner that goes on with an old day."""
    plain = packed.with_suffix("")
    partial = plain.with_name(plain.name + ".part")
    with gzip.open(packed, "rb") as source, partial.open("wb") as sink:
        while chunk := source.read(_CHUNK):
            sink.write(chunk)
    partial.rename(plain)
    packed.unlink()
