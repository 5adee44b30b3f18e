"""Who sits where: the two processes of a sleeve under supervisord, one changed without the others.

supervisord reads `<var>/supervisor.d/*.conf` after its own file. One file per seat is written here:
the whole program, or what differs from supervisord's own file where that has the seat. Then the
configuration is read again and only the one program is stopped, started or replaced, as
`supervisorctl update NAME` does it; no other process learns of it. A seat that rests keeps its file
with `autostart=false`, so that the next `tsq up` finds things as they are now.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.console import CommandError, Exit
from scripts.supervise import RESTS, TROUBLE, added, call, configuration
from shared.seats import PREFIX, seat_of


def seat(
    var: Path, actor: str, implementation: str, params: Mapping[str, Any], *, search: str = ""
) -> None:
    """Let a process of this class begin in a seat, with `search` as its PYTHONPATH. Raises
    CommandError.
    """
    head = f"TSQ__SLEEVES__{seat_of(actor)[0].upper()}__"
    environment = ",".join(
        (
            f'TSQ_VAR="{var}"',
            *((f'PYTHONPATH="{search.replace("%", "%%")}"',) if search else ()),
            f'{head}IMPLEMENTATION="{implementation}"',
            f'{head}ENABLED="true"',
            f"{head}PARAMS='{toml(dict(params))}'",
        )
    )
    lines = [f"[program:{actor}]"] if configured(var, actor) else program(var, actor)
    lines = [line for line in lines if not line.startswith("environment=")]
    become(var, actor, [*lines, f"environment={environment}"])


def rest(var: Path, actor: str) -> None:
    """Stop a process and keep it stopped, over the next start too."""
    lines = lines_of(var, actor)
    if lines or configured(var, actor):
        lines = lines or [f"[program:{actor}]"]
        restore(var, actor, [*(line for line in lines if line != RESTS), RESTS])


def wake(var: Path, actor: str) -> None:
    """Let a seat's last process run again. Raises CommandError when nobody ever sat there."""
    lines = [line for line in lines_of(var, actor) if line != RESTS]
    if not lines and not configured(var, actor):
        raise CommandError(f"nobody sat in {actor} yet", Exit.USAGE)
    become(var, actor, lines)


def become(var: Path, actor: str, lines: list[str]) -> None:
    """Make `lines` the file of a seat, and supervisord follow it. What it cannot read is taken back
    before CommandError is raised: one bad file would keep every other program from being changed,
    and the whole cast from starting.
    """
    before = lines_of(var, actor)
    try:
        restore(var, actor, lines)
    except CommandError:
        _write(var, actor, before)
        raise


def restore(var: Path, actor: str, lines: list[str]) -> None:
    """Make the file of a seat what it was before, or is to be from now on, even if supervisord is
    gone: the next one finds it so. Raises CommandError.
    """
    _write(var, actor, lines)
    apply(var, actor)


def configured(var: Path, actor: str) -> bool:
    """Whether supervisord knows the seat from its own file; a seat that was added it does not."""
    return f"\n[program:{actor}]\n" in configuration(var).read_text()


def program(var: Path, actor: str) -> list[str]:
    """A sleeve's program as the configuration has it, under another name."""
    text = configuration(var).read_text().replace("%(here)s", str(configuration(var).parent))
    sleeve = seat_of(actor)[0]
    blocks = re.findall(rf"^\[program:{PREFIX}(\w+)\]$\n((?:.+\n)+)", text, re.MULTILINE)
    if not blocks:
        raise CommandError(f"{configuration(var)} has no sleeve to go by", Exit.USAGE)
    name, body = next((it for it in blocks if it[0] == sleeve), blocks[0])
    body = body.replace(
        f"services.sleeves {name}", f"services.sleeves {actor.removeprefix(PREFIX)}"
    )
    body = body.replace(f"{PREFIX}{name}.log", f"{actor}.log")
    return [f"[program:{actor}]", *body.splitlines()]


def apply(var: Path, actor: str) -> None:
    """Make supervisord follow the file of one seat. Raises CommandError when it cannot."""
    try:
        ((new, changed, gone),) = call(var, "reloadConfig")
        if actor in changed or actor in gone:
            call(var, "stopProcessGroup", actor)
            call(var, "removeProcessGroup", actor)
        if actor in new or actor in changed:
            call(var, "addProcessGroup", actor)
        elif actor not in gone and RESTS not in lines_of(var, actor) and not _up(var, actor):
            call(var, "startProcess", actor, False)
    except TROUBLE as error:
        raise CommandError(f"supervisord: {error}", Exit.UNSAFE) from None


def _up(var: Path, actor: str) -> bool:
    up: bool = call(var, "getProcessInfo", actor)["statename"] in ("RUNNING", "STARTING")
    return up


def toml(value: Any) -> str:
    """A value as the environment of a program can carry it: in one line, without the characters
    that supervisord's reader of values takes for its own.
    """
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}={toml(it)}" for key, it in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(toml, value)) + "]"
    if isinstance(value, str):
        return re.sub("['%;#]", lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value))
    return json.dumps(value)


def _path(var: Path, actor: str) -> Path:
    return added(var) / f"{actor}.conf"


def lines_of(var: Path, actor: str) -> list[str]:
    """The file of a seat as it is; empty where there is none."""
    path = _path(var, actor)
    return path.read_text().splitlines() if path.exists() else []


def _write(var: Path, actor: str, lines: list[str]) -> None:
    path = _path(var, actor)
    if lines[1:]:
        path.parent.mkdir(exist_ok=True)
        new = path.with_suffix(".new")
        new.write_text("\n".join(lines) + "\n")
        os.replace(new, path)
    else:
        path.unlink(missing_ok=True)
