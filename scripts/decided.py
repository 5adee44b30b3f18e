"""One hash per World of all that the cast decided in it: `python -m scripts.decided --seeds 3`.

Equal seeds play equally on every machine, under every Python and every hash seed. CI prints these
lines on all its machines and fails where two of them differ; nothing is pinned, since whoever
changes what is decided changes them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from services.stage_checks import Checks
from services.stage_play import play
from shared.lab.accidents import Accidents


def decided(seed: int, seconds: int) -> str:
    """`seed hash events`. Raises what breaks in that World."""
    checks = Checks()
    play(seed, Accidents.swarm(seed), seconds, checks=checks)
    world = checks.world
    assert world is not None, "Invariant: whoever played attended a World"
    return f"{seed} {world.fingerprint()} {world.decisions}"


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("decided", description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=3, help="how many (default 3)")
    parser.add_argument("--from", dest="first", type=int, default=1, help="the first (default 1)")
    parser.add_argument(
        "--seconds", type=int, default=0, help="of accidents (default: the seed's own)"
    )
    asked = parser.parse_args(words)
    if asked.seeds < 1 or asked.seconds < 0:
        parser.error("--seeds is at least 1, --seconds not below 0")
    for seed in range(asked.first, asked.first + asked.seeds):
        sys.stdout.write(decided(seed, asked.seconds) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
