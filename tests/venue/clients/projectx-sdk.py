"""projectx-sdk: blocking, requests and pydantic; hubs by signalrcore 0.9.2, negotiated.

It keeps its token in a file of the home folder, and knows hub addresses by the name of a firm only,
so the tables of its class get one more firm.
"""

import asyncio
from datetime import UTC, datetime, timedelta

from projectx_sdk import ProjectXClient
from story import play, until

HERE = "here"


class Driver:
    def can(self, what):
        return what in ("reconnect", "refresh")  # no brackets; the market hub forgets

    async def login(self, url):
        hubs = url.replace("http", "ws")
        ProjectXClient.ENVIRONMENT_URLS[HERE] = url
        ProjectXClient.USER_HUB_URLS[HERE] = f"{hubs}/hubs/user"
        ProjectXClient.MARKET_HUB_URLS[HERE] = f"{hubs}/hubs/market"
        self.api = ProjectXClient(username="trader", api_key="key", environment=HERE)

    async def accounts(self):
        return [(one.id, one.name, one.balance) for one in self.api.accounts.search()]

    async def contracts(self, text):
        return [one.id for one in self.api.contracts.search(text, live=False)]

    async def bars(self, contract):
        now = datetime.now(UTC)
        rows = self.api.history.retrieve_bars(contract, now - timedelta(days=20), now, limit=10)
        return [(row.timestamp.timestamp(), row.close, row.volume) for row in rows]

    async def place(self, account, contract, side, kind, price=None):
        return self.api.orders.place(account, contract, kind, side, 1, limit_price=price)

    async def modify(self, account, order, price):
        assert self.api.orders.modify(account, order, limit_price=price)

    async def cancel(self, account, order):
        assert self.api.orders.cancel(account, order)

    async def open_orders(self, account):
        rows = self.api.orders.search_open(account)
        return [(row.id, row.limit_price or row.stop_price) for row in rows]

    async def positions(self, account):
        rows = self.api.positions.search_open(account)
        return [(row.contract_id, row.type, row.size, row.average_price) for row in rows]

    async def fills(self, account):
        rows = self.api.trades.search(account, datetime(2020, 1, 1, tzinfo=UTC))
        return [(row.order_id, row.side, row.size, row.price) for row in rows]

    async def flat(self, account, contract):
        assert self.api.positions.close_contract(account, contract)

    async def listen(self, account, contract, ear):
        stream = self.api.realtime
        await asyncio.to_thread(stream.start)
        market, user = stream.market, stream.user
        market.subscribe_quotes(
            contract, lambda about, row: ear("quote", about, row.get("bestBid"))
        )
        market.subscribe_trades(
            contract, lambda about, row: ear("print", about, first(row)["price"])
        )
        market.subscribe_market_depth(
            contract, lambda about, row: ear("depth", about, first(row)["price"])
        )
        user.subscribe_accounts(
            lambda told: ear("account", data(told)["id"], data(told)["balance"])
        )
        for what, kind, name, fact in (
            ("orders", "order", "id", "status"),
            ("positions", "position", "contractId", "size"),
            ("trades", "fill", "orderId", "price"),
        ):
            getattr(user, f"subscribe_{what}")(
                account,
                lambda told, kind=kind, name=name, fact=fact: ear(
                    kind, data(told)[name], data(told)[fact]
                ),
            )

    async def again(self, account, contract, ear):
        """Start over: the market hub's socket comes back, but nothing subscribes on it any more."""
        stream = self.api.realtime
        await until(lambda: not stream.is_connected(), "the drop")
        await asyncio.to_thread(stream.stop)
        self.api = ProjectXClient(username="trader", api_key="key", environment=HERE)
        await self.listen(account, contract, ear)

    async def refresh(self):
        before = self.api.auth.token
        assert self.api.auth.validate_token()
        return [before, self.api.auth.token]

    async def close(self):
        await asyncio.to_thread(self.api.realtime.stop)


def first(rows):
    return rows[0] if isinstance(rows, list) else rows


def data(told):
    """The payload of a user event; the whole argument list comes, wrapping and all."""
    return told[0]["data"]


asyncio.run(play(Driver()))
