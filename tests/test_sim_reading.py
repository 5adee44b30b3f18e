"""What the core answers to those who only read: account, contracts, bars, orders, trades."""

from __future__ import annotations

from typing import Any

import pytest

from shared.contracts import PRODUCTS
from shared.venue import words as venue
from tests.sim_stage import ACCOUNT, ES, M2K, MES, MNQ, Bench, bars, begun

bench = pytest.fixture(begun)


def test_the_account(bench: Bench) -> None:
    (row,) = bench.ask(venue.AccountSearch(only_active_accounts=True)).accounts
    assert (row.id, row.name, row.balance) == (ACCOUNT, "SIM-50K-1", 50_000.0)
    assert (row.can_trade, row.is_visible, row.simulated) == (True, True, True)


def test_contracts_by_text_and_by_id(bench: Bench) -> None:
    def found(text: str, live: bool = False) -> list[str]:
        asked = venue.ContractSearch(search_text=text, live=live)
        return [row.name for row in bench.ask(asked).contracts]

    assert found("NQ") == ["NQZ6", "MNQZ6", "QGZ6", "QMF7"], "the exact root comes first"
    assert found("mnq") == ["MNQZ6"]
    assert found("F.US.EP") == ["ESZ6"]
    assert found("zzz") == []
    assert found("NQ", live=True) == []
    assert len(found("")) == 20, "no paging"
    listed = bench.ask(venue.ContractAvailable()).contracts
    assert [row.id for row in listed] == sorted(row.id for row in listed)
    assert len(listed) == len(PRODUCTS) - 1 == 51
    assert all(row.active_contract for row in listed)
    assert bench.ask(venue.ContractAvailable(live=True)).contracts == ()
    row = bench.ask(venue.ContractSearchById(contract_id=MES)).contract
    assert (row.name, row.description) == ("MESZ6", "Micro E-mini S&P 500: December 2026")
    assert (row.tick_size, row.tick_value, row.symbol_id) == (0.25, 1.25, "F.US.MES")
    old = bench.ask(venue.ContractSearchById(contract_id="CON.F.US.MES.U26")).contract
    assert (old.name, old.active_contract) == ("MESU6", False)
    for contract in ("CON.F.US.MES.H27", "CON.F.US.MES.H20", "MES", "CON.F.US.XYZ.Z26"):
        answer = bench.ask(venue.ContractSearchById(contract_id=contract))
        assert (answer.success, answer.error_code, answer.contract) == (False, 1, None)


@pytest.mark.parametrize(
    ("start", "front"),
    [
        ("2026-12-09T12:00:00-06:00", "MNQZ6"),
        ("2026-12-10T12:00:00-06:00", "MNQH7"),  # eight days before the third Friday
        ("2026-12-09T17:00:00-06:00", "MNQH7"),  # the trading day turns the evening before
        ("2027-03-01T12:00:00-06:00", "MNQH7"),
    ],
)
def test_front_month_by_market_date(start: str, front: str) -> None:
    bench = Bench(start=start)
    names = [row.name for row in bench.ask(venue.ContractSearch(search_text="MNQ")).contracts]
    assert names == [front]


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"contract_id": "nonsense"}, 1),
        ({"unit": 0}, 2),
        ({"unit": 8}, 2),
        ({"unit": 7}, 2),
        ({"unit_number": 0}, 3),
        ({"limit": 0}, 4),
        ({"limit": 20_001}, 4),
        ({"contract_id": "nonsense", "unit": 0, "limit": 0}, 1),
    ],
)
def test_bar_error_codes(bench: Bench, wish: dict[str, Any], code: int) -> None:
    answer = bars(bench, **wish)
    assert (answer.success, answer.error_code, answer.bars) == (False, code, None)


def test_bars_are_newest_first_and_limited_to_the_newest(bench: Bench) -> None:
    some = bars(bench, limit=3).bars
    assert [bar.t for bar in some] == [
        "2026-11-18T15:34:00+00:00",
        "2026-11-18T15:33:00+00:00",
        "2026-11-18T15:32:00+00:00",
    ]
    within = bars(
        bench, start_time="2026-11-18T15:30:00Z", end_time="2026-11-18T15:31:00Z", limit=100
    ).bars
    assert [bar.t[14:16] for bar in within] == ["31", "30"]
    assert bars(bench, contract_id=ES).bars == (), "listed, but not quoted"
    assert bars(bench, live=True).bars == ()


def test_the_forming_bar_only_on_request(bench: Bench) -> None:
    bench.run(30)
    assert bars(bench, limit=1).bars[0].t == "2026-11-18T15:34:00+00:00"
    forming = bars(bench, limit=1, include_partial_bar=True).bars[0]
    assert forming.t == "2026-11-18T15:35:00+00:00"
    bench.run(30)
    closed = bars(bench, limit=1).bars[0]
    assert closed.t == forming.t
    assert closed.v > forming.v
    bench.run(90)
    assert closed in bars(bench, limit=3).bars, "a bar once served does not change"


def test_larger_bars_are_joined_from_smaller(bench: Bench) -> None:
    bench.run(120)
    minutes = bars(bench, start_time="2026-11-18T15:30:00Z", end_time="2026-11-18T15:34:59Z").bars
    five = bars(bench, unit_number=5, end_time="2026-11-18T15:34:59Z").bars[0]
    assert len(minutes) == 5
    assert five.t == "2026-11-18T15:30:00+00:00"
    assert five.o == minutes[-1].o
    assert five.c == minutes[0].c
    assert five.h == max(bar.h for bar in minutes)
    assert five.l == min(bar.l for bar in minutes)
    assert five.v == sum(bar.v for bar in minutes)
    seconds = bars(
        bench, unit=1, start_time="2026-11-18T15:34:00Z", end_time="2026-11-18T15:34:59Z", limit=99
    ).bars
    assert sum(bar.v for bar in seconds) == minutes[0].v, "seconds before the start agree too"
    hours = bars(bench, unit=3, limit=20_000).bars
    assert all(bar.t.endswith(":00:00+00:00") for bar in hours)
    days = bars(bench, unit=4, start_time="2026-11-09T00:00:00Z", limit=5).bars
    assert [bar.t for bar in days][:2] == ["2026-11-16T23:00:00+00:00", "2026-11-15T23:00:00+00:00"]


def test_no_bars_of_closed_hours(bench: Bench) -> None:
    answer = bars(
        bench, start_time="2026-11-17T21:55:00Z", end_time="2026-11-17T23:04:00Z", limit=100
    )
    stamps = {bar.t[11:16] for bar in answer.bars}
    assert {"21:59", "23:00"} <= stamps
    assert not {"22:00", "22:30", "22:59"} & stamps


def test_expired_month_has_bars_up_to_its_roll() -> None:
    bench = Bench(start="2026-12-14T12:00:00-06:00")
    wish = {"start_time": "2026-12-01T00:00:00Z", "end_time": "2026-12-31T00:00:00Z"}
    old = bars(bench, **wish, limit=1).bars[0]
    new = bars(bench, **wish, limit=20_000, contract_id="CON.F.US.MES.H27").bars
    assert old.t == "2026-12-09T21:59:00+00:00"
    assert new[0].t == "2026-12-14T17:59:00+00:00"
    assert new[-1].t < old.t, "the next month was trading before it became the front"


def test_searches_need_the_account(bench: Bench) -> None:
    for request in (
        venue.OrderSearch(account_id=1, start_timestamp="2026-11-18T00:00:00Z"),
        venue.OrderSearchOpen(account_id=1),
        venue.OrderSearchById(account_id=1, order_id=1),
        venue.OrderQuery(filter=venue.QueryFilter(account_id=1)),
        venue.PositionSearchOpen(account_id=1),
        venue.TradeSearch(account_id=1),
    ):
        answer = bench.ask(request)
        assert (answer.success, answer.error_code) == (False, 1), request
    assert bench.ask(venue.OrderSearchById(account_id=ACCOUNT, order_id=7)).error_code == 1


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (venue.OrderSearch(account_id=ACCOUNT, start_timestamp="yesterday"), "startTimestamp"),
        (venue.TradeSearch(account_id=ACCOUNT, end_timestamp="2026-13-01"), "endTimestamp"),
        (
            venue.OrderQuery(filter=venue.QueryFilter(account_id=ACCOUNT, created_after="x")),
            "filter.createdAfter",
        ),
        (
            venue.OrderQuery(filter=venue.QueryFilter(account_id=ACCOUNT, statuses=(17,))),
            "filter.statuses",
        ),
        (venue.OrderQuery(filter=venue.QueryFilter(account_id=ACCOUNT), page_size=0), "pageSize"),
        (venue.OrderQuery(filter=venue.QueryFilter(account_id=ACCOUNT), page_size=501), "pageSize"),
        (
            venue.OrderQuery(filter=venue.QueryFilter(account_id=ACCOUNT), page_offset=-1),
            "pageOffset",
        ),
    ],
)
def test_unreadable_requests_are_problems(bench: Bench, request_: Any, field: str) -> None:
    answer = bench.ask(request_)
    assert answer.status == 400
    assert list(answer.errors) == [field]


def test_orders_trades_and_positions_are_found(bench: Bench) -> None:
    first = bench.place(custom_tag="a").order_id
    bench.run(1)
    later = bench.core.market_ns
    second = bench.place(M2K, side=1, size=2).order_id
    bench.run(1)
    resting = bench.place(type=1, limit_price=6_800.0).order_id
    bench.run(1)
    everything = bench.ask(
        venue.OrderSearch(
            account_id=ACCOUNT, start_timestamp="2026-11-18T00:00:00Z", end_timestamp=""
        )
    ).orders
    assert [row.id for row in everything] == [first, second, resting]
    assert everything[0].limit_price is None
    assert everything[0].update_timestamp is not None
    since = accounts_time(later)
    recent = bench.ask(venue.OrderSearch(account_id=ACCOUNT, start_timestamp=since)).orders
    assert [row.id for row in recent] == [second, resting]
    trades = bench.ask(venue.TradeSearch(account_id=ACCOUNT)).trades
    assert [row.order_id for row in trades][-1] == first, "newest first"
    assert all(row.profit_and_loss is None for row in trades)
    assert sum(row.fees for row in trades) == pytest.approx(3 * 0.61)
    rows = bench.ask(venue.PositionSearchOpen(account_id=ACCOUNT)).positions
    assert [(row.contract_id, row.type, row.size) for row in rows] == [(MES, 1, 1), (M2K, 2, 2)]
    assert rows[0].id != rows[1].id


def accounts_time(instant: int) -> str:
    from shared.venue.times import time_text

    return time_text(instant)


def test_v2_query_pages_sorts_and_counts(bench: Bench) -> None:
    ids = [bench.place(type=1, limit_price=6_800.0 - n).order_id for n in range(5)]
    bench.run(0.2)

    def ids_of(**wish: Any) -> tuple[list[int], int | None]:
        filters = wish.pop("filter", {})
        asked = venue.OrderQuery(filter=venue.QueryFilter(account_id=ACCOUNT, **filters), **wish)
        answer = bench.ask(asked)
        return [row.id for row in answer.orders], answer.total_count

    assert ids_of() == (ids, None)
    assert ids_of(page_size=2, page_offset=1, include_total_count=True) == (ids[1:3], 5)
    assert ids_of(sort_direction=1, page_size=1) == ([ids[-1]], None)
    assert ids_of(filter={"contract_id": MNQ}) == ([], None)
    assert ids_of(filter={"statuses": (2, 3)}) == ([], None)
    assert ids_of(filter={"created_after": "2027-01-01T00:00:00Z"}) == ([], None)
