"""How long a flatten and a recovery take, on real processes, each many times.

    python -m scripts.measure --runs 10

A private copy of the cast trades the simulated market. A flatten is timed from the moment the
request file lies there to the first progress that says FLAT, with the governor alive and with the
governor dead; a recovery from SIGKILL to the first heartbeat of the next life, and to the moment it
says that it works. Numbers of one machine and one day: `docs/evidence.md`
holds some, no test asserts any.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from scripts.chaos import said_by
from scripts.console import CommandError, ask_governor, read_progress, write_request
from scripts.rehearsal import Rehearsal
from shared.units import SECOND

SPEED = "3.0"
POLL_S = 0.002
GOVERNOR = "risk_governor"
WORKS = {
    "order_router": ("VenueStatus", "state", "READY"),
    GOVERNOR: ("RiskState", "level", "ACTIVE"),
}
"""(kind, member, value) by which an actor says that it can do its work."""


def flatten_s(cast: Rehearsal) -> float:
    """Leave a request; seconds until FLAT is reported, seen by the venue's own books."""
    request_id = write_request(cast.var, "measured", "measure")
    began = time.monotonic()

    def flat() -> bool:
        found = read_progress(cast.var)
        return bool(found.get("id") == request_id and found.get("stage") == "FLAT")

    while not flat():
        assert time.monotonic() < began + 60.0, f"not flat: {read_progress(cast.var)}"
        time.sleep(POLL_S)
    taken = time.monotonic() - began
    assert cast.lots() == {}, f"FLAT was said while the venue has {cast.lots()}"
    return taken


def resume(cast: Rehearsal) -> None:
    """End the halt of a flatten, as a person would."""

    def done() -> bool:
        try:
            words = {"who": "measure", "cause": "the next run"}
            return bool(ask_governor(cast.var, "resume", words).get("done"))
        except CommandError:
            return False

    cast.wait(done, 30.0, "the halt ends")
    cast.ready()


def flattens(cast: Rehearsal, runs: int, *, alone: bool) -> list[float]:
    """Time flattens of an open position; `alone`: while the governor is dead."""
    taken = []
    for _ in range(runs):
        cast.wait(cast.lots, 180.0, "a position")
        if alone:
            cast.hold(GOVERNOR)
            if not cast.lots():
                cast.release(GOVERNOR)
                cast.ready()
                continue
        taken.append(flatten_s(cast))
        if alone:
            cast.release(GOVERNOR)
        resume(cast)
    return taken


def recoveries(cast: Rehearsal, name: str, runs: int) -> tuple[list[float], list[float]]:
    """Seconds from SIGKILL to the next life's first heartbeat, and until it says that it works."""
    alive_s, works_s = [], []
    for _ in range(runs):
        cast.ready()
        began, market_ns = time.monotonic(), cast.truth()["marketNs"]
        cast.kill_and_wait(name)
        alive_s.append(time.monotonic() - began)
        epoch = cast.epoch(name)
        at_ns = cast.wait(partial(works_at, cast, name, epoch), 40.0, f"{name} works")
        works_s.append((at_ns - market_ns) / float(SPEED) / SECOND)
        time.sleep(1.0)
    return alive_s, works_s


def works_at(cast: Rehearsal, name: str, epoch: int) -> int:
    """When a life first said that it can do its work (market time); 0: not yet."""
    kind, member, value = WORKS[name]
    for said in said_by(cast.var, name):
        event = said["event"]
        if said["epoch"] == epoch and event["t"] == kind and event[member] == value:
            found: int = said["time_ns"]
            return found
    return 0


def line(what: str, taken: Sequence[float]) -> str:
    ordered = sorted(taken)
    middle = ordered[len(ordered) // 2]
    return (
        f"{what:<52} n {len(ordered):>2}  least {ordered[0]:6.2f}  middle {middle:6.2f}  "
        f"most {ordered[-1]:6.2f} s"
    )


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("measure", description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=10, help="of each kind (default 10)")
    asked = parser.parse_args(words)
    folder = Path(tempfile.mkdtemp(prefix="tsq-measure-"))
    cast = Rehearsal(
        folder / "var",
        TSQ__SIMULATOR__SPEED=SPEED,
        TSQ__RISK_GOVERNOR__TRADES_PER_DAY="1000",
    )
    try:
        cast.start()
        cast.ready()
        for name in ("order_router", GOVERNOR):
            alive_s, works_s = recoveries(cast, name, asked.runs)
            say(line(f"{name}: SIGKILL to next heartbeat", alive_s))
            say(line(f"{name}: SIGKILL to {' '.join(WORKS[name][::2])}", works_s))
        say(line("request file to FLAT, governor alive", flattens(cast, asked.runs, alone=False)))
        say(line("request file to FLAT, governor dead", flattens(cast, asked.runs, alone=True)))
        return cast.stop()
    finally:
        cast.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
