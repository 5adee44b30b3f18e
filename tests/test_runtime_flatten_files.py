"""The two files of a flatten: kept, followed, replaced, removed, whatever is in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.runtime import flatten_files, paths
from shared.runtime.flatten_files import Progress, Request

GARBAGE = [b"", b"{", b"[]", b'{"id": 5}', b'{"id":"\xff"}', b"[" * 60_000, b"\x00" * 100]


@pytest.mark.parametrize("content", GARBAGE)
def test_an_unreadable_request_is_a_wish_and_gives_way_to_a_readable_one(
    tmp_path: Path, content: bytes
) -> None:
    paths.flatten_request_path(tmp_path).write_bytes(content)
    found = flatten_files.standing(tmp_path)
    assert found is not None
    assert found.id == flatten_files.UNREADABLE
    mine = Request("a", "rain", "ann")
    assert flatten_files.leave(tmp_path, mine) == mine
    assert flatten_files.standing(tmp_path) == mine


def test_a_second_wish_follows_the_first(tmp_path: Path) -> None:
    assert flatten_files.standing(tmp_path) is None
    first = flatten_files.leave(tmp_path, Request("a", "rain", "ann"))
    assert flatten_files.leave(tmp_path, Request("b", "hail", "bob")) == first
    flatten_files.remove(tmp_path, "b")
    assert flatten_files.standing(tmp_path) == first
    flatten_files.remove(tmp_path, "a")
    assert flatten_files.standing(tmp_path) is None


@pytest.mark.parametrize("content", GARBAGE)
def test_garbage_is_no_progress(tmp_path: Path, content: bytes) -> None:
    paths.flatten_progress_path(tmp_path).write_bytes(content)
    assert flatten_files.progress(tmp_path) is None


def test_progress_is_read_as_written_and_a_full_disk_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Progress("a", "CLOSING", "order_router", 3, "MNQ")
    flatten_files.report(tmp_path, told)
    assert flatten_files.progress(tmp_path) == told

    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(paths, "replace", full)
    flatten_files.report(tmp_path, Progress("a", "FLAT", "order_router", 4))
    assert flatten_files.progress(tmp_path) == told
