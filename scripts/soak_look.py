"""One look at a process from outside, and what a row of looks says. Linux only: it reads /proc."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

MIB = 1024 * 1024
PAGE = os.sysconf("SC_PAGE_SIZE")
TICK = os.sysconf("SC_CLK_TCK")


class Sample(Struct, frozen=True):
    """One look at one process. `cpu_s`: processor seconds so far; `rss` in bytes."""

    at_s: float
    pid: int
    rss: int
    files: int
    cpu_s: float


class Row(Struct, frozen=True):
    """What became of one process: memory in MiB, slopes (after warm-up, and of the last half alone)
    and journal in MiB an hour.
    """

    name: str
    rss_first: float
    rss_last: float
    slope: float
    slope_late: float
    files_first: int
    files_last: int
    cpu_percent: float
    journal_per_hour: float
    restarts: int
    flat: bool


def sample(now: float, pid: int) -> Sample:
    """One look. Raises OSError when the process is gone."""
    here = Path(f"/proc/{pid}")
    rss = int((here / "statm").read_text().split()[1]) * PAGE
    stat = (here / "stat").read_text().rsplit(")", 1)[1].split()
    busy = (int(stat[11]) + int(stat[12])) / TICK
    return Sample(now, pid, rss, len(list((here / "fd").iterdir())), busy)


def bytes_of(path: Path) -> int:
    """What a file takes; nothing when it was packed or removed since it was listed."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def mean_rss(samples: list[Sample]) -> float:
    return sum(one.rss for one in samples) / len(samples) / MIB


def slope(samples: list[Sample]) -> float:
    """Least squares through resident memory, MiB an hour; 0 where there is no line to draw."""
    if not samples:
        return 0.0
    middle = sum(one.at_s for one in samples) / len(samples)
    spread = sum((one.at_s - middle) ** 2 for one in samples)
    if not spread:
        return 0.0
    height = sum((one.at_s - middle) * one.rss for one in samples)
    return height / spread * 3600 / MIB


def table(rows: list[Row], journal_unit: str) -> str:
    """For people; the same numbers are in `--json`."""
    heads = (
        ("process", "RSS warm", "RSS end", "slope", "late", "files", "CPU", "journal", "ended"),
        ("", "MiB", "MiB", "MiB/h", "MiB/h", "", "%", journal_unit, ""),
    )
    lines = [("{:<24}" + "{:>10}" * 8).format(*head) for head in heads]
    lines += [
        f"{it.name:<24}{it.rss_first:>10.1f}{it.rss_last:>10.1f}{it.slope:>+10.1f}"
        f"{it.slope_late:>+10.1f}{f'{it.files_first}-{it.files_last}':>10}{it.cpu_percent:>10.1f}"
        f"{it.journal_per_hour:>10.1f}{it.restarts:>10}"
        for it in rows
    ]
    names = ("rss_first", "rss_last", "slope", "slope_late", "cpu_percent", "journal_per_hour")
    first, last, grown, late, busy, written = (sum(getattr(it, n) for it in rows) for n in names)
    lines.append(
        f"{'together':<24}{first:>10.1f}{last:>10.1f}{grown:>+10.1f}{late:>+10.1f}{'':>10}"
        f"{busy:>10.1f}{written:>10.1f}{sum(it.restarts for it in rows):>10}"
    )
    return "\n".join(lines)
