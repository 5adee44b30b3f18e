"""The router's port against a venue on a real socket: asked, lost, refused, held back."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.order_router import words as w
from services.simulator.words import Call
from shared.core import Word
from shared.units import SECOND
from shared.venue import answers
from shared.venue import words as wire
from tests.router_port_stage import ACCOUNT, MNQ, PortHost, a_place, an_order, run
from tests.venue_stage import StageHost

pytestmark = pytest.mark.slow


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

    run(story, tmp_path, timeout_s=60.0 if response else 0.5)


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
        host.port.handle(a_place(halt_no=4, deadline_real_ns=time.monotonic_ns() + 60 * SECOND))
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
