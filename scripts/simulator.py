"""`tsq simulator`: the simulated venue alone, in the foreground, for clients of any kind.

No supervisord and none of our other processes: one child, whose log goes to stderr and whose end is
ours. Once it listens, the addresses are printed as the common client libraries want them told.
Its memory lies in a folder of its own (`<var>/simulator`, or `--var`), so that the cast's simulator
and this one cannot confuse each other; `--fresh` plays in a folder that is thrown away.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess  # nosec B404 - starts our own simulator, fixed words
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from scripts.console import CommandError, Exit, natural, report, var_of
from shared.runtime.parent import die_with_parent
from shared.runtime.paths import run_path
from shared.settings import REPO, Settings, load

TESTMAX_PORT = 8087  # where TestMax users look; taken only when it is free
LISTEN_S = 60.0
POLL_S = 0.05
STOP_S = 15.0
OPTIONS = {
    "port": "TSQ__SIMULATOR__PORT",
    "second_port": "TSQ__SIMULATOR__SECOND_PORT",
    "speed": "TSQ__SIMULATOR__SPEED",
    "seed": "TSQ__SIMULATOR__SEED",
    "regime": "TSQ__SIMULATOR__REGIME",
    "start": "TSQ__SIMULATOR__START",
    "profile": "TSQ__SIMULATOR__WIRE__PROFILE",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=natural, help="where to listen (default: the settings')")
    parser.add_argument(
        "--second-port",
        type=natural,
        default=TESTMAX_PORT,
        help=f"listen here too if it is free (default {TESTMAX_PORT}, as TestMax; 0: do not)",
    )
    parser.add_argument("--speed", type=float, help="market seconds per second")
    parser.add_argument("--seed", type=natural, help="another market")
    parser.add_argument("--regime", help="weather of the market: auto, calm, trend, ...")
    parser.add_argument("--start", help="market time of a fresh start, ISO with offset")
    parser.add_argument("--profile", help="current, or classic for strict older clients")
    parser.add_argument("--settings", help="a settings file on top of the defaults")
    parser.add_argument("--fresh", action="store_true", help="new books, thrown away at the end")


def run(args: argparse.Namespace) -> Exit:
    folder = Path(tempfile.mkdtemp(prefix="tsq-sim-")) if args.fresh else None
    var = folder or (Path(args.var).resolve() if args.var else var_of(args) / "simulator")
    environment = environment_of(args, var)
    settings = load(env=environment)
    stops: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda got, _frame: stops.append(got))
    child = subprocess.Popen(  # nosec B603 - fixed words, no shell
        [sys.executable, "-m", "services.simulator"],
        env=environment,
        cwd=REPO,
        stdout=sys.stderr,
        start_new_session=True,
        preexec_fn=die_with_parent,
    )
    try:
        return serve(args, settings, child, stops)
    finally:
        end(child)
        if folder is not None:
            shutil.rmtree(run_path(folder), ignore_errors=True)
            shutil.rmtree(folder, ignore_errors=True)


def environment_of(args: argparse.Namespace, var: Path) -> dict[str, str]:
    """The child's environment: always the simulator, whatever else is set for the cast."""
    environment = {**os.environ, "TSQ_VAR": str(var), "TSQ__VENUE__ENVIRONMENT": "SIM"}
    if args.settings:
        environment["TSQ_SETTINGS"] = str(Path(args.settings).resolve())
    for option, key in OPTIONS.items():
        value = getattr(args, option)
        if value is not None:
            environment[key] = str(value)
    return environment


def serve(
    args: argparse.Namespace,
    settings: Settings,
    child: subprocess.Popen[bytes],
    stops: list[int],
) -> Exit:
    """Wait until it listens, say where, and stay until it ends or we are told to."""
    base = f"http://{shown_host(settings.simulator.host)}:{settings.simulator.port}"
    if not settings.simulator.port:
        raise CommandError("a free port cannot be announced; name one with --port", Exit.USAGE)
    deadline = time.monotonic() + LISTEN_S
    while not stops and not answers(base):
        if child.poll() is not None:
            raise CommandError(f"the simulator ended with code {child.returncode}", Exit.VENUE)
        if time.monotonic() > deadline:
            raise CommandError(f"nothing listens on {base} after {LISTEN_S:.0f} s", Exit.VENUE)
        time.sleep(POLL_S)
    if not stops:
        second = f"http://{shown_host(settings.simulator.host)}:{settings.simulator.second_port}"
        also = second if settings.simulator.second_port and answers(second) else ""
        report(args, told(base, also, settings), facts(base, also, settings))
    while not stops and child.poll() is None:
        time.sleep(POLL_S)
    if stops:
        return Exit.OK
    raise CommandError(f"the simulator ended with code {child.returncode}", Exit.VENUE)


def shown_host(host: str) -> str:
    """Where a client on this computer reaches us."""
    return "127.0.0.1" if host in ("", "0.0.0.0") else host  # nosec B104 - compared, not bound


def answers(base: str) -> bool:
    """Whether the venue answers a ping."""
    try:
        with urllib.request.urlopen(f"{base}/api/Status/ping", timeout=2.0) as answer:  # nosec B310
            return bool(answer.read() == b"pong")
    except (OSError, urllib.error.URLError, ValueError):
        return False


def end(child: subprocess.Popen[bytes]) -> None:
    """Ask it to stop, then make it."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


# -- what is told ----------------------------------------------------------------------------------


def environments(base: str, settings: Settings) -> dict[str, dict[str, str]]:
    """Per client library: the environment that points it here. Any name and key are taken."""
    account = settings.simulator.accounts[0].name
    user, market = f"{base}/hubs/user", f"{base}/hubs/market"
    return {
        "project-x-py": {
            "PROJECT_X_API_KEY": "any",
            "PROJECT_X_USERNAME": "any",
            "PROJECT_X_ACCOUNT_NAME": account,
            "PROJECTX_API_URL": f"{base}/api",
            "PROJECTX_USER_HUB_URL": user,
            "PROJECTX_MARKET_HUB_URL": market,
        },
        "tsxapi4py": {
            "API_KEY": "any",
            "USERNAME": "any",
            "TRADING_ENVIRONMENT": "DEMO",
            "API_BASE_URL_OVERRIDE_ENV": base,
            "USER_HUB_URL_OVERRIDE_ENV": user,
            "MARKET_HUB_URL_OVERRIDE_ENV": market,
        },
    }


def calls(base: str) -> dict[str, str]:
    """Per client library that is pointed here in code: the line that does it."""
    return {
        "topstep-client-py": f'TopstepClient.create("any", "any", base_url="{base}");'
        f' UserHub(token, hub_url="{base.replace("http", "ws", 1)}/hubs/user")',
        "topstepx-js": f'createClient("any", "any", {{ baseUrl: "{base}", rtcUrl: "{base}" }})',
        "projectx-rs": f'Endpoints::custom("{base}/", "{base}/")',
        "@microsoft/signalr": f'withUrl("{base}/hubs/user?access_token=" + token)',
    }


def facts(base: str, also: str, settings: Settings) -> dict[str, object]:
    return {
        "rest": base,
        "user_hub": f"{base}/hubs/user",
        "market_hub": f"{base}/hubs/market",
        "replay": f"{also or base}/api/topstep-sim",
        "second": also,
        "truth": f"{base}/sim/truth",
        "accounts": [account.name for account in settings.simulator.accounts],
        "profile": settings.simulator.wire.profile,
        "environments": environments(base, settings),
        "calls": calls(base),
    }


def told(base: str, also: str, settings: Settings) -> str:
    """For people."""
    lines = [
        f"simulated venue ready: {base}" + (f" and {also}" if also else ""),
        f"  REST            {base}/api/...",
        f"  hubs            {base}/hubs/user  {base}/hubs/market",
        f"  pull replay     {also or base}/api/topstep-sim  (docs/pull-replay.md)",
        f"  ground truth    {base}/sim/truth  (docs/simulator.md)",
        "  accounts        " + ", ".join(row.name for row in settings.simulator.accounts),
        "  login           any user name, any key",
    ]
    for library, variables in environments(base, settings).items():
        lines += ["", f"# {library}"]
        lines += [f"export {name}={value}" for name, value in variables.items()]
        if library == "project-x-py" and settings.simulator.wire.profile != "classic":
            lines.append("# (its models are strict: start with --profile classic)")
    lines.append("")
    lines += [f"# {library}: {line}" for library, line in calls(base).items()]
    lines += ["", "Ctrl-C ends it."]
    return "\n".join(lines)
