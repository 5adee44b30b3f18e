"""Where run-time files live; the only place that spells their names.

Sockets, locks, heartbeats and the clock are in a run directory under /tmp, because a unix socket's
path may hold only 107 bytes and `<var>` may lie arbitrarily deep. Its name carries the user and a
hash of `<var>`, so two checkouts never meet. Whoever can write there can speak on the bus:
it is 0700, and one that belongs to somebody else or is open to others is refused, never repaired.
Journals are under `<var>`, one folder a trading day.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from shared.runtime.exits import Exit, Fatal

TICKS_SUFFIX = ".ticks"


def run_path(var: str | Path) -> Path:
    """The name of the run directory of `var`; nothing is made or checked."""
    resolved = os.fsencode(Path(var).resolve())
    digest = hashlib.blake2s(resolved, digest_size=6).hexdigest()
    return Path(f"/tmp/tsq-{os.getuid()}-{digest}")  # nosec B108 - 0700, checked


def run_dir(var: str | Path) -> Path:
    """The run directory of `var`, made if absent. Raises Fatal(RUN_DIR) if it is not ours alone."""
    path = run_path(var)
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise Fatal(f"run directory {path}: {error.strerror}", Exit.RUN_DIR) from None
    if not stat.S_ISDIR(found.st_mode):
        raise Fatal(f"run directory {path}: it is not a directory", Exit.RUN_DIR)
    if found.st_uid != os.getuid():
        raise Fatal(f"run directory {path}: it belongs to user {found.st_uid}", Exit.RUN_DIR)
    if found.st_mode & 0o077:
        mode = stat.filemode(found.st_mode)
        raise Fatal(f"run directory {path}: its mode is {mode}, others may enter", Exit.RUN_DIR)
    return path


def socket_path(run: Path, lane: str) -> Path:
    return run / f"{lane}.pub"


def later_path(run: Path, lane: str) -> Path:
    """The second socket of a lane, for those whom it is enough to tell a moment later."""
    return run / f"{lane}.later"


def lock_path(run: Path, actor: str) -> Path:
    return run / f"{actor}.lock"


def heartbeat_path(run: Path, actor: str) -> Path:
    return run / f"{actor}.heartbeat"


def memory_path(run: Path, actor: str) -> Path:
    """What an observer remembers; ages in it are of this boot, so it may go with it."""
    return run / f"{actor}.memory"


def clock_path(run: Path) -> Path:
    return run / "clock"


def flatten_request_path(run: Path) -> Path:
    return run / "flatten.request"


def flatten_progress_path(run: Path) -> Path:
    return run / "flatten.progress"


def governor_socket_path(run: Path) -> Path:
    return run / "governor.sock"


def ballast_path(var: Path) -> Path:
    return var / "ballast"


def journal_root(var: str | Path) -> Path:
    return Path(var) / "journal"


def journal_dir(var: str | Path, day: str) -> Path:
    return journal_root(var) / day


def journal_path(var: str | Path, day: str, lane: str) -> Path:
    """`lane` is the actor's name, or that of its ticks (`market_data_gateway.ticks`)."""
    return journal_dir(var, day) / f"{lane}.journal"


def snapshot_path(var: str | Path, day: str, actor: str) -> Path:
    return journal_dir(var, day) / f"{actor}.snap"


def replace(path: Path, content: bytes) -> None:
    """Write `path` so that a reader sees the old content or the new, never a part."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(handle, view) :]
    except OSError:
        os.unlink(fresh)
        raise
    finally:
        os.close(handle)
    os.rename(fresh, path)
