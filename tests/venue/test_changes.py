"""Changing and cancelling an order: its id stays, its answer is the envelope, its end is final."""

from __future__ import annotations

from tests.venue.wishes import below, cancel, modify

# -- modify ----------------------------------------------------------------------------------------


def test_a_modify_keeps_the_id_and_moves_the_update_time(flat):
    order = flat.placed(type=1, limitPrice=below(flat))
    before = flat.until(order, 1)
    price = below(flat, 60)
    assert modify(flat, order, limitPrice=price).code == (True, 0, None)
    row = flat.find(order)
    assert row["limitPrice"] == price
    assert row["updateTimestamp"] > before["updateTimestamp"]


def test_a_modify_answer_is_the_envelope_alone(flat):
    order = flat.placed(type=1, limitPrice=below(flat))
    flat.until(order, 1)
    reply = modify(flat, order, size=2)
    assert reply.body.keys() == {"success", "errorCode", "errorMessage"}


def test_absent_and_null_members_stay_unchanged(flat):
    price = below(flat)
    order = flat.placed(type=1, limitPrice=price)
    flat.until(order, 1)
    assert modify(flat, order, size=3, limitPrice=None, stopPrice=None).body["success"]
    row = flat.find(order)
    assert (row["size"], row["limitPrice"]) == (3, price)


def test_modifying_what_never_was_is_code_2_without_a_message(flat):
    assert modify(flat, 123).code == (False, 2, None)


def test_modifying_in_another_account_is_code_1(flat):
    reply = flat.post("Order/modify", {"accountId": 1, "orderId": 123})
    assert reply.code == (False, 1, None)


def test_modifying_what_is_over_is_rejected(flat):
    order = flat.placed()
    flat.until(order, 2)
    assert modify(flat, order, size=2).code[:2] == (False, 3)


def test_a_modify_off_the_grid_is_code_3_with_the_text(flat):
    order = flat.placed(type=1, limitPrice=below(flat))
    flat.until(order, 1)
    reply = modify(flat, order, limitPrice=below(flat) + 0.1)
    assert reply.code == (False, 3, "Invalid limit price. Price is not aligned to tick size.")


def test_a_refused_modify_changes_nothing(flat):
    order = flat.placed(type=1, limitPrice=below(flat))
    before = flat.until(order, 1)
    modify(flat, order, limitPrice=1.0, size=2)
    assert flat.find(order) == before


# -- cancel ----------------------------------------------------------------------------------------


def test_a_cancel_ends_an_order_with_status_3(flat):
    order = flat.placed(type=1, limitPrice=below(flat))
    before = flat.until(order, 1)
    assert cancel(flat, order).code == (True, 0, None)
    row = flat.until(order, 3)
    assert row["updateTimestamp"] > before["updateTimestamp"]


def test_cancelling_what_never_was_is_code_2_without_a_message(flat):
    assert cancel(flat, 123).code == (False, 2, None)


def test_cancelling_in_another_account_is_code_1_without_a_message(flat):
    assert cancel(flat, 123, account=1).code == (False, 1, None)


def test_cancelling_what_is_over_is_code_5(flat):
    order = flat.placed()
    flat.until(order, 2)
    assert cancel(flat, order).code[:2] == (False, 5)
