"""What every command shares: exit codes, output, and where to find a running system."""

from __future__ import annotations

import argparse
import json
import os
import socket
import tempfile
import uuid
from enum import IntEnum
from pathlib import Path
from typing import Any

from shared.runtime.paths import (
    flatten_progress_path,
    flatten_request_path,
    governor_socket_path,
    run_dir,
)
from shared.settings import var_dir

GOVERNOR_TIMEOUT_S = 5.0


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


def report(args: argparse.Namespace, human: str, data: dict[str, Any]) -> None:
    """Print for people, or one JSON object when `--json` was given."""
    print(json.dumps(data, default=str) if args.json else human, flush=True)


def var_of(args: argparse.Namespace) -> Path:
    """The run-time folder this command is about: `--var`, TSQ_VAR or `var` beside the sources."""
    return Path(args.var).resolve() if args.var else var_dir()


def write_request(var: Path, cause: str, who: str) -> str:
    """Leave a `flatten.request` for router, governor and sentinel. Returns its id."""
    request_id = uuid.uuid4().hex
    where = flatten_request_path(run_dir(var))
    body = json.dumps({"id": request_id, "cause": cause, "who": who})
    handle, temporary = tempfile.mkstemp(dir=where.parent, prefix=".flatten")
    with os.fdopen(handle, "w") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, where)
    return request_id


def read_progress(var: Path) -> dict[str, Any]:
    """The last `flatten.progress`, or an empty dict while there is none."""
    try:
        found: dict[str, Any] = json.loads(flatten_progress_path(run_dir(var)).read_text())
    except (OSError, ValueError):
        return {}
    return found


def ask_governor(var: Path, verb: str, **arguments: str) -> dict[str, Any]:
    """Say one operator command at the governor's socket and return its answer.

    Raises CommandError(UNSAFE) when nobody answers: a silence is never taken for consent.
    """
    where = governor_socket_path(run_dir(var))
    line = json.dumps({"verb": verb, **arguments}).encode() + b"\n"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(GOVERNOR_TIMEOUT_S)
            connection.connect(str(where))
            connection.sendall(line)
            answer = b""
            while not answer.endswith(b"\n"):
                chunk = connection.recv(65536)
                if not chunk:
                    break
                answer += chunk
        found: dict[str, Any] = json.loads(answer)
    except (OSError, ValueError) as error:
        raise CommandError(f"the risk governor did not answer ({error})", Exit.UNSAFE) from None
    return found
