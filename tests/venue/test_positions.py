"""Positions, closes, trades, and the account's balance."""

from __future__ import annotations

from tests.venue.stage import LONG_AGO, wait_for


def close(trader, contract=None, account=None):
    body = {"accountId": account or trader.account, "contractId": contract or trader.contract()}
    return trader.post("Position/closeContract", body)


def partial(trader, size, contract=None):
    body = {"accountId": trader.account, "contractId": contract or trader.contract(), "size": size}
    return trader.post("Position/partialCloseContract", body)


def bought(trader, size=1, **wish):
    order = trader.until(trader.placed(size=size, **wish), 2)
    wait_for(trader.positions)
    return order


def test_a_position_row_has_its_members(flat):
    bought(flat)
    assert flat.positions()[0].keys() == {
        "id", "accountId", "contractId", "contractDisplayName", "creationTimestamp", "type", "size",
        "averagePrice",
    }  # fmt: skip


def test_long_is_1_and_short_is_2_and_sizes_are_positive(flat):
    bought(flat, 2)
    row = flat.positions()[0]
    assert (row["type"], row["size"]) == (1, 2)
    flat.until(flat.placed(side=1, size=4), 2)
    row = wait_for(lambda: (rows := flat.positions()) and rows[0]["type"] == 2 and rows[0])
    assert row["size"] == 2


def test_the_display_name_has_a_year_of_two_digits(flat):
    bought(flat)
    assert flat.positions()[0]["contractDisplayName"] == "MESZ26"


def test_one_row_per_contract_with_the_average_price(flat):
    fills = [bought(flat)["filledPrice"], bought(flat)["filledPrice"]]
    wait_for(lambda: flat.positions()[0]["size"] == 2)
    [row] = flat.positions()
    assert row["averagePrice"] == sum(fills) / 2


def test_a_flat_contract_has_no_row(flat):
    bought(flat)
    flat.until(flat.placed(side=1), 2)
    wait_for(lambda: flat.positions() == [])


def test_the_id_stays_while_the_position_does(flat):
    bought(flat)
    first = flat.positions()[0]
    bought(flat)
    assert flat.positions()[0]["id"] == first["id"]
    assert flat.positions()[0]["creationTimestamp"] == first["creationTimestamp"]


def test_positions_of_another_account_are_code_1(flat):
    assert flat.post("Position/searchOpen", {"accountId": 1}).code == (False, 1, None)


def test_a_close_answers_no_order_id(flat):
    bought(flat)
    assert close(flat).body == {"success": True, "errorCode": 0, "errorMessage": None}
    wait_for(lambda: not flat.positions())


def test_the_close_s_order_is_an_untagged_market_order(flat):
    bought(flat, 2)
    close(flat)
    wait_for(lambda: not flat.positions())
    found = flat.post("Order/search", {"accountId": flat.account, "startTimestamp": LONG_AGO})
    last = found.body["orders"][-1]
    assert (last["type"], last["side"], last["size"], last["customTag"]) == (2, 1, 2, None)


def test_a_close_leaves_resting_orders_alone(flat):
    bought(flat, stopLossBracket={"ticks": -60, "type": 4})
    wait_for(flat.open_orders)
    close(flat)
    wait_for(lambda: not flat.positions())
    assert [row["type"] for row in flat.open_orders()] == [4]


def test_closing_nothing_is_code_2(flat):
    assert close(flat).code == (False, 2, None)


def test_closing_in_another_account_is_code_1(flat):
    assert close(flat, account=1).code == (False, 1, None)


def test_closing_an_unknown_contract_is_code_3(flat):
    assert close(flat, "CON.F.US.NOPE.Z26").code == (False, 3, None)


def test_a_part_can_be_closed(flat):
    bought(flat, 3)
    assert partial(flat, 2).body == {"success": True, "errorCode": 0, "errorMessage": None}
    wait_for(lambda: flat.positions()[0]["size"] == 1)


def test_a_part_that_is_none_or_too_large_is_code_5(flat):
    bought(flat)
    for size in (0, -1, 2):
        assert partial(flat, size).code == (False, 5, None)


def test_a_part_of_nothing_is_code_2(flat):
    assert partial(flat, 1).code == (False, 2, None)


def test_a_part_without_its_size_is_400(flat):
    body = {"accountId": flat.account, "contractId": flat.contract()}
    assert flat.post("Position/partialCloseContract", body).status == 400


# -- trades ----------------------------------------------------------------------------------------


def test_a_trade_row_has_its_members_and_no_symbol(flat):
    bought(flat)
    row = flat.trades()[0]
    assert {"id", "accountId", "contractId", "creationTimestamp", "price", "profitAndLoss", "fees",
            "side", "size", "voided", "orderId"} == row.keys() - {"commissions"}  # fmt: skip
    assert row["voided"] is False


def test_an_opening_fill_has_null_profit_and_a_closing_one_a_number(flat):
    bought(flat)
    assert flat.trades()[0]["profitAndLoss"] is None
    flat.until(flat.placed(side=1), 2)
    row = wait_for(lambda: (rows := flat.trades())[0]["side"] == 1 and rows[0])
    entry = flat.trades()[1]
    assert row["profitAndLoss"] == (row["price"] - entry["price"]) * 5


def test_trades_are_newest_first_and_name_their_order(flat):
    first, second = bought(flat)["id"], bought(flat)["id"]
    assert [row["orderId"] for row in flat.trades()[:2]] == [second, first]


def test_a_trade_search_may_leave_out_its_start(flat):
    bought(flat)
    assert flat.post("Trade/search", {"accountId": flat.account}).body["trades"]


def test_the_balance_is_realised_profit_less_fees(flat):
    account = flat.account

    def balance():
        rows = flat.post("Account/search", {"onlyActiveAccounts": True}).body["accounts"]
        return next(row["balance"] for row in rows if row["id"] == account)

    known, before = {row["id"] for row in flat.trades()}, balance()
    bought(flat, 2)
    flat.until(flat.placed(side=1, size=2), 2)
    wait_for(lambda: not flat.positions())
    told = [row for row in flat.trades() if row["id"] not in known]
    paid = sum(row["fees"] + row.get("commissions", 0.0) for row in told)
    change = sum(row["profitAndLoss"] or 0.0 for row in told) - paid
    assert abs(balance() - before - change) < 1e-6


def test_an_account_row_has_exactly_six_members(trader):
    for row in trader.post("Account/search", {"onlyActiveAccounts": True}).body["accounts"]:
        assert row.keys() == {"id", "name", "balance", "canTrade", "isVisible", "simulated"}
        assert row["simulated"] is True
        assert 0 < row["id"] < 2**31
