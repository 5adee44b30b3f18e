"""The simulator's HTTP, as a stranger sees it: statuses, headers, shapes, tokens, rates."""

from __future__ import annotations

import asyncio
import base64
import io
import json

import pytest

from services.simulator import port_rest
from services.simulator.port import SimulatorPort
from shared.runtime.exits import Exit
from shared.venue import answers, words
from shared.venue.answers import ENDPOINTS
from tests.sim_rest_stage import ORDER, on_stage, stranger
from tests.venue_stage import StageHost, serving, settings, until

pytestmark = pytest.mark.slow


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
