"""Paths, exit codes, logs, heartbeats and watches: the small parts of the runtime."""

from __future__ import annotations

import errno
import json
import logging
import os
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from loguru import logger

from shared.events import Event, Heartbeat, PeerBack, PeerSilent
from shared.runtime import exits, lanes, launch, log, paths, pulse
from shared.runtime.exits import Exit, Fatal
from shared.runtime.heartbeats import read_heartbeats
from shared.runtime.pulse import Watches
from tests.support import toys

# -- paths and exits -------------------------------------------------------------------------------


def test_every_exit_has_a_sentence_and_a_code_of_its_own() -> None:
    assert all(code.sentence.endswith(".") for code in Exit)
    assert len({int(code) for code in Exit}) == len(Exit)
    assert all(0 <= code < 126 for code in Exit)
    assert exits.Fatal("why", Exit.DISK).code is Exit.DISK


def test_the_run_directory_is_ours_alone(tmp_path: Path) -> None:
    run = paths.run_dir(tmp_path)
    assert stat.S_IMODE(run.stat().st_mode) == 0o700
    assert paths.run_dir(tmp_path) == run == paths.run_path(tmp_path)
    assert str(run).startswith(f"/tmp/tsq-{os.getuid()}-")
    assert len(str(paths.socket_path(run, "sleeve_mean_reversion.ticks"))) < 100
    run.chmod(0o750)
    with pytest.raises(Fatal, match="others may enter") as caught:
        paths.run_dir(tmp_path)
    assert caught.value.code is Exit.RUN_DIR
    run.rmdir()
    run.write_text("")
    with pytest.raises(Fatal, match="File exists"):
        paths.run_dir(tmp_path)
    run.unlink()
    run.symlink_to(tmp_path)
    with pytest.raises(Fatal, match="not a directory"):
        paths.run_dir(tmp_path)
    run.unlink()


def test_two_vars_never_share_a_run_directory(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    assert paths.run_path(tmp_path) == paths.run_path(tmp_path / "link" / ".")
    assert paths.run_path(tmp_path) != paths.run_path(tmp_path / "other")


def test_replace_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "file"
    paths.replace(target, b"old")
    real = os.write

    def half(handle: int, content: bytes) -> int:
        if len(content) < 3:
            raise OSError(28, "No space left on device")
        return real(handle, content[:2])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OSError, match="No space"):
        paths.replace(target, b"newer")
    monkeypatch.undo()
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# -- logs ------------------------------------------------------------------------------------------


@pytest.fixture
def lines() -> Iterator[list[dict[str, object]]]:
    """Log lines written after `sink.drain()` is called through the returned list's owner."""
    read, write = os.pipe()
    sink = log.set_up("tester", "INFO", write)
    found: list[dict[str, object]] = []

    class Drained(list[dict[str, object]]):
        def __iter__(self) -> Iterator[dict[str, object]]:
            sink.drain()
            os.set_blocking(read, False)
            try:
                while text := os.read(read, 1 << 20):
                    found.extend(json.loads(line) for line in text.splitlines())
            except BlockingIOError:
                pass
            return iter(found)

    yield Drained()
    logger.remove()
    logger.configure(extra={})
    logging.basicConfig(handlers=[logging.NullHandler()], force=True)
    logging.captureWarnings(False)
    log._secrets.clear()
    os.close(read)
    os.close(write)


def test_a_line_is_json_with_few_fields(lines: list[dict[str, object]]) -> None:
    logger.bind(epoch=7).info("hello {}", "world")
    logger.debug("not shown")
    (line,) = lines
    assert list(line) == ["time", "level", "actor", "message", "epoch"]
    assert (line["level"], line["actor"], line["message"]) == ("INFO", "tester", "hello world")


def test_the_standard_librarys_logging_is_taken_over(lines: list[dict[str, object]]) -> None:
    logging.getLogger("aiohttp.server").warning("a {brace} and %s", 5)
    logging.getLogger("SignalRCoreClient").info("a token at INFO")
    logging.getLogger("SignalRCoreClient").error("trouble")
    told = [(line["message"], line["logger"]) for line in lines]
    assert told == [("a {brace} and 5", "aiohttp.server"), ("trouble", "SignalRCoreClient")]


def test_secrets_and_local_variables_never_appear(lines: list[dict[str, object]]) -> None:
    log.hide("s3cr3t-key", "abc")

    def fail(api_key: str) -> None:
        hidden_local = "local-value"
        raise ValueError(f"login with {api_key} failed {len(hidden_local)}")

    try:
        fail("s3cr3t-key")
    except ValueError:
        logger.bind(key="s3cr3t-key").exception("while using s3cr3t-key and abc")
    (line,) = lines
    assert "s3cr3t-key" not in json.dumps(line)
    assert "local-value" not in json.dumps(line)
    assert line["message"] == "while using *** and abc", "too short to blot out"
    assert "ValueError: login with *** failed" in str(line["traceback"])


def test_a_stuck_reader_never_blocks_and_drops_are_told() -> None:
    read, write = os.pipe()
    sink = log.LineSink(write, limit=50)
    logger.remove()
    handler = logger.add(sink, format="{message}", catch=False)
    try:
        for n in range(3_000):
            logger.info("{} {}", n, "x" * 200)
        os.set_blocking(read, False)
        text, give_up = b"", time.monotonic() + 60.0
        while b"log lines were dropped" not in text:
            assert time.monotonic() < give_up, "nobody told of the lines that were dropped"
            try:
                text += os.read(read, 1 << 16)
            except BlockingIOError:
                sink.drain(0.02)
    finally:
        logger.remove(handler)
        os.close(read)
        sink.flush()
        os.close(write)


# -- heartbeats ------------------------------------------------------------------------------------


def beat(actor: str, n: int, epoch: int = 1) -> Heartbeat:
    return Heartbeat(actor=actor, epoch=epoch, beat=n, schema="s", seq={})


def names(events: Iterator[Event]) -> list[str]:
    return [
        f"{type(event).__name__} {event.actor}"
        for event in events
        if isinstance(event, PeerSilent | PeerBack)
    ]


def test_watches_count_own_pulses(tmp_path: Path) -> None:
    watches = Watches({"a": 1.0}, {"a"}, tmp_path)
    assert names(watches.judge({"a": beat("a", 1)})) == ["PeerBack a"]
    assert names(watches.judge({"a": beat("a", 2)})) == []
    told = [names(watches.judge({"a": beat("a", 2)})) for _ in range(6)]
    assert told == [[], [], [], ["PeerSilent a"], [], []], "once, after four pulses"
    assert names(watches.judge({"a": beat("a", 3)})) == ["PeerBack a"]
    assert names(watches.judge({"a": beat("a", 1, epoch=2)})) == ["PeerBack a"], "a new life"
    never = Watches({"b": 0.1}, {"b"}, tmp_path)
    assert names(never.judge({})) == ["PeerSilent b"]


def test_one_without_a_bus_is_followed_by_its_file(tmp_path: Path) -> None:
    watches = Watches({"s": 0.5}, set(), tmp_path)
    pulse.write_beat(tmp_path, beat("s", 9))
    assert names(watches.judge({})) == [], "an old file proves nothing"
    pulse.write_beat(tmp_path, beat("s", 10))
    assert names(watches.judge({})) == ["PeerBack s"]
    paths.heartbeat_path(tmp_path, "s").write_bytes(b"garbage")
    assert names(watches.judge({})) == []
    assert names(watches.judge({})) == ["PeerSilent s"]


def test_heartbeats_from_outside(tmp_path: Path) -> None:
    run = paths.run_dir(tmp_path)
    try:
        pulse.write_beat(run, beat("a", 5))
        (run / "b.heartbeat").write_bytes(b"?")
        found = read_heartbeats(tmp_path)
        assert found.keys() == {"a"}
        assert found["a"][0] == beat("a", 5)
        assert abs(found["a"][1] - time.time()) < 60
    finally:
        for path in run.iterdir():
            path.unlink()
        run.rmdir()


# -- lanes and code --------------------------------------------------------------------------------


def test_lanes_of_a_core() -> None:
    heard = lanes.heard_by("ticker", toys.Ticker())
    assert {lane: list(kinds) for lane, kinds in heard.items()} == {
        "feed": ["Bar"],
        "feed.ticks": ["Quote"],
    }
    own = lanes.heard_by("feed", toys.Feed())
    assert list(own) == ["feed.ticks"], "a relay hears its own ticks"
    assert lanes.follows_sessions(toys.Feed())
    assert lanes.follows_sessions(toys.Last())
    assert not lanes.follows_sessions(toys.Loner())


def test_the_code_hash_follows_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = lanes.code_hash(toys.Middle())
    assert before == lanes.code_hash(toys.Last()), "same file, same code"
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "helper.py").write_text("LIMIT = 1\n")
    (tmp_path / "strange.py").write_text(
        "from shared.helper import (\n    LIMIT,\n)\nimport shared.runtime.bus\n"
        "class Strange: modules = ()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(lanes, "REPO", tmp_path)
    files = (str(tmp_path / "strange.py"),)
    first = lanes._hash_of.__wrapped__(files)
    assert first == lanes._hash_of.__wrapped__(files)
    (tmp_path / "shared" / "helper.py").write_text("LIMIT = 2\n")
    assert lanes._hash_of.__wrapped__(files) != first


# -- launch ----------------------------------------------------------------------------------------


def test_var_is_made_or_refused(tmp_path: Path) -> None:
    assert launch.writable(tmp_path / "deep" / "var").is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(Fatal, match="Not a directory") as caught:
        launch.writable(tmp_path / "file" / "var")
    assert caught.value.code is Exit.VAR_DIR


def test_a_var_that_is_full_is_for_its_writers_to_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert launch.writable(tmp_path) == tmp_path


def test_nobody_runs_without_assertions(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = os.spawnv(
        os.P_WAIT,
        sys.executable,
        [sys.executable, "-O", "-c", "from shared.runtime.launch import arguments as a; a('x')"],
    )
    assert done == Exit.USAGE
