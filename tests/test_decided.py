"""What CI compares between its machines is equal between two processes of one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from scripts.decided import main
from shared.settings import REPO


def lines(hash_seed: str, *words: str) -> list[str]:
    """What the command prints in a process of its own."""
    asked = [sys.executable, "-m", "scripts.decided", "--seconds", "4", *words]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    told = subprocess.run(
        asked, cwd=REPO, env=environment, capture_output=True, text=True, check=True, timeout=300
    )
    return told.stdout.splitlines()


def test_two_processes_decide_alike_and_two_seeds_do_not() -> None:
    one, other = (lines(hash_seed, "--seeds", "2") for hash_seed in ("1", "2"))
    assert one == other
    assert len({line.split()[1] for line in one}) == 2
    assert all(int(line.split()[2]) > 100 for line in one), "something was decided"


def test_wrong_words_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--seeds", "0"])
    assert "at least 1" in capsys.readouterr().err
