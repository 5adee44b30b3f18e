"""Trading in a pull replay: orders against bars, on an account of its own, under the firm."""

from __future__ import annotations

import pytest

from services.simulator.pull_replay import FIRST_ACCOUNT
from services.simulator.pull_words import CloseAll, PullPlace, ReplayStatus
from services.simulator.words import UserPush
from shared.venue import words as venue
from tests.sim_pull_stage import Notebook, at_nine, trades
from tests.sim_stage import MNQ

notebook = pytest.fixture(at_nine)

DAY = "2026-11-10"


# -- trading ---------------------------------------------------------------------------------------


def test_a_market_order_fills_at_once_around_the_close(notebook: Notebook) -> None:
    close = notebook.step().bar.c
    placed = notebook.ask(PullPlace(side=0, size=2, sl_ticks=200, tp_ticks=400, custom_tag="a"))
    assert placed.success
    status = notebook.ask(ReplayStatus())
    assert status.position == 2
    (fill,) = status.fills
    assert fill.price == close
    legs = notebook.ask(venue.OrderSearchOpen(account_id=FIRST_ACCOUNT)).orders
    assert {leg.custom_tag: (leg.stop_price, leg.limit_price) for leg in legs} == {
        "a-SL": (close - 50, None), "a-TP": (None, close + 100)
    }  # fmt: skip
    (position,) = notebook.ask(venue.PositionSearchOpen(account_id=FIRST_ACCOUNT)).positions
    assert (position.size, position.type, position.average_price) == (2, 1, close)
    sold = notebook.ask(PullPlace(side=1, size=2, sl_ticks=-200))
    assert sold.success, "signs are nobody's business here"


def test_legs_fill_inside_bars_and_within_them(notebook: Notebook) -> None:
    notebook.step()
    notebook.ask(PullPlace(side=0, sl_ticks=20, tp_ticks=20))
    (entry,) = notebook.ask(ReplayStatus()).fills
    assert entry.profit_and_loss is None
    for _ in range(100):
        told = notebook.step()
        if told.fills:
            break
    (exit_,) = told.fills
    assert exit_.profit_and_loss in (20 * 0.5, pytest.approx(-20 * 0.5, abs=1.0))
    assert told.bar.l - 0.5 <= exit_.price <= told.bar.h
    assert told.position == 0
    assert notebook.ask(venue.OrderSearchOpen(account_id=FIRST_ACCOUNT)).orders == ()
    fees = sum(fill.fees for fill in trades(notebook))
    assert told.balance == pytest.approx(50_000 + exit_.profit_and_loss - fees)


def test_limit_and_stop_orders_wait_for_their_price(notebook: Notebook) -> None:
    close = notebook.step().bar.c
    low = notebook.ask(PullPlace(type=1, side=0, limit_price=close - 3)).order_id
    high = notebook.ask(PullPlace(type=4, side=0, stop_price=close + 3)).order_id
    seen: dict[int, float] = {}
    for _ in range(300):
        told = notebook.step()
        for fill in told.fills:
            seen[fill.order_id] = fill.price
        if len(seen) == 2:
            break
    assert seen[low] <= close - 3
    assert seen[high] >= close + 3


def test_close_all_leaves_nothing(notebook: Notebook) -> None:
    close = notebook.step().bar.c
    notebook.ask(PullPlace(side=1, size=3, sl_ticks=100, tp_ticks=100))
    notebook.ask(PullPlace(type=1, side=0, limit_price=close - 100))
    told = notebook.ask(CloseAll())
    assert (told.success, told.position) == (True, 0)
    assert notebook.ask(venue.OrderSearchOpen(account_id=FIRST_ACCOUNT)).orders == ()


def test_modify_cancel_and_closes_are_the_gateways(notebook: Notebook) -> None:
    close, account = notebook.step().bar.c, FIRST_ACCOUNT
    placed = notebook.ask(PullPlace(type=1, side=0, limit_price=close - 50)).order_id
    change = venue.ModifyOrder(account_id=account, order_id=placed, limit_price=close - 60)
    assert notebook.ask(change).success
    (order,) = notebook.ask(venue.OrderSearchOpen(account_id=account)).orders
    assert order.limit_price == close - 60
    assert notebook.ask(venue.CancelOrder(account_id=account, order_id=placed)).success
    notebook.ask(PullPlace(side=0, size=3))
    part = venue.PositionPartialClose(account_id=account, contract_id=MNQ, size=1)
    assert notebook.ask(part).success
    assert notebook.ask(ReplayStatus()).position == 2
    assert notebook.ask(venue.PositionClose(account_id=account, contract_id=MNQ)).success
    assert notebook.ask(ReplayStatus()).position == 0
    refused = notebook.ask(PullPlace(type=1, side=0, limit_price=close + 0.1))
    assert refused.error_message == "Invalid limit price. Price is not aligned to tick size."


def test_user_events_are_pushed_for_the_replays_account(notebook: Notebook) -> None:
    notebook.step()
    notebook.ask(PullPlace(side=0))
    pushes = [word for word in notebook.told if isinstance(word, UserPush)]
    assert pushes
    assert {push.account_id for push in pushes} == {FIRST_ACCOUNT}


# -- the firm --------------------------------------------------------------------------------------


def test_the_firm_closes_at_its_time(notebook: Notebook) -> None:
    notebook.start(start_date="2026-11-10T21:05:00Z")
    notebook.step()
    notebook.ask(PullPlace(side=0, size=2))
    assert notebook.step(3).position == 2
    assert notebook.step().position == 0, "15:10 CT has passed"
    refused = notebook.ask(PullPlace(side=0))
    assert "not in an active trading status" in refused.error_message


def test_a_replay_can_lose_its_account() -> None:
    notebook = Notebook()
    notebook.start(start_date=DAY)
    told = notebook.step()
    for _ in range(40):  # the fees alone lose the day
        notebook.ask(PullPlace(side=0, size=50))
        told = notebook.ask(CloseAll())
        if not told.can_trade:
            break
    assert not told.can_trade
    assert told.balance <= 49_000
    notebook.step()
    assert notebook.ask(ReplayStatus()).position == 0
    assert notebook.ask(PullPlace(side=0)).error_code == 4


def test_rules_can_be_left_out() -> None:
    notebook = Notebook()
    notebook.start(start_date="2026-11-10T21:05:00Z", rules=False)
    notebook.step()
    notebook.ask(PullPlace(side=0))
    assert notebook.step(10).position == 1
