"""`tsq report`: who earned what, from the journals; nothing need run.

Per trading day: every sleeve's net, fees and round trips with their excursions, the sum beside what
the venue's balance did, and slippage by kind of order and hour. `--trips` lists the round trips. It
folds the class the page folds (`shared/domain/attribution.py`), so both say the same. No word about
what will be: a few days of fills are no evidence.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from heapq import merge
from pathlib import Path
from typing import Any, Final

from msgspec import to_builtins

from scripts.console import CommandError, Exit, report, var_of
from services.metrics_exporter import earned
from services.metrics_exporter.figures import money, short_name
from services.metrics_exporter.schema import AttributionView, EarnedView
from shared.domain.attribution import SAID_BY, Attribution, Trip
from shared.domain.sessions import Calendar, calendar
from shared.events import Event
from shared.runtime import journal, paths, wire
from shared.runtime.history import DECISIONS
from shared.runtime.journal import Corrupt
from shared.runtime.records import SAID
from shared.settings import load
from shared.units import SECOND

ROUTER: Final = "order_router"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--day", help="trading day; all that are kept when left out")
    parser.add_argument("--trips", action="store_true", help="list the newest round trips too")


def run(args: argparse.Namespace) -> Exit:
    root = paths.journal_root(var_of(args))
    try:
        days = list(attributions(root, args.day))
    except Corrupt as error:
        raise CommandError(str(error), Exit.CHECK_FAILED) from None
    if not days:
        raise CommandError(f"no journal of {args.day or 'any day'} under {root}", Exit.USAGE)
    lines: list[str] = []
    for day in days:
        lines += [*told(earned.attribution(day)), *(_trips(day) if args.trips else ()), ""]
    report(args, "\n".join(lines[:-1]), {"days": [_data(day, trips=args.trips) for day in days]})
    return Exit.OK


def attributions(root: Path, only: str | None = None) -> Iterator[Attribution]:
    """Each kept day's attribution, oldest first. Raises Corrupt."""
    sessions = calendar(load().session)
    found = Attribution()
    for day in journal.days(root, ROUTER):
        if only in (None, day):
            found = found.turn(day)
            found.day = day
            _fold(root, day, found, sessions)
            yield found


def _fold(root: Path, day: str, found: Attribution, sessions: Calendar) -> None:
    for _, event in merge(
        *(_said(root, lane, day, kinds) for lane, kinds in SAID_BY.items()), key=lambda it: it[0]
    ):
        found.observe(event, sessions)


def _said(
    root: Path, lane: str, day: str, kinds: tuple[type[Event], ...]
) -> Iterator[tuple[int, Event]]:
    """What a lane said of some kinds on a day, with its instant."""
    path, named = journal.find(root, day, lane), {kind.__name__: kind for kind in kinds}
    for frame in journal.frames(path, 0, DECISIONS) if path is not None else ():
        if frame.record[1] != SAID:
            continue
        head = wire.head(frame.record[2:])
        kind = named.get(wire.kind_of(head.event))
        if kind is not None:
            yield head.time_ns, wire.opener(kind).decode(frame.record[2:]).event


# -- words -----------------------------------------------------------------------------------------


def told(day: AttributionView) -> list[str]:
    """A day as lines of a table."""
    lines = [
        f"{day.trading_day}",
        f"{'':<18}{'net $':>11}{'fees $':>9}{'fills':>7}{'trips':>7}{'won':>7}{'each $':>10}"
        f"{'MAE $':>10}{'MFE $':>10}{'held':>8}{'slip':>8}",
    ]
    lines += [_row(row) for row in day.earned] or ["  nobody traded"]
    off = day.unexplained_dollars
    if off is not None:
        lines.append(
            "  sums to the venue's balance" if not off
            else f"  the venue's balance also moved by {off:+,.2f} $ without a trade"
        )  # fmt: skip
    if day.slips:
        lines.append("  slippage, ticks a contract (bad is positive):")
    lines += [
        f"    {slip.owner:<16}{slip.type:<15}{_hour(slip.hour)}{slip.contracts:>6} contracts"
        f"{slip.ticks:>+8.2f}   worst {slip.worst}"
        for slip in day.slips
    ]
    return lines


def _row(row: EarnedView) -> str:
    def figure(value: float | None, wide: int, sign: str = "") -> str:
        return f"{'-':>{wide}}" if value is None else f"{value:>{sign}{wide},.2f}"

    won = "-" if row.win_percent is None else f"{row.win_percent:.0f}%"
    held = "-" if row.held_s is None else f"{row.held_s:,.0f} s"
    return (
        f"  {row.owner:<16}{figure(row.net_dollars, 11)}{figure(row.fees_dollars, 9)}"
        f"{row.fills:>7}{row.trips:>7}{won:>7}{figure(row.expectancy_dollars, 10)}"
        f"{figure(row.adverse_dollars, 10)}{figure(row.favourable_dollars, 10)}{held:>8}"
        f"{figure(row.slip_ticks, 8, '+')}"
    )


def _hour(hour: int) -> str:
    return f"{'':>6}" if hour < 0 else f"{hour:02d}h CT"


def _trips(day: Attribution) -> list[str]:
    """The newest round trips, oldest first."""
    lines = ["  round trips:"]
    for trip in day.trips:
        row = _trip(trip)
        lines.append(
            f"    {time.strftime('%H:%M:%SZ', time.gmtime(trip.opened_ns / SECOND))}"
            f" {row['held_s']:>8,.0f} s  {trip.owner:<14} {row['side']:<5} {trip.size}"
            f" {row['name']:<6} net {row['net_dollars']:>+9,.2f}  MAE {row['adverse_dollars']:,.2f}"
            f"  MFE {row['favourable_dollars']:,.2f}"
        )
    return lines


def _trip(trip: Trip) -> dict[str, Any]:
    adverse, favourable = trip.excursions()
    return {
        "owner": trip.owner, "contract": trip.contract, "name": short_name(trip.contract),
        "side": "long" if trip.side > 0 else "short", "size": trip.size,
        "opened_ns": trip.opened_ns, "held_s": (trip.closed_ns - trip.opened_ns) / SECOND,
        "net_dollars": money(trip.gross() - trip.fees), "fees_dollars": money(trip.fees),
        "adverse_dollars": money(adverse), "favourable_dollars": money(favourable),
    }  # fmt: skip


def _data(day: Attribution, *, trips: bool) -> dict[str, Any]:
    found: dict[str, Any] = to_builtins(earned.attribution(day))
    return found | ({"round_trips": [_trip(trip) for trip in day.trips]} if trips else {})
