"""`tsq new-sleeve` writes what works as it stands, in any folder of yours."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from scripts.cli import main
from scripts.console import Exit
from scripts.new_sleeve import snake
from services.sleeves.contract import CHECKS
from shared.settings import REPO


@pytest.mark.slow
def test_what_it_writes_passes_its_own_test_outside_the_repository(tmp_path, capsys):
    """A process of its own, because that is what a trader starts."""
    folder = tmp_path / "mine"
    assert main(["new-sleeve", "GapFade", "--dir", str(folder), "--json"]) == Exit.OK
    told = json.loads(capsys.readouterr().out)
    assert told["implementation"] == "gap_fade:GapFade"
    path = os.pathsep.join([str(folder), str(REPO)])
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *told["written"][1:]],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"{len(CHECKS) + 1} passed" in ended.stdout, "every check, and its own story"


def test_nothing_is_written_over(tmp_path, capsys):
    (tmp_path / "test_gap_fade.py").write_text("mine")
    assert main(["new-sleeve", "GapFade", "--dir", str(tmp_path)]) == Exit.USAGE
    assert "is there already; nothing was written" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["test_gap_fade.py"]


@pytest.mark.parametrize("name", ["gap_fade", "Gap-Fade", "None", "1Gap", ""])
def test_a_name_that_is_no_class_is_refused(name, tmp_path, capsys):
    assert main(["new-sleeve", name, "--dir", str(tmp_path / "new")]) == Exit.USAGE
    assert "is no name of a class" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("View", "has a View of its own"), ("Donchian", "has a Donchian of its own"),
        ("Sleeve", "has a Sleeve of its own"), ("CHECKS", "has a CHECKS of its own"),
        ("Params", "has a Params of its own"), ("String", "finds a module 'string' already"),
        ("Shared", "finds a module 'shared' already"), ("Pytest", "module 'pytest' already"),
    ],
)  # fmt: skip
def test_a_name_that_would_be_another_one_somewhere_is_refused(name, why, tmp_path, capsys):
    assert main(["new-sleeve", name, "--dir", str(tmp_path / "new")]) == Exit.USAGE
    assert why in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_what_it_tells_to_type_names_full_paths(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["new-sleeve", "GapFade", "--dir", "mine"]) == Exit.OK
    told = capsys.readouterr().out
    assert told.count(f"PYTHONPATH={tmp_path / 'mine'} ") == 3
    assert sys.executable in told


def test_a_folder_that_cannot_be_is_named(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["new-sleeve", "GapFade", "--dir", str(tmp_path / "file")]) == Exit.USAGE
    assert "file:" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "module"), [
    ("GapFade", "gap_fade"), ("Fade", "fade"), ("RSIPull", "rsi_pull"), ("Ema2Cross", "ema2_cross"),
])  # fmt: skip
def test_a_class_names_its_module(name, module):
    assert snake(name) == module
