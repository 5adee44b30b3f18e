"""A journal's days: followed by a cursor as they turn, packed when old, removed when older."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Raw

from shared.runtime import archive, journal, paths, records
from shared.runtime.cursor import Cursor
from shared.runtime.journal import Corrupt, Journal
from shared.runtime.recorder import Pins, Recorder
from shared.runtime.records import Place
from shared.runtime.replay import verify
from tests.support.journals import LIMIT, record, start, written


def day(root: Path, name: str, *recorded: bytes) -> Path:
    path = root / name / "a.journal"
    written(path, *recorded)
    return path


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def read(cursor: Cursor) -> list[bytes]:
    return [found.record for found in cursor.read()]


def continued(name: str) -> bytes:
    return records.pack(records.CONTINUED, name)


def test_a_cursor_follows_days_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    first = day(tmp_path, "2026-11-18", start(), record(1))
    cursor = Cursor(tmp_path, "a", Place("2026-11-18"))
    assert read(cursor) == [start(), record(1)]
    assert read(cursor) == []
    written(first, record(2), continued("2026-11-19"))
    assert read(cursor) == [record(2), continued("2026-11-19")]
    assert read(cursor) == [continued("2026-11-19")], "the next day has not begun: look again"
    day(tmp_path, "2026-11-19", start(2, day="2026-11-19"), record(3))
    assert read(cursor)[1:] == [start(2, day="2026-11-19"), record(3)]
    assert cursor.place.day == "2026-11-19"
    assert read(cursor) == []


def test_a_new_listener_begins_with_the_present_day(tmp_path: Path) -> None:
    day(tmp_path, "2026-11-18", start(), record(1), continued("2026-11-19"))
    day(tmp_path, "2026-11-19", start(2), record(2))
    assert read(Cursor(tmp_path, "a", Place())) == [start(2), record(2)]
    assert read(Cursor(tmp_path, "b", Place())) == []
    assert read(Cursor(tmp_path / "none", "a", Place())) == []


def test_a_file_begun_anew_is_read_from_its_top(tmp_path: Path) -> None:
    path = day(tmp_path, "2026-11-18", start(5), record(1), record(2))
    cursor = Cursor(tmp_path, "a", Place())
    read(cursor)
    assert cursor.place.birth == 5
    journal.quarantine(path)
    assert read(cursor) == []
    day(tmp_path, "2026-11-18", start(9), record(7, 500))
    assert read(cursor) == [start(9), record(7, 500)]


def test_a_half_written_record_is_waited_for(tmp_path: Path) -> None:
    path = day(tmp_path, "2026-11-18", start(), record(1))
    cursor = Cursor(tmp_path, "a", Place())
    read(cursor)
    whole = journal.seal(record(2))
    for cut in (3, 9, len(whole) - 1):
        append(path, whole[:cut])
        assert read(cursor) == []
        os.truncate(path, path.stat().st_size - cut)
    append(path, whole)
    assert read(cursor) == [record(2)]


def test_old_days_are_packed_and_still_read(tmp_path: Path) -> None:
    names = [f"2026-11-{n}" for n in (16, 17, 18, 19)]
    for name, following in zip(names, [*names[1:], ""], strict=True):
        last = continued(following) if following else record(9)
        day(tmp_path, name, start(int(name[-2:])), record(1), last)
    before = read(Cursor(tmp_path, "a", Place(names[0])))
    packed = archive.compress(tmp_path, "a")
    assert [path.parent.name for path in packed] == names[:2]
    assert journal.days(tmp_path, "a") == names
    assert not (tmp_path / names[0] / "a.journal").exists()
    assert read(Cursor(tmp_path, "a", Place(names[0]))) == before
    assert archive.compress(tmp_path, "a") == []
    archive.unpack(packed[0])
    assert read(Cursor(tmp_path, "a", Place(names[0]))) == before


def test_a_file_found_in_one_form_is_read_and_measured_in_the_other(tmp_path: Path) -> None:
    """Its owner packs old days in a helper thread, while others read them."""
    for name in ("2026-11-17", "2026-11-18", "2026-11-19"):
        day(tmp_path, name, start(int(name[-2:])), record(7), record(9))
    path = tmp_path / "2026-11-17" / "a.journal"
    whole, births = verify(path), journal.birth(path)
    assert (whole.records["input"], whole.torn, whole.trouble, births) == (2, 0, "", 17)
    read_before = list(journal.frames(path))
    (packed,) = archive.compress(tmp_path, "a")
    assert journal.size(path) == journal.size(packed)
    assert journal.size(path).packed
    for was in (path, packed):
        found = verify(was)
        assert (found.records, found.torn, found.trouble) == (whole.records, 0, "")
        assert list(journal.frames(was)) == read_before
        assert journal.birth(was) == births
        assert journal.near(was, 1) == read_before[1].offset
        assert journal.near(was, read_before[-1].offset) == read_before[-1].end
    archive.unpack(packed)
    assert list(journal.frames(packed)) == read_before
    assert not journal.size(packed).packed
    path.unlink()
    assert journal.birth(path) == 0, "removed: nothing begins there"
    with pytest.raises(FileNotFoundError):
        journal.size(path)


def test_what_is_added_while_a_file_is_verified_is_no_torn_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = day(tmp_path, "2026-11-18", start(), record(1))
    frames = journal.frames

    def growing(path: Path, *args: int) -> Iterator[journal.Frame]:
        yield from frames(path, *args)
        append(path, journal.seal(record(2))[:9])

    with monkeypatch.context() as patched:
        patched.setattr(journal, "frames", growing)
        assert verify(path).torn == 0
    assert verify(path).torn == 9


def old_days(root: Path, count: int) -> list[str]:
    names = [f"2026-10-{n:02}" for n in range(1, count + 1)]
    for number, name in enumerate(names, 1):
        day(root, name, start(number), record(number))
        (root / name / "a.snap").write_bytes(b"memory")
    return names


def test_days_beyond_the_kept_ones_are_removed_and_nothing_else(tmp_path: Path) -> None:
    names = old_days(tmp_path, 9)
    other = tmp_path / names[0] / "b.journal"
    other.write_bytes(b"")
    damaged = tmp_path / names[1] / "a.journal.corrupt-1"
    damaged.write_bytes(b"to be looked at")
    archive.compress(tmp_path, "a")
    gone = archive.forget(tmp_path, "a", 6)
    assert [path.parent.name for path in gone] == names[:3]
    assert journal.days(tmp_path, "a") == names[3:]
    assert other.exists()
    assert damaged.exists()
    assert not (tmp_path / names[2]).exists(), "an empty day goes"
    assert archive.forget(tmp_path, "a", 6) == []


@pytest.mark.parametrize("keep_days", [5, 8])
def test_an_actor_keeps_as_many_days_as_the_settings_say(tmp_path: Path, keep_days: int) -> None:
    root = paths.journal_root(tmp_path)
    names = old_days(root, 9)
    pins = Pins(actor="a", code="", settings="", values=Raw(b"\x80"), lanes=())
    recorder = Recorder(tmp_path, pins, frame_limit=1000, keep_days=keep_days, relays=False)
    recorder.open(names[-1], 9)
    for helper in threading.enumerate():
        if helper.name == "journal-pack":
            helper.join()
    recorder.close()
    assert journal.days(root, "a") == names[-keep_days:]


@pytest.mark.parametrize("offset", [0, 500])
@pytest.mark.parametrize("damage", ["short", "changed", "no gzip"])
def test_a_damaged_packed_day_is_corrupt_and_named(
    tmp_path: Path, damage: str, offset: int
) -> None:
    for day in ("2026-11-17", "2026-11-18", "2026-11-19"):
        file = Journal(tmp_path / day / "a.journal", LIMIT)
        for n in range(100):
            file.append(record(n))
        file.close()
    (packed,) = archive.compress(tmp_path, "a")
    whole = packed.read_bytes()
    middle = len(whole) // 2
    changed = whole[:middle] + bytes(byte ^ 0xFF for byte in whole[middle:])
    content = {"short": whole[:middle], "changed": changed, "no gzip": b"x" * middle}
    packed.write_bytes(content[damage])
    with pytest.raises(Corrupt, match=r"a\.journal\.gz.*unpacked"):
        list(journal.frames(packed, offset))
