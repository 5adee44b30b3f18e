"""topstep-sdk: msgspec models and a SignalR client of its own that never negotiates."""

import asyncio
from datetime import UTC, datetime, timedelta

from story import play
from topstep_sdk import AggregateBarUnit, AsyncTopstepClient, Config


class Driver:
    def can(self, what):
        return True

    async def login(self, url):
        hubs = {f"{name}_hub_url": f"{url}/hubs/{name}" for name in ("user", "market")}
        self.api = AsyncTopstepClient(
            Config(username="trader", api_key="key", rest_base_url=url, **hubs)
        )
        await self.api.authenticate()
        assert await self.api.ping() == "pong"

    async def accounts(self):
        return [(one.id, one.name, one.balance) for one in await self.api.accounts.search()]

    async def contracts(self, text):
        return [one.id for one in await self.api.contracts.search(text)]

    async def bars(self, contract):
        now = datetime.now(UTC)
        rows = await self.api.history.retrieve_bars(
            contract, unit=AggregateBarUnit.MINUTE, unit_number=1, limit=10,
            start_time=now - timedelta(days=20), end_time=now,
        )  # fmt: skip
        return [(row.t.timestamp(), row.c, row.v) for row in rows]

    async def place(self, account, contract, side, kind, price=None, **legs):
        ticks = {"stop_loss_ticks": legs.get("stop_ticks"),
                 "take_profit_ticks": legs.get("target_ticks")}  # fmt: skip
        return await self.api.orders.place(
            account, contract, side=side, type=kind, size=1, limit_price=price, **ticks
        )

    async def modify(self, account, order, price):
        await self.api.orders.modify(account, order, limit_price=price)

    async def cancel(self, account, order):
        await self.api.orders.cancel(account, order)

    async def open_orders(self, account):
        rows = await self.api.orders.search_open(account)
        return [(row.id, row.limit_price or row.stop_price) for row in rows]

    async def positions(self, account):
        rows = await self.api.positions.search_open(account)
        return [(row.contract_id, int(row.type), row.size, row.average_price) for row in rows]

    async def fills(self, account):
        rows = await self.api.trades.search(account, start_timestamp="2020-01-01T00:00:00Z")
        return [(row.order_id, int(row.side), row.size, row.price) for row in rows]

    async def flat(self, account, contract):
        await self.api.positions.close(account, contract)

    async def listen(self, account, contract, ear):
        self.market, self.user = self.api.market_hub(), self.api.user_hub()
        self.market.on_quote(lambda about, row: ear("quote", about, row.best_bid))
        self.market.on_trade(lambda about, row: ear("print", about, row.price))
        self.market.on_depth(lambda about, row: ear("depth", about, row.price))
        self.user.on_order(lambda row: ear("order", row.id, int(row.status)))
        self.user.on_trade(lambda row: ear("fill", row.order_id, row.price))
        self.user.on_position(lambda row: ear("position", row.contract_id, row.size))
        self.user.on_account(lambda row: ear("account", row.id, row.balance))
        await self.market.start()
        await self.user.start()
        for what in ("quotes", "trades", "depth"):
            await getattr(self.market, f"subscribe_{what}")(contract)
        await self.user.subscribe_accounts()
        for what in ("orders", "positions", "trades"):
            await getattr(self.user, f"subscribe_{what}")(account)

    async def refresh(self):
        return [self.api.http.token, await self.api.validate()]

    async def close(self):
        await self.market.stop()
        await self.user.stop()
        await self.api.aclose()


asyncio.run(play(Driver()))
