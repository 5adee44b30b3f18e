"""The gateway's port against a venue on a real socket: up, lost, frozen, refused, absent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import msgspec
import pytest

from scripts.rehearsal import free_port
from services.market_data_gateway.core import Gateway
from services.market_data_gateway.port import QUESTIONS_MAX, GatewayPort
from services.market_data_gateway.words import Fetch, Fetched, HubDown, HubUp, Rejoin
from services.simulator.words import Call, DepthPush, QuotePush, TapePush
from shared.core import Word
from shared.events import (
    Bar,
    BarOrigin,
    ContractListed,
    Depth,
    Event,
    FeedState,
    FeedStatus,
    Gap,
    Pulse,
    Quote,
    Started,
    Trade,
    WarmupDone,
)
from shared.settings import Settings
from shared.units import SECOND
from shared.venue import answers, words
from shared.venue.times import time_ns, time_text
from tests.gateway_stage import settings as gateway_settings
from tests.venue_stage import MARKET_NS, StageHost, serving

pytestmark = pytest.mark.slow
MNQ = "CON.F.US.MNQ.Z26"
PATIENCE_S = 60.0


class GatewayHost:
    """Meets `Host`: market time that runs, a core, and everything it said."""

    name = "market_data_gateway"

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.run_dir = self.var_dir = folder
        self.port = GatewayPort(settings)
        self.core = Gateway(settings)
        self.said: list[Event] = []
        self.told: list[Word] = []
        self.ticks: list[Event] = []
        self.notes: list[str] = []
        self._began = time.monotonic_ns()

    def now_ns(self) -> int:
        return MARKET_NS + time.monotonic_ns() - self._began

    def tell(self, event: Event) -> None:
        for said in tuple(self.core.on(self.now_ns(), event)):
            self.said.append(said)
            if isinstance(said, Word):
                self.port.handle(said)

    def inject(self, word: Word) -> None:
        self.told.append(word)
        self.tell(word)

    def relay(self, *ticks: Event) -> None:
        self.ticks.extend(ticks)
        for tick in ticks:
            self.tell(tick)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def fail(self, why: str, code: int) -> None:
        raise AssertionError(f"the gateway must not end: {why} ({code})")

    @property
    def feed(self) -> FeedState | None:
        found = [said.state for said in self.said if isinstance(said, FeedStatus)]
        return found[-1] if found else None

    def heard(self, kind: type[Event]) -> list[Event]:
        return [said for said in self.said if isinstance(said, kind)]

    async def beat(self) -> None:
        while True:
            self.tell(Pulse(real_ns=time.monotonic_ns()))
            await asyncio.sleep(0.02)


@asynccontextmanager
async def gateway(url: str, folder: Path, **changes: object) -> AsyncIterator[GatewayHost]:
    base = gateway_settings(("MNQ",), **changes)
    venue = msgspec.structs.replace(
        base.venue, rest_url=url, hub_url=url.replace("http", "ws"), request_timeout_real_s=2.0
    )
    host = GatewayHost(msgspec.structs.replace(base, venue=venue), folder)
    tasks = [asyncio.create_task(host.port.run(host))]
    await asyncio.sleep(0)
    host.tell(Started(epoch=1, fresh=True))
    tasks.append(asyncio.create_task(host.beat()))
    try:
        yield host
        for task in tasks:
            assert not task.done(), task.exception()
    finally:
        await host.port.stop()
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def until(condition: Callable[[], object], what: str) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up, f"never: {what}"
        await asyncio.sleep(0.01)


class Market:
    """A venue that lists MNQ, has history, and trades as long as it is open."""

    def __init__(self, stage: StageHost) -> None:
        self.stage = stage
        self.clock: Callable[[], int] = stage.now_ns
        stage.answers[words.ContractSearch] = answers.ContractsResponse(
            success=True,
            contracts=(
                words.ContractModel(
                    id=MNQ, name="MNQZ6", description="Micro", tick_size=0.25, tick_value=0.5,
                    active_contract=True, symbol_id="F.US.MNQ",
                ),
            ),
        )  # fmt: skip
        stage.answers[words.RetrieveBars] = self.bars
        self.asked: list[words.RetrieveBars] = []

    def bars(self, call: Word) -> msgspec.Struct:
        assert isinstance(call, Call)
        request = call.request
        assert isinstance(request, words.RetrieveBars)
        self.asked.append(request)
        span_s = {1: 1, 2: 60}[request.unit] * request.unit_number
        length = span_s * SECOND
        end_ns = min(time_ns(request.end_time, "end"), self.clock() - length)
        newest = (end_ns - 1) // length * length
        oldest = time_ns(request.start_time, "start")
        opens = [newest - n * length for n in range(request.limit) if newest - n * length >= oldest]
        made = (
            words.BarModel(
                t=time_text(t), o=20_000.0, h=20_001.0, l=19_999.75, c=20_000.25, v=3_000
            )
            for t in opens
        )
        return answers.BarsResponse(success=True, bars=(*made, None))

    async def trade(self) -> None:
        number = 0
        while True:
            number += 1
            self.push(20_000 + number % 4 * 0.25)
            await asyncio.sleep(0.02)

    def push(self, price: float) -> None:
        port = self.stage.port
        assert port is not None
        at = time_text(self.clock(), digits=7)
        quote = words.QuotePayload(
            symbol="F.US.MNQ", best_bid=price, best_ask=price + 0.25, timestamp=at, contract=MNQ
        )
        tape = words.TapePayload(price=price, timestamp=at, type=0, volume=1)
        level = words.DepthPayload(timestamp=at, type=4, price=price, volume=7)
        port.handle(DepthPush(contract=MNQ, payload=(level,)))
        port.handle(QuotePush(contract=MNQ, payload=quote))
        port.handle(TapePush(contract=MNQ, payload=(tape,)))


@asynccontextmanager
async def scene(
    folder: Path, **changes: object
) -> AsyncIterator[tuple[GatewayHost, Market, Callable[..., object]]]:
    """Venue, open market and a gateway that is up; and a way to order faults."""
    async with serving(folder) as (stage, url):
        market = Market(stage)
        async with gateway(url, folder, **changes) as host, aiohttp.ClientSession() as session:
            market.clock = host.now_ns
            trading = asyncio.create_task(market.trade())

            async def fault(kind: str, amount: int = 1, **more: str) -> None:
                order = {"kind": kind, "amount": amount, **more}
                async with session.post(f"{url}/sim/fault", json=order) as answer:
                    assert answer.status == 200, await answer.text()

            try:
                await until(lambda: host.feed is FeedState.UP, "feed up")
                yield host, market, fault
            finally:
                trading.cancel()


def test_a_gateway_comes_up_and_relays(tmp_path: Path) -> None:
    async def run() -> None:
        async with scene(tmp_path) as (host, market, _):
            await until(lambda: len(host.ticks) > 100, "ticks")
            await until(lambda: host.heard(WarmupDone), "warm-up")
            kinds = {type(tick) for tick in host.ticks}
            assert kinds == {Quote, Trade, Depth}
            quote = [tick for tick in host.ticks if isinstance(tick, Quote)][-1]
            assert quote.ask == quote.bid + 1
            assert quote.bid_size == 7
            assert 0 <= host.now_ns() - quote.recv_ns < 60 * SECOND
            (listed,) = host.heard(ContractListed)
            assert isinstance(listed, ContractListed)
            assert listed.contract == MNQ
            warm = [
                bar
                for bar in host.heard(Bar)
                if isinstance(bar, Bar) and bar.origin is BarOrigin.HISTORY
            ]
            assert [bar.span_s for bar in warm] == [60] * 5 + [300] * 2
            assert all(bar.low == 79_999 and bar.high == 80_004 for bar in warm)
            assert {request.include_partial_bar for request in market.asked} == {False}
            await until(
                lambda: any(
                    isinstance(bar, Bar) and bar.origin is BarOrigin.LIVE for bar in host.heard(Bar)
                ),
                "a live bar",
            )
            assert host.notes[-1] == ""

    asyncio.run(run())


@pytest.mark.parametrize("kind", ["DROP_HUBS", "CLOSE_HUBS"])
def test_a_lost_connection_comes_back_with_a_gap(tmp_path: Path, kind: str) -> None:
    async def run() -> None:
        async with scene(tmp_path) as (host, _, fault):
            await fault(kind)  # type: ignore[misc]
            await until(lambda: host.feed is not FeedState.UP, "feed down")
            await until(lambda: host.feed is FeedState.UP, "feed up again")
            (gap,) = host.heard(Gap)
            assert isinstance(gap, Gap)
            assert gap.contract == MNQ
            assert gap.end_ns > gap.start_ns
            spans = {fetched.request for fetched in host.told if isinstance(fetched, Fetched)}
            assert spans
            assert len([word for word in host.told if isinstance(word, HubUp)]) == 2

    asyncio.run(run())


def test_a_frozen_hub_is_found_out_and_replaced(tmp_path: Path) -> None:
    async def run() -> None:
        async with scene(tmp_path, silence_limit_s=0.5) as (host, _, fault):
            await asyncio.sleep(0.5)
            await fault("MUTE_HUBS", 1_500, hub="market")  # type: ignore[misc]
            await until(lambda: host.heard(Rejoin), "a rejoin")
            frozen = [
                said
                for said in host.said
                if isinstance(said, FeedStatus) and said.state is FeedState.FROZEN
            ]
            assert frozen
            await until(lambda: host.feed is FeedState.UP, "feed up again")
            assert host.heard(Gap)
            down = [word for word in host.told if isinstance(word, HubDown)]
            assert any("suspected" in word.reason for word in down)

    asyncio.run(run())


def test_refused_tokens_and_broken_answers_are_lived_through(tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(tmp_path) as (stage, url):
            market = Market(stage)
            async with aiohttp.ClientSession() as session:
                for kind in ("UNAUTHORISED", "SERVER_ERROR", "CUT_ANSWER", "GARBAGE_ANSWER"):
                    order = {"kind": kind, "amount": 1, "path": "api/contract"}
                    await session.post(f"{url}/sim/fault", json=order)
                order = {"kind": "REFUSE_HANDSHAKE", "amount": 2}
                await session.post(f"{url}/sim/fault", json=order)
            async with gateway(url, tmp_path) as host:
                market.clock = host.now_ns
                trading = asyncio.create_task(market.trade())
                await until(lambda: host.feed is FeedState.UP, "feed up")
                trading.cancel()

    asyncio.run(run())


def test_rubbish_in_the_stream_is_dropped_and_counted(tmp_path: Path) -> None:
    async def run() -> None:
        async with scene(tmp_path) as (host, market, _):
            before = len(host.ticks)
            for price in (20_000.1, -5.0, 1e12, 2_000.0):
                market.push(price)
            await until(lambda: len(host.ticks) > before + 50, "ticks go on")
            dropped = host.port._rejects
            assert {name.split()[0] for name in dropped} >= {"GatewayQuote", "GatewayTrade"}
            prices = [tick.price for tick in host.ticks if isinstance(tick, Trade)]
            assert all(80_000 <= price <= 80_003 for price in prices)

    asyncio.run(run())


def test_an_absent_venue_is_waited_for(tmp_path: Path) -> None:
    """Nothing listens at the start: no exit, a reason in words, and up once it is there."""

    async def run() -> None:
        free = free_port()
        async with gateway(f"http://127.0.0.1:{free}", tmp_path) as host:
            await until(lambda: any(isinstance(w, HubDown) for w in host.told), "a reason")
            assert host.feed is FeedState.DOWN
            assert "market hub down" in host.notes[-1]
            await asyncio.sleep(0.5)
            async with serving(tmp_path, port=free) as (stage, _):
                market = Market(stage)
                market.clock = host.now_ns
                trading = asyncio.create_task(market.trade())
                await until(lambda: host.feed is FeedState.UP, "feed up")
                trading.cancel()
            await until(lambda: host.feed is FeedState.DOWN, "the venue is gone again")

    asyncio.run(run())


def test_a_flood_of_questions_is_answered_oldest_first_with_a_failure(tmp_path: Path) -> None:
    """The venue does not keep up: no question is lost, none waits for ever, memory is bounded."""

    async def run() -> None:
        host = GatewayHost(gateway_settings(("MNQ",)), tmp_path)
        host.port._host = host
        for number in range(1, QUESTIONS_MAX + 4):
            host.port.handle(
                Fetch(request=number, contract=MNQ, span_s=60, start_ns=0, end_ns=1, limit=1)
            )
        await asyncio.sleep(0)
        failed = [word for word in host.told if isinstance(word, Fetched)]
        assert [word.request for word in failed] == [1, 2, 3]
        assert all("waiting" in word.failure for word in failed)

    asyncio.run(run())
