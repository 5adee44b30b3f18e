"""`tsq logs`: every process in the order of time, through rotation, in JSON as well."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import logs
from scripts.console import Exit
from shared.settings import REPO
from tests.cli.stage import Tsq

# -- logs ----------------------------------------------------------------------------------------


def write_logs(var: Path) -> Path:
    folder = var / "log"
    folder.mkdir(parents=True)
    row = {"level": "INFO", "actor": "order_router"}
    lines = [
        row | {"time": "2026-11-20T10:00:01.000000+0000", "message": "one", "code": "7"},
        row | {"time": "2026-11-20T10:00:03.000000+0000", "message": "three", "traceback": "T\nU"},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "order_router.log").write_text(text)
    (folder / "supervisord.log").write_text("2026-11-20 10:00:02,000 INFO two\nno time at all\n")
    return folder


def test_logs_are_told_in_the_order_of_time(tsq: Tsq, var: Path) -> None:
    write_logs(var)
    lines = tsq("logs").out.splitlines()
    assert [line.split()[-1] for line in lines] == ["code=7", "two", "all", "three", "T", "U"]
    assert lines[0] == "2026-11-20T10:00:01.000000+0000 INFO     order_router           one code=7"
    assert len(tsq("logs", "order_router", "-n", "1").out.splitlines()) == 3
    assert tsq("logs", "-n", "0").out == ""


def test_logs_in_json_are_json_whatever_was_written(tsq: Tsq, var: Path) -> None:
    write_logs(var)
    rows = tsq("logs", "--json").rows
    told = [row["message"] for row in rows]
    assert told == ["one", "2026-11-20 10:00:02,000 INFO two", "no time at all", "three"]


@pytest.mark.parametrize("name", ["nobody", "/etc/passwd", "*", "../log/order_router", ""])
def test_logs_of_an_unknown_process_names_those_there_are(tsq: Tsq, var: Path, name: str) -> None:
    write_logs(var)
    answer = tsq("logs", name)
    assert answer.code == Exit.USAGE
    assert "order_router, supervisord" in answer.err
    assert answer.out == ""


def test_a_long_log_begins_with_a_whole_line(tsq: Tsq, var: Path) -> None:
    folder = write_logs(var)
    (folder / "long.log").write_text("".join(f"{n:099d}\n" for n in range(2_000)))
    lines = tsq("logs", "long", "-n", "5000").out.splitlines()
    assert len(lines) == logs.TAIL_BYTES // 100
    assert all(len(line.split()[1]) == 99 for line in lines)


def test_a_followed_log_is_read_through_its_rotation(
    tsq: Tsq, var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_logs(var) / "supervisord.log"
    steps = iter(["more\nhalf", "a line\n", "rotated\n"])

    def write(_s: float) -> None:
        step = next(steps, None)
        if step is None:
            raise KeyboardInterrupt
        with path.open("w" if step == "rotated\n" else "a") as file:
            file.write(step)

    monkeypatch.setattr(logs.time, "sleep", write)
    answer = tsq("logs", "supervisord", "-f", "-n", "0")
    assert answer.code == Exit.OK
    told = [line.split(maxsplit=1)[1] for line in answer.out.splitlines()]
    assert told == ["more", "halfa line", "rotated"]


# -- with a socket, with a pipe --------------------------------------------------------------------


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_is_no_failure(var: Path) -> None:
    folder = write_logs(var)
    (folder / "long.log").write_text("".join(f"{n:0200d}\n" for n in range(2_000)))
    words = [sys.executable, "-m", "scripts.cli", "logs", "long", "-n", "100000"]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, cwd=REPO, stdout=pipe, stderr=pipe) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.read(10)
        child.stdout.close()
        trouble = child.stderr.read()
        assert child.wait(20) == Exit.OK
    assert trouble == b""
