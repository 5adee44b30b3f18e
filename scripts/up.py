"""`tsq up`: supervisord in the foreground, one status line per process, a clean end on Ctrl-C.

supervisord gets its own session, so that a closed terminal (SIGHUP, for it "restart everything")
reaches only this command, and the parent-death signal, so that it never outlives it.
Stopping is supervisord's work in its order: sleeves first, the router (which flattens) late.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess  # nosec B404 - starts supervisord and the sleep inhibitor, fixed words
import sys
import time
from pathlib import Path

from scripts.console import CommandError, Exit, report, var_of
from scripts.down import told_end
from scripts.status import ages, line_of
from scripts.supervise import (
    Program,
    configuration,
    log_size,
    programs,
    remember_settings,
    resting,
    router_end,
    running,
    socket_path,
)
from shared.runtime.parent import die_with_parent
from shared.settings import Settings, load

POLL_S = 0.25
ANNOUNCE_S = 60.0  # how long the start is narrated before the table is printed as it is
STOP_LIMIT_S = 180.0
INHIBITED_S = 0.5  # a sleep inhibitor that ends sooner was refused


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fresh", action="store_true", help="a new simulated session, new books")
    parser.add_argument("--settings", help="a settings file on top of the defaults")
    parser.add_argument("--speed", type=float, help="market seconds per second (simulator)")


def run(args: argparse.Namespace) -> Exit:
    settings = environment_of(args)
    var = var_of(args)
    if running(var):
        raise CommandError(
            f"already running on {var} or still stopping (tsq status, tsq down)", Exit.USAGE
        )
    if args.fresh:
        put_aside(var, settings)
    make_folders(var)
    since = log_size(var)
    child = start(var, settings)
    stops: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda got, _frame: stops.append(got))
    page = f"http://{settings.metrics_exporter.host}:{settings.metrics_exporter.port}/"
    report(args, f"dashboard  {page}", {"dashboard": page, "var": str(var)})
    narrate(args, var, child, stops)
    while child.poll() is None and not stops:
        time.sleep(POLL_S)
    return stop(args, child, var, since) if stops else ended(args, child, var, since)


def environment_of(args: argparse.Namespace) -> Settings:
    """Options become environment, so that every process of the cast reads the same settings.

    A file is named by its full path, because those processes live in another folder than we.
    """
    file = args.settings or os.environ.get("TSQ_SETTINGS")
    if file:
        os.environ["TSQ_SETTINGS"] = str(Path(file).resolve())
    if args.speed is not None:
        os.environ["TSQ__SIMULATOR__SPEED"] = repr(float(args.speed))
    return load()


def put_aside(var: Path, settings: Settings) -> None:
    """`--fresh`: the old folder becomes `<var>.previous` (one is kept). Simulator only.

    The mark that keeps `var/log` in the repository stays where git looks for it.
    """
    if not settings.simulated():
        raise CommandError(
            "--fresh forgets every order this account ever had; it exists on the simulator only",
            Exit.REFUSED,
        )
    previous = var.with_name(var.name + ".previous")
    if var.exists():
        shutil.rmtree(previous, ignore_errors=True)
        var.rename(previous)
    mark = Path("log") / ".gitkeep"
    if (previous / mark).exists():
        (var / mark).parent.mkdir(parents=True)
        (previous / mark).rename(var / mark)


def make_folders(var: Path) -> None:
    try:
        (var / "log").mkdir(parents=True, exist_ok=True)
        probe = var / ".writable"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise CommandError(f"{var} cannot be written: {error.strerror}", Exit.USAGE) from None


def start(var: Path, settings: Settings) -> subprocess.Popen[bytes]:
    """supervisord on `var`, dying with us; off the simulator the computer is kept awake."""
    os.environ["TSQ_VAR"] = str(var)
    os.environ["TSQ_PYTHON"] = sys.executable
    if socket_path(var).exists():
        socket_path(var).unlink()
    words = [sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration(var))]
    child = subprocess.Popen(  # nosec B603 - fixed words, no shell
        words, start_new_session=True, preexec_fn=die_with_parent
    )
    remember_settings(var, child.pid)
    if not settings.simulated() and not keep_awake():
        print("this computer cannot be kept awake from here; see to it yourself", file=sys.stderr)
    return child


def keep_awake() -> bool:
    """Ask the operating system not to sleep while we live. False where it would not hear us."""
    me = str(os.getpid())
    for words in (
        ["systemd-inhibit", "--what=sleep:idle", "--who=topstepquant", "tail", "--pid", me, "-f"],
        ["caffeinate", "-is", "-w", me],
    ):
        if shutil.which(words[0]):
            quiet = subprocess.DEVNULL
            child = subprocess.Popen(  # nosec B603 - fixed words, no shell; ends with us
                words, stdin=quiet, stdout=quiet, stderr=quiet
            )
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(INHIBITED_S)
                continue
            return True
    return False


def narrate(
    args: argparse.Namespace, var: Path, child: subprocess.Popen[bytes], stops: list[int]
) -> None:
    """Print each process once it runs and beats, then whoever has not come up."""
    waiting: dict[str, Program] = {}
    shown: set[str] = set()
    deadline = time.monotonic() + ANNOUNCE_S
    while child.poll() is None and not stops and time.monotonic() < deadline:
        beats = ages(var)
        rests = resting(var)
        waiting = {it.name: it for it in programs(var) if it.name not in rests}
        for name, program in waiting.items():
            fresh = beats.get(name, {}).get("age_s", 1e9) < 1.0
            if name not in shown and program.state == "RUNNING" and fresh:
                shown.add(name)
                report(args, line_of(program, beats), {"process": name, "pid": program.pid})
        if waiting and shown >= waiting.keys():
            return
        time.sleep(POLL_S)
    for name in waiting.keys() - shown:
        report(args, f"{name:<24} NOT UP: tsq logs {name}", {"process": name, "pid": 0})


def stop(args: argparse.Namespace, child: subprocess.Popen[bytes], var: Path, since: int) -> Exit:
    """SIGTERM to supervisord, then its own order; a second Ctrl-C never skips safety."""
    report(args, "stopping: the router flattens, then every process ends", {"stopping": True})
    with contextlib.suppress(ProcessLookupError):
        child.terminate()
    try:
        child.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        report(args, f"supervisord (pid {child.pid}) has not ended; look at its log", {})
        return Exit.UNSAFE
    return told_end(args, router_end(var, since))


def ended(args: argparse.Namespace, child: subprocess.Popen[bytes], var: Path, since: int) -> Exit:
    """supervisord ended by itself: after `tsq down`, or because it could not start."""
    if child.returncode == 0:
        return told_end(args, router_end(var, since))
    raise CommandError(
        f"supervisord ended with {child.returncode}; see {var / 'log' / 'supervisord.log'}",
        Exit.CHECK_FAILED,
    )
