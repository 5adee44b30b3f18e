"""`tsq doctor --rehearse`: is there a second, exclusive pair of hands, and can it work?

On the simulator a private copy of the cast is started, with its own folder and ports. Once
something is held its router is frozen, which is the worst a router can do: it lives, holds its
lock and answers nobody. The sentinel must end it, take its lock, flatten, prove flat and hand the
lock back to a new router. Its own journal is the evidence (`judge`, which needs no process), the
venue's books the check on it. A cast that runs here is not touched.

Off the simulator nothing may be tried out. The sentinel's own login, its request budget and its
reading of the account are used as they would be in need, behind a gate that lets no request leave
that changes anything; a running cast is looked at from outside.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from scripts.console import CommandError, report, run_of
from scripts.findings import Finding, Grade
from scripts.rehearsal import PATIENCE_S, Rehearsal, TimedOut
from scripts.supervise import programs
from services.sentinel.grip import is_router
from services.sentinel.state import ROUTER
from services.sentinel.venue import Account, Trouble
from shared.runtime import lock, paths
from shared.runtime.heartbeats import read_heartbeats
from shared.runtime.replay import cat
from shared.settings import Settings, SettingsError

SENTINEL: Final = "sentinel"
SPEED: Final = "5.0"
STALE_S: Final = 3.0
PROOFS: Final = 2  # reads that must show nothing
ACTING: Final = ("Cancel", "Close")
ADVICE: Final = "tsq doctor; the sentinel's log tells more"


class Scene(Struct, frozen=True):
    """What the rehearsal knew before it froze the router: its pid, and contract -> lots."""

    frozen: int
    lots: dict[str, int]


def rehearse(args: argparse.Namespace, settings: Settings, var: Path) -> list[Finding]:
    """The rehearsal that fits where we are."""
    if settings.simulated():
        return on_simulator(args)
    return [*asyncio.run(by_reading(settings)), *beside(var)]


def failed(name: str, text: str) -> Finding:
    return Finding(name, Grade.FAILED, text, ADVICE)


# -- on the simulator ------------------------------------------------------------------------------


def on_simulator(args: argparse.Namespace) -> list[Finding]:
    """Start a private cast, freeze its router in a position, watch the sentinel, end the cast."""
    folder = Path(tempfile.mkdtemp(prefix="tsq-rehearse-"))
    cast = Rehearsal(folder / "var", TSQ__SIMULATOR__SPEED=SPEED)
    found: list[Finding] = []
    try:
        for scene in _scenes(cast):
            if isinstance(scene, Finding):
                found.append(scene)
            elif not args.json:
                report(args, scene, {})
    except TimedOut as error:
        found.append(failed("rehearsal", str(error)))
    finally:
        cast.close()
        shutil.rmtree(folder, ignore_errors=True)
    return found


def _scenes(cast: Rehearsal) -> Iterator[Finding | str]:
    """What was found, between sentences about what is going on."""
    yield "starting a private copy of the cast; this takes about half a minute"
    cast.start()
    cast.ready()
    yield Finding("private cast", Grade.OK, "ten processes, reconciled, entries allowed")
    yield "waiting until something is held, then the router is frozen"
    scene = _freeze(cast)
    held = ", ".join(f"{contract} {lots:+d}" for contract, lots in scene.lots.items())
    yield Finding("router frozen", Grade.OK, f"pid {scene.frozen}, holding {held}")
    yield "the sentinel's turn"
    cast.wait(lambda: _released(cast.var), PATIENCE_S, "the sentinel hands the lock back")
    yield from judge(story_of(cast.var), scene)
    left = cast.lots()
    if left:
        yield failed("venue's books", f"the venue still has {left}")
    else:
        yield Finding("venue's books", Grade.OK, "the venue itself has no position")
    yield _handed_back(cast, scene.frozen)


def _freeze(cast: Rehearsal) -> Scene:
    """Freeze the router while there is something to close."""
    while True:
        cast.wait(cast.lots, PATIENCE_S, "a position")
        pid = cast.kill(ROUTER, signal.SIGSTOP)
        if lots := cast.lots():
            return Scene(pid, lots)
        os.kill(pid, signal.SIGCONT)


def _released(var: Path) -> bool:
    return any(t == "Release" and word["flat"] for _, t, word in story_of(var))


def _handed_back(cast: Rehearsal, frozen: int) -> Finding:
    """A new router holds the lock, lives and agrees with the venue."""
    run = run_of(cast.var)

    def lives() -> bool:
        owner = lock.owner(run, ROUTER)
        return owner != frozen and is_router(owner) and cast.pids().get(ROUTER) == owner

    cast.wait(lives, PATIENCE_S, "a new router holds the lock")
    cast.ready()
    cast.wait(lambda: cast.known_lots() == cast.lots(), PATIENCE_S, "its books equal the venue's")
    if paths.flatten_request_path(run).exists():
        return failed("handed back", "the flatten.request still stands")
    return Finding("handed back", Grade.OK, "a new router holds the lock, its books are right")


def story_of(var: Path) -> list[tuple[str, str, dict[str, Any]]]:
    """(kind of line, word, content) of the sentinel's journals, in order."""
    files = sorted(paths.journal_root(var).glob(f"*/{SENTINEL}.journal"))
    return [
        (line.kind, line.content[1]["t"], line.content[1])
        for file in files
        for line in cat(file)
        if line.kind in ("input", "effect")
    ]


def judge(story: Iterable[tuple[str, str, dict[str, Any]]], scene: Scene) -> list[Finding]:
    """What the sentinel's own journal proves: lock first, one close each, flat shown twice."""
    words = list(story)
    seized = next((at for at, (_, t, _) in enumerate(words) if t == "Seized"), len(words))
    early = [t for _, t, _ in words[:seized] if t in ACTING]
    acted = words[seized:]
    return [
        _lock(words[seized][2] if acted else None, early, scene.frozen),
        _closes(acted, scene.lots),
        _proof(acted),
    ]


def _lock(seized: dict[str, Any] | None, early: list[str], frozen: int) -> Finding:
    if seized is None:
        return failed("lock taken", "the sentinel never held the router's lock")
    if early:
        return failed("lock taken", f"{len(early)} requests left before the lock was held")
    killed = seized.get("killed", 0)
    if killed != frozen:
        return failed("lock taken", f"it ended process {killed}, not the frozen router {frozen}")
    return Finding("lock taken", Grade.OK, f"router {killed} was ended first, then the lock taken")


def _closes(acted: list[tuple[str, str, dict[str, Any]]], lots: dict[str, int]) -> Finding:
    """Every contract held is closed, by a stop that was filled before or by one close of ours."""
    asked = {word["no"]: word["contract"] for _, t, word in acted if t == "Close"}
    done = [
        asked[word["no"]]
        for _, t, word in acted
        if t == "Answered" and word["outcome"] == "DONE" and word["no"] in asked
    ]
    twice = sorted({contract for contract in done if done.count(contract) > 1})
    if twice:
        return failed("flattened", f"closed more than once: {', '.join(twice)}")
    gone = sorted(set(lots) - set(done))
    text = f"closed once each: {', '.join(done) or 'nothing'}"
    return Finding("flattened", Grade.OK, text + (f"; by their stops: {gone}" if gone else ""))


def _proof(acted: list[tuple[str, str, dict[str, Any]]]) -> Finding:
    """Reads in a row that show nothing, then the word, then the lock given back as flat."""
    empty, flat = 0, False
    for _, t, word in acted:
        if t == "Books":
            empty = 0 if word["orders"] or word["positions"] else empty + 1
        elif t in ACTING:
            empty = 0
        elif t == "Report" and word["stage"] == "FLAT":
            if empty < PROOFS:
                return failed("proven flat", f"said after {empty} reads that showed nothing")
            flat = True
        elif t == "Release" and word["flat"] and flat:
            return Finding("proven flat", Grade.OK, f"{empty} reads showed nothing, then the word")
    return failed("proven flat", "the sentinel never said FLAT")


# -- off the simulator -----------------------------------------------------------------------------


async def by_reading(settings: Settings) -> list[Finding]:
    """Read the account with the sentinel's own hands, which are tied."""
    try:
        account = Account(settings, lambda: "a rehearsal: nothing may leave")
    except SettingsError as error:
        return [Finding("login", Grade.FAILED, str(error), "see .env.example")]
    try:
        orders, positions = await account.books()
    except Trouble as error:
        return [Finding("account read", Grade.VENUE, str(error), "is the venue up? tsq doctor")]
    finally:
        await account.close()
    held = ", ".join(f"{contract} {lots:+d}" for contract, lots in positions) or "no position"
    text = f"{settings.venue.account} by its own login: {held}, {len(orders)} live orders"
    return [
        Finding("account read", Grade.OK, text),
        Finding("nothing sent", Grade.OK, "off the simulator the rehearsal only reads"),
    ]


def beside(var: Path) -> list[Finding]:
    """A cast that runs here, from outside: the sentinel beats, and knows the router by its lock."""
    if not programs(var):
        return [Finding("cast", Grade.WARNING, "not running: its files were not looked at")]
    beat = read_heartbeats(var).get(SENTINEL)
    age = time.time() - beat[1] if beat is not None else STALE_S
    found = [
        failed("sentinel", "no heartbeat of it in the last seconds")
        if beat is None or age >= STALE_S
        else Finding("sentinel", Grade.OK, f"{beat[0].state}, beat {max(0.0, age):.1f} s ago")
    ]
    try:
        owner = lock.owner(run_of(var), ROUTER)
    except CommandError as error:
        return [*found, failed("router's lock", str(error))]
    if is_router(owner):
        text = f"held by {owner}, which the sentinel would know as our router"
        return [*found, Finding("router's lock", Grade.OK, text)]
    return [*found, failed("router's lock", f"its holder {owner} is not known to be our router")]
