"""The bus: two PUBs bound per lane, SUBs connected straight to the speakers. No broker.

ZeroMQ's descriptor is edge-triggered: it tells once that something came, so the reader drains to
EAGAIN, is kicked after it was registered, and looks again every 50 ms in any case. Main lanes have
no high-water mark (a frozen hearer is dropped by ZeroMQ's own heartbeats within 2 s, which bounds
the queue), tick lanes lose beyond 100,000. Losing is legal: the journal is the truth.

What is sent wakes two threads of every hearer, and on two cores six hearers cost an order more than
all it is decided by. So those who act hear first (`lanes.is_prompt`), and what they hear goes to
the second socket of the lane `LATER_S` later, by when the order has gone. Each socket keeps the
order. Who only watches is not woken at all, but looks from time to time (`listen(paced=True)`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import zmq

from shared.runtime import lanes, paths
from shared.seats import seat_of

TICK_HWM: Final = 100_000
LINGER_MS: Final = 300  # the last words of a process that ends
RECONNECT_MS: Final = 10
RARE_MS: Final = 250  # a second seat is empty for days: not looked for a hundred times a second
PEER_PING_MS: Final = 500
PEER_DEAD_MS: Final = 1_500
LOOK_AGAIN_S: Final = 0.05
LATER_S: Final = 0.005
HELD_MAX: Final = 256  # frames for the second socket of a lane; more are sent at once
STREAM: Final = 3  # frames that came while one was worked off; of more, the next are read in a row
_DRAIN: Final = 10_000  # frames taken from one socket before the other things get their turn
_NOBLOCK: Final = int(zmq.NOBLOCK)
_MORE: Final = _NOBLOCK | int(zmq.SNDMORE)
_send: Final[Callable[[Any, bytes, int], Any]] = zmq.backend.Socket.send
"""Without the argument checks around it, which cost more than the sending."""


class Bus:
    def __init__(self, run: Path, *, frame_limit: int) -> None:
        self._run = run
        self._frame_limit = frame_limit
        self._context = zmq.Context()
        self._pubs: dict[str, Any] = {}
        self._later: dict[str, Any] = {}
        self._held: dict[str, list[bytes]] = {}  # lane -> what its second socket has yet to say
        self._telling: asyncio.TimerHandle | None = None
        self._subs: dict[bool, Any] = {}
        self._streams = {True: False, False: False}  # whether more than a few frames came at once
        self._loop: asyncio.AbstractEventLoop | None = None
        self._on_frame: Callable[[bytes], None] = _ignore
        self._on_tick: Callable[[bytes], None] = _ignore
        self._on_drained: Callable[[], None] = _nothing
        self._timer: asyncio.TimerHandle | None = None

    # -- speaking ----------------------------------------------------------------------------------

    def bind(self, lane: str) -> None:
        """Speak in `lane`. Only its owner may call this, holding the actor's lock."""
        self._pubs[lane] = self._bound(lane, paths.socket_path(self._run, lane))
        self._later[lane] = self._bound(lane, paths.later_path(self._run, lane))
        self._held[lane] = []

    def _bound(self, lane: str, path: Path) -> Any:
        path.unlink(missing_ok=True)
        socket = self._socket(zmq.PUB)
        socket.setsockopt(zmq.SNDHWM, TICK_HWM if lanes.is_ticks(lane) else 0)
        socket.bind(f"ipc://{path}")
        return socket

    def publish(self, lane: str, *frames: bytes, urgent: bool = False) -> None:
        """`urgent`: only to the prompt ones now, to the others in a moment."""
        self._say(self._pubs[lane], lane, frames)
        held = self._held[lane]
        held += frames
        if not urgent or self._loop is None:
            for other in self._held:
                if other != lane:
                    self._tell(other)  # a bar does not leave before the ticks that it is made of
            self._tell(lane)
        elif len(held) > HELD_MAX:
            self._tell(lane)
        elif self._telling is None:
            self._telling = self._loop.call_later(LATER_S, self._tell_due)

    def _tell(self, lane: str) -> None:
        held, self._held[lane] = self._held[lane], []
        self._say(self._later[lane], lane, held)

    def _say(self, socket: Any, lane: str, frames: Sequence[bytes]) -> None:
        """What is said together in a main lane is one message, a frame a part: hearers are woken
        once, and nobody whom the first part woke keeps us from the second. They hear all of it, so
        nobody chooses by a topic; in a tick lane all do, so there each frame is a message.
        """
        last, more = len(frames) - 1, _NOBLOCK if lanes.is_ticks(lane) else _MORE
        for at, frame in enumerate(frames):
            _send(socket, frame, more if at < last else _NOBLOCK)

    def _tell_due(self) -> None:
        self._telling = None
        self._tell_all()

    def _tell_all(self) -> None:
        for lane in self._held:
            self._tell(lane)

    # -- hearing -----------------------------------------------------------------------------------

    def connect(self, lane: str, topics: Iterable[bytes] = (b"",), *, second: bool = False) -> None:
        """Hear `lane`, whether it exists yet or not: all of it, or what begins with some topics.
        `second`: from its second socket.
        """
        ticks = lanes.is_ticks(lane)
        socket = self._subs.get(ticks)
        if socket is None:
            socket = self._subs[ticks] = self._socket(zmq.SUB)
            socket.setsockopt(zmq.RCVHWM, TICK_HWM if ticks else 0)
            socket.setsockopt(zmq.MAXMSGSIZE, self._frame_limit)
        for topic in topics:
            socket.subscribe(topic)
        every_ms = RARE_MS if seat_of(lane)[1] else RECONNECT_MS
        socket.setsockopt(zmq.RECONNECT_IVL, every_ms)  # of this connection alone
        path = (paths.later_path if second else paths.socket_path)(self._run, lane)
        socket.connect(f"ipc://{path}")

    def listen(
        self,
        on_frame: Callable[[bytes], None],
        on_tick: Callable[[bytes], None],
        on_drained: Callable[[], None],
        *,
        paced: bool = False,
    ) -> None:
        """From now on: `on_frame` for each of a main lane and `on_tick` for each of a tick lane,
        `on_drained` after each round that brought some. `paced`: only every `LOOK_AGAIN_S`.
        """
        self._loop = asyncio.get_running_loop()
        self._on_frame, self._on_tick, self._on_drained = on_frame, on_tick, on_drained
        for ticks, socket in self._subs.items():
            if not paced:
                descriptor = socket.getsockopt(zmq.FD)
                self._loop.add_reader(descriptor, self._first, socket, ticks)
        self._look_again()

    def drain(self) -> None:
        """Take what is waiting now."""
        if self._loop is not None:
            for ticks, socket in self._subs.items():
                self._readable(socket, ticks)

    def _first(self, socket: Any, ticks: bool) -> None:
        """What woke us is worked off, and what it began has its turn, before we ask for more: to be
        told that there is nothing costs more than to receive something. In a stream there is more.
        """
        assert self._loop is not None, "only a listening bus is read"
        if self._streams[ticks]:
            self._readable(socket, ticks)
            return
        try:
            frame = socket.recv(_NOBLOCK)
        except zmq.Again:
            return
        (self._on_tick if ticks else self._on_frame)(frame)
        self._on_drained()
        self._loop.call_soon(self._readable, socket, ticks)

    def _readable(self, socket: Any, ticks: bool) -> None:
        receive, take, again = socket.recv, self._on_tick if ticks else self._on_frame, _NOBLOCK
        count = 0
        try:
            while count < _DRAIN:
                take(receive(again))
                count += 1
            assert self._loop is not None, "only a listening bus is read"
            self._loop.call_soon(self._readable, socket, ticks)
        except zmq.Again:
            pass
        self._streams[ticks] = count > STREAM
        if count:
            self._on_drained()

    def _look_again(self) -> None:
        if self._loop is not None:
            self.drain()
            self._timer = self._loop.call_later(LOOK_AGAIN_S, self._look_again)

    # -- the rest ----------------------------------------------------------------------------------

    def _socket(self, kind: int) -> Any:
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.LINGER, LINGER_MS)
        socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, 0)
        socket.setsockopt(zmq.HEARTBEAT_IVL, PEER_PING_MS)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, PEER_DEAD_MS)
        return socket

    def close(self) -> None:
        self._tell_all()
        if self._telling is not None:
            self._telling.cancel()
        if self._loop is not None:
            for socket in self._subs.values():
                self._loop.remove_reader(socket.getsockopt(zmq.FD))
            if self._timer is not None:
                self._timer.cancel()
            self._loop = None
        for socket in self._subs.values():
            socket.close(0)
        for socket in (*self._pubs.values(), *self._later.values()):
            socket.close(LINGER_MS)
        self._context.term()


def _ignore(_frame: bytes) -> None:
    pass


def _nothing() -> None:
    pass
