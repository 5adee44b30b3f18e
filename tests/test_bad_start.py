"""Starts that go wrong, with real processes: each ends with its code and a sentence that names what
to mend, or goes on and says what is amiss; none hangs, none takes another one along.

Single processes run on a bench without supervisord; where the others matter the whole cast does.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.rehearsal import PATIENCE_S, Rehearsal, free_port
from services.cast import ROOMS
from shared.events import VenueState
from shared.runtime import paths
from shared.runtime.exits import Exit
from shared.runtime.heartbeats import read_heartbeats
from shared.settings import REPO
from tests.start_stage import Bench, bench_in, cast_in, said_by

bench = pytest.fixture(bench_in)
cast = pytest.fixture(cast_in)

pytestmark = pytest.mark.slow
USER, KEY = "marker-user-3141", "marker-key-59265"
SLEEVES = ("sleeves", "trend")


# -- settings --------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [*ROOMS, "metrics_exporter", "sleeves"])
def test_no_process_starts_with_a_setting_it_does_not_know(bench: Bench, room: str) -> None:
    words = SLEEVES if room == "sleeves" else (room,)
    code, said = bench.refused(*words, TSQ__RISK_GOVERNOR__DAILY_LOS="1")
    assert code == Exit.SETTINGS
    assert "risk_governor" in said
    assert "daily_los" in said
    assert "Traceback" not in said
    assert not bench.var.exists(), "nothing is made before the settings are understood"


@pytest.mark.parametrize(
    ("words", "key", "value", "named"),
    [
        (("simulator",), "SIMULATOR__SPEED", "-1", "simulator.speed"),
        (("simulator",), "SIMULATOR__REGIME", "storm", "simulator.regime"),
        (("simulator",), "SIMULATOR__START", "yesterday", "simulator.start"),
        (("simulator",), "SIMULATOR__MARKET", "recorded", "simulator.recorded_file"),
        (("order_router",), "SESSION__FLAT_BEFORE_S", "9999", "flat_before_s"),
        (("risk_governor",), "RISK_GOVERNOR__RULES", "topstep-7k", "risk_governor.rules"),
        (SLEEVES, "SLEEVES__TREND__IMPLEMENTATION", "nowhere:Nothing", "trend.implementation"),
        (SLEEVES, "SLEEVES__TREND__PARAMS", "{nonsense = 1}", "trend.params.nonsense"),
        (("sleeves", "nobody"), "SIMULATOR__SEED", "7", "nobody"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    bench: Bench, words: tuple[str, ...], key: str, value: str, named: str
) -> None:
    code, said = bench.refused(*words, **{f"TSQ__{key}": value})
    assert code == Exit.SETTINGS, said
    assert named in said
    assert "Traceback" not in said


@pytest.mark.parametrize("room", ["order_router", "market_data_gateway", "sentinel"])
def test_off_the_simulator_a_login_must_be_there(bench: Bench, room: str) -> None:
    none = {"TOPSTEPX_USERNAME": "", "TOPSTEPX_API_KEY": ""}
    code, said = bench.refused(room, TSQ__VENUE__ENVIRONMENT="DEMO", **none)
    assert code == Exit.CREDENTIALS, said
    assert "TOPSTEPX_API_KEY" in said
    assert "Traceback" not in said


# -- ports -----------------------------------------------------------------------------------------


def test_a_free_port_is_nobody_elses_and_a_server_may_have_it() -> None:
    port = free_port()
    with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
        stranger.bind(("127.0.0.1", port))
    with socket.create_server(("127.0.0.1", port)) as server:
        assert server.getsockname()[1] == port


@pytest.mark.parametrize("room", ["simulator", "metrics_exporter"])
def test_a_busy_port_is_named(bench: Bench, room: str) -> None:
    if room == "metrics_exporter":
        bench.start("simulator")  # the exporter waits for market time first
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, said = bench.refused(room, **{f"TSQ__{room.upper()}__PORT": str(port)})
    assert code == Exit.BUSY_PORT, said
    assert f"127.0.0.1:{port}" in said
    assert "Traceback" not in said


def test_a_busy_page_stops_nobody_else_and_is_cured_by_itself(cast: Rehearsal) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", cast.page_port))
        taken.listen()
        cast.start()
        cast.wait(lambda: cast.truth()["orders"], PATIENCE_S, "orders without a page")
        pids = cast.pids()
        log = cast.var / "log" / "metrics_exporter.log"
        taken_port = f"127.0.0.1:{cast.page_port} is taken"
        cast.wait(lambda: taken_port in log.read_text(), PATIENCE_S, "the port is named")
    cast.ready()
    after = cast.pids()
    pids.pop("metrics_exporter", None)
    assert {name: after[name] for name in pids} == pids, "nobody else was restarted"


# -- folders ---------------------------------------------------------------------------------------


def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "not" / "there" / "yet")
    bench.folder = tmp_path
    try:
        child = bench.start("simulator")
        bench.wait(lambda: bench.beats("simulator", child), "a heartbeat")
        assert paths.journal_root(bench.var).is_dir()
        assert paths.run_path(bench.var).stat().st_mode & 0o777 == 0o700
        child.terminate()
        assert child.wait(PATIENCE_S) == Exit.CLEAN
    finally:
        bench.close()


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_file_where_the_folder_should_be_is_named(bench: Bench, below: str) -> None:
    bench.var.write_text("in the way")
    where = bench.var / below if below else bench.var
    code, said = bench.refused("risk_governor", TSQ_VAR=str(where))
    assert code == Exit.VAR_DIR
    assert str(where) in said
    assert "Traceback" not in said


def test_a_second_copy_ends_at_once_and_the_first_does_not_notice(bench: Bench) -> None:
    first = bench.start("simulator")
    bench.wait(lambda: bench.beats("simulator", first), "a heartbeat")
    code, said = bench.refused("simulator", TSQ__SIMULATOR__PORT=str(free_port()))
    assert code == Exit.LOCKED
    assert f"pid {first.pid}" in said
    before = read_heartbeats(bench.var)["simulator"][0].beat
    bench.wait(lambda: read_heartbeats(bench.var)["simulator"][0].beat > before, "the next beat")
    assert first.poll() is None


def open_to_others(run: Path) -> None:
    run.mkdir(mode=0o755)
    run.chmod(0o755)


def of_somebody_else(run: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a folder away")
    run.mkdir(mode=0o700)
    os.chown(run, 12345, 12345)


def a_file(run: Path) -> None:
    run.write_text("in the way")


def a_link(run: Path) -> None:
    run.symlink_to(run.with_name(run.name + "-elsewhere"))


@pytest.mark.parametrize(
    ("lay", "named"),
    [
        (open_to_others, "others may enter"),
        (of_somebody_else, "belongs to user 12345"),
        (a_file, "exists"),
        (a_link, "exists"),
    ],
)
def test_a_run_directory_that_is_not_ours_alone_is_refused(
    bench: Bench, lay: Callable[[Path], None], named: str
) -> None:
    run = paths.run_path(bench.var)
    lay(run)
    try:
        code, said = bench.refused("risk_governor")
    finally:
        if run.is_dir():
            os.chown(run, os.getuid(), os.getgid())
        else:
            run.unlink()
    assert code == Exit.RUN_DIR, said
    assert str(run) in said
    assert named in said


# -- the venue -------------------------------------------------------------------------------------


def test_an_account_that_is_not_there_is_never_replaced_by_another(bench: Bench) -> None:
    name = {"TSQ__VENUE__ACCOUNT": "SOMEBODY-ELSES"}
    bench.start("simulator")
    router = bench.start("order_router", **name)

    def down() -> list[str]:
        told = said_by(bench.var, "order_router", "VenueStatus")
        return [row["reason"] for row in told if row["state"] == VenueState.DOWN.value]

    bench.wait(lambda: bench.beats("order_router", router), "a heartbeat")
    reason = bench.wait(down, "the router says DOWN")[-1]
    assert "SOMEBODY-ELSES" in reason
    assert "SIM-50K-1" in reason, "the names that exist are told"
    assert router.poll() is None


def test_a_refused_login_is_told_without_the_key_and_nothing_leaves(cast: Rehearsal) -> None:
    login = {"TOPSTEPX_USERNAME": USER, "TOPSTEPX_API_KEY": "wrong"}
    cast.environment |= login
    cast.start()
    cast.wait(lambda: len(cast.pids()) == 10, PATIENCE_S, "ten processes")
    pids = cast.pids()
    log = cast.var / "log" / "order_router.log"
    cast.wait(
        lambda: log.exists() and "login refused" in log.read_text(), PATIENCE_S, "the refusal"
    )
    time.sleep(8.0)
    states = {row["state"] for row in said_by(cast.var, "order_router", "VenueStatus")}
    assert VenueState.READY.value not in states
    assert cast.truth()["orders"] == []
    assert cast.pids() == pids, "a refused login ends nobody"
    for path in (cast.var / "log").iterdir():
        told = path.read_text()
        assert USER not in told, path.name
        assert '"wrong"' not in told, path.name
    words = [sys.executable, "-m", "scripts.cli", "doctor", "--json"]
    doctor = subprocess.run(
        words, cwd=REPO, env=cast.environment, capture_output=True, text=True, check=False
    )
    assert doctor.returncode == 3, doctor.stdout
    assert "login refused" in doctor.stdout
    assert USER not in doctor.stdout + doctor.stderr
