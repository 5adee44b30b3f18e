"""`tsq bench bus`: one speaker, six hearers, nothing lost; ours beside bare pyzmq in the same run.

Ours are seven real actors: the speaker journals each quote and says it, each hearer journals what
it heard and tells its core. The bare ones send and decode the same bytes and do nothing else. A
rate is messages over the time from the first sent to the moment the last hearer has them all.
Rounds alternate, so that both meet the same neighbours.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess  # nosec B404 - starts our own benches
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from scripts.bench import load_now
from scripts.bench_actors import HEARERS, Stage
from scripts.console import CommandError, Exit, natural, report

PATIENCE_S: Final = 120.0


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--messages", type=natural, default=60_000, help="a round (60,000)")
    parser.add_argument("--rounds", type=natural, default=3, help="of each (3)")


def run(args: argparse.Namespace) -> Exit:
    rates: dict[str, list[float]] = {"ours": [], "bare": []}
    for _ in range(max(1, args.rounds)):
        for who, measure in (("bare", bare), ("ours", ours)):
            rates[who].append(measure(args.messages))
    middle = {who: statistics.median(found) for who, found in rates.items()}
    ratio = middle["ours"] / middle["bare"]
    text = (
        f"{args.messages:,} messages to {HEARERS} hearers, none lost, median of {args.rounds}:\n"
        f"  bare pyzmq + msgspec  {middle['bare']:>9,.0f} /s\n"
        f"  ours, journals on     {middle['ours']:>9,.0f} /s\n"
        f"  ratio                 {ratio:>9.2f}     (target 0.5 and more; {load_now()})"
    )
    data: dict[str, Any] = {"messages": args.messages, "per_s": rates, "ratio": ratio}
    report(args, text, data | {"load": load_now()})
    return Exit.OK


def ours(messages: int) -> float:
    """Messages a second through seven actors."""
    with Stage(BENCH_MESSAGES=str(messages)) as stage:
        hearers = [f"bench_hearer_{n}" for n in range(HEARERS)]
        for name in hearers:
            stage.start(name)
        stage.start("bench_source")
        return rate(stage.folder, hearers, messages)


def bare(messages: int) -> float:
    """The same through seven bare processes."""
    folder = Path(tempfile.mkdtemp(prefix="tsq-bench-"))
    words = [sys.executable, "-m", "scripts.bench_bare"]
    hearers = [f"bare_hearer_{n}" for n in range(HEARERS)]
    begun = [
        subprocess.Popen([*words, "hear", str(folder), name, str(messages)])  # nosec B603
        for name in hearers
    ]
    try:
        begun.append(subprocess.Popen([*words, "say", str(folder), str(messages)]))  # nosec B603
        return rate(folder, hearers, messages)
    finally:
        for process in begun:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def rate(folder: Path, hearers: list[str], messages: int) -> float:
    """Wait for everybody's note of the instant at which all was heard. Raises CommandError."""
    notes = [folder / f"{name}.heard" for name in hearers]
    deadline = time.monotonic() + PATIENCE_S
    while not all(note.exists() for note in notes):
        if time.monotonic() > deadline:
            late = ", ".join(note.stem for note in notes if not note.exists())
            raise CommandError(
                f"not all heard everything within {PATIENCE_S:g} s: {late}", Exit.CHECK_FAILED
            )
        time.sleep(0.05)
    began = int((folder / "source.began").read_text())
    ended = max(int(note.read_text()) for note in notes)
    return messages / ((ended - began) / 1e9)
