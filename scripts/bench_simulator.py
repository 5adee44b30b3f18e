"""How fast the simulated venue is: requests a second, hub events a second, and how long they take.

`python -m scripts.bench_simulator`: requests go to a real simulator process, journal and all; hub
events are poured into the real port of another process at a fixed rate and counted by clients over
loopback. Every event carries the time it was made, so that a latency is from the core's word to the
client's socket. Numbers are of this machine and depend on what else it does; nothing is asserted
but that no event is lost.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import subprocess  # nosec B404 - starts our own simulator
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, cast

import aiohttp
import msgspec
import uvloop

from services.simulator.port import SimulatorPort
from services.simulator.words import QuotePush
from shared import settings as house
from shared.core import Word
from shared.events import Event
from shared.settings import Settings
from shared.venue import words

CONTRACT: Final = "CON.F.US.MNQ.Z26"
END: Final = b"\x1e"
MARK: Final = b'"GatewayQuote"'
STAMP: Final = b'"timestamp":"'
STEP_S: Final = 0.01
WORKERS: Final = 8
READY_S: Final = 20.0
REQUESTS: Final[dict[str, dict[str, Any]]] = {
    "Account/search": {"onlyActiveAccounts": True},
    "Contract/search": {"searchText": "MNQ", "live": False},
    "Order/place (market, alternating)": {"contractId": CONTRACT, "type": 2, "size": 1},
    "History/retrieveBars (100 minutes)": {
        "contractId": CONTRACT, "startTime": "2026-11-18T10:00:00Z", "unit": 2, "unitNumber": 1,
        "endTime": "2026-11-18T15:35:00Z", "limit": 100, "live": False,
    },
}  # fmt: skip


def percentiles(found: list[float]) -> str:
    """Milliseconds at the middle and the ends."""
    line = sorted(found)
    marks = [line[min(len(line) - 1, int(len(line) * share))] for share in (0.5, 0.99, 0.999)]
    return "p50 {:.2f}  p99 {:.2f}  p99.9 {:.2f} ms".format(*(mark * 1e3 for mark in marks))


# -- requests --------------------------------------------------------------------------------------


@asynccontextmanager
async def process(var: str) -> AsyncIterator[str]:
    """A simulator of its own; its address once it answers."""
    port = 18_787 + os.getpid() % 1_000
    env = {key: value for key, value in os.environ.items() if not key.startswith("TSQ")}
    env |= {"TSQ_VAR": var, "TSQ__SIMULATOR__PORT": str(port)}
    command = [sys.executable, "-m", "services.simulator"]
    child = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)  # noqa: ASYNC220  # nosec B603 - fixed words, no shell
    url = f"http://127.0.0.1:{port}"
    try:
        async with aiohttp.ClientSession() as session, asyncio.timeout(READY_S):
            while True:
                with suppress(aiohttp.ClientError):
                    async with session.get(f"{url}/api/Status/ping"):
                        break
                await asyncio.sleep(0.05)
        yield url
    finally:
        child.kill()
        child.wait()


class Client:
    """One worker: asks again and again, and logs in anew when it has asked too often."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        self._headers: dict[str, str] = {}
        self.took: list[float] = []

    async def login(self) -> str:
        body = {"userName": "bench", "apiKey": "bench"}
        async with self._session.post(f"{self._url}/api/Auth/loginKey", json=body) as answer:
            told = await answer.json()
        token = str(told["token"])
        self._headers = {"Authorization": f"Bearer {token}"}
        return token

    async def ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        while True:
            began = time.perf_counter()
            async with self._session.post(
                f"{self._url}/api/{path}", json=body, headers=self._headers
            ) as answer:
                raw = await answer.read()
            if answer.status == 200:
                self.took.append(time.perf_counter() - began)
                told: dict[str, Any] = msgspec.json.decode(raw)
                return told
            await self.login()


async def requests(seconds: float) -> None:
    with tempfile.TemporaryDirectory() as var:
        async with process(var) as url, aiohttp.ClientSession() as session:
            for name, body in REQUESTS.items():
                await one_kind(session, url, name, body, seconds)


async def one_kind(session: aiohttp.ClientSession, url: str, *what: Any) -> None:
    name, body, seconds = what
    path = name.partition(" ")[0]
    clients = [Client(session, url) for _ in range(WORKERS)]
    accounts = await first_account(clients[0])
    end = time.perf_counter() + seconds

    async def work(client: Client) -> None:
        await client.login()
        side = 0
        while time.perf_counter() < end:
            more = {"accountId": accounts, "side": side} if path.startswith("Order") else {}
            await client.ask(path, body | more)
            side = 1 - side

    await asyncio.gather(*(work(client) for client in clients))
    took = [one for client in clients for one in client.took]
    print(f"{name:36} {len(took) / seconds:8,.0f} requests/s   {percentiles(took)}")


async def first_account(client: Client) -> int:
    await client.login()
    told = await client.ask("Account/search", {"onlyActiveAccounts": True})
    client.took.clear()
    return int(told["accounts"][0]["id"])


# -- hub events ------------------------------------------------------------------------------------


class Pourer:
    """A host without a core: it lives to pour quotes into the port."""

    name = "simulator"

    def __init__(self, folder: Path, wish: Settings) -> None:
        self.run_dir = self.var_dir = folder
        self.port = SimulatorPort(wish)

    def now_ns(self) -> int:
        return time.time_ns()

    def inject(self, word: Word) -> None: ...
    def relay(self, *ticks: Event) -> None: ...
    def note(self, text: str) -> None: ...

    def fail(self, why: str, code: int) -> None:
        raise SystemExit(why)

    async def pour(self, rate: int, seconds: float) -> None:
        """So many quotes a second, in steps, each with the time it was made."""
        began, told = time.perf_counter(), 0
        while (gone := time.perf_counter() - began) < seconds:
            due = int(gone * rate)
            while told < due:
                told += 1
                payload = words.QuotePayload(
                    symbol="F.US.MNQ",
                    best_bid=20_000.0 + told % 40 * 0.25,
                    best_ask=20_000.25 + told % 40 * 0.25,
                    volume=told,
                    last_updated="2026-11-18T15:35:00.123+00:00",
                    timestamp=str(time.monotonic_ns()),
                    contract=CONTRACT,
                )
                self.port.handle(QuotePush(contract=CONTRACT, payload=payload))
            await asyncio.sleep(STEP_S)
        self.told = told


def venue(pipe: Connection, rate: int, seconds: float) -> None:
    """The other process: serve, pour when told to, say how many and how much memory."""

    async def serve() -> None:
        base = house.load(env={})
        changed = msgspec.structs.replace(base.simulator, port=0)
        wish = msgspec.structs.replace(base, simulator=changed)
        with tempfile.TemporaryDirectory() as folder:
            host = Pourer(Path(folder), wish)
            task = asyncio.create_task(host.port.run(host))
            while not host.port.address[1]:  # noqa: ASYNC110  only looking can tell
                await asyncio.sleep(0.01)
            pipe.send(host.port.address[1])
            await asyncio.to_thread(pipe.recv)
            before = resource.getrusage(resource.RUSAGE_SELF)
            await host.pour(rate, seconds)
            after = resource.getrusage(resource.RUSAGE_SELF)
            busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            pipe.send((host.told, busy / seconds, after.ru_maxrss / 1024))
            await asyncio.to_thread(pipe.recv)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    uvloop.run(serve())


class Listener(asyncio.Protocol):
    """One hub client that counts, as cheaply as can be: it must not be what is measured.

    Frames of a server are not masked, so events can be counted in the bytes as they come; the time
    in the last event of each read is a sample of the latency.
    """

    def __init__(self, path: str, token: str) -> None:
        self.heard = 0
        self.took: list[float] = []
        self.ready = asyncio.get_running_loop().create_future()
        self._head = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            f"Sec-WebSocket-Version: 13\r\nAuthorization: Bearer {token}\r\n\r\n"
        ).encode()
        self._tail = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._head)

    def data_received(self, data: bytes) -> None:
        now_ns = time.monotonic_ns()
        text = self._tail + data
        if not self.ready.done():
            self._begin(text)
        self.heard += text.count(MARK)
        self._tail = text[1 - len(MARK) :]
        at = data.rfind(STAMP)
        end = data.find(b'"', at + len(STAMP)) if at >= 0 else -1
        if end > 0:
            self.took.append((now_ns - int(data[at + len(STAMP) : end])) / 1e9)

    def _begin(self, text: bytes) -> None:
        """Subscribe once the socket is open; ready when that is completed."""
        assert self._transport is not None
        if text.endswith(b"\r\n\r\n"):
            call = {"type": 1, "invocationId": "1", "target": "SubscribeContractQuotes",
                    "arguments": [CONTRACT]}  # fmt: skip
            said = b'{"protocol":"json","version":1}' + END + msgspec.json.encode(call) + END
            length = len(said).to_bytes(2, "big")
            self._transport.write(b"\x81\xfe" + length + bytes(4) + said)  # masked with zeros
        elif b'"invocationId"' in text:
            self.ready.set_result(None)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


async def hubs(clients: int, rate: int, seconds: float) -> bool:
    """Whether nothing was lost."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=venue, args=(theirs, rate, seconds), daemon=True)
    child.start()
    port = await asyncio.to_thread(ours.recv)
    async with aiohttp.ClientSession() as session:
        one = Client(session, f"http://127.0.0.1:{port}")
        token = await one.login()
    listeners = [Listener("/hubs/market", token) for _ in range(clients)]
    loop = asyncio.get_running_loop()
    for listener in listeners:
        await loop.create_connection(lambda one=listener: one, "127.0.0.1", port)  # type: ignore[misc]
        await listener.ready
    ours.send("go")
    told, busy, memory = await asyncio.to_thread(ours.recv)
    with suppress(TimeoutError):
        async with asyncio.timeout(5):
            while any(one.heard < told for one in listeners):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    ours.send("end")
    for listener in listeners:
        listener.close()
    child.join(10)
    heard = sum(listener.heard for listener in listeners)
    took = [sample for listener in listeners for sample in listener.took]
    print(
        f"{told / seconds:,.0f} events/s to {clients} connections: {heard:,} of {told * clients:,}"
        f" heard\n  {percentiles(took)}; venue {busy:.0%} of a core, {memory:.0f} MB at most"
    )
    return bool(heard == told * clients)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--connections", type=int, default=20)
    parser.add_argument("--rate", type=int, default=10_000, help="hub events a second")
    args = parser.parse_args()
    uvloop.run(requests(args.seconds))
    return 0 if uvloop.run(hubs(args.connections, args.rate, args.seconds)) else 1


if __name__ == "__main__":
    sys.exit(main())
