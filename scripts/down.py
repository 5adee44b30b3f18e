"""`tsq down`: end a running cast. The router flattens first; supervisord ends the rest in order."""

from __future__ import annotations

import argparse
import time

from scripts.console import Exit, report, var_of
from scripts.supervise import programs, shutdown

STOP_LIMIT_S = 150.0  # every program's own stopwaitsecs, one after the other


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--wait", type=float, default=STOP_LIMIT_S, help="seconds to wait")


def run(args: argparse.Namespace) -> Exit:
    var = var_of(args)
    if not shutdown(var):
        report(args, "nothing runs here", {"running": False})
        return Exit.OK
    deadline = time.monotonic() + args.wait
    while time.monotonic() < deadline:
        if not programs(var):
            report(args, "stopped", {"running": False})
            return Exit.OK
        time.sleep(0.1)
    report(args, f"still running after {args.wait:g} s", {"running": True})
    return Exit.UNSAFE
