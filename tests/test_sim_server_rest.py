"""The simulator's HTTP, as a stranger sees it: statuses, headers, shapes, tokens, rates, faults."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from contextlib import asynccontextmanager

import aiohttp
import pytest

from services.simulator import port_rest
from services.simulator.port import SimulatorPort
from services.simulator.port_faults import KINDS
from services.simulator.words import Fault, FaultKind, Truth
from shared.runtime.exits import Exit
from shared.venue import answers, words
from shared.venue.answers import ENDPOINTS
from tests.venue_stage import MARKET_NS, StageHost, serving, settings, until

pytestmark = pytest.mark.slow
ORDER = {"accountId": 1, "contractId": "C", "type": 2, "side": 0, "size": 1}


class Stranger:
    """A plain HTTP client that knows nothing of ours."""

    def __init__(self, session, url, host):
        self.session, self.url, self.host = session, url, host
        self.headers = {}

    async def post(self, path, body=None, **options):
        options.setdefault("headers", self.headers)
        async with self.session.post(self.url + path, json=body, **options) as answer:
            text = await answer.text()
            return answer.status, (json.loads(text) if text[:1] in "{[" and text else text), answer

    async def get(self, path, **options):
        async with self.session.get(self.url + path, **options) as answer:
            return answer.status, await answer.text(), answer

    async def login(self, user="trader", key="k"):
        _, body, _ = await self.post("/api/Auth/loginKey", {"userName": user, "apiKey": key})
        if body["token"]:
            self.headers = {"Authorization": f"Bearer {body['token']}"}
        return body


@asynccontextmanager
async def stranger(folder, login=True, **simulator):
    async with serving(folder, **simulator) as (host, url), aiohttp.ClientSession() as session:
        one = Stranger(session, url, host)
        if login:
            await one.login()
        yield one


def on_stage(scene, folder, **options):
    async def run():
        async with stranger(folder, **options) as one:
            await scene(one)

    asyncio.run(run())


def test_login_gives_a_jwt_that_says_how_long_it_lives(tmp_path):
    async def scene(one):
        body = await one.login()
        assert body.keys() == {"token", "success", "errorCode", "errorMessage"}
        claims = json.loads(base64.urlsafe_b64decode(body["token"].split(".")[1] + "=="))
        assert claims["exp"] - claims["iat"] == 86_400
        assert len(body["token"].split(".")) == 3

    on_stage(scene, tmp_path)


@pytest.mark.parametrize(("user", "key"), [("trader", "wrong"), ("trader", ""), ("", "k")])
def test_refused_credentials_are_200_with_code_3(tmp_path, user, key):
    async def scene(one):
        assert await one.login(user, key) == {
            "token": None, "success": False, "errorCode": 3, "errorMessage": None,
        }  # fmt: skip

    on_stage(scene, tmp_path, login=False)


def test_a_login_without_a_field_is_400(tmp_path):
    async def scene(one):
        status, body, answer = await one.post("/api/Auth/loginKey", {"userName": "x"})
        assert (status, body["status"], "apiKey" in body["errors"]) == (400, 400, True)
        assert answer.content_type == "application/problem+json"

    on_stage(scene, tmp_path, login=False)


def test_several_tokens_live_side_by_side_until_logged_out(tmp_path):
    async def scene(one):
        first = one.headers
        await one.login()
        second = one.headers
        assert first != second
        for headers in (first, second):
            assert (await one.post("/api/Account/search", {}, headers=headers))[0] == 200
        assert (await one.post("/api/Auth/logout", headers=first))[1]["success"]
        assert (await one.post("/api/Account/search", {}, headers=first))[0] == 401
        assert (await one.post("/api/Account/search", {}, headers=second))[0] == 200

    on_stage(scene, tmp_path)


def test_validate_takes_no_body_and_gives_a_token(tmp_path):
    async def scene(one):
        for body in (None, {}):
            status, told, _ = await one.post("/api/auth/validate", body)
            assert status == 200
            headers = {"Authorization": f"Bearer {told['newToken']}"}
            assert (await one.post("/api/Account/search", {}, headers=headers))[0] == 200

    on_stage(scene, tmp_path)


def test_tokens_end(tmp_path):
    async def scene(one):
        await asyncio.sleep(1.1)
        assert (await one.post("/api/Account/search", {}))[0] == 401

    on_stage(scene, tmp_path, token_life_real_s=1)


def test_tokens_outlive_a_restart(tmp_path):
    async def run():
        async with stranger(tmp_path) as one:
            headers = one.headers
        async with stranger(tmp_path, login=False) as one:
            assert (await one.post("/api/Account/search", {}, headers=headers))[0] == 200

    asyncio.run(run())


@pytest.mark.parametrize(
    ("headers", "detail"),
    [({}, False), ({"Authorization": "Bearer x.y.z"}, True), ({"Authorization": "Basic x"}, True)],
)
def test_strangers_get_401_with_the_scheme(tmp_path, headers, detail):
    async def scene(one):
        for endpoint in ENDPOINTS[1:]:
            status, body, answer = await one.post(endpoint.path, {}, headers=headers)
            assert (status, body) == (401, "")
            told = answer.headers["WWW-Authenticate"]
            assert told.startswith("Bearer")
            assert ("invalid_token" in told) is detail
        assert one.host.told == []

    on_stage(scene, tmp_path, login=False)


def test_every_endpoint_reaches_the_core_in_any_case(tmp_path):
    async def scene(one):
        bodies = {
            words.ContractSearch: {"searchText": "MNQ", "LIVE": False},
            words.ContractSearchById: {"contractId": "C"},
            words.RetrieveBars: {
                "contractId": "C", "startTime": "2026-01-01T00:00:00Z", "unit": 2, "unitNumber": 1,
                "endTime": "2026-01-01T00:00:00.123456+00:00", "limit": 5, "accountId": 9,
            },
            words.PlaceOrder: ORDER,
            words.OrderQuery: {"filter": {"accountId": 1}},
        }  # fmt: skip
        common = {"accountId": 1, "orderId": 2, "contractId": "C", "size": 1,
                  "startTimestamp": "2026-01-01T00:00:00"}  # fmt: skip
        for endpoint in ENDPOINTS[3:]:
            for path in (endpoint.path, endpoint.path.lower(), endpoint.path + "/"):
                status, body, answer = await one.post(path, bodies.get(endpoint.request, common))
                assert (status, body["success"], body["errorCode"]) == (200, True, 0), endpoint
                assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
            assert isinstance(one.host.calls[-1], endpoint.request)
        assert one.host.told[0].user == "trader"
        numbers = [word.call_id for word in one.host.told]
        assert len(set(numbers)) == len(numbers)

    on_stage(scene, tmp_path)


def test_an_answer_has_exactly_the_venue_s_members(tmp_path):
    async def scene(one):
        one.host.answers[words.PlaceOrder] = answers.PlaceResponse(
            success=False, error_code=2, error_message="Invalid order size specified", order_id=7
        )
        _, body, _ = await one.post("/api/Order/place", ORDER)
        assert body == {"success": False, "errorCode": 2, "orderId": 7,
                        "errorMessage": "Invalid order size specified"}  # fmt: skip
        one.host.answers[words.AccountSearch] = answers.AccountsResponse(
            success=True,
            accounts=(words.AccountModel(id=1, name="A", balance=1.0, can_trade=True,
                                         simulated=True),),
        )  # fmt: skip
        _, body, _ = await one.post("/api/Account/search", {})
        assert body["accounts"][0].keys() == {
            "id", "name", "balance", "canTrade", "isVisible", "simulated",
        }  # fmt: skip

    on_stage(scene, tmp_path)


def test_bad_bodies_never_reach_the_core(tmp_path):
    async def scene(one):
        for body in ({**ORDER, "size": "1"}, {k: v for k, v in ORDER.items() if k != "accountId"}):
            status, told, _ = await one.post("/api/Order/place", body)
            assert status == 400
            assert "traceId" in told
        status, _, _ = await one.post(
            "/api/Order/place",
            data=b"{",
            headers=one.headers | {"Content-Type": "application/json"},
        )
        assert status == 400
        assert one.host.told == []

    on_stage(scene, tmp_path)


def test_wrong_verbs_paths_and_sizes(tmp_path):
    async def scene(one):
        status, _, answer = await one.get("/api/Order/place")
        assert (status, answer.headers["Allow"]) == (405, "POST")
        for path in ("/", "/api/Order/nothing", "/api", "/hubs/else", "/sim/nothing"):
            assert (await one.get(path))[0] == 404
        status, _, _ = await one.post(
            "/api/Order/place", data=io.BytesIO(b"x" * (port_rest.BODY_MAX + 1))
        )
        assert status == 413

    on_stage(scene, tmp_path)


def test_a_body_that_never_comes(tmp_path, monkeypatch):
    monkeypatch.setattr(port_rest, "BODY_PATIENCE_S", 0.1)

    async def scene(one):
        host, port = one.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /api/Order/place HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        assert (await reader.readline()).split()[1] == b"408"
        writer.close()
        await writer.wait_closed()

    on_stage(scene, tmp_path)


def test_ping_needs_no_token(tmp_path):
    async def scene(one):
        assert (await one.get("/api/Status/ping"))[:2] == (200, "pong")
        assert (await one.post("/api/status/PING"))[0] == 200

    on_stage(scene, tmp_path, login=False)


def test_rates_are_counted_per_token(tmp_path, monkeypatch):
    monkeypatch.setattr(port_rest, "RATE", (5, 60.0))
    monkeypatch.setattr(port_rest, "HISTORY_RATE", (2, 30.0))

    async def scene(one):
        for _ in range(5):
            assert (await one.post("/api/Account/search", {}))[0] == 200
        status, _, answer = await one.post("/api/Account/search", {})
        assert status == 429
        assert 0 < int(answer.headers["Retry-After"]) <= 60
        for _ in range(2):
            assert (await one.post("/api/History/retrieveBars", {}))[0] == 400
        assert (await one.post("/api/History/retrieveBars", {}))[0] == 429
        await one.login()
        assert (await one.post("/api/Account/search", {}))[0] == 200

    on_stage(scene, tmp_path)


def test_the_house_s_own_rates_are_the_venue_s():
    assert port_rest.RATE == (200, 60.0)
    assert port_rest.HISTORY_RATE == (50, 30.0)


# -- faults ----------------------------------------------------------------------------------------


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
        with pytest.raises(TimeoutError):
            await one.post("/api/Order/place", ORDER, timeout=aiohttp.ClientTimeout(0.3))
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


# -- life ------------------------------------------------------------------------------------------


def test_a_busy_port_ends_the_process_with_a_clear_word(tmp_path):
    async def run():
        async with serving(tmp_path) as (_, url):
            taken = int(url.rpartition(":")[2])
            host = StageHost(tmp_path)
            await SimulatorPort(settings(port=taken)).run(host)
            why, code = host.failures[0]
            assert code == Exit.BUSY_PORT
            assert f"127.0.0.1:{taken}: taken by another process" in why

    asyncio.run(run())


def test_market_time_is_stepped(tmp_path):
    async def scene(one):
        before = one.host.steps
        await until(lambda: one.host.steps > before)

    on_stage(scene, tmp_path)


def test_an_answer_to_a_caller_of_an_earlier_life_is_dropped(tmp_path):
    async def scene(one):
        port = one.host.port
        port._reply(12345, (None, 0.0))
        assert port._waiting == {}

    on_stage(scene, tmp_path)
