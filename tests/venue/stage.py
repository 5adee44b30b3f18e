"""The simulated venue, whole, on a free port of loopback, and strangers who talk to it.

Core and port run in a thread of their own; the tests are plain blocking code on real sockets. The
clients here know HTTP and WebSocket frames and nothing of ours, so that every byte that comes back
is seen.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
import time
from contextlib import suppress
from typing import NamedTuple

import msgspec

from services.simulator.core import Simulator
from services.simulator.port import SimulatorPort
from shared import settings as house
from tests.venue.sockets import PATIENCE_S, hub

LONG_AGO = "2020-01-01T00:00:00Z"


def settings(wire=None, **simulator):
    """The house's defaults on a free port, with [simulator] and [simulator.wire] changed."""
    base = house.load(env={})
    changed = msgspec.structs.replace(base.simulator.wire, **(wire or {}))
    changed = msgspec.structs.replace(base.simulator, **{"port": 0, "wire": changed, **simulator})
    return msgspec.structs.replace(base, simulator=changed)


class _Host:
    """Meets `Host`: market time runs with the wall, words go straight to the core and back."""

    name = "simulator"

    def __init__(self, folder, wish):
        self.run_dir = self.var_dir = folder
        self.core = Simulator(wish)
        self.port = SimulatorPort(wish)
        self.failures = []
        self._speed = wish.simulator.speed
        self._from = (time.monotonic_ns(), self.core.market_ns)

    def now_ns(self):
        wall, market = self._from
        return market + int((time.monotonic_ns() - wall) * self._speed)

    def inject(self, word):
        for said in self.core.on(self.now_ns(), word):
            self.port.handle(said)

    def note(self, text):
        pass

    def fail(self, why, code):
        self.failures.append((why, code))


class Venue:
    """A running venue. `do` runs a function in its thread, between two of its steps."""

    def __init__(self, folder, wish):
        self.host = _Host(folder, wish)
        self.account = wish.venue.account
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._task = None
        self._up = threading.Event()
        self._error = None

    def _run(self):
        asyncio.set_event_loop(self.loop)
        self._task = self.loop.create_task(self.host.port.run(self.host))
        self.loop.create_task(self._tell_when_up())
        with suppress(asyncio.CancelledError):
            try:
                self.loop.run_until_complete(self._task)
            except Exception as error:
                self._error = error
        self._up.set()
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    async def _tell_when_up(self):
        while not (self.host.port.address[1] and self._quoted()):  # noqa: ASYNC110
            await asyncio.sleep(0.002)
        self._up.set()

    def _quoted(self):
        """Whether the market has begun; a closed one never does."""
        core = self.host.core._machines
        books = core.exchange.books
        closed = not core.hours.open(self.host.now_ns())
        return closed or all(books[root].state.bid for root in ("MES", "MNQ"))

    def __enter__(self):
        self._thread.start()
        assert self._up.wait(PATIENCE_S), "the venue did not come up"
        assert not self._error, self._error
        return self

    def __exit__(self, *error):
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "the venue did not end"
        assert self._error is None, self._error

    @property
    def port(self):
        return self.host.port.address[1]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def do(self, act):
        done, result = threading.Event(), []

        def run():
            try:
                result.append(act())
            finally:
                done.set()

        self.loop.call_soon_threadsafe(run)
        assert done.wait(PATIENCE_S), "the venue's thread did not come to it"
        return result[0]

    def connected(self):
        return self.host.port._hubs.connected


class Reply(NamedTuple):
    """An answer. `body`: JSON where it is JSON, else text."""

    status: int
    headers: dict
    body: object

    @property
    def code(self):
        """(success, errorCode, errorMessage)"""
        return self.body["success"], self.body["errorCode"], self.body["errorMessage"]


class Trader:
    """A client of the REST interface with a token of its own."""

    def __init__(self, venue, login=True, patience_s=PATIENCE_S):
        self.venue = venue
        self.token = ""
        self._http = http.client.HTTPConnection("127.0.0.1", venue.port, timeout=patience_s)
        self.tags = 0
        if login:
            self.login()

    def close(self):
        self._http.close()

    def patience(self, seconds):
        """From now on, on the connection that is open."""
        self._http.sock.settimeout(seconds)

    def send(self, method, path, data=None, headers=None):
        try:
            self._http.request(method, path, data, headers or {})
            answer = self._http.getresponse()
            text = answer.read().decode()
        except (http.client.HTTPException, OSError):
            self._http.close()
            raise
        body = json.loads(text) if text[:1] in ("{", "[") else text
        return Reply(answer.status, dict(answer.getheaders()), body)

    def headers(self):
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def post(self, path, body=None, **headers):
        """`path` below /api, unless it begins with a slash."""
        path = path if path.startswith("/") else f"/api/{path}"
        data = None if body is None else json.dumps(body)
        told = {"Content-Type": "application/json", **self.headers(), **headers}
        return self.send("POST", path, data, told)

    def login(self, user="trader", key="key"):
        reply = self.post("Auth/loginKey", {"userName": user, "apiKey": key})
        self.token = reply.body["token"] or self.token
        return reply

    # -- trading -----------------------------------------------------------------------------------

    @property
    def account(self):
        found = self.post("Account/search", {"onlyActiveAccounts": True}).body["accounts"]
        name = self.venue.account
        return next(row["id"] for row in found if row["name"] == name)

    def contract(self, root="MES"):
        found = self.post("Contract/search", {"searchText": root, "live": False}).body["contracts"]
        return found[0]["id"]

    def tag(self):
        self.tags += 1
        return f"c-{time.time_ns()}-{self.tags}"

    def order(self, **wish):
        """Order/place: a market order for one MES unless wished otherwise."""
        body = {"accountId": self.account, "type": 2, "side": 0, "size": 1, **wish}
        body.setdefault("contractId", self.contract())
        return self.post("Order/place", body)

    def placed(self, **wish):
        reply = self.order(**wish)
        assert reply.body["success"], reply.body
        return reply.body["orderId"]

    def find(self, order_id):
        body = {"accountId": self.account, "orderId": order_id}
        return self.post("Order/searchById", body).body["order"]

    def until(self, order_id, *statuses):
        return wait_for(lambda: (row := self.find(order_id))["status"] in statuses and row)

    def positions(self):
        return self.post("Position/searchOpen", {"accountId": self.account}).body["positions"]

    def open_orders(self):
        return self.post("Order/searchOpen", {"accountId": self.account}).body["orders"]

    def query(self, **more):
        body = {"filter": {"accountId": self.account, **more.pop("filter", {})}, **more}
        return self.post("Order/v2/query", body)

    def trades(self):
        body = {"accountId": self.account, "startTimestamp": LONG_AGO}
        return self.post("Trade/search", body).body["trades"]

    def quote(self, root="MES"):
        """(bid, ask) as the venue's own book has them."""
        state = self.venue.do(lambda: self.venue.host.core._machines.exchange.books[root].state)
        tick = 0.25 if root in ("MES", "MNQ") else 0.1
        return state.bid * tick, state.ask * tick

    def flat(self):
        """Everything cancelled and closed, whatever a test has left behind."""
        account = self.account
        rows = self.query(filter={"statuses": [1, 6, 7, 8]}).body["orders"]
        for row in rows:
            self.post("Order/cancel", {"accountId": account, "orderId": row["id"]})
        for row in self.positions():
            body = {"accountId": account, "contractId": row["contractId"]}
            self.post("Position/closeContract", body)
        wait_for(lambda: not self.positions())

    def truth(self, **query):
        tail = "&".join(f"{key}={value}" for key, value in query.items())
        return self.send("GET", f"/sim/truth?{tail}").body

    def fault(self, kind, amount=1, **more):
        reply = self.post("/sim/fault", {"kind": kind, "amount": amount, **more})
        assert reply.status == 200, reply
        return reply.body

    def hub(self, name="market", **options):
        return hub(self, name, **options)


def wait_for(true, patience_s=PATIENCE_S):
    """Wait for something to become true, and return it."""
    end = time.monotonic() + patience_s
    while not (found := true()):
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.01)
    return found
