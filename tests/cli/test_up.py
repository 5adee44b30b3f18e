"""`tsq up`: what it will not start on, what `--fresh` forgets, and how its end is told."""

from __future__ import annotations

import argparse
import os
import stat
from pathlib import Path

import pytest

from scripts import down, supervise, up
from scripts.console import STARTED, Exit
from tests.cli.stage import Tsq


@pytest.fixture
def no_supervisord(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("nothing may be started here")

    monkeypatch.setattr(up.subprocess, "Popen", refuse)


@pytest.mark.usefixtures("no_supervisord")
def test_up_on_a_folder_that_cannot_be_written_says_so(tsq: Tsq, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for where in (tmp_path / "file", tmp_path / "file" / "below"):
        answer = tsq("up", "--var", str(where))
        assert answer.code == Exit.USAGE
        assert f"{where} cannot be written" in answer.err


@pytest.mark.usefixtures("no_supervisord")
def test_up_too_deep_for_a_socket_says_so(tsq: Tsq, tmp_path: Path) -> None:
    answer = tsq("up", "--var", str(tmp_path / ("deep" * 30)))
    assert answer.code == Exit.USAGE
    assert "too deep" in answer.err


@pytest.mark.usefixtures("no_supervisord")
def test_up_twice_is_refused_also_while_the_first_is_stopping(
    tsq: Tsq, var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopping(*_: object) -> None:
        raise supervise.xmlrpc.client.Fault(6, "SHUTDOWN_STATE")

    monkeypatch.setattr(supervise, "call", stopping)
    answer = tsq("up")
    assert answer.code == Exit.USAGE
    assert "already running" in answer.err
    assert not var.exists(), "nothing may be touched"
    assert supervise.programs(var) == []


@pytest.mark.usefixtures("no_supervisord")
def test_fresh_forgets_on_the_simulator_only(
    tsq: Tsq, var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (var / "journal").mkdir(parents=True)
    monkeypatch.setenv("TSQ__VENUE__ENVIRONMENT", "DEMO")
    answer = tsq("up", "--fresh")
    assert answer.code == Exit.REFUSED
    assert "simulator only" in answer.err
    assert (var / "journal").is_dir(), "nothing may be moved"


def test_fresh_keeps_the_session_before(var: Path) -> None:
    settings = up.load()
    for number in ("first", "second"):
        var.mkdir(parents=True)
        (var / number).write_text("")
        up.put_aside(var, settings)
        assert not var.exists()
    assert [path.name for path in var.with_name("var.previous").iterdir()] == ["second"]
    up.put_aside(var, settings)  # nothing there: nothing to do


def test_fresh_leaves_the_log_folder_of_the_repository_where_it_was(var: Path) -> None:
    for name in (".gitkeep", "supervisord.log"):
        (var / "log").mkdir(parents=True, exist_ok=True)
        (var / "log" / name).write_text("")
    up.put_aside(var, up.load())
    assert [path.name for path in (var / "log").iterdir()] == [".gitkeep"]
    assert [path.name for path in (var.with_name("var.previous") / "log").iterdir()] == [
        "supervisord.log"
    ]


def test_a_settings_file_is_named_by_its_full_path(
    var: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.toml").write_text("[simulator]\nspeed = 4\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TSQ__SIMULATOR__SPEED", "1")
    for option in (None, "mine.toml"):
        monkeypatch.setenv("TSQ_SETTINGS", "mine.toml")
        args = argparse.Namespace(settings=option, speed=None)
        up.environment_of(args)
        assert os.environ["TSQ_SETTINGS"] == str(tmp_path / "mine.toml")
    settings = up.environment_of(argparse.Namespace(settings=None, speed=2.5))
    assert settings.simulator.speed == 2.5


@pytest.mark.parametrize(
    ("said", "end"),
    [
        ("INFO stopped: order_router (exit status 0)", ""),
        ("WARN stopped: order_router (exit status 24)", "exit status 24"),
        ("WARN stopped: order_router (terminated by SIGKILL)", "terminated by SIGKILL"),
        ("WARN exited: order_router (exit status 24; not expected)", "exit status 24"),
        ("INFO stopped: sentinel (exit status 0)", "it was not running"),
        ("", "it was not running"),
    ],
)
def test_a_stop_without_the_routers_word_is_not_called_safe(
    var: Path, capsys: pytest.CaptureFixture[str], said: str, end: str
) -> None:
    log = var / "log" / "supervisord.log"
    log.parent.mkdir(parents=True)
    log.write_text("INFO stopped: order_router (exit status 0)\n")
    since = supervise.log_size(var)
    with log.open("a") as file:
        file.write(f"2026-11-20 11:31:12,142 {said}\n")
    assert supervise.router_end(var, since) == end
    code = down.told_end(argparse.Namespace(json=False, var=str(var)), end)
    assert code == (Exit.UNSAFE if end else Exit.OK)
    assert ("look at the platform" in capsys.readouterr().out) == bool(end)


def test_without_supervisords_log_nobody_knows(var: Path) -> None:
    assert "could not be read" in supervise.router_end(var, 0)


def test_another_terminal_reads_the_settings_of_the_cast_that_runs(
    tsq: Tsq, var: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs = tmp_path / "mine.toml", tmp_path / "theirs.toml"
    for path, limit in ((mine, 7.0), (theirs, 8.0)):
        path.write_text(f"[market_data_gateway]\nsilence_limit_s = {limit}\n")
    up.environment_of(argparse.Namespace(settings=str(mine), speed=3.0))
    var.mkdir()
    supervise.remember_settings(var, 4711)
    assert stat.S_IMODE((var / STARTED).stat().st_mode) == 0o600
    assert "marker" not in (var / STARTED).read_text(), "a login is no setting"

    def read(pid: object, *, named: Path | None = None) -> tuple[float, float]:
        """Silence limit and speed as a command in a new terminal has them."""
        for name in ("TSQ_SETTINGS", "TSQ__SIMULATOR__SPEED"):
            monkeypatch.delenv(name, raising=False)
        if named:
            monkeypatch.setenv("TSQ_SETTINGS", str(named))
        monkeypatch.setattr(supervise, "call", lambda var, method, *words: pid)
        tsq("rules", "list")
        found = up.load()
        return found.market_data_gateway.silence_limit_s, found.simulator.speed

    plain = up.load(env={})
    usual = plain.market_data_gateway.silence_limit_s, plain.simulator.speed
    assert read(1) == usual, "another supervisord: started by hand, or a later one"
    assert read(4711) == (7.0, 3.0)
    assert read(4711, named=theirs) == (8.0, 3.0), "what is named here counts more"
    for garbage in ("", "[]", '{"pid": 4711}', '{"pid": 4711, "environment": 5}'):
        (var / STARTED).write_text(garbage)
        assert read(4711) == usual
