"""One sleeve as a process: `python -m services.sleeves NAME` (a section of `[sleeves]`)."""

from __future__ import annotations

import sys

from services.sleeves.host import SleeveHost
from shared.runtime.exits import Exit, Fatal
from shared.runtime.launch import launch
from shared.settings import Settings, SettingsError


def make(settings: Settings) -> tuple[SleeveHost, None]:
    """A sleeve needs no port. Raises Fatal for a class or parameters that cannot be used."""
    try:
        return SleeveHost(sys.argv[1], settings), None
    except SettingsError as error:
        raise Fatal(str(error), Exit.SETTINGS) from error


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m services.sleeves NAME\n")
        sys.exit(Exit.USAGE)
    launch(f"sleeve_{sys.argv[1]}", make)
