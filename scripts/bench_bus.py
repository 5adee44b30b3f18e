"""`tsq bench bus`: one speaker, six hearers, nothing lost; ours beside bare pyzmq in the same run.

Ours are seven real actors: the speaker journals each quote and says it, each hearer journals what
it heard and tells its core. The bare ones send and decode the same bytes and do nothing else. A
rate is messages over the time from the first sent to the moment the last hearer has them all.
Rounds alternate, so that both meet the same neighbours. Beside the rates, which on a busy computer
say how many cores were left, stands what all seven processes ran for a message, where the kernel
tells it.
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
from typing import Any, Final, NamedTuple

from scripts.bench import load_now, on_core
from scripts.bench_actors import HEARERS, Stage
from scripts.console import CommandError, Exit, natural, report
from shared.units import SECOND

PATIENCE_S: Final = 120.0


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--messages", type=natural, default=60_000, help="a round (60,000)")
    parser.add_argument("--rounds", type=natural, default=3, help="of each (3)")


def run(args: argparse.Namespace) -> Exit:
    rounds: dict[str, list[Round]] = {"ours": [], "bare": []}
    for _ in range(max(1, args.rounds)):
        for who, measure in (("bare", bare), ("ours", ours)):
            rounds[who].append(measure(args.messages))
    middle = {who: statistics.median(it.per_s for it in found) for who, found in rounds.items()}
    cost = {who: statistics.median(it.cpu_us for it in found) for who, found in rounds.items()}
    ratio = middle["ours"] / middle["bare"]
    text = (
        f"{args.messages:,} messages to {HEARERS} hearers, none lost, median of {args.rounds}:\n"
        f"  bare pyzmq + msgspec  {middle['bare']:>9,.0f} /s   {cost['bare']:5.1f} us of CPU each\n"
        f"  ours, journals on     {middle['ours']:>9,.0f} /s   {cost['ours']:5.1f} us of CPU each\n"
        f"  ratio                 {ratio:>9.2f}     (target 0.5 and more; {load_now()})"
    )
    data: dict[str, Any] = {"messages": args.messages, "rounds": rounds, "ratio": ratio}
    report(args, text, data | {"load": load_now()})
    return Exit.OK


class Round(NamedTuple):
    """Messages a second, and microseconds that all processes together ran for each."""

    per_s: float
    cpu_us: float


def ours(messages: int) -> Round:
    """Through seven actors."""
    with Stage(BENCH_MESSAGES=str(messages)) as stage:
        hearers = [f"bench_hearer_{n}" for n in range(HEARERS)]
        for name in hearers:
            stage.start(name)
        stage.start("bench_source")
        return measured(stage.folder, hearers, messages, stage.processes)


def bare(messages: int) -> Round:
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
        return measured(folder, hearers, messages, begun)
    finally:
        for process in begun:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def measured(
    folder: Path, hearers: list[str], messages: int, processes: list[subprocess.Popen[bytes]]
) -> Round:
    """Wait for everybody's note of the instant at which all was heard. Raises CommandError."""
    first, notes = folder / "source.began", [folder / f"{name}.heard" for name in hearers]
    wait_for([first])
    before = sum(on_core(process.pid)[0] for process in processes)
    wait_for(notes)
    ran = sum(on_core(process.pid)[0] for process in processes) - before
    took = max(int(note.read_text()) for note in notes) - int(first.read_text())
    return Round(messages / (took / SECOND), ran * 1e6 / messages)


def wait_for(notes: list[Path]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not all(note.exists() and note.stat().st_size for note in notes):
        if time.monotonic() > deadline:
            late = ", ".join(note.stem for note in notes if not note.exists())
            raise CommandError(
                f"not all heard everything within {PATIENCE_S:g} s: {late}", Exit.CHECK_FAILED
            )
        time.sleep(0.01)
