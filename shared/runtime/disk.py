"""Room on the disk: how much there is, and some megabytes put by for the moment there is none.

A full disk is the one fault that takes the recorder away from everybody at once. The ballast is a
file that the first journal to meet ENOSPC removes: what it gave back is enough to write down how
the day ends. It is laid only where plenty is left, since else it would make the disk full itself.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

BALLAST_BYTES: Final = 4 << 20
_ROOM_FOR_BALLAST: Final = 4 * BALLAST_BYTES


def free_bytes(path: str | Path) -> int:
    """What an ordinary user may still write on the disk that holds `path`.

    0 when the system will not say: a disk that nobody can ask is none to write on.
    """
    try:
        found = os.statvfs(path)
    except OSError:
        return 0
    return found.f_bavail * found.f_frsize


def has_room(path: str | Path) -> bool:
    """Whether there is enough to go on with, and to put something by again."""
    return free_bytes(path) >= _ROOM_FOR_BALLAST


def lay_ballast(path: Path) -> bool:
    """Put some megabytes by; whether they lie there now. Best effort by its nature."""
    try:
        if path.stat().st_size >= BALLAST_BYTES:
            return True
    except OSError:
        pass  # none yet
    if not has_room(path.parent):
        return False
    try:
        with path.open("wb") as file:
            file.write(os.urandom(BALLAST_BYTES))
    except OSError:
        path.unlink(missing_ok=True)
        return False
    return True


def release_ballast(path: Path) -> bool:
    """Give the disk back what was put by; False when nothing was left to give."""
    try:
        path.unlink()
    except OSError:
        return False
    return True
