"""What two incarnations of a sleeve wished, side by side, read from their journals as they grow.

Both heard the same, so a line with one side empty is a difference of mind. The newcomer's wishes
are never obeyed: where the owner's change the position, the newcomer sees that position, and where
its own would have, it does not. So compare what each wished at a moment, not the trades that would
have followed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from shared.runtime import history, journal, paths
from shared.runtime.cursor import Cursor
from shared.runtime.history import Entry
from shared.seats import seat_of

GOVERNOR: Final = "risk_governor"
WISHES: Final = ("OrderIntent", "ModifyIntent", "CancelIntent")
ROWS_MAX: Final = 60  # of the table for people; `--json` has all
SAME_NS: Final = 1_000_000_000  # wishes so near in market time share a line


class Comparison:
    """From now on, what `owner` ("": there is none) and `newcomer` wish."""

    def __init__(self, var: Path, owner: str, newcomer: str) -> None:
        self._root = paths.journal_root(var)
        self._sides = (owner, newcomer)
        self._cursors = {
            lane: Cursor(self._root, lane, journal.end(self._root, lane))
            for lane in (owner, newcomer, GOVERNOR)
            if lane
        }
        self._wishes: dict[str, list[Entry]] = {owner: [], newcomer: []}
        self._answers: list[Entry] = []

    def _read(self) -> None:
        for lane, cursor in self._cursors.items():
            found = list(self._entries(lane, cursor))
            if lane == GOVERNOR:
                self._answers += found
            else:
                self._wishes[lane] += [entry for entry in found if entry.kind in WISHES]

    def _entries(self, lane: str, cursor: Cursor) -> Iterator[Entry]:
        for found in cursor.read(history.DECISIONS):
            entry = history.entry(lane, found.record)
            if entry is not None:
                yield entry

    def rows(self) -> list[tuple[int, str, str]]:
        """(market time, owner's wish, newcomer's wish), in the order of time."""
        self._read()
        left, right = (self._wishes[side] for side in self._sides)
        mine, theirs = list(left), list(right)
        found = []
        while mine or theirs:
            first = min(side[0].time_ns for side in (mine, theirs) if side)
            texts = [
                spoken(side.pop(0)) if side and side[0].time_ns <= first + SAME_NS else ""
                for side in (mine, theirs)
            ]
            found.append((first, texts[0], texts[1]))
        return found

    def text(self) -> str:
        rows = self.rows()
        lines = [f"{'time':<10} {self._sides[0] or 'nobody':<44} {self._sides[1]}"]
        for when, owner, newcomer in rows[-ROWS_MAX:]:
            clock = time.strftime("%H:%M:%SZ", time.gmtime(when / 1e9))
            lines.append(f"{clock:<10} {owner:<44} {newcomer}")
        if len(rows) > ROWS_MAX:
            lines.append(f"({len(rows) - ROWS_MAX} earlier lines are in --json)")
        same = sum(owner == newcomer for _, owner, newcomer in rows)
        counts = [Counter(entry.kind for entry in self._wishes[side]) for side in self._sides]
        told = [", ".join(f"{n} {kind}" for kind, n in one.items()) or "none" for one in counts]
        lines.append(f"{same} of {len(rows)} lines agree; wishes: {told[0]} | {told[1]}")
        return "\n".join(lines)

    def data(self) -> dict[str, Any]:
        rows = [{"time_ns": when, "owner": a, "newcomer": b} for when, a, b in self.rows()]
        return {"rows": rows}

    def first_approval_ms(self, actor: str, pace: float) -> float | None:
        """Real time from the grant to the first approval of the new owner's own wish."""
        self._read()
        granted: Entry | None = None
        for entry in self._answers:
            if entry.kind == "AuthorityGranted" and entry.event.get("cause"):
                ours = entry.event["sleeve"] == seat_of(actor)[0]  # another may be swapped as well
                granted = entry if ours else granted
            if granted is None or entry.kind not in ("OrderApproved", "CancelApproved"):
                continue
            if entry.cause.startswith(f"{actor}:"):
                return (entry.time_ns - granted.time_ns) / 1e6 / pace
        return None


def spoken(entry: Entry) -> str:
    """A wish in a few words: `BUY 1 MARKET sl 20 (breakout)`."""
    it = entry.event
    if entry.kind == "OrderIntent":
        side = "BUY" if it["side"] > 0 else "SELL"
        price = next((f" {it[key]}" for key in ("limit_price", "stop_price") if key in it), "")
        stop = f" sl {it['stop_loss_ticks']}" if "stop_loss_ticks" in it else ""
        purpose = "" if "purpose" not in it else f"{it['purpose']} "
        text = f"{purpose}{side} {it['size']} {it['type']}{price}{stop}"
    elif entry.kind == "ModifyIntent":
        price = next((it[key] for key in ("limit_price", "stop_price") if key in it), "")
        text = f"MOVE to {price}"
    else:
        text = "CANCEL"
    return f"{text} ({it['reason']})" if it.get("reason") else text
