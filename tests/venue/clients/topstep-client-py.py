"""topstep-client-py: pydantic models over httpx, hubs by signalrcore, negotiated."""

import asyncio
from datetime import UTC, datetime, timedelta

from story import BUY, play
from topstep import (
    Bracket,
    MarketHub,
    OrderSide,
    OrderType,
    PlaceOrderRequest,
    TopstepClient,
    UserHub,
)


class Driver:
    def can(self, what):
        return True

    async def login(self, url):
        self.url = url
        self.api = await TopstepClient.create("trader", "key", base_url=url)

    async def accounts(self):
        return [(one.id, one.name, one.balance) for one in await self.api.accounts.search()]

    async def contracts(self, text):
        return [one.id for one in await self.api.contracts.search(text)]

    async def bars(self, contract):
        now = datetime.now(UTC)
        rows = await self.api.history.retrieve_bars(
            contract, now - timedelta(days=20), now, limit=10
        )
        return [(row.timestamp.timestamp(), row.close, row.volume) for row in rows]

    async def place(self, account, contract, side, kind, price=None, **legs):
        sign = 1 if side == BUY else -1
        wish = PlaceOrderRequest(
            account_id=account, contract_id=contract, type=OrderType(kind), side=OrderSide(side),
            limit_price=price,
        )  # fmt: skip
        if legs:
            wish.stop_loss_bracket = Bracket(ticks=-sign * legs["stop_ticks"], type=OrderType.STOP)
            wish.take_profit_bracket = Bracket(
                ticks=sign * legs["target_ticks"], type=OrderType.LIMIT
            )
        return await self.api.orders.place(wish)

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
        rows = await self.api.trades.search(account, datetime(2020, 1, 1, tzinfo=UTC))
        return [(row.order_id, row.side, row.size, row.price) for row in rows]

    async def flat(self, account, contract):
        await self.api.positions.close(account, contract)

    async def listen(self, account, contract, ear):
        self.market = MarketHub(self.api.token, f"{self.url}/hubs/market")
        self.user = UserHub(self.api.token, f"{self.url}/hubs/user")
        self.market.on_quote(lambda told: ear("quote", told[0], told[1].get("bestBid")))
        self.market.on_trade(lambda told: ear("print", told[0], told[1][0]["price"]))
        self.market.on_depth(lambda told: ear("depth", told[0], told[1][0]["price"]))
        self.user.on_order(lambda told: ear("order", data(told)["id"], data(told)["status"]))
        self.user.on_trade(lambda told: ear("fill", data(told)["orderId"], data(told)["price"]))
        self.user.on_position(
            lambda told: ear("position", data(told)["contractId"], data(told)["size"])
        )
        self.user.on_account(lambda told: ear("account", data(told)["id"], data(told)["balance"]))
        ready = [asyncio.Event(), asyncio.Event()]
        self.market.on_open(ready[0].set)
        self.user.on_open(ready[1].set)
        await self.market.connect()
        await self.user.connect()
        for event in ready:
            await asyncio.wait_for(event.wait(), 10)
        for what in ("quotes", "trades", "depth"):
            await getattr(self.market, f"subscribe_{what}")(contract)
        await self.user.subscribe_all(account)

    async def refresh(self):
        before = self.api.token
        await self.api.refresh_token()
        return [before, self.api.token]

    async def close(self):
        await self.market.stop()
        await self.user.stop()
        await self.api.close()


def data(told):
    """The payload of a user event; this client hands over what came, wrapping and all."""
    return told[0]["data"]


asyncio.run(play(Driver()))
