"""The whole kill matrix: squares are dealt to casts side by side, and noted as they are played.

Each cast is a process of its own with a folder and ports of its own, so several play at once. What
became of a square is appended to a file in the moment it is known: a run that is cut short, or that
is given few minutes a night, goes on where it stopped. A square whose step the market did not bring
about is dealt again; one that broke is told, its cast is kept, and the rest is dealt to others.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

import msgspec
from msgspec import Struct

from scripts import page
from scripts.chaos import BROKEN
from scripts.matrix import DRILL, STEPS, Cell, Matrix, NotReached, cells
from scripts.rehearsal import Rehearsal, TimedOut

MARK: Final = "matrix"  # of the counts; the table has a place of its own
CELLS_PER_CAST: Final = 30  # then a new one: the day has loss limits
PASSES: Final = 4  # how often a square that was not reached is dealt

Key = tuple[str, str, str]


class Square(Struct, frozen=True, tag=True):
    """What became of a square: seconds until all was well, or why there are none."""

    step: str
    victim: str
    number: str
    seconds: float = 0.0
    missed: str = ""  # the step did not come
    broken: str = ""  # a promise did not hold

    @property
    def key(self) -> Key:
        return self.step, self.victim, self.number


class Ended(Struct, frozen=True, tag=True):
    """The end of a cast: what its count and its replay came to."""

    squares: int
    orders: int = 0
    fills: int = 0
    decisions: int = 0
    broken: str = ""


Note = Callable[[Square | Ended], None]
_decode: Final = msgspec.json.Decoder(Square | Ended).decode


class Table:
    """What became of each square, the last time it was played."""

    def __init__(self, noted: Sequence[Square | Ended] = ()) -> None:
        self.squares = {row.key: row for row in noted if isinstance(row, Square)}
        self.casts = [row for row in noted if isinstance(row, Ended)]

    @classmethod
    def read(cls, results: Path) -> Table:
        """Raises ValueError for a file that is not one of ours."""
        lines = results.read_bytes().splitlines() if results.exists() else []
        return cls([_decode(line) for line in lines])

    def broken(self) -> list[str]:
        """What did not hold: squares, and ends of casts."""
        found = [f"{' '.join(row.key)}: {row.broken}" for row in self._those("broken")]
        return found + [f"the end of a cast: {cast.broken}" for cast in self.casts if cast.broken]

    def missed(self) -> list[str]:
        return [f"{' '.join(row.key)}: {row.missed}" for row in self._those("missed")]

    def left(self, *, again: bool) -> list[Cell]:
        """Squares that have not held; those that broke only if they are to be tried `again`."""
        held = {row.key for row in self.squares.values() if not row.missed}
        if again:
            held -= {row.key for row in self._those("broken")}
        return [cell for cell in cells() if key_of(cell) not in held]

    def lines(self) -> Iterator[str]:
        """Markdown: a row per victim, a column per step; killed / frozen, seconds to well."""
        yield "| killed / frozen at | " + " | ".join(step.name for step in STEPS) + " |"
        yield "|---" * (len(STEPS) + 1) + "|"
        for victim in dict.fromkeys(cell.victim for cell in cells()):
            row = (self._both(step.name, victim) for step in STEPS)
            yield f"| {victim} | " + " | ".join(row) + " |"

    def summary(self) -> str:
        """The counts, as a sentence or two."""
        held = [row for row in self.squares.values() if not (row.missed or row.broken)]
        broken, missed = self.broken(), self.missed()
        slowest = max(held, key=lambda row: row.seconds, default=None)
        orders, fills, decisions = (
            sum(getattr(cast, name) for cast in self.casts)
            for name in ("orders", "fills", "decisions")
        )
        told = (
            f"{len(held)} of {len(cells())} squares held, {len(broken)} broke, {len(missed)} were "
            f"not reached; {len(self.casts)} casts, {orders:,} orders, {fills:,} fills booked once "
            f"each, {decisions:,} decisions replayed equal."
        )
        if slowest:
            told += f" Slowest to be well: {slowest.seconds:.1f} s ({' '.join(slowest.key)})."
        more = [f"- BROKEN: {it}" for it in broken] + [f"- not reached: {it}" for it in missed]
        return "\n".join((told, *more))

    def _those(self, mark: str) -> list[Square]:
        return [row for row in self.squares.values() if getattr(row, mark)]

    def _both(self, step: str, victim: str) -> str:
        rows = (self.squares.get((step, victim, name)) for name in ("SIGKILL", "SIGSTOP"))
        return " / ".join(shown(row) for row in rows)


def shown(row: Square | None) -> str:
    if row is None or row.missed:
        return "-"
    return "BROKEN" if row.broken else f"{row.seconds:.1f}"


def key_of(cell: Cell) -> Key:
    return cell.step.name, cell.victim, cell.number.name


# -- dealing ---------------------------------------------------------------------------------------


def play_all(minutes: float, seed: int, jobs: int, results: Path) -> Table:
    """Squares dealt by a seed until all have held, or the minutes (0: any) are over."""
    until = time.monotonic() + (minutes * 60 if minutes else 1e9)
    for attempt in range(PASSES):
        left = Table.read(results).left(again=not attempt)
        if not left or time.monotonic() > until:
            break
        Random(seed + attempt).shuffle(left)
        size = min(CELLS_PER_CAST, -(-len(left) // jobs))
        hands = [
            [key_of(cell) for cell in left[at : at + size]] for at in range(0, len(left), size)
        ]
        play = partial(play_hand, until=until, results=results)
        with multiprocessing.get_context("spawn").Pool(jobs, _end_by_exit) as pool:
            for _ in pool.imap_unordered(play, enumerate(hands)):
                pass
            pool.close()
            pool.join()  # workers end by themselves; only an interrupt asks them to
    return Table.read(results)


def _end_by_exit() -> None:
    """A worker that is asked to end leaves nothing behind: its `finally` runs."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


def play_hand(dealt: tuple[int, list[Key]], until: float, results: Path) -> None:
    """One cast plays its hand; all that is known is in `results`."""
    if time.monotonic() > until:
        return
    at, keys = dealt
    known = {key_of(cell): cell for cell in cells()}
    folder = Path(tempfile.mkdtemp(prefix="tsq-matrix-"))
    began = time.monotonic()

    def say(text: str) -> None:
        sys.stdout.write(f"cast {at}, {time.monotonic() - began:6.1f} s  {text}\n")
        sys.stdout.flush()

    def note(row: Square | Ended) -> None:
        with results.open("ab") as file:
            file.write(msgspec.json.encode(row) + b"\n")

    cast = Rehearsal(folder / "var", **DRILL)
    matrix, sound = Matrix(cast, say), False
    try:
        sound = _play(matrix, [known[key] for key in keys], until, note)
    finally:
        matrix.ears.close()
        cast.close()
        if sound:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            say(f"kept: {folder}")


def _play(
    matrix: Matrix, hand: list[Cell], until: float, note: Callable[[Square | Ended], None]
) -> bool:
    """Whether everything held."""
    played, key = 0, ("", "", "")
    try:
        matrix.begin()
        for cell in hand:
            if time.monotonic() > until:
                break
            began, key = time.monotonic(), key_of(cell)
            try:
                seconds = matrix.play(cell)
            except NotReached as reason:
                note(Square(*key, missed=str(reason)))
                matrix.say(f"{cell}: not played, {reason}")
                continue
            played += 1
            note(Square(*key, seconds=round(seconds, 2)))
            waited_s = time.monotonic() - began - seconds
            matrix.say(f"{cell}: well after {seconds:.1f} s (and {waited_s:.0f} s to come to it)")
        key = ("", "", "")
        matrix.end()
        done = matrix.chaos.done
        note(Ended(played, done["orders"], done["fills"], done["decisions"]))
    except (TimedOut, AssertionError, OSError) as error:
        why = f"{type(error).__name__}: {error}"
        note(Square(*key, broken=why) if key[0] else Ended(played, broken=why))
        matrix.say(f"BROKEN at {' '.join(key) or 'the end'}: {why}")
        return False
    return True


def main(asked: argparse.Namespace) -> int:
    """`python -m scripts.chaos matrix`; the exit code."""
    with contextlib.ExitStack() as kept:
        results = asked.results
        if results is None:
            folder = kept.enter_context(tempfile.TemporaryDirectory(prefix="tsq-matrix-"))
            results = Path(folder) / "results"
        table = play_all(asked.minutes or 0.0, asked.seed, asked.jobs, results)
    sys.stdout.write("\n".join((table.summary(), "", *table.lines(), "")))
    if asked.report is not None:
        page.put(asked.report, MARK, table.summary())
        page.put(asked.report, f"{MARK} table", "\n".join(table.lines()))
    return BROKEN if table.broken() else 0
