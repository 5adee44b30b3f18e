"""The whole proof in one night: Worlds, the kill matrix, twenty trading days, a full disk.

    python -m scripts.nightly                            a night on two cores
    python -m scripts.nightly --seeds 200 --days 0       0 leaves a part out

One part after the other, each a command of its own that can be given alone; each puts its counts
into its place of the page (`docs/reliability.md`), and the last word, what ran and how it ended, is
put there by us. A part that breaks does not keep the next from running. Ends with 0, or with 2
when any of them did not hold. A part that cannot be played here says so and breaks nothing.
"""

from __future__ import annotations

import argparse
import subprocess  # nosec B404 - runs our own commands, fixed words
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from scripts import page
from scripts.chaos import BROKEN
from scripts.full_disk import CANNOT_MOUNT
from shared.settings import REPO

MARK: Final = "night"
PAGE: Final = REPO / "docs" / "reliability.md"
TABLES: Final = REPO / "docs" / "soak.md"
DAY_S: Final = 86_400
VERDICTS: Final = {0: "held", BROKEN: "BROKE", CANNOT_MOUNT: "not possible here"}


class Part(NamedTuple):
    """A command, without the interpreter."""

    name: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"python -m {' '.join(self.words)}"


class Ran(NamedTuple):
    part: Part
    code: int
    seconds: float

    @property
    def verdict(self) -> str:
        return VERDICTS.get(self.code, f"did not finish (code {self.code})")


def parts(asked: argparse.Namespace) -> list[Part]:
    """What this night is made of. Seeds are fresh every day, so that nights add up."""
    first = asked.first or int(time.time() // DAY_S) * max(asked.seeds, 1)
    found: list[Part] = []

    def add(name: str, *words: object) -> None:
        given = (str(word) for word in (*words, "--report", asked.report))
        found.append(Part(name, tuple(given)))

    if asked.seeds:
        campaign = ("scripts.campaign", "--seeds", asked.seeds, "--from", first)
        add("Worlds", *campaign, "--jobs", asked.jobs)
    if asked.casts:
        add("kill matrix", "scripts.chaos", "matrix", "--jobs", asked.casts, "--seed", first)
    if asked.days:
        soak = ("scripts.soak", "--days", asked.days, "--speed", f"{asked.speed:g}")
        add("trading days", *soak, "--tables", asked.tables)
    if asked.disk:
        add("full disk", "scripts.full_disk")
    return found


def play(part: Part) -> Ran:
    """Run it to its end; what it says goes where ours goes."""
    sys.stdout.write(f"\n--- {part.name}: {part}\n")
    sys.stdout.flush()
    began = time.monotonic()
    words = [sys.executable, "-m", *part.words]
    code = subprocess.run(words, check=False, cwd=REPO).returncode  # nosec B603 - fixed words
    return Ran(part, code, time.monotonic() - began)


def told(night: Sequence[Ran]) -> str:
    """The last word, as Markdown."""
    rows = [
        f"| {ran.part.name} | {ran.verdict} | {ran.seconds / 60:.0f} | `{ran.part}` |"
        for ran in night
    ]
    when = time.strftime("%Y-%m-%d", time.gmtime())
    heads = ("| part | it | minutes | command |", "|---|---|---|---|")
    return "\n".join((f"The night of {when}:", "", *heads, *rows))


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("nightly", description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=10_000, help="Worlds (default 10000)")
    parser.add_argument("--from", dest="first", type=int, default=0, help="first (default: fresh)")
    parser.add_argument("--jobs", type=int, default=2, help="Worlds at once (default 2)")
    parser.add_argument("--casts", type=int, default=2, help="of the matrix at once (default 2)")
    parser.add_argument("--days", type=int, default=20, help="trading days (default 20)")
    parser.add_argument("--speed", type=float, default=6.0, help="of their market (default 6)")
    parser.add_argument("--no-disk", dest="disk", action="store_false", help="no full disk")
    parser.add_argument("--report", type=Path, default=PAGE, help="document that gets the counts")
    parser.add_argument("--tables", type=Path, default=TABLES, help="document that gets tables")
    asked = parser.parse_args(words)
    if min(asked.seeds, asked.first, asked.casts, asked.days) < 0 or asked.jobs < 1:
        parser.error("--jobs is at least 1, every other number at least 0")
    night = [play(part) for part in parts(asked)]
    page.put(asked.report, MARK, told(night))
    sys.stdout.write(f"\n{told(night)}\n")
    return 0 if all(ran.code in (0, CANNOT_MOUNT) for ran in night) else BROKEN


if __name__ == "__main__":
    sys.exit(main())
