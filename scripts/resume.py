"""`tsq resume`: end a halt made by an operator; a rule's halt ends by its own rule only."""

from __future__ import annotations

import argparse

from scripts.console import Exit
from scripts.operator_command import add_cause, command


def arguments(parser: argparse.ArgumentParser) -> None:
    add_cause(parser)
    parser.add_argument("--sleeve", default="", help="resume this sleeve alone")


def run(args: argparse.Namespace) -> Exit:
    return command(args, "resume", sleeve=args.sleeve)
