"""`tsq bench latency`: from a quote on the bus to the bytes of the order it led to, journals on.

A private copy of the cast trades the simulated market. An order's story is read from the journals
(quote, intent, approval) and ends with a stamp as the router's request leaves. Only orders whose
intent was the answer to a quote count. Beside them, at the same time and on the same cores, runs a
bare chain of as many hops: pyzmq and msgspec, quotes at a like rate and one in twenty passed on,
and at its end the same kind of last metre, a request by aiohttp's client on a connection kept open
to a server of its own; the instant is that of its bytes being handed to the kernel, as with us. Its
time without that metre, up to the receipt at the last hop, is printed too; what the target means is
the whole. For the second half of the time the chain has company: five more hear what its source and
its last but one say, and one of them all of it, as sleeves and exporter do with us. They cost it
what hearers who only decode cost.

The maker answers a quote by two orders, and the second waits for the first: so the first orders of
their quotes are shown by themselves too.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess  # nosec B404 - starts our own benches
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import msgspec

from scripts.bench import load_now, share
from scripts.bench_stamped import STAMPS
from scripts.console import CommandError, Exit, natural, report
from scripts.rehearsal import Rehearsal, free_port
from shared.runtime import clock, history, journal, paths, records, wire

BARE_HOPS: Final = 3
COMPANY: Final = ("0,2", "0,2", "0,2", "0,2", "0,1,2")  # whose words each of five hears besides
STEPS: Final = ("quote to intent", "intent to approval", "approval to bytes", "whole")
FIRST: Final = "whole, first of its quote"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=natural, default=120, help="of trading (120)")
    parser.add_argument("--speed", type=natural, default=3, help="of the market: more orders (3)")


def run(args: argparse.Namespace) -> Exit:
    folder = Path(tempfile.mkdtemp(prefix="tsq-bench-"))
    stamps = folder / "stamps"
    python = wrapper(folder)
    settings = {"TSQ_PYTHON": str(python), STAMPS: str(stamps)}
    settings["TSQ__SIMULATOR__SPEED"] = f"{max(1, args.speed)}.0"
    cast = Rehearsal(folder / "var", **settings)
    try:
        cast.start()
        cast.ready(120.0)
        bare = bare_chain(folder, args.seconds // 2)
        crowd = bare_chain(folder, args.seconds - args.seconds // 2, COMPANY)
        reading = msgspec.json.decode(
            paths.clock_path(paths.run_path(cast.var)).read_bytes(), type=clock.Reading
        )
        cast.stop()
        steps = stories(cast.var, reading, stamps)
    finally:
        cast.close()
        shutil.rmtree(folder, ignore_errors=True)
    if not steps["whole"] or not bare[0] or not crowd[0]:
        raise CommandError("no order was the answer to a quote; try longer", Exit.CHECK_FAILED)
    received, left = bare
    shown = {**steps, "bare chain to its last hop": received, "bare chain to its bytes": left}
    shown["the same in company"] = crowd[1]
    lines = [line(name, taken) for name, taken in shown.items()]
    ratios = {
        name: share(steps["whole"], 0.5) / share(taken, 0.5)
        for name, taken in (("bare", left), ("in company", crowd[1]))
    }
    first = share(steps[FIRST], 0.5) / share(left, 0.5)
    lines.append(
        f"ratio at the middle {ratios['bare']:.2f} (target at most 2), {first:.2f} for the first of"
        f" a quote; {ratios['in company']:.2f} to the chain in company; {load_now()}"
    )
    figures = {name: figures_of(taken) for name, taken in shown.items()}
    data = {"us": figures, "ratio": ratios["bare"], "first": first, "load": load_now()}
    report(args, "\n".join(lines), data | {"company": ratios["in company"]})
    return Exit.OK


def figures_of(ordered: list[float]) -> dict[str, float]:
    return {
        "n": len(ordered),
        "p50": share(ordered, 0.5),
        "p99": share(ordered, 0.99),
        "max": ordered[-1],
    }


def line(name: str, ordered: list[float]) -> str:
    it = figures_of(ordered)
    return (
        f"{name:<28} n {it['n']:>5}  p50 {it['p50']:>8.0f}  p99 {it['p99']:>8.0f}  "
        f"max {it['max']:>8.0f} us"
    )


def wrapper(folder: Path) -> Path:
    """A "python" for supervisord that starts the stamped router instead of the plain one."""
    path = folder / "python"
    path.write_text(
        "#!/bin/sh\n"
        '[ "$4" = services.order_router ] && set -- "$1" "$2" -m scripts.bench_stamped\n'
        f'exec {sys.executable} "$@"\n'
    )
    path.chmod(0o700)  # nosec B103 - for us alone
    return path


# -- ours ------------------------------------------------------------------------------------------


def stories(var: Path, reading: clock.Reading, stamps: Path) -> dict[str, list[float]]:
    """Microseconds of each step of each order that answered a quote, sorted."""
    root = paths.journal_root(var)
    day = max(entry.name for entry in root.iterdir())
    intents = {
        entry.id: entry
        for lane in history.lanes(root)
        if lane.startswith("sleeve_")
        for entry in history.entries(root, lane, day)
        if ".ticks:" in entry.cause
    }
    approvals = {
        entry.event["tag"]: entry
        for entry in history.entries(root, "risk_governor", day)
        if entry.kind == "OrderApproved" and entry.cause in intents
    }
    ticks = said_when(root, day, {intents[entry.cause].cause for entry in approvals.values()})
    found: dict[str, list[float]] = {step: [] for step in (*STEPS, FIRST)}
    answered: set[str] = set()  # quotes
    for row in stamps.read_text().splitlines():
        left, _, tag = row.partition(" ")
        approval = approvals.get(tag)
        if approval is None:
            continue
        intent = intents[approval.cause]
        marks = [ticks[intent.cause], intent.time_ns, approval.time_ns]
        marks.append(int(reading.market_ns + (int(left) - reading.mono_ns) * reading.speed))
        for step, (one, next_one) in zip(STEPS, pairwise(marks), strict=False):
            found[step].append((next_one - one) / reading.speed / 1_000)
        whole = (marks[-1] - marks[0]) / reading.speed / 1_000
        found["whole"].append(whole)
        if intent.cause not in answered:
            answered.add(intent.cause)
            found[FIRST].append(whole)
    return {step: sorted(taken) for step, taken in found.items()}


def said_when(root: Path, day: str, wanted: set[str]) -> dict[str, int]:
    """Market time of the named ticks."""
    lane = "market_data_gateway.ticks"
    path = journal.find(root, day, lane)
    assert path is not None, "somebody heard ticks of it"
    found = {}
    for frame in journal.frames(path, 0, frozenset({records.SAID})):
        head = wire.head(frame.record[2:])
        name = f"{lane}:{head.epoch}:{head.seq}"
        if name in wanted:
            found[name] = head.time_ns
    return found


# -- the floor -------------------------------------------------------------------------------------


def bare_chain(
    folder: Path, seconds: int, company: tuple[str, ...] = ()
) -> tuple[list[float], list[float]]:
    """Run it for so long; microseconds from the first send to the last receipt, and to the request
    bytes that leave there, each sorted.
    """
    note = folder / f"bare.latency.{len(company)}"
    words = [sys.executable, "-m", "scripts.bench_bare"]
    begun: list[subprocess.Popen[bytes]] = []
    try:
        port = str(free_port())
        begun.append(start([*words, "venue", port]))
        hops = map(str, range(1, BARE_HOPS))
        begun.extend(start([*words, "hop", str(folder), hop]) for hop in hops)
        begun.extend(start([*words, "company", str(folder), whom]) for whom in company)
        begun.append(start([*words, "leave", str(folder), str(BARE_HOPS), str(note), port]))
        begun.append(start([*words, "source", str(folder)]))
        time.sleep(seconds)
    finally:
        for process in begun:
            process.kill()
            process.wait()
    rows = [row.split() for row in note.read_text().splitlines()] if note.exists() else []
    received, left = ([int(row[at]) / 1_000 for row in rows] for at in (0, 1))
    return sorted(received), sorted(left)


def start(words: list[str]) -> subprocess.Popen[bytes]:
    environment: dict[str, Any] = dict(os.environ)
    return subprocess.Popen(words, env=environment)  # nosec B603 - our own modules
