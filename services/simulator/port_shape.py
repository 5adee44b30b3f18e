"""In which of the venue's known shapes answers and events leave: profiles and their switches.

The venue has changed its shapes over the years and clients grew around each of them. `current` is
what it sends today: user events wrapped in {action, data}, every member, sparse quotes. `classic`
is what its documentation shows and what strict older clients can bear: flat, documented members
only, full quotes. Rows of prints and levels are arrays in both. A wrong clock of the venue is a
shape too: `shift_ns` is added to every time that leaves.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct

from services.simulator.port_records import Event
from shared.sections import SimulatorWire
from shared.units import SECOND, Nanos
from shared.venue import words
from shared.venue.times import time_ns, time_text

UNDOCUMENTED: Final[dict[str, tuple[str, ...]]] = {
    words.USER_ORDER: ("trailDistance", "trailPrice", "parentOrderId", "linkedOrderId"),
    words.USER_POSITION: ("contractDisplayName",),
    words.USER_TRADE: ("commissions",),
    words.QUOTE: ("contract",),
    words.TAPE: ("contractId",),
    words.DEPTH: ("contractId",),
}
"""Members that the venue's documentation does not know, by event."""

REST_ROWS: Final = {
    "orders": words.USER_ORDER,
    "order": words.USER_ORDER,
    "positions": words.USER_POSITION,
    "trades": words.USER_TRADE,
}
QUOTE_KEYS: Final = ("symbol", "timestamp", "lastUpdated", "contract")
TIMES: Final = frozenset({"t", "timestamp", "lastUpdated", "creationTimestamp", "updateTimestamp"})
DIGITS: Final = 7
LATEST_NS: Final = 9_214_646_399 * SECOND  # the last second of 2261, which times can still hold

Plain = dict[str, Any]


class Shape(Struct):
    """The decided switches. `shift_ns`: how wrong the venue's clock is, on request."""

    wrapped: bool
    all_members: bool
    sparse: bool
    arrays: bool
    null_rows: bool
    null_members: bool
    repeat_volume: bool = False
    shift_ns: Nanos = 0

    # -- REST --------------------------------------------------------------------------------------

    def answer(self, body: words.Body) -> bytes:
        """A REST answer as it leaves."""
        plain = words.to_plain(body)
        for key, event in REST_ROWS.items():
            found = plain.get(key)
            for row in found if isinstance(found, list) else [found]:
                if isinstance(row, dict):
                    self._members(row, event)
        return msgspec.json.encode(self._shifted(plain) if self.shift_ns else plain)

    def _members(self, row: Plain, event: str) -> None:
        for name in UNDOCUMENTED[event]:
            if not self.all_members:
                row.pop(name, None)
            elif self.null_members:
                row.setdefault(name, None)

    # -- hubs --------------------------------------------------------------------------------------

    def user(self, target: str, action: int, payload: words.UserPayload) -> Event:
        """A user event: members without a value left out."""
        plain = words.to_hub(payload)
        self._cut(plain, target)
        if self.shift_ns:
            plain = self._shifted(plain)
        return Event(target, {"action": action, "data": plain} if self.wrapped else plain)

    def quote(self, contract: str, plain: Plain, before: Plain | None) -> Event:
        """A quote, cut down to what changed since `before` where quotes are sparse."""
        if before is not None and self.sparse:
            plain = {
                key: value
                for key, value in plain.items()
                if key in QUOTE_KEYS or before.get(key) != value
            }
        if not self.all_members or self.shift_ns:
            plain = self._shifted(dict(plain))
            self._cut(plain, words.QUOTE)
        return Event(words.QUOTE, contract, plain)

    def rows(self, event: str, contract: str, rows: tuple[words.Part, ...]) -> list[Event]:
        """Prints or levels: one event with all of them, or one for each."""
        if self.repeat_volume and event == words.DEPTH:
            rows = tuple(msgspec.structs.replace(row, current_volume=row.volume) for row in rows)  # type: ignore[attr-defined]
        shown: list[Any] = list(rows)
        if not self.all_members or self.shift_ns:
            shown = [self._shifted(words.to_hub(row)) for row in rows]
            for plain in shown:
                self._cut(plain, event)
        if not self.arrays:
            return [Event(event, contract, row) for row in shown]
        return [Event(event, contract, [*shown, None] if self.null_rows else shown)]

    def _cut(self, plain: Plain, event: str) -> None:
        if not self.all_members:
            for name in UNDOCUMENTED.get(event, ()):
                plain.pop(name, None)

    # -- a wrong clock -----------------------------------------------------------------------------

    def _shifted(self, plain: Plain) -> Plain:
        """The same with every time moved; untouched while the clock is right."""
        if not self.shift_ns:
            return plain
        return {key: self._moved(key, value) for key, value in plain.items()}

    def _moved(self, key: str, value: Any) -> Any:
        if isinstance(value, dict):
            return self._shifted(value)
        if isinstance(value, list):
            return [self._moved("", one) for one in value]
        if key in TIMES and isinstance(value, str):
            moved = time_ns(value, key) + self.shift_ns
            return time_text(max(0, min(moved, LATEST_NS)), DIGITS)
        return value


def shape_of(wire: SimulatorWire) -> Shape:
    """What the settings come to: the profile, then the switches that are not left to it."""
    current = wire.profile == "current"
    return Shape(
        wrapped=current if wire.user_events == "profile" else wire.user_events == "wrapped",
        all_members=current if wire.members == "profile" else wire.members == "all",
        sparse=current if wire.quotes == "profile" else wire.quotes == "sparse",
        arrays=wire.rows != "objects",
        null_rows=wire.null_rows,
        null_members=wire.missing_members == "null",
        repeat_volume=wire.current_volume == "size",
    )
