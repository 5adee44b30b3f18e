"""`tsq tune SLEEVE key=value ...`: other parameters while it trades, from its next bar on.

Only parameters marked tunable may change so, within their ranges; what shapes a sleeve's memory
needs `tsq swap`. The governor journals the wish, the sleeve judges it, because only it knows its
parameters; the answer printed here is the sleeve's. It holds until the sleeve is swapped or tuned
again, through restarts too, and `tsq status` shows it.
"""

from __future__ import annotations

import argparse
import time
import tomllib
from typing import Final

from scripts.console import CommandError, Exit, ask_governor, report, var_of, who
from scripts.operator_command import add_cause
from scripts.swap import POLL_S, Seat, owner_of

Value = int | float | bool | str
TEXT_MAX: Final = 500  # as the governor's
NUMBER_MAX: Final = 1 << 53
JUDGED_S: Final = 10.0  # for the sleeve's own word
BAR_S: Final = 10.0  # and for its next bar; a quiet market is no failure


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sleeve", help="its name in the settings")
    parser.add_argument("values", nargs="+", metavar="key=value", help="a parameter, as in TOML")
    add_cause(parser)


def run(args: argparse.Namespace) -> Exit:
    var, values = var_of(args), parsed(args.values)
    asked = {"who": who(), "cause": args.cause, "sleeve": args.sleeve, "values": values}
    answer = ask_governor(var, "tune", asked)
    if not answer.get("done"):
        report(args, f"refused: {answer.get('text', '')}", answer)
        return Exit.REFUSED
    begun = time.monotonic()
    while time.monotonic() < begun + JUDGED_S + BAR_S:
        owner = owner_of(var, args.sleeve)
        judged = owner is not None and owner.tune_no >= owner.asked_no
        if owner is not None and judged and (owner.untuned or holds(owner, values)):
            told = {"tuned": owner.tuned, "untuned": owner.untuned}
            text = f"refused: {owner.untuned}" if owner.untuned else f"done: {owner.tuned} hold"
            report(args, text, told)
            return Exit.REFUSED if owner.untuned else Exit.OK
        if not judged and time.monotonic() > begun + JUDGED_S:
            raise CommandError(f"{args.sleeve} did not answer", Exit.UNSAFE)
        time.sleep(POLL_S)
    report(args, "accepted: it holds from the sleeve's next bar on", {"tuned": {}, "untuned": ""})
    return Exit.OK


def holds(owner: Seat, values: dict[str, Value]) -> bool:
    return all(key in owner.tuned and owner.tuned[key] == value for key, value in values.items())


def parsed(words: list[str]) -> dict[str, Value]:
    """`stop_ticks=20` as a value of TOML, or else as text. Raises CommandError."""
    found: dict[str, Value] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not (key and equals):
            raise CommandError(f"{word!r} is no key=value", Exit.USAGE)
        try:
            value = tomllib.loads(f"v = {text}")["v"]
        except tomllib.TOMLDecodeError:
            value = text
        value = value if isinstance(value, int | float | bool | str) else text
        if isinstance(value, str) and max(len(key), len(value)) > TEXT_MAX:
            raise CommandError(f"{key[:TEXT_MAX]} is longer than {TEXT_MAX} letters", Exit.USAGE)
        if isinstance(value, int | float) and not -NUMBER_MAX <= value <= NUMBER_MAX:
            raise CommandError(f"{word!r} is no number that anybody can mean", Exit.USAGE)
        found[key] = value
    return found
