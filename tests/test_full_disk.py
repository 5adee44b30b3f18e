"""A disk that is really full, under real processes and a small file system of their own."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts import full_disk
from scripts.full_disk import CANNOT_MOUNT, MIB, Filler
from shared.settings import REPO


@pytest.mark.slow
def test_a_full_disk_opens_nothing_ends_flat_and_is_got_over() -> None:
    words = [sys.executable, "-m", "scripts.full_disk"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=REPO)
    if done.returncode == CANNOT_MOUNT:
        pytest.skip("no small file system may be mounted here (unshare, mount -t tmpfs)")
    assert done.returncode == 0, done.stdout + done.stderr[-2_000:]
    for told in (
        "below 40 MiB nothing opens",
        "below 20 MiB everything is closed",
        "without a byte: the ballast thrown, the account flat",
        "after a full disk it trades again",
        "without a byte, risk_governor and sentinel killed: the ballast thrown, the account flat",
        "after another full disk it trades again",
        "each booked once; flat",
        "decisions, equal",
        "journals sound",
    ):
        assert told in done.stdout


def test_a_filler_leaves_what_it_is_told_and_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filler, file = Filler(tmp_path), tmp_path / "filler"
    size = 5 * MIB + 7

    def free(_: Path) -> int:
        return size - (file.stat().st_size if file.exists() else 0)

    monkeypatch.setattr(full_disk.disk, "free_bytes", free)
    filler.leave(3)
    assert file.stat().st_size == 2 * MIB + 7
    filler.leave(4)
    assert free(tmp_path) == 3 * MIB, "it never shrinks"
    filler.leave(0)
    assert free(tmp_path) == 0
    with filler.greedy():
        size += MIB
        until = time.monotonic() + 10
        while free(tmp_path) and time.monotonic() < until:
            time.sleep(0.01)
        assert free(tmp_path) == 0, "what comes free is taken again"
    filler.go()
    filler.go()
    assert free(tmp_path) == size


def test_where_nothing_can_be_mounted_it_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(full_disk.shutil, "which", lambda _: None)
    assert full_disk.main([]) == CANNOT_MOUNT
    assert full_disk.inside(tmp_path) == CANNOT_MOUNT
