"""Many Worlds, each with accidents of its own: the search for a seed that breaks a promise.

    python -m scripts.campaign --seeds 10000 --from 1 --jobs 2 --report docs/reliability.md

Each seed draws its accidents, plays them against the whole cast and the simulator, and is judged by
the venue's own books (`services/stage_checks.py`). A seed that fails is printed with what could go
wrong in it and the one command that plays it again; equal seeds play equally on every machine.
Ends with 0, or with 2 when a promise broke. `--report` puts the counts between the two marks of a
document; nothing is written without it.

    python -m scripts.campaign --swap-every 1 --jobs 2 --report docs/sleeves.md

plays one session (`services/stage_swap.py`) again for each of its events and market moments, or
every so-many-th of them from `--from` on: each time a sleeve changes its owner right after it.
`--swap-storm` is the same in Worlds with accidents, all the time (`services/stage_storm.py`).
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import msgspec
from msgspec import Struct

from scripts import page
from services.cast import build, deciders
from services.stage_checks import Checks
from services.stage_crossing import CrossChecks, crossing_for
from services.stage_play import play
from services.stage_sharing import SharedChecks, settings_for
from services.stage_storm import SwapStorm
from services.stage_swap import Point, plain, points, swap_at
from shared.lab.accidents import Accidents
from shared.settings import Settings, load
from shared.units import SECOND

BROKEN = 2
TELL_EVERY = 25
FORETOLD = 25  # so few seeds are told before they are played
MARK = "worlds"
SWAPS = "swaps"
STORM = "swap-storm"
CASTS = {
    "sharing": "three sleeves share one contract",
    "crossing": "three sleeves pass one contract to each other",
    STORM: "sleeves are swapped, tuned and removed right after any event",
}


def load_rooms() -> None:
    """Import all that plays before the first clock is read: that is no part of a World."""
    settings = load(env={})
    for name in deciders(settings):
        build(name, settings)


def cast_of(seed: int, cast: str) -> tuple[Settings | None, Checks]:
    """Who plays (None: the seed's own), and who judges."""
    if cast == "crossing":
        settings = crossing_for(seed)
        return settings, CrossChecks(settings)
    if cast == STORM:
        storm = SwapStorm(seed)
        return storm.settings, storm
    return (settings_for(seed), SharedChecks()) if cast == "sharing" else (None, Checks())


class Played(Struct, frozen=True):
    """What one seed came to. `failure`: where and what broke, empty when nothing did."""

    seed: int
    ticks: int
    events: int
    steps: int
    kills: int
    freezes: int
    fills: int
    bare_s: float
    changes: int = 0  # of owner, that somebody asked for
    cpu_s: float = 0.0
    failure: str = ""


def play_seed(seed: int, seconds: int, cast: str = "", *, foretold: bool = False) -> Played:
    """Play one World to its judgement. A law that broke is a result, not an error. `foretold`: what
    may go wrong in it is printed first, so that it is known of a World that never ends, too.

    A World lives for a second. Nearly all it drops is free at once; to look for circles of rubbish
    while it lives costs a tenth of it, so that is done when it has ended.
    """
    if foretold:
        sys.stdout.write(f"seed {seed}: {Accidents.swarm(seed)}\n")
        sys.stdout.flush()
    gc.freeze()
    gc.disable()
    began = time.process_time()
    try:
        played = _played(seed, seconds, cast)
    finally:
        gc.enable()
        gc.collect()
    return msgspec.structs.replace(played, cpu_s=time.process_time() - began)


def _played(seed: int, seconds: int, cast: str) -> Played:
    settings, checks = cast_of(seed, cast)
    checks.prints, failure = False, ""
    try:
        also = checks.also if isinstance(checks, SwapStorm) else ()
        play(seed, Accidents.swarm(seed), seconds, settings=settings, checks=checks, also=also)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        failure = f"{type(error).__name__} at {place.filename}:{place.lineno}: {error}"
    world = checks.world
    return Played(
        seed=seed,
        ticks=world.ticks if world else 0,
        events=world.decisions if world else 0,
        steps=world.steps if world else 0,
        kills=world.kills if world else 0,
        freezes=world.freezes if world else 0,
        fills=len(checks.fills),
        bare_s=checks.bare.ns_max / SECOND,
        changes=checks.swaps if isinstance(checks, SwapStorm) else 0,
        failure=failure,
    )


def tell_failure(played: Played, seconds: int, cast: str) -> None:
    also = f" --{cast}" if cast else ""
    sys.stdout.write(
        f"\nseed {played.seed} BROKE a promise\n  {played.failure}\n"
        f"  {Accidents.swarm(played.seed)}\n"
        f"  again: python -m scripts.campaign --seeds 1 --from {played.seed} --seconds {seconds}"
        f"{also}\n"
    )
    sys.stdout.flush()


def summary(all_played: Sequence[Played], took_s: float) -> str:
    """The last lines: what was tried, and how it ended."""
    worst = max(all_played, key=lambda played: played.bare_s)
    broken = [played.seed for played in all_played if played.failure]
    steps = sum(played.steps for played in all_played)
    ticks = sum(played.ticks for played in all_played)
    cpu_s = sum(played.cpu_s for played in all_played)
    changes = sum(played.changes for played in all_played)
    return "\n".join(
        (
            f"{len(all_played)} seeds from {min(played.seed for played in all_played)} "
            f"in {took_s:.0f} s",
            f"{ticks:,} market events through the whole cast, "
            f"{ticks / max(cpu_s, 0.001):,.0f} a second of one core; {steps:,} steps of actors",
            f"{sum(played.events for played in all_played)} public events, "
            f"{sum(played.kills for played in all_played)} kills, "
            f"{sum(played.freezes for played in all_played)} freezes, "
            f"{sum(played.fills for played in all_played)} fills booked once each",
            *([f"{changes:,} swaps were done"] if changes else []),
            f"worst time without a whole stop: {worst.bare_s:.1f} s (seed {worst.seed})",
            f"broken: {', '.join(map(str, broken)) or 'none'}",
        )
    )


def report(document: Path, told: str, mark: str = MARK) -> None:
    """Put `told` into its place of the document. Raises ValueError where it has none."""
    page.put(document, mark, f"```\n{told}\n```")


def campaign(
    seeds: Sequence[int], seconds: int, jobs: int, *,
    document: Path | None = None, cast: str = "",
) -> int:  # fmt: skip
    """Play all `seeds`. Returns the exit code."""
    began, done = time.monotonic(), []
    work = partial(play_seed, seconds=seconds, cast=cast, foretold=len(seeds) <= FORETOLD)
    with multiprocessing.get_context("spawn").Pool(jobs, load_rooms) as pool:
        for played in pool.imap_unordered(work, seeds):
            done.append(played)
            if played.failure:
                tell_failure(played, seconds, cast)
            if len(done) % TELL_EVERY == 0:
                sys.stdout.write(f"{len(done)} seeds, {time.monotonic() - began:.0f} s\n")
                sys.stdout.flush()
    told = summary(done, time.monotonic() - began)
    sys.stdout.write(f"\n{told}\n")
    if document is not None:
        report(document, told, STORM if cast == STORM else MARK)
    return BROKEN if any(played.failure for played in done) else 0


class Swapped(Struct, frozen=True):
    """What a World with a swap came to. `failure`: what broke, empty when nothing did."""

    point: Point
    swapped: bool = False
    late: bool = False  # a wish was under way
    failure: str = ""


def play_swap(point: Point) -> Swapped:
    """A law that broke is a result, not an error."""
    gc.freeze()
    gc.disable()
    try:
        found = swap_at(point)
    except Exception as error:
        return Swapped(point, failure=f"{type(error).__name__}: {error}")
    finally:
        gc.enable()
        gc.collect()
    return Swapped(point, swapped=found.swapped, late=found.under_way > 0)


def swap_summary(done: Sequence[Swapped], took_s: float) -> str:
    """What was tried, and how it ended."""
    whole, swapped = plain(), [one for one in done if one.swapped]
    broken = [str(one.point) for one in done if one.failure]
    kinds = Counter("event" if one.point.event else "moment" for one in done)
    refused = len(done) - len(swapped) - len(broken)
    late = sum(one.late for one in swapped)
    return "\n".join(
        (
            f"one session: {whole.events:,} events said, {whole.moments:,} moments of the market, "
            f"{len(whole.orders)} orders at the venue",
            f"{len(done):,} Worlds in {took_s:.0f} s: a swap after {kinds['event']:,} events and "
            f"{kinds['moment']:,} moments",
            f"{len(swapped):,} swaps; {refused:,} not done, for the newcomer was not ready",
            f"{len(swapped) - late:,} left no trace; {late:,} found a wish under way: the same "
            "orders, a little later",
            f"broken: {', '.join(broken) or 'none'}",
        )
    )


def sweep(every: int, first: int, jobs: int, document: Path | None = None) -> int:
    """Swap at every so-many-th point of the session. Returns the exit code."""
    began, done = time.monotonic(), []
    with multiprocessing.get_context("spawn").Pool(jobs, plain) as pool:
        for one in pool.imap_unordered(play_swap, points(every, first)):
            done.append(one)
            if one.failure:
                sys.stdout.write(f"\n{one.point} BROKE a promise\n  {one.failure}\n")
            if len(done) % TELL_EVERY == 0:
                sys.stdout.write(f"{len(done)} swaps, {time.monotonic() - began:.0f} s\n")
                sys.stdout.flush()
    told = swap_summary(done, time.monotonic() - began)
    sys.stdout.write(f"\n{told}\n")
    if document is not None:
        report(document, told, SWAPS)
    return BROKEN if any(one.failure for one in done) else 0


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("campaign", description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=100, help="how many (default 100)")
    parser.add_argument("--from", dest="first", type=int, default=1, help="the first (default 1)")
    parser.add_argument(
        "--seconds", type=int, default=0, help="of accidents (default: the seed's own)"
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes at once (default 2)")
    parser.add_argument("--report", type=Path, help="document that gets the counts")
    parser.add_argument(
        "--swap-every", type=int, default=0, metavar="N",
        help="instead: one session, a swap after every N-th event and market moment",
    )  # fmt: skip
    casts = parser.add_mutually_exclusive_group()
    for name, means in CASTS.items():
        casts.add_argument(f"--{name}", action="store_const", dest="cast", const=name, help=means)
    asked = parser.parse_args(words)
    if min(asked.seeds, asked.jobs) < 1 or min(asked.seconds, asked.swap_every) < 0:
        parser.error("--seeds and --jobs are at least 1, --seconds and --swap-every not below 0")
    if asked.swap_every:
        return sweep(asked.swap_every, asked.first - 1, asked.jobs, asked.report)
    seeds = range(asked.first, asked.first + asked.seeds)
    return campaign(seeds, asked.seconds, asked.jobs, document=asked.report, cast=asked.cast or "")


if __name__ == "__main__":
    sys.exit(main())
