"""`tsq flatten`: the stop that works with a dead governor.

The request file comes first, because router and sentinel watch it by themselves; only then the
governor is told. The command ends when the flat account is proven, or says loudly that it is not.
"""

from __future__ import annotations

import argparse
import getpass
import time

from scripts.console import (
    CommandError,
    Exit,
    ask_governor,
    read_progress,
    report,
    var_of,
    write_request,
)
from scripts.operator_command import add_cause

POLL_S = 0.05


def arguments(parser: argparse.ArgumentParser) -> None:
    add_cause(parser)
    parser.add_argument("--wait", type=float, default=60.0, help="seconds to wait for the proof")


def run(args: argparse.Namespace) -> Exit:
    var, who = var_of(args), getpass.getuser()
    began = time.monotonic()
    request_id = write_request(var, args.cause, who)
    heard = True
    try:
        ask_governor(var, "flatten", who=who, cause=args.cause, request_id=request_id)
    except CommandError:
        heard = False
    stage = ""
    while time.monotonic() - began < args.wait:
        progress = read_progress(var)
        if progress.get("id") == request_id and progress.get("stage") != stage:
            stage = str(progress.get("stage"))
            if not args.json:
                report(
                    args, f"{stage.lower()} by {progress.get('by')} {progress.get('detail')}", {}
                )
        if stage == "FLAT":
            taken = time.monotonic() - began
            governor = "" if heard else " (the governor is silent)"
            report(
                args,
                f"proven flat after {taken:.2f} s{governor}; `tsq resume` ends the halt",
                {"flat": True, "seconds": taken, "by": progress.get("by"), "governor": heard},
            )
            return Exit.OK
        time.sleep(POLL_S)
    report(
        args,
        f"NOT PROVEN FLAT after {args.wait:g} s (stage: {stage or 'nobody answered'}). "
        "Look at the platform and close by hand.",
        {"flat": False, "stage": stage, "governor": heard},
    )
    return Exit.UNSAFE
