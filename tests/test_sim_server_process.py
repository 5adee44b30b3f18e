"""The simulator as a real process: served, killed, started again; the books are the same.

Everything is asked through the venue's own interface and our own client, as the router would.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import pytest

from scripts.rehearsal import free_port
from shared.events import OrderType, Side
from shared.runtime import paths
from shared.runtime.clock import SharedClock
from shared.runtime.exits import Exit
from shared.settings import Credentials
from shared.venue import translate, words
from shared.venue.answers import rows
from shared.venue.client import VenueClient
from shared.venue.codes import LIVE_STATUSES
from shared.venue.market import DepthBook, QuoteMerger
from shared.venue.outcome import Answered, Unknown
from shared.venue.signalr import HubSession
from tests.venue_stage import until

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parent.parent
PATIENCE_S = 120.0  # decides nothing: it ends what hangs


@contextmanager
def simulator(var, port):
    """The process, until killed; its output is shown when a test fails."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("TSQ")}
    env |= {"TSQ_VAR": str(var), "TSQ__SIMULATOR__PORT": str(port), "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(
        [sys.executable, "-m", "services.simulator"],
        env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        yield child
    finally:
        if child.poll() is None:
            child.kill()
        print(child.communicate()[0].decode()[-3000:])  # noqa: T201


@pytest.fixture
def var(tmp_path):
    yield tmp_path / "var"
    shutil.rmtree(paths.run_path(tmp_path / "var"), ignore_errors=True)


@asynccontextmanager
async def client_of(port):
    client = VenueClient(f"http://127.0.0.1:{port}", Credentials("u", "k"), PATIENCE_S)
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not await client.ping():  # noqa: ASYNC110  only asking can tell
                await asyncio.sleep(0.05)
        yield client
    finally:
        await client.close()


def truth(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/sim/truth", timeout=PATIENCE_S) as answer:
        return json.loads(answer.read())


async def account_and_contract(client):
    accounts = rows((await client.accounts()).response.accounts)
    contracts = rows((await client.contracts("MNQ")).response.contracts)
    return accounts[0].id, contracts[0].id


def place(account, contract, tag, **more):
    options = {"side": Side.BUY, "size": 1, "type": OrderType.MARKET, "tag": tag, **more}
    return translate.place_order(account, contract, **options)


def test_killed_and_started_again_the_books_are_equal(var):
    port = free_port()

    async def trade():
        async with client_of(port) as client:
            account, contract = await account_and_contract(client)
            order = place(account, contract, "t1.a.1.1.1", stop_loss_ticks=400, size=2)
            placed = await client.place(order)
            assert isinstance(placed, Answered)
            assert placed.ok, placed
            await until(lambda: [row["lots"] for row in truth(port)["positions"]] == [2])
            return account, contract, await client.token()

    async def look(account, contract):
        async with client_of(port) as client:
            positions = rows((await client.positions(account)).response.positions)
            query = words.OrderQuery(
                filter=words.QueryFilter(account_id=account, statuses=LIVE_STATUSES)
            )
            live = rows((await client.query_orders(query)).response.orders)
            twice = await client.place(place(account, contract, "t1.a.1.1.1"))
            assert not twice.response.success
            assert "already in use" in twice.response.error_message
            return [translate.position_row(one).lots for one in positions], live

    with simulator(var, port) as child:
        account, contract, token = asyncio.run(trade())
        before = truth(port)
        child.send_signal(signal.SIGKILL)
        child.wait()
    with simulator(var, port):
        lots, live = asyncio.run(look(account, contract))
        after = truth(port)
    assert lots == [2]
    assert [order.custom_tag for order in live] == ["t1.a.1.1.1-SL"]
    for key in ("balanceMicros", "positions", "fills", "tagsUsed", "startMicros"):
        assert after[key] == before[key], key
    assert after["marketNs"] >= before["marketNs"]
    assert token


def test_both_hubs_tell_a_trade_and_a_market(var):
    port = free_port()

    async def run():
        async with client_of(port) as client:
            account, contract = await account_and_contract(client)
            quotes, book, told = QuoteMerger(), DepthBook(contract), []
            seen = []

            def market(batch):
                for target, args in batch:
                    if target == words.QUOTE:
                        seen.append(quotes.merge(args, 0, book))
                    elif target == words.DEPTH:
                        book.fold(args)

            def user(batch):
                told.extend(translate.user_event(target, args).row for target, args in batch)

            url = f"ws://127.0.0.1:{port}/hubs/"
            hubs = [
                HubSession(
                    url + "market", client.token, [words.QUOTE, words.DEPTH],
                    [("SubscribeContractQuotes", (contract,)),
                     ("SubscribeContractMarketDepth", (contract,))],
                    on_events=market, on_state=lambda state, why: None,
                ),
                HubSession(
                    url + "user", client.token, list(words.USER_TARGETS),
                    [("SubscribeAccounts", ()), ("SubscribeOrders", (account,)),
                     ("SubscribePositions", (account,)), ("SubscribeTrades", (account,))],
                    on_events=user, on_state=lambda state, why: None,
                ),
            ]  # fmt: skip
            tasks = [asyncio.create_task(hub.run()) for hub in hubs]
            try:
                await until(lambda: all(hub.up for hub in hubs) and any(seen))
                await client.place(place(account, contract, "t1.b.1.1.1"))
                kinds = {translate.OrderRow, translate.TradeRow, translate.PositionRow,
                         translate.AccountRow}  # fmt: skip
                await until(lambda: {type(row) for row in told} == kinds)
            finally:
                for hub in hubs:
                    await hub.close()
                await asyncio.gather(*tasks)
            trade = next(row for row in told if isinstance(row, translate.TradeRow))
            best = [quote for quote in seen if quote]
            assert abs(trade.price - best[-1].bid) < 100
            assert all(quote.bid < quote.ask for quote in best)
            assert book.top(3, 0).bids

    with simulator(var, port):
        asyncio.run(run())


def test_an_answer_lost_after_the_deed_is_unknown_and_the_order_exists(var):
    port = free_port()

    async def run():
        async with client_of(port) as client:
            account, contract = await account_and_contract(client)
            order = {"kind": "CUT_ANSWER", "path": "order/place"}
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/sim/fault", json.dumps(order).encode(), method="POST"
            )
            asked = partial(urllib.request.urlopen, request, timeout=PATIENCE_S)
            (await asyncio.to_thread(asked)).close()
            outcome = await client.place(place(account, contract, "t1.c.1.1.1"))
            assert isinstance(outcome, Unknown)
            search = words.OrderSearch(account_id=account, start_timestamp="2020-01-01T00:00:00Z")
            found = rows((await client.orders(search)).response.orders)
            assert [one.custom_tag for one in found] == ["t1.c.1.1.1"]

    with simulator(var, port):
        asyncio.run(run())


def test_a_busy_port_is_an_exit_code_and_a_sentence(var):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with simulator(var, taken.getsockname()[1]) as child:
            output = child.communicate(timeout=PATIENCE_S)[0].decode()
            assert child.returncode == Exit.BUSY_PORT
            assert "taken by another process" in output
    assert not SharedClock(paths.run_path(var)).live(), (
        "so nobody begins to trade with who listens there"
    )
