"""Real processes: killed, frozen, doubled, starved; in the end everybody has said the same."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.runtime import lock, paths
from shared.runtime.exits import Exit
from shared.runtime.replay import replay
from shared.settings import REPO
from tests.support import toys
from tests.support.processes import Cast

pytestmark = pytest.mark.slow

CHAIN = ("feed", "middle", "last")


@pytest.fixture
def cast(tmp_path: Path) -> Iterator[Cast]:
    with Cast(tmp_path) as made:
        yield made


def all_said(cast: Cast, pokes: int) -> None:
    """Everyone has said what one thread would have said, once each, and it replays."""
    cast.wait(lambda: cast.count("last") >= pokes, f"{pokes} vetoes")
    for name in CHAIN:
        cast.wait(lambda name=name: cast.beating(name), f"{name} to be up")
        assert cast.stop(name) == Exit.CLEAN, cast.log(name)[-2000:]
    for name, said in toys.expected(pokes).items():
        assert cast.said(name) == said, name
    for name in CHAIN:
        report = replay(cast.var, name, build=toys.build)
        assert report.equal, report
        assert report.compared == report.decisions >= pokes
        assert report.skipped == report.unsaid == 0


def test_a_chain_says_what_one_thread_would(cast: Cast) -> None:
    for name in ("last", "middle", "feed"):
        cast.start(name, TOY_POKES="300")
    all_said(cast, 300)
    assert len(cast.starts("feed")) == 1
    done = [line for line in cast.diary("last") if line.startswith("Done")]
    assert done == [f"Done(n={n})" for n in range(1, 301)]
    assert cast.diary("last")[-1] == "stopped"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_kill_9_at_random_moments_loses_and_doubles_nothing(cast: Cast, seed: int) -> None:
    dice = random.Random(seed)
    cast.environment |= {"TOY_POKES": "1500", "TOY_PAUSE_S": "0.004"}
    for name in CHAIN:
        cast.start(name)
    for number in range(14):
        name = dice.choice(CHAIN)
        if number % 2:
            cast.wait(lambda name=name: cast.beating(name), f"{name} to be up")
        time.sleep(dice.uniform(0.1, 1.2))
        cast.kill(name)
        cast.start(name)
    all_said(cast, 1500)
    epochs = [start.epoch for name in CHAIN for start in cast.starts(name)]
    assert len(epochs) > len(CHAIN), "some were killed after they had begun"
    for name in CHAIN:
        lives = [start.epoch for start in cast.starts(name)]
        assert lives == sorted(set(lives)), "every life has a larger number"


def test_a_storm_of_restarts_of_everybody_at_once(cast: Cast) -> None:
    cast.environment |= {"TOY_POKES": "600", "TOY_PAUSE_S": "0.003"}
    for wait_s in (0.6, 0.2, 0.9, 0.4):
        for name in CHAIN:
            cast.start(name)
        time.sleep(wait_s)
        for name in CHAIN:
            cast.kill(name)
    for name in reversed(CHAIN):
        cast.start(name)
    all_said(cast, 600)


def test_who_comes_late_hears_everything(cast: Cast) -> None:
    cast.start("feed", TOY_POKES="200")
    cast.wait(lambda: cast.count("feed") == 200, "the feed to finish before anyone listens")
    cast.start("middle")
    cast.wait(lambda: cast.count("middle") == 200, "the middle to catch up")
    cast.start("last")
    all_said(cast, 200)


def test_a_burst_of_ten_times_the_usual_rate_is_heard_whole_by_the_same_lives(cast: Cast) -> None:
    """200 pokes a second, then 2,000: nobody has to be born again to keep up."""
    cast.environment |= {"TOY_POKES": "300", "TOY_PAUSE_S": "0.005"}
    for name in CHAIN:
        cast.start(name)
    cast.wait(lambda: cast.count("last") == 300, "the usual rate to be heard")
    cast.stop("feed")
    cast.start("feed", TOY_POKES="4000", TOY_PAUSE_S="0.0005")
    all_said(cast, 4000)
    assert [len(cast.starts(name)) for name in ("middle", "last")] == [1, 1]


def test_a_frozen_listener_catches_up(cast: Cast) -> None:
    cast.environment |= {"TOY_POKES": "1200", "TOY_PAUSE_S": "0.003"}
    for name in CHAIN:
        cast.start(name)
    cast.wait(lambda: cast.count("last") > 20, "the chain to run")
    cast.signal("middle", signal.SIGSTOP)
    cast.wait(lambda: cast.count("feed") == 1200, "the feed to finish (it waits for nobody)")
    time.sleep(2.5)  # longer than ZeroMQ keeps a silent peer
    cast.signal("middle", signal.SIGCONT)
    all_said(cast, 1200)


def test_silence_and_return_are_told(cast: Cast) -> None:
    cast.environment |= {"TOY_POKES": "1"}
    for name in CHAIN:
        cast.start(name)
    told = lambda what: cast.diary("last").count(f"Note(text='{what}')")  # noqa: E731
    cast.wait(lambda: told("PeerBack middle"), "first sign of life")
    cast.wait(lambda: told("PeerSilent loner"), "never seen is silent too")
    silent = told("PeerSilent middle")
    cast.signal("middle", signal.SIGSTOP)
    cast.wait(lambda: told("PeerSilent middle") > silent, "silence")
    back = told("PeerBack middle")
    cast.signal("middle", signal.SIGCONT)
    cast.wait(lambda: told("PeerBack middle") > back, "the return")
    cast.start("loner")
    cast.wait(lambda: told("PeerBack loner"), "one without a bus")
    cast.kill("loner")
    cast.wait(lambda: told("PeerSilent loner") >= 2, "its end")


@pytest.mark.parametrize("frozen", [("last",), CHAIN])
def test_a_frozen_watcher_does_not_blame_the_others(cast: Cast, frozen: tuple[str, ...]) -> None:
    """Alone, or together with everybody, as when a laptop is closed for a while."""
    cast.environment |= {"TOY_POKES": "1"}
    for name in CHAIN:
        cast.start(name)
    cast.wait(lambda: "Note(text='PeerBack middle')" in cast.diary("last"), "first sign of life")
    silent = cast.diary("last").count("Note(text='PeerSilent middle')")  # it may have come late
    for name in frozen:
        cast.signal(name, signal.SIGSTOP)
    time.sleep(3.0)  # longer than `last` has patience with `middle`
    for name in frozen:
        cast.signal(name, signal.SIGCONT)
    beat = cast.beating("last")
    cast.wait(lambda: (cast.beating("last") or beat).beat > beat.beat + 8, "two seconds awake")
    assert cast.diary("last").count("Note(text='PeerSilent middle')") == silent


def test_lost_ticks_become_a_gap_and_slow_events_do_not(cast: Cast) -> None:
    endless = {"TOY_POKES": "1000000", "TOY_PAUSE_S": "0.003", "TOY_TICKS": "1"}
    cast.environment |= endless
    cast.start("ticker")
    cast.start("feed")
    cast.wait(lambda: any("hears" in line for line in cast.diary("ticker")), "ticks")
    cast.kill("ticker")
    before = cast.count("feed.ticks")
    cast.wait(lambda: cast.count("feed.ticks") > before + 50, "ticks nobody heard")
    cast.start("ticker")
    cast.wait(lambda: any("gap after" in line for line in cast.diary("ticker")), "the gap")
    seen = cast.count("feed.ticks")
    cast.wait(lambda: cast.count("feed.ticks") > seen + 100, "more ticks, all of them heard")
    assert cast.stop("ticker") == cast.stop("feed") == Exit.CLEAN
    for name in ("ticker", "feed"):
        report = replay(cast.var, name, build=toys.build)
        assert report.equal, report
    assert sum("gap after" in line for line in cast.diary("ticker")) == 1


def test_a_relaying_feed_survives_kills(cast: Cast) -> None:
    cast.environment |= {"TOY_POKES": "500", "TOY_PAUSE_S": "0.003", "TOY_TICKS": "1"}
    for name in (*CHAIN, "ticker"):
        cast.start(name)
    for _ in range(4):
        time.sleep(0.5)
        cast.kill("feed")
        cast.start("feed")
    all_said(cast, 500)
    cast.said("feed.ticks")
    assert replay(cast.var, "ticker", build=toys.build).equal


# -- beginnings and ends ---------------------------------------------------------------------------


def test_a_second_copy_refuses_to_start(cast: Cast) -> None:
    cast.start("middle")
    cast.wait(lambda: cast.beating("middle"), "the first copy")
    first = cast.processes.pop("middle")
    cast.start("middle")
    assert cast.code("middle") == Exit.LOCKED
    assert f"already running (pid {first.pid})" in cast.log("middle")
    assert lock.owner(cast.run, "middle") == first.pid
    cast.processes["middle"] = first
    assert cast.stop("middle") == Exit.CLEAN


def test_a_child_dies_with_its_parent(cast: Cast) -> None:
    script = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-m', 'tests.support.toys', 'middle'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with (cast.var / "parent.log").open("wb") as log:
        parent = subprocess.Popen(
            [sys.executable, "-c", script],
            cwd=REPO,
            env=cast.environment,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    try:
        cast.wait(lambda: paths.heartbeat_path(cast.run, "middle").exists(), "the child")
        parent.kill()
        parent.wait()
        cast.wait(lambda: not Path(f"/proc/{child}").exists() or zombie(child), "its death")
    finally:
        parent.stdout.close()
        if Path(f"/proc/{child}").exists() and not zombie(child):
            os.kill(child, signal.SIGKILL)


def zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_second_sigterm_changes_nothing(cast: Cast) -> None:
    cast.start("loner")
    cast.wait(lambda: cast.beating("loner"), "it to run")
    cast.signal("loner", signal.SIGTERM)
    assert cast.stop("loner") == Exit.CLEAN
    assert cast.diary("loner") == ["Done(n=-1)", "stopped"]
    assert (cast.var / "journal" / "2026-11-18" / "loner.snap").exists()


def test_without_a_market_clock_nobody_begins(cast: Cast) -> None:
    paths.clock_path(cast.run).unlink()
    cast.start("middle")
    cast.wait(lambda: "waits for the market clock" in cast.log("middle"), "it to wait")
    assert cast.beating("middle") is None
    assert not (cast.var / "journal" / "2026-11-18").exists()
    cast.keep_clock(3600)
    cast.wait(lambda: cast.beating("middle"), "it to begin")
    assert cast.stop("middle") == Exit.CLEAN


def test_asked_to_stop_while_it_waits(cast: Cast) -> None:
    paths.clock_path(cast.run).unlink()
    cast.start("middle")
    cast.wait(lambda: "waits for the market clock" in cast.log("middle"), "it to wait")
    assert cast.stop("middle") == Exit.CLEAN


def test_falling_behind_ends_on_purpose_and_is_cured_by_a_restart(cast: Cast) -> None:
    cast.start("feed", TOY_POKES="1000000", TOY_PAUSE_S="0.002")
    cast.start("middle", TSQ__RUNTIME__INBOX_LIMIT="5")
    cast.wait(
        lambda: cast.beating("middle") or cast.processes["middle"].poll() is not None,
        "the snail to begin",
    )
    cast.signal("middle", signal.SIGSTOP)
    behind = cast.count("feed") + 1_000  # more than one drain takes
    cast.wait(lambda: cast.count("feed") > behind, "a thousand pokes")
    cast.signal("middle", signal.SIGCONT)
    assert cast.code("middle") == Exit.LAGGED
    assert "the limit is 5" in cast.log("middle")
    cast.start("middle")
    before = cast.count("middle")
    cast.wait(lambda: cast.count("middle") > before + 100, "the next life to go on")
    cast.stop("feed")
    cast.start("feed", TOY_POKES="0")  # what its end left on the bus is told by its next life
    cast.wait(lambda: cast.count("middle") == cast.count("feed"), "it to catch up")
    assert cast.stop("middle") == Exit.CLEAN
    assert [start.changed for start in cast.starts("middle")] == [False, True]
    report = replay(cast.var, "middle", build=toys.build)
    assert report.equal, report
    assert report.compared == report.decisions


# -- the disk --------------------------------------------------------------------------------------


def limit_files() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))


def test_a_file_that_cannot_grow_ends_a_decider(cast: Cast) -> None:
    cast.start("feed", TOY_POKES="2000", TOY_PAUSE_S="0.001")
    with (cast.var / "middle.log").open("ab") as log:
        cast.processes["middle"] = subprocess.Popen(
            [sys.executable, "-m", "tests.support.toys", "middle"],
            cwd=REPO,
            env=cast.environment,
            stdout=log,
            stderr=log,
            preexec_fn=limit_files,
        )
    assert cast.code("middle") == Exit.DISK, cast.log("middle")
    assert "bytes were written" in cast.log("middle") or "too large" in cast.log("middle")
    cast.wait(lambda: cast.count("feed") == 2000, "the feed to finish")
    cast.start("middle")
    cast.start("last")
    all_said(cast, 2000)


def test_var_that_cannot_be_made(cast: Cast) -> None:
    blocked = cast.var / "file"
    blocked.write_text("")
    cast.start("middle", TSQ_VAR=str(blocked / "var"))
    assert cast.code("middle") == Exit.VAR_DIR
    assert f"var directory {blocked}/var: Not a directory" in cast.log("middle")


def test_a_run_directory_open_to_others_is_refused(cast: Cast) -> None:
    cast.run.chmod(0o755)
    cast.start("middle")
    assert cast.code("middle") == Exit.RUN_DIR
    assert "others may enter" in cast.log("middle")


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("TSQ__RUNTIME__INBOX_LIMIT", "0", "$.runtime.inbox_limit"),
        ("TSQ__RUNTIME__NONSENSE", "1", "nonsense"),
        ("TSQ_SETTINGS", "/nowhere.toml", "/nowhere.toml"),
    ],
)
def test_bad_settings_say_what_and_where(cast: Cast, name: str, value: str, word: str) -> None:
    cast.start("middle", **{name: value})
    assert cast.code("middle") == Exit.SETTINGS
    assert word in cast.log("middle")


def test_help_and_a_port_that_raises(cast: Cast) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "tests.support.toys", "middle", "--help"],
        cwd=REPO,
        env=cast.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "TSQ_SETTINGS" in told.stdout
    cast.start("loner", TSQ_VAR=str(cast.var))
    cast.wait(lambda: cast.beating("loner"), "it to run")
    assert cast.stop("loner") == Exit.CLEAN
    (cast.var / "loner.diary").unlink()
    (cast.var / "loner.diary").mkdir()
    cast.start("loner")
    cast.wait(lambda: cast.beating("loner"), "it to run again")
    assert cast.stop("loner") != Exit.CLEAN
    assert "IsADirectoryError" in cast.log("loner")
