"""Order semantics that hang on an account's mode or on a setting: stop-limits, lenient ticks,
Position Brackets, commissions, trailing stops as readers see them, contracts that end."""

from __future__ import annotations

from typing import Any

import pytest

from services.simulator import listing
from services.simulator.accounts import Order
from services.simulator.bailiff import closing_order
from services.simulator.market import Hours, Update
from services.simulator.words import FirmOrder, FirmWish
from shared.contracts import product_of
from shared.domain.sessions import TradingDay, calendar
from shared.sections import SimulatedAccount
from shared.units import SECOND
from shared.venue import words as venue
from shared.venue.times import time_ns, time_text
from shared.venue.words import BracketModel
from tests.sim_firm_stage import Court
from tests.sim_stage import ACCOUNT, MES, MNQ, Bench, settings_with

POSITION_MODE = "Brackets cannot be used with Position Brackets. You must enable Auto OCO Brackets."
TYPE = "Invalid order type specified"


def guarded(**amounts: int) -> SimulatedAccount:
    return SimulatedAccount(name="A", brackets="position", **amounts)  # type: ignore[arg-type]


def open_orders(bench: Bench) -> list[venue.OrderModel]:
    return list(bench.ask(venue.OrderSearchOpen(account_id=ACCOUNT)).orders)


# -- stop-limit ------------------------------------------------------------------------------------


def test_stop_limit_is_refused_as_the_real_one_does() -> None:
    bench = Bench(regime="calm")
    bench.run(1)
    at = bench.book().last * 0.25
    answer = bench.place(type=3, stop_price=at + 5, limit_price=at + 5)
    assert (answer.error_code, answer.error_message) == (2, TYPE)


@pytest.fixture
def court() -> Court:
    made = Court(daily_loss=False)
    made.desk._customs = type(made.desk._customs)(stop_limit=True)
    made.mark(MES, 6_000.0)
    return made


def status(court: Court, order_id: int) -> tuple[str, int]:
    order = court.account.find(order_id)
    assert order is not None
    return order.state.name, order.filled


def test_stop_limit_waits_then_rests_then_fills(court: Court) -> None:
    placed = court.place(MES, 0, 1, type=3, stop_price=6_002.0, limit_price=6_001.0)
    assert placed.success
    court.mark(MES, 6_001.75)
    assert status(court, placed.order_id) == ("WORKING", 0)
    court.mark(MES, 6_003.0)
    assert status(court, placed.order_id) == ("WORKING", 0), "the limit is below the market"
    assert placed.order_id in court.exchange.books["MES"].state.resting
    court.mark(MES, 6_001.0)
    assert status(court, placed.order_id) == ("FILLED", 1)
    assert court.state.deals[-1].price * 0.25 <= 6_001.0


def test_a_triggered_stop_limit_is_modified_as_a_limit(court: Court) -> None:
    placed = court.place(MES, 0, 1, type=3, stop_price=6_002.0, limit_price=6_001.0).order_id
    court.mark(MES, 6_003.0)
    change = venue.ModifyOrder(account_id=ACCOUNT, order_id=placed, limit_price=6_003.0)
    court.desk.modify(court.now, 99, change)
    court.exchange.run(court.now)
    assert status(court, placed) == ("FILLED", 1)


@pytest.mark.parametrize(
    "wish",
    [
        {"stop_price": 6_002.0},
        {"limit_price": 6_001.0},
        {"stop_price": 5_990.0, "limit_price": 5_990.0},
        {"stop_price": 6_002.0, "limit_price": 1.0},
    ],
)
def test_stop_limit_needs_both_prices_in_reach(court: Court, wish: dict[str, Any]) -> None:
    answer = court.place(MES, 0, 1, type=3, **wish)
    assert (answer.success, answer.error_code) == (False, 2)


def test_the_setting_takes_stop_limits() -> None:
    bench = Bench(regime="calm", stop_limit=True)
    bench.run(1)
    at = bench.book().last * 0.25
    answer = bench.place(type=3, stop_price=at + 25, limit_price=at + 25)
    assert answer.success
    bench.run(0.3)
    (order,) = open_orders(bench)
    assert (order.type, order.stop_price, order.limit_price) == (3, at + 25, at + 25)


@pytest.mark.parametrize("counted", [True, False])
def test_the_setting_of_what_counts_for_the_cap(counted: bool) -> None:
    bench = Bench(regime="calm", cap_counts_working=counted)
    bench.run(1)
    at = bench.book().last * 0.25
    assert bench.place(type=1, limit_price=at - 50, size=50).success
    assert bench.place(type=1, limit_price=at - 50, size=50).success is not counted


# -- unsigned ticks --------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("sign", [1, -1])
def test_unsigned_ticks_are_distances(side: int, sign: int) -> None:
    bench = Bench(regime="calm", unsigned_bracket_ticks=True)
    bench.run(1)
    answer = bench.place(side=side, sl=40 * sign, tp=60 * sign, custom_tag="u")
    assert answer.success
    bench.run(0.2)
    fill = bench.order(answer.order_id).filled_price
    assert fill is not None
    way = 1 if side == 0 else -1
    legs = {order.custom_tag: order for order in open_orders(bench)}
    assert legs["u-SL"].stop_price == fill - way * 10.0
    assert legs["u-TP"].limit_price == fill + way * 15.0
    near = bench.place(side=side, sl=3)
    assert "at least 4 ticks" in near.error_message


# -- Position Brackets -----------------------------------------------------------------------------


def test_position_mode_refuses_brackets_and_takes_bare_orders() -> None:
    bench = Bench(accounts=(guarded(),), regime="calm")
    bench.run(1)
    for wish in ({"sl": -40}, {"tp": 40}, {"sl": 40, "tp": -1}):
        answer = bench.place(**wish)
        assert (answer.error_code, answer.error_message) == (2, POSITION_MODE)
    assert bench.place(stop_loss_bracket=BracketModel(ticks=0, type=0)).success
    bench.run(0.3)
    assert open_orders(bench) == [], "no distances are set, so nothing guards"


def test_the_platform_guards_the_whole_position() -> None:
    bench = Bench(accounts=(guarded(position_stop=100, position_target=200),), regime="calm")
    bench.run(1)
    first = bench.place(size=2)
    bench.run(0.3)
    fill = bench.order(first.order_id).filled_price
    assert fill is not None
    target, stop = sorted(open_orders(bench), key=lambda order: order.type)
    assert (stop.type, stop.side, stop.size, stop.stop_price) == (4, 1, 2, fill - 10.0)
    assert (target.type, target.side, target.size, target.limit_price) == (1, 1, 2, fill + 20.0)
    assert (stop.custom_tag, target.custom_tag) == (None, None)
    bench.place(size=2)
    bench.run(0.3)
    assert [(order.size, order.side) for order in open_orders(bench)] == [(4, 1), (4, 1)]
    bench.place(side=1, size=5)
    bench.run(0.3)
    assert [(order.size, order.side) for order in open_orders(bench)] == [(1, 0), (1, 0)]
    bench.ask(venue.PositionClose(account_id=ACCOUNT, contract_id=MES))
    bench.run(0.3)
    assert open_orders(bench) == [], "flat: no guard is left"


def test_a_guard_that_fills_ends_the_other() -> None:
    court = Court(brackets="position", position_stop=100, position_target=100, daily_loss=False)
    court.mark(MES, 6_000.0)
    assert court.place(MES, 0, 2).success
    court.mark(MES, 6_000.0)
    assert sorted(order.kind for order in court.state.live.values()) == [1, 4]
    court.mark(MES, 5_989.0)
    assert court.account.held() == []
    assert court.state.live == {}
    assert court.state.guards == {}


def test_a_guard_with_a_fill_to_come_is_not_renewed_under_it() -> None:
    """One update fills part of the target; before that is booked, another order's fill makes the
    stop go off: both are the account's, and both count.
    """
    court = Court(brackets="position", position_stop=100, position_target=100, daily_loss=False)
    court.mark(MES, 6_000.0)
    assert court.place(MES, 0, 2).success
    by_kind = {order.kind: order for order in court.state.live.values()}
    target, stop = by_kind[1], by_kind[4]
    book = court.exchange.book(MES)
    assert target.limit is not None
    book.state.resting[target.id].left -= 1  # the book's half of a part fill
    book.state.waiting[stop.id].left -= 1

    court.mark_quietly(MES, 5_980.0)
    nested: list[tuple[int, int, int]] = []
    book.trigger(nested)
    booked = court.exchange._fill

    def with_a_consequence(*fill: Any) -> None:
        booked(*fill)
        if nested:
            court.exchange.apply([nested.pop()], court.now)

    court.exchange._fill = with_a_consequence  # type: ignore[method-assign]
    other = court.account.add(closing_order(court.account, MES, court.now))
    other.size = 1
    court.exchange.apply([(other.id, 23_920, 1), (target.id, target.limit, 1)], court.now)
    fills = [(deal.order_id, deal.side * deal.lots) for deal in court.state.deals]
    assert fills[1:4] == [(other.id, -1), (stop.id, -1), (target.id, -1)]
    assert [lots for _, lots in fills[4:]] == [1], "the guard of the turned position, in profit"
    assert court.account.lots(MES) == 0
    assert court.state.live == {}


def test_modes_are_switched_only_when_nothing_is_open() -> None:
    bench = Bench(regime="calm")
    bench.run(1)

    def switch(auto: int) -> Any:
        bench.calls += 1
        order = FirmOrder(call_id=bench.calls, account="", wish=FirmWish.AUTO_OCO, amount=auto)
        return bench.tell(order)[-1].response  # type: ignore[attr-defined]

    at = bench.book().last * 0.25
    resting = bench.place(type=1, limit_price=at - 50).order_id
    bench.run(0.3)
    assert not switch(0).success
    bench.ask(venue.CancelOrder(account_id=ACCOUNT, order_id=resting))
    assert switch(0).success
    assert bench.place(sl=-40).error_message == POSITION_MODE
    assert switch(1).success
    assert bench.place(sl=-40).success


# -- what readers see ------------------------------------------------------------------------------


def test_a_trailing_stop_is_read_where_it_stands() -> None:
    court = Court(daily_loss=False)
    court.mark(MES, 6_000.0)
    placed = court.place(MES, 1, 1, type=5, trail_price=5_990.0).order_id
    for price, stands in ((6_000.0, 5_990.0), (6_004.0, 5_994.0), (6_001.0, 5_994.0)):
        court.mark(MES, price)
        court.exchange.follow_trails()
        order = court.account.find(placed)
        assert order is not None
        assert order.stop is not None
        assert order.stop * 0.25 == stands
    court.mark(MES, 5_994.0)
    assert status(court, placed) == ("FILLED", 1)


def test_a_trail_has_a_longest_distance_only_when_placed() -> None:
    court = Court(daily_loss=False)
    court.mark(MES, 6_000.0)
    far = court.place(MES, 1, 1, type=5, trail_price=5_749.75)
    assert far.error_message == "Trail Distance exceeds maximum (1000)"
    placed = court.place(MES, 1, 1, type=5, trail_price=5_990.0).order_id
    wish = venue.ModifyOrder(account_id=ACCOUNT, order_id=placed, trail_price=5_749.75)
    court.desk.modify(court.now, 99, wish)
    court.exchange.run(court.now)
    order = court.account.find(placed)
    assert order is not None
    assert order.trail == 1_001


def test_commissions_are_told_apart_on_the_hub_only() -> None:
    bench = Bench(regime="calm", commissions_apart=True)
    bench.run(1)
    bench.place(size=2)
    bench.run(0.3)
    (push,) = [one for one in bench.pushes() if one.target == "GatewayUserTrade"]
    assert (push.payload.fees, push.payload.commissions) == (0.72, 0.5)
    (row,) = bench.ask(venue.TradeSearch(account_id=ACCOUNT)).trades
    assert (row.fees, row.commissions) == (0.72, venue.UNSET)
    truth = bench.truth()
    assert truth.start_micros - truth.balance_micros == truth.fees_micros == 1_220_000


# -- contracts end ---------------------------------------------------------------------------------


def last_day_of(contract: str, hours: Hours, at_ns: int) -> TradingDay:
    """The last trading day on which a contract is its product's front."""
    day = hours.day(at_ns)
    while True:
        following = hours.day(day.ends_ns)
        if listing.front(product_of(contract), following.day) != contract:
            return day
        day = following


def holding_and_resting(closes_ns: int) -> tuple[Bench, Order]:
    """Two lots of MES held and two waiting, a moment before a day's close; no rules of the firm."""
    bench = Bench(start=time_text(closes_ns - 3 * SECOND), regime="calm", firm_rules=False)
    bench.run(1)
    exchange = bench.core._machines.exchange
    account = exchange.account
    resting, bought = (
        Order(
            id=account.next_id(),
            contract=MES,
            kind=kind,
            side=1,
            size=2,
            limit=limit,
            created_ns=bench.now,
            updated_ns=bench.now,
        )
        for kind, limit in ((1, bench.book().last - 200), (2, None))
    )  # by hand: from the flat-by time on the desk takes no new order
    for order in (resting, bought):
        exchange.accept(order, (None, None), bench.now)
    bench.run(0.5)
    assert account.lots(MES) == 2
    return bench, resting


def over_night(bench: Bench) -> None:
    day = bench.core._machines.state.day
    while bench.core._machines.state.day == day:
        bench.now += 60 * SECOND
        bench.run(0.02)


def test_an_ended_contract_expires_orders_and_settles_positions() -> None:
    """After the exchange's last day: the third Friday."""
    hours = Hours(calendar(settings_with().session))
    last = hours.day(time_ns("2026-12-18T12:00:00-06:00", "the third Friday"))
    bench, resting = holding_and_resting(last.closes_ns)
    over_night(bench)
    account = bench.core._machines.exchange.account
    assert account.lots(MES) == 0
    assert bench.order(resting.id).status == 4
    closing = account.state.deals[-1]
    assert (closing.side, closing.lots, closing.price) == (-1, 2, bench.book().last)
    wish = {"account_id": ACCOUNT, "contract_id": MES}
    assert bench.ask(venue.PositionClose(**wish)).error_code == 4
    assert bench.ask(venue.PositionPartialClose(**wish, size=1)).error_code == 4
    assert bench.place(MES).error_code == 9
    assert not bench.ask(venue.ContractSearchById(contract_id=MES)).contract.active_contract


def test_after_the_roll_an_old_month_can_only_be_left() -> None:
    """What is held and what works there stays; nothing new is opened; it can be closed."""
    hours = Hours(calendar(settings_with().session))
    last = last_day_of(MES, hours, time_ns("2026-12-01T12:00:00-06:00", "begin"))
    bench, resting = holding_and_resting(last.closes_ns)
    over_night(bench)
    bench.run(60)
    assert bench.core._machines.exchange.account.lots(MES) == 2
    assert bench.order(resting.id).status == 1
    assert (refused := bench.place(MES)).error_code == 9, refused
    assert bench.ask(venue.CancelOrder(account_id=ACCOUNT, order_id=resting.id)).success
    assert bench.ask(venue.PositionClose(account_id=ACCOUNT, contract_id=MES)).success
    bench.run(0.5)
    assert bench.core._machines.exchange.account.lots(MES) == 0


def test_a_market_order_at_the_limit_of_the_day_rests_there() -> None:
    court = Court(daily_loss=False)
    court.mark(MNQ, 21_000.0)
    count = court.exchange.books["MNQ"].state.last
    sizes, none = (100,) * 10, (0,) * 10
    court.now += SECOND
    locked = Update(
        "MNQ", court.now, (), (), True, count, count + 1, sizes, none,
        low=count - 100, high=count,
    )  # fmt: skip
    court.exchange.on_update(locked)
    placed = court.place(MNQ, 0, 1).order_id
    order = court.account.find(placed)
    assert order is not None
    assert (order.state.name, order.limit) == ("WORKING", count)
