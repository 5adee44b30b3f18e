"""From a command line to a living process: settings, folders, lock, log, clock, loop.

Everything that can be wrong before a core exists ends here with one sentence and an exit code. Each
room's `__main__.py` is one call of `launch`.
"""

from __future__ import annotations

import argparse
import errno
import gc
import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NoReturn

import uvloop
from loguru import logger

from shared.core import Core
from shared.domain.sessions import calendar
from shared.runtime import log, paths
from shared.runtime.actor import Actor
from shared.runtime.clock import ClockWriter, SharedClock, WallClock
from shared.runtime.exits import Exit, Fatal
from shared.runtime.host import ProcessHost
from shared.runtime.observer import Observer, Watcher
from shared.runtime.parent import Parent
from shared.runtime.ports import Port
from shared.settings import (
    CredentialsMissing,
    Settings,
    SettingsError,
    credentials,
    load,
    var_dir,
)
from shared.units import SECOND

CLOCK_KEEPER: Final = "simulator"
_OBSERVERS_NICE: Final = 5  # whoever only watches lets those who act have the processor first
_GC_THRESHOLD: Final = 20_000  # cores make few cycles; the default would collect in every burst

Made = tuple[Core, Port | None] | tuple[Watcher, Port | None]


def launch(name: str, make: Callable[[Settings], Made]) -> NoReturn:
    """Run actor `name` until it is told to stop; ends the process with a code of `exits.py`.

    `make` builds its core (or an observer: whatever has `observe`) and its port from the settings.
    """
    arguments(name)
    signal.signal(signal.SIGTERM, _nothing_begun)
    try:
        parent = Parent()
        settings = load()
        var = writable(var_dir())
        sink = log.set_up(name, settings.runtime.log_level)
    except Fatal as fatal:
        _die(name, fatal.why, fatal.code)
    except SettingsError as error:
        _die(name, str(error), Exit.SETTINGS)
    code: int = Exit.CRASHED
    try:
        _hide_secrets(settings)
        host = assemble(name, settings, make, var=var, run=paths.run_dir(var))
        host.parent = parent
        if isinstance(host, Observer):
            os.nice(_OBSERVERS_NICE)  # before the loop: threads inherit it
        gc.collect()
        gc.freeze()
        gc.set_threshold(_GC_THRESHOLD)
        code = uvloop.run(host.run())
    except Fatal as fatal:
        code = fatal.code
        logger.bind(code=int(code)).critical(
            "{} ends: {}. {}", name, fatal.why, fatal.code.sentence
        )
    except Exception as error:
        logger.opt(exception=error).critical("{} ends: {!r}", name, error)
    sink.drain()
    os._exit(code)  # threads of libraries must not be able to keep us


def arguments(name: str) -> None:
    """`--help` and nothing else: settings come from files and the environment."""
    if not __debug__:
        _die(name, "never run with -O: assertions are part of the design", Exit.USAGE)
    parser = argparse.ArgumentParser(
        prog=name,
        description="A process of topstepquant, normally started by supervisord (tsq up). Settings"
        " come from shared/settings.toml, TSQ_SETTINGS and TSQ__SECTION__KEY; files go to TSQ_VAR.",
    )
    parser.add_argument("sleeve", nargs="?", help="for services.sleeves: which sleeve")
    parser.parse_args()


def writable(var: Path) -> Path:
    """`var`, made if absent. Raises Fatal(VAR_DIR) if it cannot be used; that it is full is for
    those to judge who have something to write.
    """
    probe = var / f".writable-{os.getpid()}"
    try:
        paths.journal_root(var).mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise Fatal(f"var directory {var}: {error.strerror}", Exit.VAR_DIR) from None
    return var


def assemble(
    name: str, settings: Settings, make: Callable[[Settings], Any], *, var: Path, run: Path
) -> ProcessHost:
    """The host that fits what `make` builds, with its clock."""
    made, days = built(settings, make)
    first = [made]

    def once(given: Settings) -> Any:
        """The pair already built, then new ones."""
        return first.pop() if first else make(given)

    host: ProcessHost
    if hasattr(made[0], "observe"):
        host = Observer(name, settings, once, var=var, run=run)
    else:
        host = Actor(name, settings, once, var=var, run=run, day_of=days)
    host.clock = clock_for(name, settings, run)
    return host


def built(settings: Settings, make: Callable[[Settings], Any]) -> tuple[Any, Callable[[int], str]]:
    """Core and port, and the calendar. Raises Fatal for settings that only they can judge.

    Nothing but settings goes into either, so a ValueError of theirs names one that cannot be used.
    """
    try:
        return make(settings), day_of(settings)
    except CredentialsMissing as error:
        raise Fatal(str(error), Exit.CREDENTIALS) from None
    except (SettingsError, ValueError) as error:
        logger.opt(exception=error).debug("the settings cannot be used")
        raise Fatal(f"settings: {error}", Exit.SETTINGS) from None


def day_of(settings: Settings) -> Callable[[int], str]:
    days = calendar(settings.session)
    return lambda now_ns: days.at(now_ns).day


def clock_for(name: str, settings: Settings, run: Path) -> WallClock:
    """The wall off the simulator; on it the simulator's process makes the time of all."""
    if not settings.simulated():
        return WallClock()
    if name != CLOCK_KEEPER:
        return SharedClock(run)
    start = datetime.fromisoformat(settings.simulator.start)
    start_ns = int(start.timestamp()) * SECOND
    return ClockWriter(run, start_ns, settings.simulator.speed, shy=True)


def _hide_secrets(settings: Settings) -> None:
    try:
        secrets = credentials(settings)
    except SettingsError:
        return  # whoever needs them says what is missing
    log.hide(secrets.api_key, secrets.username)


def _nothing_begun(_number: int, _frame: object) -> NoReturn:
    """Asked to stop before there is anything to stop; the loop's own handler takes over later."""
    os._exit(Exit.CLEAN)


def _die(name: str, why: str, code: Exit) -> NoReturn:
    """Before there is a log."""
    sys.stderr.write(f"{name} cannot start: {why}. {code.sentence}\n")
    sys.stderr.flush()
    os._exit(code)
