"""`tsq flatten`: the wish is left for whoever can act, and only a proof is called flat."""

from __future__ import annotations

import getpass
import json
import os
from pathlib import Path
from typing import Any

import pytest

from scripts import console, flatten
from scripts.console import Exit, read_progress
from shared.runtime import paths
from tests.cli.stage import Tsq


def test_flatten_with_nobody_there_leaves_the_wish_and_says_that_it_is_not_flat(
    tsq: Tsq, var: Path
) -> None:
    answer = tsq("flatten", "--wait", "0.3", "--cause", "rain")
    assert answer.code == Exit.UNSAFE
    assert "NOT PROVEN FLAT" in answer.out
    wish = json.loads(paths.flatten_request_path(paths.run_path(var)).read_text())
    assert wish["cause"] == "rain"
    assert wish["who"]
    told = tsq("flatten", "--wait", "0.1", "--json").json
    assert (told["flat"], told["stage"], told["governor"]) == (False, "", False)
    newer = json.loads(paths.flatten_request_path(paths.run_path(var)).read_text())
    assert newer["id"] == told["request"] == wish["id"], "the wish that stands is the one followed"


def answering(monkeypatch: pytest.MonkeyPatch, var: Path, *stages: str) -> None:
    """Somebody serves the request that comes, one stage further at each look."""
    run, left = paths.run_dir(var), list(enumerate(stages))

    def look(where: Path) -> dict[str, Any]:
        asked = json.loads(paths.flatten_request_path(run).read_text())["id"]
        if left:
            beat, stage = left.pop(0)
            told = {"id": asked, "stage": stage, "by": "sentinel", "beat": beat, "detail": "so"}
            paths.replace(paths.flatten_progress_path(run), json.dumps(told).encode())
        return read_progress(where)

    monkeypatch.setattr(flatten, "read_progress", look)
    monkeypatch.setattr(flatten, "POLL_S", 0.001)


def test_flatten_ends_with_the_proof_and_says_who_gave_it(
    tsq: Tsq, var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, var, "CANCELLING", "CLOSING", "FLAT")
    answer = tsq("flatten", "--wait", "120")
    assert answer.code == Exit.OK
    assert "closing by sentinel" in answer.out
    assert "proven flat after" in answer.out
    assert "the governor is silent" in answer.out


def test_flatten_in_json_is_one_object(
    tsq: Tsq, var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, var, "CLOSING", "FLAT")
    told = tsq("flatten", "--wait", "120", "--json").json
    assert (told["flat"], told["by"], told["governor"]) == (True, "sentinel", False)


def test_another_requests_proof_is_no_proof(tsq: Tsq, var: Path) -> None:
    done = {"id": "an-older-one", "stage": "FLAT", "by": "order_router", "beat": 9, "detail": ""}
    where = paths.flatten_progress_path(paths.run_dir(var))
    paths.replace(where, json.dumps(done).encode())
    assert tsq("flatten", "--wait", "0.2").code == Exit.UNSAFE


def test_a_stuck_flatten_is_named(tsq: Tsq, var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, var, "CLOSING", "STUCK")
    answer = tsq("flatten", "--wait", "2")
    assert answer.code == Exit.UNSAFE
    assert "stage: STUCK" in answer.out


@pytest.mark.parametrize("garbage", [b"", b"\xff\xfe", b"[1]", b'{"id": 3}', b"{"])
def test_a_garbled_progress_file_is_no_proof(tsq: Tsq, var: Path, garbage: bytes) -> None:
    paths.replace(paths.flatten_progress_path(paths.run_dir(var)), garbage)
    assert tsq("flatten", "--wait", "0.1").code == Exit.UNSAFE


def test_flatten_without_a_file_and_without_a_governor_says_both(tsq: Tsq, var: Path) -> None:
    paths.flatten_request_path(paths.run_dir(var)).mkdir()  # renaming onto it must fail
    answer = tsq("flatten", "--wait", "0.1")
    assert answer.code == Exit.UNSAFE
    assert "could not be written" in answer.err
    assert "did not answer" in answer.err
    assert "close by hand" in answer.err


def test_flatten_interrupted_is_not_flat(
    tsq: Tsq, var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> dict[str, Any]:
        raise KeyboardInterrupt

    monkeypatch.setattr(flatten, "follow", interrupt)
    answer = tsq("flatten")
    assert answer.code == Exit.UNSAFE
    assert "interrupted" in answer.out


def test_a_run_directory_open_to_others_is_not_used(tsq: Tsq, var: Path) -> None:
    paths.run_dir(var).chmod(0o755)
    for words in (("flatten", "--wait", "0.1"), ("halt",)):
        answer = tsq(*words)
        assert answer.code == Exit.UNSAFE
        assert "others may enter" in answer.err
    assert "others may enter" in tsq("doctor", "--offline").out


def test_a_user_without_a_name_can_stop_too(tsq: Tsq, monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert console.who() == f"user {os.getuid()}"
    assert tsq("flatten", "--wait", "0.1").code == Exit.UNSAFE
