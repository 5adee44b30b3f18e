"""Bad input: whatever comes, the documented answer or a clean close, and the books stay right."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import threading
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.simulator import port
from services.simulator.port_requests import ROUTES
from tests.venue.sockets import BINARY, END, HELLO, Hub, Refused, Socket
from tests.venue.stage import Trader, Venue, wait_for
from tests.venue.stage import settings as venue_settings

ROUGH = settings(
    deadline=None, max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
PATHS = sorted(ROUTES)
NAMES = sorted({
    "accountId", "contractId", "type", "side", "size", "limitPrice", "stopPrice", "trailPrice",
    "customTag", "orderId", "stopLossBracket", "takeProfitBracket", "ticks", "filter", "statuses",
    "startTimestamp", "endTimestamp", "startTime", "endTime", "unit", "unitNumber", "limit", "live",
    "pageSize", "pageOffset", "searchText", "userName", "apiKey", "createdAfter", "sortBy",
})  # fmt: skip
ODD = [None, True, 0, -1, 1, 2, 5, 2**31, 2**63, 2**64, 10**40, 1e308, -0.0, 0.1, "", "x", "\x00",
       "1", "2026-01-01", "9999-12-31T23:59:59Z", "\u2028", "é" * 50, [], {}, [[]], [None],
       {"a": {}}]  # fmt: skip
values = st.recursive(
    st.one_of(st.sampled_from(ODD), st.integers(), st.floats(allow_nan=False), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    ),
    max_leaves=6,
)


def books_are_right(venue, trader):
    """The money adds up and the venue still trades."""
    told = trader.truth(requests=0)
    assert told["balanceMicros"] == told["startMicros"] + told["profitMicros"] - told["feesMicros"]
    assert venue.host.failures == []


def healthy(venue):
    one = Trader(venue)
    assert one.post("Account/search", {}).status == 200
    books_are_right(venue, one)
    one.close()


@pytest.fixture(autouse=True)
def still_well(venue):
    """After every test here: alive, and the books balance."""
    yield
    healthy(venue)


def asked(trader, path, data, kind="application/json"):
    """Status of an answer; a token of a client that asks too often is renewed."""
    headers = {"Content-Type": kind, **trader.headers()}
    reply = trader.send("POST", path, data, headers)
    if reply.status in (401, 429):  # the fuzz has logged us out, or asked 200 times
        trader.login()
        headers |= trader.headers()
        reply = trader.send("POST", path, data, headers)
    assert reply.status in (200, 400, 401), reply
    if reply.status == 200:
        assert reply.body.keys() >= {"success", "errorCode", "errorMessage"}
    if reply.status == 400:
        assert reply.body["status"] == 400
        assert reply.body["title"]
    return reply


@ROUGH
@given(path=st.sampled_from(PATHS), body=st.dictionaries(st.sampled_from(NAMES), values))
def test_any_members_get_an_envelope_or_a_problem(trader, path, body):
    asked(trader, path, json.dumps(body))


@ROUGH
@given(path=st.sampled_from(PATHS), data=st.binary(max_size=80))
def test_any_bytes_get_a_problem(trader, path, data):
    asked(trader, path, data)


@ROUGH
@given(wish=st.fixed_dictionaries({}, optional={
    "type": st.sampled_from([1, 2, 3, 4, 5, 6, 7, 99]), "side": st.integers(-1, 2),
    "size": st.one_of(st.integers(-2, 3), st.sampled_from([2**31 - 1])),
    "limitPrice": st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
    "stopPrice": st.one_of(st.none(), st.sampled_from([1e28, 0.25, -0.25, 1e-300])),
    "trailPrice": st.one_of(st.none(), st.sampled_from([1e28, 5.0])),
    "customTag": st.one_of(st.none(), st.text(max_size=300)),
    "stopLossBracket": st.fixed_dictionaries({"ticks": st.integers(-(2**31), 2**31 - 1),
                                              "type": st.integers(-1, 9)}),
    "takeProfitBracket": st.fixed_dictionaries({"ticks": st.integers(-100, 100),
                                                "type": st.just(1)}),
}))  # fmt: skip
def test_any_order_is_answered(flat, wish):
    body = {"accountId": flat.account, "contractId": "CON.F.US.MES.Z26", "type": 2, "side": 0,
            "size": 1, **wish}  # fmt: skip
    asked(flat, "/api/order/place", json.dumps(body))


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 50_000, '{"filter":' * 900 + "1" + "}" * 900]
)
def test_deep_nesting_is_a_problem(trader, text):
    assert asked(trader, "/api/order/v2/query", text).status == 400


def test_a_number_of_a_million_digits_is_a_problem(trader):
    text = '{"accountId":' + "9" * 900_000 + "}"
    assert asked(trader, "/api/order/searchopen", text).status == 400


def test_ten_megabytes_are_413(trader):
    with suppress(ConnectionError, BrokenPipeError):  # it may stop reading before we stop writing
        reply = trader.send("POST", "/api/order/place", b"x" * 10_000_000, trader.headers())
        assert reply.status == 413


def test_a_contract_id_of_a_megabyte_is_just_unknown(trader):
    reply = trader.post("Contract/searchById", {"contractId": "CON." + "x" * 900_000})
    assert reply.code == (False, 1, None)


def test_a_lone_surrogate_is_a_problem(trader):
    text = '{"searchText":"\\ud800","live":false}'
    assert asked(trader, "/api/contract/search", text).status == 400


def test_repeated_members_are_survived(trader):
    text = '{"accountId":1,"accountId":2,"ACCOUNTID":3}'
    assert asked(trader, "/api/order/searchopen", text).status == 200


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "x" * 5_000, "é.é.é", "e30.e30.e30"])
def test_odd_tokens_are_401(stranger, token):
    told = f"Bearer {token}".encode().decode("latin-1")
    assert stranger.post("Account/search", {}, Authorization=told).status == 401


@pytest.mark.parametrize(
    "text",
    [b"\r\n\r\n", b"\x00" * 50, b"GET\r\n\r\n", b"POST / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00",
     b"GET / HTTP/1.1\r\nA" + b"x" * 100_000 + b"\r\n\r\n",
     b"POST /api/order/place HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
     b"POST /api/order/place HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
)  # fmt: skip
def test_what_is_no_http_is_400_or_closed(venue, text):
    raw = socket.create_connection(("127.0.0.1", venue.port), timeout=60)
    with raw, suppress(ConnectionError):
        raw.sendall(text)
        raw.shutdown(socket.SHUT_WR)
        answer = raw.recv(100)
        assert answer[:5] in (b"", b"HTTP/")
        assert not answer or answer.split()[1] in (b"400", b"404", b"401"), answer


def test_an_order_cut_off_in_the_middle_is_never_placed(venue, trader):
    body = json.dumps({"accountId": trader.account, "contractId": "CON.F.US.MES.Z26", "type": 2,
                       "side": 0, "size": 1, "customTag": "cut-off"})  # fmt: skip
    head = (
        "POST /api/Order/place HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {trader.token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", venue.port), timeout=60) as raw:
        raw.sendall((head + body[:-10]).encode())
    rows = trader.query(sortBy=1, sortDirection=1).body["orders"]
    assert "cut-off" not in [row["customTag"] for row in rows]


# -- hubs ------------------------------------------------------------------------------------------


def hub_survives(trader, frames, hello=HELLO):
    """Send frames to a hub; it answers, or closes in time."""
    try:
        raw = Socket(trader.venue.port, f"/hubs/user?access_token={trader.token}")
    except Refused as refused:
        assert refused.status in (401, 503), refused  # noqa: PT017
        trader.login()
        return
    with suppress(EOFError, ConnectionError, TimeoutError):
        if hello:
            raw.send(hello)
            raw.receive()
        for kind, data in frames:
            raw.send(data, kind)
        raw.sock.settimeout(0.02)
        while True:
            raw.receive()
    raw.close()


frames = st.lists(
    st.tuples(
        st.sampled_from([1, 2, 9, 10]),
        st.one_of(
            st.binary(max_size=40),
            st.text(max_size=20).map(lambda text: (text + END).encode()),
            st.fixed_dictionaries(
                {"type": st.integers(-1, 12)},
                optional={"target": values, "arguments": values, "invocationId": values},
            ).map(lambda record: (json.dumps(record) + END).encode()),
        ),
    ),
    max_size=4,
)


@ROUGH
@given(said=frames)
def test_any_frames_are_answered_or_closed(trader, said):
    hub_survives(trader, said)


@ROUGH
@given(said=st.lists(st.tuples(st.just(BINARY), st.binary(max_size=40)), max_size=3))
def test_any_packed_frames_are_answered_or_closed(trader, said):
    hub_survives(trader, said, hello='{"protocol":"messagepack","version":1}' + END)


@ROUGH
@given(first=st.binary(max_size=60))
def test_any_handshake_is_answered_or_closed(trader, first):
    hub_survives(trader, [(1, first)], hello="")


@pytest.mark.parametrize("record", ["[" * 15_000, '{"type":1,"arguments":' + "[" * 15_000])
def test_deep_records_end_that_connection(trader, record):
    with trader.hub() as hub:
        hub.socket.send(record + END)
        assert hub.record()["type"] == 7
        assert hub.record() is None


def test_invalid_utf_8_in_a_text_frame_ends_that_connection(trader):
    with trader.hub() as hub:
        hub.socket.send(b"\xff\xfe" + END.encode())
        assert hub.record() is None


@pytest.mark.parametrize("opcode", [3, 7, 11, 15])
def test_unknown_opcodes_end_that_connection(trader, opcode):
    with trader.hub() as hub:
        hub.socket.send(b"x", opcode)
        assert hub.record() is None


def test_an_unmasked_frame_is_survived(trader):
    with trader.hub() as hub:
        hub.socket.sock.sendall(b"\x81\x01x")
        assert hub.record() is None or hub.record() is None


def test_a_frame_that_promises_ten_megabytes_ends_the_connection(trader):
    with trader.hub() as hub:
        with suppress(ConnectionError):
            hub.socket.sock.sendall(b"\x81\xff" + struct.pack(">Q", 10_000_000) + b"\0" * 4)
            hub.socket.sock.sendall(b"x" * 10_000_000)
        assert hub.record() is None


def test_too_many_subscriptions_are_refused(trader):
    with trader.hub() as hub:
        for number in range(0, 1_200, 100):
            hub.say(*({"type": 1, "target": "SubscribeContractQuotes",
                       "arguments": [f"C{number + one}"]} for one in range(100)))  # fmt: skip
        assert "error" in hub.invoke("SubscribeContractQuotes", "one more")
        assert hub.invoke("SubscribeContractQuotes", "C1")["result"] == 0


# -- many and slow ---------------------------------------------------------------------------------


def test_a_slow_loris_is_sent_away(tmp_path, monkeypatch):
    monkeypatch.setattr(port, "KEEPALIVE_S", 1.5)
    with Venue(tmp_path, venue_settings()) as venue:
        with socket.create_connection(("127.0.0.1", venue.port), timeout=60) as raw:
            raw.sendall(b"POST /api/Order/place HTTP/1.1\r\nHost: x\r\nX-A: ")
            assert raw.recv(10) == b""
        healthy(venue)


def test_a_thousand_idle_connections_do_not_stop_the_others(venue):
    idle = []
    where = ("127.0.0.1", venue.port)
    try:
        idle.extend(socket.create_connection(where, timeout=60) for _ in range(1_000))
        healthy(venue)
    finally:
        for raw in idle:
            raw.close()


def test_connections_beyond_the_limit_are_closed_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(port, "connections_max", lambda: 20)
    with Venue(tmp_path, venue_settings()) as venue:
        raws = [socket.create_connection(("127.0.0.1", venue.port), timeout=60) for _ in range(40)]
        try:
            wait_for(lambda: len(venue.host.port._runner.server.connections) == 20)
            raws[-1].settimeout(60)
            assert raws[-1].recv(1) == b""
        finally:
            for raw in raws:
                raw.close()
        wait_for(lambda: not venue.host.port._runner.server.connections)
        healthy(venue)


def test_hubs_take_no_more_than_their_limit(tmp_path, monkeypatch):
    monkeypatch.setattr("services.simulator.port_hubs.CLIENTS_MAX", 3)
    with Venue(tmp_path, venue_settings()) as venue:
        one = Trader(venue)
        raws = [Socket(venue.port, f"/hubs/user?access_token={one.token}") for _ in range(3)]
        with pytest.raises(Refused) as caught:
            Socket(venue.port, f"/hubs/user?access_token={one.token}")
        assert caught.value.status == 503
        for raw in raws:
            raw.close()
        one.close()


def test_a_consumer_that_does_not_read_is_told_why_and_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr("services.simulator.port_client.QUEUE_MAX", 200)
    monkeypatch.setattr("services.simulator.port_client.FAREWELL_S", 0.5)
    with Venue(tmp_path, venue_settings()) as venue:
        one = Trader(venue)
        raw = Socket(venue.port, f"/hubs/market?access_token={one.token}")
        hub = Hub(raw)
        raw.send(HELLO)
        assert hub.record() == {}
        hub.invoke("SubscribeContractQuotes", "CON.F.US.MES.Z26")
        flood(venue, 60_000)
        wait_for(lambda: venue.connected() == 0)
        raw.close()
        told = Hub(Socket(venue.port, f"/hubs/market?access_token={one.token}"))
        told.socket.send(HELLO)
        assert told.record() == {}
        told.invoke("SubscribeContractQuotes", "CON.F.US.MES.Z26")
        flood(venue, 1_000)
        while (last := told.record())["type"] != 7:
            pass
        assert last["error"].startswith("The client is too slow")
        assert last["allowReconnect"] is True
        told.socket.close()
        one.close()


def flood(venue, count):
    """So many quotes at once, in one step of the venue."""
    from services.simulator.words import QuotePush
    from shared.venue.words import QuotePayload

    def pour():
        for number in range(count):
            payload = QuotePayload(symbol="F.US.MES", best_bid=number * 0.25, best_ask=1e6)
            venue.host.port.handle(QuotePush(contract="CON.F.US.MES.Z26", payload=payload))

    venue.do(pour)


def test_many_at_once_are_all_answered(venue):
    statuses = []

    def ask():
        one = Trader(venue)
        with suppress(http.client.HTTPException):
            statuses.extend(one.post("Account/search", {}).status for _ in range(20))
        one.close()

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert statuses == [200] * 400
