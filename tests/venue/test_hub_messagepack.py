"""Hubs: the MessagePack protocol, by hand."""

from __future__ import annotations

import pytest

from tests.venue.sockets import BINARY, CLOSE, END

msgspec = pytest.importorskip("msgspec")
HELLO = '{"protocol":"messagepack","version":1}' + END


def packed(*values):
    found = b""
    for value in values:
        body = msgspec.msgpack.encode(value)
        left, prefix = len(body), b""
        while left > 127:
            prefix += bytes([left & 127 | 128])
            left >>= 7
        found += prefix + bytes([left]) + body
    return found


def unpacked(data):
    found = []
    while data:
        length = shift = 0
        while True:
            length |= (data[0] & 127) << shift
            more, data = data[0] & 128, data[1:]
            shift += 7
            if not more:
                break
        found.append(msgspec.msgpack.decode(data[:length]))
        data = data[length:]
    return found


class Packed:
    """A hub connection that speaks MessagePack."""

    def __init__(self, hub):
        self.socket = hub.socket
        self.waiting = []

    def record(self):
        while not self.waiting:
            kind, data = self.socket.receive()
            if kind == CLOSE:
                return None
            assert kind == BINARY
            self.waiting += unpacked(data)
        return self.waiting.pop(0)

    def invoke(self, method, *arguments, number="1"):
        self.socket.send(packed([1, {}, number, method, list(arguments), []]), BINARY)
        while (told := self.record()) is not None:
            if told[0] == 3:
                return told
        raise AssertionError("the connection ended")

    def event(self, target):
        while (told := self.record()) is not None:
            if told[0] == 1 and told[3] == target:
                return told
        raise AssertionError("the connection ended")


@pytest.fixture
def hub(trader):
    with trader.hub("market", hello="") as one:
        one.socket.send(HELLO)
        assert one.socket.receive() == (BINARY, b"{}\x1e")
        yield Packed(one)


def test_the_handshake_is_json_even_here(hub):
    assert hub.invoke("SubscribeContractQuotes", "C") == [3, {}, "1", 3, 0]


@pytest.mark.parametrize("version", [0, 1, 2])
def test_versions_of_the_protocol(trader, version):
    with trader.hub("market", hello="") as one:
        one.socket.send(f'{{"protocol":"messagepack","version":{version}}}{END}'.encode(), BINARY)
        assert one.socket.receive()[1] == b"{}\x1e"


def test_an_invocation_behind_the_handshake_in_one_frame(trader):
    with trader.hub("market", hello="") as one:
        call = packed([1, {}, "7", "SubscribeContractQuotes", ["C"], []])
        one.socket.send(HELLO.encode() + call, BINARY)
        assert one.socket.receive()[1] == b"{}\x1e"
        assert Packed(one).record() == [3, {}, "7", 3, 0]


def test_an_unknown_method_completes_with_an_error(hub):
    told = hub.invoke("Nothing")
    assert told[:4] == [3, {}, "1", 1]
    assert "Method does not exist" in told[4]


def test_arguments_that_do_not_bind_complete_with_an_error(hub):
    assert hub.invoke("SubscribeContractQuotes", 5)[3] == 1


def test_events_are_arrays_with_the_same_names(hub, trader):
    contract = trader.contract("MNQ")
    hub.invoke("SubscribeContractQuotes", contract)
    told = hub.event("GatewayQuote")
    assert told[:3] == [1, {}, None]
    about, quote = told[4]
    assert about == contract
    assert quote["symbol"] == "F.US.MNQ"
    assert quote["bestBid"] < quote["bestAsk"]


def test_user_events_keep_their_shape(flat):
    with flat.hub("user", hello="") as one:
        one.socket.send(HELLO)
        one.socket.receive()
        hub = Packed(one)
        assert hub.invoke("SubscribeOrders", flat.account)[4] == 0
        flat.placed()
        [payload] = hub.event("GatewayUserOrder")[4]
        assert payload["action"] == 1
        assert payload["data"]["status"] == 6


def test_an_account_id_as_text_does_not_bind_here_either(trader):
    with trader.hub("user", hello="") as one:
        one.socket.send(HELLO)
        one.socket.receive()
        assert Packed(one).invoke("SubscribeOrders", str(trader.account))[3] == 1


def test_an_invocation_without_an_id_gets_no_answer(hub):
    hub.socket.send(packed([1, {}, None, "Nothing", [], []], [6]), BINARY)
    hub.socket.sock.settimeout(0.2)
    with pytest.raises(TimeoutError):
        hub.record()


def test_several_records_in_one_frame(hub):
    calls = [[1, {}, str(n), "SubscribeContractQuotes", ["C"], []] for n in range(3)]
    hub.socket.send(packed(*calls), BINARY)
    assert [hub.record()[2] for _ in range(3)] == ["0", "1", "2"]


@pytest.mark.parametrize(
    "data",
    [b"\x05\x91", b"\xff" * 9, b"\x01\xc1", packed(5), packed([]), packed([1]), packed({"a": 1}),
     packed([1, {}, 5, "x", [], []]), packed([1, {}, "1", 7, [], []])],
)  # fmt: skip
def test_garbage_ends_the_connection_with_a_close_record(hub, data):
    hub.socket.send(data, BINARY)
    assert hub.record() == [7, "Connection closed with an error.", False]
    assert hub.record() is None


def test_a_close_of_the_client_ends_the_connection(hub):
    hub.socket.send(packed([7, None, False]), BINARY)
    assert hub.record() is None
