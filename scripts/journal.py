"""`tsq journal ls|cat|tail|verify [LANE]`, `at TIME`, `grep WORD`, `diff LANE`: what was recorded.

A lane is an actor, or the gateway's ticks (`market_data_gateway.ticks`). `cat` prints one record a
line: what was heard, told, decided and done; `tail` goes on as it is written; `verify` reads every
frame's checksum. `at`, `grep` and `diff` look across actors, days and runs; each has a module.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import structs

from scripts import journal_at, journal_diff
from scripts.console import CommandError, Exit, natural, report, var_of
from scripts.journal_grep import Story
from services.cast import UnknownActor
from shared.runtime import journal, paths
from shared.runtime.exits import Fatal
from shared.runtime.history import lanes
from shared.runtime.replay import Line, cat, verify
from shared.runtime.source import MissingHistory

FOLLOW_S = 0.2


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", choices=("ls", "cat", "tail", "verify", "at", "grep", "diff"), metavar="WHAT",
        help="ls, cat, tail, verify; at TIME, grep WORD, diff LANE [LANE]",
    )  # fmt: skip
    parser.add_argument("words", nargs="*", help="an actor, or market_data_gateway.ticks; see WHAT")
    parser.add_argument("--day", help="trading day; the newest when left out (ls: all)")
    parser.add_argument("-n", "--lines", type=natural, default=20, help="tail, diff: lines to show")
    parser.add_argument("--memory", metavar="ACTOR", help="at: what this one had in mind")
    parser.add_argument("--alone", action="store_true", help="grep: only what matches itself")
    parser.add_argument("--with-day", help="diff: the other day")
    parser.add_argument("--with-var", help="diff: the other run's folder")


def run(args: argparse.Namespace) -> Exit:
    root = paths.journal_root(var_of(args))
    named = {"at": "a time", "grep": "a word", "diff": "a lane", "cat": "a lane", "tail": "a lane"}
    most = 2 if args.what == "diff" else 1
    if args.what in named and not args.words:
        there = f"; there are: {', '.join(lanes(root)) or 'none'}"
        raise CommandError(f"{args.what} wants {named[args.what]}{there}", Exit.USAGE)
    most = 0 if args.what == "ls" else most
    if len(args.words) > most:
        raise CommandError(f"{args.what} takes no {' '.join(args.words[most:])!r}", Exit.USAGE)
    args.lane = args.words[0] if args.words else None
    try:
        return DOES[args.what](args, root)
    except Fatal as error:  # a damaged journal, or one that this code cannot follow
        raise CommandError(str(error), Exit.CHECK_FAILED) from None


def cat_lane(args: argparse.Namespace, root: Path) -> Exit:
    print_from(args, file_of(args, root, args.lane), 0)
    return Exit.OK


def tail_lane(args: argparse.Namespace, root: Path) -> Exit:
    follow(args, root, file_of(args, root, args.lane))
    return Exit.OK


def newest(args: argparse.Namespace, root: Path) -> str:
    """`--day`, else the newest there is. Raises CommandError."""
    known = sorted({day for lane in lanes(root) for day in journal.days(root, lane)})
    if not known or args.day not in (None, *known):
        there = ", ".join(known) or "nothing"
        raise CommandError(f"no journals of {args.day or 'any day'}; there is: {there}", Exit.USAGE)
    return str(args.day or known[-1])


def at(args: argparse.Namespace, root: Path) -> Exit:
    """How everything stood at an instant."""
    day = newest(args, root)
    try:
        at_ns = journal_at.instant(args.words[0], day)
    except ValueError as error:
        raise CommandError(
            f"{args.words[0]!r} is no time ({error}); one is 10:15 (Chicago, on that trading day), "
            "2026-11-18T10:15:00-06:00, or nanoseconds",
            Exit.USAGE,
        ) from None
    if args.memory:
        try:
            mind = journal_at.Mind(var_of(args), args.memory, day).at(at_ns)
        except (FileNotFoundError, UnknownActor) as error:
            raise CommandError(str(error), Exit.USAGE) from None
        except MissingHistory as error:
            raise CommandError(str(error), Exit.CHECK_FAILED) from None
        plain = msgspec.json.format(msgspec.json.encode(mind, enc_hook=repr)).decode()
        report(args, plain, {"at_ns": at_ns, args.memory: json.loads(plain)})
        return Exit.OK
    found = journal_at.standing(root, day, at_ns)
    report(args, journal_at.text_of(found, at_ns), {"at_ns": at_ns, **found})
    return Exit.OK


def grep(args: argparse.Namespace, root: Path) -> Exit:
    """A word's story; exit code 2 when it stands nowhere."""
    day = newest(args, root)
    told = Story(root, day, args.words[0]).told(causes=not args.alone)
    lines = [
        f"{journal_at.when(it.time_ns)} {it.id or it.lane + ' to its port':<44} {it.kind:<16} "
        f"{json.dumps(it.event, default=str)}" + (f"  <- {it.cause}" if it.cause else "")
        for it in told
    ]
    rows = [entry._asdict() for entry in told]
    report(args, "\n".join(lines) or f"nothing of {day} names it", {"day": day, "entries": rows})
    return Exit.OK if told else Exit.CHECK_FAILED


def diff(args: argparse.Namespace, root: Path) -> Exit:
    """Two lanes, days or runs; exit code 2 when they decided otherwise."""
    other_root = paths.journal_root(Path(args.with_var)) if args.with_var else root
    ours = side(args, root, args.words[0])
    asked = argparse.Namespace(**{**vars(args), "day": args.with_day or args.day})
    theirs = side(asked, other_root, args.words[-1])
    found = journal_diff.compare(ours, theirs, args.lines)
    report(args, journal_diff.text_of(found, ours, theirs), msgspec.to_builtins(found))
    return Exit.OK if not found.different else Exit.CHECK_FAILED


def side(args: argparse.Namespace, root: Path, lane: str) -> journal_diff.Side:
    return journal_diff.Side(root, lane, file_of(args, root, lane).parent.name)


def file_of(args: argparse.Namespace, root: Path, lane: str) -> Path:
    """The lane's file of `--day`, else its newest. Raises CommandError naming what there is."""
    known = journal.days(root, lane)
    day = args.day or (known[-1] if known else "")
    path = journal.find(root, day, lane) if day in known else None
    if path is None:
        there = ", ".join(known or lanes(root)) or "nothing"
        wanted = f"{lane!r} of {day}" if known else repr(lane)
        raise CommandError(f"no journal {wanted}; there is: {there}", Exit.USAGE)
    return path


def listing(args: argparse.Namespace, root: Path) -> Exit:
    rows = []
    for lane in lanes(root):
        for day in journal.days(root, lane):
            path = journal.find(root, day, lane)
            if path is not None and args.day in (None, day):
                rows.append({"day": day, "lane": lane, "bytes": journal.size(path).bytes})
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


DOES: Final[dict[str, Callable[[argparse.Namespace, Path], Exit]]] = {
    "ls": listing,
    "cat": cat_lane,
    "tail": tail_lane,
    "verify": check,
    "at": at,
    "grep": grep,
    "diff": diff,
}
