"""Accounts that are not like the first one, over the wire: bracket modes, followers, live money.

And the refusals that only they, or a fault, can bring about, in the venue's own words.
"""

from __future__ import annotations

import pytest

from shared.sections import SimulatedAccount
from tests.venue.stage import LONG_AGO, wait_for
from tests.venue.wishes import below, cancel, refused

SETTINGS = {
    "accounts": (
        SimulatedAccount(name="SIM-50K-1", daily_loss=True),
        SimulatedAccount(name="POSITION", brackets="position", position_stop=100),
        SimulatedAccount(name="FOLLOWER", access="follower"),
        SimulatedAccount(name="LIVE", access="live"),
    )
}
MES = "CON.F.US.MES.Z26"


def account_of(trader, name):
    rows = trader.post("Account/search", {"onlyActiveAccounts": True}).body["accounts"]
    (found,) = [row for row in rows if row["name"] == name]
    return found


@pytest.fixture
def ids(trader):
    return {name: account_of(trader, name)["id"] for name in ("POSITION", "FOLLOWER", "LIVE")}


def test_every_account_is_listed_and_only_live_money_is_not_simulated(trader):
    rows = trader.post("Account/search", {"onlyActiveAccounts": True}).body["accounts"]
    assert {row["name"]: row["simulated"] for row in rows} == {
        "SIM-50K-1": True, "POSITION": True, "FOLLOWER": True, "LIVE": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    "leg", [{"stopLossBracket": {"ticks": -20, "type": 4}},
            {"takeProfitBracket": {"ticks": 20, "type": 1}}]
)  # fmt: skip
def test_brackets_are_refused_in_position_mode(trader, ids, leg):
    text = refused(trader.order(accountId=ids["POSITION"], **leg))
    assert text == (
        "Brackets cannot be used with Position Brackets. You must enable Auto OCO Brackets."
    )


def test_the_platform_guards_a_position_in_position_mode(trader, ids):
    body = {"accountId": ids["POSITION"], "contractId": MES}
    assert trader.order(accountId=ids["POSITION"]).body["success"]
    (stop,) = wait_for(lambda: trader.post("Order/searchOpen", body).body["orders"])
    assert (stop["type"], stop["side"], stop["customTag"]) == (4, 1, None)
    assert trader.post("Position/closeContract", body).body["success"]
    wait_for(lambda: not trader.post("Order/searchOpen", body).body["orders"])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("FOLLOWER", "Follower accounts cannot cancel orders"),
        ("LIVE", "Live accounts not supported"),
    ],
)
def test_cancels_of_other_accounts_are_code_6_with_their_texts(trader, ids, name, text):
    assert cancel(trader, 1, account=ids[name]).code == (False, 6, text)


@pytest.mark.parametrize("name", ["FOLLOWER", "LIVE"])
@pytest.mark.parametrize(
    ("path", "members", "code"),
    [
        ("Order/place", {"contractId": MES, "type": 2, "side": 0, "size": 1}, 10),
        ("Order/modify", {"orderId": 1, "size": 2}, 6),
        ("Position/closeContract", {"contractId": MES}, 8),
        ("Position/partialCloseContract", {"contractId": MES, "size": 1}, 9),
    ],
)
def test_other_accounts_are_rejected_for_every_change(trader, ids, name, path, members, code):
    reply = trader.post(path, {"accountId": ids[name], **members})
    assert reply.code == (False, code, None)
    assert reply.body.get("orderId") is None


@pytest.mark.parametrize("name", ["FOLLOWER", "LIVE"])
def test_other_accounts_can_be_looked_at(trader, ids, name):
    for path in ("Order/search", "Order/searchOpen", "Position/searchOpen", "Trade/search"):
        body = {"accountId": ids[name], "startTimestamp": LONG_AGO}
        assert trader.post(path, body).code == (True, 0, None)


# -- refusals of the market ------------------------------------------------------------------------


def test_a_contract_without_a_quote(trader):
    assert refused(trader.order(contractId="CON.F.US.CLE.F27")) == "Invalid symbol"


def test_a_trail_without_a_last_price(flat):
    state = flat.venue.host.core._machines.exchange.books["MES"].state

    def forget():
        kept, state.last = state.last, 0
        return kept

    level = below(flat, 60)
    account = flat.account
    for _ in range(50):
        kept = flat.venue.do(forget)
        reply = flat.order(accountId=account, contractId=MES, type=5, side=1, trailPrice=level)
        if reply.body["errorMessage"]:  # no print came in between
            break
    flat.venue.do(lambda: setattr(state, "last", state.last or kept))
    assert refused(reply) == "Cannot trail without a last price"


def test_pending_is_code_6_without_an_id_and_the_order_is_found_by_its_tag(flat):
    tag = flat.tag()
    flat.fault("PENDING_ANSWER", 1)
    reply = flat.order(customTag=tag)
    assert reply.code == (False, 6, None)
    assert reply.body["orderId"] is None

    def mine():
        return [row for row in flat.query().body["orders"] if row["customTag"] == tag]

    (row,) = wait_for(lambda: [row for row in mine() if row["status"] == 2])
    assert row["fillVolume"] == 1


def test_what_was_on_its_way_when_a_halt_began_is_cancelled_if_it_would_trade(flat):
    """The order is accepted; that it is cancelled is told by the hub and by searches."""
    flat.fault("HALT_MARKET", 0)
    core = flat.venue.host.core

    def place_and_halt():
        from services.simulator.words import Call, Fault, FaultKind
        from shared.venue.words import PlaceOrder

        now = flat.venue.host.now_ns()
        asked = PlaceOrder(account_id=account, contract_id=MES, type=2, side=0, size=1)
        said = [*core.on(now, Call(call_id=1, request=asked))]
        said += core.on(now, Fault(call_id=2, kind=FaultKind.HALT_MARKET, amount=60_000))
        for word in said:
            flat.venue.host.port.handle(word)
        return [word.response.order_id for word in said if getattr(word, "call_id", 0) == 1]

    account = flat.account
    (order,) = flat.venue.do(place_and_halt)
    try:
        assert flat.until(order, 2, 3)["status"] == 3
        assert not flat.positions()
    finally:
        flat.fault("HALT_MARKET", 0)
