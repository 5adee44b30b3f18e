"""`tsq journal ls|cat|tail|verify [LANE]`: what an actor recorded, readable.

A lane is an actor, or the gateway's ticks (`market_data_gateway.ticks`). `cat` prints one record a
line: what was heard, told, decided and done; `tail` goes on as it is written; `verify` reads every
frame's checksum.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from scripts.console import CommandError, Exit, natural, report, var_of
from shared.runtime import journal, paths
from shared.runtime.journal import Corrupt
from shared.runtime.replay import Line, cat, verify

FOLLOW_S = 0.2


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("ls", "cat", "tail", "verify"))
    parser.add_argument("lane", nargs="?", help="an actor, or market_data_gateway.ticks")
    parser.add_argument("--day", help="trading day; the newest when left out")
    parser.add_argument("-n", "--lines", type=natural, default=20, help="tail: lines to begin with")


def run(args: argparse.Namespace) -> Exit:
    root = paths.journal_root(var_of(args))
    if args.what == "ls":
        return listing(args, root)
    if args.what == "verify":
        return check(args, root)
    if not args.lane:
        raise CommandError(f"which lane? there are: {', '.join(lanes(root)) or 'none'}", Exit.USAGE)
    path = file_of(args, root, args.lane)
    try:
        if args.what == "cat":
            print_from(args, path, 0)
        else:
            follow(args, root, path)
    except Corrupt as error:
        raise CommandError(str(error), Exit.CHECK_FAILED) from None
    return Exit.OK


def lanes(root: Path) -> list[str]:
    names = {path.name.split(".journal")[0] for path in root.glob("*/*.journal*")}
    return sorted(names)


def file_of(args: argparse.Namespace, root: Path, lane: str) -> Path:
    """The lane's file of `--day`, else its newest. Raises CommandError naming what there is."""
    known = journal.days(root, lane)
    day = args.day or (known[-1] if known else "")
    path = journal.find(root, day, lane) if day in known else None
    if path is None:
        there = ", ".join(lanes(root)) or "nothing"
        raise CommandError(f"no journal {lane!r} {args.day or ''}; there is: {there}", Exit.USAGE)
    return path


def listing(args: argparse.Namespace, root: Path) -> Exit:
    rows = []
    for lane in lanes(root):
        for day in journal.days(root, lane):
            path = journal.find(root, day, lane)
            if path is not None:
                rows.append({"day": day, "lane": lane, "bytes": path.stat().st_size})
    text = "\n".join(f"{row['day']}  {row['bytes']:>12,}  {row['lane']}" for row in rows)
    report(args, text or f"nothing under {root}", {"journals": rows})
    return Exit.OK


def check(args: argparse.Namespace, root: Path) -> Exit:
    names = [args.lane] if args.lane else lanes(root)
    sound, seen = True, 0
    for lane in names:
        for day in journal.days(root, lane):
            path = journal.find(root, day, lane)
            if path is None or args.day not in (None, day):
                continue
            verdict = verify(path)
            seen += 1
            sound = sound and not verdict.trouble
            counts = ", ".join(f"{n} {kind}" for kind, n in verdict.records.items() if n)
            torn = f"; {verdict.torn} bytes of an unfinished frame" if verdict.torn else ""
            state = f"CORRUPT {verdict.trouble}" if verdict.trouble else "sound"
            text = f"{day} {lane}: {state}; {counts}{torn}"
            report(args, text, {"day": day, "lane": lane} | structs.asdict(verdict))
    if not seen:
        there = ", ".join(lanes(root)) or "nothing"
        wanted = f"{args.lane or ''} {args.day or ''}".strip() or "at all"
        raise CommandError(f"no journal {wanted} to verify; there is: {there}", Exit.USAGE)
    return Exit.OK if sound else Exit.CHECK_FAILED


def follow(args: argparse.Namespace, root: Path, path: Path) -> None:
    """The last lines, then what is added, into the next day's file too unless `--day` names one."""
    last: deque[Line] = deque(maxlen=args.lines)
    place = 0
    for line in cat(path):
        last.append(line)
        place = line.end
    print_all(args, last)
    while True:
        sys.stdout.flush()
        time.sleep(FOLLOW_S)
        place = print_from(args, path, place)
        newest = path if args.day else file_of(args, root, args.lane)
        if newest != path:
            print_from(args, path, place)
            path, place = newest, 0


def print_from(args: argparse.Namespace, path: Path, place: int) -> int:
    """Print what stands from `place` on; returns where it ended."""
    for line in cat(path, place):
        print_all(args, (line,))
        place = line.end
    return place


def print_all(args: argparse.Namespace, lines: Iterable[Line]) -> None:
    for line in lines:
        content: Any = msgspec.to_builtins(line.content, enc_hook=str)
        if args.json:
            row = {"offset": line.offset, "kind": line.kind, "content": content}
            print(json.dumps(row, default=str))
        else:
            print(f"{line.offset:>10} {line.kind:<9} {json.dumps(content, default=str)}")
