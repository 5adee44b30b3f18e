"""The floor under the bus: pyzmq and msgspec with nothing of ours, in processes of their own.

`hear FOLDER NAME N` decodes N messages and writes down when it had them; `say FOLDER N` sends them
once everybody listens. `source FOLDER` sends a quote each hundredth of a second, and each
`hop FOLDER NUMBER` decodes it, encodes it anew and passes it on, the first only one in twenty. The
last, `leave FOLDER NUMBER NOTE PORT`, posts an order of a few fields to `venue PORT` over a kept
connection, by uvloop and aiohttp's own client, and writes down two times since the quote: of its
own receipt, and of the request's bytes leaving. The bytes on the bus are those of a quote.
`company FOLDER NUMBERS` only hears what some of these say, and decodes it.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from itertools import count
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec
import uvloop
import zmq
from aiohttp import web
from aiohttp.http_writer import StreamWriter

from scripts.bench_actors import CONTRACT, HEARERS, SOURCE, quote
from shared.events import Quote
from shared.runtime import wire

HWM: Final = 100_000
PAUSE_S: Final = 0.01
ONE_IN: Final = 20
LOOK_AGAIN_S: Final = 0.05
ORDER: Final = {"accountId": 1, "contractId": CONTRACT, "type": 1, "side": 0, "size": 1}
LEAVING: ContextVar[Callable[[], None]] = ContextVar("leaving")
"""What to call as the bytes of this request leave."""


def address(folder: Path) -> str:
    return f"ipc://{folder}/bare.pub"


def hear(folder: Path, name: str, messages: int) -> None:
    socket: Any = zmq.Context.instance().socket(zmq.SUB)
    socket.set_hwm(HWM)
    socket.subscribe(wire.TOPICS[Quote] + b"\0")
    socket.connect(address(folder))
    (folder / f"{name}.ready").touch()
    cut = len(wire.TOPICS[Quote]) + 1
    decode = wire.opener(Quote).decode
    for _ in range(messages):
        decode(socket.recv()[cut:])
    (folder / f"{name}.heard").write_text(str(time.monotonic_ns()))
    time.sleep(3600)  # until ended, so that what it cost can be read


def say(folder: Path, messages: int) -> None:
    socket: Any = zmq.Context.instance().socket(zmq.PUB)
    socket.set_hwm(HWM)
    socket.bind(address(folder))
    while len(list(folder.glob("*.ready"))) < HEARERS:
        time.sleep(0.05)
    time.sleep(0.5)  # connections
    (folder / "source.began").write_text(str(time.monotonic_ns()))
    for n in range(1, messages + 1):
        socket.send(wire.frame(Quote, wire.body((SOURCE, 1, n, n - 1, n, "", quote(n)))))
    time.sleep(3600)  # until ended: what was sent must leave


def source(folder: Path) -> None:
    """Quotes at the rate of a busy product, until ended."""
    socket = bound(folder, 0)
    for n in count(1):
        time.sleep(PAUSE_S)
        now_ns = time.monotonic_ns()
        socket.send(wire.frame(Quote, wire.body((SOURCE, 1, n, n - 1, now_ns, "", quote(n)))))


def hop(folder: Path, number: int) -> None:
    """Pass on, until ended."""
    socket, onward = heard(folder, number), bound(folder, number)
    cut, decode = len(wire.TOPICS[Quote]) + 1, wire.opener(Quote).decode
    for n in count():
        found = decode(socket.recv()[cut:])
        if number > 1 or n % ONE_IN == 0:
            told = (SOURCE, 1, found.seq, found.prev, found.time_ns, "", found.event)
            onward.send(wire.frame(Quote, wire.body(told)))


def company(folder: Path, numbers: str) -> None:
    """Decode what the hops before these say, until ended."""
    socket: Any = zmq.Context.instance().socket(zmq.SUB)
    socket.set_hwm(HWM)
    socket.subscribe(wire.TOPICS[Quote] + b"\0")
    for number in numbers.split(","):
        socket.connect(f"ipc://{folder}/bare{number}.pub")
    cut, decode = len(wire.TOPICS[Quote]) + 1, wire.opener(Quote).decode
    while True:
        decode(socket.recv()[cut:])


async def leave(folder: Path, number: int, note: Path, port: int) -> None:
    """Post what comes, until ended."""
    loop, tasks = asyncio.get_running_loop(), set()
    cut, decode = len(wire.TOPICS[Quote]) + 1, wire.opener(Quote).decode
    session = aiohttp.ClientSession()
    stamp_writes()

    async def post(began_ns: int, here_ns: int) -> None:
        def leaving() -> None:
            now_ns = time.monotonic_ns()
            with note.open("a") as file:
                file.write(f"{here_ns - began_ns} {now_ns - began_ns}\n")

        LEAVING.set(leaving)
        await ask(f"bare.{began_ns}")

    async def ask(tag: str) -> None:
        body = msgspec.json.encode({**ORDER, "customTag": tag})
        kind = {"Content-Type": "application/json"}
        url = f"http://127.0.0.1:{port}/api/Order/place"
        async with session.post(url, data=body, headers=kind) as answer:
            await answer.read()

    while not await reached(ask):  # noqa: ASYNC110 - another process begins
        await asyncio.sleep(LOOK_AGAIN_S)
    socket = heard(folder, number)

    def drain() -> None:
        try:
            while True:
                found = decode(socket.recv(zmq.NOBLOCK)[cut:])
                task = loop.create_task(post(found.time_ns, time.monotonic_ns()))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        except zmq.Again:
            pass

    loop.add_reader(socket.getsockopt(zmq.FD), drain)
    while True:
        drain()
        await asyncio.sleep(LOOK_AGAIN_S)


def stamp_writes() -> None:
    """aiohttp joins head and body of a small request and hands both to the kernel at once, in here;
    there the instant is taken, as the router takes its own.
    """
    write = StreamWriter._writelines

    def stamped(self: StreamWriter, chunks: Any) -> None:
        leaving = LEAVING.get(None)
        if leaving is not None:
            leaving()
        write(self, chunks)

    StreamWriter._writelines = stamped  # type: ignore[method-assign]


async def reached(ask: Callable[[str], Awaitable[None]]) -> bool:
    """Whether the venue is there; from then on a connection to it stands."""
    try:
        await ask("hello")
    except aiohttp.ClientError:
        return False
    return True


def venue(port: int) -> None:
    """Answers every request at once, until ended."""

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({"success": True, "errorCode": 0, "orderId": 1})

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


def heard(folder: Path, number: int) -> Any:
    """What the hop before it says."""
    socket: Any = zmq.Context.instance().socket(zmq.SUB)
    socket.set_hwm(HWM)
    socket.subscribe(wire.TOPICS[Quote] + b"\0")
    socket.connect(f"ipc://{folder}/bare{number - 1}.pub")
    return socket


def bound(folder: Path, number: int) -> Any:
    socket: Any = zmq.Context.instance().socket(zmq.PUB)
    socket.set_hwm(HWM)
    socket.bind(f"ipc://{folder}/bare{number}.pub")
    return socket


def leaver(folder: Path, number: int, note: Path, port: int) -> None:
    uvloop.run(leave(folder, number, note, port))


PARTS: Final[dict[str, tuple[Callable[..., None], tuple[type, ...]]]] = {
    "hear": (hear, (Path, str, int)),
    "say": (say, (Path, int)),
    "source": (source, (Path,)),
    "hop": (hop, (Path, int)),
    "company": (company, (Path, str)),
    "leave": (leaver, (Path, int, Path, int)),
    "venue": (venue, (int,)),
}

if __name__ == "__main__":
    part, kinds = PARTS[sys.argv[1]]
    part(*(kind(word) for kind, word in zip(kinds, sys.argv[2:], strict=True)))
