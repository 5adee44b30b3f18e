"""A request as bytes on a kept connection: what is written, when, and what comes back by it."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest
from aiohttp import web

from shared.venue.outcome import Answered, NotSent, Unknown
from tests.test_venue_client import ORDER, PLACED, told, venue

pytestmark = pytest.mark.slow


def test_the_gate_is_asked_at_the_very_write():
    """Between the last look and the bytes the loop has no turn in which a deadline could pass."""

    async def run():
        async with venue() as (_, here):
            await here.token()
            turns, seen = [], []
            transport = SimpleNamespace(write=lambda data: seen.append((len(turns), data)))

            async def connect(*_args, **_kwargs):
                protocol = SimpleNamespace(transport=transport, set_response_params=_broken)
                return SimpleNamespace(protocol=protocol, close=lambda: turns.append("closed"))

            here._opened()._connector.connect = connect

            def last_look():
                turns.append("looked")
                asyncio.get_running_loop().call_soon(turns.append, "a turn")

            outcome = await here.place(ORDER, before_send=last_look)
            assert isinstance(outcome, Unknown), "the bytes were out"
            [(at, data)] = seen
            assert turns[:at] == ["looked"]
            head, _, body = data.partition(b"\r\n\r\n")
            assert json.loads(body)["customTag"] == "t"
            assert head.endswith(b"Content-Length: %d" % len(body))
            assert "closed" in turns

    asyncio.run(run())


def _broken(**_params):
    raise ConnectionResetError


def test_orders_share_a_connection_that_is_kept():
    async def run():
        async with venue() as (there, here):
            peers = set()

            def answer(request):
                peers.add(request.transport.get_extra_info("peername"))
                return web.json_response(PLACED)

            there.answer = answer
            for _ in range(5):
                assert isinstance(await here.place(ORDER), Answered)
            assert len(peers) == 1

    asyncio.run(run())


def test_a_token_that_would_write_a_header_of_its_own_is_not_sent():
    async def run():
        async with venue() as (there, here):
            bad = {"token": "x\r\nX-Other: y", "success": True, "errorCode": 0}
            there.login_answer = lambda request: web.json_response(bad)
            outcome = await here.place(ORDER)
            assert isinstance(outcome, NotSent)
            assert "no header may hold" in outcome.why
            assert there.seen == []

    asyncio.run(run())


def test_a_packed_answer_is_unpacked_and_one_in_pieces_is_whole():
    def packed(request):
        assert "gzip" in request.headers["Accept-Encoding"]
        answer = web.json_response(PLACED)
        answer.enable_compression(web.ContentCoding.gzip)
        return answer

    async def pieces(request):
        answer = web.StreamResponse()
        await answer.prepare(request)
        for at in range(0, len(text), 7):
            await answer.write(text[at : at + 7])
            await asyncio.sleep(0)
        return answer

    text = json.dumps(PLACED).encode()
    for answer in (packed, pieces):
        outcome, _ = told(answer)
        assert isinstance(outcome, Answered), answer
        assert outcome.response.order_id == 5


def test_rubbish_instead_of_http_is_unknown():
    def rubbish(request):
        request.transport.write(b"SSH-2.0-wrong port\r\n\r\n")
        request.transport.close()
        return asyncio.sleep(1)

    outcome, seen = told(rubbish)
    assert isinstance(outcome, Unknown)
    assert len(seen) == 1
