"""Garbage in folders, on the bus and in a journal: dropped or set aside, and nobody is kept from
starting, with real processes.
"""

from __future__ import annotations

import time

import pytest
import zmq

from scripts.rehearsal import PATIENCE_S, Rehearsal, alive
from services.cast import build, deciders
from shared.runtime import paths
from shared.runtime.exits import Exit
from shared.runtime.heartbeats import read_heartbeats
from shared.runtime.replay import replay
from shared.settings import load
from tests.start_stage import Bench, bench_in, cast_in

cast = pytest.fixture(cast_in)
bench = pytest.fixture(bench_in)

pytestmark = pytest.mark.slow


# -- garbage ---------------------------------------------------------------------------------------


GARBAGE = (
    b"",
    b"\x00" * 64,
    b"\xff\xfe\xfd",
    b"{}",
    b'{"id": [',
    b"[1, 2, 3]",
    b"\x93\x01\x02\x03",
)


def test_garbage_left_in_the_run_directory_keeps_nobody_from_starting(cast: Rehearsal) -> None:
    run = paths.run_dir(cast.var)
    for number, name in enumerate([*deciders(load()), "metrics_exporter", "nobody"]):
        paths.heartbeat_path(run, name).write_bytes(GARBAGE[number % len(GARBAGE)])
        paths.lock_path(run, name).write_bytes(b"no pid\n")
    paths.clock_path(run).write_bytes(b'{"generation": 1, "market_ns"')
    paths.flatten_progress_path(run).write_bytes(b'{"id": 7}')
    paths.governor_socket_path(run).write_bytes(b"no socket")
    for lane in ("order_router", "risk_governor"):
        paths.socket_path(run, lane).write_bytes(b"no socket")
    cast.start()
    cast.ready()
    assert len(cast.pids()) == 10


def test_garbage_written_under_running_processes_is_survived_and_a_request_is_obeyed(
    cast: Rehearsal,
) -> None:
    cast.start()
    cast.ready()
    cast.wait(cast.lots, PATIENCE_S, "a position")
    pids, run = cast.pids(), paths.run_dir(cast.var)
    for garbage in GARBAGE:
        for name in pids:
            paths.replace(paths.heartbeat_path(run, name), garbage)
        paths.replace(paths.clock_path(run), garbage)
        paths.replace(paths.flatten_progress_path(run), garbage)
        time.sleep(0.1)
    cast.ready()
    request = paths.flatten_request_path(run)
    paths.replace(request, b'{"id": [')
    cast.wait(lambda: not request.exists(), PATIENCE_S, "a request nobody can read is served")
    assert cast.lots() == {}, "somebody wanted to be flat"
    log = (cast.var / "log" / "order_router.log").read_text()
    assert "flatten.request unreadable" in log
    assert cast.pids() == pids, "nobody died of it"


def test_garbage_on_the_bus_is_dropped(bench: Bench) -> None:
    simulator = bench.start("simulator")
    bench.wait(lambda: bench.beats("simulator", simulator), "a heartbeat")
    run = paths.run_dir(bench.var)
    context = zmq.Context()
    try:
        with context.socket(zmq.PUB) as liar:
            liar.setsockopt(zmq.LINGER, 0)
            liar.bind(f"ipc://{paths.socket_path(run, 'risk_governor')}")
            router = bench.start("order_router")
            bench.wait(lambda: bench.beats("order_router", router), "a heartbeat")
            topics = (b"", b"OrderApproved\0", b"Heartbeat\0", b"Nonsense\0", b"RiskState")

            sent = 0

            def told() -> bool:
                """Whether it was poured on and complained; until it listens nobody hears."""
                nonlocal sent
                for topic in topics:
                    for garbage in GARBAGE:
                        liar.send(topic + garbage)
                sent += 1
                log = bench.said()
                return sent >= 20 and "malformed OrderApproved" in log and "unknown topic" in log

            bench.wait(told, "garbage is named")
            before = read_heartbeats(bench.var)["order_router"][0].beat
            bench.wait(
                lambda: read_heartbeats(bench.var)["order_router"][0].beat > before + 4, "it lives"
            )
            assert router.poll() is None, bench.said()
    finally:
        context.term()
    router.terminate()
    assert router.wait(PATIENCE_S) == Exit.CLEAN
    assert "Traceback" not in bench.said()


# -- a damaged memory ------------------------------------------------------------------------------


@pytest.mark.parametrize("actor", ["order_router", "risk_governor"])
def test_a_journal_damaged_in_its_middle_is_set_aside_and_the_next_start_works(
    cast: Rehearsal, actor: str
) -> None:
    cast.start()
    cast.ready()
    cast.wait(lambda: cast.truth()["fills"] > 0, PATIENCE_S, "a fill")
    assert cast.stop() == 0
    [path] = sorted(paths.journal_root(cast.var).glob(f"*/{actor}.journal"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    paths.snapshot_path(cast.var, path.parent.name, actor).unlink()  # what it covers is not read
    cast.start()
    cast.ready()
    aside = path.with_name(path.name + ".corrupt-1")
    assert aside.read_bytes() == content, "kept for a person to look at"
    ended = (cast.var / "log" / "supervisord.log").read_text()
    assert f"exited: {actor} (exit status {int(Exit.CORRUPT)}; not expected)" in ended
    assert "it was set aside as" in (cast.var / "log" / f"{actor}.log").read_text()
    cast.wait(lambda: cast.known_lots() == cast.lots(), PATIENCE_S, "books equal the venue's")
    assert cast.truth()["tagsRefused"] == 0, "no name was used twice"
    pids = cast.pids()
    assert cast.stop() == 0
    assert not [name for name, pid in pids.items() if alive(pid)]
    report = replay(cast.var, actor, build=build)
    assert report.equal, report
