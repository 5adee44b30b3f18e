"""`tsq status`: each process as supervisord and its heartbeat see it; is the account safe?

Exit code 5 while the account is not: DANGER, or an alarm for a person. The governor itself is asked
too, so that an alarm is heard without the page.
"""

from __future__ import annotations

import argparse
import http.client
import json
import time
from pathlib import Path
from typing import Any

from msgspec import structs

from scripts.console import CommandError, Exit, ask_governor, report, var_of
from scripts.risk_lines import headroom_line, held_lines, risk_of
from scripts.supervise import Program, programs, resting
from shared.domain.rules.telling import alarms, all_held
from shared.runtime.heartbeats import read_heartbeats
from shared.settings import Settings, load

STALE_S = 3.0
DANGER = "DANGER"


def arguments(parser: argparse.ArgumentParser) -> None:
    """No options of its own."""


def run(args: argparse.Namespace) -> Exit:
    var = var_of(args)
    found = programs(var)
    beats = ages(var)
    settings = load()
    face = next((p.state for p in found if p.name == "metrics_exporter"), "")
    safety = verdict_of(settings) if face == "RUNNING" else {}  # else the answer is a stranger's
    lines = [line_of(program, beats) for program in found] or ["nothing runs here"]
    lines.append(safety_line(safety))
    state = risk_of(var)
    lines += [] if state is None else [headroom_line(state), *held_lines(state)]
    lines += tuned_lines(var)
    rows = [structs.asdict(program) | beats.get(program.name, {}) for program in found]
    alarmed = [] if state is None else alarms(state)
    held = [] if state is None else [structs.asdict(one) for one in all_held(state)]
    report(
        args, "\n".join([*(f"*** {text} ***" for text in alarmed), *lines]),
        {"processes": rows, "safety": safety, "latches": held, "alarms": alarmed},
    )  # fmt: skip
    if alarmed or safety.get("level") == DANGER:
        return Exit.UNSAFE
    rests = resting(var)
    well = found and all(p.state == "RUNNING" or p.name in rests for p in found)
    return Exit.OK if well else Exit.CHECK_FAILED


def tuned_lines(var: Path) -> list[str]:
    """Parameters that are other than the settings say."""
    try:
        seats = ask_governor(var, "seats", {}).get("seats", [])
    except CommandError:
        return []
    return [
        f"tuned {one['sleeve']}: {', '.join(f'{k} = {v}' for k, v in one['tuned'].items())}"
        for one in seats
        if one["owner"] and one["tuned"]
    ]


def safety_line(verdict: dict[str, Any]) -> str:
    """The exporter's word and its reasons, each with its own weight, worst first."""
    if not verdict:
        return "safety: UNKNOWN, the exporter does not answer"
    reasons = "".join(f"\n  {one['level']:<7} {one['text']}" for one in verdict.get("reasons", ()))
    return f"safety: {verdict.get('level', 'UNKNOWN')}{reasons}"


def line_of(program: Program, beats: dict[str, dict[str, Any]]) -> str:
    """One status line: what supervisord says, then what the process says of itself."""
    beat = beats.get(program.name)
    if program.state == "STOPPED":
        tail = "rests" if not program.trouble else program.trouble
    elif program.state != "RUNNING":
        tail = program.trouble or f"exit status {program.exit_status}"
    elif beat is None:
        tail = "no heartbeat yet"
    else:
        stale = " STALE" if beat["age_s"] > STALE_S else ""
        tail = f"{beat['state']}{stale}, beat {beat['age_s']:.1f} s ago {beat['note']}".rstrip()
    return f"{program.name:<24} {program.state:<9} pid {program.pid or '-':<8} {tail}"


def ages(var: Path) -> dict[str, dict[str, Any]]:
    """Heartbeat files by actor: state, note and age in seconds."""
    now = time.time()
    return {
        name: {"state": beat.state, "note": beat.note, "age_s": max(0.0, now - written)}
        for name, (beat, written) in read_heartbeats(var).items()
    }


def verdict_of(settings: Settings) -> dict[str, Any]:
    """The exporter's own verdict; empty when it does not answer."""
    where = settings.metrics_exporter
    connection = http.client.HTTPConnection(where.host, where.port, timeout=2.0)
    try:
        connection.request("GET", "/api/status")
        found = json.loads(connection.getresponse().read())
    except (OSError, ValueError, http.client.HTTPException):
        return {}
    finally:
        connection.close()
    verdict = found.get("verdict", {})
    return verdict if isinstance(verdict, dict) else {}
