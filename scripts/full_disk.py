"""A disk that is really full, under real processes: `python -m scripts.full_disk`.

The cast gets a file system of its own, some megabytes of memory mounted in a name space that ends
with us (`unshare`, no rights needed where the kernel lets users have name spaces), and a file
beside its journals takes the room away. The venue's own journal lies elsewhere, for a venue does
not live on our disk. In turn: below `disk_low_mb` nothing opens; below `disk_stop_mb` a position is
closed; with not a byte left the ballast is thrown, whoever cannot write ends or only reduces, and
the account is closed within `STEP_S`, by the governor's last word or by the sentinel, which needs
no record; and once more with both of them killed at that moment, so that nobody's word is left and
the sentinel has to begin without a byte. Every byte that comes free is taken again at once, until
the account has stayed flat for a while. With room again everybody comes back and trades.
The venue judges:
positions, stops, tags, each fill booked once; then every journal is verified and told to its core
again. Ends with 0, 2 when a promise broke, 77 where nothing may be mounted.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess  # nosec B404 - mounts and starts ourselves, fixed words
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from scripts import page
from scripts.chaos import BROKEN, LIVE, said_by
from scripts.matrix import DRILL, Matrix
from scripts.rehearsal import Rehearsal, TimedOut
from shared.runtime import disk, flatten_files, paths
from shared.runtime.replay import verify

CANNOT_MOUNT: Final = 77
MARK, STORY = "disk", "story"
SIZE_MB: Final = 96
LOW_MB, STOP_MB = 40, 20
MIB: Final = 1024 * 1024
STEP_S: Final = 90.0
QUIET_S: Final = 5.0
EAT_S: Final = 0.02  # between two looks for a byte that came free
HANDS: Final = ("risk_governor", "sentinel")  # who closes an account, each for itself
DAY: Final = "2026-11-18"  # of the drill's market
SETTINGS: Final = {
    "TSQ__RISK_GOVERNOR__PRETRADE__DISK_LOW_MB": str(LOW_MB),
    "TSQ__RISK_GOVERNOR__PRETRADE__DISK_STOP_MB": str(STOP_MB),
    "TSQ__SLEEVES__TREND__PARAMS": "{hold_bars = 30, stop_ticks = 200}",
}
"""What is held stays: neither the sleeve nor its stop ends it before the disk is full."""


class Filler:
    """A file that leaves so much room and no more."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "filler"

    def leave(self, free_mb: int) -> None:
        """Grow until only so much is left; to the last byte for 0."""
        with self._path.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while (over := disk.free_bytes(self._path.parent) - free_mb * MIB) > 0:
                file.write(bytes(min(over, MIB)))

    @contextlib.contextmanager
    def greedy(self) -> Iterator[None]:
        """Take every byte for as long as this lasts, also what comes free meanwhile."""
        over = threading.Event()

        def eat() -> None:
            while not over.wait(EAT_S):
                self.leave(0)

        eater = threading.Thread(target=eat, name="filler")
        self.leave(0)
        eater.start()
        try:
            yield
        finally:
            over.set()
            eater.join()

    def go(self) -> None:
        self._path.unlink(missing_ok=True)


class FullDisk:
    """The story on one cast, told by `say`."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        """`folder / "disk"` is the small file system."""
        self.cast = Rehearsal(folder / "disk" / "var", **{**DRILL, **SETTINGS})
        self.matrix, self.say = Matrix(self.cast, say), say
        self.filler = Filler(folder / "disk")
        day = paths.journal_root(self.cast.var) / DAY
        day.mkdir(parents=True)
        (day / "simulator.journal").symlink_to(folder / "simulator.journal")

    def play(self) -> None:
        """Raises AssertionError (TimedOut) where a promise broke."""
        self.matrix.begin()
        self.nothing_opens()
        self.closed_in_time()
        self.closed_without_a_byte()
        self.trades_again("after a full disk")
        self.closed_without_a_byte(*HANDS)
        self.trades_again("after another full disk")
        self.matrix.end()
        self.journals_sound()

    def nothing_opens(self) -> None:
        self.held()
        self.filler.leave((LOW_MB + STOP_MB) // 2)
        self.wait(lambda: self.vetoed("DISK"), "an entry is vetoed for the disk")
        self.wait(lambda: not self.cast.lots(), "what was held is over")
        time.sleep(QUIET_S)
        assert not self.cast.lots(), "something was opened"
        assert not self.latched(), "and nothing more: the next threshold is not reached"
        self.say(f"below {LOW_MB} MiB nothing opens")
        self.trades_again("with room")

    def closed_in_time(self) -> None:
        self.held()
        self.filler.leave(STOP_MB // 2)
        self.wait(self.latched, "the governor closes everything")
        self.wait(lambda: not self.cast.lots(), "flat")
        self.say(f"below {STOP_MB} MiB everything is closed")
        self.trades_again("with room")

    def closed_without_a_byte(self, *killed: str) -> None:
        """What was put by is taken too, so that journals fail while a position is open. `killed`
        die then, and find no byte to begin with.
        """
        ballast = paths.ballast_path(self.cast.var)
        assert ballast.exists(), "megabytes were put by"
        self.held()
        began, served = time.monotonic(), self.served()
        with self.filler.greedy():
            self.wait(lambda: not ballast.exists(), "the ballast is thrown")
            for name in killed:
                self.kill(name)
            self.wait(self.closed_or_covered, "the account is closed without a byte")
            took = time.monotonic() - began
            self.stays_flat()
        sentinel = self.served() != served
        hand = "by the sentinel" if sentinel else "by a last word, or its own stop"
        more = f", {' and '.join(killed)} killed" if killed else ""
        self.say(
            f"without a byte{more}: the ballast thrown, the account flat after {took:.0f} s {hand}"
        )

    def kill(self, name: str) -> None:
        """Unless the disk was faster."""
        pid = self.cast.pids().get(name, 0)
        if pid and self.cast.is_ours(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def closed_or_covered(self) -> bool:
        """Whether nothing is held and nothing works; what is still held has its whole stop."""
        if self.cast.lots():
            self.cast.wait(self.matrix.covered, QUIET_S, "a whole stop on a full disk")
            return False
        return all(order["status"] not in LIVE for order in self.cast.truth()["openOrders"])

    def stays_flat(self) -> None:
        """Nobody closes a second time, and nothing opens."""
        until = time.monotonic() + QUIET_S
        while time.monotonic() < until:
            assert self.closed_or_covered(), "closed twice, or opened on a full disk"
            time.sleep(EAT_S)

    def served(self) -> flatten_files.Progress | None:
        """The last word on a flatten that somebody asked for."""
        return flatten_files.progress(paths.run_path(self.cast.var))

    def trades_again(self, when: str) -> None:
        """Room is back, a person resumes."""
        self.filler.go()
        self.matrix.chaos.settle()
        self.cast.ready(STEP_S)
        self.matrix.free()
        self.held()
        self.say(f"{when} it trades again")

    def journals_sound(self) -> None:
        files = sorted(paths.journal_root(self.cast.var).glob("*/*.journal"))
        for path in files:
            verdict = verify(path)
            assert verdict.trouble == "", f"{path.name}: {verdict.trouble}"
            assert not verdict.torn, f"{path.name} is torn"
        assert not list(paths.journal_root(self.cast.var).glob("*/*corrupt*")), "set aside"
        self.say(f"{len(files)} journals sound")

    # -- looking -------------------------------------------------------------------------------

    def held(self) -> None:
        self.wait(lambda: bool(self.cast.lots()), "the drill holds something")

    def vetoed(self, rule: str) -> bool:
        events = (said["event"] for said in said_by(self.cast.var, "risk_governor"))
        return any(event["t"] == "OrderVetoed" and rule in event["rule"] for event in events)

    def latched(self) -> bool:
        risk: dict[str, Any] = (self.cast.api("/api/risk") or {}).get("risk", {})
        return "disk" in str(risk.get("cause", "")) and risk.get("level") != "ACTIVE"

    def wait(self, question: Callable[[], bool], what: str) -> None:
        self.cast.wait(question, STEP_S, what)


def mounted(folder: Path) -> bool:
    """Put a small file system there; only inside a name space of our own."""
    words = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m,mode=0700", "tmpfs", str(folder)]
    if shutil.which(words[0]) is None:
        return False
    return subprocess.run(words, capture_output=True, check=False).returncode == 0  # nosec B603


def inside(folder: Path) -> int:
    """The story, in the name space."""
    began = time.monotonic()

    def say(text: str) -> None:
        line = f"{time.monotonic() - began:6.1f} s  {text}"
        with (folder / STORY).open("a") as story:
            story.write(f"{line}\n")
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    (folder / "disk").mkdir()
    if not mounted(folder / "disk"):
        return CANNOT_MOUNT
    story = FullDisk(folder, say)
    try:
        story.play()
    except (TimedOut, AssertionError, OSError) as error:
        say(f"BROKEN: {type(error).__name__}: {error}")
        return BROKEN
    finally:
        story.matrix.ears.close()
        story.cast.close()
    return 0


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("full_disk", description=__doc__.partition("\n")[0])
    parser.add_argument("--report", type=Path, help="document that gets the story")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args(words)
    if asked.inside is not None:
        return inside(asked.inside)
    again = [sys.executable, "-m", "scripts.full_disk", "--inside"]
    unshare = shutil.which("unshare")
    if unshare is None:
        return CANNOT_MOUNT
    with tempfile.TemporaryDirectory(prefix="tsq-disk-") as folder:
        done = subprocess.run(  # nosec B603 - fixed words, no shell
            [unshare, "--map-root-user", "--mount", *again, folder], check=False, env=os.environ
        )
        if done.returncode not in (0, BROKEN):
            return CANNOT_MOUNT
        if asked.report is not None:
            page.put(asked.report, MARK, f"```\n{(Path(folder) / STORY).read_text()}```")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
