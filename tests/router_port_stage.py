"""The router's port on a stage: a host that hears its words, a venue on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from services.order_router import words as w
from services.order_router.port import RouterPort
from shared.core import Word
from shared.events import OrderType, Side
from shared.settings import load
from shared.venue import answers
from shared.venue import words as wire
from tests.venue_stage import StageHost, serving

MNQ = "CON.F.US.MNQ.Z26"
ACCOUNT = 20_411_873
WHEN = "2026-11-18T15:35:00+00:00"


class PortHost:
    """Meets the port's `Host`; remembers what the port told."""

    name = "order_router"

    def __init__(self, port: RouterPort, folder: Path) -> None:
        self.port = port
        self.run_dir = self.var_dir = folder
        self.told: list[Word] = []
        self.notes: list[str] = []

    def now_ns(self) -> int:
        return 0

    def inject(self, word: Word) -> None:
        self.told.append(word)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def relay(self, *ticks: object) -> None:
        raise AssertionError("the router relays nothing")

    def fail(self, why: str, code: int) -> None:
        raise AssertionError(f"the port must not end us: {why} ({code})")

    async def until(self, true: Callable[[Word], bool]) -> Any:
        """The first word for which `true` holds, waiting for it if need be."""
        async with asyncio.timeout(60):
            while True:
                for word in self.told:
                    if true(word):
                        return word
                await asyncio.sleep(0.005)

    async def first(self, kind: type[Word]) -> Any:
        return await self.until(lambda word: isinstance(word, kind))


@asynccontextmanager
async def routing(url: str, folder: Path, timeout_s: float = 60.0) -> AsyncIterator[PortHost]:
    base = load(env={})
    venue = msgspec.structs.replace(
        base.venue,
        rest_url=url,
        hub_url=url.replace("http", "ws"),
        request_timeout_real_s=timeout_s,
    )
    port = RouterPort(msgspec.structs.replace(base, venue=venue))
    host = PortHost(port, folder)
    task = asyncio.create_task(port.run(host))
    await asyncio.sleep(0)
    try:
        yield host
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def venue_with(stage: StageHost) -> None:
    """An account that holds one contract behind one stop, after one trade."""
    account = wire.AccountModel(
        id=ACCOUNT, name="SIM-50K-1", balance=50_000.0, can_trade=True, simulated=True
    )
    stage.answers[wire.AccountSearch] = answers.AccountsResponse(success=True, accounts=(account,))
    stage.answers[wire.OrderQuery] = answers.QueryResponse(success=True, orders=(an_order(),))
    stage.answers[wire.OrderSearch] = answers.OrdersResponse(
        success=True, orders=(an_order(), an_order(id=8, status=3))
    )
    held = wire.PositionModel(
        id=1,
        account_id=ACCOUNT,
        contract_id=MNQ,
        creation_timestamp=WHEN,
        type=1,
        size=1,
        average_price=20_000.25,
    )
    stage.answers[wire.PositionSearchOpen] = answers.PositionsResponse(
        success=True, positions=(held,)
    )
    trade = wire.TradeModel(
        id=5,
        account_id=ACCOUNT,
        contract_id=MNQ,
        creation_timestamp=WHEN,
        price=20_000.25,
        fees=0.61,
        side=0,
        size=1,
        order_id=6,
    )
    stage.answers[wire.TradeSearch] = answers.TradesResponse(success=True, trades=(trade, None))


def an_order(**changes: Any) -> wire.OrderModel:
    order = wire.OrderModel(
        id=7,
        account_id=ACCOUNT,
        contract_id=MNQ,
        creation_timestamp=WHEN,
        status=1,
        type=4,
        side=1,
        size=1,
        stop_price=19_990.0,
        custom_tag="t1.router.1.1.0",
    )
    return msgspec.structs.replace(order, **changes)


def a_place(**changes: Any) -> w.PlaceOrder:
    word = w.PlaceOrder(
        tag="t1.trend.1.1.0",
        contract=MNQ,
        side=Side.SELL,
        size=2,
        type=OrderType.LIMIT,
        limit_price=80_001,
        stop_loss_ticks=40,
        take_profit_ticks=80,
    )
    return msgspec.structs.replace(word, **changes)


def run(story: Callable[[StageHost, PortHost], Any], folder: Path, timeout_s: float = 60.0) -> None:
    async def stage() -> None:
        async with serving(folder) as (venue, url):
            venue_with(venue)
            async with routing(url, folder, timeout_s) as host:
                await host.first(w.AccountsSeen)
                host.port.handle(w.Join(account_id=ACCOUNT, name="SIM-50K-1"))
                await story(venue, host)

    asyncio.run(stage())
