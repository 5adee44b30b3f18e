"""Shapes of answers and events, the log of requests: what leaves the simulated venue."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.simulator import port_records as wire
from services.simulator.port_hubs import Ids
from services.simulator.port_log import Log
from services.simulator.port_shape import shape_of
from services.simulator.port_tokens import Mint, Window
from shared import settings as house
from shared.units import SECOND
from shared.venue import words
from shared.venue.answers import OrdersResponse, PositionsResponse

STAMP = "2026-11-18T15:35:00.1234567+00:00"
LEG = words.OrderModel(
    id=5, account_id=7, contract_id="C", symbol_id="F.US.MNQ", creation_timestamp=STAMP,
    update_timestamp=STAMP, status=8, type=4, side=1, size=1, trail_distance=-20,
    trail_price=-5.0, parent_order_id=4,
)  # fmt: skip
PLAIN = words.OrderModel(
    id=6, account_id=7, contract_id="C", creation_timestamp=STAMP, status=2, type=2, side=0, size=1
)
POSITION = words.PositionModel(
    id=1, account_id=7, contract_id="C", contract_display_name="MNQZ26", creation_timestamp=STAMP,
    type=1, size=1, average_price=5.0,
)  # fmt: skip
TAPE = words.TapePayload(price=1.0, timestamp=STAMP, volume=2, contract_id="C")
EXTRA = {"trailDistance", "trailPrice", "parentOrderId", "linkedOrderId"}


def shape(**changes):
    return shape_of(msgspec.structs.replace(house.load(env={}).simulator.wire, **changes))


def heard(event):
    [target, arguments] = [
        json.loads(event.record(wire.JSON)[:-1])[k] for k in ("target", "arguments")
    ]
    return target, arguments


def rest(dressed, *rows):
    return json.loads(dressed.answer(OrdersResponse(success=True, orders=rows)))["orders"]


def test_the_default_is_the_venue_of_today():
    dressed = shape()
    assert (dressed.wrapped, dressed.all_members, dressed.sparse, dressed.arrays) == (True,) * 4
    assert not dressed.null_rows
    assert not dressed.null_members


def test_classic_is_flat_full_and_documented():
    dressed = shape(profile="classic")
    assert (dressed.wrapped, dressed.all_members, dressed.sparse) == (False,) * 3


@pytest.mark.parametrize("profile", ["current", "classic"])
def test_each_switch_is_stronger_than_the_profile(profile):
    dressed = shape(profile=profile, user_events="flat", members="all", quotes="full")
    assert (dressed.wrapped, dressed.all_members, dressed.sparse) == (False, True, False)


def test_optional_members_are_absent_null_or_unknown():
    leg, plain = rest(shape(), LEG, PLAIN)
    assert leg["parentOrderId"] == 4
    assert "linkedOrderId" not in leg
    assert not EXTRA & plain.keys()
    leg, plain = rest(shape(missing_members="null"), LEG, PLAIN)
    assert leg["linkedOrderId"] is plain["parentOrderId"] is None
    leg, plain = rest(shape(members="documented"), LEG, PLAIN)
    assert not EXTRA & leg.keys()


def test_a_missing_list_stays_missing():
    assert json.loads(shape().answer(PositionsResponse(success=False, error_code=1))) == {
        "positions": None, "success": False, "errorCode": 1, "errorMessage": None,
    }  # fmt: skip


def test_a_user_event_is_wrapped_or_flat():
    target, [payload] = heard(shape().user(words.USER_POSITION, 1, POSITION))
    assert (target, payload["action"]) == ("GatewayUserPosition", 1)
    assert payload["data"]["contractDisplayName"] == "MNQZ26"
    _, [payload] = heard(shape(profile="classic").user(words.USER_POSITION, 1, POSITION))
    assert payload["id"] == 1
    assert "contractDisplayName" not in payload


def test_rows_are_an_array_single_objects_or_end_with_a_null():
    two = (TAPE, TAPE)
    [event] = shape().rows(words.TAPE, "C", two)
    assert len(heard(event)[1][1]) == 2
    assert len(shape(rows="objects").rows(words.TAPE, "C", two)) == 2
    [event] = shape(null_rows=True).rows(words.TAPE, "C", two)
    assert heard(event)[1][1][-1] is None


def test_a_sparse_quote_has_what_changed_and_who_it_is():
    before = {"symbol": "S", "bestBid": 1.0, "bestAsk": 2.0, "timestamp": "a"}
    after = {"symbol": "S", "bestBid": 1.0, "bestAsk": 3.0, "timestamp": "b"}
    _, [_, told] = heard(shape().quote("C", after, before))
    assert told == {"symbol": "S", "bestAsk": 3.0, "timestamp": "b"}
    assert heard(shape(quotes="full").quote("C", after, before))[1][1] == after
    assert heard(shape().quote("C", after, None))[1][1] == after


def test_a_wrong_clock_moves_every_time_and_nothing_else():
    dressed = shape()
    dressed.shift_ns = 3_600 * SECOND
    leg = rest(dressed, LEG)[0]
    assert leg["creationTimestamp"] == "2026-11-18T16:35:00.1234567+00:00"
    assert leg["trailPrice"] == -5.0
    _, [_, rows] = heard(dressed.rows(words.TAPE, "C", (TAPE,))[0])
    assert rows[0]["timestamp"][11:13] == "16"
    _, [payload] = heard(dressed.user(words.USER_POSITION, 1, POSITION))
    assert payload["data"]["creationTimestamp"][11:13] == "16"


@given(shift=st.integers(-(10**21), 10**21))
def test_no_wrong_clock_leaves_the_calendar(shift):
    dressed = shape()
    dressed.shift_ns = shift
    assert len(rest(dressed, LEG)[0]["creationTimestamp"]) >= 25


def test_an_event_is_encoded_once_per_protocol():
    event = wire.Event("X", {"a": 1.0})
    assert event.record(wire.JSON) is event.record(wire.JSON)
    assert event.record(wire.PACK) is event.record(wire.PACK)
    assert event.record(wire.JSON) != event.record(wire.PACK)


# -- the log ---------------------------------------------------------------------------------------


def test_the_log_keeps_the_latest_and_counts_all():
    log = Log(3)
    for number in range(5):
        log.close(log.open(number, "POST", "/x" * 500), 200, "answered")
    assert log.total == 5
    assert [row["number"] for row in log.shown("")] == [3, 4, 5]
    assert [row["number"] for row in log.shown("2")] == [4, 5]
    assert log.shown("0") == []
    assert all(len(row["path"]) == 200 for row in log.shown("x"))


def test_a_fault_s_own_word_is_not_overwritten():
    log = Log(3)
    row = log.open(1, "POST", "/x")
    row.outcome = "unanswered"
    log.close(row, 500, "answered")
    assert log.shown("")[0]["outcome"] == "unanswered"


# -- ids, tokens, windows --------------------------------------------------------------------------


def test_an_id_opens_one_socket_at_a_time():
    ids = Ids()
    given_id = ids.give()
    assert ids.take(given_id) == 0
    assert ids.take(given_id) == 409
    ids.free(given_id)
    assert ids.take(given_id) == 404
    assert ids.take("never given") == 404


def test_ids_that_are_not_used_are_forgotten(monkeypatch):
    monkeypatch.setattr("services.simulator.port_hubs.IDS_MAX", 10)
    ids = Ids()
    first = ids.give()
    for _ in range(20):
        ids.give()
    assert ids.take(first) == 404


def test_revoked_users_and_everybody():
    mint = Mint(b"k" * 32, 60)
    mine, other = mint.issue("Me"), mint.issue("other")
    mint.revoke_user("me")
    assert mint.check(mine) is None
    assert mint.check(other)
    assert mint.check(mint.issue("me"))
    mint.revoke_all()
    assert mint.check(other) is None
    assert mint.check(mint.issue("other"))


def test_a_wrong_clock_ends_tokens_early():
    mint = Mint(b"k" * 32, 60)
    token = mint.issue("me")
    mint.clock_ms = 61_000
    assert mint.check(token) is None
    assert mint.check(mint.issue("me"))
    mint.clock_ms = 0
    assert mint.check(token)


def test_fixed_windows_begin_anew_at_their_edge(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("services.simulator.port_tokens.time.monotonic", lambda: now[0])
    window = Window(2, 60.0, fixed=True)
    assert [window.wait_s("a") for _ in range(3)] == [0.0, 0.0, 20.0]
    now[0] = 120.0
    assert window.wait_s("a") == 0.0
