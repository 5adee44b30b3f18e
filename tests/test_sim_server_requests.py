"""Bodies as strangers send them: sloppy names and empty optionals pass, missing members do not."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.simulator import port_records as wire
from services.simulator.port_requests import ROUTES, BadRequest, parse
from services.simulator.port_tokens import Mint, Window, load_key
from shared.venue import words
from shared.venue.answers import ENDPOINTS

ORDER = {"accountId": 1, "contractId": "C", "type": 2, "side": 0, "size": 1}


def parsed(body, kind=words.PlaceOrder):
    return parse(json.dumps(body).encode(), kind)


def test_names_match_in_any_case_and_unknown_members_are_ignored():
    asked = parsed({"ACCOUNTID": 1, "contractid": "C", "Type": 2, "side": 0, "size": 1, "x": [1]})
    assert asked == words.PlaceOrder(account_id=1, contract_id="C", type=2, side=0, size=1)


def test_empty_zero_and_null_optionals_mean_nothing():
    asked = parsed(
        {**ORDER, "limitPrice": 0, "stopPrice": None, "customTag": "", "linkedOrderId": None,
         "stopLossBracket": {"ticks": 0, "type": 4}, "takeProfitBracket": {"Ticks": 40, "TYPE": 1}}
    )  # fmt: skip
    assert asked.limit_price is asked.stop_price is asked.custom_tag is None
    assert asked.stop_loss_bracket is None
    assert asked.take_profit_bracket == words.BracketModel(ticks=40, type=1)
    assert parsed(
        {"accountId": 1, "startTimestamp": "2026-01-01", "endTimestamp": ""} | {
            "startTimestamp": "2026-01-01T00:00:00"}, words.OrderSearch,
    ).end_timestamp is None  # fmt: skip


def test_a_wrong_type_of_order_is_business_and_no_bad_request():
    assert parsed({**ORDER, "type": 999, "size": -4}).type == 999


@pytest.mark.parametrize("name", sorted(ORDER))
def test_a_missing_member_is_named(name):
    with pytest.raises(BadRequest) as caught:
        parsed({key: value for key, value in ORDER.items() if key != name})
    problem = caught.value.problem
    assert problem.status == 400
    assert list(problem.errors) == [name, "request"]
    with pytest.raises(BadRequest):
        parsed({**ORDER, name: None})


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"size": "one"}, "$.size"), ({"accountId": "1"}, "$.accountId"), ({"side": 0.5}, "$.side"),
        ({"limitPrice": "1"}, "$.limitPrice"), ({"contractId": 7}, "$.contractId"),
        ({"stopLossBracket": 5}, "$.stopLossBracket"), ({"size": True}, "$.size"),
        ({"stopLossBracket": {"ticks": 4}}, "stopLossBracket.type"),
    ],
)  # fmt: skip
def test_a_wrong_type_is_named(changed, key):
    with pytest.raises(BadRequest) as caught:
        parsed({**ORDER, **changed})
    assert key in caught.value.problem.errors


def test_a_bad_date_is_a_bad_request():
    with pytest.raises(BadRequest) as caught:
        parsed({"accountId": 1, "startTimestamp": "yesterday"}, words.TradeSearch)
    assert "$.startTimestamp" in caught.value.problem.errors


def test_a_nested_filter_is_read_and_demanded():
    asked = parsed({"Filter": {"ACCOUNTID": 3, "statuses": [1, 6, 7, 8]}}, words.OrderQuery)
    assert asked.filter == words.QueryFilter(account_id=3, statuses=(1, 6, 7, 8))
    with pytest.raises(BadRequest) as caught:
        parsed({"filter": {}}, words.OrderQuery)
    assert "filter.accountId" in caught.value.problem.errors


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"7", b'"x"', b"\xff"])
def test_no_object_is_a_bad_request(body):
    with pytest.raises(BadRequest):
        parse(body, words.PlaceOrder)


@pytest.mark.parametrize("body", [b"", b"{}", b' {"anything": 1} '])
def test_bodiless_requests_take_nothing_and_anything(body):
    assert parse(body, words.Validate) == words.Validate()


@given(st.sampled_from(ENDPOINTS), st.binary(max_size=60))
def test_no_body_crashes_the_parser(endpoint, body):
    try:
        parse(body, endpoint.request)
    except BadRequest as bad:
        assert bad.problem.status == 400  # noqa: PT017


jsons = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.sampled_from(ENDPOINTS), st.data())
def test_no_members_crash_the_parser(endpoint, data):
    names = [field.encode_name for field in msgspec.structs.fields(endpoint.request)]
    body = data.draw(st.fixed_dictionaries({name: jsons for name in names}))
    try:
        parse(json.dumps(body, allow_nan=True).encode(), endpoint.request)
    except BadRequest as bad:
        assert bad.problem.errors  # noqa: PT017


def test_every_endpoint_has_a_route():
    assert "/api/order/place" in ROUTES
    assert len(ROUTES) == len(ENDPOINTS) + 1  # loginApp, which nobody of ours asks


# -- tokens ----------------------------------------------------------------------------------------


def test_tokens_are_checked_by_signature_life_and_logout():
    mint = Mint(b"k" * 32, 60)
    token = mint.issue("trader")
    claims = mint.check(token)
    assert claims.sub == "trader"
    assert claims.exp - claims.iat == 60
    assert mint.check(mint.issue("trader")) != claims
    assert Mint(b"x" * 32, 60).check(token) is None
    assert Mint(b"k" * 32, 60).check(token) == claims  # known after a restart
    assert Mint(b"k" * 32, 0).check(Mint(b"k" * 32, 0).issue("u")) is None
    mint.revoke(claims)
    assert mint.check(token) is None


@given(st.text(max_size=30))
def test_no_text_is_a_token(text):
    assert Mint(b"k" * 32, 60).check(text) is None


def test_a_token_with_another_s_claims_is_none():
    mint = Mint(b"k" * 32, 60)
    head, _, signature = mint.issue("a").split(".")
    assert mint.check(f"{head}.{mint.issue('b').split('.')[1]}.{signature}") is None


def test_the_key_is_kept_and_private(tmp_path):
    path = tmp_path / "deep" / "simulator.key"
    key = load_key(path)
    assert load_key(path) == key
    assert len(key) == 32
    assert path.stat().st_mode & 0o077 == 0
    path.write_bytes(b"short")
    assert len(load_key(path)) == 32


def test_windows_slide_per_token():
    window = Window(3, 60.0)
    assert [window.wait_s("a") for _ in range(3)] == [0.0] * 3
    assert 59 < window.wait_s("a") <= 60
    assert window.wait_s("b") == 0.0


# -- records ---------------------------------------------------------------------------------------


def test_frames_hold_whole_records():
    assert [one.type for one in wire.JSON.read(b'{"type":6}\x1e{"type":6}\x1e')] == [6, 6]
    with pytest.raises(wire.Garbage):
        wire.JSON.read(b'{"type":6}\x1e{"ty')


def test_packed_frames_hold_whole_records():
    assert [one.type for one in wire.PACK.read(wire.PACK.ping * 3)] == [6, 6, 6]
    for cut in range(1, len(wire.PACK.ping)):
        with pytest.raises(wire.Garbage):
            wire.PACK.read(wire.PACK.ping * 2 + wire.PACK.ping[:cut])
    with pytest.raises(wire.Garbage):
        wire.PACK.read(b"\x80" * 6)


@pytest.mark.parametrize("size", [1, 127, 128, 300, 16_383, 16_384, 70_000])
def test_packed_records_carry_their_length(size):
    made = wire.PACK.event("x" * size, [1])
    at, length = wire._length(made, 0)
    assert at + length == len(made)
    [said] = wire.PACK.read(made)
    assert (said.type, said.target, said.arguments) == (1, "x" * size, [1])


@pytest.mark.parametrize("protocol", ["json", "messagepack"])
@pytest.mark.parametrize("version", [0, 1, 2])
def test_handshake_versions(version, protocol):
    codec, why = wire.handshake(json.dumps({"version": version, "protocol": protocol}).encode())
    assert (codec.name, why) == (protocol, "")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"protocol":"xml","version":1}', "'xml'"),
        ('{"protocol":"json","version":7}', "version 7"), ("{}", "handshake"), ("no", "handshake"),
        ("[" * 9_000, "handshake"),
    ],
)  # fmt: skip
def test_handshakes_that_are_refused(text, why):
    codec, told = wire.handshake(text.encode())
    assert codec is None
    assert why in told


@pytest.mark.parametrize("codec", [wire.JSON, wire.PACK], ids=lambda codec: codec.name)
@given(data=st.binary(max_size=60))
def test_no_bytes_crash_the_record_reader(codec, data):
    try:
        codec.read(data)
    except wire.Garbage as error:
        assert str(error)  # noqa: PT017
