"""The venue's words on the wire: exact member names, nulls, tags cut off, a table of endpoints."""

from __future__ import annotations

import msgspec
import pytest

from shared.venue import answers, words
from shared.venue.answers import ENDPOINT_OF, ENDPOINTS, listless, rows

ORDER = words.OrderModel(
    id=3511002001,
    account_id=7,
    contract_id="CON.F.US.MES.Z26",
    symbol_id="F.US.MES",
    creation_timestamp="2026-11-02T15:30:25.393833+00:00",
    status=1,
    type=1,
    side=0,
    size=2,
    limit_price=6875.25,
)


def test_a_place_request_has_the_venue_s_names_and_no_tag():
    bracket = words.BracketModel(ticks=-20, type=4)
    request = words.PlaceOrder(
        account_id=1, contract_id="C", type=2, side=0, size=2, stop_loss_bracket=bracket
    )
    assert msgspec.json.decode(words.to_json(request)) == {
        "accountId": 1, "contractId": "C", "type": 2, "side": 0, "size": 2,
        "limitPrice": None, "stopPrice": None, "trailPrice": None, "customTag": None,
        "stopLossBracket": {"ticks": -20, "type": 4}, "takeProfitBracket": None,
    }  # fmt: skip


def test_rest_rows_write_nulls_and_leave_out_what_is_unset():
    plain = msgspec.json.decode(
        words.to_json(answers.OrdersResponse(success=True, orders=(ORDER,)))
    )
    row = plain["orders"][0]
    assert row["stopPrice"] is None
    assert row["customTag"] is None
    assert "parentOrderId" not in row  # strict clients build rows from the members they know
    assert "trailDistance" not in row
    assert "kind" not in row
    assert set(plain) == {"success", "errorCode", "errorMessage", "orders"}


@pytest.mark.parametrize(
    "text", ["t", '"', '","kind":"x","', '"kind":', 'a,"kind":1}', "\\", "\u2028,\n"]
)
def test_cutting_the_tag_off_the_text_is_cutting_it_out_of_the_mapping(text: str) -> None:
    """Whatever the texts inside say: a request becomes the same body as by way of mappings."""
    bracket = words.BracketModel(ticks=-20, type=4)
    for body in (
        words.PlaceOrder(
            account_id=1, contract_id=text, type=2, side=0, size=2, custom_tag=text,
            take_profit_bracket=bracket,
        ),
        words.OrderQuery(filter=words.QueryFilter(account_id=1, statuses=(1, 6))),
        words.LoginKey(user_name=text, api_key=text),
        words.Logout(),
        words.Ping(),
        answers.OrdersResponse(success=True, orders=(ORDER, ORDER), error_message=text),
        answers.PlaceResponse(success=False, order_id=1, error_message=text),
    ):  # fmt: skip
        assert words.to_json(body) == msgspec.json.encode(words.to_plain(body)), body


def test_hub_payloads_leave_out_nulls():
    plain = words.to_hub(ORDER)
    assert None not in plain.values()
    assert "stopPrice" not in plain
    assert "kind" not in plain
    assert plain["limitPrice"] == 6875.25


def test_an_empty_body_is_no_success():
    with pytest.raises(msgspec.ValidationError, match="success"):
        msgspec.json.decode(b"{}", type=answers.PlaceResponse)


def test_unknown_members_and_missing_optional_ones_are_tolerated():
    row = b"""{"id":1,"accountId":2,"contractId":"C","creationTimestamp":"2026-01-01T00:00:00Z",
        "status":8,"type":4,"side":1,"size":1,"novelty":{"a":1},"trailDistance":null}"""
    model = msgspec.json.decode(row, type=words.OrderModel)
    assert (model.status, model.trail_distance, model.custom_tag) == (8, None, None)


@pytest.mark.parametrize("missing", ["id", "accountId", "contractId", "status", "side", "size"])
def test_a_row_without_what_makes_it_an_order_is_refused(missing):
    plain = words.to_hub(ORDER)
    del plain[missing]
    with pytest.raises(msgspec.ValidationError, match=missing):
        msgspec.convert(plain, words.OrderModel)


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 10**40])
def test_a_number_that_no_journal_holds_is_no_word_of_the_venues(value: int) -> None:
    for body in (ORDER, answers.PlaceResponse(success=True)):
        plain = {**msgspec.json.decode(words.to_json(body)), "id": 1, "orderId": value}
        plain.update({"size": value} if body is ORDER else {})
        with pytest.raises(msgspec.ValidationError, match="Expected `int`"):
            msgspec.json.decode(msgspec.json.encode(plain), type=type(body))


def test_every_whole_number_of_the_venue_is_one_that_a_journal_holds() -> None:
    """Of any word, also of those to come."""
    seen = 0
    kinds = [*vars(words).values(), *vars(answers).values()]
    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, words.Part | words.Body)):
            continue
        for field in msgspec.inspect.type_info(kind).fields:
            for found in numbers_in(field.type):
                assert found.le == 2**63 - 1, f"{kind.__name__}.{field.name}"
                seen += 1
    assert seen > 50


def numbers_in(found: msgspec.inspect.Type) -> list[msgspec.inspect.IntType]:
    """The whole numbers of a member's type, not those of other words in it."""
    if isinstance(found, msgspec.inspect.IntType):
        return [found]
    if isinstance(found, msgspec.inspect.UnionType):
        return [one for kind in found.types for one in numbers_in(kind)]
    item = getattr(found, "item_type", None)
    return numbers_in(item) if item is not None else []


def test_missing_simulated_is_not_true():
    row = b'{"id":1,"name":"A","balance":1.5,"canTrade":true,"isVisible":true}'
    assert msgspec.json.decode(row, type=words.AccountModel).simulated is None


def test_nulls_in_lists_are_dropped():
    body = b'{"success":true,"orders":[null,null]}'
    assert rows(msgspec.json.decode(body, type=answers.OrdersResponse).orders) == ()
    assert rows(None) == ()


def test_a_missing_list_is_not_an_empty_list():
    assert listless(answers.PositionsResponse(success=True))
    assert not listless(answers.PositionsResponse(success=True, positions=()))
    assert not listless(answers.PlaceResponse(success=True))
    assert not listless(answers.ContractResponse(success=True))


def test_any_request_survives_a_journal():
    class Carrier(msgspec.Struct):
        request: words.Request
        response: answers.AnyResponse
        payload: words.UserPayload

    carrier = Carrier(
        words.OrderQuery(filter=words.QueryFilter(account_id=1, statuses=(1, 6))),
        answers.OrdersResponse(success=True, orders=(ORDER,)),
        ORDER,
    )
    packed = msgspec.msgpack.encode(carrier)
    assert msgspec.msgpack.decode(packed, type=Carrier) == carrier


def test_every_endpoint_once_and_only_acts_mutate():
    assert len(ENDPOINT_OF) == len(ENDPOINTS) == len({entry.path.lower() for entry in ENDPOINTS})
    acts = {entry.request for entry in ENDPOINTS if entry.mutates}
    assert acts == {
        words.PlaceOrder, words.ModifyOrder, words.CancelOrder, words.PositionClose,
        words.PositionPartialClose,
    }  # fmt: skip
    assert all(entry.uncertain for entry in ENDPOINTS if entry.mutates)


def test_secrets_do_not_print():
    assert "s3cret" not in repr(words.LoginKey(user_name="u", api_key="s3cret"))
    assert "s3cret" not in repr(answers.LoginResponse(success=True, token="s3cret"))
    assert "s3cret" not in repr(answers.ValidateResponse(success=True, new_token="s3cret"))
