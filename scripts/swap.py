"""`tsq swap SLEEVE --to pkg.mod:Class`: another class takes a sleeve over while everything trades.

The newcomer begins in the sleeve's free seat as a process of its own, warms up from the journals
and decides beside the owner; the governor answers it SHADOW. What both wished is shown side by
side. With `--commit` the governor then changes the owner in one record. For a while the new owner
is watched: if it ends, falls silent, fails or earns nothing but vetoes, the governor changes back
by itself. Then the old process is put to rest; `--back` wakes it and makes it the owner again.

Without `--commit` the newcomer leaves again and nothing has changed.

A sleeve of the settings that does not run is added by the same words. `--remove` is the way out: in
one record nobody owns the sleeve any more, what it holds is closed, then its processes rest.
"""

from __future__ import annotations

import argparse
import os
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from msgspec import Struct, convert

from scripts import seating
from scripts.console import CommandError, Exit, ask_governor, report, var_of, who
from scripts.logs import row_of, tail
from scripts.operator_command import add_cause
from scripts.side_by_side import Comparison
from scripts.supervise import programs, running
from services.sleeves.desk import Desk
from services.sleeves.loading import prepared, section_of, sleeve_class
from shared.events import RiskLevel
from shared.runtime.heartbeats import read_heartbeats
from shared.seats import FIRST, actor_of, other, seat_of
from shared.settings import Settings, load

T = TypeVar("T")
POLL_S: Final = 0.25
FLATTENING: Final = RiskLevel.FLATTENING.value
BEAT_S: Final = 3.0  # older is no sign of life
FLAT_S: Final = 60.0  # for the flatten of a removal; its processes run on until then
FALLEN: Final = ("BACKOFF", "FATAL")  # supervisord's words for a process that did not stay
FALLS: Final = 12  # polls that found it so: about four short lives
SHADOW_MAX: Final = 24 * 60  # minutes; the day is over by then
READY_S: Final = 180.0  # for a process to come up, read the day and be warm
SILENT_S: Final = 60.0  # a governor that ended is back by then; half a swap is worse than a wait


class Seat(Struct, frozen=True):
    """A row of the governor's answer; its words are `services.risk_governor.words.Seat`."""

    sleeve: str
    seat: str
    incarnation: int
    owner: bool
    state: str
    reason: str
    cause: str
    silent: bool
    watched: int
    tuned: dict[str, Any]
    asked_no: int
    tune_no: int
    untuned: str

    @property
    def actor(self) -> str:
        return actor_of(self.sleeve, self.seat)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sleeve", help="its name in the settings")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--to", metavar="pkg.mod:Class", help="the class that is to take over")
    what.add_argument("--back", action="store_true", help="the owner before the last swap again")
    what.add_argument("--remove", action="store_true", help="close what it holds; nobody owns it")
    parser.add_argument("--params", metavar="FILE", help="its parameters, as TOML")
    parser.add_argument(
        "--shadow", type=minutes, default=0.0, metavar="MINUTES", help="decide beside it first"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--commit", action="store_true", help="then let it own the sleeve")
    how.add_argument("--dry-run", action="store_true", help="only show; what is usual")
    parser.add_argument(
        "--flatten", action="store_true", help="close what is held instead of handing it over"
    )
    add_cause(parser)


def minutes(text: str) -> float:
    """For `type=`: how long a newcomer decides beside the owner."""
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= SHADOW_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of minutes from 0 to {SHADOW_MAX}")
    return found


def run(args: argparse.Namespace) -> Exit:
    var, settings = var_of(args), load()
    if not running(var):
        raise CommandError(f"nothing runs on {var}", Exit.UNSAFE)
    section_of(args.sleeve, settings)
    if args.params and not args.to:
        raise CommandError("--params goes with --to: who sat there has its own", Exit.USAGE)
    if args.remove and (args.shadow or args.flatten or args.commit):
        raise CommandError("--remove is done at once and closes what is held", Exit.USAGE)
    if args.remove:
        return removed(args, var)
    owner = owner_of(var, args.sleeve)
    seat = other(owner.seat) if owner else FIRST if args.back else other(FIRST)
    actor = actor_of(args.sleeve, seat)
    commit = args.commit or (args.back and not args.dry_run)
    before, sat = epoch_of(var, actor), seating.lines_of(var, actor)
    if args.back:
        if not any(it.name == actor and it.state == "RUNNING" for it in programs(var)):
            seating.wake(var, actor)
        else:
            before -= 1  # it decides on as a shadow: nobody has to come up
    else:
        implementation, params = wanted(args, settings)
        seating.seat(var, actor, implementation, params, search=search_path())
    kept = False
    try:
        report(args, f"{actor} begins", {"begins": actor})
        ready(var, args.sleeve, seat, before)
        table = Comparison(var, owner.actor if owner else "", actor)
        report(args, f"{actor} is ready and decides beside the owner", {"ready": actor})
        time.sleep(args.shadow * 60)
        if args.shadow:
            report(args, table.text(), table.data())
        if not commit:
            report(args, "nothing was changed; --commit lets it own the sleeve", {"owner": False})
            return Exit.OK
        kept = True
        return committed(args, settings, Parties(var, args.sleeve, seat, owner, sat), table)
    finally:
        if not kept:
            seating.restore(var, actor, sat)


class Parties(Struct, frozen=True):
    """Whose sleeve it is about: the newcomer's seat and the owner before."""

    var: Path
    sleeve: str
    seat: str
    owner: Seat | None
    sat: list[str] = []  # the file of the newcomer's seat before it came

    @property
    def newcomer(self) -> str:
        return actor_of(self.sleeve, self.seat)


def wanted(args: argparse.Namespace, settings: Settings) -> tuple[str, dict[str, Any]]:
    """Class and parameters, proven to fit. Raises SettingsError or CommandError."""
    section = section_of(args.sleeve, settings)
    params: dict[str, Any] = section.params if args.to == section.implementation else {}
    if args.params:
        try:
            params = tomllib.loads(Path(args.params).read_text())
        except (OSError, ValueError) as error:
            raise CommandError(f"{args.params}: {error}", Exit.USAGE) from None
    kind = sleeve_class(args.sleeve, args.to)
    prepared(args.sleeve, kind, Desk(args.sleeve, kind.contracts_max), params)
    return args.to, params


def seats_of(var: Path, sleeve: str) -> list[Seat]:
    """Both processes of a sleeve as the governor knows them, the owner first. Raises
    CommandError(UNSAFE) where it does not tell: nobody known is not nobody there.
    """
    answer = ask_governor(var, "seats", {})
    if "seats" not in answer:
        text = f"the risk governor did not tell who sits where ({answer.get('text', '')})"
        raise CommandError(text, Exit.UNSAFE)
    return [one for one in convert(answer["seats"], list[Seat]) if one.sleeve == sleeve]


def owner_of(var: Path, sleeve: str) -> Seat | None:
    return next((one for one in seats_of(var, sleeve) if one.owner), None)


def patiently(question: Callable[[], T]) -> T:
    """Ask a governor who may be between two lives. Raises CommandError when it stays silent."""
    deadline = time.monotonic() + SILENT_S
    while True:
        try:
            return question()
        except CommandError:
            if time.monotonic() >= deadline:
                raise
        time.sleep(POLL_S)


def epoch_of(var: Path, actor: str) -> int:
    """The life whose heartbeat is fresh or was last; 0 for none ever."""
    found = read_heartbeats(var).get(actor)
    return found[0].epoch if found else 0


def search_path() -> str:
    """Where the newcomer finds its class: where this command found it, by full paths. "": nothing
    was added to what Python has by itself, and the newcomer has what `tsq up` had.
    """
    words = os.environ.get("PYTHONPATH", "")
    return os.pathsep.join(map(os.path.abspath, words.split(os.pathsep))) if words else ""


def last_word(var: Path, actor: str) -> str:
    """The newest line of a process's log; it is JSON of ours, or what Python said as it died."""
    try:
        lines, _ = tail(var / "log" / f"{actor}.log", 1)
    except OSError:
        return ""
    row = row_of(lines[-1]) if lines else None
    return str(row["message"]) if row else "".join(lines)


def ready(var: Path, sleeve: str, seat: str, before: int) -> None:
    """Wait until a life after `before` sits in the seat and is READY. Raises CommandError, at once
    when its process cannot stay.
    """
    actor, deadline, said = actor_of(sleeve, seat), time.monotonic() + READY_S, "not heard of"
    falls = 0
    while time.monotonic() < deadline:
        falls += any(it.name == actor and it.state in FALLEN for it in programs(var))
        if falls >= FALLS:
            text = f"{actor} ends as soon as it begins: {last_word(var, actor)}"
            raise CommandError(text, Exit.CHECK_FAILED)
        seats = patiently(lambda: seats_of(var, sleeve))
        one = next((it for it in seats if it.seat == seat), None)
        beats = read_heartbeats(var).get(actor)
        lives = beats is not None and beats[0].epoch > before and time.time() - beats[1] < BEAT_S
        if one is not None and lives:
            said = f"{one.state}: {one.reason}"
            if one.state == "READY" and not one.silent:
                return
        time.sleep(POLL_S)
    raise CommandError(f"{actor} was not ready within {READY_S:g} s ({said})", Exit.CHECK_FAILED)


def committed(
    args: argparse.Namespace, settings: Settings, them: Parties, table: Comparison
) -> Exit:
    """The governor's word, the time of watching, and the old process put to rest."""
    asked = {
        "who": who(),
        "cause": args.cause,
        "sleeve": them.sleeve,
        "seat": them.seat,
        "flatten": args.flatten,
    }
    answer = ask_governor(them.var, "swap", asked)
    if not answer.get("done"):
        report(args, f"refused: {answer.get('text', '')}", answer)
        seating.restore(them.var, them.newcomer, them.sat)
        return Exit.REFUSED
    then = "it is watched now" if them.owner else "there is nobody to go back to"
    report(args, f"done: {answer['text']}; {then}", {"owner": them.newcomer})
    owner = watched(them)
    if owner is not None and owner.actor != them.newcomer:
        told = {"owner": owner.actor, "cause": owner.cause}
        report(args, f"{owner.actor} owns {them.sleeve} again: {owner.cause}", told)
        seating.restore(them.var, them.newcomer, them.sat)
        return Exit.CHECK_FAILED
    if them.owner is not None:
        seating.rest(them.var, them.owner.actor)
    took_ms = table.first_approval_ms(them.newcomer, settings.pace())
    first = "none yet" if took_ms is None else f"after {took_ms:.0f} ms"
    report(
        args,
        f"{them.newcomer} owns {them.sleeve}; its first approved wish: {first}",
        {"owner": them.newcomer, "first_approval_ms": took_ms},
    )
    return Exit.OK


def removed(args: argparse.Namespace, var: Path) -> Exit:
    """Take a sleeve out of the cast: the governor's word, flat, then its processes rest."""
    if args.dry_run:
        told = {one.actor: one.state for one in seats_of(var, args.sleeve)}
        report(args, f"would close what {args.sleeve} holds and let {told} rest", {"seats": told})
        return Exit.OK
    asked = {"who": who(), "cause": args.cause, "sleeve": args.sleeve}
    answer = ask_governor(var, "remove", asked)
    if answer.get("done"):
        report(args, f"done: {answer['text']}", {"owner": None})
        flat(var, args.sleeve)
    elif owner_of(var, args.sleeve) is not None:
        report(args, f"refused: {answer.get('text', '')}", answer)
        return Exit.REFUSED
    sat = [it.name for it in programs(var) if seat_of(it.name)[0] == args.sleeve]
    for actor in sat:
        seating.rest(var, actor)
    text = f"{args.sleeve} is removed; `--to` adds it again, `--back` its first seat"
    report(args, text, {"owner": None, "rests": sat})
    return Exit.OK


def flat(var: Path, sleeve: str) -> None:
    """Wait until the removal's own flatten is proven. Raises CommandError."""
    deadline = time.monotonic() + FLAT_S
    while time.monotonic() < deadline:
        state = patiently(lambda: ask_governor(var, "status", {})).get("state")
        held = state["latches"] if state else [{"sleeve": sleeve, "level": FLATTENING}]
        if not any(one["sleeve"] == sleeve and one["level"] == FLATTENING for one in held):
            return
        time.sleep(POLL_S)
    raise CommandError(f"{sleeve} is not proven flat after {FLAT_S:g} s", Exit.UNSAFE)


def watched(them: Parties) -> Seat | None:
    """The owner once the probation is over, however it ended."""
    while True:
        owner = patiently(lambda: owner_of(them.var, them.sleeve))
        if owner is None or owner.actor != them.newcomer or not owner.watched:
            return owner
        time.sleep(POLL_S)
