"""Signs of life: our own, four times a second, and the watch over those of others.

A heartbeat goes out on the bus and as a file for those without a bus. Both are made by the event
loop itself, never by a thread, so that a process whose loop hangs looks dead. Others are judged by
counting our own pulses since their beat last changed, never by comparing clocks: a process that was
frozen counts nothing while it is, and drains its sockets before it judges.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil
from pathlib import Path
from typing import Final

import msgspec
from loguru import logger

from shared.events import Event, Heartbeat, PeerBack, PeerSilent
from shared.runtime import paths

PULSE_S: Final = 0.25
PULSES_PER_S: Final = 4

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Heartbeat).decode


def write_beat(run: Path, beat: Heartbeat) -> None:
    """The heartbeat file. A full disk is told once a minute and does not end us."""
    try:
        paths.replace(paths.heartbeat_path(run, beat.actor), _encode(beat))
    except OSError as error:
        if beat.beat % (60 * PULSES_PER_S) == 1:
            logger.error("heartbeat file of {}: {}", beat.actor, error.strerror)


def read_beat(run: Path, actor: str) -> Heartbeat | None:
    """The last heartbeat an actor wrote, however old; None if there is none to be read."""
    try:
        return _decode(paths.heartbeat_path(run, actor).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


class _Watched:
    __slots__ = ("epoch", "last", "limit", "on_bus", "pulses", "silent")

    def __init__(self, limit_s: float, on_bus: bool) -> None:
        self.limit = max(1, ceil(limit_s * PULSES_PER_S))
        self.on_bus = on_bus
        self.pulses = 0
        self.last = (0, 0)
        self.epoch = 0
        self.silent = False


class Watches:
    """Who has been silent too long. The first sign of anybody, and a new life, is a PeerBack."""

    def __init__(self, watches: Mapping[str, float], on_bus: set[str], run: Path) -> None:
        self._run = run
        self._peers = {
            actor: _Watched(limit, actor in on_bus) for actor, limit in sorted(watches.items())
        }

    def judge(self, beats: Mapping[str, Heartbeat]) -> Iterator[Event]:
        """One pulse has passed; `beats` is the latest heartbeat of each speaker on the bus."""
        for actor, peer in self._peers.items():
            beat = beats.get(actor) if peer.on_bus else read_beat(self._run, actor)
            now = (beat.epoch, beat.beat) if beat else (0, 0)
            if beat is None or now == peer.last:
                peer.pulses += 1
                if peer.pulses >= peer.limit and not peer.silent:
                    peer.silent = True
                    yield PeerSilent(actor=actor)
                continue
            stale_file = not peer.on_bus and peer.last == (0, 0)
            peer.last, peer.pulses = now, 0
            if stale_file:
                continue  # it may be the file of a process long dead: one change proves life
            if peer.silent or beat.epoch != peer.epoch:
                peer.silent, peer.epoch = False, beat.epoch
                yield PeerBack(actor=actor, epoch=beat.epoch)
