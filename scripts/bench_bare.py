"""The floor under the bus: pyzmq and msgspec with nothing of ours, in processes of their own.

`hear FOLDER NAME N` decodes N messages and writes down when it had them; `say FOLDER N` sends them
once everybody listens. The bytes are those of a quote on our bus.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Final

import zmq

from scripts.bench_actors import HEARERS, SOURCE, quote
from shared.events import Quote
from shared.runtime import wire

HWM: Final = 100_000


def address(folder: Path) -> str:
    return f"ipc://{folder}/bare.pub"


def hear(folder: Path, name: str, messages: int) -> None:
    context = zmq.Context()
    socket = context.socket(zmq.SUB)
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
    context = zmq.Context()
    socket = context.socket(zmq.PUB)
    socket.set_hwm(HWM)
    socket.bind(address(folder))
    while len(list(folder.glob("*.ready"))) < HEARERS:
        time.sleep(0.05)
    time.sleep(0.5)  # connections
    (folder / "source.began").write_text(str(time.monotonic_ns()))
    for n in range(1, messages + 1):
        socket.send(wire.frame(Quote, wire.body((SOURCE, 1, n, n - 1, n, "", quote(n)))))
    time.sleep(3600)  # until ended: what was sent must leave


if __name__ == "__main__":
    what, where, *rest = sys.argv[1:]
    if what == "hear":
        hear(Path(where), rest[0], int(rest[1]))
    else:
        say(Path(where), int(rest[0]))
