"""The whole core: its money, its pushes, and the settings it is begun with."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from services.simulator import accounts
from services.simulator.accounts import Account, Order
from services.simulator.core import CATCH_UP_NS, Simulator
from services.simulator.words import (
    INPUTS,
    OUTPUTS,
    Answer,
    Call,
    DepthPush,
    Moved,
    QuotePush,
    Step,
    TapePush,
    UserPush,
)
from shared.domain.orders import Happening
from shared.events import Pulse, Started, Stopping
from shared.sections import SimulatedAccount
from shared.units import SECOND
from shared.venue import words as venue
from shared.venue.market import DepthBook
from shared.venue.times import time_ns
from shared.venue.words import to_hub
from tests.sim_stage import ACCOUNT, M2K, MES, MNQ, Bench, bars, begun, settings_with

bench = pytest.fixture(begun)


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
    said = [*bench.said, *bench.run(10)]
    assert {type(word) for word in said} >= {Answer, UserPush, Moved}
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
