"""What a hub session is asked while it runs: suspect the hub, hear something else, end."""

from __future__ import annotations

import asyncio

import pytest

from shared.venue.signalr_attempt import Attempt, HubLimits, InvocationFailed
from tests.signalr_stage import FAST, PATIENT, again, play, session, threads
from tests.venue_hub import hub
from tests.venue_stage import until

# -- stage -----------------------------------------------------------------------------------------


pytestmark = pytest.mark.slow


# -- suspicion -------------------------------------------------------------------------------------


def test_suspect_reconnects_once_however_often_it_is_said():
    async def scene(there, here, ear):
        for _ in range(10):
            here.suspect("market silent")
        await again(ear)
        await asyncio.sleep(0.2)
        assert ear.ups == 2
        assert len(there.tokens) == 2

    assert "suspected: market silent" in play(scene, PATIENT)[1].reasons


def test_suspect_cuts_the_waiting_short():
    slow = HubLimits(connect_s=0.4, invoke_s=0.4, backoff_first_s=0.02, backoff_max_s=3600.0)

    async def scene(there, here, ear):
        await there.stop()
        await until(lambda: here.attempts >= 8)  # the next pause would be seconds long
        await there.start()
        here.suspect("the network is back")
        await again(ear)

    play(scene, slow)


def test_suspect_while_connecting():
    async def scene(there, here, ear):
        there.hang_handshake = True
        there.fin()
        await until(lambda: len(there.handshakes) >= 2)
        there.hang_handshake = False
        here.suspect("too slow")
        await again(ear)

    play(scene)


# -- subscriptions while running -------------------------------------------------------------------


def test_subscriptions_can_come_and_go():
    async def scene(there, here, ear):
        await here.subscribe("SubscribeContractMarketDepth", "MNQ")
        await here.subscribe("SubscribeContractMarketDepth", "MES")
        undo = "UnsubscribeContractMarketDepth"
        await here.unsubscribe("SubscribeContractMarketDepth", undo, "MES")
        assert there.invoked[-1] == (undo, ["MES"])
        there.invoked.clear()
        there.fin()
        await again(ear)
        assert there.invoked[-1] == ("SubscribeContractMarketDepth", ["MNQ"])
        assert len(there.invoked) == 3

    play(scene)


def test_a_subscription_refused_while_up_is_no_quiet_loss():
    async def scene(there, here, ear):
        there.failing = {"SubscribeContractMarketDepth"}
        await here.subscribe("SubscribeContractMarketDepth", "MNQ")
        there.failing = set()
        await again(ear)
        assert there.invoked[-1] == ("SubscribeContractMarketDepth", ["MNQ"])

    play(scene)


# -- one attempt -----------------------------------------------------------------------------------


def test_an_invocation_without_completion_leaves_nothing_behind():
    async def run():
        async with hub() as there:
            there.silent, there.failing = {"NoReply"}, {"Boom"}
            attempt = Attempt(there.url, frozenset(), lambda batch: None, FAST)
            await attempt.open()
            with pytest.raises(TimeoutError):
                await attempt.invoke("NoReply", [])
            with pytest.raises(InvocationFailed, match="boom"):
                await attempt.invoke("Boom", [])
            assert await attempt.invoke("Fine", [1]) == 0
            assert attempt._calls == {}
            await attempt.bury()
            with pytest.raises(ConnectionError):
                await attempt.invoke("Fine", [])

    asyncio.run(run())


def test_nobody_there():
    async def run():
        attempt = Attempt("ws://127.0.0.1:1/hub", frozenset(), lambda batch: None, FAST)
        with pytest.raises(ConnectionError, match="ConnectionRefused"):
            await attempt.open()
        await attempt.bury()

    asyncio.run(run())


def test_a_hundred_reconnects_leave_no_thread():
    limits = HubLimits(connect_s=60.0, invoke_s=60.0, backoff_first_s=0.0, backoff_max_s=0.0)

    async def run():
        async with hub() as there, session(there.url, limits) as (here, ear, _):
            for number in range(1, 101):
                await again(ear, number)
                here.suspect("again")
            await again(ear, 101)
            await until(lambda: len(threads()) == len(there.sockets) == 1)

    asyncio.run(run())
