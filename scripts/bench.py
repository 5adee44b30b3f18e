"""`tsq bench WHAT`: how fast it is here and now, as ratios to something bare in the same run.

One module a bench. A number without its neighbour says more about the computer than about us, so
each is measured beside a floor wherever there is one. No test asserts any of them.
"""

from __future__ import annotations

import argparse
import os
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from scripts.console import Exit
from shared.units import SECOND

BENCHES: Final = {
    "recovery": ("scripts.bench_recovery", "from SIGKILL to useful, with a full day of journal"),
    "latency": ("scripts.bench_latency", "from a quote to the bytes of the order it led to"),
    "risk": ("scripts.bench_risk", "a quote and an intent through all rules of the governor"),
    "bus": ("scripts.bench_bus", "lossless messages a second to six hearers, beside bare pyzmq"),
    "sleeves": ("scripts.bench_sleeves", "what each sleeve itself costs a quote, a bar, a book"),
}


def arguments(parser: argparse.ArgumentParser) -> None:
    whats = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    for name, (module, summary) in BENCHES.items():
        sub = whats.add_parser(name, help=summary, description=summary[0].upper() + summary[1:])
        sub.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="answer in JSON"
        )
        import_module(module).arguments(sub)


def run(args: argparse.Namespace) -> Exit:
    bench: Any = import_module(BENCHES[args.what][0])
    found: Exit = bench.run(args)
    return found


def load_now() -> str:
    """What else the computer does: figures are not to be read without it."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def on_core(pid: int) -> tuple[float, float]:
    """Seconds that a process ran, and that it was ready to run and waited; 0 where the kernel does
    not tell.
    """
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        told = [(task / "schedstat").read_text().split() for task in tasks]
    except OSError:
        return 0.0, 0.0
    return sum(int(it[0]) for it in told) / SECOND, sum(int(it[1]) for it in told) / SECOND


def share(ordered: list[float], part: float) -> float:
    """The value that `part` (0 to 1) of a sorted list does not exceed."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
