"""The REST client against a real local server: every way a request can end, told apart.

The server here is a few lines under the test's control, because the interesting endings (a break
after the deed, rubbish, a hang) are not what a decent server does.
"""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import time
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from aiohttp import web

from shared.settings import Credentials
from shared.venue import client as client_module
from shared.venue import client_http, client_login, words
from shared.venue.client import VenueClient
from shared.venue.client_login import LoginFailed, LoginRefused, TokenKeeper, life_s
from shared.venue.outcome import Answered, NotSent, Reserve, Unknown
from shared.venue.quota import Quota
from tests.venue_stage import until

pytestmark = pytest.mark.slow
SECRET = Credentials("trader", "k3y-never-shown")
ORDER = words.PlaceOrder(account_id=1, contract_id="C", type=2, side=0, size=1, custom_tag="t")
PLACED = {"orderId": 5, "success": True, "errorCode": 0, "errorMessage": None}


def jwt(life=3600.0, issued=None):
    issued = time.time() if issued is None else issued
    claims = json.dumps({"exp": issued + life, "iat": issued}).encode()
    return f"h.{base64.urlsafe_b64encode(claims).rstrip(b'=').decode()}.s"


class Venue:
    """`answer` is called for every request but logins; `seen` are (path, token, body)."""

    def __init__(self):
        self.seen = []
        self.logins = 0
        self.life = 3600.0
        self.login_answer = None
        self.answer = lambda request: web.json_response(PLACED)

    async def handle(self, request):
        body = await request.read()
        if request.path == "/api/Auth/loginKey":
            self.logins += 1
            if self.login_answer is not None:
                return await _settled(self.login_answer(request))
            return web.json_response({"token": f"{jwt(self.life)}{self.logins}", "success": True,
                                      "errorCode": 0, "errorMessage": None})  # fmt: skip
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.seen.append((request.path, token, body))
        return await _settled(self.answer(request))


async def _settled(answer):
    return await answer if asyncio.iscoroutine(answer) else answer


@asynccontextmanager
async def venue(**options):
    there = Venue()
    runner = web.AppRunner(web.Application(), access_log=None, shutdown_timeout=0.1)
    runner.app.router.add_route("*", "/{path:.*}", there.handle)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    here = VenueClient(url, SECRET, options.pop("timeout_s", 10.0), **options)
    try:
        yield there, here
    finally:
        await here.close()
        await runner.cleanup()


def told(answer, act=True, **options):
    """What the client makes of one kind of answer, and how often the venue was asked."""

    async def run():
        async with venue(**options) as (there, here):
            there.answer = answer
            outcome = await (here.place(ORDER) if act else here.positions(1))
            return outcome, there.seen

    return asyncio.run(run())


def status(code, **headers):
    return lambda request: web.Response(status=code, text="x", headers=headers)


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
    "body", [b"", b"{", b"null", b"[]", b"{}", b'{"success":"yes"}', b"\xff\xfe", b"<html>"]
)
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
    outcome, seen = told(lambda request: asyncio.sleep(30), timeout_s=0.3)
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


# -- tokens ----------------------------------------------------------------------------------------


def test_all_who_ask_wait_for_one_login():
    async def run():
        async with venue() as (there, here):
            tokens = await asyncio.gather(*(here.token() for _ in range(20)))
            assert len(set(tokens)) == 1
            assert there.logins == 1

    asyncio.run(run())


def test_a_half_used_token_is_renewed_behind_our_back():
    async def run():
        async with venue(renew_share=0.0001) as (_, here):
            first = await here.token()
            await asyncio.sleep(0.4)
            assert await here.token() == first  # nobody waits while it is still valid
            async with asyncio.timeout(60):
                while await here.token() == first:  # noqa: ASYNC110  there is no event for it
                    await asyncio.sleep(0.01)

    asyncio.run(run())


def test_a_failing_renewal_keeps_the_valid_token():
    async def run():
        async with venue(renew_share=0.0001) as (there, here):
            first = await here.token()
            there.login_answer = status(503)
            await asyncio.sleep(0.4)
            assert await here.token() == first
            await until(lambda: there.logins == 2)
            for _ in range(10):
                assert await here.token() == first
                await asyncio.sleep(0.01)
            assert there.logins == 2  # one renewal, then a pause

    asyncio.run(run())


def test_an_expired_token_is_never_handed_out():
    async def run():
        async with venue() as (there, here):
            there.life = 0.2
            first = await here.token()
            await asyncio.sleep(0.3)
            assert await here.token() != first

    asyncio.run(run())


def test_refused_credentials_say_so_without_saying_them():
    async def run():
        async with venue() as (there, here):
            refusal = {"token": None, "success": False, "errorCode": 3, "errorMessage": None}
            there.login_answer = lambda request: web.json_response(refusal)
            with pytest.raises(LoginRefused, match="INVALID_CREDENTIALS") as caught:
                await here.token()
            assert "k3y" not in str(caught.value)
            outcome = await here.place(ORDER)
            assert isinstance(outcome, NotSent)
            assert "k3y" not in outcome.why
            assert there.seen == []

    asyncio.run(run())


def test_a_failing_login_backs_off():
    async def run():
        async with venue() as (there, here):
            there.login_answer = status(500)
            for _ in range(5):
                with pytest.raises(LoginFailed):
                    await here.token()
            assert there.logins == 1

    asyncio.run(run())


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "a.!!.c", f"a.{'e30'}.c"])
def test_an_unreadable_token_lives_an_hour(token):
    assert life_s(token, 0.0) == client_login.LIFE_WHEN_UNREADABLE_S


def test_a_token_is_renewed_before_half_its_life_and_not_by_everybody_at_once():
    async def login():
        raise AssertionError("nobody logs in here")

    at_s = []
    for _ in range(40):
        keeper, began = TokenKeeper(login, 0.5), time.monotonic()
        keeper._accept(jwt(10_000.0))
        at_s.append(keeper._renew_at - began)
    assert 4_500 <= min(at_s) <= max(at_s) < 5_001
    assert max(at_s) - min(at_s) > 50, "forty processes of one start come minutes apart"


def test_a_token_lives_as_long_as_it_says():
    assert life_s(jwt(86_400.0), 0.0) == pytest.approx(86_400.0)


def test_a_login_cancelled_by_one_asker_serves_the_others():
    async def run():
        release = asyncio.Event()

        async def login():
            await release.wait()
            return Unknown("down")

        keeper = TokenKeeper(login, 0.5)
        one, other = asyncio.create_task(keeper.token()), asyncio.create_task(keeper.token())
        await asyncio.sleep(0)
        one.cancel()
        release.set()
        with pytest.raises(LoginFailed):
            await other
        assert keeper.logins == 1

    asyncio.run(run())


# -- addresses -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["http://api.topstepx.com", "ftp://x", "https://u:p@h", "", "127.0.0.1:80", "http://"]
)
def test_unsafe_addresses_are_refused(url):
    with pytest.raises(ValueError, match="address"):
        VenueClient(url, SECRET, 1.0)


@pytest.mark.parametrize(
    "url", ["https://api.topstepx.com", "http://127.0.0.1:1", "http://[::1]:1"]
)
def test_safe_addresses_are_taken(url):
    VenueClient(url, SECRET, 1.0)


def test_a_dropped_connection_is_opened_anew():
    async def run():
        async with venue() as (there, here):
            assert await here.ping()
            await here.drop()
            assert isinstance(await here.place(ORDER), Answered)
            there.answer = status(500)
            assert not await here.ping()

    asyncio.run(run())
