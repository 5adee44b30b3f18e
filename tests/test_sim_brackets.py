"""Bracket lives: suspended, opened by the fill, one cancels the other, and the odd ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.simulator.words import UserPush
from shared.venue import words as venue
from shared.venue.words import BracketModel
from tests.sim_stage import ACCOUNT, MES, MNQ, Bench, calm, recording

START = "2026-11-18T15:35:00Z"
CODE = {"GatewayUserOrder": "order", "GatewayUserTrade": "trade"}


bench = pytest.fixture(calm)


def cancel(bench: Bench, order_id: int) -> Any:
    return bench.ask(venue.CancelOrder(account_id=ACCOUNT, order_id=order_id))


def live(bench: Bench) -> dict[str, venue.OrderModel]:
    """Live orders by the last two letters of their tag."""
    return {(order.custom_tag or "")[-2:]: order for order in bench.truth().open_orders}


def told(pushes: list[UserPush]) -> list[str]:
    """Events in short: `SL 8`, `trade`, `position 1`."""
    lines = []
    for push in pushes:
        payload: Any = push.payload
        if push.target == venue.USER_ORDER:
            tag = (payload.custom_tag or "close")[-2:]
            lines.append(f"{tag} {payload.status}")
        elif push.target == venue.USER_POSITION:
            lines.append(f"position {push.action} type {payload.type} size {payload.size}")
        else:
            lines.append(CODE.get(push.target, push.target.removeprefix("GatewayUser").lower()))
    return lines


def test_the_venues_own_order_of_events(bench: Bench) -> None:
    """Section 5.3 of the reference, market entry, short."""
    answer = bench.place(side=1, sl=101, tp=-99, custom_tag="brXX")
    bench.run(0.2)
    entry = answer.order_id
    pushes = bench.pushes()
    assert told(pushes) == [
        "SL 8",
        "XX 6",
        "TP 8",
        "XX 2",
        "trade",
        "position 1 type 2 size 1",
        "account",
        "TP 1",
        "SL 1",
    ]
    orders: list[Any] = [push.payload for push in pushes if push.target == venue.USER_ORDER]
    stop, pending, profit, filled, opened_profit, opened_stop = orders
    assert (pending.id, stop.id, profit.id) == (entry, entry + 1, entry + 2)
    assert (stop.trail_distance, stop.trail_price) == (101, 25.25)
    assert (profit.trail_distance, profit.trail_price) == (-99, -24.75)
    assert (stop.stop_price, profit.limit_price) == (None, None)
    assert stop.creation_timestamp == pending.creation_timestamp == profit.creation_timestamp
    assert stop.parent_order_id == profit.parent_order_id == entry
    assert profit.linked_order_id == stop.id
    assert stop.linked_order_id is venue.UNSET
    assert (stop.custom_tag, profit.custom_tag) == ("brXX-SL", "brXX-TP")
    assert opened_profit.limit_price == filled.filled_price - 99 * 0.25
    assert opened_stop.stop_price == filled.filled_price + 101 * 0.25
    assert filled.update_timestamp == filled.creation_timestamp, "a fill is no update"
    assert opened_stop.update_timestamp > opened_stop.creation_timestamp


def test_unbracketed_market_order_events(bench: Bench) -> None:
    bench.place(custom_tag="XX")
    bench.run(0.2)
    assert told(bench.pushes()) == [
        "XX 6",
        "XX 2",
        "trade",
        "position 1 type 1 size 1",
        "account",
    ]


def test_suspended_legs_are_hidden_but_from_v2_query(bench: Bench) -> None:
    price = bench.book().last * 0.25 - 10
    entry = bench.place(type=1, limit_price=price, sl=-8, tp=8, custom_tag="h").order_id
    bench.run(0.2)
    shown = bench.ask(venue.OrderSearchOpen(account_id=ACCOUNT)).orders
    assert [order.id for order in shown] == [entry]
    searched = bench.ask(venue.OrderSearch(account_id=ACCOUNT, start_timestamp=START)).orders
    assert [order.id for order in searched] == [entry]
    live_filter = venue.QueryFilter(account_id=ACCOUNT, statuses=(1, 6, 7, 8))
    queried = bench.ask(venue.OrderQuery(filter=live_filter)).orders
    assert [(order.id - entry, order.status) for order in queried] == [(0, 1), (1, 8), (2, 8)]


def test_entry_cancelled_before_its_fill_takes_its_legs(bench: Bench) -> None:
    price = bench.book().last * 0.25 - 10
    entry = bench.place(type=1, limit_price=price, sl=-8, tp=8, custom_tag="cXX").order_id
    bench.run(0.2)
    bench.pushes()
    assert cancel(bench, entry).success
    assert told(bench.pushes()) == ["XX 3", "SL 3", "TP 3"]
    assert bench.truth().open_orders == ()


@pytest.mark.parametrize(("sl", "tp", "winner"), [(-200, 8, "TP"), (-8, 200, "SL")])
def test_one_cancels_the_other(sl: int, tp: int, winner: str) -> None:
    bench = Bench(regime="auto")
    bench.run(1)
    bench.place(size=2, sl=sl, tp=tp, custom_tag="oXX")
    bench.run(0.2)
    legs = live(bench)
    bench.pushes()
    bench.run_until(lambda: not bench.truth().open_orders)
    loser = "SL" if winner == "TP" else "TP"
    events = told(bench.pushes())
    assert events[0] == f"{winner} {2 if winner == 'SL' else events[0][-1]}"
    assert events[-1] == f"{loser} 3"
    assert events.count(f"{loser} 3") == 1
    assert "position 2 type 0 size 0" in events
    assert bench.order(legs[winner].id).fill_volume == 2
    assert bench.order(legs[loser].id).fill_volume == 0
    assert bench.truth().positions[0].lots == 0


def test_a_cancelled_leg_leaves_its_sibling(bench: Bench) -> None:
    bench.place(sl=-40, tp=40, custom_tag="s")
    bench.run(0.2)
    legs = live(bench)
    assert cancel(bench, legs["TP"].id).success
    assert list(live(bench)) == ["SL"]
    assert cancel(bench, legs["SL"].id).success
    assert bench.truth().positions[0].lots == 1


def test_a_suspended_leg_can_be_cancelled_and_never_opens(bench: Bench) -> None:
    price = bench.book().last * 0.25 - 1
    bench.place(type=1, limit_price=price, sl=-40, tp=40, custom_tag="s")
    bench.run(0.1)
    assert cancel(bench, live(bench)["TP"].id).success
    bench.run_until(lambda: bool(bench.truth().positions and bench.truth().positions[0].lots))
    assert list(live(bench)) == ["SL"]


def test_a_leg_is_moved_alone_and_stays_one_of_the_pair() -> None:
    bench = Bench(regime="calm")
    bench.run(1)
    bench.place(sl=-40, tp=40, custom_tag="m")
    bench.run(0.2)
    legs = live(bench)
    near = bench.book().bid * 0.25 - 0.5
    answer = bench.ask(
        venue.ModifyOrder(account_id=ACCOUNT, order_id=legs["SL"].id, stop_price=near)
    )
    assert answer.success
    assert live(bench)["TP"] == legs["TP"]
    assert live(bench)["SL"].stop_price == near
    pair = {legs["SL"].id: legs["TP"].id, legs["TP"].id: legs["SL"].id}
    assert bench.book().pairs == pair
    bench.run_until(lambda: not bench.truth().open_orders)
    assert bench.order(legs["SL"].id).status == 2
    assert bench.order(legs["TP"].id).status == 3


def test_size_of_a_leg_and_a_suspended_leg_cannot_be_changed(bench: Bench) -> None:
    price = bench.book().last * 0.25 - 10
    bench.place(type=1, limit_price=price, sl=-40, tp=40, custom_tag="z")
    bench.run(0.2)
    suspended = live(bench)["SL"].id
    asked = venue.ModifyOrder(account_id=ACCOUNT, order_id=suspended, stop_price=6_000.0)
    assert bench.ask(asked).error_code == 3
    bench.place(sl=-40, tp=40, custom_tag="y", size=2)
    bench.run(0.2)
    leg = next(order for order in bench.truth().open_orders if order.custom_tag == "y-SL").id
    assert bench.ask(venue.ModifyOrder(account_id=ACCOUNT, order_id=leg, size=1)).error_code == 3


@pytest.mark.parametrize(("given", "suffix"), [({"sl": -10}, "SL"), ({"tp": 10}, "TP")])
def test_one_leg_alone(bench: Bench, given: dict[str, int], suffix: str) -> None:
    bench.place(**given, custom_tag="a")
    bench.run(0.2)
    (leg,) = bench.truth().open_orders
    assert (leg.custom_tag, leg.linked_order_id) == (f"a-{suffix}", venue.UNSET)


def test_untagged_entry_has_untagged_legs(bench: Bench) -> None:
    bench.place(sl=-40, tp=40)
    bench.run(0.2)
    assert [order.custom_tag for order in bench.truth().open_orders] == [None, None]


def test_trailing_stop_leg_follows() -> None:
    bench = Bench(regime="trend", seed=5)
    bench.run(1)
    up = bench.core._machines.markets.synthetic.state.weather.sign > 0
    sign = 1 if up else -1
    answer = bench.place(
        MNQ,
        side=0 if up else 1,
        stop_loss_bracket=BracketModel(ticks=-40 * sign, type=5),
        custom_tag="t",
    )
    bench.run(0.2)
    leg = bench.truth().open_orders[0]
    assert (leg.type, leg.trail_distance, leg.parent_order_id) == (5, 40, answer.order_id)
    first = bench.core._machines.exchange.books["MNQ"].state.waiting[leg.id].stop
    bench.run(8)
    waiting = bench.core._machines.exchange.books["MNQ"].state.waiting[leg.id]
    assert (waiting.stop - first) * sign > 10


# -- partial fills, on a recording where every print is known --------------------------------------


def thin_bench(tmp_path: Path) -> Bench:
    """MNQ trades 400 ticks up, one minute a bar; prints are small, so fills come in parts."""
    path = tmp_path / "thin.csv"
    rows = [
        (f"2026-11-18T15:{minute}:00Z", base, base + 10, base - 10, base, 150)
        for minute, base in ((34, 100_000), (35, 100_000), (36, 100_000), (37, 100_000))
    ]
    path.write_text(recording(rows))
    return Bench(market="recorded", recorded_file=str(path), recorded_root="MNQ")


def test_partial_fills_open_legs_in_proportion(tmp_path: Path) -> None:
    bench = thin_bench(tmp_path)
    bench.run(1)
    price = (bench.book("MNQ").bid - 2) * 0.25
    bench.place(MNQ, type=1, limit_price=price, size=45, sl=-200, tp=200, custom_tag="pXX")
    bench.pushes()
    bench.run_until(lambda: bool(bench.truth().fills))
    events = told(bench.pushes())
    assert events[0] == "XX 1", "working"
    assert events[1] == "XX 1", "and partly filled"
    assert events[2] == "trade"
    sizes = set()
    for _ in range(600):
        bench.run(0.1)
        truth = bench.truth()
        held = truth.positions[0].lots if truth.positions else 0
        legs = {order.custom_tag: order.size for order in truth.open_orders if order.status == 1}
        if held:
            assert legs["pXX-SL"] == legs["pXX-TP"] == held
            sizes.add(held)
        if held == 45:
            break
    assert len(sizes) > 1, "the entry filled in parts"


def test_entry_cancelled_after_a_part_keeps_protected(tmp_path: Path) -> None:
    bench = thin_bench(tmp_path)
    bench.run(1)
    price = (bench.book("MNQ").bid - 2) * 0.25
    placed = bench.place(
        MNQ, type=1, limit_price=price, size=45, sl=-200, tp=200, custom_tag="p"
    ).order_id
    bench.run_until(lambda: bool(bench.truth().fills))
    assert cancel(bench, placed).success
    held = bench.truth().positions[0].lots
    assert 0 < held < 45
    assert {tag: order.size for tag, order in live(bench).items()} == {"SL": held, "TP": held}
    entry = bench.order(placed)
    assert (entry.status, entry.fill_volume, entry.size) == (3, held, 45)


def test_partial_target_shrinks_the_stop(tmp_path: Path) -> None:
    bench = thin_bench(tmp_path)
    bench.run(1)
    bench.place(MNQ, size=40, sl=-200, tp=4, custom_tag="pXX")
    bench.run(0.2)
    bench.run_until(lambda: bench.truth().positions[0].lots < 40, 170)
    while bench.truth().open_orders:
        held = bench.truth().positions[0].lots
        legs = live(bench)
        left = {tag: order.size - (order.fill_volume or 0) for tag, order in legs.items()}
        assert left == {"SL": held, "TP": held}
        state = bench.book("MNQ")
        in_book = [one.left for one in (*state.waiting.values(), *state.resting.values())]
        assert in_book == [held, held]
        bench.run(0.2)
    assert bench.truth().positions[0].lots == 0


def test_contract_of_the_positions_is_the_front(bench: Bench) -> None:
    bench.place()
    bench.run(0.2)
    (row,) = bench.ask(venue.PositionSearchOpen(account_id=ACCOUNT)).positions
    assert (row.contract_id, row.size, row.type) == (MES, 1, 1)
