"""Parameters say what they are: ranges for people and searches, and what may change at once."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from msgspec import Meta, Struct

from services.sleeves.base import Sleeve
from services.sleeves.host import SleeveHost
from services.sleeves.loading import retuned
from services.sleeves.params import ParamError, parameters, parsed, tunable, tuned
from shared.settings import SettingsError
from tests.sleeves_stage import settings_for

HERE = "tests.test_sleeves_params"


class Choice(Sleeve):
    class Params(Struct, frozen=True):
        window: Annotated[int, Meta(ge=2, le=500)] = 20
        near: Annotated[int, tunable(ge=1, le=80, about="ticks")] = 4
        far: Annotated[int, tunable(ge=1, le=80)] = 16
        ratio: Annotated[float, tunable(gt=0, lt=1)] = 0.5
        side: Literal["BOTH", "LONG"] = "BOTH"
        loud: bool = False

    def prepare(self):
        if self.params.near > self.params.far:
            raise ValueError("near was above far")


def test_every_parameter_tells_its_type_range_default_and_whether_it_may_change_at_once():
    window, near, _, ratio, side, loud = parameters(Choice.Params)
    assert (window.name, window.type, window.default, window.tunable) == (
        "window",
        "int",
        20,
        False,
    )
    assert (window.low, window.high, window.range) == (2, 500, "2 to 500")
    assert (near.tunable, near.about, near.range) == (True, "ticks", "1 to 80")
    assert (ratio.low_open, ratio.high_open, ratio.range) == (True, True, "above 0 to below 1")
    assert (side.type, side.choices, side.range) == ("choice", ("BOTH", "LONG"), "BOTH or LONG")
    assert (loud.type, loud.default, loud.range) == ("bool", False, "")


def test_a_tunable_parameter_changes_and_nothing_else_does():
    before = Choice.Params(window=30)
    assert tuned(before, {"near": 5}) == Choice.Params(window=30, near=5)
    assert before == Choice.Params(window=30)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window": 30}, r"\.window is structural: it needs a swap, not a tune"),
        ({"nearer": 5}, r"\.nearer is unknown; there are far, loud"),
        ({"near": 0}, r"near.*it was 0"),
        ({"near": 2.5}, r"near.*it was 2\.5"),
        ({"ratio": 1.0}, r"ratio.*it was 1\.0"),
    ],
)
def test_a_change_that_cannot_be_names_parameter_and_value(changes, message):
    with pytest.raises(ParamError, match=message):
        tuned(Choice.Params(), changes)


def test_words_of_a_command_line_become_the_types_of_the_parameters():
    words = {"near": "5", "ratio": "0.25", "side": "LONG", "loud": "true"}
    found = parsed(Choice.Params, words)
    assert found == {"near": 5, "ratio": 0.25, "side": "LONG", "loud": True}


@pytest.mark.parametrize("words", [{"near": "five"}, {"near": "5.5"}, {"what": "1"}])
def test_words_that_mean_nothing_are_refused(words):
    with pytest.raises(ParamError, match=rf"\.{next(iter(words))}"):
        parsed(Choice.Params, words)


def test_what_the_author_says_of_two_parameters_together_holds_for_a_change_too():
    sleeve = SleeveHost("trend", settings_for("trend", f"{HERE}:Choice")).sleeve
    assert retuned("trend", sleeve, {"near": 16}).near == 16
    with pytest.raises(SettingsError, match="near was above far"):
        retuned("trend", sleeve, {"near": 17})
    with pytest.raises(SettingsError, match=r"sleeves\.trend\.params\.window is structural"):
        retuned("trend", sleeve, {"window": 17})
    assert sleeve.params == Choice.Params()
