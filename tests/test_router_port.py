"""The router's port against a venue on a real socket: asked, lost, refused, held back, absent."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.order_router import words as w
from services.order_router.life import STOP_REQUEST
from services.order_router.port import RouterPort
from services.simulator.words import Call, UserPush
from shared.core import Word
from shared.events import OrderType, Side
from shared.runtime import paths
from shared.runtime.exits import Exit, Fatal
from shared.settings import load
from shared.units import SECOND
from shared.venue import answers
from shared.venue import words as wire
from tests.venue_stage import StageHost, serving

pytestmark = pytest.mark.slow
MNQ = "CON.F.US.MNQ.Z26"
ACCOUNT = 20_411_873
WHEN = "2026-11-18T15:35:00+00:00"
Host = Any


class PortHost:
    """Meets `Host`; remembers what the port told."""

    name = "order_router"

    def __init__(self, port: RouterPort, folder: Path) -> None:
        self.port = port
        self.run_dir = self.var_dir = folder
        self.told: list[Word] = []
        self.notes: list[str] = []

    def now_ns(self) -> int:
        return 0

    def inject(self, word: Word) -> None:
        self.told.append(word)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def relay(self, *ticks: object) -> None:
        raise AssertionError("the router relays nothing")

    def fail(self, why: str, code: int) -> None:
        raise AssertionError(f"the port must not end us: {why} ({code})")

    async def until(self, true: Callable[[Word], bool]) -> Any:
        """The first word for which `true` holds, waiting for it if need be."""
        async with asyncio.timeout(60):
            while True:
                for word in self.told:
                    if true(word):
                        return word
                await asyncio.sleep(0.005)

    async def first(self, kind: type[Word]) -> Any:
        return await self.until(lambda word: isinstance(word, kind))


@asynccontextmanager
async def routing(url: str, folder: Path, timeout_s: float = 2.0) -> AsyncIterator[PortHost]:
    base = load(env={})
    venue = msgspec.structs.replace(
        base.venue,
        rest_url=url,
        hub_url=url.replace("http", "ws"),
        request_timeout_real_s=timeout_s,
    )
    port = RouterPort(msgspec.structs.replace(base, venue=venue))
    host = PortHost(port, folder)
    task = asyncio.create_task(port.run(host))
    await asyncio.sleep(0)
    try:
        yield host
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def venue_with(stage: StageHost) -> None:
    """An account that holds one contract behind one stop, after one trade."""
    account = wire.AccountModel(
        id=ACCOUNT, name="SIM-50K-1", balance=50_000.0, can_trade=True, simulated=True
    )
    stage.answers[wire.AccountSearch] = answers.AccountsResponse(success=True, accounts=(account,))
    stage.answers[wire.OrderQuery] = answers.QueryResponse(success=True, orders=(an_order(),))
    stage.answers[wire.OrderSearch] = answers.OrdersResponse(
        success=True, orders=(an_order(), an_order(id=8, status=3))
    )
    held = wire.PositionModel(
        id=1,
        account_id=ACCOUNT,
        contract_id=MNQ,
        creation_timestamp=WHEN,
        type=1,
        size=1,
        average_price=20_000.25,
    )
    stage.answers[wire.PositionSearchOpen] = answers.PositionsResponse(
        success=True, positions=(held,)
    )
    trade = wire.TradeModel(
        id=5,
        account_id=ACCOUNT,
        contract_id=MNQ,
        creation_timestamp=WHEN,
        price=20_000.25,
        fees=0.61,
        side=0,
        size=1,
        order_id=6,
    )
    stage.answers[wire.TradeSearch] = answers.TradesResponse(success=True, trades=(trade, None))


def an_order(**changes: Any) -> wire.OrderModel:
    order = wire.OrderModel(
        id=7,
        account_id=ACCOUNT,
        contract_id=MNQ,
        creation_timestamp=WHEN,
        status=1,
        type=4,
        side=1,
        size=1,
        stop_price=19_990.0,
        custom_tag="t1.router.1.1.0",
    )
    return msgspec.structs.replace(order, **changes)


def a_place(**changes: Any) -> w.PlaceOrder:
    word = w.PlaceOrder(
        tag="t1.trend.1.1.0",
        contract=MNQ,
        side=Side.SELL,
        size=2,
        type=OrderType.LIMIT,
        limit_price=80_001,
        stop_loss_ticks=40,
        take_profit_ticks=80,
    )
    return msgspec.structs.replace(word, **changes)


def run(story: Callable[[StageHost, PortHost], Any], folder: Path, timeout_s: float = 2.0) -> None:
    async def stage() -> None:
        async with serving(folder) as (venue, url):
            venue_with(venue)
            async with routing(url, folder, timeout_s) as host:
                await host.first(w.AccountsSeen)
                host.port.handle(w.Join(account_id=ACCOUNT, name="SIM-50K-1"))
                await story(venue, host)

    asyncio.run(stage())


def placed(venue: StageHost) -> list[wire.PlaceOrder]:
    return [call for call in venue.calls if isinstance(call, wire.PlaceOrder)]


# -- acts ----------------------------------------------------------------------------------------


def test_an_order_is_translated_and_its_answer_told(tmp_path: Path) -> None:
    async def story(venue: StageHost, host: PortHost) -> None:
        venue.answers[wire.PlaceOrder] = answers.PlaceResponse(success=True, order_id=9)
        host.port.handle(a_place())
        answer = await host.first(w.PlaceAnswer)
        assert answer == w.PlaceAnswer(tag="t1.trend.1.1.0", outcome=w.Outcome.DONE, order_id=9)
        (request,) = placed(venue)
        assert (request.account_id, request.limit_price, request.side) == (ACCOUNT, 20_000.25, 1)
        assert request.stop_loss_bracket == wire.BracketModel(ticks=40, type=4)
        assert request.take_profit_bracket == wire.BracketModel(ticks=-80, type=1)

    run(story, tmp_path)


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        (answers.PlaceResponse(success=False, error_code=2, error_message="no", order_id=4),
         w.Outcome.REFUSED),
        (answers.PlaceResponse(success=False, error_code=6), w.Outcome.UNKNOWN),
        (answers.PlaceResponse(success=True, order_id=None), w.Outcome.UNKNOWN),
        (None, w.Outcome.UNKNOWN),
    ],
)  # fmt: skip
def test_what_became_of_an_order_is_told_honestly(
    tmp_path: Path, response: Any, outcome: w.Outcome
) -> None:
    async def story(venue: StageHost, host: PortHost) -> None:
        venue.answers[wire.PlaceOrder] = response
        host.port.handle(a_place())
        answer = await host.first(w.PlaceAnswer)
        assert answer.outcome is outcome
        assert len(placed(venue)) == 1, "never a second request"
        if outcome is w.Outcome.REFUSED:
            assert (answer.order_id, answer.text) == (4, "no")

    run(story, tmp_path, timeout_s=0.5)


@pytest.mark.parametrize(
    ("late", "why"),
    [
        ({"deadline_real_ns": 1}, "deadline"),
        ({"halt_no": 3}, "halt number 3 is void, 4 holds"),
    ],
)
def test_the_last_look_keeps_it_here(tmp_path: Path, late: Any, why: str) -> None:
    async def story(venue: StageHost, host: PortHost) -> None:
        host.port.handle(w.KnowHalt(halt_no=4))
        host.port.handle(a_place(**late))
        answer = await host.first(w.PlaceAnswer)
        assert answer.outcome is w.Outcome.NOT_SENT
        assert why in answer.text
        assert not placed(venue)

    run(story, tmp_path)


def test_an_approval_in_time_under_the_newest_number_leaves(tmp_path: Path) -> None:
    async def story(venue: StageHost, host: PortHost) -> None:
        venue.answers[wire.PlaceOrder] = answers.PlaceResponse(success=True, order_id=9)
        host.port.handle(w.KnowHalt(halt_no=4))
        host.port.handle(a_place(halt_no=4, deadline_real_ns=time.monotonic_ns() + 5 * SECOND))
        answer = await host.first(w.PlaceAnswer)
        assert answer.outcome is w.Outcome.DONE

    run(story, tmp_path)


def test_cancel_change_and_close_are_answered(tmp_path: Path) -> None:
    async def story(venue: StageHost, host: PortHost) -> None:
        refusal = answers.Acknowledged(success=False, error_code=2)
        venue.answers[wire.PositionClose] = refusal
        host.port.handle(w.CancelOrder(order_id=7))
        host.port.handle(w.ModifyProtection(order_id=7, contract=MNQ, size=2, stop_price=80_000))
        host.port.handle(w.CloseContract(close_id=3, contract=MNQ))
        cancel = await host.first(w.CancelAnswer)
        change = await host.first(w.ModifyAnswer)
        close = await host.first(w.CloseAnswer)
        assert (cancel.order_id, cancel.outcome) == (7, w.Outcome.DONE)
        assert (change.order_id, change.outcome) == (7, w.Outcome.DONE)
        assert (close.close_id, close.outcome, close.text) == (3, w.Outcome.REFUSED, "code 2")
        (request,) = [c for c in venue.calls if isinstance(c, wire.ModifyOrder)]
        assert (request.size, request.stop_price, request.limit_price) == (2, 20_000.0, None)

    run(story, tmp_path)


# -- reads ---------------------------------------------------------------------------------------


def test_a_read_is_everything(tmp_path: Path) -> None:
    async def story(venue: StageHost, host: PortHost) -> None:
        host.port.handle(w.ReadBooks(read_id=1, trades_since_ns=0, since_ns=1, account=True))
        books = await host.first(w.Books)
        assert [row.order_id for row in books.orders] == [7, 8]
        assert [(row.contract, row.lots) for row in books.positions] == [(MNQ, 1)]
        assert [(row.trade_id, row.price) for row in books.trades] == [(5, 80_001)]
        assert books.account.balance == 50_000_000_000
        assert books.quota_left > 0
        asked = [type(c) for c in venue.calls if not isinstance(c, wire.AccountSearch)]
        assert asked == [
            wire.OrderQuery, wire.OrderSearch, wire.PositionSearchOpen, wire.TradeSearch,
        ]  # fmt: skip

    run(story, tmp_path)


def test_live_orders_are_read_page_by_page(tmp_path: Path) -> None:
    async def story(venue: StageHost, host: PortHost) -> None:
        def page(call: Word) -> answers.QueryResponse:
            assert isinstance(call, Call)
            assert isinstance(call.request, wire.OrderQuery)
            offset = call.request.page_offset or 0
            rows = tuple(
                an_order(id=n, custom_tag=f"t{n}") for n in range(offset, min(offset + 500, 620))
            )
            return answers.QueryResponse(success=True, orders=rows)

        venue.answers[wire.OrderQuery] = page
        host.port.handle(w.ReadBooks(read_id=1, trades_since_ns=0))
        books = await host.first(w.Books)
        assert len(books.orders) == 620

    run(story, tmp_path)


@pytest.mark.parametrize(
    ("asked", "response"),
    [
        (wire.PositionSearchOpen, answers.PositionsResponse(success=False, error_code=1)),
        (wire.TradeSearch, None),
        (wire.OrderQuery, answers.QueryResponse(success=True, orders=(an_order(status=77),))),
        (wire.OrderQuery, answers.QueryResponse(success=True, orders=(an_order(stop_price=0.1),))),
    ],
)
def test_half_an_answer_is_no_answer(tmp_path: Path, asked: type, response: Any) -> None:
    async def story(venue: StageHost, host: PortHost) -> None:
        venue.answers[asked] = response
        host.port.handle(w.ReadBooks(read_id=4, trades_since_ns=0))
        unread = await host.first(w.Unread)
        assert unread.read_id == 4
        assert unread.reason

    run(story, tmp_path, timeout_s=0.3)


def test_a_trade_of_a_product_we_do_not_know_hides_no_other(tmp_path: Path) -> None:
    async def story(venue: StageHost, host: PortHost) -> None:
        good = venue.answers[wire.TradeSearch].trades[0]  # type: ignore[union-attr]
        odd = msgspec.structs.replace(good, id=6, contract_id="CON.F.US.ZZZ.Z26")
        venue.answers[wire.TradeSearch] = answers.TradesResponse(success=True, trades=(odd, good))
        host.port.handle(w.ReadBooks(read_id=1, trades_since_ns=0))
        books = await host.first(w.Books)
        assert [row.trade_id for row in books.trades] == [5]

    run(story, tmp_path)


# -- the hub -------------------------------------------------------------------------------------


def test_the_hub_is_up_and_its_events_are_told(tmp_path: Path) -> None:
    async def story(venue: StageHost, host: PortHost) -> None:
        await host.until(lambda word: word == w.Link(up=True))
        assert venue.port is not None
        for target, payload in (
            (wire.USER_ORDER, an_order()),
            (wire.USER_ORDER, an_order(status=77)),  # garbage is dropped, the rest goes on
            (wire.USER_POSITION, venue.answers[wire.PositionSearchOpen].positions[0]),  # type: ignore[union-attr]
            (wire.USER_TRADE, venue.answers[wire.TradeSearch].trades[0]),  # type: ignore[union-attr]
        ):
            venue.port.handle(
                UserPush(target=target, account_id=ACCOUNT, action=1, payload=payload)
            )
        await host.first(w.TradeSeen)
        seen = [word for word in host.told if isinstance(word, w.OrderSeen)]
        assert [word.row.order_id for word in seen] == [7]
        position = await host.first(w.PositionSeen)
        assert position.row.lots == 1

    run(story, tmp_path)


def test_a_reconnect_on_demand_drops_what_waits_and_comes_back(tmp_path: Path) -> None:
    async def story(venue: StageHost, host: PortHost) -> None:
        await host.until(lambda word: word == w.Link(up=True))
        host.port.handle(a_place())
        host.port.handle(w.Reconnect(reason="the clock jumped"))
        answer = await host.first(w.PlaceAnswer)
        assert answer.outcome in (w.Outcome.NOT_SENT, w.Outcome.UNKNOWN)
        await host.until(lambda word: isinstance(word, w.Link) and not word.up)
        host.told.clear()
        await host.until(lambda word: word == w.Link(up=True))

    run(story, tmp_path)


def test_an_approval_from_before_a_sleep_stays_here(tmp_path: Path) -> None:
    """At waking it may be handed over before the core is told that the computer slept."""

    async def story(venue: StageHost, host: PortHost) -> None:
        await host.until(lambda word: word == w.Link(up=True))
        jumps = [5 * SECOND]
        host.port._sleep.slept_ns = lambda: jumps.pop() if jumps else 0  # type: ignore[method-assign]
        host.port.handle(a_place(deadline_real_ns=time.monotonic_ns() + SECOND))
        answer = await host.first(w.PlaceAnswer)
        assert answer.outcome is w.Outcome.NOT_SENT
        assert "slept" in answer.text
        host.port.handle(a_place(tag="t1.router.1.9.0"))
        await host.until(lambda word: isinstance(word, w.PlaceAnswer) and word.tag.endswith(".9.0"))
        assert host.told[-1].outcome is not w.Outcome.NOT_SENT, "a stop of our own has no deadline"

    run(story, tmp_path)


def test_an_absent_venue_is_said_once_and_waited_for(tmp_path: Path) -> None:
    async def story() -> None:
        async with routing("http://127.0.0.1:9", tmp_path, 0.5) as host:
            link = await host.first(w.Link)
            assert not link.up
            assert link.reason
            await asyncio.sleep(2.5)
            assert len(host.told) == 1, "the same reason is told once"
            assert host.notes

    asyncio.run(story())


# -- the files -----------------------------------------------------------------------------------


def test_a_flatten_request_is_told_once_and_removed_when_done(tmp_path: Path) -> None:
    request = paths.flatten_request_path(tmp_path)
    progress = paths.flatten_progress_path(tmp_path)

    async def story(venue: StageHost, host: PortHost) -> None:
        request.write_text(json.dumps({"id": "r1", "cause": "enough", "who": "me"}))
        told = await host.first(w.FlattenRequested)
        assert told == w.FlattenRequested(request_id="r1", cause="enough", who="me")
        report = w.ReportProgress(request_id="r1", stage="CLOSING", beat=1, detail="d")
        host.port.handle(report)
        assert json.loads(progress.read_text()) == {
            "id": "r1", "stage": "CLOSING", "by": "order_router", "beat": 1, "detail": "d",
        }  # fmt: skip
        assert request.exists()
        await asyncio.sleep(0.3)
        assert sum(isinstance(word, w.FlattenRequested) for word in host.told) == 1
        done = msgspec.structs.replace(report, stage="FLAT", beat=2, done=True)
        host.port.handle(done)
        assert not request.exists()
        assert json.loads(progress.read_text())["stage"] == "FLAT"

    run(story, tmp_path)


def test_a_request_that_came_meanwhile_stays(tmp_path: Path) -> None:
    request = paths.flatten_request_path(tmp_path)

    async def story(venue: StageHost, host: PortHost) -> None:
        request.write_text(json.dumps({"id": "r2"}))
        await host.first(w.FlattenRequested)
        host.port.handle(
            w.ReportProgress(request_id="r1", stage="FLAT", beat=2, detail="", done=True)
        )
        assert request.exists()

    run(story, tmp_path)


def test_a_request_that_cannot_be_read_is_still_a_wish_to_be_flat(tmp_path: Path) -> None:
    async def story(venue: StageHost, host: PortHost) -> None:
        paths.flatten_request_path(tmp_path).write_text("{broken")
        told = await host.first(w.FlattenRequested)
        assert told.request_id == "unreadable"

    run(story, tmp_path)


# -- stopping ------------------------------------------------------------------------------------


def test_it_stops_when_the_core_has_proven_flat(tmp_path: Path) -> None:
    async def story(venue: StageHost, host: PortHost) -> None:
        stopping = asyncio.create_task(host.port.stop())
        await asyncio.sleep(0.05)
        assert not stopping.done()
        host.port.handle(
            w.ReportProgress(request_id=STOP_REQUEST, stage="FLAT", beat=1, detail="", done=True)
        )
        await asyncio.wait_for(stopping, 60)
        assert not paths.flatten_progress_path(tmp_path).exists()

    run(story, tmp_path)


def test_without_a_proof_it_ends_with_a_code_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.order_router.port.STOP_S", 0.2)

    async def story(venue: StageHost, host: PortHost) -> None:
        with pytest.raises(Fatal) as caught:
            await host.port.stop()
        assert caught.value.code is Exit.NOT_FLAT

    run(story, tmp_path)
