"""Classes that would look like a sleeve that waits, refused where they are named."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Struct

from services.sleeves.base import GapPolicy, Sleeve
from services.sleeves.host import SleeveHost
from services.sleeves.loading import sleeve_class
from shared.settings import SettingsError
from tests.sleeves_stage import settings_for

WORD = f"{__name__}:It"


class Plain(Struct):
    x: int = 1


async def later(self: Sleeve, bar: object) -> None:
    self.buy(sl_ticks=8)


def yields(self: Sleeve, bar: object) -> Any:
    yield self.buy(sl_ticks=8)


async def both(self: Sleeve, bar: object) -> Any:
    yield self.buy(sl_ticks=8)


def refused(monkeypatch: pytest.MonkeyPatch, said: dict[str, object]) -> str:
    """What is said of a class with these words in its body."""
    kind = type("It", (Sleeve,), {"__module__": __name__, **said})
    monkeypatch.setitem(globals(), "It", kind)
    with pytest.raises(SettingsError) as caught:
        SleeveHost("trend", settings_for("trend", WORD))
    assert "sleeves.trend" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"on_bar": later}, "on_bar is async or yields, expected one that answers at once"),
        ({"on_quote": yields}, "on_quote is async or yields"),
        ({"learn": both}, "learn is async or yields"),
        ({"on_fill": None}, "on_fill was None, expected a method"),
        ({"Params": Plain}, "Params was not frozen"),
        ({"Params": dict}, "expected a msgspec Struct"),
        ({"State": dict}, "State was <class 'dict'>, expected a msgspec Struct"),
        ({"contracts_max": 0}, "contracts_max was 0, expected a whole number from 1"),
        ({"contracts_max": True}, "contracts_max was True"),
        ({"state_version": "2"}, "state_version was '2'"),
        ({"gap_policy": "keep"}, "gap_policy was 'keep', expected a GapPolicy"),
        ({"warmup": {7: 3}}, "asks for bars of 7 s, there are bars of 1, 60, 300"),
        ({"warmup": {"60": 3}}, "asks for bars of '60' s"),
        ({"warmup": {60: 10_001}}, "asks for 10001 bars of 60 s, expected 0 to 10000"),
        ({"warmup": {60: -1}}, "asks for -1 bars"),
        ({"warmup": {60: 2.5}}, "asks for 2.5 bars"),
        ({"warmup": [60]}, "warmup was [60], expected bars by span"),
        ({"listens": "MES"}, "listens was 'MES', expected a tuple of products"),
        ({"listens": ("MES", "MES")}, "names one product twice"),
    ],
)
def test_what_would_say_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch, said: dict[str, object], why: str
) -> None:
    assert why in refused(monkeypatch, said)


def test_what_is_right_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    body = {
        "__module__": __name__, "warmup": {1: 0, 60: 10_000, 300: 1}, "listens": ["MES"],
        "gap_policy": GapPolicy.KEEP, "contracts_max": 2, "on_bar": lambda self, bar: None,
    }  # fmt: skip
    monkeypatch.setitem(globals(), "It", type("It", (Sleeve,), body))
    assert sleeve_class("trend", WORD) is globals()["It"]
    SleeveHost("trend", settings_for("trend", WORD))
