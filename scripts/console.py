"""What every command shares: exit codes, output, and where to find a running system."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import socket
import sys
import uuid
from enum import IntEnum
from pathlib import Path
from typing import Any

from msgspec import structs

from shared.runtime import flatten_files
from shared.runtime.exits import Fatal
from shared.runtime.flatten_files import Request
from shared.runtime.paths import (
    governor_socket_path,
    run_dir,
)
from shared.settings import var_dir

GOVERNOR_TIMEOUT_S = 5.0
STARTED = "settings.started"
"""In a run-time folder: which settings its cast was started with."""


class Exit(IntEnum):
    """What a command's exit code means; stable, documented in the README."""

    OK = 0
    USAGE = 1  # wrong words, unusable settings
    CHECK_FAILED = 2  # a check, a replay or a verification did not hold
    VENUE = 3  # the venue or the network
    REFUSED = 4  # the governor would not
    UNSAFE = 5  # not proven safe: not flat, no governor, still running


class CommandError(Exception):
    """Ends a command with a message for people and its exit code."""

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message)
        self.code = code


def natural(text: str) -> int:
    """For `type=`: a whole number from 0 on."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 on")
    return int(text)


def who() -> str:
    """The person's name for the journal; a user without one (containers) is stopped by nothing."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return f"user {os.getuid()}"


def report(args: argparse.Namespace, human: str, data: dict[str, Any]) -> None:
    """Print for people, or one JSON object when `--json` was given."""
    print(json.dumps(data, default=str) if args.json else human, flush=True)


def complain(args: argparse.Namespace, error: Exception, code: Exit) -> Exit:
    """Say on stderr why a command ends, with `--json` in JSON on stdout too. Returns `code`."""
    print(f"tsq {args.verb}: {error}", file=sys.stderr)
    if args.json:
        print(json.dumps({"error": str(error), "exit": int(code)}), flush=True)
    return code


def var_of(args: argparse.Namespace) -> Path:
    """The run-time folder this command is about: `--var`, TSQ_VAR or `var` beside the sources."""
    return Path(args.var).resolve() if args.var else var_dir()


def run_of(var: Path) -> Path:
    """The run directory. Raises CommandError(UNSAFE) if it is not ours alone: then nobody of ours
    can be reached through it.
    """
    try:
        return run_dir(var)
    except Fatal as error:
        raise CommandError(error.why, Exit.UNSAFE) from None


def write_request(var: Path, cause: str, who: str) -> str:
    """Leave a `flatten.request` for router, governor and sentinel; the id of the one that stands.

    Raises OSError when it cannot be written.
    """
    return flatten_files.leave(run_of(var), Request(uuid.uuid4().hex, cause, who)).id


def read_progress(var: Path) -> dict[str, Any]:
    """The last `flatten.progress`, or an empty dict while there is none."""
    found = flatten_files.progress(run_of(var))
    return {} if found is None else structs.asdict(found)


def ask_governor(
    var: Path, verb: str, arguments: dict[str, Any], patience_s: float = GOVERNOR_TIMEOUT_S
) -> dict[str, Any]:
    """Say one operator command at the governor's socket and return its answer.

    Raises CommandError(UNSAFE) when nobody answers: a silence is never taken for consent.
    """
    where = governor_socket_path(run_of(var))
    line = json.dumps({"verb": verb, **arguments}).encode() + b"\n"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(patience_s)
            connection.connect(str(where))
            connection.sendall(line)
            answer = b""
            while not answer.endswith(b"\n"):
                chunk = connection.recv(65536)
                if not chunk:
                    break
                answer += chunk
        found: dict[str, Any] = dict(json.loads(answer))
    except (OSError, ValueError, TypeError) as error:
        raise CommandError(f"the risk governor did not answer ({error})", Exit.UNSAFE) from None
    return found
