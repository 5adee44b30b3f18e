"""Every request that came in, and what became of it: the wire's part of `/sim/truth`.

A test that wants to know what really happened needs both ends: the books of the core, and whether
a request arrived, when, and how it was answered. Only the latest requests are kept.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Final

import msgspec
from msgspec import Struct

from shared.units import Nanos

TEXT_MAX: Final = 200  # of a path or a note
SHOWN: Final = 1_000  # rows when nobody says how many


class Row(Struct, rename="camel", omit_defaults=True):
    """One request. `at_ns` market time; `took_ms` wall; `status` 0: not answered (yet, or ever).

    `outcome`: what the venue did, in a word: answered, refused, fault, unanswered, gone.
    """

    number: int
    at_ns: Nanos
    wall_ns: Nanos
    method: str
    path: str
    user: str = ""
    call_id: int = 0
    status: int = 0
    error_code: int | None = None
    took_ms: float = 0.0
    outcome: str = ""
    fault: str = ""


class Log:
    """The latest requests, oldest first, and how many there ever were."""

    def __init__(self, limit: int) -> None:
        self._rows: deque[Row] = deque(maxlen=limit)
        self.total = 0

    def open(self, at_ns: Nanos, method: str, path: str) -> Row:
        self.total += 1
        row = Row(
            number=self.total,
            at_ns=at_ns,
            wall_ns=time.time_ns(),
            method=method[:TEXT_MAX],
            path=path[:TEXT_MAX],
        )
        self._rows.append(row)
        return row

    @staticmethod
    def close(row: Row, status: int, outcome: str) -> None:
        row.status = status
        row.outcome = row.outcome or outcome
        row.took_ms = round((time.time_ns() - row.wall_ns) / 1e6, 3)

    def shown(self, wanted: str) -> list[dict[str, Any]]:
        """The last `wanted` rows (text of a query; anything odd means `SHOWN`)."""
        count = int(wanted[:9]) if wanted.isascii() and wanted.isdigit() else SHOWN
        rows = list(self._rows)[-count:] if count else []
        return [msgspec.to_builtins(row) for row in rows]
