"""One sleeve as a process: `python -m services.sleeves NAME` (a section of `[sleeves]`)."""

from __future__ import annotations

import sys

from shared.runtime.launch import launch

from services.sleeves.host import SleeveHost

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m services.sleeves NAME")
    sleeve = sys.argv[1]
    launch(f"sleeve_{sleeve}", lambda settings: (SleeveHost(sleeve, settings), None))
