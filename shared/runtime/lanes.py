"""Lanes: what an actor hears from whom, and the hash that says by which code it decided.

A speaker has a main lane named like itself; one that relays market data has a second for ticks.
Main lanes are heard whole and caught up; tick lanes are filtered by kind and a miss becomes a Gap.
"""

from __future__ import annotations

import hashlib
import sys
from functools import lru_cache
from pathlib import Path

import msgspec

from shared.core import Core
from shared.events import TICKS, Event, SessionPhase
from shared.runtime import paths
from shared.settings import REPO

Kinds = dict[str, type[Event]]  # class name -> class

_SHARED = ("*.py", "*.toml", "domain/**/*.py", "domain/**/*.toml", "venue/*.py")
_EDGES = {"port.py", "__main__.py"}


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


def follows_sessions(core: Core) -> bool:
    """Whether the trading day turns for it by SessionPhase, heard or said; else by its clock."""
    heard = any(SessionPhase in kinds for kinds in core.subscribes.values())
    return heard or SessionPhase in core.publishes


def code_hash(core: object) -> str:
    """Changes when the sources behind a core's decisions do.

    They are its room (all of it except the edges), what all rooms share, the modules a core names
    itself (`modules`, for sleeves from elsewhere), Python's minor version and msgspec.
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
    sources = {path for pattern in _SHARED for path in (REPO / "shared").glob(pattern)}
    for file in files:
        sources |= set(Path(file).parent.glob("*.py"))
    digest = hashlib.blake2s(digest_size=8)
    digest.update(f"{sys.version_info[:2]} {msgspec.__version__}".encode())
    for path in sorted(sources):
        if path.name not in _EDGES:
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
