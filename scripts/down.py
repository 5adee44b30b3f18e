"""`tsq down`: end a running cast. The router flattens first; supervisord ends the rest in order.

The last line names all decisions of the day in one hash, which `tsq replay` must find again.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from msgspec import to_builtins

from scripts.console import Exit, report, var_of
from scripts.supervise import log_size, router_end, running, shutdown
from shared.runtime import history, journal, paths
from shared.runtime.history import Session

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
    text, router, code = "stopped", "ended well", Exit.OK
    if trouble:
        text = (
            f"stopped, but the order router did not end well: {trouble}. "
            "Nobody proved the account flat; look at the platform."
        )
        router, code = trouble, Exit.UNSAFE
    if not args.json:
        print(text, flush=True)  # before a day is read to its end
    decided = decisions(var_of(args))
    data = {"running": False, "router": router, "decisions": to_builtins(decided)}
    report(args, line_of(decided) if decided else "nothing was recorded", data)
    return code


def decisions(var: Path) -> Session | None:
    """The newest recorded day in one hash; None when nothing was recorded."""
    root = paths.journal_root(var)
    known = {day for lane in history.lanes(root) for day in journal.days(root, lane)}
    return history.session(root, max(known)) if known else None


def line_of(found: Session) -> str:
    text = f"{found.decisions:,} decisions of {found.day}, hash {found.decision_hash}"
    return f"{text} ({found.missing})" if found.missing else text
