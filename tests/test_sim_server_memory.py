"""What the wire remembers over a restart: ended tokens, standing faults; and what it does not."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from services.simulator.port import MEMORY_FILE, SimulatorPort
from services.simulator.port_faults import KINDS, FaultOrder, WireFault, WireFaults
from services.simulator.port_memory import BadMemory, Memory
from services.simulator.port_tokens import Mint
from shared.runtime.exits import Exit
from tests.sim_rest_stage import stranger
from tests.venue_stage import StageHost, settings

KEY = b"k" * 32


class Life:
    """One process: its mint, its faults and the memory between it and the next."""

    def __init__(self, folder: Path) -> None:
        self.mint, self.faults = Mint(KEY, 3_600), WireFaults()
        self.memory = Memory(folder / "wire", self.mint, self.faults)
        self.memory.resume()
        self.mint.changed = self.memory.save

    def order(self, kind: str, amount: int, **more: str) -> None:
        wanted = KINDS[kind]
        assert isinstance(wanted, WireFault)
        self.faults.order(wanted, FaultOrder(kind=kind, amount=amount, **more))
        self.memory.save()


def test_ended_tokens_stay_ended(tmp_path: Path) -> None:
    first = Life(tmp_path)
    kept, out, theirs = (first.mint.issue(user) for user in ("me", "me", "them"))
    claims = first.mint.check(out)
    assert claims is not None
    first.mint.revoke(claims)
    first.mint.revoke_user("them")
    second = Life(tmp_path)
    assert second.mint.check(kept) is not None
    assert second.mint.check(out) is None
    assert second.mint.check(theirs) is None
    assert second.mint.check(second.mint.issue("them")) is not None
    second.mint.revoke_all()
    third = Life(tmp_path)
    assert third.mint.check(kept) is None
    assert third.mint.check(third.mint.issue("me")) is not None


def test_counted_faults_go_on_where_they_were(tmp_path: Path) -> None:
    first = Life(tmp_path)
    first.order("TOO_MANY", 3, path="order/")
    assert first.faults.strikes(WireFault.TOO_MANY, "/api/order/place")
    first.memory.save()
    second = Life(tmp_path)
    assert not second.faults.strikes(WireFault.TOO_MANY, "/api/account/search"), "its path too"
    struck = [second.faults.strikes(WireFault.TOO_MANY, "/api/order/place") for _ in range(3)]
    assert struck == [True, True, False]


def test_lasting_faults_last(tmp_path: Path) -> None:
    first = Life(tmp_path)
    first.order("MAINTENANCE", 600_000)
    first.order("HUB_OUTAGE", 1, hub="user")
    first.order("SLOW_ANSWERS", 70)
    first.order("DELAY_EVENTS", 900, hub="market")
    first.order("WRONG_CLOCK", -5_000)
    second = Life(tmp_path)
    for life in (first, second):
        while "HUB_OUTAGE:user" in life.faults.shown():  # a thousandth of a second, if undisturbed
            time.sleep(0.001)
    assert 590 < second.faults.lasts_s(WireFault.MAINTENANCE) <= 600.2
    assert second.faults.lasts_s(WireFault.HUB_OUTAGE, "market") == 0
    assert (second.faults.slow_s, second.faults.clock_ms) == (0.07, -5_000)
    assert [second.faults.delay_s(hub) for hub in ("user", "market")] == [0, 0.9]
    assert second.faults.shown().keys() == first.faults.shown().keys()


def test_what_is_over_is_not_kept(tmp_path: Path) -> None:
    first = Life(tmp_path)
    first.order("TOO_MANY", 1)
    first.order("MAINTENANCE", 600_000)
    first.order("TOO_MANY", 0)
    first.order("MAINTENANCE", 0)
    assert Life(tmp_path).faults.shown() == {}


def test_nothing_is_written_while_nothing_changes(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.order("MAINTENANCE", 600_000)
    before = (tmp_path / "wire").stat().st_ino
    for _ in range(5):
        life.memory.save()
    assert (tmp_path / "wire").stat().st_ino == before
    assert [path.name for path in tmp_path.iterdir()] == ["wire"]


@pytest.mark.parametrize("found", [b"", b"{", b"[]", b'{"tokens":{"revoked":[1]}}', b'{"odd":1}'])
def test_a_file_that_is_none_is_named(tmp_path: Path, found: bytes) -> None:
    (tmp_path / "wire").write_bytes(found)
    with pytest.raises(BadMemory, match="wire"):
        Life(tmp_path)


def test_a_simulator_does_not_start_over_a_file_it_cannot_read(tmp_path: Path) -> None:
    (tmp_path / MEMORY_FILE).write_bytes(b"{")
    host = StageHost(tmp_path)
    host.port = SimulatorPort(settings())
    asyncio.run(host.port.run(host))
    ((why, code),) = host.failures
    assert MEMORY_FILE in why
    assert code == Exit.PORT_FAILED


@pytest.mark.slow
def test_the_wire_is_the_same_after_a_restart(tmp_path: Path) -> None:
    """Over real sockets; windows of rates begin anew, as documented."""

    async def run() -> None:
        async with stranger(tmp_path) as one:
            gone = dict(one.headers)
            await one.post("/api/Auth/logout", {})
            await one.login()
            for kind, amount in (("BAD_GATEWAY", 2), ("WRONG_CLOCK", 90_000_000)):
                await one.post("/sim/fault", {"kind": kind, "amount": amount})
            assert (await one.post("/api/Account/search", {}))[0] == 502
            kept = one.headers
        async with stranger(tmp_path, login=False) as one:
            answers = [await one.post("/api/Account/search", {}, headers=kept) for _ in range(2)]
            assert [answer[0] for answer in answers] == [502, 401], "a day later it has ended"
            await one.post("/sim/fault", {"kind": "WRONG_CLOCK", "amount": 0})
            assert (await one.post("/api/Account/search", {}, headers=kept))[0] == 200
            assert (await one.post("/api/Account/search", {}, headers=gone))[0] == 401

    asyncio.run(run())
