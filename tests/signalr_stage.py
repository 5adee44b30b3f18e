"""A hub session of ours before a hub that misbehaves on request, and an ear that keeps it all."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager

from signalrcore.transport.websockets.websocket_client import THREAD_NAME

from shared.venue.signalr import HubSession, HubState
from shared.venue.signalr_attempt import HubLimits
from tests.venue_hub import hub
from tests.venue_stage import until

FAST = HubLimits(
    connect_s=1.0, invoke_s=1.0, ping_every_s=0.1, silence_s=1.5, backoff_first_s=0.02,
    backoff_max_s=0.1,
)  # fmt: skip

PATIENT = HubLimits(connect_s=60.0, invoke_s=60.0, silence_s=60.0, backoff_first_s=0.02)
"""Nothing ends for being slow: where connections are counted, a busy machine must not add one."""

SUBSCRIPTIONS = [("SubscribeContractQuotes", ("MNQ",)), ("SubscribeContractTrades", ("MNQ",))]


class Ear:
    """Hears everything a session says."""

    def __init__(self):
        self.events, self.states, self.batches, self.tokens = [], [], [], []

    def on_events(self, batch):
        self.batches.append(len(batch))
        self.events += batch

    def on_state(self, state, reason):
        self.states.append((state, reason))

    async def token(self):
        self.tokens.append(f"tok{len(self.tokens) + 1}")
        return self.tokens[-1]

    @property
    def ups(self):
        return sum(state is HubState.UP for state, _ in self.states)

    @property
    def reasons(self):
        return " | ".join(reason for state, reason in self.states if state is HubState.DOWN)


def threads():
    return [thread for thread in threading.enumerate() if thread.name == THREAD_NAME]


@asynccontextmanager
async def session(url, limits=FAST, ear=None, targets=("GatewayQuote", "Bad")):
    ear = ear or Ear()
    here = HubSession(
        url, ear.token, targets, SUBSCRIPTIONS, on_events=ear.on_events, on_state=ear.on_state,
        limits=limits,
    )  # fmt: skip
    task = asyncio.create_task(here.run())
    try:
        yield here, ear, task
    finally:
        await here.close()
        await asyncio.wait({task}, timeout=60)
        assert task.done()
        await until(lambda: threads() == [])


def play(scene, limits=FAST):
    """Run `scene(hub, session, ear)` once UP; afterwards it must be UP again and hear events."""

    async def run():
        async with hub() as there, session(there.url, limits) as (here, ear, _):
            await until(lambda: here.up)
            await scene(there, here, ear)
            await until(lambda: here.up and there.sockets)
            before = len(ear.events)
            await there.event("GatewayQuote", "MNQ", {"seq": 1})
            await until(lambda: len(ear.events) > before)
            return there, ear

    return asyncio.run(run())


async def again(ear, ups=2):
    await until(lambda: ear.ups >= ups)
