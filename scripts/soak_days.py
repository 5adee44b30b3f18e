"""A soak of whole trading days: `python -m scripts.soak --days 20 --speed 6`.

The same cast lives through all of them. Of each day it is shown what a day is made of: the turn at
17:00 CT, the open of the index futures at 8:30, and the countdown to the firm's flat-by time;
the hours between are left out by the simulator (`POST /sim/clock`), which grants it only when
nothing is held or works. So a day costs 15 minutes of market instead of 1,380, and every edge of it
is crossed as on any day, with the positions and the traffic of trading sleeves. Weekends, early
closes and the quarterly roll come as the calendar has them.

Besides what a soak asks, it asks at each day's end whether every inbox is empty, and at last
whether journals stayed within what retention keeps and whether each day was traded.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

from msgspec import Struct

from scripts.chaos import flatten
from scripts.console import CommandError, ask_governor
from scripts.rehearsal import Rehearsal
from scripts.soak import EVERY_S, Soak
from scripts.soak_look import MIB, bytes_of, mean_rss
from shared.domain.sessions import TradingDay, calendar
from shared.runtime import journal, paths
from shared.runtime.archive import KEEP_PLAIN
from shared.runtime.heartbeats import read_heartbeats
from shared.sections import Session
from shared.settings import load
from shared.units import HOUR, MINUTE, SECOND, Nanos
from shared.venue.times import time_text

KEEP_DAYS: Final = 5
FIRST: Final = "2026-11-19"
"""The first trading day; twenty of them hold two early closes and the roll of the quarter."""
WARM_DAYS: Final = 4  # caches, and journals until retention begins
SETTLED_DAYS: Final = KEEP_DAYS + 3  # from then on as many days leave as come
EMPTY: Final = 20  # items in an inbox that is being worked off
POLL_S: Final = 0.5
PATIENCE_S: Final = 90.0
STRETCH: Final = 6  # how much longer than planned a window may take
JOURNAL_SHARE: Final = 1.25


class Window(NamedTuple):
    """Market time that is played. `flat`: the day goes on, so a flatten has to be asked for."""

    begin_ns: Nanos
    end_ns: Nanos
    flat: bool


class Evening(Struct, frozen=True):
    """A day as it ended: memory by process in MiB, open files of all, journals kept, the deepest
    inbox seen in it and whose it was, and fills so far.
    """

    day: str
    rss: dict[str, float]
    files: int
    journal_mib: float
    journal_files: int
    inbox: int
    inbox_of: str
    fills: int


def settings_of(days: int) -> dict[str, str]:
    """What a cast of such a soak is started with."""
    first = trading_days(days)[0]
    return {
        "TSQ__RUNTIME__KEEP_DAYS": str(KEEP_DAYS),
        "TSQ__SIMULATOR__START": iso(windows(first)[0].begin_ns),
    }


def trading_days(count: int) -> list[TradingDay]:
    """So many days and the one after, on which it ends."""
    session: Session = load(env={}).session
    return [day for day in calendar(session).days if day.day >= FIRST][: count + 1]


def windows(day: TradingDay) -> tuple[Window, Window, Window]:
    """The turn, the open of the index futures, and the countdown to the end."""
    open_ns = day.opens_ns + 15 * HOUR + 30 * MINUTE
    return (
        Window(day.opens_ns - 30 * SECOND, day.opens_ns + 1 * MINUTE, flat=True),
        Window(open_ns - 30 * SECOND, open_ns + 150 * SECOND, flat=True),
        Window(day.flatten_ns - 7 * MINUTE, day.flat_ns + 30 * SECOND, flat=False),
    )


def iso(at_ns: Nanos) -> str:
    return time_text(at_ns, 0)


class DaySoak(Soak):
    """Watches by the day. `evenings` is what it saw."""

    journal_unit = "MiB"  # as they lie there in the end, for days leave

    def __init__(self, args: argparse.Namespace, cast: Rehearsal) -> None:
        super().__init__(args, cast)
        self.days = trading_days(self.args.days)
        self.evenings: list[Evening] = []
        self.deepest = (0, "")
        self.looked = 0.0

    # -- passing time --------------------------------------------------------------------------

    def pass_time(self) -> None:
        cast = self.cast
        cast.wait(lambda: len(read_heartbeats(cast.var)) == len(self.samples), 120.0, "all are up")
        self.began = time.monotonic()
        *days, last = self.days
        for at, day in enumerate(days):
            self.play(day)
            self.close(day)
            if at + 1 == min(WARM_DAYS, len(days)):
                self.warm_s = time.monotonic() - self.began
            if at + 1 == len(days) // 2:
                self.fills_half = self.evenings[-1].fills
        seconds = time.monotonic() - self.began
        self.window_s = 2 * seconds / len(days)
        self.enter(windows(last)[0])

    def play(self, day: TradingDay) -> None:
        for window in windows(day):
            self.enter(window)
            if window.flat:
                flatten(self.cast, "soak")
                self.asked_for += 1

    def enter(self, window: Window) -> None:
        """Leave out what comes before it, see that trading is allowed, and let it pass."""
        cast = self.cast
        if cast.wait(cast.market_ns, PATIENCE_S, "market time") < window.begin_ns:
            cast.wait(lambda: cast.skip(iso(window.begin_ns)), PATIENCE_S, "the market moves on")
        self.resume()
        left_s = (window.end_ns - window.begin_ns) / SECOND / self.args.speed
        deadline = time.monotonic() + left_s * STRETCH + PATIENCE_S
        while cast.market_ns() < window.end_ns:
            assert time.monotonic() < deadline, f"{iso(window.end_ns)} did not come"
            self.glance()
            time.sleep(min(POLL_S, left_s))

    def resume(self) -> None:
        """End the halt that a flatten is."""

        def resumed() -> bool:
            try:
                ask_governor(self.cast.var, "resume", {"who": "soak", "cause": "next"}, 2.0)
            except CommandError:
                return False
            return True

        self.cast.wait(resumed, PATIENCE_S, "the governor resumes")

    def glance(self) -> None:
        """Inboxes now, everything else now and then."""
        for name, (beat, _) in read_heartbeats(self.cast.var).items():
            self.deepest = max(self.deepest, (beat.inbox, name))
        if time.monotonic() - self.looked >= EVERY_S:
            self.looked = time.monotonic()
            self.look()

    def close(self, day: TradingDay) -> None:
        """Note the day, once every inbox is worked off."""
        cast = self.cast

        def worked_off() -> bool:
            return all(beat.inbox <= EMPTY for beat, _ in read_heartbeats(cast.var).values())

        cast.wait(worked_off, PATIENCE_S, f"inboxes are empty on the evening of {day.day}")
        self.look()
        found = [path for path in paths.journal_root(cast.var).glob("*/*") if path.is_file()]
        latest = {name: kept[-1:] for name, kept in self.samples.items()}
        self.evenings.append(
            Evening(
                day=day.day,
                rss={name: round(mean_rss(kept), 1) for name, kept in latest.items() if kept},
                files=sum(kept[0].files for kept in latest.values() if kept),
                journal_mib=round(sum(map(bytes_of, found)) / MIB, 1),
                journal_files=len(found),
                inbox=self.deepest[0],
                inbox_of=self.deepest[1],
                fills=cast.truth()["fills"],
            )
        )
        self.deepest = (0, "")

    # -- judging -------------------------------------------------------------------------------

    def growth(self) -> dict[str, float]:
        """MiB of journals by actor."""
        found = dict.fromkeys(self.samples, 0.0)
        for path in paths.journal_root(self.cast.var).glob("*/*.journal*"):
            found[path.name.split(".")[0]] += bytes_of(path) / MIB
        return found

    def judge_more(self) -> None:
        self.check("every day was traded", self.each_day_traded)
        self.check("journals stay within what is kept", self.retention_holds)
        self.check("17:00 CT was crossed by all on every day", self.days_turned)

    def each_day_traded(self) -> None:
        before = 0
        for evening in self.evenings:
            assert evening.fills > before, f"no fill on {evening.day}"
            before = evening.fills

    def retention_holds(self) -> None:
        root = paths.journal_root(self.cast.var)
        lanes = {path.name.split(".journal")[0] for path in root.glob("*/*.journal*")}
        for lane in sorted(lanes):
            kept = journal.days(root, lane)
            assert len(kept) <= KEEP_DAYS + 1, f"{lane} keeps {len(kept)} days"
            plain = [day for day in kept if (root / day / f"{lane}.journal").exists()]
            assert len(plain) <= KEEP_PLAIN + 1, f"{lane} has {len(plain)} days unpacked"
        settled = self.evenings[SETTLED_DAYS - 1 :]
        if len(settled) > 1:
            most = max(one.journal_mib for one in settled[: len(settled) // 2])
            last = settled[-1].journal_mib
            assert last <= most * JOURNAL_SHARE, f"{last} MiB of journals, {most} before"

    def days_turned(self) -> None:
        root = paths.journal_root(self.cast.var)
        last = self.days[-1].day
        for name in self.samples:
            if journal.days(root, name):
                assert journal.days(root, name)[-1] == last, f"{name} has no {last}"

    def days_to_replay(self, actor: str) -> list[str | None]:
        """All but the oldest kept, which needs the end of a day that retention removed."""
        return [*journal.days(paths.journal_root(self.cast.var), actor)[1:]]

    def span(self) -> str:
        deepest = max(self.evenings, key=lambda it: it.inbox)
        last = self.evenings[-1]
        return (
            f"{len(self.evenings)} trading days (journals {last.journal_mib:g} MiB in"
            f" {last.journal_files} files in the end, deepest inbox {deepest.inbox:,} of"
            f" {deepest.inbox_of}, empty every evening)"
        )

    def more(self) -> list[str]:
        return ["", *told(self.evenings)]


def told(evenings: list[Evening]) -> Iterator[str]:
    """For people: a line a day."""
    yield f"{'day':<12}{'RSS MiB':>9}{'files':>7}{'journals MiB':>14}{'in files':>10}" + (
        f"{'fills':>8}{'inbox max':>11}"
    )
    for it in evenings:
        yield (
            f"{it.day:<12}{sum(it.rss.values()):>9.1f}{it.files:>7}{it.journal_mib:>14.1f}"
            f"{it.journal_files:>10}{it.fills:>8}{it.inbox:>11} {it.inbox_of}"
        )
