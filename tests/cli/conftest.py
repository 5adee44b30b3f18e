"""One run-time folder and one way to say `tsq` per test, the same for every verb."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import cli
from scripts.rehearsal import free_port
from shared.runtime import paths
from tests.cli.stage import Answer, Tsq

USER, KEY = "marker-user-3141", "marker-key-59265"


@pytest.fixture
def var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A run-time folder, ports nobody has, a login that must never be seen."""
    for name in [name for name in os.environ if name.startswith("TSQ_")]:
        monkeypatch.delenv(name)
    where = tmp_path / "var"
    monkeypatch.setenv("TSQ_VAR", str(where))
    monkeypatch.setenv("TSQ__SIMULATOR__PORT", str(free_port()))
    monkeypatch.setenv("TSQ__METRICS_EXPORTER__PORT", str(free_port()))
    monkeypatch.setenv("TOPSTEPX_USERNAME", USER)
    monkeypatch.setenv("TOPSTEPX_API_KEY", KEY)
    yield where
    for name in [name for name in os.environ if name.startswith("TSQ_")]:
        del os.environ[name]  # what a command set for the processes it would start
    shutil.rmtree(paths.run_path(where), ignore_errors=True)


@pytest.fixture
def tsq(var: Path, capsys: pytest.CaptureFixture[str]) -> Tsq:
    def run(*words: str) -> Answer:
        try:
            code = cli.main(list(words))
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        for secret in (USER, KEY):
            assert secret not in said.out + said.err, f"{words} told a secret"
        return Answer(code, said.out, said.err)

    return run
