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


def sample(now: float, pid: int) -> Sample:
    """One look. Raises OSError when the process is gone."""
    here = Path(f"/proc/{pid}")
    rss = int((here / "statm").read_text().split()[1]) * PAGE
    stat = (here / "stat").read_text().rsplit(")", 1)[1].split()
    busy = (int(stat[11]) + int(stat[12])) / TICK
    return Sample(now, pid, rss, len(list((here / "fd").iterdir())), busy)


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
