"""Hubs: negotiation, upgrade, handshake, records, closing; the JSON protocol byte by byte."""

from __future__ import annotations

import json

import pytest

from tests.venue.sockets import BINARY, CLOSE, END, HELLO, PING, PONG, Hub, Refused, Socket
from tests.venue.stage import wait_for

GARBAGE = {"type": 7, "error": "Connection closed with an error."}
NO_METHOD = (
    "Failed to invoke '{}' due to an error on the server. HubException: Method does not exist."
)
NOT_BOUND = "Failed to invoke '{}' due to an error on the server."


def negotiate(one, query="", path="/hubs/market/negotiate", **headers):
    return one.send("POST", path + query, None, {**one.headers(), **headers})


# -- negotiate -------------------------------------------------------------------------------------


def test_negotiation_without_a_version_is_version_0(trader):
    told = negotiate(trader).body
    assert told["negotiateVersion"] == 0
    assert "connectionToken" not in told
    assert len(told["connectionId"]) >= 22


def test_negotiation_of_version_1_has_a_secret_beside_the_id(trader):
    told = negotiate(trader, "?negotiateVersion=1").body
    assert told["negotiateVersion"] == 1
    assert told["connectionToken"] != told["connectionId"]


@pytest.mark.parametrize(("asked", "version"), [("0", 0), ("2", 1), ("99", 1), ("x", 0), ("", 0)])
def test_the_version_is_the_lesser_of_both(trader, asked, version):
    assert negotiate(trader, f"?negotiateVersion={asked}").body["negotiateVersion"] == version


def test_only_websockets_are_offered_in_both_formats(trader):
    assert negotiate(trader).body["availableTransports"] == [
        {"transport": "WebSockets", "transferFormats": ["Text", "Binary"]}
    ]


@pytest.mark.parametrize(
    "path", ["/hubs/user/negotiate", "/hubs/user/negotiate/", "/HUBS/User/NEGOTIATE"]
)
def test_negotiation_paths_match_in_any_case_and_with_a_slash(trader, path):
    assert negotiate(trader, path=path).status == 200


def test_negotiation_takes_its_token_from_the_query(stranger, trader):
    assert negotiate(stranger, f"?access_token={trader.token}").status == 200


@pytest.mark.parametrize("kind", ["text/plain;charset=UTF-8", "application/json", "x/y"])
def test_negotiation_minds_no_content_type(trader, kind):
    headers = {"Content-Type": kind, "X-Requested-With": "XMLHttpRequest",
               "X-SignalR-User-Agent": "x/1"}  # fmt: skip
    assert negotiate(trader, **headers).status == 200


def test_negotiation_without_a_token_is_401(stranger):
    reply = negotiate(stranger)
    assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_negotiation_by_another_verb_is_405(trader, method):
    assert trader.send(method, "/hubs/user/negotiate", None, trader.headers()).status == 405


def test_stateful_reconnect_is_never_confirmed(trader):
    told = negotiate(trader, "?negotiateVersion=1&useStatefulReconnect=true").body
    assert not told.get("useStatefulReconnect")


# -- upgrade ---------------------------------------------------------------------------------------


def test_negotiation_may_be_skipped(trader):
    with trader.hub() as hub:
        assert hub.invoke("SubscribeContractQuotes", "C")["result"] == 0


@pytest.mark.parametrize("version", ["", "?negotiateVersion=1"])
def test_a_negotiated_id_opens_a_socket(trader, version):
    told = negotiate(trader, version).body
    number = told.get("connectionToken", told["connectionId"])
    with trader.hub(query=f"&id={number}"):
        pass


def test_a_stale_id_is_accepted(trader):
    """Some clients come back with the id of the connection that broke."""
    with trader.hub(query="&id=long-gone"):
        pass


def test_other_members_of_the_query_are_ignored(trader):
    with trader.hub(query="&connectionId=whatever&x=1"):
        pass


def test_the_token_may_come_in_the_header(trader):
    with trader.hub(token=False, headers=trader.headers()):
        pass


@pytest.mark.parametrize("path", ["/hubs/market/", "/HUBS/MARKET"])
def test_hub_paths_match_in_any_case_and_with_a_slash(trader, path):
    raw = Socket(trader.venue.port, f"{path}?access_token={trader.token}")
    raw.send(HELLO)
    assert raw.receive() == (1, b"{}\x1e")
    raw.close()


def test_an_upgrade_without_a_token_is_401(stranger):
    with pytest.raises(Refused) as caught:
        Socket(stranger.venue.port, "/hubs/user")
    assert caught.value.status == 401
    assert caught.value.headers["www-authenticate"] == "Bearer"


def test_a_get_without_an_upgrade_is_400(trader):
    assert trader.send("GET", "/hubs/user", None, trader.headers()).status == 400


def test_an_unknown_hub_is_404(trader):
    assert negotiate(trader, path="/hubs/chat/negotiate").status == 404


def test_compression_is_never_agreed_to(trader):
    headers = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
    with trader.hub(headers=headers) as hub:
        assert "sec-websocket-extensions" not in hub.socket.headers


def test_no_subprotocol_is_chosen(trader):
    with trader.hub(headers={"Sec-WebSocket-Protocol": "json, x"}) as hub:
        assert "sec-websocket-protocol" not in hub.socket.headers


def test_nothing_is_said_before_the_handshake(trader):
    with trader.hub(hello="") as hub:
        hub.nothing()


# -- handshake -------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [0, 1, 2])
def test_handshake_versions_up_to_2(trader, version):
    hello = json.dumps({"version": version, "protocol": "json"}) + END
    with trader.hub(hello=hello):
        pass


def test_a_handshake_in_a_binary_frame(trader):
    with trader.hub(hello="") as hub:
        hub.socket.send(HELLO, BINARY)
        assert hub.record() == {}


def test_invocations_in_the_frame_of_the_handshake(trader):
    with trader.hub(hello="") as hub:
        call = {"type": 1, "invocationId": "9", "target": "SubscribeContractQuotes",
                "arguments": ["C"]}  # fmt: skip
        hub.socket.send(HELLO + json.dumps(call) + END)
        assert hub.record() == {}
        assert hub.record() == {"type": 3, "invocationId": "9", "result": 0}


def test_an_unknown_protocol_is_named_and_the_socket_closed(trader):
    with trader.hub(hello="") as hub:
        hub.socket.send('{"protocol":"xml","version":1}' + END)
        assert "'xml'" in hub.record()["error"]
        assert hub.record() is None


def test_an_unknown_version_is_named_and_the_socket_closed(trader):
    with trader.hub(hello="") as hub:
        hub.socket.send('{"protocol":"json","version":9}' + END)
        assert "version 9" in hub.record()["error"]
        assert hub.record() is None


@pytest.mark.parametrize("hello", ["{}", "[]", "rubbish", '{"protocol":5,"version":1}'])
def test_what_is_no_handshake_is_refused(trader, hello):
    with trader.hub(hello="") as hub:
        hub.socket.send(hello + END)
        assert hub.record()["error"]
        assert hub.record() is None


# -- records ---------------------------------------------------------------------------------------


def test_a_completion_has_the_result_0(trader):
    with trader.hub("user") as hub:
        assert hub.invoke("SubscribeAccounts") == {"type": 3, "invocationId": "1", "result": 0}


@pytest.mark.parametrize("what", ["Orders", "Positions", "Trades"])
def test_user_methods_take_an_account_id(trader, what):
    with trader.hub("user") as hub:
        assert hub.invoke(f"Subscribe{what}", trader.account)["result"] == 0
        assert hub.invoke(f"Unsubscribe{what}", trader.account)["result"] == 0


@pytest.mark.parametrize("what", ["Quotes", "Trades", "MarketDepth"])
def test_market_methods_take_a_contract_id(trader, what):
    with trader.hub() as hub:
        assert hub.invoke(f"SubscribeContract{what}", trader.contract())["result"] == 0
        assert hub.invoke(f"UnsubscribeContract{what}", trader.contract())["result"] == 0


def test_method_names_match_in_any_case(trader):
    with trader.hub() as hub:
        assert hub.invoke("subscribecontractQUOTES", "C")["result"] == 0


def test_an_unknown_method_is_told_so(trader):
    with trader.hub() as hub:
        assert hub.invoke("SubscribeBars", "C", "1m")["error"] == NO_METHOD.format("SubscribeBars")
        assert hub.invoke("ping")["error"] == NO_METHOD.format("ping")


def test_a_method_of_the_other_hub_is_unknown(trader):
    with trader.hub("market") as hub:
        assert hub.invoke("SubscribeOrders", 1)["error"] == NO_METHOD.format("SubscribeOrders")


@pytest.mark.parametrize("arguments", [["7"], [], [7, 8], [None], [True], [7.5], [[7]]])
def test_arguments_that_do_not_bind_are_an_error(trader, arguments):
    with trader.hub("user") as hub:
        told = hub.invoke("SubscribeOrders", *arguments)
        assert told["error"] == NOT_BOUND.format("SubscribeOrders")
        assert "result" not in told


def test_the_connection_stays_open_after_an_error(trader):
    with trader.hub() as hub:
        hub.invoke("Nothing")
        assert hub.invoke("SubscribeContractQuotes", "C")["result"] == 0


def test_an_invocation_without_an_id_gets_no_answer_at_all(trader):
    with trader.hub() as hub:
        hub.say({"type": 1, "target": "Nothing", "arguments": []})
        hub.say({"type": 1, "target": "SubscribeContractQuotes", "arguments": ["C"]})
        hub.nothing()


def test_headers_and_novelties_in_an_invocation_are_ignored(trader):
    with trader.hub() as hub:
        hub.say({"type": 1, "invocationId": "u-1", "target": "SubscribeContractQuotes",
                 "arguments": ["C"], "headers": {"X": "x"}, "streamIds": []})  # fmt: skip
        assert hub.record()["invocationId"] == "u-1"


def test_several_records_in_one_frame_are_answered_in_order(trader):
    with trader.hub() as hub:
        hub.say(*({"type": 1, "invocationId": str(n), "target": "SubscribeContractQuotes",
                   "arguments": [f"C{n}"]} for n in range(9)))  # fmt: skip
        assert [hub.record()["invocationId"] for _ in range(9)] == list("012345678")


def test_a_stream_invocation_fails(trader):
    with trader.hub() as hub:
        hub.say({"type": 4, "invocationId": "5", "target": "Stream", "arguments": []})
        assert hub.record()["error"] == NO_METHOD.format("Stream")


@pytest.mark.parametrize("kind", [2, 3, 5, 6, 8, 9, 42])
def test_records_that_mean_nothing_here_are_ignored(trader, kind):
    with trader.hub() as hub:
        hub.say({"type": kind, "invocationId": "1", "sequenceId": 3})
        assert hub.invoke("SubscribeContractQuotes", "C")["result"] == 0


def test_a_ping_is_not_answered(trader):
    with trader.hub() as hub:
        hub.say({"type": 6})
        hub.nothing()


def test_a_websocket_ping_is_answered_and_none_is_sent(trader):
    with trader.hub() as hub:
        hub.socket.send(b"abc", PING)
        assert hub.socket.receive() == (PONG, b"abc")


def test_a_fragmented_message_is_read(trader):
    with trader.hub() as hub:
        call = json.dumps({"type": 1, "invocationId": "1", "target": "SubscribeContractQuotes",
                           "arguments": ["C"]}) + END  # fmt: skip
        hub.socket.send(call[:20], final=False)
        hub.socket.send(call[20:], kind=0)
        assert hub.record()["result"] == 0


@pytest.mark.parametrize(
    "rubbish", ["{" + END, "no end", '{"type":"x"}' + END, "[]" + END, '{"type":1}' + END + "{",
                '{"type":1,"invocationId":5,"target":"x","arguments":[]}' + END],
)  # fmt: skip
def test_garbage_closes_that_connection_with_a_close_record(trader, rubbish):
    with trader.hub() as other, trader.hub() as hub:
        hub.socket.send(rubbish)
        assert hub.record() == GARBAGE
        assert hub.record() is None
        assert other.invoke("SubscribeContractQuotes", "C")["result"] == 0


def test_a_message_above_32_kilobytes_ends_the_connection(trader):
    with trader.hub() as hub:
        hub.socket.send(json.dumps({"type": 6, "x": "y" * 40_000}) + END)
        assert hub.record() is None
        assert hub.closed == 1009


def test_a_close_record_from_the_client_ends_the_connection(trader):
    with trader.hub() as hub:
        hub.say({"type": 7})
        assert hub.record() is None


def test_a_client_that_just_goes_is_forgotten(venue, trader):
    before = venue.connected()
    with trader.hub() as hub:
        wait_for(lambda: venue.connected() == before + 1)
        hub.socket.send(b"", CLOSE)
    wait_for(lambda: venue.connected() == before)


def test_one_client_may_have_many_connections(venue, trader):
    with trader.hub("user") as one, trader.hub("user") as two, trader.hub("market") as three:
        for hub in (one, two, three):
            assert isinstance(hub, Hub)
        wait_for(lambda: venue.connected() >= 3)
