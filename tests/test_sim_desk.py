"""Requests that change something: codes, texts and checks in the venue's order."""

from __future__ import annotations

from typing import Any

import pytest

from shared.venue import words as venue
from shared.venue.words import BracketModel
from tests.sim_stage import ACCOUNT, ES, MES, UNAVAILABLE, Bench, calm

RANGE = "Invalid price. Price is outside allowed range."

bench = pytest.fixture(calm)


def last(bench: Bench) -> float:
    return float(bench.book().last * 0.25)


# -- place -----------------------------------------------------------------------------------------


def test_account_then_contract_come_first_and_make_no_order(bench: Bench) -> None:
    wrong = bench.place("CON.F.US.QQQ.Z26", account_id=1)
    assert (wrong.success, wrong.error_code, wrong.order_id) == (False, 1, None)
    for contract in ("CON.F.US.QQQ.Z26", "MES", "", "CON.F.US.MES.Z31", "CON.F.US.MES.X26"):
        unknown = bench.place(contract, type=999)
        assert (unknown.error_code, unknown.order_id) == (8, None)
    expired = bench.place("CON.F.US.MES.U26", type=999)
    assert (expired.error_code, expired.order_id) == (9, None)
    assert bench.truth().orders == ()


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"type": 999}, "Invalid order type specified"),
    ({"type": 3, "limit_price": 6_900.0, "stop_price": 6_900.0}, "Invalid order type specified"),
    ({"type": 0}, "Invalid order type specified"),
    ({"size": 0}, "Invalid order size specified"),
    ({"size": -1}, "Invalid order size specified"),
    ({"side": 2}, "Invalid order side specified"),
    ({"type": 1}, RANGE),
    ({"type": 1, "limit_price": 0.0}, RANGE),
    ({"type": 1, "limit_price": 1.0}, RANGE),
    ({"type": 1, "limit_price": -6_900.0}, RANGE),
    ({"type": 1, "limit_price": 9_900.0}, RANGE),
    (
        {"type": 1, "limit_price": 6_900.1},
        "Invalid limit price. Price is not aligned to tick size.",
    ),
    (
        {"type": 1, "limit_price": float("inf")},
        "Invalid limit price. Price is not aligned to tick size.",
    ),
    ({"type": 4}, RANGE),
    ({"type": 4, "stop_price": 6_800.0}, RANGE),
    ({"type": 4, "side": 1, "stop_price": 7_000.0}, RANGE),
    ({"type": 4, "stop_price": 6_999.9}, "Invalid stop price. Price is not aligned to tick size."),
    ({"type": 5}, "Trail Distance not set."),
    (
        {"type": 5, "trail_price": 6_900.1},
        "Invalid trail price. Price is not aligned to tick size.",
    ),
    ({"type": 5, "trail_price": 5.0}, "Trail Distance exceeds maximum (1000)"),
    ({"sl": 40}, "Invalid stop loss ticks (40). Ticks should be less than zero when longing."),
    (
        {"side": 1, "tp": 30},
        "Invalid take profit ticks (30). Ticks should be less than zero when going short.",
    ),
    (
        {"side": 1, "sl": -30},
        "Invalid stop loss ticks (-30). Ticks should be greater than zero when going short.",
    ),
    ({"tp": -8}, "Invalid take profit ticks (-8). Ticks should be greater than zero when longing."),
    (
        {"sl": -3},
        "Invalid stop loss ticks (-3). Stop loss tick value should be at least 4 ticks.",
    ),
    (
        {"tp": 3},
        "Invalid take profit ticks (3). Take profit tick value should be at least 4 ticks.",
    ),
    ({"stop_loss_bracket": BracketModel(ticks=-8, type=1)}, "Invalid stop loss type (Limit)"),
    ({"take_profit_bracket": BracketModel(ticks=8, type=4)}, "Invalid take profit type (Stop)"),
    ({"size": 51}, "Not enough margin."),
]


@pytest.mark.parametrize(("wish", "text"), REFUSALS)
def test_refused_order_exists_and_keeps_its_tag(
    bench: Bench, wish: dict[str, Any], text: str
) -> None:
    answer = bench.place(**wish, custom_tag="mine")
    assert (answer.success, answer.error_code, answer.error_message) == (False, 2, text)
    order = bench.order(answer.order_id)
    assert (order.status, order.fill_volume, order.custom_tag) == (5, 0, "mine")
    (push,) = bench.pushes()
    assert (push.target, push.action, push.payload.status) == ("GatewayUserOrder", 1, 5)
    again = bench.place(custom_tag="mine")
    assert again.error_message == "Specified custom tag is already in use"
    assert again.order_id > answer.order_id
    assert bench.order(again.order_id).status == 5


def test_quote_is_needed(bench: Bench) -> None:
    answer = bench.place(ES)
    assert (answer.error_code, answer.error_message) == (2, "Invalid symbol")
    assert bench.order(answer.order_id).status == 5


def test_a_tag_is_used_for_ever(bench: Bench) -> None:
    first = bench.place(custom_tag="t", sl=-8)
    assert first.success
    bench.run(1)
    for tag in ("t", "t-SL"):
        again = bench.place(custom_tag=tag)
        assert (again.error_code, again.error_message) == (
            2,
            "Specified custom tag is already in use",
        )
    assert bench.place(custom_tag="").success, "an empty tag is none"
    assert bench.place(custom_tag=None).success
    truth = bench.truth()
    assert (truth.tags_used, truth.tags_refused) == (2, 2)


def test_zero_brackets_are_none(bench: Bench) -> None:
    answer = bench.place(
        stop_loss_bracket=BracketModel(ticks=0, type=0),
        take_profit_bracket=BracketModel(ticks=0, type=0),
        limit_price=0.0,
        stop_price=0.0,
    )
    assert answer.success
    bench.run(1)
    assert bench.truth().open_orders == ()


@pytest.mark.parametrize(
    ("start", "opens"),
    [
        ("2026-11-18T15:09:58-06:00", True),
        ("2026-11-18T15:10:00-06:00", False),
        ("2026-11-18T16:30:00-06:00", False),
        ("2026-11-18T17:00:01-06:00", True),
        ("2026-11-21T12:00:00-06:00", False),
        ("2026-11-27T11:56:00-06:00", True),  # early close at 12:15: flat by 12:00
        ("2026-11-27T12:00:01-06:00", False),
    ],
)
def test_hours(start: str, opens: bool) -> None:
    bench = Bench(start=start)
    bench.run(0.5)
    answer = bench.place()
    assert answer.success is opens
    if not opens:
        assert (answer.error_code, answer.error_message) == (2, UNAVAILABLE)
    assert bench.place(type=999).error_message == "Invalid order type specified"


def test_position_can_be_closed_after_the_flat_by_time_until_the_close() -> None:
    bench = Bench(start="2026-11-18T15:09:50-06:00", regime="calm", firm_rules=False)
    bench.run(1)
    assert bench.place().success
    bench.run(20)
    assert bench.place(side=1).error_message == UNAVAILABLE
    assert bench.ask(venue.PositionClose(account_id=ACCOUNT, contract_id=MES)).success
    bench.run(1)
    assert bench.truth().positions[0].lots == 0


def test_closes_after_the_close_are_rejected() -> None:
    start = "2026-11-27T11:59:50-06:00"  # closes at 12:15
    bench = Bench(start=start, regime="calm", firm_rules=False)
    bench.run(1)
    assert bench.place().success
    bench.run(1)
    while bench.now < bench.core._machines.hours.day(bench.now).closes_ns + 10**9:
        bench.now += 60 * 10**9
        bench.run(0.02)
    close = bench.ask(venue.PositionClose(account_id=ACCOUNT, contract_id=MES))
    part = bench.ask(venue.PositionPartialClose(account_id=ACCOUNT, contract_id=MES, size=1))
    assert (close.error_code, part.error_code) == (5, 6)
    assert (close.error_message, part.error_message) == (None, None)


def test_position_cap_counts_what_is_held(bench: Bench) -> None:
    assert bench.place(size=50).success
    bench.run(1)
    assert bench.place(size=1).error_message == "Not enough margin."
    assert bench.place(size=100, side=1).success, "through zero to the same size"


# -- modify ----------------------------------------------------------------------------------------


def modify(bench: Bench, order_id: int, **wish: Any) -> Any:
    return bench.ask(venue.ModifyOrder(**{"account_id": ACCOUNT, "order_id": order_id, **wish}))


def cancel(bench: Bench, order_id: int, account: int = ACCOUNT) -> Any:
    return bench.ask(venue.CancelOrder(account_id=account, order_id=order_id))


def test_modify_codes(bench: Bench) -> None:
    resting = bench.place(type=1, limit_price=last(bench) - 10, size=2).order_id
    stop = bench.place(type=4, stop_price=last(bench) + 20).order_id
    bench.run(0.5)
    assert modify(bench, resting, account_id=1).error_code == 1
    missing = modify(bench, 17)
    assert (missing.error_code, missing.error_message) == (2, None)
    for wish, text in (
        ({"limit_price": 6_900.1}, "Invalid limit price. Price is not aligned to tick size."),
        ({"limit_price": 1.0}, RANGE),
        ({"stop_price": last(bench) + 5}, RANGE),
        ({"size": 0}, "Invalid order size specified"),
    ):
        answer = modify(bench, resting, **wish)
        assert (answer.error_code, answer.error_message) == (3, text)
    wrong_side = modify(bench, stop, stop_price=last(bench) - 20)
    assert (wrong_side.error_code, wrong_side.error_message) == (3, RANGE)
    assert modify(bench, resting).success, "nothing asked, nothing changed"
    over = bench.place()
    bench.run(0.5)
    assert modify(bench, over.order_id, size=3).error_code == 3


def test_modify_moves_price_and_size_and_keeps_the_id(bench: Bench) -> None:
    placed = bench.place(type=1, limit_price=last(bench) - 10, size=3).order_id
    bench.run(0.5)
    bench.quiet()
    lower = last(bench) - 12
    assert modify(bench, placed, limit_price=lower, size=2).success
    order = bench.order(placed)
    assert (order.limit_price, order.size, order.status) == (lower, 2, 1)
    assert order.update_timestamp is not None
    assert order.update_timestamp > order.creation_timestamp
    assert modify(bench, placed, size=1).success
    assert bench.core._machines.exchange.books["MES"].state.resting[placed].left == 1
    assert [push.payload.size for push in bench.pushes()] == [2, 1]


def test_modify_into_the_market_fills(bench: Bench) -> None:
    placed = bench.place(type=1, limit_price=last(bench) - 10).order_id
    bench.run(0.5)
    assert modify(bench, placed, limit_price=last(bench) + 5).success
    assert bench.order(placed).status == 2
    assert bench.order(placed).filled_price < last(bench) + 5, "at the book's price"


def test_fill_wins_the_race_against_modify_and_cancel(bench: Bench) -> None:
    """Both requests are on their way when the order before them ends."""
    placed = bench.place(type=1, limit_price=last(bench) - 10).order_id
    bench.run(0.5)
    bench.calls += 3
    first, second, third = bench.calls - 2, bench.calls - 1, bench.calls
    from services.simulator.words import Answer, Call

    end = venue.CancelOrder(account_id=ACCOUNT, order_id=placed)
    bench.tell(Call(call_id=first, request=end))
    bench.tell(Call(call_id=second, request=end))
    bench.tell(
        Call(
            call_id=third,
            request=venue.ModifyOrder(account_id=ACCOUNT, order_id=placed, size=1),
        )
    )
    bench.run(0.5)
    codes = {
        word.call_id: word.response.error_code  # type: ignore[union-attr]
        for word in bench.said
        if isinstance(word, Answer)
    }
    assert (codes[first], codes[second], codes[third]) == (0, 5, 3)


# -- cancel ----------------------------------------------------------------------------------------


def test_cancel_codes(bench: Bench) -> None:
    placed = bench.place(type=1, limit_price=last(bench) - 10).order_id
    bench.run(0.5)
    bench.quiet()
    assert cancel(bench, placed, account=1).error_code == 1
    assert cancel(bench, 17).error_code == 2
    assert cancel(bench, placed).success
    assert cancel(bench, placed).error_code == 5
    assert [push.payload.status for push in bench.pushes()] == [3]
    assert bench.order(placed).status == 3


def test_cancel_works_when_the_market_is_closed() -> None:
    bench = Bench(start="2026-11-27T11:59:50-06:00", regime="calm", firm_rules=False)
    bench.run(1)
    placed = bench.place(type=1, limit_price=last(bench) - 50).order_id
    while bench.core._machines.hours.open(bench.core.market_ns):
        bench.now += 60 * 10**9
        bench.run(0.02)
    assert cancel(bench, placed).success


# -- close -----------------------------------------------------------------------------------------


def test_close_codes(bench: Bench) -> None:
    def close(account: int = ACCOUNT, contract: str = MES) -> int:
        asked = venue.PositionClose(account_id=account, contract_id=contract)
        return int(bench.ask(asked).error_code)

    def part(size: int, account: int = ACCOUNT, contract: str = MES) -> int:
        asked = venue.PositionPartialClose(account_id=account, contract_id=contract, size=size)
        return int(bench.ask(asked).error_code)

    assert close(account=1) == part(1, account=1) == 1
    assert close(contract="nonsense") == part(1, contract="nonsense") == 3
    assert close() == part(1) == 2
    assert bench.place(size=3).success
    bench.run(0.5)
    assert part(0) == part(4) == part(-1) == 5
    assert part(1) == 0
    bench.run(0.5)
    assert bench.truth().positions[0].lots == 2
    assert close() == 0
    bench.run(0.5)
    assert bench.truth().positions[0].lots == 0


def test_close_is_an_untagged_market_order_and_leaves_resting_orders(bench: Bench) -> None:
    assert bench.place(size=2, sl=-40, tp=40, custom_tag="e").success
    bench.run(0.5)
    bench.quiet()
    answer = bench.ask(venue.PositionClose(account_id=ACCOUNT, contract_id=MES))
    assert (answer.success, answer.error_code) == (True, 0)
    assert not hasattr(answer, "order_id")
    bench.run(0.5)
    closing = bench.truth().orders[-1]
    assert (closing.type, closing.side, closing.size, closing.custom_tag) == (2, 1, 2, None)
    assert [order.custom_tag for order in bench.truth().open_orders] == ["e-SL", "e-TP"]


def test_two_closes_in_flight_turn_the_position_around(bench: Bench) -> None:
    """Why a client keeps one close in flight per contract."""
    from services.simulator.words import Call

    assert bench.place(size=2).success
    bench.run(0.5)
    for _ in range(2):
        bench.calls += 1
        asked = venue.PositionClose(account_id=ACCOUNT, contract_id=MES)
        bench.tell(Call(call_id=bench.calls, request=asked))
    bench.run(0.5)
    assert bench.truth().positions[0].lots == -2
