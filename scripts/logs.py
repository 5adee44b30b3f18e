"""`tsq logs [PROCESS] [-f]`: the JSON lines of one process, or of all, made readable."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from scripts.console import CommandError, Exit, var_of

TAIL_BYTES = 64 * 1024


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("process", nargs="?", help="a program's name; all of them when left out")
    parser.add_argument("-f", "--follow", action="store_true", help="keep reading until Ctrl-C")
    parser.add_argument("-n", "--lines", type=int, default=20, help="lines to begin with")


def run(args: argparse.Namespace) -> Exit:
    folder = var_of(args) / "log"
    wanted = f"{args.process}.log" if args.process else "*.log"
    files = sorted(folder.glob(wanted))
    if not files:
        known = ", ".join(sorted(path.stem for path in folder.glob("*.log"))) or "none yet"
        raise CommandError(f"no log {wanted} under {folder}; there are: {known}", Exit.USAGE)
    places = {}
    for path in files:
        begin = max(0, path.stat().st_size - TAIL_BYTES)
        text = path.read_bytes()[begin:].decode(errors="replace")
        for line in text.splitlines()[-args.lines :]:
            show(args, path, line)
        places[path] = path.stat().st_size
    while args.follow:
        time.sleep(0.2)
        for path, place in places.items():
            places[path] = follow(args, path, place)
    return Exit.OK


def follow(args: argparse.Namespace, path: Path, place: int) -> int:
    """Show what was added since `place`; one that shrank was rotated: from its start."""
    size = path.stat().st_size if path.exists() else 0
    if size < place:
        place = 0
    if size == place:
        return place
    with path.open("rb") as file:
        file.seek(place)
        data = file.read()
    whole = data[: data.rfind(b"\n") + 1]
    for line in whole.decode(errors="replace").splitlines():
        show(args, path, line)
    return place + len(whole)


def show(args: argparse.Namespace, path: Path, line: str) -> None:
    """JSON lines become `time LEVEL actor message key=value`; anything else is shown as it is."""
    if args.json:
        print(line)
        return
    try:
        row = json.loads(line)
        extra = " ".join(f"{key}={value}" for key, value in row.get("extra", {}).items())
        print(
            f"{row['time']} {row['level']:<7} {row['actor']:<22} {row['message']} {extra}".rstrip()
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        print(f"{path.stem:<22} {line}")
