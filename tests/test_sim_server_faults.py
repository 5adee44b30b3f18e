"""Faults ordered over HTTP: what a caller of the simulator sees, once or until they are ended."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest

from services.simulator.port_faults import KINDS
from services.simulator.words import Fault, FaultKind, Truth
from shared.venue import words
from tests.sim_rest_stage import ORDER, on_stage
from tests.venue_stage import MARKET_NS, until

pytestmark = pytest.mark.slow


async def order_fault(one, kind, amount=1, **more):
    status, told, _ = await one.post("/sim/fault", {"kind": kind, "amount": amount, **more})
    assert status == 200, told
    return told


@pytest.mark.parametrize(
    ("kind", "status", "reached"),
    [("UNAUTHORISED", 401, 0), ("TOO_MANY", 429, 0), ("SERVER_ERROR", 503, 0),
     ("ERROR_AFTER", 500, 1)],
)  # fmt: skip
def test_faulty_statuses_once(tmp_path, kind, status, reached):
    async def scene(one):
        await order_fault(one, kind, path="/order/place")
        assert (await one.post("/api/Account/search", {}))[0] == 200
        assert (await one.post("/api/Order/place", ORDER))[0] == status
        assert len(one.host.calls) == 1 + reached
        assert (await one.post("/api/Order/place", ORDER))[0] == 200

    on_stage(scene, tmp_path)


def test_an_answer_cut_off_after_the_deed(tmp_path):
    async def scene(one):
        await order_fault(one, "CUT_ANSWER")
        with pytest.raises(aiohttp.ClientError):
            await one.post("/api/Order/place", ORDER)
        assert len(one.host.calls) == 1

    on_stage(scene, tmp_path)


def test_garbage_instead_of_an_answer(tmp_path):
    async def scene(one):
        await order_fault(one, "GARBAGE_ANSWER")
        async with one.session.post(
            one.url + "/api/Order/place", json=ORDER, headers=one.headers
        ) as answer:
            assert answer.status == 200
            with pytest.raises(json.JSONDecodeError):
                json.loads(await answer.text())

    on_stage(scene, tmp_path)


def test_slow_answers_and_the_core_s_own_delay(tmp_path):
    async def scene(one):
        clock = asyncio.get_running_loop().time
        await order_fault(one, "SLOW_ANSWERS", 200)
        began = clock()
        await one.post("/api/Account/search", {})
        assert clock() - began >= 0.2
        await order_fault(one, "SLOW_ANSWERS", 0)
        one.host.delay_ns = 3_000_000_000  # market time, at ten times the speed
        began = clock()
        await one.post("/api/Account/search", {})
        assert clock() - began >= 0.3

    on_stage(scene, tmp_path, speed=10.0)


def test_a_lost_answer_keeps_the_caller_waiting(tmp_path):
    async def scene(one):
        one.host.answers[words.PlaceOrder] = None
        patience = aiohttp.ClientTimeout(sock_read=0.3)  # from when the request has left
        with pytest.raises(TimeoutError):
            await one.post("/api/Order/place", ORDER, timeout=patience)
        await until(lambda: one.host.calls)
        assert len(one.host.calls) == 1

    on_stage(scene, tmp_path)


def test_faults_of_the_mind_go_to_the_core(tmp_path):
    async def scene(one):
        await order_fault(one, "REJECT_ORDER", 3)
        word = one.host.told[-1]
        assert isinstance(word, Fault)
        assert (word.kind, word.amount) == (FaultKind.REJECT_ORDER, 3)

    on_stage(scene, tmp_path)


@pytest.mark.parametrize(
    "body", [{"kind": "EARTHQUAKE"}, {}, {"kind": "DROP_HUBS", "hub": "moon"}, {"kind": 1},
             {"kind": "DROP_HUBS", "amont": 1}, [], {"kind": "TOO_MANY", "amount": "x"}],
)  # fmt: skip
def test_unknown_faults_are_refused_by_name(tmp_path, body):
    async def scene(one):
        status, told, _ = await one.post("/sim/fault", body)
        assert status == 400
        assert told.startswith("fault: ")

    on_stage(scene, tmp_path)


def test_standing_faults_are_shown_and_can_be_ended(tmp_path):
    async def scene(one):
        told = await order_fault(one, "TOO_MANY", 4)
        assert told["faults"] == {"TOO_MANY": 4}
        assert set(told["kinds"]) == set(KINDS)
        assert json.loads((await one.get("/sim/fault"))[1])["faults"] == {"TOO_MANY": 4}
        assert (await order_fault(one, "TOO_MANY", 0))["faults"] == {}

    on_stage(scene, tmp_path)


def test_truth_and_clock(tmp_path):
    async def scene(one):
        status, _, _ = await one.get("/sim/truth")
        assert status == 200
        assert isinstance(one.host.told[-1], Truth)
        told = json.loads((await one.get("/sim/clock"))[1])
        assert (told["marketNs"], told["speed"]) == (MARKET_NS, 1.0)

    on_stage(scene, tmp_path)


def test_a_web_page_cannot_order_faults(tmp_path):
    async def scene(one):
        headers = {"Origin": "https://evil.example"}
        status, _, _ = await one.post("/sim/fault", {"kind": "DROP_HUBS"}, headers=headers)
        assert status == 403

    on_stage(scene, tmp_path)
