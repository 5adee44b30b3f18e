"""project-x-py, both lines: its TradingSuite; hubs by signalrcore in 3.x, by pysignalr in 4.x.

`TradingSuite.create` and a bare `ProjectX.from_env` ignore the addresses in the environment and go
to the real gateway; `load_default_config` reads them, so the suite is put together from its parts.

Its log goes to standard output, where the story is told, so it is turned off.
"""

import asyncio
import logging
import os
from importlib.metadata import version

from project_x_py import ProjectX, ProjectXRealtimeClient, TradingSuite, load_default_config
from project_x_py.trading_suite import TradingSuiteConfig
from story import BUY, LIMIT, MARKET, play, until

logging.disable(logging.CRITICAL)
TICK = 0.25
NEWER = not version("project-x-py").startswith("3.")


class Driver:
    def can(self, what):
        # 3.x writes the fills into its own picture of an order, cannot read that back, and so
        # gives every bracket up after the entry has filled.
        return NEWER or what not in ("brackets", "restore")

    async def login(self, url):
        os.environ |= {
            "PROJECTX_API_URL": f"{url}/api",
            "PROJECTX_USER_HUB_URL": f"{url}/hubs/user",
            "PROJECTX_MARKET_HUB_URL": f"{url}/hubs/market",
            "PROJECT_X_USERNAME": "trader",
            "PROJECT_X_API_KEY": "anything-longer-than-ten",
        }
        self.opened = ProjectX.from_env(config=load_default_config())
        self.api = await self.opened.__aenter__()
        await self.api.authenticate()
        stream = ProjectXRealtimeClient(
            self.api.session_token, str(self.api.account_info.id), config=self.api.config
        )
        self.suite = TradingSuite(self.api, stream, TradingSuiteConfig("MES", timeframes=["1min"]))

    async def accounts(self):
        return [(one.id, one.name, one.balance) for one in await self.api.list_accounts()]

    async def contracts(self, text):
        return [one.id for one in await self.api.search_instruments(text)]

    async def bars(self, contract):
        frame = await self.api.get_bars("MES", days=20, interval=1, unit=2, limit=10, partial=False)
        rows = frame.select("timestamp", "close", "volume").rows()
        return [(when.timestamp(), close, volume) for when, close, volume in reversed(rows)]

    async def listen(self, account, contract, ear):
        stream = self.suite.realtime

        def hear(kind, pick):
            async def called(told):
                ear(kind, *pick(told))

            return called

        for event, kind, pick in (
            ("quote_update", "quote", lambda told: (told["contract_id"], told["data"]["bestBid"])),
            ("market_trade", "print", lambda told: (told["contract_id"], row(told)["price"])),
            ("market_depth", "depth", lambda told: (told["contract_id"], row(told)["price"])),
            ("order_update", "order", lambda told: (data(told)["id"], data(told)["status"])),
            ("trade_execution", "fill", lambda told: (data(told)["orderId"], data(told)["price"])),
            (
                "position_update",
                "position",
                lambda told: (data(told)["contractId"], data(told)["size"]),
            ),
            ("account_update", "account", lambda told: (data(told)["id"], data(told)["balance"])),
        ):
            await stream.add_callback(event, hear(kind, pick))
        awake = asyncio.create_task(stay_awake())
        await self.suite.connect()
        awake.cancel()
        self.orders, self.book = self.suite.orders, self.suite.positions

    async def place(self, account, contract, side, kind, price=None, **legs):
        if legs:
            last = await self.suite.data.get_current_price()
            sign = TICK if side == BUY else -TICK
            placed = await self.orders.place_bracket_order(
                contract, side, 1, last, last - sign * legs["stop_ticks"],
                last + sign * legs["target_ticks"], entry_type="market",
            )  # fmt: skip
            return placed.entry_order_id
        if kind == MARKET:
            placed = await self.orders.place_market_order(contract, side, 1)
        else:
            assert kind == LIMIT
            placed = await self.orders.place_limit_order(contract, side, 1, price)
        assert placed.success
        return placed.orderId

    async def modify(self, account, order, price):
        assert await self.orders.modify_order(order, limit_price=price)

    async def cancel(self, account, order):
        assert await self.orders.cancel_order(order)

    async def open_orders(self, account):
        rows = await self.orders.search_open_orders()
        return [(row.id, row.limitPrice or row.stopPrice) for row in rows]

    async def positions(self, account):
        rows = await self.api.search_open_positions()
        return [(row.contractId, row.type, row.size, row.averagePrice) for row in rows]

    async def fills(self, account):
        if NEWER:
            rows = await self.api.search_trades()
        else:  # 3.x asks an address that does not exist, here or at the real gateway
            return None
        return [(row.orderId, row.side, row.size, row.price) for row in rows]

    async def flat(self, account, contract):
        told = await self.book.close_position_direct(contract)
        assert told["success"], told

    async def again(self, account, contract, ear):
        stream = self.suite.realtime
        await until(lambda: not stream.user_connected and not stream.market_connected, "the drop")
        await until(stream.is_connected, "both hubs")
        await stream.subscribe_user_updates()
        await stream.subscribe_market_data([contract])

    async def refresh(self):
        before = self.api.session_token
        if NEWER:
            assert await self.api.validate_session()
        else:
            await self.api.authenticate()
        return [before, self.api.session_token]

    async def close(self):
        await self.suite.disconnect()
        await self.opened.__aexit__(None, None, None)


async def stay_awake():
    """3.x says from another thread that its hubs are open; an idle loop notices when it wakes."""
    for _ in range(600):
        await asyncio.sleep(0.05)


def data(told):
    """The payload of a user event: 3.x hands over the whole argument list; wrapped or flat."""
    told = told[0] if isinstance(told, list) else told
    return told.get("data", told)


def row(told):
    """The first of an array of prints or levels, or the one there is."""
    rows = told["data"]
    return rows[0] if isinstance(rows, list) else rows


asyncio.run(play(Driver()))
