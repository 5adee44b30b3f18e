"""Market time, and how a process learns that the computer slept.

Off the simulator market time is the wall's. On it the simulator's process owns it: the runtime
that hosts the simulator keeps `<run>/clock` (an anchor of market time against CLOCK_MONOTONIC, the
speed, and a lease renewed every half second), and every other process computes its time from that
file. Once the lease is over market time stands still, because a market without a simulator has no
time. `now_ns` never decreases, whatever happens to files and clocks.

Real time (heartbeats, deadlines, patience) is CLOCK_MONOTONIC, which is the same for all processes
of one computer and which no one can set.
"""

from __future__ import annotations

import asyncio
import hashlib
import subprocess  # nosec B404 - asks macOS for its boot time, fixed words
import sys
import time
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from shared.runtime import paths
from shared.units import MILLISECOND, SECOND

LEASE_NS: Final = 3 * SECOND
RENEW_EVERY_NS: Final = SECOND // 2
JUMP_NS: Final = 1 * SECOND
_POLL_S: Final = 0.05


class Reading(Struct, frozen=True, kw_only=True):
    """The clock file. At CLOCK_MONOTONIC `mono_ns` market time was `market_ns`."""

    generation: int
    market_ns: int
    mono_ns: int
    speed: float
    lease_mono_ns: int
    boot_id: str

    def at(self, mono_ns: int) -> int:
        """Market time at `mono_ns`; it stands still once the lease is over."""
        awake = min(mono_ns, self.lease_mono_ns) - self.mono_ns
        return self.market_ns + int(awake * self.speed)


_decode: Final = msgspec.json.Decoder(Reading).decode


def boot_id() -> str:
    """Names this boot of the computer: CLOCK_MONOTONIC of another one means nothing."""
    if sys.platform == "linux":
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    told = subprocess.run(  # nosec B603 - fixed words, no shell
        ["/usr/sbin/sysctl", "-n", "kern.boottime"], capture_output=True, check=False
    )
    return hashlib.blake2s(told.stdout, digest_size=8).hexdigest()


class WallClock:
    """Market time off the simulator: UTC, except that it never goes back."""

    def __init__(self) -> None:
        self._last = 0

    def now_ns(self) -> int:
        self._last = max(self._last, time.time_ns())
        return self._last

    def not_before(self, now_ns: int) -> None:
        """Never again tell an earlier time than this (what our journal already holds)."""
        self._last = max(self._last, now_ns)

    def live(self) -> bool:
        """Whether time runs."""
        return True

    def refresh(self) -> None:
        """Called four times a second; the wall needs no care."""

    async def wait(self) -> None:
        """Return once the clock can be trusted: at once."""


class SharedClock(WallClock):
    """Market time on the simulator, computed from `<run>/clock`."""

    def __init__(self, run: Path) -> None:
        super().__init__()
        self._path = paths.clock_path(run)
        self._boot_id = boot_id()
        self._reading: Reading | None = None
        self.refresh()

    def now_ns(self) -> int:
        if self._reading is not None:
            told = self._reading.at(time.monotonic_ns())
            if told > self._last:
                self._last = told
        return self._last

    def refresh(self) -> None:
        """Read the file again. One that is gone, garbled or of another boot changes nothing."""
        try:
            found = _decode(self._path.read_bytes())
        except (OSError, ValueError, RecursionError):
            return
        if found.boot_id == self._boot_id:
            self._reading = found

    def live(self) -> bool:
        return self._reading is not None and time.monotonic_ns() <= self._reading.lease_mono_ns

    async def wait(self) -> None:
        """Return once a simulator keeps the clock."""
        while not self.live():
            await asyncio.sleep(_POLL_S)
            self.refresh()


class ClockWriter(WallClock):
    """The clock of the simulator's own process: it makes market time and tells the others.

    It starts where the journal ended (`not_before`), so dead time is skipped, or at `start_ns`.
    `shy`: others may not go by it before `tell`. A simulator whose address is taken never says it,
    and so nobody of its cast begins to trade at whatever answers there.
    """

    def __init__(self, run: Path, start_ns: int, speed: float, *, shy: bool = False) -> None:
        super().__init__()
        self._shy = shy
        self._path = paths.clock_path(run)
        self._boot_id = boot_id()
        self._start_ns = start_ns
        self._speed = speed
        self._mono_ns = 0
        self._written_ns = 0
        self.generation = time.time_ns() // MILLISECOND

    def now_ns(self) -> int:
        """Stands still at the start until `wait`, and whenever the lease was not renewed."""
        if self._mono_ns:
            awake = min(time.monotonic_ns(), self._written_ns + LEASE_NS) - self._mono_ns
            self._last = max(self._last, self._start_ns + int(awake * self._speed))
        return max(self._last, self._start_ns)

    def refresh(self) -> None:
        """Renew the lease if it is time. A freeze that outlived it becomes a stop of the market."""
        now = time.monotonic_ns()
        if not self._mono_ns or now - self._written_ns < RENEW_EVERY_NS:
            return
        if now > self._written_ns + LEASE_NS:
            self._start_ns, self._mono_ns = self.now_ns(), now
        self._write(now)

    async def wait(self) -> None:
        """Begin: from here on market time runs."""
        now = time.monotonic_ns()
        self._start_ns, self._mono_ns = max(self._last, self._start_ns), now
        self._write(now)

    def tell(self) -> None:
        """Others may go by this clock."""
        self._shy = False
        if self._mono_ns:
            self._write(time.monotonic_ns())

    def leap(self, to_ns: int) -> None:
        """Market time goes on from `to_ns`, or from now if that is later."""
        assert self._mono_ns, "Invariant: market time runs before it leaps"
        self._start_ns, self._mono_ns = max(self.now_ns(), to_ns), time.monotonic_ns()
        self._write(self._mono_ns)

    def _write(self, now: int) -> None:
        self._written_ns = now
        reading = Reading(
            generation=self.generation,
            market_ns=self._start_ns,
            mono_ns=self._mono_ns,
            speed=self._speed,
            lease_mono_ns=now if self._shy else now + LEASE_NS,
            boot_id=self._boot_id,
        )
        paths.replace(self._path, msgspec.json.encode(reading))


class SleepDetector:
    """Notices that the computer slept, or that somebody moved the wall clock.

    On Linux CLOCK_BOOTTIME runs on while the computer sleeps and CLOCK_MONOTONIC does not. Where
    there is no such clock, and off the simulator anyway, the wall must keep step with the
    monotonic one.
    """

    def __init__(self, watch_wall: bool) -> None:
        self._boot = hasattr(time, "CLOCK_BOOTTIME")
        self._wall = watch_wall or not self._boot
        self._anchor = self._offsets()

    def _offsets(self) -> tuple[int, int]:
        mono = time.monotonic_ns()
        boot = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - mono if self._boot else 0
        return boot, time.time_ns() - mono

    def slept_ns(self) -> int:
        """How far the clocks moved apart since the last call; 0 for less than a second.

        Call it often: only jumps count, a clock that is slewed by NTP drifts for hours.
        """
        before = self._anchor
        self._anchor = boot, wall = self._offsets()
        asleep, moved = boot - before[0], wall - before[1]
        if asleep > JUMP_NS:
            return asleep
        return moved if self._wall and abs(moved) > JUMP_NS else 0
