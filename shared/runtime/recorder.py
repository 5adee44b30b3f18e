"""An actor's own journals: what is written when, days that turn, snapshots, a disk that is full.

Knows nothing about cores or sockets: it is told bytes and turns them into a record that can be
followed later. Losing the ability to write is an exception here and a policy in `actor.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from loguru import logger
from msgspec import Raw, Struct

from shared.runtime import archive, disk, journal, lanes, paths, records, wire
from shared.runtime.journal import Journal
from shared.runtime.records import Memory, Place, Start


class Pins(Struct, frozen=True, kw_only=True):
    """What every beginning of a file states about who writes it."""

    actor: str
    code: str
    settings: str
    values: Raw
    lanes: tuple[str, ...]


class Recorder:
    """The main journal of an actor and, for one that relays, its ticks journal."""

    def __init__(
        self, var: Path, pins: Pins, *, frame_limit: int, keep_days: int, relays: bool
    ) -> None:
        self._var = var
        self._keep_days = keep_days
        self._pins = pins
        self._limit = frame_limit
        self._ballast = paths.ballast_path(var)
        self._relays = relays
        self._files: dict[str, Journal] = {}
        self._births: dict[str, int] = {}
        self._syncing = threading.Lock()  # held while the helper uses the files
        self._asked = threading.Event()
        self._helper: threading.Thread | None = None
        self._ended = False
        self.day = ""
        disk.lay_ballast(self._ballast)

    @property
    def lane_names(self) -> tuple[str, ...]:
        actor = self._pins.actor
        return (actor, lanes.ticks_lane(actor)) if self._relays else (actor,)

    def open(self, day: str, epoch: int, known: Mapping[str, Place] | None = None) -> None:
        """Go on with a day's files, or begin them in `epoch`. Raises JournalUnwritable, Corrupt.

        `known`: where a snapshot found them, which spares following the whole day to its end.
        """
        self.day = day
        root = paths.journal_root(self._var)
        for lane in self.lane_names:
            path = paths.journal_path(self._var, day, lane)
            packed = path.with_name(path.name + ".gz")
            if packed.exists() and not path.exists():
                archive.unpack(packed)
            born = journal.birth(path)
            place = (known or {}).get(lane, Place())
            sound = place.offset if (place.day, place.birth) == (day, born) else 0
            self._files[lane] = Journal(path, self._limit, self._ballast, sound)
            self._births[lane] = born or epoch
        self._pack(root)

    def open_if_shut(self, epoch: int) -> None:
        """Open the day's files if that failed before. Raises as `open` does."""
        if not self._files:
            self.open(self.day, epoch)

    def start(self, start: Start, memory: Memory | None) -> None:
        """Record that a process (or a day) begins, and wait for the disk: the epoch is used up."""
        said = [records.pack(records.START, start)]
        if memory is not None:
            said.append(records.pack(records.SNAPSHOT, memory))
        main = self._files[self._pins.actor]
        main.append(*said)
        main.sync()

    def start_ticks(self, start: Start) -> None:
        self._files[start.lane].append(records.pack(records.START, start))

    def a_start(self, lane: str, *, epoch: int, now_ns: int, seq: int) -> Start:
        """A Start with everything that does not depend on the moment filled in."""
        return Start(
            actor=self._pins.actor,
            lane=lane,
            epoch=epoch,
            day=self.day,
            now_ns=now_ns,
            seq=seq,
            schema=wire.FORMS,
            code=self._pins.code,
            settings=self._pins.settings,
            values=self._pins.values,
            lanes=self._pins.lanes,
        )

    def write(self, *recorded: bytes) -> None:
        self._files[self._pins.actor].append(*recorded)

    def write_ticks(self, *recorded: bytes) -> None:
        self._files[lanes.ticks_lane(self._pins.actor)].append(*recorded)

    def sync(self) -> None:
        self._files[self._pins.actor].sync()

    def sync_soon(self) -> None:
        """Let the helper push what was written to the disk; nobody waits for it. One thread serves
        a whole life: asked again while a slow disk keeps it, it goes once more when it is done.
        """
        if self._helper is None:
            self._helper = threading.Thread(target=self._help, name="journal-sync", daemon=True)
            self._helper.start()
        self._asked.set()

    def _help(self) -> None:
        while not self._ended:
            self._asked.wait()
            self._asked.clear()
            with self._syncing:
                try:
                    for file in list(self._files.values()):
                        file.sync()
                except OSError as error:
                    logger.warning("journal could not be forced to the disk: {}", error)

    @property
    def released(self) -> bool:
        """Whether the ballast had to be thrown: the disk is all but full."""
        return any(file.released for file in self._files.values())

    def places(self) -> dict[str, Place]:
        return {
            lane: Place(self.day, self._births[lane], file.size)
            for lane, file in self._files.items()
        }

    def turn(self, day: str, epoch: int) -> None:
        """Close the day: state where it goes on, then open the next one's files.

        The main journal comes last: it is the one that a restart believes.
        """
        for file in reversed(self._files.values()):
            file.append(records.pack(records.CONTINUED, day))
        self._shut()
        self.open(day, epoch)

    def snapshot(self, memory: Memory) -> None:
        """Replace the day's snapshot. Failing is no tragedy, the journal has everything."""
        path = paths.snapshot_path(self._var, self.day, self._pins.actor)
        try:
            paths.replace(path, journal.seal(records.pack(records.SNAPSHOT, memory)))
        except OSError as error:
            logger.warning("snapshot {}: {}", path, error.strerror)

    def _pack(self, root: Path) -> None:
        """Compress what is two days back and remove what is too old, in a helper."""
        names = self.lane_names
        if any(len(journal.days(root, lane)) > archive.KEEP_PLAIN for lane in names):
            threading.Thread(
                target=_pack_all,
                args=(root, names, self._keep_days),
                name="journal-pack",
                daemon=True,
            ).start()

    def close(self) -> None:
        """Let go of the files; the helper ends once it is done with them."""
        self._ended = True
        self._asked.set()
        self._shut()

    def _shut(self) -> None:
        with self._syncing:
            for file in self._files.values():
                file.close()
            self._files = {}


def _pack_all(root: Path, names: Sequence[str], keep_days: int) -> None:
    for lane in names:
        try:
            for gone in archive.forget(root, lane, keep_days):
                logger.info("removed {}, older than {} trading days", gone, keep_days)
            for packed in archive.compress(root, lane):
                logger.info("packed {}", packed)
        except OSError as error:
            logger.warning("packing old journals of {}: {}", lane, error)
