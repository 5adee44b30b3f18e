"""The author's side: fifteen lines that trade, and parameters whose faults are named by path."""

from __future__ import annotations

import sys
import textwrap
import types
from typing import Annotated

import pytest
from msgspec import Meta, Struct

from services.sleeves import base
from services.sleeves.base import Sleeve
from services.sleeves.host import SleeveHost
from shared.settings import SettingsError
from shared.units import SECOND
from tests.sleeves_stage import Stage, settings_for

HERE = __name__


class Choosy(Sleeve):
    class Params(Struct, frozen=True):
        stop_ticks: Annotated[int, Meta(ge=4, le=80)] = 16
        ratio: Annotated[float, Meta(gt=0)] = 1.0


class Unready(Sleeve):
    def prepare(self):
        raise ValueError("two parameters contradict each other")


NOT_A_SLEEVE = 5


# -- fifteen lines ---------------------------------------------------------------------------------


def sleeve_of_the_docstring() -> str:
    lines = base.__doc__.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("    from typing"))
    end = next(i for i, line in enumerate(lines) if line.startswith("Put it anywhere"))
    return textwrap.dedent("\n".join(lines[start:end])).strip()


def test_the_sleeve_in_the_docstring_trades_and_its_class_has_at_most_fifteen_lines():
    source = sleeve_of_the_docstring()
    body = source[source.index("class Echo") :]
    assert len([line for line in body.splitlines() if line.strip()]) <= 15
    module = types.ModuleType("echo_of_docs")
    exec(source, module.__dict__)
    sys.modules["echo_of_docs"] = module
    try:
        stage = Stage("trend", settings_for("trend", "echo_of_docs:Echo", stop_ticks=20)).open()
        stage.history(100, 2)
        stage.now_ns += 60 * SECOND
        stage.tick(104)
        stage.bar(103, span_s=60)
        stage.now_ns += 60 * SECOND
        stage.bar(104, span_s=60)
    finally:
        del sys.modules["echo_of_docs"]
    assert stage.story() == ["#1 BUY 1 MARKET sl 20 tp 40", "venue fills BUY 1 @ 105"]
    assert stage.position.lots == 1


# -- what is wrong is said with its path -----------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"stop_ticks": 3}, r"sleeves\.trend\.params: .*>= 4.*stop_ticks.*it was 3"),
        ({"stop_ticks": "16"}, r"sleeves\.trend\.params: .*stop_ticks.*it was '16'"),
        ({"ratio": 0.0}, r"sleeves\.trend\.params: .*ratio.*it was 0\.0"),
        (
            {"stop_tick": 16},
            r"sleeves\.trend\.params\.stop_tick is unknown; there are ratio, stop",
        ),
    ],
)
def test_a_parameter_out_of_range_names_its_path(params, message):
    with pytest.raises(SettingsError, match=message):
        SleeveHost("trend", settings_for("trend", f"{HERE}:Choosy", **params))


@pytest.mark.parametrize(
    ("implementation", "message"),
    [
        ("nowhere.at_all:Trend", "importing it raised ModuleNotFoundError"),
        ("services.sleeves.trend", "expected pkg.mod:Class"),
        (":Trend", "expected pkg.mod:Class"),
        ("services.sleeves.trend:Trent", "has no such class"),
        (f"{HERE}:NOT_A_SLEEVE", "is not a subclass of Sleeve"),
        ("msgspec:Struct", "is not a subclass of Sleeve"),
    ],
)
def test_a_class_that_cannot_be_used_is_named(implementation, message):
    with pytest.raises(SettingsError, match=f"sleeves.trend.implementation was .*{message}"):
        SleeveHost("trend", settings_for("trend", implementation))


def test_an_unknown_sleeve_lists_those_there_are():
    with pytest.raises(SettingsError, match=r"no section sleeves\.nobody; there are market_maker"):
        SleeveHost("nobody", settings_for("trend"))


def test_a_sleeve_that_cannot_prepare_refuses_to_start():
    with pytest.raises(SettingsError, match=r"sleeves\.trend: Unready cannot .* contradict"):
        SleeveHost("trend", settings_for("trend", f"{HERE}:Unready"))


def test_every_default_parameter_is_within_its_range():
    for name in ("market_maker", "mean_reversion", "trend", "tail_hedge"):
        host = SleeveHost(name, settings_for(name))
        defaults = {f: getattr(host.sleeve.params, f) for f in host.sleeve.params.__struct_fields__}
        SleeveHost(name, settings_for(name, **defaults))
