"""`tsq logs [PROCESS] [-f]`: the JSON lines of one process, or of all by time, made readable.

What is no JSON of ours (supervisord's own log, a crash of Python itself) is shown as it stands.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from scripts.console import CommandError, Exit, natural, var_of

TAIL_BYTES = 64 * 1024
FOLLOW_S = 0.2


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("process", nargs="?", help="a program's name; all of them when left out")
    parser.add_argument("-f", "--follow", action="store_true", help="keep reading until Ctrl-C")
    parser.add_argument(
        "-n", "--lines", type=natural, default=20, help="lines of each to begin with"
    )


def run(args: argparse.Namespace) -> Exit:
    folder = var_of(args) / "log"
    every = sorted(folder.glob("*.log"))
    files = [path for path in every if args.process in (None, path.stem)]
    if not files:
        known = ", ".join(path.stem for path in every) or "none yet"
        raise CommandError(
            f"no log {args.process or ''} under {folder}; there are: {known}", Exit.USAGE
        )
    places, found = {}, []
    for path in files:
        lines, places[path] = tail(path, args.lines)
        found += dated(path, lines)
    for _, path, line in sorted(found, key=lambda one: one[0]):
        show(args, path, line)
    while args.follow:
        sys.stdout.flush()
        time.sleep(FOLLOW_S)
        for path, place in places.items():
            places[path] = follow(args, path, place)
    return Exit.OK


def tail(path: Path, wanted: int) -> tuple[list[str], int]:
    """The last lines of a file, and where it ended when they were read."""
    with path.open("rb") as file:
        begin = max(0, file.seek(0, 2) - TAIL_BYTES)
        file.seek(begin)
        data = file.read()
    lines = data.decode(errors="replace").splitlines()
    if begin:
        del lines[0]  # most likely the end of a line only
    return lines[-wanted:] if wanted else [], begin + len(data)


def dated(path: Path, lines: list[str]) -> list[tuple[str, Path, str]]:
    """Each line with its time to sort by; one without (a traceback) stays behind the one before."""
    found, stamp = [], ""
    for line in lines:
        row = row_of(line)
        told = str(row["time"]) if row else line[:23].replace(" ", "T").replace(",", ".")
        stamp = told if told[:2].isdecimal() else stamp
        found.append((stamp, path, line))
    return found


def follow(args: argparse.Namespace, path: Path, place: int) -> int:
    """Show what was added since `place`; one that shrank was rotated: from its start."""
    try:
        with path.open("rb") as file:
            place = 0 if file.seek(0, os.SEEK_END) < place else place
            file.seek(place)
            data = file.read()
    except FileNotFoundError:  # just rotated, or not begun
        return 0
    whole = data[: data.rfind(b"\n") + 1]
    for line in whole.decode(errors="replace").splitlines():
        show(args, path, line)
    return place + len(whole)


def row_of(line: str) -> dict[str, Any] | None:
    """The line as ours, or None."""
    try:
        row = json.loads(line)
        return row if {"time", "level", "message"} <= row.keys() else None
    except (ValueError, AttributeError):
        return None


def show(args: argparse.Namespace, path: Path, line: str) -> None:
    """Ours become `time LEVEL process message key=value` (`--json`: as they are)."""
    row = row_of(line)
    if args.json:
        print(line if row else json.dumps({"process": path.stem, "message": line}))
        return
    if row is None:
        print(f"{path.stem:<22} {line}")
        return
    when, level, message = (row.pop(name) for name in ("time", "level", "message"))
    actor, traceback = row.pop("actor", path.stem), row.pop("traceback", "")
    extra = " ".join(f"{key}={value}" for key, value in row.items())
    print(f"{when} {level:<8} {actor:<22} {message} {extra}".rstrip())
    if traceback:
        print(traceback.rstrip())
