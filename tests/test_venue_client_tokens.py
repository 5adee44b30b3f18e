"""The REST client's tokens are shared, renewed in time, never told; its addresses are safe."""

from __future__ import annotations

import asyncio
import time

import pytest
from aiohttp import web

from shared.venue import client_login
from shared.venue.client import VenueClient
from shared.venue.client_login import LoginFailed, LoginRefused, TokenKeeper, life_s
from shared.venue.outcome import Answered, NotSent, Unknown
from tests.client_stage import ORDER, SECRET, jwt, status, venue
from tests.venue_stage import until

pytestmark = pytest.mark.slow


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
