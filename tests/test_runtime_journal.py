"""Journals: torn tails at every byte, damage in the middle, full disks, the end of a long file."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from shared.runtime import disk, journal, records
from shared.runtime.exits import Exit, Fatal
from shared.runtime.journal import Corrupt, Journal, JournalUnwritable
from shared.runtime.recorder import Pins, Recorder
from tests.support.journals import LIMIT, contents, record, written

PATIENCE_S = 60.0  # decides nothing: it ends what hangs


def test_what_was_written_is_read_in_order_with_offsets(tmp_path: Path) -> None:
    path = tmp_path / "day" / "a.journal"
    ends = written(path, record(1), record(2, 300), record(3))
    found = list(journal.frames(path))
    assert [frame.record for frame in found] == [record(1), record(2, 300), record(3)]
    assert [frame.end for frame in found] == ends
    assert [frame.offset for frame in found] == [0, *ends[:-1]]
    assert contents(path, ends[0]) == [record(2, 300), record(3)]


def test_several_records_in_one_write(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    file = Journal(path, LIMIT)
    file.append(record(1), record(2))
    assert file.size == path.stat().st_size
    assert contents(path) == [record(1), record(2)]
    file.sync()
    file.close()


def test_a_tail_torn_at_every_byte_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    ends = written(path, record(1), record(2), record(3, 90))
    whole = path.read_bytes()
    for cut in range(ends[1], len(whole)):
        path.write_bytes(whole[:cut])
        assert contents(path) == [record(1), record(2)], cut
        file = Journal(path, LIMIT)
        assert file.size == ends[1], cut
        file.append(record(4))
        file.close()
        assert contents(path) == [record(1), record(2), record(4)], cut


def test_a_last_frame_that_fails_its_sum_is_a_tail_too(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    ends = written(path, record(1), record(2))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert contents(path) == [record(1)]
    file = Journal(path, LIMIT)
    assert file.size == ends[0]
    file.close()


def test_zeros_left_by_a_power_cut_are_a_tail(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    (end,) = written(path, record(1))
    path.write_bytes(path.read_bytes() + bytes(5_000))
    assert contents(path) == [record(1)]
    file = Journal(path, LIMIT)
    assert file.size == end
    file.close()


def test_every_flipped_byte_in_the_middle_is_found_and_nothing_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    ends = written(path, record(1), record(2), record(3))
    whole = path.read_bytes()
    for at in range(ends[0], ends[1]):
        damaged = bytearray(whole)
        damaged[at] ^= 0x41
        path.write_bytes(damaged)
        found = []
        with pytest.raises(Corrupt, match=f"offset {ends[0]}") as caught:
            found += journal.frames(path)
        assert caught.value.code == Exit.CORRUPT
        with pytest.raises(Corrupt):
            Journal(path, LIMIT)
        assert path.read_bytes() == bytes(damaged), "nothing is repaired silently"


def test_a_damaged_file_is_set_aside_under_a_new_name(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    for number in (1, 2):
        path.write_bytes(b"x")
        assert journal.quarantine(path).name == f"a.journal.corrupt-{number}"
        assert not path.exists()


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=12), st.data())
def test_any_prefix_of_a_journal_is_a_prefix_of_its_records(
    blobs: list[bytes], data: st.DataObject
) -> None:
    recorded = [records.pack(records.INPUT, (0, blob)) for blob in blobs]
    whole = b"".join(map(journal.seal, recorded))
    cut = data.draw(st.integers(0, len(whole)))
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"tsq-test-{os.getpid()}.journal"
    try:
        path.write_bytes(whole[:cut])
        found = contents(path)
    finally:
        path.unlink()
    assert found == recorded[: len(found)]
    assert len(found) == len(recorded) or cut < len(whole)


def test_a_record_over_the_limit_is_refused_before_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    file = Journal(path, 100)
    with pytest.raises(Fatal, match="journal_frame_limit"):
        file.append(record(1, 200))
    assert path.stat().st_size == 0
    file.close()


def test_large_files_are_checked_at_their_end_and_followed_before(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    big = record(1, 60_000)
    ends = written(path, *[big] * 120)
    assert journal.sound_size(path, LIMIT) == ends[-1]
    content = bytearray(path.read_bytes())
    content[ends[3] : ends[3] + 4] = (1 << 30).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(Corrupt, match=f"offset {ends[3]}"):
        Journal(path, LIMIT)


# -- a disk that is full ---------------------------------------------------------------------------


class Disk:
    """os.write that takes `room` bytes more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.room = room
        self.real = os.write
        monkeypatch.setattr(journal.os, "write", self.write)

    def write(self, handle: int, content: bytes) -> int:
        if self.room <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = content[: self.room]
        self.room -= len(taken)
        return self.real(handle, taken)


@pytest.mark.parametrize("room", [0, 1, 7, 8, 20])
def test_a_full_disk_leaves_no_half_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    path = tmp_path / "a.journal"
    file = Journal(path, LIMIT)
    file.append(record(1))
    disk = Disk(monkeypatch, room)
    with pytest.raises(JournalUnwritable, match=r"a\.journal"):
        file.append(record(2))
    assert contents(path) == [record(1)]
    disk.room = 1_000
    file.append(record(3))
    assert contents(path) == [record(1), record(3)]
    file.close()


def test_ballast_is_thrown_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ballast = tmp_path / "ballast"
    disk.lay_ballast(ballast)
    assert ballast.stat().st_size == disk.BALLAST_BYTES
    file = Journal(tmp_path / "a.journal", LIMIT, ballast)
    full = Disk(monkeypatch, 0)
    unlink = Path.unlink

    def give_room(path: Path, missing_ok: bool = False) -> None:
        full.room = 10_000
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", give_room)
    file.append(record(1))
    assert file.released
    assert not ballast.exists()
    full.room = 0
    monkeypatch.setattr(Path, "unlink", unlink)
    with pytest.raises(JournalUnwritable):
        file.append(record(2))
    file.close()


def test_ballast_is_laid_whole_and_only_where_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ballast = tmp_path / "ballast"
    ballast.write_bytes(b"killed while laying it")
    assert disk.lay_ballast(ballast)
    assert ballast.stat().st_size == disk.BALLAST_BYTES
    assert disk.release_ballast(ballast)
    assert not disk.release_ballast(ballast)
    monkeypatch.setattr(disk, "free_bytes", lambda _path: disk.BALLAST_BYTES)
    assert not disk.lay_ballast(ballast)
    assert not ballast.exists()


def test_free_bytes_of_a_place_that_cannot_be_asked_are_none(tmp_path: Path) -> None:
    assert disk.free_bytes(tmp_path) > 0
    assert disk.free_bytes(tmp_path / "gone") == 0


# -- days and cursors ------------------------------------------------------------------------------


def test_one_helper_forces_a_whole_life_to_the_disk_and_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked four times a second, by a disk that may be slower than that."""
    pins = Pins(actor="a", code="", settings="", values=Raw(b"\x80"), lanes=())
    recorder = Recorder(tmp_path, pins, frame_limit=1000, keep_days=5, relays=False)
    recorder.open("2026-11-18", 1)
    began, free, synced = threading.Event(), threading.Event(), threading.Semaphore(0)
    helpers: set[int] = set()

    def slow(file: Journal) -> None:
        helpers.add(threading.get_ident())
        began.set()
        assert free.wait(PATIENCE_S)
        synced.release()

    monkeypatch.setattr(Journal, "sync", slow)
    recorder.sync_soon()
    assert began.wait(PATIENCE_S), "the helper begins"
    for _ in range(50):
        recorder.sync_soon()
    free.set()
    assert synced.acquire(timeout=PATIENCE_S), "the first is done"
    assert synced.acquire(timeout=PATIENCE_S), "what was written meanwhile is not forgotten"
    recorder.turn("2026-11-19", 1)
    recorder.sync_soon()
    assert synced.acquire(timeout=PATIENCE_S), "a new day keeps the helper"
    assert len(helpers) == 1
    (helper,) = [thread for thread in threading.enumerate() if thread.ident in helpers]
    recorder.close()
    helper.join(PATIENCE_S)
    assert not helper.is_alive()


def test_records_say_their_kind() -> None:
    assert records.kind_of(record(1)) == records.INPUT
    for junk in (b"", b"\x92", b"\x93\x01\x01", b"\x92\x63\x01"):
        with pytest.raises(ValueError, match="no kind of ours"):
            records.kind_of(junk)


def long_journal(path: Path) -> list[int]:
    """More than is read with every sum; returns where its frames end."""
    file = Journal(path, LIMIT)
    ends = []
    while file.size < 6 << 20:
        file.append(*[b"\x92\x02" + bytes(n % 900 + 1) for n in range(500)])
        ends.append(file.size)
    file.close()
    return ends


def test_the_end_of_a_long_file_is_found_from_any_known_frame(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    ends = long_journal(path)
    for known in (0, ends[0], ends[len(ends) // 2], ends[-1], ends[-1] + 1):
        assert journal.sound_size(path, LIMIT, known) == ends[-1]
    with path.open("ab") as torn:
        torn.write(journal.seal(b"\x92\x02" + bytes(50))[:30])
    assert journal.sound_size(path, LIMIT, ends[0]) == ends[-1]


def test_a_length_that_cannot_be_is_found_where_it_was_not_read_before(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    ends = long_journal(path)
    with path.open("r+b") as file:
        file.seek(ends[0])
        file.write(b"\xff\xff\xff\x7f")
    with pytest.raises(Corrupt, match=f"offset {ends[0]}: a frame claims"):
        journal.sound_size(path, LIMIT)
    assert journal.sound_size(path, LIMIT, ends[1]) == ends[-1]


def test_a_frame_longer_than_its_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    long_journal(path)
    with path.open("r+b") as file:
        file.write((16 << 20).to_bytes(4, "little"))
    with pytest.raises(Corrupt, match="bytes past the end"):
        journal.sound_size(path, 16 << 20)


def test_passing_by_what_is_not_wanted_finds_the_same_events(tmp_path: Path) -> None:
    file = Journal(tmp_path / "a.journal", LIMIT)
    for n in range(3_000):
        kind = (records.HEARD, records.SAID, records.INPUT, records.HEARD)[n * n % 4]
        file.append(records.PREFIX[kind] + bytes(n * 37 % 1_200 + 1))
    file.append(records.pack(records.CONTINUED, "2026-11-20"))
    file.close()
    path = tmp_path / "a.journal"
    every = list(journal.frames(path))
    for offset in (0, every[1].offset, every[-2].offset):
        wanted = [f for f in every if f.record[1] in journal.EVENTS and f.offset >= offset]
        assert list(journal.frames(path, offset, journal.EVENTS)) == wanted
    with path.open("r+b") as damaged:
        damaged.seek(every[1_500].offset)
        damaged.write(b"\x03\x00")
    with pytest.raises(Corrupt):
        list(journal.frames(path, 0, journal.EVENTS))
