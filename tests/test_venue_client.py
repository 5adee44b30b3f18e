"""The REST client against a real local server: every way a request can end, told apart.

The server is under the test's control, because the interesting endings (a break after the deed,
rubbish, a hang) are not what a decent server does.
"""

from __future__ import annotations

import asyncio
import json
import socket
from types import SimpleNamespace

import pytest
from aiohttp import web

from shared.venue import client as client_module
from shared.venue import client_http, words
from shared.venue.client import VenueClient
from shared.venue.outcome import Answered, NotSent, Reserve, Unknown
from shared.venue.quota import Quota
from tests.client_stage import ORDER, PLACED, SECRET, status, told, venue
from tests.venue_stage import until

pytestmark = pytest.mark.slow


def test_an_answer_is_an_answer():
    outcome, seen = told(lambda request: web.json_response(PLACED))
    assert isinstance(outcome, Answered)
    assert outcome.ok
    assert outcome.response.order_id == 5
    path, token, body = seen[0]
    assert path == "/api/Order/place"
    assert token.startswith("h.")
    assert json.loads(body)["customTag"] == "t"
    assert "kind" not in json.loads(body)


def test_a_business_refusal_is_an_answer():
    refusal = {"orderId": 9, "success": False, "errorCode": 2, "errorMessage": "no"}
    outcome, _ = told(lambda request: web.json_response(refusal))
    assert isinstance(outcome, Answered)
    assert not outcome.ok
    assert outcome.response.error_message == "no"


def test_the_venue_s_own_doubt_is_unknown():
    pending = {"orderId": 9, "success": False, "errorCode": 6, "errorMessage": None}
    outcome, seen = told(lambda request: web.json_response(pending))
    assert isinstance(outcome, Unknown)
    assert outcome.order_id == 9
    assert len(seen) == 1


@pytest.mark.parametrize("code", [301, 401, 403, 404, 408, 429, 500, 502, 503])
def test_an_act_with_an_uncertain_status_is_unknown_and_never_sent_twice(code):
    outcome, seen = told(status(code))
    assert isinstance(outcome, Unknown)
    assert str(code) in outcome.why
    assert len(seen) == 1


@pytest.mark.parametrize(
    "body", [b"", b"{", b"null", b"[]", b"{}", b'{"success":"yes"}', b"\xff\xfe", b"<html>",
             b'{"success":true,"errorCode":0,"orderId":9223372036854775808}'],
)  # fmt: skip
def test_an_act_with_an_unreadable_answer_is_unknown(body):
    outcome, seen = told(lambda request: web.Response(body=body, content_type="application/json"))
    assert isinstance(outcome, Unknown)
    assert len(seen) == 1


def test_problem_details_are_a_definite_refusal():
    problem = {"title": "bad", "status": 400, "errors": {"accountId": ["is required"]}}
    outcome, _ = told(lambda request: web.json_response(problem, status=400))
    assert isinstance(outcome, Answered)
    assert not outcome.ok
    assert "accountId" in outcome.response.error_message


def test_a_bare_400_is_unknown():
    outcome, _ = told(status(400))
    assert isinstance(outcome, Unknown)


def test_a_hang_after_accepting_is_unknown():
    outcome, seen = told(lambda request: asyncio.sleep(30), timeout_s=1.5)
    assert isinstance(outcome, Unknown)
    assert len(seen) == 1


def test_a_break_after_accepting_is_unknown():
    def breaks(request):
        request.transport.abort()
        return web.Response()

    outcome, seen = told(breaks)
    assert isinstance(outcome, Unknown)
    assert len(seen) == 1


def test_an_endless_answer_is_cut_off(monkeypatch):
    monkeypatch.setattr(client_http, "RESPONSE_MAX", 1000)
    outcome, _ = told(lambda request: web.Response(body=b"x" * 5000))
    assert isinstance(outcome, Unknown)
    assert "larger than 1000" in outcome.why


def test_a_refused_connection_was_never_sent():
    async def run():
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # bound, not listening: connecting is refused
            here = VenueClient(f"http://127.0.0.1:{taken.getsockname()[1]}", SECRET, 1.0)
            try:
                return await here.place(ORDER)
            finally:
                await here.close()

    outcome = asyncio.run(run())
    assert isinstance(outcome, NotSent)


def test_a_connection_refused_after_login_was_never_sent():
    async def run():
        async with venue() as (_, here):
            await here.token()
            here._base = here._base.with_port(1)
            await here.drop()
            return await here.place(ORDER)

    assert isinstance(asyncio.run(run()), NotSent)


def test_a_redirect_is_not_followed():
    outcome, seen = told(status(307, Location="/api/Order/place"))
    assert isinstance(outcome, Unknown)
    assert len(seen) == 1


# -- the gate --------------------------------------------------------------------------------------


def test_before_send_keeps_the_bytes_here_and_the_budget_whole():
    async def run():
        async with venue() as (there, here):
            await here.token()
            left = here.quota_left(Reserve.TRADING)
            held = await here.place(ORDER, before_send=lambda: "the deadline has passed")
            assert held == NotSent("the deadline has passed")
            assert there.seen == []
            assert here.quota_left(Reserve.TRADING) == left
            asked = []
            sent = await here.place(ORDER, before_send=lambda: asked.append(1))
            assert isinstance(sent, Answered)
            assert asked == [1]

    asyncio.run(run())


def test_before_send_is_asked_after_waiting_for_a_connection():
    """With all connections busy the request waits here; the gate is asked when it may go."""

    async def run():
        async with venue() as (there, here):
            free, asked = asyncio.Event(), []

            async def slow(request):
                await free.wait()
                return web.json_response(PLACED)

            there.answer = slow
            await here.token()
            busy = [asyncio.create_task(here.place(ORDER)) for _ in range(client_http.CONNECTIONS)]
            await until(lambda: len(there.seen) == client_http.CONNECTIONS)
            late = asyncio.create_task(
                here.place(ORDER, before_send=lambda: asked.append(free.is_set()) or "late")
            )
            await asyncio.sleep(0.1)
            assert asked == []
            free.set()
            assert await late == NotSent("late")
            assert asked == [True]
            await asyncio.gather(*busy)
            assert len(there.seen) == client_http.CONNECTIONS

    asyncio.run(run())


# -- reads -----------------------------------------------------------------------------------------


def flaky(times, bad):
    """Fails so often, then answers."""
    left = [times]

    def answer(request):
        left[0] -= 1
        if left[0] >= 0:
            return bad(request)
        return web.json_response({"positions": [], "success": True, "errorCode": 0})

    return answer


@pytest.mark.parametrize("bad", [status(503), status(401), lambda request: web.Response(body=b"{")])
def test_a_read_is_tried_again(bad):
    outcome, seen = told(flaky(2, bad), act=False)
    assert isinstance(outcome, Answered)
    assert len(seen) == 3


def test_a_read_is_not_tried_for_ever():
    outcome, seen = told(flaky(9, status(503)), act=False)
    assert isinstance(outcome, Unknown)
    assert len(seen) == client_module.READ_ATTEMPTS


def test_a_success_without_its_list_is_not_an_empty_list():
    outcome, _ = told(lambda request: web.json_response({"success": True}), act=False)
    assert isinstance(outcome, Unknown)
    assert "without its list" in outcome.why


def test_a_refused_token_is_replaced():
    async def run():
        async with venue() as (there, here):
            there.answer = flaky(1, status(401))
            assert isinstance(await here.positions(1), Answered)
            assert there.logins == 2
            assert there.seen[0][1] != there.seen[1][1]

    asyncio.run(run())


def test_429_buys_quiet_for_as_long_as_asked():
    async def run():
        async with venue() as (there, here):
            there.answer = status(429, **{"Retry-After": "7"})
            assert isinstance(await here.place(ORDER), Unknown)
            quiet = await here.place(ORDER)
            assert isinstance(quiet, NotSent)
            assert "quiet" in quiet.why
            assert len(there.seen) == 1

    asyncio.run(run())


def test_safety_keeps_quiet_for_a_moment_only(monkeypatch):
    now = [1_000.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], monotonic_ns=lambda: int(now[0] * 1e9))
    monkeypatch.setattr(client_module, "time", clock)
    close = words.PositionClose(account_id=1, contract_id="C")

    async def run():
        async with venue() as (there, here):
            there.answer = status(429, **{"Retry-After": "60"})
            assert isinstance(await here.close_position(close), Unknown)
            assert isinstance(await here.close_position(close), NotSent)
            now[0] += client_module.SAFETY_QUIET_S
            assert isinstance(await here.place(ORDER), NotSent)
            there.answer = lambda request: web.json_response({"success": True})
            assert isinstance(await here.close_position(close), Answered)
            assert len(there.seen) == 2

    asyncio.run(run())


def test_a_spent_budget_sends_nothing():
    outcome, seen = told(status(200), quota=Quota({}))
    assert outcome == NotSent("request budget TRADING is spent")
    assert seen == []
