"""What a check found, and how findings are printed: for `tsq doctor` and its rehearsal."""

from __future__ import annotations

import argparse
from enum import Enum

from msgspec import Struct, structs

from scripts.console import Exit, report


class Grade(Enum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    VENUE = "venue"  # failed, and it was the venue or the network


class Finding(Struct, frozen=True):
    """One check's result; `advice` is empty when all is well."""

    name: str
    grade: Grade
    text: str
    advice: str = ""


def finish(args: argparse.Namespace, findings: list[Finding]) -> Exit:
    """Print every finding and the verdict. 2 when something failed, 3 when it was the venue."""
    lines = []
    for it in findings:
        advice = f"\n{'':<24} -> {it.advice}" if it.advice else ""
        lines.append(f"{it.grade.value:<8} {it.name:<14} {it.text}{advice}")
    grades = {it.grade for it in findings}
    verdict = "something failed" if grades & {Grade.FAILED, Grade.VENUE} else "all is well"
    report(
        args,
        "\n".join([*lines, verdict]),
        {"findings": [structs.asdict(it) | {"grade": it.grade.value} for it in findings]},
    )
    if Grade.FAILED in grades:
        return Exit.CHECK_FAILED
    return Exit.VENUE if Grade.VENUE in grades else Exit.OK
