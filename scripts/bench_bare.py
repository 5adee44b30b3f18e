"""The floor under the bus: pyzmq and msgspec with nothing of ours, in processes of their own.

`hear FOLDER NAME N` decodes N messages and writes down when it had them; `say FOLDER N` sends them
once everybody listens. `source FOLDER` sends a quote each hundredth of a second, and each
`hop FOLDER NUMBER NOTE` decodes it, encodes it anew and passes it on, the first only one in twenty;
the last writes down how long it took. The bytes are those of a quote on our bus.
"""

from __future__ import annotations

import sys
import time
from itertools import count
from pathlib import Path
from typing import Any, Final

import zmq

from scripts.bench_actors import HEARERS, SOURCE, quote
from shared.events import Quote
from shared.runtime import wire

HWM: Final = 100_000
PAUSE_S: Final = 0.01
ONE_IN: Final = 20


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


def hop(folder: Path, number: int, note: str) -> None:
    """Pass on, or as the last one write down, until ended."""
    socket: Any = zmq.Context.instance().socket(zmq.SUB)
    socket.set_hwm(HWM)
    socket.subscribe(wire.TOPICS[Quote] + b"\0")
    socket.connect(f"ipc://{folder}/bare{number - 1}.pub")
    onward = None if note else bound(folder, number)
    cut, decode = len(wire.TOPICS[Quote]) + 1, wire.opener(Quote).decode
    for n in count():
        found = decode(socket.recv()[cut:])
        if onward is None:
            with Path(note).open("a") as file:
                file.write(f"{time.monotonic_ns() - found.time_ns}\n")
        elif number > 1 or n % ONE_IN == 0:
            told = (SOURCE, 1, found.seq, found.prev, found.time_ns, "", found.event)
            onward.send(wire.frame(Quote, wire.body(told)))


def bound(folder: Path, number: int) -> Any:
    socket: Any = zmq.Context.instance().socket(zmq.PUB)
    socket.set_hwm(HWM)
    socket.bind(f"ipc://{folder}/bare{number}.pub")
    return socket


if __name__ == "__main__":
    what, where, *rest = sys.argv[1:]
    folder = Path(where)
    if what == "hear":
        hear(folder, rest[0], int(rest[1]))
    elif what == "say":
        say(folder, int(rest[0]))
    elif what == "source":
        source(folder)
    else:
        hop(folder, int(rest[0]), rest[1])
