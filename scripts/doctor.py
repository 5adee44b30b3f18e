"""`tsq doctor`: everything that can be checked before an order, checked; each with what to do.

Local checks first, then the venue with one login and four reads. Nothing is sent that could trade.
A warning is something to know; a failure keeps `tsq arm` from being a good idea (exit code 2, or 3
when it was the venue). `--rehearse` is about the sentinel alone (`rehearse_sentinel`).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

from scripts import rehearse_sentinel
from scripts.console import Exit, var_of
from scripts.findings import Finding, Grade, finish
from scripts.supervise import SOCKET_PATH_LIMIT, programs, socket_path
from shared.contracts import PRODUCTS
from shared.domain.sessions import OutsideCalendar, calendar
from shared.runtime.exits import Fatal
from shared.runtime.paths import run_dir
from shared.settings import Settings, SettingsError, credentials, load
from shared.units import DAY
from shared.venue.answers import Response, rows
from shared.venue.client import VenueClient
from shared.venue.outcome import Answered, Outcome

DISK_FREE_MIN = 6 * 1024**3  # a day and a half of what was measured (docs/soak.md)
TUNNELS = ("tun", "tap", "wg", "ppp", "utun", "tailscale", "zt", "nordlynx")
NEEDED = ("pyzmq", "msgspec", "uvloop", "aiohttp", "signalrcore", "loguru", "supervisor")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--offline", action="store_true", help="leave the venue out")
    parser.add_argument(
        "--rehearse", action="store_true",
        help="rehearse the sentinel: on a private simulator it flattens; elsewhere it only reads",
    )  # fmt: skip


def run(args: argparse.Namespace) -> Exit:
    try:
        settings = load()
        calendar(settings.session)
    except (SettingsError, ValueError) as error:
        return finish(args, [Finding("settings", Grade.FAILED, str(error), "mend what it names")])
    var = var_of(args)
    if args.rehearse:
        return finish(args, rehearse_sentinel.rehearse(args, settings, var))
    findings = [check for part in LOCAL for check in part(settings, var)]
    if not args.offline:
        findings += asyncio.run(venue(settings))
    return finish(args, findings)


# -- this computer ---------------------------------------------------------------------------------


def software(settings: Settings, var: Path) -> Iterator[Finding]:
    grade = Grade.OK if sys.version_info >= (3, 11) else Grade.FAILED
    packages = ", ".join(f"{name} {version(name)}" for name in NEEDED)
    yield Finding("python", grade, f"{platform.python_version()}; {packages}")


def folders(settings: Settings, var: Path) -> Iterator[Finding]:
    try:
        var.mkdir(parents=True, exist_ok=True)
        (var / ".doctor").write_text("")
        (var / ".doctor").unlink()
        yield Finding("var", Grade.OK, f"{var} can be written")
    except OSError as error:
        yield Finding("var", Grade.FAILED, f"{var}: {error.strerror}", "choose another with --var")
        return
    free = shutil.disk_usage(var).free
    yield Finding(
        "disk",
        Grade.OK if free >= DISK_FREE_MIN else Grade.WARNING,
        f"{free / 1024**3:.1f} GiB free",
        "" if free >= DISK_FREE_MIN else "a trading day's journals want about 4 GiB",
    )
    try:
        yield Finding("sockets", Grade.OK, f"{run_dir(var)}")
    except Fatal as error:
        yield Finding("sockets", Grade.FAILED, str(error), "remove that folder")
    if len(os.fsencode(socket_path(var))) > SOCKET_PATH_LIMIT:
        yield Finding("path", Grade.FAILED, f"{var} is too deep for a unix socket", "use --var")


def markets(settings: Settings, var: Path) -> Iterator[Finding]:
    """A sleeve whose market nobody asks for would wait for ever."""
    known = roots(settings)
    for name in settings.running_sleeves():
        sleeve = settings.sleeves[name]
        if sleeve.root not in known:
            text = f"sleeve {name} waits for {sleeve.root}; the gateway asks for {', '.join(known)}"
            yield Finding("markets", Grade.FAILED, text, "[market_data_gateway] roots")


def clock(settings: Settings, var: Path) -> Iterator[Finding]:
    now_ns = time.time_ns()
    try:
        day = calendar(settings.session).at(now_ns)
        ahead = calendar(settings.session).at(now_ns + 30 * DAY)
        text = f"trading day {day.day}, phase {day.phase(now_ns).value}; known to {ahead.day}"
        yield Finding("calendar", Grade.OK, text)
    except OutsideCalendar as error:
        yield Finding("calendar", Grade.FAILED, str(error), "update topstepquant")


def network(settings: Settings, var: Path) -> Iterator[Finding]:
    """The firm forbids VPNs and remote servers; an interface by itself proves nothing."""
    listed = Path("/sys/class/net")
    names = sorted(path.name for path in listed.iterdir()) if listed.is_dir() else []
    tunnels = [name for name in names if name.startswith(TUNNELS)]
    if tunnels and not settings.simulated():
        yield Finding(
            "network",
            Grade.WARNING,
            f"tunnel interfaces: {', '.join(tunnels)}",
            "the firm forbids VPNs and remote machines",
        )
    else:
        yield Finding("network", Grade.OK, "no tunnel interface in the way")


def running(settings: Settings, var: Path) -> Iterator[Finding]:
    found = programs(var)
    if not found:
        yield Finding("cast", Grade.WARNING, "not running", "./scripts/up")
        yield from ports(settings)
        return
    down = [program.name for program in found if program.state != "RUNNING"]
    yield Finding(
        "cast",
        Grade.FAILED if down else Grade.OK,
        f"{len(found) - len(down)} of {len(found)} processes run",
        f"tsq logs {down[0]}" if down else "",
    )


def ports(settings: Settings) -> Iterator[Finding]:
    """The addresses that will be wanted must be free while nothing of ours runs."""
    wanted = {"metrics_exporter": (settings.metrics_exporter.host, settings.metrics_exporter.port)}
    if settings.simulated():
        wanted["simulator"] = (settings.simulator.host, settings.simulator.port)
    for name, (host, port) in wanted.items():
        try:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
            yield Finding("port", Grade.OK, f"{host}:{port} is free for {name}")
        except OSError as error:
            yield Finding(
                "port", Grade.FAILED, f"{host}:{port} of {name}: {error.strerror}", f"[{name}] port"
            )


LOCAL: tuple[Callable[[Settings, Path], Iterator[Finding]], ...] = (
    software,
    folders,
    markets,
    clock,
    network,
    running,
)


# -- the venue -------------------------------------------------------------------------------------


async def venue(settings: Settings) -> list[Finding]:
    """Login, account and contracts, as the router and the gateway would see them."""
    try:
        login = credentials(settings)
    except SettingsError as error:
        return [Finding("credentials", Grade.FAILED, str(error), "see .env.example")]
    client = VenueClient(
        settings.rest_url(), login, timeout_s=settings.venue.request_timeout_real_s
    )
    try:
        first = await account(client, settings)
        if first.grade is Grade.VENUE:
            return [first]
        return [first, *[await contract(client, root) for root in roots(settings)]]
    finally:
        await client.close()


def roots(settings: Settings) -> tuple[str, ...]:
    return settings.market_data_gateway.roots


def told(outcome: Outcome[Response]) -> str:
    """Why there was no useful answer."""
    if isinstance(outcome, Answered):
        return f"code {outcome.response.error_code} {outcome.response.error_message or ''}".strip()
    return outcome.why


async def account(client: VenueClient, settings: Settings) -> Finding:
    wanted = settings.venue.account
    outcome = await client.accounts()
    if not isinstance(outcome, Answered) or not outcome.response.success:
        return Finding("account", Grade.VENUE, told(outcome), "is the venue up? ./scripts/up")
    found = {row.name: row for row in rows(outcome.response.accounts)}
    if wanted not in found:
        names = ", ".join(sorted(found)) or "none"
        return Finding(
            "account", Grade.FAILED, f"no account {wanted!r}; there are: {names}", "[venue] account"
        )
    row = found[wanted]
    if not row.simulated:
        return Finding(
            "account", Grade.FAILED, f"{wanted} is a live account", "the firm forbids the API there"
        )
    grade = Grade.OK if row.can_trade else Grade.FAILED
    return Finding("account", grade, f"{wanted}, balance {row.balance}, can trade: {row.can_trade}")


async def contract(client: VenueClient, root: str) -> Finding:
    if root not in PRODUCTS:
        known = ", ".join(PRODUCTS)
        return Finding(root, Grade.FAILED, f"no product of ours; there are {known}", "roots")
    outcome = await client.contracts(root)
    if not isinstance(outcome, Answered) or not outcome.response.success:
        return Finding(root, Grade.VENUE, told(outcome), "is the venue up?")
    symbol = f"F.US.{PRODUCTS[root].symbol}"
    active = [
        row.id
        for row in rows(outcome.response.contracts)
        if row.symbol_id == symbol and row.active_contract
    ]
    if not active:
        return Finding(
            root, Grade.FAILED, f"no active contract of {symbol}", "[market_data_gateway]"
        )
    return Finding(root, Grade.OK, active[0])
