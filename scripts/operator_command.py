"""Operator commands that the governor answers: one sentence in, one verdict out."""

from __future__ import annotations

import argparse

from scripts.console import Exit, ask_governor, report, var_of, who


def add_cause(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """`required`: for what loosens."""
    parser.add_argument(
        "--cause", default="operator", required=required, help="why, for the journal"
    )


def command(args: argparse.Namespace, verb: str, **arguments: str) -> Exit:
    """Ask the governor and print its answer. Refusals are exit code 4, silence is 5."""
    answer = ask_governor(
        var_of(args), verb, {"who": who(), "cause": getattr(args, "cause", verb), **arguments}
    )
    done = bool(answer.get("done"))
    report(args, f"{'done' if done else 'refused'}: {answer.get('text', '')}", answer)
    return Exit.OK if done else Exit.REFUSED
