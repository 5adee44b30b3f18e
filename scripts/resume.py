"""`tsq resume`: end a halt made by an operator (a rule's ends by its own rule only), or say what is
to become of a quarantine.

It loosens, so it takes a word of why: stopping may be done in haste, going on may not.
"""

from __future__ import annotations

import argparse

from scripts.console import Exit
from scripts.operator_command import add_cause, command


def arguments(parser: argparse.ArgumentParser) -> None:
    add_cause(parser, required=True)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--sleeve", default="", help="resume this sleeve alone")
    what.add_argument(
        "--adopt", action="store_true", help="in quarantine: take the venue's positions over"
    )
    what.add_argument(
        "--wait", action="store_true", help="in quarantine: do not flatten while I look at it"
    )


def run(args: argparse.Namespace) -> Exit:
    verb = "adopt" if args.adopt else "wait" if args.wait else "resume"
    return command(args, verb, sleeve=args.sleeve)
