"""`tsq bench recovery`: SIGKILL each process of a real cast, with a full day behind it; how long?

A private copy of the cast trades the simulated market. Then it is stopped, every journal is grown
to a full trading day's size by records that a recovery has to pass by, and it is started again.
Timed per process, in real seconds from the kill: until supervisord has started the next one,
until that one beats (it has remembered and caught up), and for those who say so, until it works.
On a busy computer most of that is waiting for a core, so what the kernel knows of the new process
is printed beside it: how long it ran until it beat, and how long it was ready to run and did not.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from scripts.bench import load_now, on_core
from scripts.console import Exit, natural, report
from scripts.measure import WORKS, works_at
from scripts.rehearsal import Rehearsal
from shared.runtime import journal, paths, records
from shared.runtime.clock import SharedClock
from shared.runtime.paths import run_path
from shared.runtime.records import Memory, Place
from shared.units import SECOND

WARM_S: Final = 20.0
DAY_HOURS: Final = 23
MIB_PER_HOUR: Final = {"ticks": 132, "others": 51}
"""What a day at speed 1 was measured to want (docs/operations.md): the ticks, and all the rest."""
PATIENCE_S: Final = 120.0
POLL_S: Final = 0.005
ACTORS: Final = (
    "order_router", "risk_governor", "market_data_gateway", "sleeve_market_maker", "sleeve_trend",
    "metrics_exporter", "sentinel", "simulator",
)  # fmt: skip


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", type=natural, default=5, help="of each process (5)")
    parser.add_argument("--hours", type=natural, default=DAY_HOURS, help="of journal (23)")
    parser.add_argument("--actor", action="append", help="only these", choices=ACTORS)


def run(args: argparse.Namespace) -> Exit:
    folder = Path(tempfile.mkdtemp(prefix="tsq-bench-"))
    cast = Rehearsal(folder / "var", TSQ__RISK_GOVERNOR__TRADES_PER_DAY="1000")
    found: dict[str, list[Times]] = {}
    try:
        cast.start()
        cast.ready()
        time.sleep(WARM_S)
        cast.stop()
        grown = grow(cast.var, args.hours)
        cast.start()
        cast.ready(PATIENCE_S)
        for name in args.actor or ACTORS:
            found[name] = [recovery(cast, name) for _ in range(max(1, args.runs))]
        cast.stop()
    finally:
        cast.close()
        shutil.rmtree(folder, ignore_errors=True)
    size = f"{sum(grown.values()) / (1 << 30):.1f} GiB of journals; {load_now()}"
    text = "\n".join([size, *(line(name, taken) for name, taken in found.items())])
    report(args, text, {"bytes": grown, "seconds": found, "load": load_now()})
    return Exit.OK


class Times(NamedTuple):
    """Seconds from a kill until the next process exists, beats, and works; and of the time until it
    beats, how long it ran and how long it waited for a core (0 where the kernel does not tell).
    """

    started: float
    beats: float
    works: float
    ran: float
    waited: float


def line(name: str, taken: list[Times]) -> str:
    """Middles, and the longest whole."""
    it = Times(*(statistics.median(part) for part in zip(*taken, strict=True)))
    most = max(times.works for times in taken)
    return (
        f"{name:<22} n {len(taken):>2}  started again {it.started:5.2f}  beats {it.beats:5.2f}  "
        f"works {it.works:5.2f}  most {most:5.2f} s  (ran {it.ran:4.2f}, waited {it.waited:4.2f})"
    )


def recovery(cast: Rehearsal, name: str) -> Times:
    """One kill."""
    cast.ready(PATIENCE_S)
    cast.wait(lambda: cast.programs()[name].state == "RUNNING", PATIENCE_S, f"{name} is settled")
    time.sleep(1.0)  # one that dies younger than `startsecs` is held back for a second
    clock = SharedClock(run_path(cast.var))
    old, began, market_ns = cast.epoch(name), time.monotonic(), clock.now_ns()
    pid = cast.kill(name)
    born: float = 0.0
    while cast.epoch(name) <= old:
        if not born and cast.pids().get(name, pid) != pid:
            born = time.monotonic() - began
        assert time.monotonic() < began + PATIENCE_S, f"{name} does not come back"
        time.sleep(POLL_S)
    beats = works = time.monotonic() - began
    ran, waited = on_core(cast.pids().get(name, 0))
    if name in WORKS:
        epoch = cast.epoch(name)
        at_ns = cast.wait(partial(works_at, cast, name, epoch), PATIENCE_S, f"{name} works")
        works = (at_ns - market_ns) / SECOND  # market time is real time here
    return Times(born or beats, beats, works, ran, waited)


# -- a full day ------------------------------------------------------------------------------------


def grow(var: Path, hours: int) -> dict[str, int]:
    """Give each journal of the newest day the size of a full one; bytes by lane."""
    root = paths.journal_root(var)
    day = max(entry.name for entry in root.iterdir())
    files = sorted((root / day).glob("*.journal"))
    lanes = [file.name.removesuffix(".journal") for file in files]
    total = {lane: file.stat().st_size for lane, file in zip(lanes, files, strict=True)}
    others = sum(size for lane, size in total.items() if not lane.endswith(paths.TICKS_SUFFIX))
    shifts: dict[str, int] = {}
    for lane, file in zip(lanes, files, strict=True):
        if lane.endswith(paths.TICKS_SUFFIX):
            wanted = MIB_PER_HOUR["ticks"] << 20
        else:
            wanted = (MIB_PER_HOUR["others"] << 20) * total[lane] // others
        shifts[lane] = pad(file, wanted * hours)
    for lane in lanes:
        shift_snapshot(root / day / f"{lane}.snap", shifts)
    shift_snapshot(paths.memory_path(run_path(var), "metrics_exporter"), shifts)
    return {lane: total[lane] + shifts[lane] for lane in lanes}


def pad(file: Path, wanted: int) -> int:
    """Put records of the usual size behind the first one of a file; how many bytes."""
    seen = list(journal.frames(file))
    top, usual = seen[0], file.stat().st_size // len(seen)
    told = records.pack(records.HEARD, (0, [1 << 20] * (usual // 5)))
    block = journal.seal(told) * ((1 << 20) // (len(told) + journal.HEADER_BYTES))
    count = max(0, wanted // len(block))
    fresh = file.with_suffix(".growing")
    with file.open("rb") as source, fresh.open("wb") as sink:
        sink.write(source.read(top.end))
        for _ in range(count):
            sink.write(block)
        shutil.copyfileobj(source, sink)
    os.replace(fresh, file)
    return count * len(block)


def shift_snapshot(path: Path, shifts: dict[str, int]) -> None:
    """Let a snapshot point to where its places have gone."""
    if not path.exists():
        return
    found = next(journal.frames(path)).record
    memory = records.memory_of(found[2:])

    def moved(lane: str, place: Place) -> Place:
        by = shifts.get(lane, 0) if place.offset else 0
        return msgspec.structs.replace(place, offset=place.offset + by)

    heard: dict[str, Any] = {
        lane: msgspec.structs.replace(mark, place=moved(lane, mark.place))
        for lane, mark in memory.heard.items()
    }
    own = {lane: moved(lane, place) for lane, place in memory.own.items()}
    changed: Memory = msgspec.structs.replace(memory, own=own, heard=heard)
    paths.replace(path, journal.seal(records.pack(records.SNAPSHOT, changed)))
