"""Where the governors of one person tell each other what their accounts may hold.

The firm closes accounts whose owner is long in one and short in another, however briefly, in the
same or a correlated product. So each governor keeps a file in a shared folder, replaced whole, and
reads those of the others. A file counts while its governor lives (it holds the file's lock), and a
dead one's until the end of its trading day: what it held may still be held. What cannot be read is
no permission. On the simulator nothing is shared: its accounts are nobody's.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from pathlib import Path
from typing import IO, Final

import msgspec
from msgspec import Struct

from services.risk_governor.words import Holding, OthersHold, WeHold

BYTES_MAX: Final = 65_536
ACCOUNTS_MAX: Final = 64


class Entry(Struct, frozen=True, kw_only=True):
    """One account's file. `until_ns`: Unix time from which a dead governor's word is void."""

    account: str
    until_ns: int
    rows: tuple[Holding, ...]


class SharedAccounts:
    """The folder as one account sees it. Raises nothing: trouble is what `look` says."""

    def __init__(self, folder: Path, account: str) -> None:
        self._folder = folder
        self._account = account
        self._own = folder / f"{re.sub(r'[^A-Za-z0-9_-]', '_', account)}.json"
        self._lock: IO[bytes] | None = None
        self._trouble = ""

    def open(self) -> None:
        """Take the place of our account; another governor of it is trouble that stays."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = open(self._own.with_suffix(".lock"), "ab")  # noqa: SIM115 - held for life
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            self._trouble = f"{self._own}: {error.strerror}; is another governor on this account?"

    def close(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def tell(self, word: WeHold) -> None:
        """Replace our file, so that nobody ever reads half of it."""
        entry = Entry(account=self._account, until_ns=word.until_ns, rows=word.rows)
        fresh = self._own.with_suffix(".new")
        try:
            fresh.write_bytes(msgspec.json.encode(entry))
            os.replace(fresh, self._own)
        except OSError as error:
            self._trouble = f"{self._own}: {error.strerror}"

    def look(self) -> OthersHold:
        """What all others may hold now."""
        if self._trouble:
            return OthersHold(trouble=self._trouble)
        rows: list[Holding] = []
        try:
            paths = sorted(self._folder.glob("*.json"))
        except OSError as error:
            return OthersHold(trouble=f"{self._folder}: {error.strerror}")
        if len(paths) > ACCOUNTS_MAX:
            return OthersHold(trouble=f"{self._folder}: more than {ACCOUNTS_MAX} accounts")
        for path in paths:
            if path == self._own:
                continue
            try:
                entry = _read(path)
                if entry.until_ns > time.time_ns() or _lives(path):
                    rows += [row for row in entry.rows if row.long or row.short]
            except (OSError, ValueError) as error:
                return OthersHold(trouble=f"{path}: {error}")
        return OthersHold(rows=tuple(rows))


def _read(path: Path) -> Entry:
    with path.open("rb") as file:
        return msgspec.json.decode(file.read(BYTES_MAX), type=Entry)


def _lives(path: Path) -> bool:
    """Whether the governor of a file holds its lock."""
    try:
        with open(path.with_suffix(".lock"), "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
