"""Promises over any story: whatever sleeves wish and the venue does, in whatever order, no limit
of position is passed by what was approved, and every setting moves what it says it moves.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.risk_governor.checks import KIND_CHECKS, SIZE_CHECKS
from services.risk_governor.core import Governor
from services.risk_governor.draft import Draft, first_refusal, largest_size
from services.risk_governor.exposure import exposures, tenths
from services.risk_governor.port import GovernorPort
from shared.events import (
    FeedState,
    FeedStatus,
    Flatten,
    OrderApproved,
    OrderState,
    OrderType,
    OrderVetoed,
    Purpose,
    Side,
    VetoRule,
)
from shared.units import SECOND
from tests.governor_stage import (
    BUY,
    M2K,
    MNQ,
    SELL,
    Stage,
    answer,
    passed,
    refused,
    wide,
)
from tests.governor_stage import settings as given_settings
from tests.test_governor_kept import HOMES, assert_counted_as_if_anew

POSITION, TENTHS, RISK = 3, 6, 120_000_000
steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["enter", "enter", "quote", "exit", "send", "part", "fill", "cancel", "end", "lose",
             "wait", "reconcile", "halt", "resume", "hand", "tick", "tick"]
        ),
        st.sampled_from(sorted(HOMES)),
        st.sampled_from([Side.BUY, Side.SELL]),
        st.integers(1, 4),
        st.booleans(),
    ),
    max_size=60,
)  # fmt: skip


class Venue:
    """What the router may say about approved orders, in any order it likes."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.orders: dict[str, tuple[OrderApproved, int]] = {}

    def approve(self) -> None:
        for said in self.stage.said:
            if isinstance(said, OrderApproved):
                self.orders.setdefault(said.intent_id, (said, 0))

    def pick(self, size: int) -> OrderApproved | None:
        names = list(self.orders)
        return self.orders[names[size % len(names)]][0] if names else None

    def act(self, what: str, size: int) -> None:
        order = self.pick(size)
        if order is None:
            return
        done = self.orders[order.intent_id][1]
        if what == "send":
            self.stage.update(order, OrderState.WORKING, filled=done)
        elif what == "lose":
            self.stage.update(order, OrderState.UNKNOWN, filled=done)
        elif what == "part" and order.size - done > 1:
            self.orders[order.intent_id] = (order, done + 1)
            self.stage.fill(order, self.price(order), 1)
        elif what == "fill":
            del self.orders[order.intent_id]
            if size % 2:
                self.stage.update(order, OrderState.FILLED, filled=order.size)
            self.stage.fill(order, self.price(order), order.size - done)
            if not size % 2:
                self.stage.update(order, OrderState.FILLED, filled=order.size)
        elif what == "end":
            del self.orders[order.intent_id]
            self.stage.update(order, OrderState.CANCELLED, filled=done)

    def price(self, order: OrderApproved) -> int:
        return self.stage.prices[order.contract] + (order.side is BUY)


def _pass(stage: Stage, home: str, move: int) -> None:
    """One price moves, or a second passes in which none does."""
    if move:
        stage.prices[home] += move
        stage.quote(home)
        return
    stage.wait(1)
    for contract in HOMES.values():
        stage.quote(contract)
        stage.covered(contract)


def _step(stage: Stage, venue: Venue, step: tuple[Any, ...]) -> None:
    what, sleeve, side, size, flag = step
    home = HOMES[sleeve]
    if what == "enter":
        stage.ask(sleeve, side, size, contract=home, up_to=flag, stop_loss_ticks=10)
    elif what == "quote":
        price = stage.prices[M2K] - 2 * side
        stage.quote_order(side, price, size, up_to=flag)
    elif what == "exit":
        limit = {"type": OrderType.LIMIT, "limit_price": stage.prices[home]} if flag else {}
        stage.ask_exit(sleeve, side, size, contract=home, **limit)
    elif what == "cancel":
        order = venue.pick(size)
        if order is not None:
            stage.cancel(order.sleeve, order.intent_id)
    elif what in ("wait", "tick"):
        _pass(stage, home, side * size if what == "tick" else 0)
    elif what == "reconcile":
        live = [*venue.orders, *(key for key in stage.governor.mind.state.orders if "-" in key)]
        stage.reconcile(live=live)
    elif what in ("halt", "resume"):
        from services.risk_governor.words import Verb

        stage.operator(Verb(what))
    elif what == "hand":
        held = stage.held(home)
        if held:  # a hand that closes; one that opens is nobody's promise
            stage.trade_of(1, stage.prices[home], contract=home, side=Side(-1 if held > 0 else 1))
    else:
        venue.act(what, size)
    venue.approve()


@settings(max_examples=120, deadline=None)
@given(steps)
def test_no_story_leads_beyond_the_limits_of_what_was_approved(story: list[Any]) -> None:
    stage = Stage(
        wide(
            position=POSITION, account_position_tenths=TENTHS, order_size=4, open_risk=120,
            unprotected_real_s=3_600.0, trades_per_day=12,
        )
    ).opened()  # fmt: skip
    venue = Venue(stage)
    closed_by_hand = False
    for step in story:
        _step(stage, venue, step)
        assert_counted_as_if_anew(stage.governor.mind)
        closed_by_hand = closed_by_hand or step[0] == "hand"
        for contract in HOMES.values():
            if not closed_by_hand:  # a hand may leave an exit working for a moment; it is withdrawn
                assert abs(stage.held(contract)) <= POSITION
        if not closed_by_hand:
            assert tenths(exposures(stage.governor.mind)) <= TENTHS
        assert stage.state().trades_today <= 12
        desks = stage.governor.mind.state.ledger.desks
        for contract, desk in desks.items():
            lots = sum(book.position.lots for book in desk.owners.values())
            assert lots == stage.held(contract)
    answers = [it for it in stage.heard if isinstance(it, OrderApproved | OrderVetoed)]
    names = [it.intent_id for it in answers]
    assert len(names) == len(set(names)), "an intent was answered twice"
    for it in answers:
        if isinstance(it, OrderApproved):
            assert it.size >= 1
            assert (it.stop_loss_ticks is not None) is (it.purpose is Purpose.ENTRY)


@given(steps)
@settings(max_examples=40, deadline=None)
def test_any_story_is_decided_alike_twice_and_survives_a_restart(story: list[Any]) -> None:
    stage = Stage(wide()).opened()
    venue = Venue(stage)
    for step in story:
        _step(stage, venue, step)
    again = Governor(stage.settings)
    said = []
    for number, (now, event) in enumerate(stage.story):
        if number == len(stage.story) // 2:
            reborn = Governor(stage.settings)
            reborn.restore(again.snapshot())
            again = reborn
        said += again.on(now, event)
    assert said == stage.heard
    assert again.snapshot() == stage.governor.snapshot()


@given(st.integers(2, 40), st.integers(1, 9), st.integers(20, 400), st.integers(1, 120))
@settings(max_examples=60, deadline=None)
def test_halving_finds_what_trying_every_size_finds(
    size: int, position: int, budget: int, stop: int
) -> None:
    """Twin of `largest_size`: the naive way asks the rules about every size, largest first."""
    stage = Stage(wide(position=position, order_size=30, open_risk=budget)).opened()
    passed_before = stage.ask("trend", SELL, 1, stop_loss_ticks=1)
    intent = stage.intent("trend", BUY, size, stop_loss_ticks=stop)
    mind = stage.governor.mind
    draft = Draft(mind, stage.now, intent, (None, None))
    assert first_refusal(mind, draft, KIND_CHECKS) is None, passed_before
    naive = 0
    for size in range(30, 0, -1):
        draft.resize(size)
        if first_refusal(mind, draft, SIZE_CHECKS) is None:
            naive = draft.size
            break
    assert largest_size(mind, draft, SIZE_CHECKS, 30) == naive


def test_what_a_veto_calls_the_largest_size_passes() -> None:
    for size in range(4, 40, 7):
        stage = Stage(wide(position=3, order_size=9, open_risk=60)).opened()
        veto = stage.ask("trend", BUY, size)
        assert isinstance(veto, OrderVetoed)
        assert veto.largest == 2  # 22.22 each
        assert passed(stage.ask("trend", BUY, veto.largest)).size == 2


# -- settings --------------------------------------------------------------------------------------


def test_silences_are_settings() -> None:
    governor = Governor(given_settings(router_silence_real_s=1.5, sleeve_silence_real_s=7.0))
    assert governor.watches["order_router"] == governor.watches["market_data_gateway"] == 1.5
    assert governor.watches["sleeve_trend"] == 7.0
    fast, slow = (
        GovernorPort(given_settings(sentinel_silence_real_s=seconds)) for seconds in (1.0, 4.0)
    )
    assert slow._silent_after == 4 * fast._silent_after


@pytest.mark.parametrize(("grace", "flattens"), [(3.0, 1), (30.0, 0)])
def test_the_grace_of_blindness_is_a_setting(grace: float, flattens: int) -> None:
    stage = Stage(wide(blind_grace_s=grace)).opened()
    stage.bought("trend")
    stage.tell(FeedStatus(state=FeedState.DOWN, since_ns=stage.now))
    assert sum(isinstance(event, Flatten) for event in stage.wait(5)) == flattens


@pytest.mark.parametrize(("grace", "flattens"), [(3.0, 1), (30.0, 0)])
def test_the_grace_of_a_difference_is_a_setting(grace: float, flattens: int) -> None:
    stage = Stage(wide(difference_grace_s=grace)).opened()
    stage.reconcile(difference="something")
    assert sum(isinstance(event, Flatten) for event in stage.wait(5)) == flattens


@pytest.mark.parametrize(("grace", "flattens"), [(3.0, 1), (30.0, 0)])
def test_the_grace_of_a_missing_stop_is_a_setting(grace: float, flattens: int) -> None:
    stage = Stage(wide(unprotected_real_s=grace)).opened()
    stage.filled(stage.ask("trend", BUY), 84_001)
    assert sum(isinstance(event, Flatten) for event in stage.wait(5)) == flattens


def test_the_life_of_an_approval_is_a_setting() -> None:
    for seconds in (1.0, 3.0):
        stage = Stage(wide(approval_real_s=seconds)).opened()
        approved = passed(stage.ask("trend", BUY))
        now = stage.governor.mind.state.real_ns
        assert approved.deadline_real_ns - now == int(seconds * SECOND)


def test_the_age_of_quotes_and_the_collar_are_settings() -> None:
    stage = Stage(wide(quote_age_s=1.0, price_collar_ticks=10)).opened()
    near = {"type": OrderType.LIMIT, "limit_price": 83_989}
    assert refused(stage.ask("trend", BUY, **near)) is VetoRule.PRICE_COLLAR
    stage.quote(MNQ, age_ns=2 * SECOND)
    assert refused(stage.ask("trend", BUY)) is VetoRule.FEED


def test_the_allowances_are_settings() -> None:
    for slippage, net_stop in ((0, 10), (5, 30)):
        stage = Stage(wide(slippage_ticks=slippage, net_stop_ticks=net_stop)).opened()
        stage.quote_order(BUY, 24_000)
        assert stage.state().open_risk == (net_stop + slippage) * 500_000 + 1_220_000


def test_the_size_of_the_account_sets_start_and_floor() -> None:
    stage = Stage(wide(rules="topstep-100k-combine@2026-09")).opened(100_000)
    assert stage.state().floor == 97_000_000_000


def test_answers_helper_sees_exactly_one() -> None:
    with pytest.raises(AssertionError):
        answer([OrderVetoed(intent_id="a", sleeve="", contract="", rule=VetoRule.SIZE, limit=0,
                            actual=0)] * 2)  # fmt: skip
