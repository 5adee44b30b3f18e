"""`tsq`: one verb, one module. All have --help, --json, --var, and exit codes (`console.Exit`)."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import NoReturn, Protocol, cast

from scripts.console import STARTED, CommandError, Exit, complain, var_of
from shared.settings import SettingsError

VERBS = {
    "up": ("scripts.up", "start the whole cast in the foreground"),
    "down": ("scripts.down", "stop the cast: flatten, then end every process"),
    "demo": ("scripts.demo", "a minute that shows everything, narrated, with a verdict per scene"),
    "status": ("scripts.status", "every process, and whether the account is safe"),
    "logs": ("scripts.logs", "read or follow the log of one process, or of all"),
    "doctor": ("scripts.doctor", "check this computer, the settings and the venue"),
    "arm": ("scripts.arm", "allow orders on the named account until 17:00 CT"),
    "flatten": ("scripts.flatten", "cancel and close everything, halt, and prove it"),
    "halt": ("scripts.halt", "stop all new risk until resumed"),
    "resume": ("scripts.resume", "end a halt that an operator made"),
    "swap": ("scripts.swap", "let another class take a sleeve over while everything trades"),
    "tune": ("scripts.tune", "change a sleeve's tunable parameters at its next bar"),
    "rules": ("scripts.rules", "the firm's rule packs with their evidence, and what each rule is"),
    "simulator": ("scripts.simulator", "the simulated venue alone, for clients of any kind"),
    "risk": ("scripts.risk", "why an order was refused or approved, and how far the limits are"),
    "report": ("scripts.report", "who earned what, and what fills cost, from the journals"),
    "journal": ("scripts.journal", "list, read, follow or verify what an actor recorded"),
    "bench": ("scripts.bench", "measure speed here and now, beside something bare"),
    "new-sleeve": ("scripts.new_sleeve", "write a sleeve that trades, and its test"),
    "replay": ("scripts.replay", "run an actor's journal again; fail if a decision differs"),
}


class Verb(Protocol):
    """What a verb's module offers."""

    def arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, args: argparse.Namespace) -> Exit: ...


INTERRUPTED = 130  # what shells use for Ctrl-C: a command cut short has not succeeded
ENDLESS = ("logs", "journal", "simulator")
"""Verbs that Ctrl-C is the normal end of."""


APART = ("up", "demo", "simulator", "bench", "new-sleeve")
"""Verbs that are not about the cast that runs."""


class Parser(argparse.ArgumentParser):
    """argparse ends with 2 on wrong usage; here 2 means a failed check and 1 means usage."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(Exit.USAGE, f"{self.prog}: {message}\n")


def main(argv: list[str] | None = None) -> int:
    parser = Parser(prog="tsq", description="Autonomous futures trading for Topstep accounts.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=Parser)
    words = sys.argv[1:] if argv is None else argv
    for name, (module, summary) in VERBS.items():
        sub = verbs.add_parser(name, help=summary, description=summary[0].upper() + summary[1:])
        sub.add_argument("--json", action="store_true", help="answer in JSON")
        sub.add_argument(
            "--var", help="run-time folder (default: TSQ_VAR, or var beside the sources)"
        )
        if name in words:
            cast(Verb, import_module(module)).arguments(sub)
    args = parser.parse_args(words)
    if args.verb not in APART:
        join(var_of(args))
    try:
        return int(cast(Verb, import_module(VERBS[args.verb][0])).run(args))
    except CommandError as error:
        return int(complain(args, error, error.code))
    except SettingsError as error:
        return int(complain(args, error, Exit.USAGE))
    except BrokenPipeError:  # `| head` has seen enough; nothing may be flushed at our end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(Exit.OK)
    except KeyboardInterrupt:
        return int(Exit.OK) if args.verb in ENDLESS else INTERRUPTED


def join(var: Path) -> None:
    """Read the settings that the running cast reads: two terminals must not speak of two things.
    What is named in this one counts more.
    """
    if (var / STARTED).exists():
        for key, value in import_module("scripts.supervise").settings_of(var).items():
            os.environ.setdefault(key, value)


if __name__ == "__main__":
    sys.exit(main())
