"""`tsq swap` and `tsq tune` where no process is needed: files for supervisord, words, the table."""

from __future__ import annotations

import shlex
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
from supervisor.datatypes import dict_of_key_value_pairs
from supervisor.options import ServerOptions

from scripts import cli, seating, swap
from scripts.console import CommandError
from scripts.side_by_side import Comparison
from scripts.supervise import Program, added, configuration, resting
from scripts.tune import parsed
from shared.runtime import paths
from shared.runtime.history import Entry
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


def commands(var: Path) -> dict[str, str]:
    """What supervisord would run on this folder. Raises SystemExit for what it cannot read."""
    (var / "log").mkdir(exist_ok=True)
    found = ServerOptions()
    found.realize(["-c", str(configuration(var))])
    return {one.name: one.command for group in found.process_group_configs
            for one in group.process_configs}  # fmt: skip


def test_an_added_sleeve_is_swapped_there_and_back_and_supervisord_reads_it(quiet: Path) -> None:
    """No seat of it is in supervisord's own file, so neither may lean on that."""
    before = commands(quiet)
    for actor in ("sleeve_extra.b", "sleeve_extra"):
        seating.rest(quiet, actor)
        assert actor not in commands(quiet), "nobody sits there: nobody rests"
        seating.seat(quiet, actor, "my.mod:Mine", {})
        seating.rest(quiet, actor)
        assert commands(quiet)[actor].endswith(f"services.sleeves {actor[7:]}")
        assert environment(quiet, actor)["TSQ__SLEEVES__EXTRA__IMPLEMENTATION"] == "my.mod:Mine"
    seating.seat(quiet, "sleeve_trend", "my.mod:Mine", {})
    seating.rest(quiet, "sleeve_trend")
    assert commands(quiet)["sleeve_trend"] == before["sleeve_trend"]
    with pytest.raises(CommandError, match="nobody sat in sleeve_another yet"):
        seating.wake(quiet, "sleeve_another")


def test_what_supervisord_refuses_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(var: Path, actor: str) -> None:
        raise CommandError("supervisord: CANT_REREAD", swap.Exit.UNSAFE)

    monkeypatch.setattr(seating, "apply", lambda var, actor: None)
    seating.seat(tmp_path, "sleeve_trend.b", "my.mod:Mine", {})
    seating.rest(tmp_path, "sleeve_trend.b")
    before = seating.lines_of(tmp_path, "sleeve_trend.b")
    monkeypatch.setattr(seating, "apply", refuses)
    for act in (
        lambda: seating.seat(tmp_path, "sleeve_trend.b", "my.mod:Other", {}),
        lambda: seating.wake(tmp_path, "sleeve_trend.b"),
    ):
        with pytest.raises(CommandError):
            act()
        assert seating.lines_of(tmp_path, "sleeve_trend.b") == before


def test_a_newcomer_finds_its_class_where_the_command_found_it(
    quiet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(quiet)
    monkeypatch.setenv("PYTHONPATH", f"mine:{quiet}/100%")
    seating.seat(quiet, "sleeve_trend.b", "my.mod:Mine", {}, search=swap.search_path())
    assert environment(quiet, "sleeve_trend.b")["PYTHONPATH"] == f"{quiet}/mine:{quiet}/100%%"
    assert commands(quiet)["sleeve_trend.b"], "a percent sign is no reference of supervisord's"
    monkeypatch.delenv("PYTHONPATH")
    seating.seat(quiet, "sleeve_trend.b", "my.mod:Mine", {}, search=swap.search_path())
    assert "PYTHONPATH" not in environment(quiet, "sleeve_trend.b")


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


@pytest.mark.parametrize(
    "word", ["a=nan", "a=inf", "a=-inf", "a=1e400", f"a={1 << 64}", "a=" + "x" * 501]
)
def test_what_nobody_can_mean_is_not_asked(word: str) -> None:
    with pytest.raises(CommandError, match=r"no number|longer than") as caught:
        parsed([word])
    assert caught.value.code == swap.Exit.USAGE


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


class Nothing:
    """A table of wishes that nobody wished."""

    def __init__(self, *_: object) -> None:
        pass

    def first_approval_ms(self, *_: object) -> None:
        return None


OWNER = "services.sleeves.library.breakout:Breakout"
TRIED = "services.sleeves.library.engulfing:EngulfingBars"


@pytest.mark.parametrize("words", [(), ("--dry-run",), ("--commit",)])
@pytest.mark.parametrize("falls", [False, True])
def test_who_was_tried_and_did_not_take_over_leaves_the_seat_as_it_was(
    quiet: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], falls: bool
) -> None:
    """Or `--back` would make an owner of a class that never was one."""

    def ready(*_: object) -> None:
        assert environment(quiet, "sleeve_trend")["TSQ__SLEEVES__TREND__IMPLEMENTATION"] == TRIED
        if falls:
            raise CommandError("it ends as soon as it begins", swap.Exit.CHECK_FAILED)

    seating.seat(quiet, "sleeve_trend", OWNER, {"stop_ticks": 9})
    seating.rest(quiet, "sleeve_trend")
    before = seating.lines_of(quiet, "sleeve_trend")
    governor(monkeypatch, {"seats": [SEAT], "done": False, "text": "no"})
    monkeypatch.setattr(swap, "running", lambda var: True)
    monkeypatch.setattr(swap, "ready", ready)
    monkeypatch.setattr(swap, "Comparison", Nothing)
    code = cli.main(["swap", "trend", "--to", TRIED, *words, "--var", str(quiet)])
    assert code == (2 if falls else 4 if "--commit" in words else 0)
    assert seating.lines_of(quiet, "sleeve_trend") == before


def test_after_a_trial_alone_there_is_nobody_to_go_back_to(
    quiet: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    governor(monkeypatch, {"seats": [SEAT | {"seat": ""}]})
    monkeypatch.setattr(swap, "running", lambda var: True)
    monkeypatch.setattr(swap, "ready", lambda *_: None)
    monkeypatch.setattr(swap, "Comparison", Nothing)
    assert cli.main(["swap", "trend", "--to", TRIED, "--var", str(quiet)]) == 0
    assert cli.main(["swap", "trend", "--back", "--var", str(quiet)]) == 1
    assert "nobody sat in sleeve_trend.b yet" in capsys.readouterr().err


def test_a_newcomer_that_cannot_stay_is_told_at_once_with_its_last_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    governor(monkeypatch, {"seats": []})
    fallen = Program("sleeve_trend.b", "BACKOFF", 0, 0, 10, "Exited too quickly")
    monkeypatch.setattr(swap, "programs", lambda var: [fallen])
    (tmp_path / "log").mkdir()
    line = '{"time": "t", "level": "CRITICAL", "message": "No module named \'gap_fade\'"}\n'
    (tmp_path / "log" / "sleeve_trend.b.log").write_text(line)
    with pytest.raises(CommandError, match="as soon as it begins: No module named 'gap_fade'"):
        swap.ready(tmp_path, "trend", "b", 0)


@pytest.mark.parametrize("text", ["nan", "-1", "inf", "1e9", "soon", ""])
def test_a_shadow_lasts_minutes_of_a_day(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["swap", "trend", "--to", "a:B", "--shadow", text])
    assert ended.value.code == swap.Exit.USAGE
    assert "no number of minutes" in capsys.readouterr().err


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
    shutil.rmtree(paths.run_path(tmp_path), ignore_errors=True)
    assert "nothing runs" in (err := capsys.readouterr().err) or "did not answer" in err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--back", "--params", "my.toml"], "--params goes with --to"),
        (["--remove", "--params", "my.toml"], "--params goes with --to"),
        (["--remove", "--shadow", "5"], "done at once"),
        (["--remove", "--flatten"], "done at once"),
        (["--remove", "--commit"], "done at once"),
    ],
)
def test_a_word_that_would_do_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    words: list[str], why: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(swap, "running", lambda var: True)
    assert cli.main(["swap", "trend", *words, "--var", str(tmp_path)]) == swap.Exit.USAGE
    assert why in capsys.readouterr().err


def test_the_first_approval_is_counted_from_the_grant_of_that_sleeve(tmp_path: Path) -> None:
    """Another one may be swapped at the same time."""

    def said(at_ms: int, kind: str, by: str = "", **event: str) -> Entry:
        return Entry(at_ms * 1_000_000, "risk_governor", "", kind, by, event)

    table = Comparison(tmp_path, "", "sleeve_trend.b")
    table._answers = [
        said(0, "AuthorityGranted", sleeve="trend"),
        said(5, "OrderApproved", "sleeve_trend.b:1:1"),
        said(10, "AuthorityGranted", sleeve="trend", cause="swap by me"),
        said(100, "AuthorityGranted", sleeve="tail_hedge", cause="swap by me"),
        said(110, "OrderApproved", "sleeve_trend:1:9"),
        said(130, "OrderApproved", "sleeve_trend.b:1:2"),
    ]
    assert table.first_approval_ms("sleeve_trend.b", 2.0) == 60.0
    assert table.first_approval_ms("sleeve_tail_hedge.b", 2.0) is None
