"""`python -m scripts.soak`: a private cast left alone for a while. Does it grow, break or lie?

It kills nothing and orders no fault. Every ten seconds it looks at each process from outside
(resident memory, open files, processor time, journal bytes); at the end it asks the simulator's own
books, stops the cast the clean way, reads every journal's checksums and replays every decision.
Exit code 2 when anything does not hold. Linux only: it reads /proc.

A day's budgets of trades are used up within minutes, and the caps on a day's loss are made to end
days, so both are lifted (LIFTED) on a larger account, and it is asked whether trading went on to
the end; `--keep-budgets` soaks the defaults.

Memory is called flat when the mean of the last minute is at most GROWTH_MIB (or GROWTH_SHARE, if
that is more) above the mean of the minute after warm-up. A slope is printed beside it and judged by
nobody: over minutes it is mostly noise, over hours it is the better number.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import structs

from scripts import page
from scripts.console import CommandError, Exit, complain, report
from scripts.rehearsal import Rehearsal, alive
from scripts.soak_look import MIB, Row, Sample, bytes_of, mean_rss, sample, slope, table
from services.cast import build, deciders, programs
from shared.runtime import journal, paths
from shared.runtime.replay import cat, replay, verify
from shared.settings import Settings, load

MARK = "soak"
EVERY_S = 10.0
WARM_UP_S = 120.0
WINDOW_S = 60.0
GROWTH_MIB = 4.0
GROWTH_SHARE = 0.05
KEEPS_MIB = {"simulator": 16.0}
"""More for the venue, which keeps 5,000 orders and trades and ten sessions of bars, by limits of
its own; 300 minutes of market took 12 MiB of it.
"""

FILES_MORE = 8
LIFTED = {
    "TSQ__SIMULATOR__ACCOUNTS": '[{name = "SIM-50K-1", stage = "combine", size = 150_000}]',
    "TSQ__RISK_GOVERNOR__RULES": "topstep-150k-combine@2026-09",
    "TSQ__RISK_GOVERNOR__DAILY_LOSS_LIMIT": "false",
    "TSQ__RISK_GOVERNOR__DAILY_LOSS": "2900",
    "TSQ__RISK_GOVERNOR__DRAWDOWN_KILL": "4450",
    "TSQ__RISK_GOVERNOR__SESSION_CAP": "0",
    "TSQ__RISK_GOVERNOR__DAILY_CAP": "0",
    "TSQ__RISK_GOVERNOR__RECOVERY_PERCENT": "0",
    "TSQ__RISK_GOVERNOR__EMERGENCY_PERCENT": "0",
    "TSQ__RISK_GOVERNOR__SLEEVE_LOSS": "0",
    "TSQ__RISK_GOVERNOR__LOSS_STREAK": "0",
    "TSQ__RISK_GOVERNOR__ALLOCATION_SHARE_PERCENT": "0",
    "TSQ__RISK_GOVERNOR__BANK_TARGET": "false",
    "TSQ__RISK_GOVERNOR__TRADES_PER_DAY": "1000000",
    "TSQ__RISK_GOVERNOR__QUOTED_PER_DAY": "1000000",
    "TSQ__RISK_GOVERNOR__PRETRADE__CONTRACTS_PER_DAY": "1000000",
    "TSQ__RISK_GOVERNOR__PRETRADE__MESSAGES_FREE": "1000000",
    "TSQ__SLEEVES__MARKET_MAKER__PARAMS": "{contracts_per_day = 1000}",
}
"""What would make a soak rest: limits of the day, and the account that is too small for none."""


class Soak:
    journal_unit = "MiB/h"

    def __init__(self, args: argparse.Namespace, cast: Rehearsal) -> None:
        self.args, self.cast = args, cast
        self.settings: Settings = load(env=cast.environment)
        self.began = 0.0
        self.samples: dict[str, list[Sample]] = {name: [] for name in programs(self.settings)}
        self.sizes: dict[str, tuple[float, int]] = {}  # lane -> when first seen, and its size then
        self.failures: list[str] = []
        self.facts: dict[str, Any] = {}
        self.asked_for = 0  # flattens of ours, each told at the highest level
        self.fills_half = -1  # when half of the time was over
        self.warm_s, self.window_s = min(WARM_UP_S, args.minutes * 30), WINDOW_S

    # -- watching ------------------------------------------------------------------------------

    def run(self) -> list[Row]:
        """Warm up, watch, judge. Raises TimedOut when the cast never comes up."""
        cast = self.cast
        cast.start()
        self.pass_time()
        self.look()
        seconds = time.monotonic() - self.began
        grown = self.growth()
        self.check("the cast is ready at the end", lambda: cast.ready(60.0))
        self.judge_more()
        self.check("books equal the venue's", self.books_agree)
        self.check("no tag was used twice", self.tags_are_unique)
        if not self.args.keep_budgets:
            self.check("trading went on to the end", self.traded_on)
        self.check("the venue's books balance", self.venue_balances)
        self.check("the stop is clean and leaves nobody", self.stops_clean)
        self.check("every journal is sound", self.journals_sound)
        self.check("every decision comes out again", self.replays)
        self.count_words()
        return [self.row(name, seconds, grown) for name in self.samples]

    def pass_time(self) -> None:
        """All the watching. Raises TimedOut when the cast never comes up."""
        self.cast.ready(120.0)
        self.began = time.monotonic()
        end = self.began + self.args.minutes * 60
        due = self.began
        while time.monotonic() < end:
            self.look()
            if self.fills_half < 0 and time.monotonic() - self.began >= self.args.minutes * 30:
                self.fills_half = self.cast.truth()["fills"]
            due += EVERY_S
            time.sleep(max(0.0, min(due, end) - time.monotonic()))

    def summary(self, rows: list[Row]) -> str:
        """The counts in a sentence."""
        first, last = (
            sum(getattr(row, name) for row in rows) for name in ("rss_first", "rss_last")
        )
        facts = self.facts
        return (
            f"{self.span()} of {len(rows)} processes in one life, the market at"
            f" {self.args.speed:g} times its speed: memory together {first:.0f} MiB after the"
            f" warm-up and {last:.0f} MiB at the end; {facts.get('fills', 0):,} fills,"
            f" {facts.get('decisions_compared', 0):,} decisions came out again."
        )

    def span(self) -> str:
        """How long it was."""
        return f"{self.args.minutes:g} minutes"

    def judge_more(self) -> None:
        """What longer soaks ask besides."""

    def more(self) -> list[str]:
        """What longer soaks show besides."""
        return []

    def look(self) -> None:
        now = time.monotonic() - self.began
        for name, pid in self.cast.pids().items():
            try:
                self.samples[name].append(sample(now, pid))
            except OSError:
                continue  # it ended between the two questions; its restart is counted elsewhere
        if now >= self.warm_s and not self.sizes:
            self.sizes = {lane: (now, size) for lane, size in self.journal_sizes().items()}

    def journal_sizes(self) -> dict[str, int]:
        """Bytes written so far, by lane, over all days."""
        found: dict[str, int] = {}
        for path in paths.journal_root(self.cast.var).glob("*/*.journal"):
            lane = path.name.removesuffix(".journal")
            found[lane] = found.get(lane, 0) + bytes_of(path)
        return found

    def growth(self) -> dict[str, float]:
        """MiB an hour by actor (the gateway's ticks are its own), since the warm-up ended."""
        now, grown = time.monotonic() - self.began, dict.fromkeys(self.samples, 0.0)
        for lane, size in self.journal_sizes().items():
            since, before = self.sizes.get(lane, (0.0, 0))
            actor = lane.split(".")[0]
            grown[actor] = grown.get(actor, 0.0) + (size - before) / MIB / (now - since) * 3600
        return grown

    def row(self, name: str, seconds: float, grown: dict[str, float]) -> Row:
        kept = self.samples[name]
        warm = [one for one in kept if one.at_s >= min(self.warm_s, seconds / 2)] or kept
        if not warm:
            self.failures.append(f"{name} was never seen")
            return Row(name, 0, 0, 0, 0, 0, 0, 0, 0, 0, False)
        first = [one for one in warm if one.at_s <= warm[0].at_s + self.window_s]
        last = [one for one in warm if one.at_s >= warm[-1].at_s - self.window_s]
        before, after = mean_rss(first), mean_rss(last)
        flat = after - before <= KEEPS_MIB.get(name, max(GROWTH_MIB, GROWTH_SHARE * before))
        files = (max(one.files for one in first), max(one.files for one in last))
        restarts = self.restarts(name)
        if not flat:
            self.failures.append(f"{name} grew from {before:.1f} to {after:.1f} MiB")
        if files[1] > files[0] + FILES_MORE:
            self.failures.append(f"{name} has {files[1]} files open, {files[0]} before")
        if restarts:
            self.failures.append(f"{name} ended {restarts} times by itself")
        span = warm[-1].at_s - warm[0].at_s
        busy = (warm[-1].cpu_s - warm[0].cpu_s) / span * 100 if span else 0.0
        late = [one for one in kept if one.at_s >= seconds / 2]
        slopes = (slope(warm), slope(late))
        return Row(name, before, after, *slopes, *files, busy, grown.get(name, 0.0), restarts, flat)

    def restarts(self, name: str) -> int:
        """How often supervisord saw it end without having been asked to."""
        log = (self.cast.var / "log" / "supervisord.log").read_text()
        return len(re.findall(rf"exited: {name} \(", log))

    # -- judging -------------------------------------------------------------------------------

    def check(self, what: str, question: Callable[[], None]) -> None:
        """Every question is asked, whatever the ones before it gave."""
        try:
            question()
            self.facts[what] = "yes"
        except AssertionError as error:
            self.facts[what] = "NO"
            self.failures.append(f"{what}: NO, {error}")

    def books_agree(self) -> None:
        cast = self.cast
        cast.wait(lambda: cast.known_lots() == cast.lots(), 40.0, "router and venue agree")

    def tags_are_unique(self) -> None:
        truth = self.cast.truth()
        tags = [order["customTag"] for order in truth["orders"] if order["customTag"]]
        self.facts |= {"orders": len(truth["orders"]), "fills": truth["fills"]}
        assert truth["tagsRefused"] == 0, f"{truth['tagsRefused']} refused by the venue"
        assert len(tags) == len(set(tags)), f"{len(tags) - len(set(tags))} tags twice"
        assert truth["fills"] > 0, "nothing was ever filled, so nothing was tried"

    def traded_on(self) -> None:
        fills = self.cast.truth()["fills"]
        assert fills > self.fills_half, f"no fill in the second half, {fills} before"

    def venue_balances(self) -> None:
        truth = self.cast.truth()
        sums = truth["startMicros"] + truth["profitMicros"] - truth["feesMicros"]
        assert sums == truth["balanceMicros"], f"{sums} != {truth['balanceMicros']}"

    def stops_clean(self) -> None:
        pids = self.cast.pids()
        code = self.cast.stop()
        left = [name for name, pid in pids.items() if alive(pid)]
        assert code == 0, f"supervisord ended with {code}"
        assert not left, f"still alive: {', '.join(left)}"
        log = (self.cast.var / "log" / "supervisord.log").read_text()
        assert "stopped: order_router (exit status 0)" in log, "the router could not prove flat"

    def journals_sound(self) -> None:
        files = sorted(paths.journal_root(self.cast.var).glob("*/*.journal*"))
        torn = [
            f"{path.name}: {v.trouble or 'torn'}"
            for path in files
            if (v := verify(path)).trouble or v.torn
        ]
        assert not torn, "; ".join(torn)
        self.facts["journal_mib"] = round(sum(map(bytes_of, files)) / MIB, 1)

    def replays(self) -> None:
        compared = 0
        for actor in deciders(self.settings):
            for day in self.days_to_replay(actor):
                told = replay(self.cast.var, actor, day, build=build)
                assert told.equal, f"{actor}: {told.difference}"
                assert not told.skipped, f"{actor}: {told.skipped} decisions were not compared"
                compared += told.compared
        self.facts["decisions_compared"] = compared

    def days_to_replay(self, _actor: str) -> list[str | None]:
        """Days one by one, or None: all in one go."""
        return [None]

    def count_words(self) -> None:
        """The governor's last state, vetoes by rule, and what the logs complain about."""
        root = paths.journal_root(self.cast.var)
        vetoes: dict[str, int] = {}
        last: dict[str, Any] = {}
        for day in journal.days(root, "risk_governor"):
            path = journal.find(root, day, "risk_governor")
            for line in cat(path) if path else ():
                said = line.content["event"] if line.kind == "said" else {"t": ""}
                if said["t"] == "OrderVetoed":
                    vetoes[said["rule"]] = vetoes.get(said["rule"], 0) + 1
                last = said if said["t"] == "RiskState" else last
        self.facts["risk at the end"] = f"{last.get('level')} {last.get('cause', '')}".strip()
        self.facts["directional entries"] = last.get("trades_today", 0)
        self.facts["vetoes"] = vetoes
        levels = {"WARNING": 0, "ERROR": 0, "CRITICAL": 0}
        for path in (self.cast.var / "log").glob("*.log"):
            text = path.read_text()
            levels = {level: n + text.count(f'"level":"{level}"') for level, n in levels.items()}
        self.facts["log_lines"] = levels
        wrong = levels["ERROR"] + levels["CRITICAL"] - self.asked_for
        if wrong:
            self.failures.append(f"the logs hold {wrong} errors")


def parsed(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long, after it is ready")
    parser.add_argument("--speed", type=float, default=1.0, help="market seconds per second")
    parser.add_argument(
        "--days", type=int, default=0, help="trading days instead of minutes (soak_days.py)"
    )
    parser.add_argument(
        "--keep-budgets", action="store_true", help="leave the day's limits as they are"
    )
    parser.add_argument("--report", type=Path, help="document that gets the counts")
    parser.add_argument("--tables", type=Path, help="document that gets the tables")
    parser.add_argument("--var", help="keep journals and logs in this (new) folder")
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    parser.set_defaults(verb="soak")
    return parser.parse_args(words)


def made(args: argparse.Namespace, var: Path) -> Soak:
    """The soak that was asked for, on a cast that is not started."""
    given = {"TSQ__SIMULATOR__SPEED": repr(args.speed), **({} if args.keep_budgets else LIFTED)}
    if not args.days:
        return Soak(args, Rehearsal(var, **given))
    from scripts import soak_days  # it stands on this module

    return soak_days.DaySoak(args, Rehearsal(var, **given, **soak_days.settings_of(args.days)))


def main(words: list[str] | None = None) -> Exit:
    args = parsed(words)
    folder = Path(args.var).resolve() if args.var else Path(tempfile.mkdtemp(prefix="tsq-soak-"))
    var = folder if args.var else folder / "var"
    if args.var and folder.exists():
        return complain(args, CommandError(f"{folder} exists already", Exit.USAGE), Exit.USAGE)
    if not Path("/proc/self/statm").exists():
        return complain(args, CommandError("there is no /proc here", Exit.USAGE), Exit.USAGE)
    soak = made(args, var)
    try:
        rows = soak.run()
    except AssertionError as error:  # it never came up, or a step of the plan did not come
        return complain(args, error, Exit.CHECK_FAILED)
    finally:
        soak.cast.close()
        if not args.var:
            shutil.rmtree(folder, ignore_errors=True)
    facts = [f"{name}: {value}" for name, value in soak.facts.items()]
    verdict = "nothing grew, broke or lied" if not soak.failures else "\n".join(soak.failures)
    shown = "\n".join([table(rows, soak.journal_unit), *soak.more(), "", *facts, "", verdict])
    if args.report is not None:
        page.put(args.report, MARK, f"{soak.summary(rows)} {verdict[0].upper()}{verdict[1:]}.")
    if args.tables is not None:
        page.put(args.tables, MARK, f"```\n{shown}\n```")
    report(
        args,
        shown,
        {
            "minutes": args.minutes,
            "speed": args.speed,
            "days": args.days,
            "processes": [structs.asdict(row) for row in rows],
            "facts": soak.facts,
            "failures": soak.failures,
        },
    )
    return Exit.CHECK_FAILED if soak.failures else Exit.OK


if __name__ == "__main__":
    sys.exit(main())
