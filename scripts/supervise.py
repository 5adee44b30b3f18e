"""Talking to supervisord: its configuration for a run-time folder, its state, its end.

For the default `var` the configuration is the repository's own file. For another folder the same
file is written there with the paths replaced, so that there is one text and no template to drift.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import xmlrpc.client  # nosec B411 - spoken over our own unix socket in a private folder only
from pathlib import Path
from typing import Any

from msgspec import Struct
from supervisor.xmlrpc import SupervisorTransport

from scripts.console import STARTED, CommandError, Exit
from shared.settings import REPO

TROUBLE = (OSError, xmlrpc.client.Error, http.client.HTTPException)
"""What a call raises when supervisord is gone, going, or says no."""

SOCKET_PATH_LIMIT = 100  # bytes; the kernel's own limit for a unix socket is 107 with its suffix


RESTS = "autostart=false"
SETTINGS_FILE = "TSQ_SETTINGS"
SETTINGS_WORD = "TSQ__"


class Program(Struct, frozen=True):
    """One program as supervisord sees it. `since` in unix seconds."""

    name: str
    state: str
    pid: int
    since: int
    exit_status: int
    trouble: str


def configuration(var: Path) -> Path:
    """The supervisord configuration for `var`. Raises CommandError if too deep for a socket."""
    if len(os.fsencode(socket_path(var))) > SOCKET_PATH_LIMIT:
        raise CommandError(
            f"{var} is too deep for a unix socket; choose a shorter folder with --var", Exit.USAGE
        )
    source = REPO / "supervisord.conf"
    if var == REPO / "var":
        return source
    text = source.read_text().replace("%(here)s/var", str(var)).replace("%(here)s", str(REPO))
    text = text.replace("files=var/", "files=")  # beside this file, wherever that is
    target = var / "supervisord.conf"
    target.write_text(text)
    return target


def added(var: Path) -> Path:
    """Where `tsq swap` leaves what supervisord includes."""
    return var / "supervisor.d"


def resting(var: Path) -> frozenset[str]:
    """Programs that a swap put to rest: not running is what they are meant to be."""
    found = added(var).glob("*.conf")
    return frozenset(path.stem for path in found if RESTS in path.read_text().splitlines())


def socket_path(var: Path) -> Path:
    return var / "supervisor.sock"


def call(var: Path, method: str, *arguments: object) -> Any:
    """One XML-RPC call to the supervisord of `var`. Raises what is in TROUBLE."""
    transport = SupervisorTransport(None, None, f"unix://{socket_path(var)}")
    try:
        proxy = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
        return getattr(proxy.supervisor, method)(*arguments)
    finally:
        transport.close()


def programs(var: Path) -> list[Program]:
    """Every program's state; an empty list when no supervisord runs on `var`."""
    try:
        rows = call(var, "getAllProcessInfo")
    except TROUBLE:
        return []
    return [
        Program(
            row["name"],
            row["statename"],
            row["pid"],
            row["start"],
            row["exitstatus"],
            row["spawnerr"],
        )
        for row in rows
    ]


def running(var: Path) -> bool:
    """Whether a supervisord lives on `var`; one that is stopping answers with a fault only."""
    try:
        call(var, "getState")
    except xmlrpc.client.Error:
        return True
    except (OSError, http.client.HTTPException):
        return False
    return True


def remember_settings(var: Path, pid: int) -> None:
    """Write down which settings the cast of the supervisord `pid` was started with."""
    words = {
        key: value
        for key, value in os.environ.items()
        if key == SETTINGS_FILE or key.startswith(SETTINGS_WORD)
    }
    path = var / STARTED
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps({"pid": pid, "environment": words}))


def settings_of(var: Path) -> dict[str, str]:
    """The environment that the running cast has its settings from; empty when none runs, or when
    it was started otherwise than by `tsq up`.
    """
    try:
        found = json.loads((var / STARTED).read_text())
        if call(var, "getPID") == found["pid"]:
            return {str(key): str(value) for key, value in found["environment"].items()}
    except (*TROUBLE, ValueError, TypeError, KeyError, AttributeError):
        pass
    return {}


def log_size(var: Path) -> int:
    """Where supervisord's log ends now, for `router_end`."""
    path = log_path(var)
    return path.stat().st_size if path.exists() else 0


def log_path(var: Path) -> Path:
    return var / "log" / "supervisord.log"


def router_end(var: Path, since: int) -> str:
    """How the order router ended after byte `since` of supervisord's log: empty when it ended well.

    Its exit status is its word on the flatten at a stop: anything but 0 means that nobody proved
    the account flat, and neither did a router that was not there to be stopped.
    """
    try:
        text = log_path(var).read_bytes()[since if since <= log_size(var) else 0 :].decode()
    except (OSError, ValueError) as error:
        return f"its log could not be read ({error})"
    found = re.findall(r"(?:stopped|exited): order_router \(([^;)]*)", text)
    if not found:
        return "it was not running"
    return "" if found[-1] == "exit status 0" else str(found[-1])


def shutdown(var: Path) -> bool:
    """Ask supervisord to stop everything. False when none runs."""
    try:
        call(var, "shutdown")
    except xmlrpc.client.Error:
        return True  # it is stopping already
    except (OSError, http.client.HTTPException):
        return False
    return True
