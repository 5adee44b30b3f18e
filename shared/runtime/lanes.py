"""Lanes: what an actor hears from whom, and the hash that says by which code it decided.

A speaker has a main lane named like itself; one that relays market data has a second for ticks.
Main lanes are heard whole and caught up; tick lanes are filtered by kind and product and a miss
becomes a Gap.

On few cores whoever is woken first delays the others, so a lane has two sockets. The prompt
one is for those who stand between a quote and the order it leads to: it carries a word at once. The
others hear the same from the second socket, at most `bus.LATER_S` later where it was urgent.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

import msgspec

from shared.contracts import PRODUCTS
from shared.core import Core
from shared.events import (
    TICKS,
    CancelApproved,
    CancelIntent,
    Event,
    ModifyApproved,
    ModifyIntent,
    OrderApproved,
    OrderIntent,
    SessionPhase,
)
from shared.runtime import paths, wire
from shared.settings import REPO

Kinds = dict[str, type[Event]]  # class name -> class

WISHES = frozenset({OrderIntent, ModifyIntent, CancelIntent})
URGENT = WISHES | {OrderApproved, ModifyApproved, CancelApproved}
"""Kinds on the way of an order to the venue."""

_IMPORT = re.compile(
    r"^[ \t]*(?:from ([\w.]+) import (\([^)]*\)|[^\n]*)|import ([\w.]+))", re.MULTILINE
)
_NAME = re.compile(r"\w+")
_EDGES = ("port", "__main__")  # file names that begin so decide nothing


def ticks_lane(actor: str) -> str:
    return actor + paths.TICKS_SUFFIX


def is_ticks(lane: str) -> bool:
    return lane.endswith(paths.TICKS_SUFFIX)


def speaker_of(lane: str) -> str:
    return lane.removesuffix(paths.TICKS_SUFFIX)


def heard_by(actor: str, core: Core) -> dict[str, Kinds]:
    """Every lane that reaches this core, with the kinds it is told. Own ticks count as heard."""
    found: dict[str, Kinds] = {}
    for lane, kinds in core.subscribes.items():  # a speaker, or a speaker's tick lane by name
        speaker = speaker_of(lane)
        slow = {kind.__name__: kind for kind in kinds if kind not in TICKS}
        fast = {kind.__name__: kind for kind in kinds if kind in TICKS}
        if not is_ticks(lane):
            found[speaker] = slow
        if fast:
            found[ticks_lane(speaker)] = fast
    if relays(core):
        found[ticks_lane(actor)] = {kind.__name__: kind for kind in TICKS}
    return dict(sorted(found.items()))


def relays(core: Core) -> bool:
    """Whether this actor speaks in a tick lane."""
    return any(kind in TICKS for kind in core.publishes)


def topics(lane: str, kinds: Iterable[type[Event]], roots: Iterable[str] = ()) -> list[bytes]:
    """What to subscribe to: all of a main lane; in a tick lane these kinds of the products `roots`,
    of all products if none is named.
    """
    if not is_ticks(lane):
        return [b""]
    lightest = max(wire.RANKS[kind] for kind in kinds)
    ends = [f"{PRODUCTS[root].symbol}\0" for root in roots] or [""]
    return [f"{kind.__name__}.{end}".encode() for kind in TICKS[: lightest + 1] for end in ends]


def roots_of(core: object) -> tuple[str, ...]:
    """The products whose ticks a core hears (`tick_roots`); () for all."""
    found: tuple[str, ...] = getattr(core, "tick_roots", ())
    return found


def is_prompt(core: Core, lane: str, kinds: Iterable[type[Event]]) -> bool:
    """Whether this core must hear `lane` before those who only follow what happens."""
    if is_ticks(lane):
        return getattr(core, "acts_on_ticks", True) and not WISHES.isdisjoint(core.publishes)
    return not URGENT.isdisjoint(kinds)


def follows_sessions(core: Core) -> bool:
    """Whether the trading day turns for it by SessionPhase, heard or said; else by its clock."""
    heard = any(SessionPhase in kinds for kinds in core.subscribes.values())
    return heard or SessionPhase in core.publishes


def code_hash(core: object) -> str:
    """Changes when the sources behind a core's decisions do.

    They are its room (all of it except the edges, since rooms load parts by name), the modules a
    core names itself (`modules`, for sleeves from elsewhere), whatever those import from us, the
    tables of `shared`, Python's minor version and msgspec's.
    """
    module = sys.modules[type(core).__module__]
    extra: tuple[str, ...] = getattr(core, "modules", ())
    files = tuple(
        str(found)
        for name in (module.__name__, *extra)
        if (found := getattr(sys.modules.get(name), "__file__", None))
    )
    return _hash_of(files)


@lru_cache(maxsize=64)
def _hash_of(files: tuple[str, ...]) -> str:
    waiting = [Path(file) for file in files]
    for file in map(Path, files):
        if file.parent.parent == REPO / "services":
            waiting += file.parent.glob("*.py")
    sources: set[Path] = set((REPO / "shared").rglob("*.toml"))
    while waiting:
        path = waiting.pop()
        if path not in sources and not path.name.startswith(_EDGES):
            sources.add(path)
            waiting += _imported_by(path)
    digest = hashlib.blake2s(digest_size=8)
    digest.update(f"{sys.version_info[:2]} {msgspec.__version__}".encode())
    for path in sorted(sources):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _imported_by(path: Path) -> Iterator[Path]:
    """Our own files that a file imports, the runtime's excepted: it hosts, it does not decide."""
    for parent, several, single in _IMPORT.findall(path.read_text()):
        names = [single] if single else [parent, *(f"{parent}.{n}" for n in _NAME.findall(several))]
        for name in names:
            file = REPO.joinpath(*name.split(".")).with_suffix(".py")
            if not name.startswith("shared.runtime") and file.is_file():
                yield file
