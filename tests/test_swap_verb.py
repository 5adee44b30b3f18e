"""`tsq swap` and `tsq tune` where no process is needed: files for supervisord, words, the table."""

from __future__ import annotations

import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
from supervisor.datatypes import dict_of_key_value_pairs

from scripts import cli, seating, swap
from scripts.console import CommandError
from scripts.supervise import added, resting
from scripts.tune import parsed
from shared.settings import load


@pytest.fixture
def quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose supervisord is nobody: only the files are looked at."""
    monkeypatch.setattr(seating, "apply", lambda var, actor: None)
    return tmp_path


def environment(var: Path, actor: str) -> dict[str, str]:
    """As supervisord would read it."""
    lines = (added(var) / f"{actor}.conf").read_text().splitlines()
    (found,) = (line.partition("=")[2] for line in lines if line.startswith("environment="))
    return dict(dict_of_key_value_pairs(found))


@pytest.mark.parametrize("actor", ["sleeve_trend", "sleeve_trend.b"])
def test_a_newcomers_program_carries_its_class_and_parameters(quiet: Path, actor: str) -> None:
    params = {"momentum_ticks": 7, "cooldown_s": 1.5}
    seating.seat(quiet, actor, "my.mod:Mine", params)
    found = environment(quiet, actor)
    assert found.pop("TSQ_VAR") == str(quiet)
    section = load(env=found).sleeves["trend"]
    assert (section.implementation, section.params) == ("my.mod:Mine", params)
    text = (added(quiet) / f"{actor}.conf").read_text()
    assert text.startswith(f"[program:{actor}]\n")
    assert ("services.sleeves trend.b\n" in text) == actor.endswith(".b")


@pytest.mark.parametrize("text", ['it\'s 5% ; of # "it"', "back\\slash", "a\nb", "ü, €"])
def test_no_text_in_a_parameter_breaks_the_file(text: str) -> None:
    written = seating.toml({"name": text, "list": [1, True, {"x": text}]})
    assert not set("'%;#\n") & set(written)
    assert tomllib.loads(f"v = {written}")["v"] == {"name": text, "list": [1, True, {"x": text}]}
    read = dict_of_key_value_pairs(f"A=\"b\",KEY='{written}'")
    assert read["KEY"] == written
    assert shlex.split(f"KEY='{written}'") == [f"KEY={written}"]


def test_who_rests_wakes_as_it_was(quiet: Path) -> None:
    seating.seat(quiet, "sleeve_trend.b", "my.mod:Mine", {})
    before = environment(quiet, "sleeve_trend.b")
    seating.rest(quiet, "sleeve_trend.b")
    seating.rest(quiet, "sleeve_trend")
    assert resting(quiet) == {"sleeve_trend", "sleeve_trend.b"}
    seating.wake(quiet, "sleeve_trend.b")
    seating.wake(quiet, "sleeve_trend")
    assert resting(quiet) == frozenset()
    assert environment(quiet, "sleeve_trend.b") == before
    assert [path.name for path in added(quiet).iterdir()] == ["sleeve_trend.b.conf"], "as at first"


def test_nobody_is_woken_who_never_sat_there(quiet: Path) -> None:
    with pytest.raises(CommandError, match=r"nobody sat in sleeve_trend\.b yet"):
        seating.wake(quiet, "sleeve_trend.b")


def test_values_are_read_as_in_the_settings() -> None:
    assert parsed(["a=1", "b=1.5", "c=true", "d=LONG", 'e="x=y"', "f=[1]"]) == {
        "a": 1, "b": 1.5, "c": True, "d": "LONG", "e": "x=y", "f": "[1]",
    }  # fmt: skip
    with pytest.raises(CommandError, match="no key=value"):
        parsed(["stop_ticks"])


SEAT = {
    "sleeve": "trend", "seat": "b", "incarnation": 2, "owner": True, "state": "READY",
    "reason": "", "cause": "", "silent": False, "watched": 0, "tuned": {}, "asked_no": 0,
    "tune_no": 0, "untuned": "",
}  # fmt: skip
UNDECIDED = {"done": False, "text": "the governor did not decide in time"}


def governor(patch: pytest.MonkeyPatch, *answers: dict[str, Any] | None) -> None:
    """One that gives these answers in turn, and then the last for ever; None is silence."""
    left = list(answers)

    def answer(*_: object) -> dict[str, Any]:
        told = left.pop(0) if len(left) > 1 else left[0]
        if told is None:
            raise CommandError("the risk governor did not answer", swap.Exit.UNSAFE)
        return told

    patch.setattr(swap, "ask_governor", answer)
    patch.setattr(swap, "POLL_S", 0.0)


def test_a_swap_waits_for_a_governor_that_is_between_two_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    governor(
        monkeypatch, None, UNDECIDED, {"seats": [SEAT | {"watched": 3}]}, None, {"seats": [SEAT]}
    )
    owner = swap.watched(swap.Parties(tmp_path, "trend", "b", None))
    assert owner is not None
    assert (owner.actor, owner.watched) == ("sleeve_trend.b", 0)
    governor(monkeypatch, {"seats": []})
    assert swap.watched(swap.Parties(tmp_path, "trend", "b", None)) is None


@pytest.mark.parametrize("answer", [None, UNDECIDED])
def test_a_governor_that_stays_silent_has_not_consented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any] | None
) -> None:
    governor(monkeypatch, answer)
    monkeypatch.setattr(swap, "SILENT_S", 0.01)
    monkeypatch.setattr(swap, "FLAT_S", 0.01)
    with pytest.raises(CommandError) as caught:
        swap.watched(swap.Parties(tmp_path, "trend", "b", None))
    assert caught.value.code == swap.Exit.UNSAFE
    with pytest.raises(CommandError):
        swap.flat(tmp_path, "trend")


def test_a_removal_is_flat_when_the_governor_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    latch = {"sleeve": "trend", "level": swap.FLATTENING}
    flattening, flat = {"state": {"latches": [latch]}}, {"state": {"latches": []}}
    governor(monkeypatch, flattening, None, UNDECIDED, flat)
    swap.flat(tmp_path, "trend")
    governor(monkeypatch, flattening)
    monkeypatch.setattr(swap, "FLAT_S", 0.01)
    with pytest.raises(CommandError, match="not proven flat"):
        swap.flat(tmp_path, "trend")


@pytest.mark.parametrize(
    "words",
    [
        ["swap", "trend", "--to", "a:B"],
        ["swap", "trend", "--back"],
        ["swap", "trend", "--remove"],
        ["tune", "trend", "a=1"],
    ],
)
def test_where_nothing_runs_nothing_is_swapped(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*words, "--var", str(tmp_path)]) == 5
    assert "nothing runs" in (err := capsys.readouterr().err) or "did not answer" in err
