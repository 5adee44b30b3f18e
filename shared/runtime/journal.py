"""The flight recorder: append-only files of frames (length, CRC-32, record), one `os.write` each.

A record is in the kernel before its effect leaves, so a killed process loses nothing; the disk is
waited for only where a power cut would matter (epochs, halts). A kill can tear the last frame. Its
owner cuts that off before it appends, since bytes behind a torn frame would be lost to every
reader; anybody else takes it for a write in progress and looks again. A bad frame with good ones
behind it is neither: the file was damaged, and a person must look before anything trusts it.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import struct
import sys
import zlib
from binascii import crc32
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, TypeVar

from shared.runtime import disk, records
from shared.runtime.exits import Exit, Fatal

_HEADER: Final = struct.Struct("<II")
HEADER_BYTES: Final = _HEADER.size
SMALLEST: Final = 3  # bytes of the shortest record; a run of zeros after a power cut is no frame
_CHUNK: Final = 1 << 20
_FRAME_CEILING: Final = 64 << 20  # no length beyond it is believed, whatever the settings allow
_LOOK_BEHIND: Final = 32 << 20  # bytes searched for a sound frame behind a bad one
ALL: Final = frozenset(range(len(records.NAMES)))
EVENTS: Final = frozenset({records.START, records.SAID, records.CONTINUED})
"""All that a hearer needs of its speaker's journal."""
T = TypeVar("T")
_UNPACKABLE: Final = (EOFError, zlib.error, gzip.BadGzipFile)  # what a damaged packed file raises


class JournalUnwritable(Exception):
    """A record did not reach the file (disk full, I/O error); the file ends where it ended."""


class Corrupt(Fatal):
    """A frame in the middle of a journal is damaged."""

    def __init__(self, path: Path, offset: int, what: str) -> None:
        super().__init__(f"journal {path}, offset {offset}: {what}", Exit.CORRUPT)
        self.path = path
        self.offset = offset


class Frame(NamedTuple):
    """A record, where its frame begins and where the next one does."""

    offset: int
    end: int
    record: bytes


def seal(record: bytes) -> bytes:
    return _HEADER.pack(len(record), crc32(record)) + record


class Journal:
    """One file, open for appending by its only owner."""

    def __init__(
        self, path: Path, frame_limit: int, ballast: Path | None = None, known: int = 0
    ) -> None:
        """`known`: an offset that a frame is known to begin at. Raises JournalUnwritable, and
        Corrupt if the file is damaged behind it.
        """
        self.path = path
        self._limit = frame_limit
        self._ballast = ballast
        self.released = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._handle = os.open(path, flags, 0o600)
        except OSError as error:
            raise JournalUnwritable(f"{path}: {error.strerror}") from None
        self.size = sound_size(path, frame_limit, known)
        os.ftruncate(self._handle, self.size)

    def append(self, *recorded: bytes) -> None:
        """Write records in one go, all or none. Raises JournalUnwritable."""
        for record in recorded:
            if len(record) > self._limit:
                raise Fatal(
                    f"{self.path}: a record of {len(record)} bytes is over the limit of"
                    f" {self._limit} (runtime.journal_frame_limit)",
                    Exit.CRASHED,
                )
        content = b"".join(map(seal, recorded)) if len(recorded) > 1 else seal(recorded[0])
        try:
            self._write(content)
        except OSError as error:
            if not self._release():
                raise JournalUnwritable(f"{self.path}: {error.strerror}") from None
            try:
                self._write(content)
            except OSError as again:
                raise JournalUnwritable(f"{self.path}: {again.strerror}") from None

    def _write(self, content: bytes) -> None:
        try:
            written = os.write(self._handle, content)
        except OSError:
            os.ftruncate(self._handle, self.size)
            raise
        if written != len(content):
            os.ftruncate(self._handle, self.size)
            raise OSError(28, f"only {written} of {len(content)} bytes were written")
        self.size += written

    def _release(self) -> bool:
        """Give the disk back what was put by for this moment; False when nothing was left."""
        if self._ballast is None or not disk.release_ballast(self._ballast):
            return False
        self.released = True
        return True

    def sync(self) -> None:
        """Wait until the disk has it."""
        getattr(os, "fdatasync", os.fsync)(self._handle)

    def close(self) -> None:
        os.close(self._handle)


# -- reading ---------------------------------------------------------------------------------------


def find(root: Path, day: str, lane: str) -> Path | None:
    """The journal of `lane` on `day`, plain or compressed.

    Its owner may pack it, unpack it, or remove it from now on: open and measure it by `frames` and
    `size`, which take what is there then.
    """
    plain = root / day / f"{lane}.journal"
    packed = root / day / f"{lane}.journal.gz"
    for form in (plain, packed, plain):  # the second look is for one unpacked between the two
        if form.exists():
            return form
    return None


def days(root: Path, lane: str) -> list[str]:
    """All days that have a journal of `lane`, oldest first."""
    try:
        names = sorted(entry.name for entry in root.iterdir() if entry.is_dir())
    except OSError:
        return []
    return [name for name in names if find(root, name, lane) is not None]


def birth(path: Path) -> int:
    """The epoch in which a file begins; 0 when it has no whole beginning."""
    try:
        top = next(frames(path), None)
    except FileNotFoundError:
        return 0
    return records.start_of(top.record[2:]).epoch if top else 0


def end(root: Path, lane: str) -> records.Place:
    """Where the last file of `lane` ends now; a place that every reading of nothing has reached."""
    known = days(root, lane)
    path = find(root, known[-1], lane) if known else None
    if path is None:
        return records.Place()
    found = size(path)
    return records.Place(known[-1], 0, sys.maxsize if found.packed else found.bytes)


class Size(NamedTuple):
    """What a journal takes on the disk; of a packed one that says nothing of what is in it."""

    bytes: int
    packed: bool


def size(path: Path) -> Size:
    """Of a file that was found. Raises FileNotFoundError if it was removed since."""
    return _either(path, lambda form: Size(form.stat().st_size, form.suffix == ".gz"))


def _open(path: Path) -> BinaryIO:
    return _either(path, _opened)


def _opened(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rb")  # type: ignore[return-value]
    return path.open("rb", buffering=0)


def _either(path: Path, look: Callable[[Path], T]) -> T:
    """Look at a file as it was found, or in the other form, given to it since."""
    packed = path.suffix == ".gz"
    try:
        return look(path)
    except FileNotFoundError:
        return look(path.with_suffix("") if packed else path.with_name(path.name + ".gz"))


def frames(path: Path, offset: int = 0, wanted: frozenset[int] = ALL) -> Iterator[Frame]:
    """Every whole frame from `offset` to the present end. Raises Corrupt.

    The file may grow meanwhile: what was too short a moment ago is judged as it was read then.
    Records of kinds not `wanted` are passed by, unread: a day holds ten times more of what was
    heard than of what was said.
    """
    with _open(path) as file:
        with _unpacking(path, offset):
            file.seek(offset)
        buffer, start = b"", 0
        while True:
            with _unpacking(path, offset):
                more = file.read(_CHUNK)
            buffer, start = buffer[start:] + more, 0
            while True:
                if wanted is not ALL:
                    passed = _pass_by(buffer, start, wanted)
                    offset, start = offset + passed - start, passed
                record = _record(buffer, start)
                if record is None:
                    break
                end = start + HEADER_BYTES + len(record)
                yield Frame(offset, offset + end - start, record)
                offset, start = offset + end - start, end
            if not more:
                _judge(path, offset, buffer[start:])
                return
            if _hopeless(buffer, start):
                _judge(path, offset, buffer[start:] + file.read(_LOOK_BEHIND))
                return


@contextlib.contextmanager
def _unpacking(path: Path, offset: int) -> Iterator[None]:
    """In a packed file reading and seeking may find damage before any sum is compared."""
    try:
        yield
    except _UNPACKABLE as error:
        raise Corrupt(path, offset, f"it cannot be unpacked: {error}") from None


def _record(buffer: bytes, start: int) -> bytes | None:
    """The record of a whole, sound frame at `start`, else None."""
    if len(buffer) - start < HEADER_BYTES:
        return None
    length, check = _HEADER.unpack_from(buffer, start)
    body = start + HEADER_BYTES
    if length < SMALLEST or len(buffer) - body < length:
        return None
    record = buffer[body : body + length]
    return record if crc32(record) == check else None


def _pass_by(buffer: bytes, start: int, wanted: frozenset[int]) -> int:
    """Where the next frame begins that is wanted, bad, or not whole in `buffer`."""
    unpack, last = _HEADER.unpack_from, len(buffer)
    while start + HEADER_BYTES + 1 < last and buffer[start + HEADER_BYTES + 1] not in wanted:
        end = start + HEADER_BYTES + int(unpack(buffer, start)[0])
        if end > last or end < start + HEADER_BYTES + SMALLEST:
            break
        start = end
    return start


def _hopeless(buffer: bytes, start: int) -> bool:
    """The frame at `start` is all there, and bad: reading on will not make it good."""
    if len(buffer) - start < HEADER_BYTES:
        return False
    length, _ = _HEADER.unpack_from(buffer, start)
    whole = len(buffer) - start - HEADER_BYTES >= int(length)
    return whole or not SMALLEST <= length <= _FRAME_CEILING


def _judge(path: Path, offset: int, rest: bytes) -> None:
    """What is left behind the last good frame: a torn tail, or damage? Raises Corrupt."""
    if len(rest) > HEADER_BYTES + SMALLEST and any(rest):
        inner = _sound_frame_in(rest)
        if inner:
            raise Corrupt(path, offset, f"a damaged frame with a sound one {inner} bytes behind it")


def _sound_frame_in(rest: bytes) -> int:
    """Where in `rest` (past its start) a sound frame begins; 0 for nowhere."""
    at = rest.find(0x92, HEADER_BYTES + 1)
    while at != -1:
        record = _record(rest, at - HEADER_BYTES)
        if record is not None and record[1] < len(records.NAMES):
            return at - HEADER_BYTES
        at = rest.find(0x92, at + 1)
    return 0


def near(path: Path, offset: int) -> int:
    """Where the first sound frame behind `offset` begins; the file's end when there is none."""
    if offset == 0:
        return 0
    with _open(path) as file:
        file.seek(offset)
        found = _sound_frame_in(file.read(_LOOK_BEHIND))
        return offset + found if found else file.seek(0, os.SEEK_END)


def sound_size(path: Path, frame_limit: int, known: int = 0) -> int:
    """How much of a file is whole frames; one begins at `known`. Raises Corrupt.

    Only the lengths are followed up to the last megabytes: checking a day's every sum would take
    seconds at each start, and the recovery checks all it reads anyway.
    """
    size = path.stat().st_size
    safe = _skip(path, size, (known if known <= size else 0, frame_limit))
    end = safe
    for found in frames(path, safe):
        end = found.end
    return end


def _skip(path: Path, size: int, rule: tuple[int, int]) -> int:
    """A frame's offset in the last part of the file, found by following lengths.

    `rule`: where to begin and how long a frame may be.
    """
    offset, frame_limit = rule
    unpack = _HEADER.unpack_from
    with path.open("rb", buffering=0) as file:
        while size - offset > 4 * _CHUNK:
            file.seek(offset)
            buffer = file.read(_CHUNK)
            at = 0
            while at <= len(buffer) - HEADER_BYTES:
                (length, _) = unpack(buffer, at)
                if not SMALLEST <= length <= frame_limit:
                    raise Corrupt(path, offset + at, f"a frame claims {length} bytes")
                at += HEADER_BYTES + length
            offset += at
        if offset > size:
            raise Corrupt(path, offset, f"a frame reaches {offset - size} bytes past the end")
    return offset


def quarantine(path: Path) -> Path:
    """Set a damaged file aside under a name nobody reads. Returns that name."""
    number = 1
    while (aside := path.with_name(f"{path.name}.corrupt-{number}")).exists():
        number += 1
    path.rename(aside)
    return aside
