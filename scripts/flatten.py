"""`tsq flatten`: the stop that works with a dead governor.

The request file comes first, because router and sentinel watch it by themselves; only then the
governor is told. The command ends when the flat account is proven, or says loudly that it is not.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from scripts.console import (
    GOVERNOR_TIMEOUT_S,
    CommandError,
    Exit,
    ask_governor,
    read_progress,
    report,
    var_of,
    who,
    write_request,
)
from scripts.operator_command import add_cause

POLL_S = 0.05
BY_HAND = "Look at the platform and close by hand."


def arguments(parser: argparse.ArgumentParser) -> None:
    add_cause(parser)
    parser.add_argument("--wait", type=float, default=60.0, help="seconds to wait for the proof")


def run(args: argparse.Namespace) -> Exit:
    began = time.monotonic()
    request_id, heard, progress = "", False, {}
    try:
        request_id, heard = ask(args, var_of(args))
        progress = follow(args, request_id, began + args.wait)
    except KeyboardInterrupt:
        progress = {"stage": "interrupted"}
    taken = time.monotonic() - began
    if progress.get("stage") == "FLAT":
        governor = "" if heard else " (the governor is silent)"
        report(
            args,
            f"proven flat after {taken:.2f} s{governor}; `tsq resume --cause WHY` ends the halt",
            {"flat": True, "seconds": taken, "by": progress.get("by"), "governor": heard},
        )
        return Exit.OK
    stage = str(progress.get("stage", ""))
    stands = "\nThe request stands: whoever comes up serves it." if request_id else ""
    report(
        args,
        f"NOT PROVEN FLAT after {taken:.1f} s (stage: {stage or 'nobody answered'}). {BY_HAND}"
        + stands,
        {"flat": False, "stage": stage, "governor": heard, "request": request_id},
    )
    return Exit.UNSAFE


def ask(args: argparse.Namespace, var: Path) -> tuple[str, bool]:
    """Leave the request, tell the governor. Returns the request's id and whether it answered."""
    name, request_id, trouble = who(), "", ""
    try:
        request_id = write_request(var, args.cause, name)
    except OSError as error:
        trouble = f"the request file could not be written ({error.strerror})"
    words = {"who": name, "cause": args.cause or "operator", "request_id": request_id}
    try:
        ask_governor(var, "flatten", words, max(0.1, min(GOVERNOR_TIMEOUT_S, args.wait)))
    except CommandError as error:
        if trouble:
            raise CommandError(f"{trouble}, and {error}. {BY_HAND}", Exit.UNSAFE) from None
        return request_id, False
    return request_id, True


def follow(args: argparse.Namespace, request_id: str, deadline: float) -> dict[str, Any]:
    """Tell each stage until FLAT or the deadline (monotonic seconds). Returns the last progress."""
    last: dict[str, Any] = {}
    while last.get("stage") != "FLAT" and time.monotonic() < deadline:
        found = read_progress(var_of(args))
        if found.get("id") == request_id and found.get("stage") != last.get("stage"):
            last = found
            if not args.json:
                stage = str(found.get("stage")).lower()
                report(args, f"{stage} by {found.get('by')} {found.get('detail')}", {})
        time.sleep(POLL_S)
    return last
