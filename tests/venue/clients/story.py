"""One trader's day, through whichever client it is given; the test checks it against the truth.

A driver wraps one client in the few methods below, as that client's own users would call it, and
hands over every answer in plain terms. `tell` sends one JSON line to the test and waits for its
word, so that the test reads the venue's books at the very moment the step is over.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

BUY, SELL = 0, 1
LIMIT, MARKET = 1, 2
MARKET_KINDS = ("quote", "print", "depth")
FAR_TICKS = 40


def tell(step, **what):
    """Tell the test what this step brought, and wait until it has looked."""
    sys.stdout.write(json.dumps({"step": step, **what}, default=float) + "\n")
    sys.stdout.flush()
    if not sys.stdin.readline():
        sys.exit("the test is gone")


class Ear:
    """What the hubs brought, by kind; `heard(kind, *facts)` is the callback's end."""

    def __init__(self):
        self.facts = []

    def __call__(self, kind, *facts):
        self.facts.append([kind, *facts])

    def of(self, kind):
        return [facts for name, *facts in list(self.facts) if name == kind]


async def until(true, what, patience_s=60.0):
    """Wait for something to become true, and return it."""
    end = time.monotonic() + patience_s
    while True:
        found = true()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        if time.monotonic() > end:
            raise TimeoutError(what)
        await asyncio.sleep(0.05)


async def play(client):
    """The whole day. `client` is a driver's; its methods are coroutines but `can`."""
    await client.login(sys.argv[1])
    tell("login")
    accounts = await client.accounts()
    tell("accounts", rows=accounts)
    account = accounts[0][0]
    found = await client.contracts("MES")
    tell("contracts", rows=found)
    contract = found[0]
    bars = await client.bars(contract)
    tell("bars", rows=bars)
    ear = Ear()
    await client.listen(account, contract, ear)
    for kind in MARKET_KINDS:
        await until(lambda kind=kind: ear.of(kind), f"a {kind} of the market hub")
    tell("market", contract=contract, first={kind: ear.of(kind)[0] for kind in MARKET_KINDS})
    price = round(bars[0][1] * 4) / 4 - FAR_TICKS * 0.25
    await resting(client, account, contract, price)
    await position(client, account, contract)
    if client.can("brackets"):
        await bracket(client, account, contract)
    fills = 4 if client.can("brackets") else 2
    await until(lambda: [fact[1] for fact in ear.of("position")].count(0) == fills // 2, "flat")
    for kind in ("fill", "account"):
        await until(lambda kind=kind: len(ear.of(kind)) >= fills, f"{fills} of {kind}")
    tell("heard", **{kind: ear.of(kind) for kind in ("order", "fill", "position", "account")})
    if client.can("reconnect"):
        await reconnect(client, account, contract, ear=ear, price=price)
    if client.can("refresh"):
        tell("refreshed", tokens=await client.refresh(), rows=await client.accounts())
    tell("end")
    await client.close()


async def resting(client, account, contract, price):
    """A limit order that is placed, moved and taken back."""
    order = await client.place(account, contract, BUY, LIMIT, price=price)
    row = await until(lambda: find(client, account, order), "the resting order")
    tell("resting", order=order, row=row, price=price)
    await client.modify(account, order, price - 1)
    row = await until(lambda: find(client, account, order, price - 1), "the new price")
    tell("modified", order=order, row=row, price=price - 1)
    await client.cancel(account, order)
    tell("cancelled", order=order, rows=await client.open_orders(account))


async def find(client, account, order, price=None):
    rows = await client.open_orders(account)
    return next((row for row in rows if row[0] == order and price in (None, row[1])), None)


async def position(client, account, contract):
    """A market order, its fill and its position, closed by the venue's own order."""
    order = await client.place(account, contract, BUY, MARKET)
    await until(lambda: client.positions(account), "a position")
    positions, fills = await client.positions(account), await client.fills(account)
    tell("bought", order=order, positions=positions, fills=fills)
    await client.flat(account, contract)

    async def none():
        return not await client.positions(account)

    await until(none, "no position")
    tell("sold", fills=await client.fills(account))


async def bracket(client, account, contract):
    """A market order with a stop and a target: both legs work, then all of it is taken down."""
    order = await client.place(account, contract, BUY, MARKET, stop_ticks=40, target_ticks=60)

    async def both():
        rows = await client.open_orders(account)
        return rows if len(rows) == 2 else None

    legs = await until(both, "two legs")
    tell("bracket", order=order, legs=legs)
    for row in legs:
        await client.cancel(account, row[0])
    await client.flat(account, contract)
    tell("unbracketed", rows=await client.open_orders(account))


async def reconnect(client, account, contract, *, ear, price):
    """The test breaks the sockets when told `ready`; both hubs must speak again.

    The sockets come back by themselves; a client that cannot restore its subscriptions is told to.
    """
    tell("ready")
    before = {kind: len(ear.of(kind)) for kind in ("quote", "order")}
    if not client.can("restore"):
        await client.again(account, contract, ear)
    await until(lambda: len(ear.of("quote")) > before["quote"] + 20, "quotes again")
    orders = []

    async def told():
        if len(orders) < 20:
            orders.append(await client.place(account, contract, BUY, LIMIT, price=price))
            await client.cancel(account, orders[-1])
            await asyncio.sleep(0.5)
        return len(ear.of("order")) > before["order"]

    await until(told, "orders again")
    tell("back", quotes=len(ear.of("quote")) - before["quote"], orders=orders,
         heard=ear.of("order")[before["order"] :])  # fmt: skip
