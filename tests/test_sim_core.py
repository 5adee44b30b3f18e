"""The whole core: what it answers, that its books balance, and that no restart can be seen."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from services.simulator import accounts
from services.simulator.accounts import Account, Order
from services.simulator.core import CATCH_UP_NS, Simulator
from services.simulator.words import (
    INPUTS,
    OUTPUTS,
    Answer,
    Call,
    DepthPush,
    Fault,
    FaultKind,
    QuotePush,
    Step,
    TapePush,
    Truth,
    UserPush,
)
from shared.contracts import PRODUCTS
from shared.core import Word
from shared.domain.orders import Happening
from shared.events import Pulse, Started, Stopping
from shared.sections import SimulatedAccount
from shared.units import SECOND
from shared.venue import words as venue
from shared.venue.market import DepthBook
from shared.venue.times import time_ns
from shared.venue.words import to_hub
from tests.sim_stage import ACCOUNT, ES, M2K, MES, MNQ, Bench, recording, settings_with


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.run(2)
    return made


def bars(bench: Bench, **wish: Any) -> Any:
    base: dict[str, Any] = {
        "contract_id": MES,
        "start_time": "2026-11-17T00:00:00Z",
        "end_time": "2026-11-19T00:00:00Z",
        "unit": 2,
        "unit_number": 1,
        "limit": 10,
    }
    return bench.ask(venue.RetrieveBars(**{**base, **wish}))


# -- reading ---------------------------------------------------------------------------------------


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


# -- money -----------------------------------------------------------------------------------------


def test_profit_fees_and_balance_of_a_round_trip(bench: Bench) -> None:
    bench.place(MNQ, size=2)
    bench.run(5)
    bench.place(MNQ, side=1, size=2)
    bench.run(1)
    deals = bench.truth().trades
    opened = sum(deal.price * deal.size for deal in deals if deal.side == 0)
    closed = sum(deal.price * deal.size for deal in deals if deal.side == 1)
    profit = sum(deal.profit_and_loss or 0 for deal in deals)
    assert profit == pytest.approx((closed - opened) * 2), "2 dollars a point"
    balance = bench.ask(venue.AccountSearch()).accounts[0].balance
    assert balance == pytest.approx(50_000 + profit - 4 * 0.61)


def test_average_price_of_adding_and_a_reversal(bench: Bench) -> None:
    bench.place(MNQ)
    bench.run(3)
    bench.place(MNQ, size=2)
    bench.run(1)
    deals = bench.truth().trades
    average = sum(deal.price * deal.size for deal in deals) / 3
    (row,) = bench.ask(venue.PositionSearchOpen(account_id=ACCOUNT)).positions
    assert row.average_price == pytest.approx(average)
    bench.pushes()
    bench.place(MNQ, side=1, size=4)
    bench.run(1)
    (turned,) = bench.ask(venue.PositionSearchOpen(account_id=ACCOUNT)).positions
    last = bench.truth().trades[-1]
    assert (turned.type, turned.size, turned.average_price) == (2, 1, last.price)
    assert turned.id == row.id
    assert last.profit_and_loss is not None


# -- market pushes ---------------------------------------------------------------------------------


def test_pushes_have_the_venues_shapes(bench: Bench) -> None:
    bench.market.clear()
    bench.run(10)
    quotes = [word for word in bench.market if isinstance(word, QuotePush)]
    prints = [word for word in bench.market if isinstance(word, TapePush)]
    depths = [word for word in bench.market if isinstance(word, DepthPush)]
    assert {word.contract for word in quotes} == {
        MES, MNQ, M2K, "CON.F.US.MYM.Z26",
    }  # fmt: skip
    for contract in (MES, MNQ):
        own = [word.payload for word in quotes if word.contract == contract]
        assert 40 <= len(own) <= 400
        volumes = [payload.volume for payload in own]
        assert volumes == sorted(volumes)
    full = to_hub(quotes[-1].payload)
    assert {"symbol", "lastPrice", "bestBid", "bestAsk", "change", "changePercent"} <= set(full)
    assert {"open", "high", "low", "volume", "lastUpdated", "timestamp"} <= set(full)
    assert full["low"] <= full["lastPrice"] <= full["high"]
    assert all(len(word.payload) == 1 for word in prints)
    assert {row.payload[0].type for row in prints} == {0, 1}
    whole = [word for word in depths if len(word.payload) == 21]
    assert {word.contract for word in whole} >= {MES, MNQ}
    assert all([row.type for row in word.payload].index(6) == 0 for word in whole)
    book = DepthBook(MES)
    for word in depths:
        if word.contract == MES:
            book.fold([MES, [to_hub(row) for row in word.payload]])
    state = bench.book("MES")
    top = book.top(10, 0)
    assert top.bids == tuple((state.bid - n, size) for n, size in enumerate(state.bids))
    assert top.asks == tuple((state.ask + n, size) for n, size in enumerate(state.asks))


def test_a_new_day_starts_its_statistics() -> None:
    bench = Bench(start="2026-11-18T15:59:50-06:00")
    bench.run(5)
    bench.now = time_ns("2026-11-18T17:00:02-06:00", "open")
    for _ in range(3):
        bench.run(1)
    (quote,) = [
        word.payload
        for word in bench.market
        if isinstance(word, QuotePush) and word.contract == MES
    ][-1:]
    stats = bench.core._machines.state.days["MES"]
    assert stats.day == "2026-11-19"
    assert quote.volume == stats.volume < 2_000
    assert quote.change == (stats.last - stats.previous) * 0.25


def test_market_does_not_know_of_our_orders() -> None:
    """Same seed, other trading, same prices."""
    idle, busy = Bench(seed=9), Bench(seed=9)
    for number in range(40):
        busy.place(MES, side=number % 2, size=3)
        busy.place(MNQ, type=1, side=number % 2, limit_price=busy.book("MNQ").bid * 0.25)
        idle.now = busy.now
        idle.run(0.2)
        busy.run(0.2)
    for root in ("MES", "MNQ"):
        ours, theirs = busy.book(root), idle.book(root)
        assert (ours.bid, ours.ask, ours.bids, ours.last) == (
            theirs.bid, theirs.ask, theirs.bids, theirs.last,
        )  # fmt: skip


def test_catching_up_is_bounded(bench: Bench) -> None:
    before = bench.core.market_ns
    bench.now += 3 * CATCH_UP_NS
    bench.tell(Step())
    assert bench.core.market_ns == before + CATCH_UP_NS
    for _ in range(3):
        bench.tell(Step())
    assert bench.core.market_ns == bench.now
    bench.now -= 5 * SECOND
    bench.tell(Step())
    assert bench.core.market_ns == bench.now + 5 * SECOND, "market time never goes back"


# -- conservation, determinism, restart ------------------------------------------------------------

PLACES = st.fixed_dictionaries(
    {
        "contract": st.sampled_from([MES, MNQ, M2K, ES, "nonsense"]),
        "type": st.sampled_from([1, 2, 4, 5, 6, 7]),
        "side": st.sampled_from([0, 1]),
        "size": st.integers(0, 4),
        "away": st.integers(-6, 6),
        "sl": st.sampled_from([None, -4, -10, 10]),
        "tp": st.sampled_from([None, 4, 8, -8]),
        "tag": st.sampled_from([None, "a", "b", "c", "d"]),
    }
)
ACTS = st.one_of(
    st.tuples(st.just("place"), PLACES),
    st.tuples(st.just("cancel"), st.integers(0, 12)),
    st.tuples(st.just("modify"), st.integers(0, 12), st.integers(-6, 6), st.integers(1, 4)),
    st.tuples(st.just("close"), st.sampled_from([MES, MNQ])),
    st.tuples(st.just("partial"), st.sampled_from([MES, MNQ]), st.integers(0, 3)),
    st.tuples(st.just("fault"), st.sampled_from(list(FaultKind)), st.integers(0, 3)),
    st.tuples(st.just("wait"), st.integers(1, 2_500)),
)


def words_of(acts: list[Any]) -> list[tuple[int, Word]]:
    """A story as (instant, input); prices relative to where each product starts."""
    settings = settings_with(seed=4)
    core = Simulator(settings)
    homes = {c: core._machines.exchange.book(c).state.last for c in (MES, MNQ, M2K)}
    now, call, story = core.market_ns + SECOND, 0, []
    first = accounts.FIRST_ORDER
    for act in acts:
        call += 1
        now += 15_000_000
        request: Any = None
        match act:
            case ("wait", milliseconds):
                now += milliseconds * 1_000_000
                story.append((now, Step()))
                continue
            case ("fault", kind, amount):
                story.append((now, Fault(call_id=call, kind=kind, amount=amount)))
                continue
            case ("place", wish):
                tick = 0.1 if wish["contract"] == M2K else 0.25
                level = (homes.get(wish["contract"], 100) + wish["away"]) * tick
                bracket = venue.BracketModel
                request = venue.PlaceOrder(
                    account_id=ACCOUNT,
                    contract_id=wish["contract"],
                    type=wish["type"],
                    side=wish["side"],
                    size=wish["size"],
                    limit_price=level,
                    stop_price=level,
                    trail_price=level + 2,
                    custom_tag=wish["tag"],
                    stop_loss_bracket=bracket(ticks=wish["sl"], type=4) if wish["sl"] else None,
                    take_profit_bracket=bracket(ticks=wish["tp"], type=1) if wish["tp"] else None,
                )
            case ("cancel", offset):
                request = venue.CancelOrder(account_id=ACCOUNT, order_id=first + offset)
            case ("modify", offset, away, size):
                request = venue.ModifyOrder(
                    account_id=ACCOUNT,
                    order_id=first + offset,
                    size=size,
                    limit_price=(homes[MES] + away) * 0.25,
                    stop_price=None,
                )
            case ("close", contract):
                request = venue.PositionClose(account_id=ACCOUNT, contract_id=contract)
            case ("partial", contract, size):
                request = venue.PositionPartialClose(
                    account_id=ACCOUNT, contract_id=contract, size=size
                )
        story.append((now, Call(call_id=call, request=request)))
    story.append((now + 2 * SECOND, Step()))
    story.append((now + 2 * SECOND, Truth(call_id=call + 1)))
    return story


def play(core: Simulator, story: list[tuple[int, Word]]) -> list[bytes]:
    encode = msgspec.msgpack.encode
    return [encode(said) for now, word in story for said in core.on(now, word)]


@hypothesis_settings(max_examples=60, deadline=None)
@given(st.lists(ACTS, max_size=25), st.data())
def test_books_balance_and_no_restart_is_seen(acts: list[Any], data: st.DataObject) -> None:
    settings, story = settings_with(seed=4), words_of(acts)
    whole = Simulator(settings)
    said = play(whole, story)
    cut = data.draw(st.integers(0, len(story)), label="cut")
    first, second = Simulator(settings), Simulator(settings)
    before = play(first, story[:cut])
    second.restore(first.snapshot())
    assert before + play(second, story[cut:]) == said
    assert second.snapshot() == whole.snapshot()
    decoder = msgspec.msgpack.Decoder(
        Answer | UserPush | QuotePush | TapePush | DepthPush  # type: ignore[operator]
    )
    assert_books_balance(decoder.decode(said[-1]).response)


def assert_books_balance(truth: Any) -> None:
    """Money and positions follow from the trades alone."""
    profit = sum(round((deal.profit_and_loss or 0) * 1e6) for deal in truth.trades)
    fees = sum(round(deal.fees * 1e6) for deal in truth.trades)
    assert truth.balance_micros == truth.start_micros + profit - fees
    assert truth.fills == len(truth.trades)
    held: dict[str, int] = {}
    for deal in truth.trades:
        signed = deal.size if deal.side == 0 else -deal.size
        held[deal.contract_id] = held.get(deal.contract_id, 0) + signed
    assert held == {row.contract: row.lots for row in truth.positions}
    filled: dict[int, int] = {}
    for deal in truth.trades:
        filled[deal.order_id] = filled.get(deal.order_id, 0) + deal.size
    for order in (*truth.orders, *truth.open_orders):
        assert filled.get(order.id, 0) == order.fill_volume <= max(order.size, 0)
        assert (order.status == 2) == (order.fill_volume == order.size and order.size > 0)
    assert len({order.id for order in truth.orders} | {o.id for o in truth.open_orders}) == len(
        truth.orders
    ) + len(truth.open_orders)


def test_a_snapshot_is_its_own_copy() -> None:
    bench = Bench()
    bench.run(1)
    kept = bench.core.snapshot()
    bench.place()
    bench.run(5)
    old = Simulator(settings_with())
    old.restore(kept)
    assert old.snapshot() == kept


def test_restore_refuses_what_does_not_fit(tmp_path: Path) -> None:
    core = Simulator(settings_with())
    with pytest.raises(ValueError, match="missing required field"):
        core.restore(b"\x80")
    path = tmp_path / "bars.csv"
    path.write_text(recording([("2026-11-18T15:30:00Z", 100, 110, 90, 100, 50)]))
    other = Simulator(settings_with(market="recorded", recorded_file=str(path)))
    with pytest.raises(ValueError, match=r"simulator\.market: .* start with a fresh memory"):
        other.restore(core.snapshot())


def test_seed_and_start_stay_while_the_weather_may_change() -> None:
    bench = Bench(seed=3, regime="calm")
    bench.run(1)
    before = bars(bench, limit=50)
    other = Simulator(settings_with(seed=99, regime="spike", start="2026-11-20T09:00:00-06:00"))
    other.restore(bench.core.snapshot())
    again = Bench(core=other)
    assert bars(again, limit=50) == before
    again.run(40)
    assert again.truth().regime == "spike"


def test_runtime_events_are_taken_calmly() -> None:
    core = Simulator(settings_with())
    now = core.market_ns + SECOND
    assert tuple(core.on(now, Started(epoch=1, fresh=True)))
    assert tuple(core.on(now + SECOND, Pulse(real_ns=1)))
    assert tuple(core.on(now + 2 * SECOND, Stopping(reason="test"))) == ()
    assert core.market_ns == now + SECOND
    core.recall(now, Step())


def test_bad_settings_are_named() -> None:
    with pytest.raises(ValueError, match=r"simulator\.start was 'soon'"):
        Simulator(settings_with(start="soon"))
    with pytest.raises(ValueError, match=r"simulator\.regime"):
        Simulator(settings_with(regime="monsoon"))
    with pytest.raises(ValueError, match=r"simulator\.recorded_root was 'XYZ'"):
        Simulator(settings_with(market="recorded", recorded_root="XYZ"))
    with pytest.raises(ValueError, match="no such file"):
        Simulator(settings_with(market="recorded", recorded_file="/nowhere.csv"))
    with pytest.raises(ValueError, match="calendar covers"):
        Simulator(settings_with(start="2031-01-01T00:00:00Z"))


def test_settings_change_account_and_money() -> None:
    bench = Bench(accounts=(SimulatedAccount(name="OTHER", size=150_000),))
    (row,) = bench.ask(venue.AccountSearch()).accounts
    assert (row.name, row.balance) == ("OTHER", 150_000.0)


def test_every_word_can_be_journalled(bench: Bench) -> None:
    bench.place(sl=-8, tp=8)
    bench.run(1)
    bars(bench)
    bench.truth()
    kinds: Any = INPUTS[0]
    for kind in (*INPUTS[1:], *OUTPUTS):
        kinds = kinds | kind
    decoder = msgspec.msgpack.Decoder(kinds)
    said = [*bench.said, *bench.market]
    assert {type(word) for word in said} >= {Answer, UserPush, QuotePush, TapePush, DepthPush}
    for word in said:
        assert decoder.decode(msgspec.msgpack.encode(word)) == word
    asked = Call(call_id=1, request=venue.AccountSearch(), user="me")
    assert decoder.decode(msgspec.msgpack.encode(asked)) == asked


# -- the books alone -------------------------------------------------------------------------------


def test_finished_orders_and_deals_are_bounded() -> None:
    account = Bench().core._machines.exchange.account
    for number in range(accounts.ORDERS_KEPT + 2_000):
        order = account.add(
            Order(
                id=account.next_id(),
                contract=MES,
                kind=2,
                side=1 - 2 * (number % 2),
                size=1,
                created_ns=number,
                updated_ns=number,
            )
        )
        account.book(order, 27_600, 1, number)
        order.happen(Happening.FILLED, number)
        account.close_file(order)
        account.use_tag(f"t{number}")
    state = account.state
    assert len(state.done) <= accounts.ORDERS_KEPT + accounts.SLACK
    assert len(state.deals) <= accounts.TRADES_KEPT + accounts.SLACK
    assert max(state.done) == order.id
    assert state.fills == accounts.ORDERS_KEPT + 2_000
    assert account.tags_used == accounts.ORDERS_KEPT + 2_000
    again = Account(account.freeze())
    assert not again.use_tag("t0")
    assert again.use_tag("new")


# -- a recording under the whole core --------------------------------------------------------------


def test_recorded_product_trades_beside_synthetic_ones(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    rows = [
        (f"2026-11-18T15:{minute}:00Z", 60_000, 60_040, 59_980, 60_010, 400)
        for minute in (30, 31, 34, 35, 36)
    ]
    path.write_text(recording(rows))
    bench = Bench(market="recorded", recorded_file=str(path))
    bench.run(1)
    past = bars(bench, contract_id=MNQ).bars
    assert [bar.t[14:16] for bar in past] == ["34", "31", "30"], "minutes without trades lack"
    assert bench.place(MNQ).success
    assert bench.place(MES).success
    bench.run(1)
    assert bench.truth().fills == 2
    bench.run(118)
    (newest, older) = bars(bench, contract_id=MNQ, limit=2).bars
    assert (older.o, older.h, older.l, older.c, older.v) == (
        15_000.0, 15_010.0, 14_995.0, 15_002.5, 400,
    )  # fmt: skip
    assert newest.t[14:16] == "36"
    bench.run(5)
    answer = bench.place(MNQ)
    assert (answer.error_code, answer.error_message) == (2, "Invalid symbol"), "it has ended"
    close = bench.ask(venue.PositionClose(account_id=ACCOUNT, contract_id=MNQ))
    assert close.error_code == 5


def test_recorded_core_restarts_unseen(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    rows = [
        (f"2026-11-18T15:{minute}:00Z", 60_000, 60_040, 59_980, 60_010, 400)
        for minute in range(33, 40)
    ]
    path.write_text(recording(rows))
    settings = settings_with(market="recorded", recorded_file=str(path))
    start = Simulator(settings).market_ns
    story: list[tuple[int, Word]] = [(start + number * SECOND, Step()) for number in range(1, 60)]
    said = play(Simulator(settings), story)
    for cut in (0, 1, 20, 59):
        first, second = Simulator(settings), Simulator(settings)
        before = play(first, story[:cut])
        second.restore(first.snapshot())
        assert before + play(second, story[cut:]) == said


def test_core_on_a_real_recording() -> None:
    place = os.environ.get("TSQ_TEST_DATA", "")
    files = sorted(Path(place).glob("nq_1m*")) if place else []
    if not files:
        pytest.skip("TSQ_TEST_DATA names no folder with nq_1m* bars")
    bench = Bench(market="recorded", recorded_file=str(files[0]))
    bench.run(1)
    assert bench.place(MNQ, sl=-40, tp=40, custom_tag="r").success
    bench.run_until(lambda: not bench.truth().open_orders, 1_800)
    truth = bench.truth()
    assert truth.positions[0].lots == 0
    assert_books_balance(truth)
