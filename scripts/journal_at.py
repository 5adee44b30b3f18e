"""`tsq journal at TIME`: how everything stood at an instant, by what everybody had said until then.

Levels, accounts, positions, orders that could still fill, books, quotes and the state of the venue
and the feed, each with the moment it was last said: in dollars, the market's prices and Chicago's
time, while `--json` has everything in the events' own units. `--memory ACTOR` shows instead what
one actor had in mind: its last snapshot before, and its journal told again from there.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from services.cast import build
from shared.contracts import UnknownContract, show
from shared.core import Core
from shared.events import TERMINAL
from shared.runtime import history, journal, lanes, paths, records
from shared.runtime.records import Memory, Place, Start
from shared.runtime.rerun import Follower
from shared.settings import Settings
from shared.units import dollars

ZONE: Final = ZoneInfo("America/Chicago")
TURN_HOUR: Final = 17  # the trading day begins on the evening before
OVER: Final = frozenset(state.value for state in TERMINAL)

Key = Callable[[dict[str, Any]], str]
SHOWN: Final[dict[str, tuple[str, Key]]] = {
    "RiskState": ("risk", lambda _: ""),
    "Armed": ("armed", lambda it: it["account"]),
    "AccountUpdate": ("accounts", lambda it: it["name"]),
    "PositionUpdate": ("positions", lambda it: it["contract"]),
    "OrderUpdate": ("orders", lambda it: it["tag"] or str(it["venue_order_id"])),
    "SleeveBook": ("books", lambda it: f"{it['sleeve']} {it['contract']}"),
    "SleeveStatus": ("sleeves", lambda it: f"{it['sleeve']} {it['contract']}"),
    "FlattenProgress": ("flatten", lambda _: ""),
    "VenueStatus": ("venue", lambda _: ""),
    "FeedStatus": ("feed", lambda _: ""),
    "SessionPhase": ("session", lambda _: ""),
    "Quote": ("quotes", lambda it: it["contract"]),
}
"""Kind of event: the heading it is shown under, and what tells its subjects apart."""

MONEY: Final = frozenset(
    {
        "balance", "equity", "fees", "floor", "headroom", "kill_level", "open_risk", "payable",
        "realised", "session_net", "worst_equity",
    }
)  # fmt: skip
PRICES: Final = frozenset({"ask", "bid", "limit_price", "stop_price"})
INSTANT_MIN: Final = 10**18  # nanoseconds; less is a span
INSTANT_MAX: Final = 10**20  # the year 5138: beyond it nothing is an instant of ours
SIDES: Final = {1: "BUY", -1: "SELL"}

COPIES: Final = {("risk_governor", "OrderUpdate")}
"""What the governor passes on is the router's to say."""


def instant(text: str, day: str) -> int:
    """UTC nanoseconds of `2026-11-18T10:15:00-06:00`, of `10:15` in Chicago on the trading day, or
    of nanoseconds themselves. Raises ValueError.
    """
    if text.isdecimal():
        if int(text) > INSTANT_MAX:
            raise ValueError("so many nanoseconds are beyond the year 5138")
        return int(text)
    if "T" in text or "-" in text:
        found = datetime.fromisoformat(text)
        if found.tzinfo is None:
            found = found.replace(tzinfo=ZONE)
    else:
        clock = datetime.fromisoformat(f"{day}T{text}").replace(tzinfo=ZONE)
        found = clock - timedelta(days=1) if clock.hour >= TURN_HOUR else clock
    return int(found.timestamp()) * 1_000_000_000 + found.microsecond * 1_000


def standing(root: Path, day: str, at_ns: int) -> dict[str, dict[str, dict[str, Any]]]:
    """Heading -> subject -> the last event said of it, with `said_by` and `said_ns`.

    Raises Corrupt.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {heading: {} for heading, _ in SHOWN.values()}
    for lane in history.lanes(root):
        for entry in history.until(root, lane, day, at_ns):
            if entry.kind not in SHOWN or (lane, entry.kind) in COPIES:
                continue
            heading, key = SHOWN[entry.kind]
            event = {name: value for name, value in entry.event.items() if name != "t"}
            event |= {"said_by": lane, "said_ns": entry.time_ns}
            found[heading][key(event)] = event
            if entry.kind == "SleeveStatus" and event["contract"]:  # until it was listed: no more
                found[heading].pop(f"{event['sleeve']} ", None)
    orders = found["orders"].items()
    found["orders"] = {name: order for name, order in orders if order["state"] not in OVER}
    return found


def text_of(found: dict[str, dict[str, dict[str, Any]]], at_ns: int) -> str:
    lines = [f"as of {when(at_ns)}"]
    for heading, subjects in found.items():
        lines.append(f"{heading}:" if subjects else f"{heading}: nothing said")
        for name, event in subjects.items():
            age_s = (at_ns - event["said_ns"]) / 1e9
            told = " ".join(words_of(event))
            lines.append(f"  {f'{name}: ' if name else ''}{told}  ({age_s:.1f} s before)")
    return "\n".join(lines)


def words_of(event: dict[str, Any]) -> list[str]:
    """What an event says, for a person: lists are left out, but for orders and latches."""
    contract = event.get("contract", "")
    words = []
    for name, value in event.items():
        if name in ("said_by", "said_ns", "cost", "no") or value in ("", None):
            continue
        if name in MONEY:
            words.append(f"{name}={dollars(value)}")
        elif name in PRICES:
            words.append(f"{name}={price(value, contract)}")
        elif name == "side":
            words.append(f"side={SIDES[value]}")
        elif name.endswith("_ns"):
            words += [f"{name.removesuffix('_ns')}={clock(value)}"] if value > INSTANT_MIN else []
        elif name == "working":
            words += [f"[{' '.join(words_of(order | {'contract': contract}))}]" for order in value]
        elif name == "latches":
            words += [f"[{held['key']}: {held['cause']}]" for held in value]
        elif not isinstance(value, list | dict):
            words.append(f"{name}={plain(value)}")
    if event.get("position") and "cost" in event:
        words.append(f"average={price(round(event['cost'] / event['position']), contract)}")
    return words


def price(ticks: int, contract: str) -> str:
    try:
        return show(ticks, contract)
    except UnknownContract:
        return f"{ticks} ticks"


def clock(at_ns: int) -> str:
    """A time of day in Chicago."""
    return when(at_ns)[11:23]


def plain(value: Any) -> str:
    return msgspec.json.encode(value).decode().strip('"')


def when(at_ns: int) -> str:
    """An instant for people, in Chicago."""
    return datetime.fromtimestamp(at_ns / 1e9, ZONE).isoformat(timespec="milliseconds")


# -- what one actor had in mind --------------------------------------------------------------------


class Mind:
    """One actor's core as it was at an instant."""

    def __init__(self, var: Path, actor: str, day: str) -> None:
        """Raises FileNotFoundError when the actor has no journal of that day."""
        self._root = paths.journal_root(var)
        self._actor = actor
        self._snapshot = paths.snapshot_path(var, day, actor)
        path = journal.find(self._root, day, actor)
        if path is None:
            raise FileNotFoundError(f"no journal of {actor} for {day}")
        self._path = path
        self._code = ""

    def at(self, at_ns: int) -> Any:
        """Its memory as plain values. Raises Divergence, MissingHistory, Corrupt."""
        follower = Follower(self._root, build=self._build, same=lambda code, _: code == self._code)
        memory = self._memory(at_ns)
        offset = 0
        if memory is not None:
            offset = memory.own[self._actor].offset
            core = self._build(self._start_before(offset))
            follower.strict = memory.code == self._code
            follower.begin(self._actor, core, memory)
        for found in journal.frames(self._path, offset):
            kind, content = found.record[1], found.record[2:]
            if kind == records.HEARD and records.heard_of(content).now_ns > at_ns:
                break
            if kind == records.INPUT and records.input_of(content).now_ns > at_ns:
                break
            if kind == records.START and records.start_of(content).now_ns > at_ns:
                break
            follower.follow(self._path, found)
        follower.finish()
        return msgspec.msgpack.decode(follower.core.snapshot(), strict=False)

    def _build(self, start: Start) -> Core:
        core = build(start.actor, msgspec.msgpack.decode(start.values, type=Settings))
        self._code = lanes.code_hash(core)
        return core

    def _memory(self, at_ns: int) -> Memory | None:
        """The day's snapshot, if it is older than the instant and of this very file."""
        if not self._snapshot.exists() or self._path.suffix == ".gz":
            return None
        first = next(journal.frames(self._snapshot), None)
        memory = records.memory_of(first.record[2:]) if first else None
        if memory is None or memory.now_ns > at_ns:
            return None
        born = memory.own.get(self._actor, Place()).birth
        return memory if born == journal.birth(self._path) else None

    def _start_before(self, offset: int) -> Start:
        last: Start | None = None
        for found in journal.frames(self._path, 0, frozenset({records.START})):
            if last is None or found.offset < offset:
                last = records.start_of(found.record[2:])
        assert last is not None, "a file with a birth has a start"
        return last
