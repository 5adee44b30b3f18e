"""`tsq arm ACCOUNT_NAME`: orders may leave for that account until 17:00 CT (`--off`: not)."""

from __future__ import annotations

import argparse

from scripts.console import CommandError, Exit
from scripts.operator_command import add_cause, command
from shared.settings import load


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("account", help="the account's name, as the venue spells it")
    parser.add_argument("--off", action="store_true", help="disarm instead")
    add_cause(parser)


def run(args: argparse.Namespace) -> Exit:
    settings = load()
    if args.account != settings.venue.account:
        raise CommandError(
            f"the settings trade {settings.venue.account!r}, not {args.account!r}", Exit.REFUSED
        )
    return command(args, "disarm" if args.off else "arm", account=args.account)
