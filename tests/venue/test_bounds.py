"""Many events, many connections, large messages: nothing is lost and nothing grows without end.

No clock decides here: events are poured at once, which is harder than ten thousand a second, and
read until all are there. Memory is what the venue's process allocates (its tests share it).
"""

from __future__ import annotations

import json
import selectors
import socket
import struct
import tracemalloc
from contextlib import ExitStack, contextmanager, suppress

import pytest

from services.simulator.words import QuotePush
from shared.venue.words import QuotePayload
from tests.venue.sockets import HELLO, PATIENCE_S, Hub, Socket, hub
from tests.venue.stage import Trader, Venue, settings, wait_for

CONTRACT = "CON.F.US.EP.Z26"  # not quoted here, so that only poured events are heard
END = b"\x1e"
MB = 1024 * 1024


def pour(venue, count, first=0):
    """So many quotes at once, in one step of the venue; each has a bid of its own."""

    def act():
        for number in range(first, first + count):
            payload = QuotePayload(symbol="F.US.EP", best_bid=float(number), best_ask=1e9)
            venue.host.port.handle(QuotePush(contract=CONTRACT, payload=payload))

    venue.do(act)


@contextmanager
def hearers(trader, count):
    """So many hub connections that hear the quotes of `CONTRACT`."""
    with ExitStack() as stack:
        hubs = [stack.enter_context(hub(trader, "market")) for _ in range(count)]
        for one in hubs:
            assert one.invoke("SubscribeContractQuotes", CONTRACT)["result"] == 0
        yield hubs


class Reader:
    """Bids heard by one hub, in their order; frames are taken apart as they come."""

    def __init__(self, one):
        self.hub = one
        self.bids = []
        self.raw = bytearray()

    def take(self, data):
        self.raw += data
        while len(self.raw) >= 2:
            size, head = self.raw[1] & 0x7F, 2
            if size >= 126:
                head = 4 if size == 126 else 10
                if len(self.raw) < head:
                    return
                size = int.from_bytes(self.raw[2:head], "big")
            if len(self.raw) < head + size:
                return
            for record in bytes(self.raw[head : head + size]).split(END)[:-1]:
                told = json.loads(record)
                if told["type"] == 1:
                    self.bids.append(told["arguments"][1]["bestBid"])
            del self.raw[: head + size]


def read_all(readers, count):
    """Read from all, whoever has something, until each has heard `count` quotes."""
    with selectors.DefaultSelector() as ready:
        for one in readers:
            ready.register(one.hub.socket.sock, selectors.EVENT_READ, one)
        while any(len(one.bids) < count for one in readers):
            found = ready.select(PATIENCE_S)
            assert found, [len(one.bids) for one in readers]
            for key, _ in found:
                data = key.fileobj.recv(MB)
                assert data, "the connection ended"
                key.data.take(data)


def test_twenty_hear_every_event_once_and_in_order(venue, trader):
    count = 4_000
    with hearers(trader, 20) as hubs:
        readers = [Reader(one) for one in hubs]
        for burst in range(3):
            pour(venue, count, first=burst * count)
            read_all(readers, (burst + 1) * count)
        heard = [float(number) for number in range(3 * count)]
        assert all(one.bids == heard for one in readers)


def test_one_that_does_not_read_costs_the_others_nothing(tmp_path, monkeypatch):
    queue_max, burst = 500, 400
    monkeypatch.setattr("services.simulator.port_client.QUEUE_MAX", queue_max)
    monkeypatch.setattr("services.simulator.port_client.FAREWELL_S", 0.2)
    with Venue(tmp_path, settings()) as venue:
        one = Trader(venue)
        with hearers(one, 4) as hubs:
            deaf, readers = hubs[0], [Reader(each) for each in hubs[1:]]
            deaf.socket.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            told = 0
            while venue.connected() == 4:
                assert told < 200_000, "the one that does not read was never dropped"
                pour(venue, burst, first=told)
                told += burst
                backlog = venue.do(lambda: [x.backlog[0] for x in venue.host.port._hubs._clients])
                assert max(backlog) <= queue_max + 1, "and a farewell"
                read_all(readers, told)
            pour(venue, burst, first=told)
            read_all(readers, told + burst)
            heard = [float(number) for number in range(told + burst)]
            assert all(each.bids == heard for each in readers)
        one.close()


def test_a_queue_is_bounded_in_bytes_too(tmp_path, monkeypatch):
    monkeypatch.setattr("services.simulator.port_client.QUEUE_BYTES_MAX", 20_000)
    with Venue(tmp_path, settings()) as venue:
        one = Trader(venue)
        with hearers(one, 1) as (each,):
            pour(venue, 1_000)
            while (last := each.record()) is not None and last["type"] != 7:
                pass
            assert last is not None
            assert last["error"].startswith("The client is too slow")
        one.close()


def test_events_that_are_late_on_request_are_bounded_and_none_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr("services.simulator.port_hubs.LATE_MAX", 1_000)
    with Venue(tmp_path, settings()) as venue:
        one = Trader(venue)
        with hearers(one, 1) as hubs:
            one.fault("DELAY_EVENTS", 3_600_000, hub="market")
            pour(venue, 1)  # the first is full, and told at once
            pour(venue, 3_000, first=1)
            reader = Reader(hubs[0])
            read_all([reader], 2_001)
            assert len(venue.host.port._hubs._late["market"]) == 1_000
            assert reader.bids == [float(number) for number in range(2_001)]
        one.close()


def test_an_end_of_the_delay_lets_none_overtake(venue, trader):
    with hearers(trader, 1) as hubs:
        pour(venue, 1)
        trader.fault("DELAY_EVENTS", 300, hub="market")
        pour(venue, 5, first=1)
        trader.fault("DELAY_EVENTS", 0, hub="market")
        pour(venue, 5, first=6)
        reader = Reader(hubs[0])
        read_all([reader], 11)
        assert reader.bids == [float(number) for number in range(11)]


# -- memory ----------------------------------------------------------------------------------------


@contextmanager
def measured():
    """A function that tells by how many bytes allocations ever grew since it began."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        yield lambda: tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def push_until_refused(raw, chunk, times):
    """Send the same bytes again and again, until the other side has enough."""
    with suppress(ConnectionError, TimeoutError):
        for _ in range(times):
            raw.sendall(chunk)


@pytest.mark.parametrize("chunked", [False, True])
def test_ten_megabytes_for_each_of_twenty_stay_outside(venue, trader, chunked):
    chunk = b"x" * 65_536
    head = f"POST /api/Order/place HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {trader.token}\r\n"
    if chunked:
        head += "Transfer-Encoding: chunked\r\n"
        chunk = f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n"
    else:
        head += f"Content-Length: {10 * MB}\r\n"
    with measured() as grown, ExitStack() as stack:
        where = ("127.0.0.1", venue.port)
        for _ in range(20):
            raw = stack.enter_context(socket.create_connection(where, timeout=2))
            raw.sendall((head + "\r\n").encode())
            push_until_refused(raw, chunk, 160)
        assert grown() < 60 * MB, "200 were sent, and one each may be read"
    assert trader.post("Account/search", {}).status == 200


def test_frames_that_promise_ten_megabytes_stay_outside(venue, trader):
    head = bytes([0x81, 0xFF]) + struct.pack(">Q", 10 * MB) + b"\0\0\0\0"
    with measured() as grown, ExitStack() as stack:
        for _ in range(20):
            raw = Socket(venue.port, f"/hubs/market?access_token={trader.token}")
            stack.callback(raw.close)
            raw.send(HELLO)
            assert Hub(raw).record() == {}
            push_until_refused(raw.sock, head, 1)
            push_until_refused(raw.sock, b"x" * 65_536, 160)
        assert grown() < 20 * MB
    wait_for(lambda: venue.connected() == 0)
    assert trader.post("Account/search", {}).status == 200


def test_a_message_in_endless_fragments_is_ended(venue, trader):
    """Each is small, and none is the last."""
    with measured() as grown, hub(trader, "market") as one:
        fragment = bytes([0x00, 0xFE]) + struct.pack(">H", 16_384) + b"\0\0\0\0" + b"x" * 16_384
        one.socket.send(b"x", final=False)
        push_until_refused(one.socket.sock, fragment, 600)
        while one.record(pings=True) is not None:
            pass
        assert grown() < 8 * MB
    assert trader.post("Account/search", {}).status == 200


def test_a_thousand_connections_that_begin_to_ask_cost_little(venue, trader):
    where = ("127.0.0.1", venue.port)
    begun = b"POST /api/Order/place HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n{"
    with measured() as grown, ExitStack() as stack:
        for _ in range(1_000):
            raw = stack.enter_context(socket.create_connection(where, timeout=60))
            raw.sendall(begun)
        assert trader.post("Account/search", {}).status == 200
        wait_for(lambda: len(venue.host.port._runner.server.connections) >= 1_000)
        assert grown() < 64 * MB
    wait_for(lambda: len(venue.host.port._runner.server.connections) < 50)
    assert trader.post("Account/search", {}).status == 200
