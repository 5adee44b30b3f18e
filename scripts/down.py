"""`tsq down`: end a running cast. The router flattens first; supervisord ends the rest in order."""

from __future__ import annotations

import argparse
import time

from scripts.console import Exit, report, var_of
from scripts.supervise import log_size, router_end, running, shutdown

STOP_LIMIT_S = 150.0  # every program's own stopwaitsecs, one after the other


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--wait", type=float, default=STOP_LIMIT_S, help="seconds to wait")


def run(args: argparse.Namespace) -> Exit:
    var = var_of(args)
    since = log_size(var)
    if not shutdown(var):
        report(args, "nothing runs here", {"running": False})
        return Exit.OK
    deadline = time.monotonic() + args.wait
    while time.monotonic() < deadline:
        if not running(var):
            return told_end(args, router_end(var, since))
        time.sleep(0.1)
    report(args, f"still running after {args.wait:g} s", {"running": True})
    return Exit.UNSAFE


def told_end(args: argparse.Namespace, trouble: str) -> Exit:
    """Say that everything ended, and whether the router ended well (`supervise.router_end`)."""
    if not trouble:
        report(args, "stopped", {"running": False, "router": "ended well"})
        return Exit.OK
    report(
        args,
        f"stopped, but the order router did not end well: {trouble}. "
        "Nobody proved the account flat; look at the platform.",
        {"running": False, "router": trouble},
    )
    return Exit.UNSAFE
