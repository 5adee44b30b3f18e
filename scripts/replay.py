"""`tsq replay ACTOR`: run an actor's journal again; every decision must come out as recorded.

The last line is one hash over all decisions. It is what `tsq down` said when the session ended, if
all actors and that one day are replayed, and it is the same on every computer.
What was decided by other code than ours cannot be judged by ours; it is counted and said. Exit code
2 when a decision differs, and the first difference is printed; also when a day was asked for that
cannot be judged at all, since the end of the day before is removed.
"""

from __future__ import annotations

import argparse

from msgspec import structs

from scripts.console import CommandError, Exit, report, var_of
from scripts.patience import Patience
from services.cast import UnknownActor, build, deciders, newcomers
from shared.core import Core
from shared.runtime.exits import Fatal
from shared.runtime.history import joined
from shared.runtime.replay import Report, replay
from shared.settings import Settings, load


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("actor", nargs="?", help="one actor; all that decide when left out")
    parser.add_argument("--hash", action="store_true", help="print only the hash of all decisions")
    parser.add_argument("--day", help="one trading day (2026-11-18); all recorded when left out")


def run(args: argparse.Namespace) -> Exit:
    actors = [args.actor] if args.actor else [*deciders(load()), *newcomers(load())]
    reports: list[Report] = []
    patience = Patience(load().sleeve_guard)

    def patiently(actor: str, settings: Settings) -> Core:
        return patience.with_(build(actor, settings))

    for actor in actors:
        try:
            with patience.guarding():
                reports.append(replay(var_of(args), actor, args.day, build=patiently))
        except (FileNotFoundError, UnknownActor) as error:
            if args.actor:
                raise CommandError(str(error), Exit.USAGE) from None
        except Fatal as error:
            raise CommandError(str(error), Exit.CHECK_FAILED) from None
    if not reports:
        raise CommandError(f"nothing recorded under {var_of(args)}", Exit.USAGE)
    session = joined({it.actor: it.decision_hash for it in reports})
    lines = [line_of(it) for it in reports if not (args.hash and it.equal and it.days)]
    report(
        args,
        "\n".join([*lines, session]),
        {
            "reports": [structs.asdict(it) | {"equal": it.equal} for it in reports],
            "decision_hash": session,
        },
    )
    return Exit.OK if all(it.equal and it.days for it in reports) else Exit.CHECK_FAILED


def line_of(it: Report) -> str:
    """One actor's result in a line, and where it first differs in three more."""
    verdict = "DIFFERS" if not it.equal else "equal" if it.days else "UNKNOWN"
    text = (
        f"{it.actor:<24} {verdict:<8} {it.compared} of {it.decisions} "
        f"decisions compared, {it.told} events, {it.starts} starts, {it.decision_hash}"
    )
    if it.skipped:
        text += f" ({it.skipped} by other code, not judged)"
    if it.leaning:
        text += f" ({it.leaning} not judged: it needs the end of the day before, which is removed)"
    if it.difference is not None:
        text += f"\n  at       {it.difference.where}"
        text += f"\n  recorded {it.difference.expected}\n  now      {it.difference.got}"
    return text
