"""One sleeve as a process: `python -m services.sleeves NAME` (a section of `[sleeves]`).

`NAME.b` is its second seat, where the newcomer of a swap sits: another process of the same sleeve.
"""

from __future__ import annotations

import sys
from typing import Final

from services.sleeves.host import SleeveHost
from shared.runtime.exits import Exit, Fatal
from shared.runtime.guard import Guard
from shared.runtime.launch import launch
from shared.seats import PREFIX, seat_of
from shared.settings import Settings, SettingsError

ACTOR = PREFIX + "".join(sys.argv[1:2])
GUARDS: Final[list[Guard]] = []
"""The one over this process; recovery makes the core again, never the guard."""


def make(settings: Settings) -> tuple[SleeveHost, Guard]:
    """A sleeve's outside is its guard, on duty before the author's code is imported.

    Raises Fatal for a class or parameters that cannot be used.
    """
    if not GUARDS:
        limits = settings.sleeve_guard
        GUARDS.append(Guard(ACTOR, limits.stuck_real_s, limits.memory_mb))
        GUARDS[0].begin()
    try:
        name, seat = seat_of(ACTOR)
        return SleeveHost(name, settings, seat), GUARDS[0]
    except SettingsError as error:
        raise Fatal(str(error), Exit.SETTINGS) from error


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m services.sleeves NAME\n")
        sys.exit(Exit.USAGE)
    launch(ACTOR, make)
