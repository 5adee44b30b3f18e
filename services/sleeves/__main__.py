"""One sleeve as a process: `python -m services.sleeves NAME` (a section of `[sleeves]`).

`NAME.b` is its second seat, where the newcomer of a swap sits: another process of the same sleeve.
"""

from __future__ import annotations

import sys
from typing import Final

from services.sleeves.host import SleeveHost
from services.sleeves.lives import Lives
from services.sleeves.mind import Skip
from shared.runtime import lanes, paths
from shared.runtime.exits import Exit, Fatal
from shared.runtime.guard import Guard
from shared.runtime.launch import launch
from shared.seats import PREFIX, seat_of
from shared.settings import Settings, SettingsError, var_dir

ACTOR = PREFIX + "".join(sys.argv[1:2])
GUARDS: Final[list[Guard]] = []
"""The one over this process; recovery makes the core again, never the guard."""
PAST: Final[list[Skip | None]] = []
"""How this process takes its past over: judged once, for every core that recovery makes."""
LIVES: Final[list[Lives]] = []


def lived_through() -> None:
    for lives in LIVES:
        lives.born()


def ended(how: str) -> None:
    for lives in LIVES:
        lives.ended(how)


def make(settings: Settings) -> tuple[SleeveHost, Guard]:
    """A sleeve's outside is its guard, on duty before the author's code is imported.

    Raises Fatal for a class or parameters that cannot be used.
    """
    if not GUARDS:
        limits = settings.sleeve_guard
        GUARDS.append(
            Guard(
                ACTOR,
                limits.stuck_real_s,
                limits.memory_mb,
                lived_through=lived_through,
                ended=ended,
            )
        )
        GUARDS[0].begin()
    try:
        name, seat = seat_of(ACTOR)
        if not PAST:
            code = lanes.code_hash(SleeveHost(name, settings, seat))
            LIVES.append(Lives(paths.run_dir(var_dir()), ACTOR, code))
            PAST.append(LIVES[0].skip())
            LIVES[0].begin()
        return SleeveHost(name, settings, seat, PAST[0]), GUARDS[0]
    except SettingsError as error:
        raise Fatal(str(error), Exit.SETTINGS) from error


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m services.sleeves NAME\n")
        sys.exit(Exit.USAGE)
    launch(ACTOR, make)
