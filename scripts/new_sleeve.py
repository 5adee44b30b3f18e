"""`tsq new-sleeve NAME`: a sleeve that trades, and its test, in a folder of yours.

What is written works as it stands: the test holds the class to the contract of every sleeve and
tells one story. Nothing is registered anywhere; the settings name the class, from wherever Python
finds it.
"""

from __future__ import annotations

import argparse
import ast
import keyword
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from scripts.console import CommandError, Exit, report

SLEEVE: Final = '''"""{title}: buys a minute that closed above the last ones, with a bracket.

Edge. (What do you know that others do not, and why would it last?)

Regime. (In which market does it earn, in which does it lose?)

Worst day. (What does it cost when everything goes wrong, and what ends it?)

Fees. (Ticks of a round trip on its product; the target must be worth many of them.)

Disabled by. (What keeps it from trading?)
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from services.sleeves.base import Sleeve
from services.sleeves.params import tunable
from shared.domain.indicators import Donchian
from shared.events import Bar


class View(Struct):
    """Learnt from bars alone. `high`: of the channel before the newest bar, ticks; 0 unknown."""

    channel: Donchian
    high: int = 0


class {name}(Sleeve):
    class Params(Struct, frozen=True):
        channel_bars: Annotated[int, Meta(ge=2, le=500)] = 20  # shapes the view: needs a swap
        stop_ticks: Annotated[int, tunable(ge=4, le=80)] = 16  # may change while trading

    class State(Struct):
        breaks: int = 0  # survives a restart

    params: Params
    state: State
    view: View

    def prepare(self) -> None:
        self.warmup = {{60: self.params.channel_bars + 1}}

    def fresh_view(self) -> View:
        return View(Donchian(self.params.channel_bars))

    def learn(self, bar: Bar) -> None:
        if bar.span_s == 60:
            if self.view.channel.ready:
                self.view.high = self.view.channel.value[1]
            self.view.channel.update(bar.high, bar.low)

    def on_bar(self, bar: Bar) -> None:
        if bar.span_s != 60 or not self.view.high or bar.close <= self.view.high:
            return
        self.state.breaks += 1
        if self.idle:
            stop = self.params.stop_ticks
            self.buy(sl_ticks=stop, tp_ticks=2 * stop, reason=f"broke {{self.view.high}}")
'''

TEST: Final = '''"""{name} keeps the contract of every sleeve, and does what its story says."""

import pytest
from services.sleeves.contract import CHECKS
from services.sleeves.rehearsal import rehearse

from {module} import {name}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check):
    check({name})


def test_it_buys_a_break_of_the_channel_with_a_bracket():
    stage = rehearse({name}, root="MNQ", channel_bars=3, stop_ticks=20)
    stage.history(100, bars=4)  # minutes from 92 to 108, closing at 100
    stage.now_ns += 60_000_000_000
    stage.tick(110)
    stage.bar(110, span_s=60)
    assert stage.story() == ["#1 BUY 1 MARKET sl 20 tp 40 (broke 108)", "venue fills BUY 1 @ 111"]
'''


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="of the class, as in GapFade")
    parser.add_argument("--dir", default=".", metavar="PATH", help="where (default: here)")


def run(args: argparse.Namespace) -> Exit:
    name: str = args.name
    if not name.isidentifier() or keyword.iskeyword(name) or not name[0].isupper():
        raise CommandError(f"{name!r} is no name of a class, such as GapFade", Exit.USAGE)
    module = snake(name)
    if why := taken(name, module):
        raise CommandError(f"a sleeve cannot be called {name}: {why}", Exit.USAGE)
    folder = Path(args.dir).resolve()
    files = {
        folder / f"{module}.py": SLEEVE.format(title=name, name=name),
        folder / f"test_{module}.py": TEST.format(module=module, name=name),
    }
    for path in files:
        if path.exists():
            raise CommandError(f"{path} is there already; nothing was written", Exit.USAGE)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            path.write_text(text)
    except OSError as error:
        raise CommandError(f"{folder}: {error.strerror}", Exit.USAGE) from None
    written = [str(path) for path in files]
    lines = [
        *(f"wrote {path}" for path in written),
        "",
        "test it:",
        f"  PYTHONPATH={folder} {sys.executable} -m pytest {written[1]}",
        "run it: in a settings file,",
        "",
        "[sleeves.trend]",
        f'implementation = "{module}:{name}"',
        "params = { stop_ticks = 20 }",
        "",
        "and with that folder where Python finds it:",
        f"  PYTHONPATH={folder} tsq up --settings FILE",
        "or beside what trades already:",
        f"  PYTHONPATH={folder} tsq swap trend --to {module}:{name} --shadow 5",
    ]
    report(args, "\n".join(lines), {"written": written, "implementation": f"{module}:{name}"})
    return Exit.OK


def snake(name: str) -> str:
    """`GapFade` as a module: `gap_fade`; `RSIPull` is `rsi_pull`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def taken(name: str, module: str) -> str:
    """Why a sleeve cannot be called so; "" if it can. A class of a name that its own file uses
    would be another one there, and a module of the name of another would be found in its place.
    """
    used: set[str] = set()
    for text in (SLEEVE.format(title="", name="_"), TEST.format(module="_", name="_")):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.alias | ast.ClassDef):
                used.add(node.name)
    if name in used:
        return f"the file of a sleeve has a {name} of its own"
    if module in sys.stdlib_module_names or find_spec(module) is not None:
        return f"Python finds a module {module!r} already"
    return ""
