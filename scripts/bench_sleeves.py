"""`tsq bench sleeves`: what a sleeve itself costs a quote, a bar and a book, here and now.

Each sleeve hears the made-up market its contract is checked with; a sleeve that does nothing hears
the very same events, and the difference is the sleeve's own. The floor is the host, not nothing:
it keeps the books for everybody. A view that is learnt again after a correction is counted with the
event that came next. Each event counts at its best of several tellings, so that what else the
computer does is not in it; nor are orders and fills.
"""

from __future__ import annotations

import argparse
import math
import time
from statistics import fmean
from typing import Any, Final

from msgspec.structs import replace

from scripts.bench import load_now
from scripts.console import CommandError, Exit, natural, report
from services.sleeves.base import Sleeve
from services.sleeves.contract import every_sleeve
from services.sleeves.host import SleeveHost
from services.sleeves.loading import sleeve_class
from services.sleeves.rehearsal import Stage
from services.sleeves.rehearsal_day import day
from shared.events import Bar, Depth, Event, Quote

KINDS: Final[tuple[type[Event], ...]] = (Quote, Bar, Depth)
TELLINGS: Final = 5


class Silent(Sleeve):
    """Does nothing: what the host itself costs."""


class SilentOnBooks(Silent):
    """Has books handed on, and does nothing with them."""

    def on_depth(self, depth: Depth) -> None:
        """Nothing."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "classes", nargs="*", metavar="pkg.mod:Class", help="yours (default: the library)"
    )
    parser.add_argument(
        "--tellings", type=natural, default=TELLINGS, help=f"of the same market ({TELLINGS})"
    )


def run(args: argparse.Namespace) -> Exit:
    rows: list[dict[str, Any]] = []
    if not args.tellings:
        raise CommandError("a market that is never told costs nothing", Exit.USAGE)
    for kind in [sleeve_class("bench", name) for name in args.classes] or every_sleeve():
        own = day(kind)
        hears = kind.on_depth is not Sleeve.on_depth
        floor = like(own, SilentOnBooks if hears else Silent)
        mine, bare = costs(own, args.tellings), costs(floor, args.tellings)
        rows.append(
            {
                "sleeve": f"{kind.__module__.removeprefix('services.sleeves.')}:{kind.__name__}",
                **{
                    one.__name__.lower(): {
                        "own_us": round(mine[one] - bare[one], 2),
                        "host_us": round(bare[one], 2),
                    }
                    for one in KINDS
                },
            }
        )
    lines = [
        f"microseconds an event: the sleeve's own + the host's; {load_now()}",
        f"{'sleeve':<48}{'quote':>15}{'bar':>15}{'book':>15}",
    ]
    for row in rows:
        cells = (row[one.__name__.lower()] for one in KINDS)
        text = "".join(f"{cell['own_us']:>8.1f} +{cell['host_us']:>5.1f}" for cell in cells)
        lines.append(f"{row['sleeve']:<48}{text}")
    report(args, "\n".join(lines), {"sleeves": rows, "load": load_now()})
    return Exit.OK


def like(stage: Stage, kind: type[Sleeve]) -> Stage:
    """Another sleeve on the story of `stage`."""
    section = stage.settings.sleeves[stage.name]
    other = replace(section, implementation=f"{kind.__module__}:{kind.__qualname__}", params={})
    sleeves = {**stage.settings.sleeves, stage.name: other}
    return Stage(stage.name, replace(stage.settings, sleeves=sleeves), heard=stage.heard)


def costs(stage: Stage, tellings: int) -> dict[type[Event], float]:
    """Mean microseconds of the events of each kind, each taken at its best of all tellings."""
    best = [math.inf] * len(stage.heard)
    for _ in range(tellings):
        host = SleeveHost(stage.name, stage.settings)
        for number, (now_ns, event) in enumerate(stage.heard):
            began = time.perf_counter_ns()
            host.on(now_ns, event)
            best[number] = min(best[number], time.perf_counter_ns() - began)
    return {kind: fmean(_of(kind, stage, best)) / 1_000 for kind in KINDS}


def _of(kind: type[Event], stage: Stage, times: list[float]) -> list[float]:
    return [
        took for (_, event), took in zip(stage.heard, times, strict=True) if type(event) is kind
    ]
