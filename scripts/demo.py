"""`tsq demo`: about a minute that shows everything, on a private copy of the cast, narrated.

Five scenes, each judged from outside: sleeves trade; a wish that is too large is vetoed with the
size that would pass; a frozen feed is noticed, its gap repaired; the router is killed and comes
back without a duplicate; a forced flatten is proven by the venue's own books. Exit code 2 when a
scene fails.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess  # nosec B404 - runs our own flatten command, fixed words
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.console import Exit, report
from scripts.rehearsal import Rehearsal, TimedOut
from shared.runtime import paths
from shared.runtime.replay import cat

SPEED = "2.0"
FREEZE_MS = 12_000


class Demo:
    """The narrator: says what happens, asks whether it did."""

    def __init__(self, args: argparse.Namespace, cast: Rehearsal) -> None:
        self.args, self.cast = args, cast
        self.began = time.monotonic()
        self.verdicts: dict[str, str] = {}

    def say(self, text: str) -> None:
        if not self.args.json:
            report(self.args, f"{time.monotonic() - self.began:6.1f} s  {text}", {})

    def scene(self, name: str, play: Callable[[], str]) -> None:
        """Play a scene; what it returns is its proof, what it raises its failure."""
        self.say(f"--- {name}")
        try:
            self.verdicts[name] = f"ok: {play()}"
        except (TimedOut, AssertionError) as error:
            self.verdicts[name] = f"FAILED: {error}"
        self.say(self.verdicts[name])

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.cast.api("/api/status") or {}
        return found

    # -- scenes ---------------------------------------------------------------------------------

    def opening(self) -> str:
        cast = self.cast
        cast.wait(lambda: len(cast.pids()) == 10, 20.0, "ten processes")
        self.say(f"ten processes under supervisord; the page is http://127.0.0.1:{cast.page_port}/")
        cast.ready()
        self.say("reconciled with the venue, feed up, sentinel alive: entries are allowed")
        shown: set[int] = set()

        def two_sleeves() -> set[str]:
            fills = (cast.api("/api/trades") or {}).get("trades", [])
            for fill in reversed(fills):
                if fill["trade_id"] not in shown:
                    shown.add(fill["trade_id"])
                    side = f"{fill['side']} {fill['size']} {fill['name']} at {fill['price']}"
                    self.say(f"{fill['sleeve']:<14} {side} ({fill['purpose'].lower()})")
            sleeves = {fill["sleeve"] for fill in fills}
            return sleeves if len(sleeves) >= 2 else set()

        return f"filled: {', '.join(sorted(cast.wait(two_sleeves, 90.0, 'fills of two sleeves')))}"

    def veto(self) -> str:
        def greed() -> dict[str, Any]:
            found = [v for v in self.status().get("vetoes", []) if v["sleeve"] == "mean_reversion"]
            return found[0] if found else {}

        seen = self.cast.wait(greed, 60.0, "a veto of the greedy sleeve")
        return f"it asked for 5. {seen['headline']}"

    def frozen_feed(self) -> str:
        cast = self.cast
        gaps = self.gaps()
        cast.fault("FREEZE_MARKET", FREEZE_MS)
        self.say("the venue's market events stop; the connection stays up")

        def state() -> str:
            return str((self.status().get("safety") or {}).get("feed_state"))

        cast.wait(lambda: state() in ("FROZEN", "DOWN"), 20.0, "the freeze is noticed")
        self.say(f"noticed: feed is {state()}; quotes are pulled, entries vetoed")
        cast.wait(lambda: state() == "UP", 40.0, "the feed is up again")
        cast.wait(lambda: self.gaps() > gaps, 20.0, "the gap is told and repaired")
        return "noticed, reconnected, and what was missed was fetched from history"

    def gaps(self) -> int:
        """Gaps told in the gateway's journal so far."""
        root = paths.journal_root(self.cast.var)
        files = sorted(root.glob("*/market_data_gateway.journal"))
        return sum(
            line.kind == "said" and line.content["event"]["t"] == "Gap"
            for path in files
            for line in cat(path)
        )

    def killed_router(self) -> str:
        cast = self.cast
        self.say(f"holding {cast.lots() or 'nothing'}; kill -9 order_router")
        cast.kill_and_wait("order_router")
        self.say("a new router lives")
        cast.ready()
        cast.wait(lambda: cast.known_lots() == cast.lots(), 20.0, "books equal the venue's")
        truth = cast.truth()
        tags = [order["customTag"] for order in truth["orders"] if order["customTag"]]
        assert truth["tagsRefused"] == 0, "an order was sent twice"
        assert len(tags) == len(set(tags)), "a tag was used twice"
        return f"back, reconciled, {len(tags)} orders, no tag used twice, books equal the venue's"

    def forced_flatten(self) -> str:
        held = self.cast.lots()
        self.say(f"holding {held or 'nothing'}; tsq flatten")
        words = [sys.executable, "-m", "scripts.cli", "flatten", "--cause", "demo"]
        began = time.monotonic()
        done = subprocess.run(  # nosec B603 - fixed words, no shell
            words,
            env=self.cast.environment,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
            cwd=Path(__file__).parent.parent,
        )
        taken = time.monotonic() - began
        assert done.returncode == 0, done.stdout + done.stderr
        assert self.cast.lots() == {}, f"the venue still has {self.cast.lots()}"
        return f"{done.stdout.strip().splitlines()[-1]} ({taken:.1f} s with the command itself)"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--keep", action="store_true", help="leave the journals and logs behind")


def run(args: argparse.Namespace) -> Exit:
    folder = Path(tempfile.mkdtemp(prefix="tsq-demo-"))
    cast = Rehearsal(
        folder / "var",
        TSQ__SIMULATOR__SPEED=SPEED,
        TSQ__SLEEVES__MEAN_REVERSION__IMPLEMENTATION="scripts.greedy:Greedy",
        TSQ__SLEEVES__MEAN_REVERSION__PARAMS="{}",
    )
    demo = Demo(args, cast)
    try:
        cast.start()
        demo.scene("sleeves trade a simulated market through the venue's protocol", demo.opening)
        demo.scene("a sleeve asks for too much", demo.veto)
        demo.scene("the feed freezes", demo.frozen_feed)
        demo.scene("the router is killed", demo.killed_router)
        demo.scene("everything is flattened by force", demo.forced_flatten)
        cast.stop()
    finally:
        cast.close()
        if not args.keep:
            shutil.rmtree(folder, ignore_errors=True)
    failed = [name for name, verdict in demo.verdicts.items() if not verdict.startswith("ok")]
    lines = [f"{'ok    ' if name not in failed else 'FAILED'}  {name}" for name in demo.verdicts]
    tail = f"kept: {folder}" if args.keep else "next: ./scripts/up, tsq doctor, tsq status"
    report(args, "\n".join(["", *lines, tail]), {"scenes": demo.verdicts})
    return Exit.CHECK_FAILED if failed else Exit.OK
